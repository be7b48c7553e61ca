"""What the node does unasked: care for the vault, sweep deadlines, take in roster versions of other nodes."""

import asyncio
import logging
from datetime import datetime
from typing import TYPE_CHECKING

from breakglass.app.recordings import Playback
from breakglass.audit import evidence, kits
from breakglass.errors import BreakglassError, Refused, Sealed, Tampered, Unavailable
from breakglass.flow import clock, custody, dormant, expire, kit, next_log, override, rotate, seal
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.storage import rosters
from breakglass.storage.work import Read, Work

if TYPE_CHECKING:
    from breakglass.app.node import Node

CARE_EVERY, SWEEP_EVERY, SCHEDULE_EVERY, RECORDINGS_EVERY = 0.3, 0.5, 20.0, 300.0
_log = logging.getLogger(__name__)


async def look_after(node: "Node") -> bool:
    """Give an open vault what it lacks: the roster, and a batch to sign what the log grew while it was away.

    True when it is open and knows the roster. Raises `Tampered` when the vault refuses the roster or the log."""
    client = node.vault.client
    try:
        status = await asyncio.to_thread(client.status)
        await _mind_clock(node, frozen=status.clock_frozen)
        if status.sealed:
            return False
        if not status.roster_loaded or status.roster < node.estate.roster.version:
            versions = await node.store.read(rosters.versions)
            await asyncio.to_thread(client.load_roster, versions)
            await node.store.run(SYSTEM, _note, Fact("vault.opened", node.settings.node))
        await _mind_shares(node, status.share_set)
        await _mind_slots(node, status.seal)
        await _mind_override(node, status.unwitnessed_until)
        await _mind_next_log(node, status.log)
        checkpoint = await node.store.read(evidence.newest_checkpoint)
        if checkpoint is not None and checkpoint != node.confirmed:
            await asyncio.to_thread(client.confirm, checkpoint)
            node.confirmed = checkpoint
    except Unavailable:
        return False
    return True


async def _mind_clock(node: "Node", *, frozen: bool) -> None:
    """Tell the log, and so people, when the clock stands wrong, and when it stands right again."""
    wrong = clock.is_wrong(node.store.now(), node.clock.now(), frozen=frozen)
    if wrong == node.clock_wrong:
        return
    if wrong:
        await node.store.run(SYSTEM, clock.note_went_back, node.estate.chain, node.clock.now())
    else:
        await node.store.run(SYSTEM, clock.note_caught_up, node.estate.chain)
    node.clock_wrong = wrong


async def _mind_shares(node: "Node", share_set: str) -> None:
    """Tell the log that new shares open the vault, also when the node died before it could."""
    if share_set != node.share_set:
        await node.store.run(SYSTEM, seal.rekeyed, node.settings.deployment, share_set)
        node.share_set = share_set


async def _mind_slots(node: "Node", seal_name: str) -> None:
    """The same of the slots that open it without people."""
    if seal_name != node.seal_name:
        await node.store.run(SYSTEM, seal.slot_changed, node.settings.deployment, seal_name)
        node.seal_name = seal_name


async def _mind_override(node: "Node", held: datetime | None) -> None:
    """Bring custodians' word that releases go on without witnesses to this node's vault, after each start of it too."""
    chain = node.estate.chain
    waiting = await node.store.read(override.enough, chain) if chain.head.witnesses.quorum else None
    if waiting is None:
        return
    words, until, noted = waiting
    if held is None or held < until:
        await node.store.run(SYSTEM, evidence.vouch, node.log)  # it must know the heads that their statements name
        try:
            until = await asyncio.to_thread(node.vault.client.override, words)
        except Refused as refusal:
            await node.store.run(SYSTEM, override.refused, chain, f"{refusal.message} {refusal.what_to_do}")
            return
    elif noted:
        return
    await node.store.run(SYSTEM, override.begun, chain, until)


async def _mind_next_log(node: "Node", held: int) -> None:
    """Bring custodians' word for the next log to this node's vault, which still signs log `held`."""
    chain = node.estate.chain
    told = await node.store.read(next_log.due, chain, held)
    if told is None:
        return
    try:
        before = await asyncio.to_thread(node.vault.client.next_log, told.words, told.proofs)
    except (Refused, Tampered) as refusal:
        if not told.begun:
            await node.store.run(SYSTEM, next_log.refused, chain, f"{refusal.message} {refusal.what_to_do}")
        elif refusal.message != node.late_because:  # custodians' word did its work elsewhere, and stays good for others
            node.late_because = refusal.message
            _log.critical("this node's vault does not go on with log %d: %s", told.number, refusal.message)
        return
    node.log.tampered = None
    await node.store.run(SYSTEM, next_log.begun, chain, told.number, before)


async def care(node: "Node") -> None:
    alarmed = False
    while True:
        await asyncio.sleep(CARE_EVERY)
        try:
            await node.store.read(_refresh, node)
            await look_after(node)
            if node.log.tampered:
                raise node.log.tampered
            alarmed = False
        except (Sealed, Unavailable) as error:
            _log.info("the vault waits: %s", error)
        except Tampered as error:
            if not alarmed:
                alarmed = True
                _log.critical("tampered: %s", error)
                await node.store.run(SYSTEM, _note, Fact("vault.tampered", node.settings.node, {"why": error.message}))


async def sweep(node: "Node") -> None:
    while True:
        try:
            pending, active = await node.store.read(expire.overdue)
            if pending or active:
                await node.store.run(SYSTEM, expire.sweep)
                continue
        except BreakglassError as error:
            _log.warning("the sweeper waits: %s", error)
        await asyncio.sleep(SWEEP_EVERY)


async def keep_schedule(node: "Node") -> None:
    """Owe a change to accounts whose secret has become too old; look whether the emergency kit still serves, and
    whether what lies in safes is back and was looked at."""
    while True:
        try:
            if await node.store.read(rotate.overdue, node.estate.roster):
                await node.store.run(SYSTEM, rotate.owe_overdue, node.estate.roster)
            if await node.store.read(dormant.awake, node.estate.roster):
                await node.store.run(SYSTEM, dormant.owe_awake, node.estate.roster)
            await _mind_kit(node)
            if await node.store.read(custody.overdue, node.estate.chain):
                await node.store.run(SYSTEM, custody.note_overdue, node.estate.chain)
        except BreakglassError as error:
            _log.warning("the schedule waits: %s", error)
        await asyncio.sleep(SCHEDULE_EVERY)


async def _mind_kit(node: "Node") -> None:
    """Tell people when the emergency kit will soon be too old, and when it would not help any more."""
    roster = node.estate.roster
    soon = await node.store.read(kit.due_soon, roster, node.share_set)
    if soon and soon.number != await node.store.read(kits.due_said):
        await node.store.run(SYSTEM, kit.note_due, node.estate.chain, node.share_set)
    why = await node.store.read(kit.stale, roster, node.share_set)
    if why and why != await node.store.read(kits.stale_said):
        await node.store.run(SYSTEM, kit.note_stale, node.estate.chain, node.share_set)


async def look_at_recordings(playback: Playback) -> None:
    """Whether what was recorded is still there: told before an auditor needs it."""
    while True:
        try:
            await playback.look_at_all()
        except BreakglassError as error:
            _log.warning("looking at recordings waits: %s", error)
        await asyncio.sleep(RECORDINGS_EVERY)


def _refresh(look: Read, node: "Node") -> None:
    node.estate.refresh(look)


def _note(work: Work, fact: Fact) -> None:
    permit(work.actor, "run")
    work.note(fact)
