"""Recordings after the session: what a crash cut is marked so, and an auditor's replay is opened."""

import asyncio
import contextlib
import mmap
from collections.abc import Iterator
from pathlib import Path

from breakglass.audit import evidence
from breakglass.codec.playing import terminal
from breakglass.codec.recording import Head, Header
from breakglass.codec.recording_reader import check_chain, read_header, scan
from breakglass.errors import NotFound, Tampered
from breakglass.flow import keep, review
from breakglass.flow.estate import Estate
from breakglass.gateway.recorder import Recorders
from breakglass.model import recording as states
from breakglass.model.grant import Grant
from breakglass.model.ids import SessionId
from breakglass.model.people import SYSTEM, Actor
from breakglass.model.recording import Recording
from breakglass.model.request import Approval
from breakglass.model.session import Session
from breakglass.release import RELEASE, Releases
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.statement import Signed
from breakglass.vault.asking import Past


async def recover(store: Store, recorders: Recorders, node: str) -> None:
    """Put down what a crash left: the sessions are over, their recordings reach as far as their last whole chunk."""
    for session in await store.read(keep.left_behind, node):
        state, chunks, head, size = states.State.TRUNCATED, 0, "", 0
        path = recorders.path(session.recording, "screen")
        good = await asyncio.to_thread(_reach, path)
        if good is not None:
            chunks, head, size = good.seq, good.hash.hex(), good.bytes
            if good.ended:  # it was all written, and the node stopped before it could say so
                state = states.State.COMPLETE
        await store.run(
            SYSTEM,
            keep.session_over,
            session.id,
            session.recording,
            state,
            chunks,
            head,
            size,
            "the gateway stopped",
        )


class Playback:
    def __init__(self, store: Store, estate: Estate, releases: Releases, recorders: Recorders) -> None:
        self.store, self.estate, self.releases, self.recorders = store, estate, releases, recorders

    async def look_at(self, recording: Recording, *, whole: bool) -> None:
        """Tell the log when its file is lost, or there again. `whole`: read all of it, not only how long it is."""
        why = await asyncio.to_thread(why_lost, self.recorders, recording, whole)
        if why and not recording.lost:
            await self.store.run(SYSTEM, keep.recording_lost, recording.id, why)
        elif not why and recording.lost and whole:
            await self.store.run(SYSTEM, keep.recording_restored, recording.id)

    async def look_at_all(self) -> None:
        """Those whose review is owed, and those that were lost, are read; of the others the length is enough."""
        for recording, owed in await self.store.read(keep.kept_here, self.store.node):
            await self.look_at(recording, whole=owed or bool(recording.lost))

    async def replay(self, actor: Actor, session: SessionId, signature: str, text: str | None) -> bytes:
        """asciicast v3. Raises `Tampered` when the file is not what the log says."""
        told = await self.releases.tell(session, actor, review.replay, self.estate.chain, session, signature, text)
        recording = await self.store.read(_recording, session)
        if not recording.size:
            raise NotFound("Nothing was recorded: this session never reached its target.", what_to_do="Nothing.")
        path = self.recorders.path(recording.id, review.SCREEN)
        node = await self.store.read(_node, session)
        if not path.exists() and node != self.store.node:
            raise NotFound(f"The recording lies on the node {node}.", what_to_do=f"Ask {node} for it.")
        await self.look_at(recording, whole=True)
        if not path.exists():
            raise NotFound(
                "The recording's file is missing.",
                what_to_do="Restore it from a backup. Until then the review is signed with its loss named.",
            )
        header = await asyncio.to_thread(_header, path)
        past = await self.store.read(_past, session, told.proven.size)
        async with self.releases.replay(told, session, header, review.SCREEN, past) as key:
            cast = await asyncio.to_thread(_cast, path, key.reveal(), recording)
        await self.store.run(actor, review.replayed, session)
        return cast


def _recording(look: Read, session: SessionId) -> Recording:
    [recording] = look.find(Recording, session=session)
    return recording


def _node(look: Read, session: SessionId) -> str:
    return look.get(Session, session).node


def _past(look: Read, session: SessionId, size: int) -> Past | None:
    """Whose session it was, for a vault that has forgotten, or never knew, because it was another node's. None when
    nothing was ever released to it. `size` is that of a checkpoint which this node's vault knows."""
    first = evidence.entry_of(look, RELEASE, session, newest=False)
    if first is None:
        return None
    grant = look.get(Grant, look.get(Session, session).grant)
    approvals = tuple(Signed(one.statement, one.signature) for one in look.find(Approval, request=grant.request))
    return Past(entry=evidence.of(look, first, size), token=grant.token, approvals=approvals)


def _reach(path: Path) -> Head | None:
    """How far a recording is whole; None when not even its header is: a power cut came before the first sync."""
    try:
        if not path.stat().st_size:
            return None
        with _mapped(path) as data:
            return scan(data).good
    except (FileNotFoundError, Tampered):
        return None


def why_lost(recorders: Recorders, recording: Recording, whole: bool) -> str:
    """Empty when its files are what the log names, and what was typed is a whole chain beside them."""
    for stream, what in ((review.SCREEN, "The file"), ("keys", "The file of what was typed")):
        path = recorders.path(recording.id, stream)
        try:
            size, least = path.stat().st_size, recording.size if stream == review.SCREEN else 1
            if size < least:
                return f"{what} has {size} bytes, and the log names {least}." if size else f"{what} is empty."
            if whole:
                with _mapped(path) as data:
                    _must_be_whole(data, recording, stream)
        except FileNotFoundError:
            return f"{what} is missing."
        except OSError as error:
            return f"{what} can't be read: {error.strerror}."
        except Tampered as tampered:
            return tampered.message
    return ""


def _must_be_whole(data: memoryview, recording: Recording, stream: str) -> None:
    """Raises `Tampered`. The log names no heads of what was typed; it is a chain of its own."""
    if stream == review.SCREEN:
        check_chain(*_named(data, recording))
    elif recording.state is states.State.COMPLETE and not check_chain(data).ended:
        raise Tampered("What was typed stops without its end.", what_to_do="Restore it from a backup.")


def _named(data: memoryview, recording: Recording) -> tuple[memoryview, list[Head]]:
    """As much of the file as the log names, and the head that it must end with."""
    whole = recording.state is states.State.COMPLETE
    last = Head(seq=recording.chunks, hash=bytes.fromhex(recording.head), bytes=recording.size, ended=whole)
    return (data if whole else data[: recording.size]), [last]  # what a crash tore off behind it was named to nobody


def _header(path: Path) -> Header:
    with _mapped(path) as data:
        return read_header(data)


def _cast(path: Path, key: bytes, recording: Recording) -> bytes:
    """The whole terminal as asciicast, once the container is what the log says it is."""
    with _mapped(path) as data:
        named, heads = _named(data, recording)
        check_chain(named, heads)
        return terminal(named, key)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    # The mapping is closed with its last view: closing it by hand would hide an error whose traceback still holds one.
    with path.open("rb") as file:
        yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
