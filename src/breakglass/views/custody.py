"""Custody items as people see them: where each is, who holds it, what is wrong, and what was done with it."""

from dataclasses import dataclass
from datetime import datetime

from breakglass.audit import custody as custodies
from breakglass.errors import NotFound
from breakglass.model import custody as model
from breakglass.model.custody import BROKEN, MISSING, NO_SEAL, Act, Custody, Item, Turn
from breakglass.storage.work import Read
from breakglass.trust import custody
from breakglass.views import custody_shapes as shapes
from breakglass.views import say
from breakglass.views.book import Book

_WORST = ("finding", "overdue", "unseen", "new", "out", "in")


@dataclass(frozen=True, slots=True)
class _Standing:
    item: Item
    now: Custody
    inspect_by: datetime | None


def listed(look: Read, book: Book) -> shapes.Custody:
    """What needs somebody first."""
    states = custodies.states(look)
    ids = {*book.roster.custody, *(id for id, one in states.items() if one.out)}
    found = sorted(
        (_shown(look, book, _standing(book, id, states.get(id, Custody()))) for id in ids),
        key=lambda one: (_WORST.index(one.state), one.name),
    )
    return shapes.Custody(items=tuple(found), sentence=_all(found))


def of_account(look: Read, book: Book, account: str) -> tuple[shapes.Item, ...]:
    """The items that belong to this account."""
    ids = [one.id for one in book.roster.custody.values() if one.account == account]
    return tuple(_shown(look, book, _standing(book, id, model.custody_of(custodies.turns(look, id)))) for id in ids)


def by_account(look: Read, book: Book) -> dict[str, str]:
    """The worst state of the items of each account that has some."""
    if not book.roster.custody:
        return {}
    states, found = custodies.states(look), dict[str, str]()
    for one in book.roster.custody.values():
        if one.account:
            state = _state(_standing(book, one.id, states.get(one.id, Custody())), look.now)
            found[one.account] = min(state, found.get(one.account, state), key=_WORST.index)
    return found


def page(look: Read, book: Book, id: str) -> shapes.ItemPage:
    """Raises `NotFound`."""
    if custody.item_of(book.chain, id) is None:
        raise NotFound(f"There is no custody item {id[:60]!r}.", what_to_do="Look at `breakglass custody`.")
    turns, waits = custodies.turns(look, id), custodies.waiting(look, id)
    turn = custody.turn_of(waits[0].statement) if waits else None
    return shapes.ItemPage(
        item=_shown(look, book, _standing(book, id, model.custody_of(turns))),
        turns=tuple(_turn(book, one) for one in reversed(turns)),
        waits=turn.act.value if turn else "",
        waits_for=_wanted(book, turn) if turn else "",
        waits_holder=turn.holder if turn else "",
        signed_by=book.people(one.statement.person for one in waits),
    )


def _standing(book: Book, id: str, now: Custody) -> _Standing:
    item = custody.item_of(book.chain, id)
    assert item is not None  # noqa: S101 (of the estate, or taken out while it was)
    return _Standing(item, now, now.inspect_by(item, custody.known_since(book.chain, id)))


def _state(one: _Standing, now: datetime) -> str:
    if one.now.overdue(now):
        return "overdue"
    if one.now.finding is not None:
        return "finding"
    if one.now.out is not None:
        return "out"
    if one.inspect_by is not None and now >= one.inspect_by:
        return "unseen"
    return "in" if one.now.number else "new"


def _shown(look: Read, book: Book, one: _Standing) -> shapes.Item:
    item, now, out = one.item, one.now, one.now.out
    state = _state(one, look.now)
    return shapes.Item(
        id=item.id,
        name=item.name,
        opens=item.opens,
        place=item.place,
        account=item.account or "",
        out_hours=int(item.out_for.total_seconds() // 3600),
        inspect_days=item.inspect_every.days,
        state=state,
        seal="" if now.seal == NO_SEAL else now.seal,
        holder=book.who(out.holder) if out else None,
        since=out.at if out else None,
        until=out.until if out else None,
        request=out.request if out else "",
        looked_at=now.looked_at,
        inspect_by=one.inspect_by,
        finding=_finding(now) if now.finding else "",
        listed=item.id in book.roster.custody,
        sentence=_sentence(book, one, state, look.now),
    )


def _sentence(book: Book, one: _Standing, state: str, at: datetime) -> str:
    now, out = one.now, one.now.out
    if out is not None and out.until is not None and out.at is not None:
        who = book.who(out.holder).name
        if state == "overdue":
            return f"OVERDUE: {who} has it since {say.at(out.at, at)}; it was due back at {say.at(out.until, at)}."
        return f"{who} has it since {say.at(out.at, at)}, {say.until(out.until, at)}."
    if now.missing:
        return "It is NOT in its place."
    if state == "new":
        return f"Nobody has looked at it yet: two people write down its seal, by {say.at(one.inspect_by or at, at)}."
    if state == "unseen":
        due = say.at(one.inspect_by or at, at)
        return f"In its place, as far as anybody knows: two people should have looked at it by {due}."
    if now.finding is not None and not now.resealed:
        broken = now.finding.seal == BROKEN
        return (
            "In its place, with its seal BROKEN."
            if broken
            else f"In its place, under seal {now.seal}, after a finding."
        )
    return f"In its place, under seal {now.seal}."


def _finding(now: Custody) -> str:
    found = now.finding
    if found is None:
        return ""
    what = {
        MISSING: "It was not in its place"
        + (f"; its seal was {found.recorded}." if found.recorded != NO_SEAL else "."),
        BROKEN: "Its seal was broken.",
    }.get(found.seal, f"Its seal was {found.seal}, and {found.recorded} was recorded.")
    left = (
        "Two people look at it once more."
        if now.resealed
        else "Take it out, look into it, and bring it back under a new seal."
    )
    return f"{what} {left}"


def _turn(book: Book, turn: Turn) -> shapes.Turn:
    return shapes.Turn(
        number=turn.number,
        act=turn.act.value,
        at=turn.at,
        by=book.people(turn.by),
        seal=turn.seal,
        recorded="" if turn.recorded == NO_SEAL else turn.recorded,
        off=turn.off,
        request=turn.request,
        sentence=_done(book, turn),
        words=turn.words,
    )


def _done(book: Book, turn: Turn) -> str:
    match turn.act:
        case Act.CHECK_OUT:
            return f"{book.who(turn.holder).name} took it out, seal {turn.seal}."
        case Act.RETURN:
            return f"It came back from {book.who(turn.holder).name}, under the new seal {turn.seal}."
        case Act.INSPECTION:
            return "It was not there." if turn.seal == MISSING else f"It was looked at; its seal: {turn.seal}."


def _wanted(book: Book, turn: Turn) -> str:
    match turn.act:
        case Act.CHECK_OUT:
            return f"{book.who(turn.holder).name} takes it out until {turn.until:%Y-%m-%d %H:%M} UTC, seal {turn.seal}."
        case Act.RETURN:
            return f"It is back from {book.who(turn.holder).name}, under the new seal {turn.seal}."
        case Act.INSPECTION:
            return f"It was looked at; its seal: {turn.seal}."


def _all(items: list[shapes.Item]) -> str:
    if not items:
        return "The estate names nothing that lies in a safe."
    wrong = sum(one.state in ("finding", "overdue") for one in items)
    if wrong:
        return f"{wrong} of {len(items)} {'needs' if wrong == 1 else 'need'} somebody now."
    due, out = sum(one.state in ("unseen", "new") for one in items), sum(one.state == "out" for one in items)
    if due:
        return f"{due} of {len(items)} {'has' if due == 1 else 'have'} to be looked at by two people."
    if out:
        return f"{out} of {len(items)} {'is' if out == 1 else 'are'} out."
    return "Everything is in its place."
