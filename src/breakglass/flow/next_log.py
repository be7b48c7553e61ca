"""The log has lost its end, or a witness saw a longer one: custodians go on with the next log.

    want (custodian 1) ─▶ sign ─▶ again, sign (custodian 2) ─▶ every node's vault goes on with it ─▶ begun
                                                                       └▶ refused: want it anew

The entries that are there stay, with their proofs; what was lost is named. Every grant is over, and what waits to be
decided is asked for again: it may have been decided in the part that was lost.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from breakglass.audit import next_logs
from breakglass.audit.event import Event
from breakglass.audit.store_tree import hash_of
from breakglass.codec.lines import clean
from breakglass.errors import AlreadyApproved, BreakglassError, Malformed, NotFound, WrongState
from breakglass.flow import close
from breakglass.flow.statements import custodians_word, draw_up
from breakglass.identity.access import permit
from breakglass.model import grant as grants
from breakglass.model import request as requests
from breakglass.model.change import Fact
from breakglass.model.grant import Grant
from breakglass.model.request import AccessRequest
from breakglass.storage import books
from breakglass.storage.work import Read, Work
from breakglass.trust import next_log
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Kind, Signed, Statement
from breakglass.trust.tree import consistency_proof

WHY = "the log before this one has lost its end"


@dataclass(frozen=True, slots=True)
class Former:
    """The last head that somebody knows of the log that lost its end."""

    size: int
    root: str
    """Base64."""
    checkpoint: str = ""
    """The signed note, where it was kept elsewhere; the vault gives that of its own mark."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the vault is to be told: custodians' words for one log, and the proofs between the heads that they name."""

    number: int
    words: Sequence[Signed]
    proofs: Sequence[Sequence[bytes]]
    begun: bool
    """Another node's vault has gone on with it: only this node's is late."""


def kept_elsewhere(chain: Chain, number: int, text: str) -> Former:
    """A checkpoint of this log that somebody kept. Raises `Malformed`, `BadSignature`."""
    found = next_logs.former_head(chain.head, number, text.encode())
    return Former(found.size, b64encode(found.root).decode(), text)


def want(work: Work, chain: Chain, former: Former, because: str, *, troubled: bool) -> Statement:
    """The text by which the acting custodian goes on with the next log.

    `former`: the last head of this log that is known, by the vault or from elsewhere. `troubled`: the vault refuses
    this log. Raises `WrongState` where nothing is lost, `Malformed` without a reason.
    """
    permit(work.actor, "next_log")
    subject = next_log.subject(chain.head.deployment)
    kept = _size(work)
    if not (troubled or former.size > kept or next_logs.disagreed(work)):
        raise WrongState(
            "Nothing of this log is lost, as far as the vault and its witnesses know.",
            what_to_do="If a witness or a person has seen more of it, bring that checkpoint: `--last FILE`.",
            about=subject,
        )
    if not (because := clean(because)):
        raise Malformed("It does not say why.", what_to_do="Say in one sentence what was lost, and how.")
    number = next_logs.number(work) + 1
    facts = {
        "origin": next_log.origin_of(chain.head.origin, number),
        "former": next_logs.head_line(former.size, former.root),
        "because": because,
    }
    work.note(Fact(next_logs.WANTED, subject, {**facts, "checkpoint": former.checkpoint}))
    return _drawn(work, chain, facts)


def again(work: Work, chain: Chain) -> Statement:
    """The same text for the next custodian. Raises `NotFound` when nobody wants it."""
    permit(work.actor, "next_log")
    wanted = next_logs.wanted(work)
    if wanted is None:
        raise NotFound(
            "Nobody wants to go on with a new log.",
            what_to_do="Begin: `breakglass audit next-log --because …`.",
            about=next_log.subject(chain.head.deployment),
        )
    return _drawn(work, chain, {name: wanted.text(name) for name in ("origin", "former", "because")})


def sign(work: Work, chain: Chain, signature: str, text: str | None = None) -> None:
    """Take one custodian's word; the vaults then judge whether there are enough. It counts for who signed it."""
    subject = next_log.subject(chain.head.deployment)
    signed, statement = custodians_word(work, chain, Kind.NEXT_LOG, subject, signature, text)
    said = [one.statement for one in next_logs.words(work, statement.facts["origin"])]
    if any((one.person, one.facts) == (statement.person, statement.facts) for one in said):
        raise AlreadyApproved("You have signed this.", what_to_do="Another custodian signs too.", about=subject)
    wanted = next_logs.wanted(work)
    if wanted is None or any(wanted.text(name) != value for name, value in statement.facts.items()):
        raise WrongState("Nobody wants this any more.", what_to_do="Get a fresh statement.", about=subject)
    work.note(Fact(next_logs.SIGNED, subject, {"statement": signed.text, "signature": signed.signature}))


def due(look: Read, chain: Chain, held: int) -> Told | None:
    """What a vault that signs log `held` must be told; None where words are missing, or it signs the newest one and the
    log says so. (It may have gone on, and the node died before it could write that down: then it is asked again.)"""
    present = next_logs.number(look)
    number = held if present < held else held + 1
    found = next_logs.words(look, next_log.origin_of(chain.head.origin, number))
    if len(found) < next_log.needs(chain.head, look.now):
        return None
    sizes = sorted(one.statement.log_size for one in found)
    proofs = [
        tuple(consistency_proof(old, new, lambda a, b: hash_of(look.conn, a, b))) if 0 < old < new else ()
        for old, new in pairwise(sizes)
    ]
    return Told(number, [one.signed for one in found], proofs, begun=present >= number)


def begun(work: Work, chain: Chain, number: int, before: bytes) -> None:
    """A vault goes on with log `number`; `before` is the last head that it knew of the one before. Once, however often
    it is told."""
    permit(work.actor, "run")
    wanted = next_logs.wanted(work)
    if wanted is None or next_logs.number(work) >= number:
        return
    data: dict[str, str | int | bool] = {
        "number": number,
        "origin": wanted.text("origin"),
        "former": wanted.text("former"),
        "checkpoint": wanted.text("checkpoint") or _fitting(chain, wanted, number, before),
    }
    work.note(Fact(next_logs.BEGUN, next_log.subject(chain.head.deployment), data))
    for request in work.find(AccessRequest, state=requests.State.PENDING):
        work.apply(requests.undo(request, why=WHY))  # (the vault refuses one that was approved: by older statements)
    for grant in work.find(Grant, state=grants.State.ACTIVE):
        close.end(work, grant, grants.State.REVOKED, WHY)


def refused(work: Work, chain: Chain, why: str) -> None:
    """A vault does not take their word: they begin anew."""
    permit(work.actor, "run")
    work.note(Fact(next_logs.REFUSED, next_log.subject(chain.head.deployment), {"why": why}))


def _drawn(work: Work, chain: Chain, facts: dict[str, str]) -> Statement:
    subject = next_log.subject(chain.head.deployment)
    return draw_up(work, chain, Kind.NEXT_LOG, subject, facts, until=work.now + next_log.LONGEST)


def _fitting(chain: Chain, wanted: Event, number: int, before: bytes) -> str:
    """The vault's own last head, where it is the one that custodians signed for."""
    try:
        found = next_logs.former_head(chain.head, number - 1, before)
    except BreakglassError:
        return ""
    named = next_logs.head_line(found.size, b64encode(found.root).decode())
    return before.decode() if named == wanted.text("former") else ""


def _size(look: Read) -> int:
    size: int = look.conn.execute(books.head.select()).one().size
    return size
