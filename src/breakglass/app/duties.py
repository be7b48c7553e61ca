"""The duties that need the vault: open the grant that was approved, void the grant that ended, judge the custodians'
word about the time.

Both are repeated until they are done; the vault answers the same each time.
"""

import asyncio
import contextlib
from collections.abc import Mapping

from breakglass import faults
from breakglass.audit import evidence
from breakglass.audit.log import Log
from breakglass.errors import Refused, WrongState
from breakglass.flow import clock as times
from breakglass.flow import kek as keks
from breakglass.flow.estate import Estate
from breakglass.flow.open_grant import note_refused, open_grant
from breakglass.model.grant import Grant
from breakglass.model.ids import GrantId, RequestId, grant_of
from breakglass.model.people import SYSTEM
from breakglass.model.request import Approval
from breakglass.storage.outbox import Handler, Told
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.grant import open_token
from breakglass.trust.statement import Signed
from breakglass.vault.client import VaultClient


def handlers(store: Store, log: Log, estate: Estate, vault: VaultClient) -> Mapping[str, Handler]:
    async def grant(told: Told) -> None:
        """`told` is `request.approved`."""
        if await store.read(_granted, told.about):
            return
        approvals = await store.read(_approvals, told.about)
        [proven] = await evidence.proven(store, log, told.index)
        request = RequestId(told.about)
        try:
            note = await asyncio.to_thread(vault.open_grant, grant_of(request), request, approvals, proven)
        except Refused as refusal:  # a rule's word is the same the next time
            await store.run(SYSTEM, note_refused, told.about, refusal.message)
            return
        faults.reach("grant.signed")
        token = open_token(note, estate.roster.keys.grant)
        with contextlib.suppress(WrongState):
            await store.run(SYSTEM, open_grant, token, note)

    async def void(told: Told) -> None:
        await asyncio.to_thread(vault.void_grant, GrantId(told.about))

    async def retire(told: Told) -> None:
        """`told` is `credential.previous`."""
        [proven] = await evidence.proven(store, log, told.index)
        await asyncio.to_thread(vault.retire_credential, told.about, proven)

    async def clock(_: Told) -> None:
        """`told` is `clock.signed`. The vault answers the same when it is asked again after a crash."""
        words = await store.read(times.waiting, estate.chain)
        if not words:
            return
        try:
            now = await asyncio.to_thread(vault.confirm_clock, words)
        except Refused as refusal:
            await store.run(SYSTEM, times.refused, estate.chain, f"{refusal.message} {refusal.what_to_do}")
            return
        await store.run(SYSTEM, times.confirmed, estate.chain, now)

    async def kek(told: Told) -> None:
        """`told` is `kek.signed`. The vault answers the same when it is asked again after a crash."""
        signed = Signed(str(told.data["statement"]), str(told.data["signature"]))
        try:
            made = await asyncio.to_thread(vault.rotate_kek, signed)
        except Refused as refusal:
            await store.run(SYSTEM, keks.refused, told.about, f"{refusal.message} {refusal.what_to_do}")
            return
        await store.run(SYSTEM, keks.created, told.about, made)

    return {"grant": grant, "void": void, "retire": retire, "clock": clock, "kek": kek}


def _granted(look: Read, request: str) -> bool:
    return bool(look.find(Grant, request=request))


def _approvals(look: Read, request: str) -> list[Signed]:
    return [Signed(one.statement, one.signature) for one in look.find(Approval, request=request)]
