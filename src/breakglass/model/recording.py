"""A recording: one session's streams in an encrypted, chained container. The row says how far it is known to reach.

open ─┬─▶ complete   (its END chunk was written)
      └─▶ truncated  (the node died: what could be verified was kept)

Whether its file is still what the log says is another question, looked at again and again: `lost` says why it is not.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import RecordingId, SessionId


class State(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    MOVES: ClassVar[Moves] = {State.OPEN: frozenset({State.COMPLETE, State.TRUNCATED})}
    id: RecordingId
    session: SessionId
    chunks: int = 0
    head: str = ""
    """Hex SHA-256 of the last chunk that the log knows."""
    size: int = 0
    state: State = State.OPEN
    lost: str = ""
    """Why its file can't be played, when it was last looked at; empty while it can."""


def reached(recording: Recording, *, chunks: int, head: str, size: int) -> Change[Recording]:
    """A head for the log, every few seconds: from here on, dropping or cutting these chunks shows."""
    value = replace(recording, chunks=chunks, head=head, size=size)
    return Change(value, (Fact("recording.head", recording.id, {"chunks": chunks, "head": head, "size": size}),))


def finished(recording: Recording, state: State, *, chunks: int, head: str, size: int) -> Change[Recording]:
    value = replace(recording, chunks=chunks, head=head, size=size, state=state)
    data: dict[str, str | int | bool] = {"session": recording.session, "chunks": chunks, "head": head, "size": size}
    return Change(value, (Fact(f"recording.{state}", recording.id, data),))


def lost(recording: Recording, why: str) -> Change[Recording]:
    """Its file is gone, or is another one than the log names."""
    fact = Fact("recording.lost", recording.id, {"session": recording.session, "why": why})
    return Change(replace(recording, lost=why), (fact,))


def restored(recording: Recording) -> Change[Recording]:
    """Its file is there again, as the log names it."""
    fact = Fact("recording.restored", recording.id, {"session": recording.session})
    return Change(replace(recording, lost=""), (fact,))
