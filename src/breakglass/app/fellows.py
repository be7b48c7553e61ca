"""What the vaults of other nodes gave and ended: this node's vault is told, in the order of the log.

    grant.opened ▶ adopt_grants (token, approvals, the entry's proof)      grant.closed, grant.revoked ▶ void_grant
    credential.previous ▶ retire_credential (the entry's proof)

So a grant is good at every node, asked for again at another vault it is the same one, and ended once it is ended
everywhere. That happens a few times a second and before each release to a session; after a start, for every grant that
can still run. The vault takes no grant without the signatures, and no end back.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from breakglass.audit import evidence
from breakglass.audit.log import Log
from breakglass.errors import BreakglassError, Refused, Tampered, Unavailable
from breakglass.model.request import Approval
from breakglass.storage.outbox import told
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.statement import Signed
from breakglass.vault.asking import Elsewhere
from breakglass.vault.client import VaultClient
from breakglass.vault.evidence import RETIRED

EVERY = 0.3
AT_ONCE = 32
START_WITHIN = 5.0
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
            async with asyncio.timeout(START_WITHIN):
                await self.catch_up()
        except (BreakglassError, TimeoutError) as error:
            _log.info("the vault is told of other nodes' grants later: %s", error)

    async def catch_up(self) -> None:
        """Tell the vault of everything up to now. Raises `Unavailable`, `Sealed`: then it is told again."""
        async with self._turn:
            since = self.store.now() - LONGEST
            while found := await self.store.read(
                evidence.entries_after, self._told, (OPENED, *ENDED, RETIRED), since=since
            ):
                await self._adopt([index for index, kind, _ in found if kind == OPENED])
                for index, kind, about in found:
                    if kind in ENDED:
                        await asyncio.to_thread(self.vault.void_grant, about)
                    elif kind == RETIRED:
                        await self._retire(index, about)
                self._told = found[-1][0]

    async def _retire(self, index: int, credential: str) -> None:
        [proof] = await evidence.proven(self.store, self.log, index)
        try:
            await asyncio.to_thread(self.vault.retire_credential, credential, proof)
        except (Refused, Tampered) as refusal:  # a row that was bent must not keep what is behind it from the vault
            _log.error("the vault does not take that %s was replaced: %s", credential, refusal.message)

    async def _adopt(self, indexes: Sequence[int]) -> None:
        given = await self.store.read(_given, indexes)
        unknown = await asyncio.to_thread(self.vault.unknown_grants, list(given)) if given else ()
        for part in (unknown[n : n + AT_ONCE] for n in range(0, len(unknown), AT_ONCE)):
            proofs = await evidence.proven(self.store, self.log, *(given[token][0] for token in part))
            grants = [
                Elsewhere(token=token, approvals=given[token][1], entry=proof)
                for token, proof in zip(part, proofs, strict=True)
            ]
            for why in filter(None, await asyncio.to_thread(self.vault.adopt_grants, grants)):
                _log.info("the vault does not take another node's grant: %s", why)  # mostly one that is over


def _given(look: Read, indexes: Sequence[int]) -> dict[str, tuple[int, tuple[Signed, ...]]]:
    """Token -> its entry and its approvals."""
    found = {}
    for index in indexes:
        entry = told(look, index)
        approvals = look.find(Approval, request=str(entry.data["request"]))
        found[str(entry.data["token"])] = index, tuple(Signed(one.statement, one.signature) for one in approvals)
    return found
