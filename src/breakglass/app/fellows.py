"""What the vaults of other nodes gave and ended: this node's vault is told, in the order of the log.

    grant.opened ▶ adopt_grant (token, approvals, the entry's proof)      grant.closed, grant.revoked ▶ void_grant

So a grant is good at every node, asked for again at another vault it is the same one, and ended once it is ended
everywhere. That happens a few times a second and before each release to a session; after a start, for every grant that
can still run. The vault takes no grant without the signatures, and no end back.
"""

import asyncio
import logging
from datetime import timedelta

from breakglass.audit import evidence
from breakglass.audit.log import Log
from breakglass.errors import BreakglassError, Refused, Unavailable
from breakglass.model.request import Approval
from breakglass.storage.outbox import Told, told
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.statement import Signed
from breakglass.vault.client import VaultClient
from breakglass.vault.evidence import Evidence

EVERY = 0.3
OPENED, ENDED = "grant.opened", ("grant.closed", "grant.revoked")
LONGEST = timedelta(days=8)
"""No policy gives access for longer than a week: what began before can't run any more."""
_log = logging.getLogger(__name__)


class Fellows:
    def __init__(self, store: Store, log: Log, vault: VaultClient) -> None:
        self.store, self.log, self.vault = store, log, vault
        self._told = -1
        """The last entry that the vault was told of."""
        self._turn = asyncio.Lock()

    async def follow(self) -> None:
        """Run for ever."""
        while True:
            try:
                await self.catch_up()
            except Unavailable as away:
                _log.info("the vault waits to be told of other nodes' grants: %s", away.message)
            except BreakglassError as error:
                _log.error("the vault can't be told of other nodes' grants: %s", error.message)
            await asyncio.sleep(EVERY)

    async def at_start(self) -> None:
        """As far as it goes before the doors open: a vault that is still sealed is told once it is open."""
        try:
            await self.catch_up()
        except Unavailable as away:
            _log.info("the vault is told of other nodes' grants later: %s", away.message)

    async def catch_up(self) -> None:
        """Tell the vault of everything up to now. Raises `Unavailable`, `Sealed`: then it is told again."""
        async with self._turn:
            since = self.store.now() - LONGEST
            while found := await self.store.read(evidence.entries_after, self._told, (OPENED, *ENDED), since=since):
                opened = [index for index, kind, _ in found if kind == OPENED]
                found_proofs = await evidence.proven(self.store, self.log, *opened) if opened else ()
                proofs = dict(zip(opened, found_proofs, strict=True))
                for index, kind, grant in found:
                    if kind == OPENED:
                        await self._adopt(proofs[index])
                    else:
                        await asyncio.to_thread(self.vault.void_grant, grant)
                    self._told = index

    async def _adopt(self, proof: Evidence) -> None:
        entry, approvals = await self.store.read(_given, proof.index)
        try:
            await asyncio.to_thread(self.vault.adopt_grant, str(entry.data["token"]), approvals, proof)
        except Refused as refusal:  # mostly one that is over, or was ended since
            _log.info("the vault does not take the grant %s: %s", entry.about, refusal.message)


def _given(look: Read, index: int) -> tuple[Told, list[Signed]]:
    entry = told(look, index)
    approvals = look.find(Approval, request=str(entry.data["request"]))
    return entry, [Signed(one.statement, one.signature) for one in approvals]
