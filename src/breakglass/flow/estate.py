"""The estate in memory: the verified chain of rosters. Steps, doors and pages ask it, never a table.

It is read from the database once, verified from the pinned founding hash, and grows by each version that is adopted.
"""

from breakglass.storage import rosters
from breakglass.storage.work import Read
from breakglass.trust import chain as chains
from breakglass.trust.chain import Chain, Version
from breakglass.trust.roster import Roster


class Estate:
    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    @property
    def roster(self) -> Roster:
        return self.chain.head

    def adopt(self, version: Version) -> Roster:
        """Add a version that was signed; raises what `trust.chain.step` raises."""
        self.chain = chains.step(self.chain, version)
        return self.chain.head

    def refresh(self, look: Read) -> bool:
        """Take in versions that another node adopted; True when there were some."""
        newer = rosters.versions(look, since=self.chain.head.version + 1)
        for version in newer:
            self.adopt(version)
        return bool(newer)


def load(look: Read, pin: str) -> Estate:
    """Raises `Tampered` when the stored chain does not hold from the pin on."""
    return Estate(chains.extend(None, pin, rosters.versions(look)))
