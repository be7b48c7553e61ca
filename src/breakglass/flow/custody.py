"""Custody items: two people take one from its place, bring it back under a new seal, or look whether all is as it was.

    take / give_back / inspect (one person) ─▶ sign ─▶ again, sign (the other) ─▶ taken / returned / inspected
                                                                                       └▶ finding: another seal
    out after its time ─▶ overdue          not looked at in time ─▶ unseen          both told once for each turn

Nothing here opens anything, so it works while the vault is sealed: in an emergency a safe is opened before a vault is.
"""

from collections.abc import Iterator
from datetime import timedelta

from breakglass.audit import brought
from breakglass.audit import custody as custodies
from breakglass.audit.held import told
from breakglass.audit.words import Word
from breakglass.codec.lines import clean
from breakglass.errors import AlreadyApproved, Expired, Malformed, NotFound, Refused, WrongState
from breakglass.flow.statements import SHORT, checked, draw_up, find_signed
from breakglass.identity.access import permit
from breakglass.model import custody as model
from breakglass.model.change import Fact
from breakglass.model.custody import Act, Custody, Item, Turn
from breakglass.model.people import Role
from breakglass.model.request import AccessRequest
from breakglass.storage.work import Read, Work
from breakglass.trust import custody
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Kind, Signed, Statement, parse

HOLDS = 4 * SHORT
"""Two people stand before one safe; the second may have to find a network first."""


def item(chain: Chain, id: str) -> Item:
    """Raises `NotFound`, also for one that never was in the estate."""
    found = custody.item_of(chain, id)
    if found is None:
        raise NotFound(
            f"There is no custody item {id[:60]!r}.", what_to_do="Look at `breakglass custody`.", about=id[:60]
        )
    return found


def standing(look: Read, id: str) -> Custody:
    return model.custody_of(custodies.turns(look, id))


def take(
    work: Work, chain: Chain, id: str, *, seal: str, lasts: timedelta, because: str, holder: str = "", request: str = ""
) -> Statement:
    """The text by which the acting person takes the item out, or has `holder` take it, for so long.

    Raises `NotFound`, `WrongState` where it is out or not there, `Malformed` for a seal, time or reason that won't do.
    """
    permit(work.actor, "custody", id)
    one, now = _in_estate(chain, id), standing(work, id)
    if not timedelta() < lasts <= one.out_for:
        hours = int(one.out_for.total_seconds() // 3600)
        raise Malformed(
            f"It may be out for 1 to {hours} hours.", what_to_do=f"Say for how long, like `--for {hours}h`."
        )
    asked = work.get(AccessRequest, request) if request else None
    if asked is not None and one.account and asked.account != one.account:
        raise Malformed("That request is for another account.", what_to_do="Name the one for this item's account.")
    holder = holder or work.actor.id
    who = chain.head.person(holder)
    if not who.active(work.now) or not who.roles & {Role.REQUESTER, Role.CUSTODIAN}:
        raise Malformed(f"{who.name} can't hold it.", what_to_do="A requester or a custodian takes it.")
    turn = Turn(
        act=Act.CHECK_OUT,
        number=now.number + 1,
        seal=model.seal(seal, act=Act.CHECK_OUT),
        recorded=now.seal,
        holder=holder,
        until=(work.now + lasts).replace(microsecond=0),
        request=request,
        words=_said(because, "Say in one sentence why it is taken out."),
    )
    return _drawn(work, chain, one, now, turn)


def give_back(work: Work, chain: Chain, id: str, *, seal: str, remark: str = "") -> Statement:
    """The text by which the item is back in its place, under a new seal."""
    permit(work.actor, "custody", id)
    one, now = item(chain, id), standing(work, id)
    if now.out is None:
        raise WrongState("It is not out.", what_to_do="To look at it: `breakglass custody inspect`.", about=id)
    number = model.seal(seal, act=Act.RETURN)
    turn = Turn(act=Act.RETURN, number=now.number + 1, seal=number, holder=now.out.holder, words=clean(remark))
    return _drawn(work, chain, one, now, turn)


def inspect(work: Work, chain: Chain, id: str, *, seal: str, remark: str = "") -> Statement:
    """The text by which the item was looked at, and found under this seal; `missing`, `broken`."""
    permit(work.actor, "custody", id)
    one, now = _in_estate(chain, id), standing(work, id)
    number = model.seal(seal, act=Act.INSPECTION)
    turn = Turn(act=Act.INSPECTION, number=now.number + 1, seal=number, recorded=now.seal, words=clean(remark))
    return _drawn(work, chain, one, now, turn)


def again(work: Work, chain: Chain, id: str) -> Statement:
    """The same text for the second person. Raises `NotFound` when nothing waits."""
    permit(work.actor, "custody", id)
    one, waits = item(chain, id), custodies.waiting(work, id)
    if not waits:
        raise NotFound(
            "Nothing about this item waits for a signature.",
            what_to_do="Begin: `breakglass custody out`, `return` or `inspect`.",
            about=id,
        )
    return _drawn(work, chain, one, standing(work, id), custody.turn_of(waits[0].statement))


def sign(work: Work, chain: Chain, id: str, signature: str, text: str | None = None) -> Act | None:
    """Take one person's word, whoever brings it: it counts for who signed it. What was done, once it is the second's.

    Raises `BadSignature`, `AlreadyApproved`, `WrongState` where something else was done with the item meanwhile."""
    permit(work.actor, "bring", id)
    one, now = item(chain, id), standing(work, id)
    signed, statement = _word(work, chain, id, signature, text)
    turn = custody.must_count(statement, chain.head, one)
    if problem := now.problem(turn):
        raise WrongState(problem, what_to_do="Get a fresh statement and sign that one.", about=id)
    if turn.until is not None and not work.now < turn.until <= work.now + one.out_for:
        raise Expired("The time for which it is taken out can't be.", what_to_do="Get a fresh statement.", about=id)
    waits = custodies.waiting(work, id)
    alike = [
        word for word in waits if word.statement.facts == statement.facts and word.statement.kind is statement.kind
    ]
    if any(word.statement.person == statement.person for word in alike):
        raise AlreadyApproved("You have signed this.", what_to_do="The other person signs too.", about=id)
    work.note(Fact(custodies.SIGNED, id, {"statement": signed.text, "signature": signed.signature}))
    words = [*alike, Word(statement, signed)]
    people = chain.head.people
    roles = {person: people[person].roles for person in (word.statement.person for word in words) if person in people}
    if not model.enough(turn.act, roles, turn.holder):
        return None
    _done(work, one, now, turn, [word for word in words if word.statement.person in roles])
    return turn.act


def overdue(look: Read, chain: Chain) -> list[Fact]:
    """What people are to be told now: items that are out for too long, or were not looked at in time. Each once."""
    return list(_overdue(look, chain)) if any(roster.custody for roster in chain.rosters) else []


def note_overdue(work: Work, chain: Chain) -> None:
    permit(work.actor, "run")
    work.note(*overdue(work, chain))


def _overdue(look: Read, chain: Chain) -> Iterator[Fact]:
    states = custodies.states(look)
    for id in sorted({*chain.head.custody, *(id for id, one in states.items() if one.out)}):
        one, now = item(chain, id), states.get(id, Custody())
        data: dict[str, str | int | bool] = {"number": now.number, **_account(one)}
        if now.out is not None and now.out.until is not None:
            if now.overdue(look.now) and custodies.warned(look, id, custodies.OVERDUE) != now.number:
                data |= {"holder": now.out.holder, "until": now.out.until.isoformat(), **_request(now.out.request)}
                yield Fact(custodies.OVERDUE, id, data)
            continue
        due = now.inspect_by(one, custody.known_since(chain, id))
        if due and look.now >= due and custodies.warned(look, id, custodies.UNSEEN) != now.number:
            yield Fact(custodies.UNSEEN, id, {**data, "due": due.isoformat()})


def _in_estate(chain: Chain, id: str) -> Item:
    if id not in chain.head.custody:
        item(chain, id)
        raise WrongState(
            "The estate does not have this item any more.", what_to_do="Bring it back if it is out.", about=id
        )
    return chain.head.custody[id]


def _said(text: str, what_to_do: str) -> str:
    if not (said := clean(text)):
        raise Malformed("It does not say why.", what_to_do=what_to_do)
    return said


def _drawn(work: Work, chain: Chain, one: Item, now: Custody, turn: Turn) -> Statement:
    if problem := now.problem(turn):
        raise WrongState(problem, what_to_do=f"Look at it: `breakglass custody show {one.id}`.", about=one.id)
    return draw_up(work, chain, custody.KINDS[turn.act], one.id, custody.facts(one, turn), until=work.now + HOLDS)


def _word(work: Work, chain: Chain, id: str, signature: str, text: str | None) -> tuple[Signed, Statement]:
    """The statement that this signature is for: of whichever kind, where its text was not brought."""
    refusal: Refused | None = None
    for kind in _kinds(text):
        try:
            signed = find_signed(work, work.actor, kind, id, signature, text)
            statement = checked(work, chain, signed, kind, id)
        except Refused as error:
            refusal = error if refusal is None or isinstance(refusal, Expired) else refusal
            continue
        if brought.before(work, id, statement):
            raise AlreadyApproved(
                "This statement was brought before.", what_to_do="To sign again, get a fresh one.", about=id
            )
        return signed, statement
    raise refusal or NotFound("There is no such statement.", what_to_do="Get a fresh one.", about=id)


def _kinds(text: str | None) -> list[Kind]:
    if text:
        kind = parse(text).kind
        if kind not in custody.ACTS:
            raise Malformed("This text is about no custody item.", what_to_do="Bring the text that was signed.")
        return [kind]
    return list(custody.ACTS)


def _done(work: Work, one: Item, now: Custody, turn: Turn, words: list[Word]) -> None:
    request = turn.request or (now.out.request if now.out else "")
    data: dict[str, str | int | bool] = {**told(turn), **_request(request), **_account(one), "statements": len(words)}
    for n, word in enumerate(words):
        data |= {f"statement-{n}": word.signed.text, f"signature-{n}": word.signed.signature}
    facts = [Fact(custodies.DONE[turn.act], one.id, data)]
    if turn.off:
        seals = {"seal": turn.seal, "recorded": turn.recorded}
        about: dict[str, str | int | bool] = {"number": turn.number, **seals, **_request(request), **_account(one)}
        facts.append(Fact(custodies.FINDING, one.id, about))
    work.note(*facts)


def _request(id: str) -> dict[str, str]:
    return {"request": id} if id else {}


def _account(one: Item) -> dict[str, str]:
    return {"account": one.account} if one.account else {}
