"""What custodians have said about going on with the next log, and which log this is: by its own entries.

wanted ─▶ signed (custodian 1) ─▶ signed (custodian 2) ─▶ every node's vault goes on with it ─▶ begun (once)
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from breakglass.audit import event
from breakglass.audit import words as words_of
from breakglass.audit.event import Event
from breakglass.audit.words import Word, newest
from breakglass.codec import note
from breakglass.codec.note import Checkpoint
from breakglass.errors import BadSignature, Unavailable
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust import next_log
from breakglass.trust.roster import Roster

WANTED, SIGNED, REFUSED, BEGUN = "next_log.wanted", "next_log.signed", "next_log.refused", "next_log.begun"
DISAGREES = "witness.disagrees"
_e = books.entry.c


def number(look: Read) -> int:
    """Of the log that this one is: the first, or the last one that was begun."""
    begun = newest(look, (BEGUN,))
    return begun.number("number") if begun else next_log.FIRST


def wanted(look: Read) -> Event | None:
    """What a custodian wants to go on with and the vault did not refuse; None where nothing waits."""
    found = newest(look, (WANTED, REFUSED, BEGUN))
    return found if found is not None and found.kind == WANTED else None


def disagreed(look: Read) -> bool:
    """Whether a witness saw another log since this one was begun."""
    found = newest(look, (DISAGREES, BEGUN))
    return found is not None and found.kind == DISAGREES


def words(look: Read, origin: str) -> Sequence[Word]:
    """What custodians signed for this log, each person's newest, oldest first; none once the vault refused it."""
    found = words_of.since(look, SIGNED, (REFUSED,))
    return words_of.alike(
        one for one in found if one.statement.facts["origin"] == origin and look.now < one.statement.not_after
    )


def must_not_be_over(conn: Connection, signed: bytes) -> None:
    """Raises `Unavailable` for a checkpoint of a log that is over: this node's vault was not told yet of the one that
    another node's vault goes on with, and what is over is never signed again."""
    leaf = conn.execute(select(_e.leaf).where(_e.kind == BEGUN).order_by(_e.idx.desc()).limit(1)).scalar_one_or_none()
    if leaf is None:
        return
    begun, origin = event.parse(leaf), signed.partition(b"\n")[0].decode()
    founded = begun.text("origin").removesuffix(f"/{begun.number('number')}")
    if next_log.number_of(origin, founded) < begun.number("number"):
        raise Unavailable(
            f"This node's vault still signs the log {origin}, which is over.",
            what_to_do="Wait a moment: it is told of the next one. If it stays so, look at the node's log.",
        )


def head_line(size: int, root: str) -> str:
    """How a statement's line `former` and the entries name a head: size and base64 root."""
    return f"{size} {root}"


def former_head(roster: Roster, before: int, signed: bytes) -> Checkpoint:
    """A head of log `before` that was kept elsewhere. Raises `Malformed`, `BadSignature` for what is none."""
    key = next_log.key_of(roster, before)
    found = note.parse_checkpoint(note.verify(signed, [key.vkey]).text)
    if found.origin != key.origin or found.extensions:
        raise BadSignature(f"It is no checkpoint of the log {key.origin}.", what_to_do="Is it the right file?")
    return found
