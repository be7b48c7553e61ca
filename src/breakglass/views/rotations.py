"""Rotations as people see them: what is owed, what keeps it, what comes next."""

from datetime import datetime

from sqlalchemy import case, func, select

from breakglass.errors import Malformed
from breakglass.model import proof as proofs
from breakglass.model.rotation import Because, Rotation, State
from breakglass.storage.work import Read
from breakglass.views import page_shapes, say, shapes
from breakglass.views.book import Book
from breakglass.views.rows import columns, found

_BECAUSE = {
    Because.LOGIN: "after a login",
    Because.CLOSE: "after the grant's end",
    Because.DEMAND: "on a custodian's demand",
    Because.DEPOSIT: "because people have seen the stored one",
    Because.SUSPICION: "because somebody may know it",
    Because.SCHEDULE: "by its schedule",
    Because.DEPENDENT: "because an account that it depends on has changed",
    Because.DORMANT: "because the account does not stand disabled or enabled as it should",
}
_STATE = {
    State.OWED: "is owed",
    State.STAGED: "is prepared, and nothing was sent yet",
    State.APPLYING: "is being made on the target",
    State.APPLIED: "was made, and is being proven",
    State.UNKNOWN: "was sent, and the answer is missing: the target is asked which password works",
    State.VERIFIED: "is proven, and is being written down",
    State.DONE: "is done: the new password was accepted, the old one refused",
    State.REFUSED: "was refused by the target; another password will be tried",
    State.RECONCILE: "NEEDS A PERSON: neither the new nor a stored password works on the target",
}


def listed(
    look: Read, book: Book, *, owed: bool, account: str = "", limit: int = 50, skip: int = 0
) -> tuple[shapes.Rotation, ...]:
    """The newest first; `owed`: only those that are not done."""
    r = columns(Rotation)
    where = [r.state != State.DONE] if owed else []
    if account:
        where.append(r.account == account)
    rows = found(look, Rotation, *where, newest="owed_at", limit=limit, skip=skip)
    return tuple(shown(look, book, one) for one in rows)


def many(look: Read) -> tuple[page_shapes.Many, ...]:
    """Changes that were asked for together and are not all done, the newest first."""
    r = columns(Rotation)
    done = func.sum(case((r.state == State.DONE, 1), else_=0))
    query = select(r.owed_at, func.count(), done).where(r.because.in_((Because.DEMAND, Because.SUSPICION)))
    asked = look.conn.execute(query.group_by(r.owed_at).having(func.count() > 1).having(func.count() > done))
    return tuple(
        page_shapes.Many(at=at, accounts=count, done=int(finished))
        for at, count, finished in sorted(asked, reverse=True)
    )


def count_owed(look: Read) -> int:
    r = columns(Rotation)
    return int(look.conn.execute(select(func.count()).where(r.state != State.DONE)).scalar_one())


def shown(look: Read, book: Book, rotation: Rotation) -> shapes.Rotation:
    place, now = book.place(rotation.account), look.now
    words = [f"The password change of {say.where(place)}, {_BECAUSE[rotation.because]}, {_STATE[rotation.state]}."]
    if rotation.problem:
        again = f"tried again {say.at(rotation.next_at, now)}" if rotation.next_at > now else "tried again now"
        words.append(f"Problem: {rotation.problem} ({rotation.tries} tries; {again}).")
    if rotation.remains:
        words.append(f"Left behind on the target: {'; '.join(rotation.remains.splitlines())}.")
    return shapes.Rotation(
        id=rotation.id,
        place=place,
        because=rotation.because.value,
        grant=rotation.grant,
        state=rotation.state.value,
        tries=rotation.tries,
        owed_at=rotation.owed_at,
        next_at=rotation.next_at,
        done_at=rotation.done_at,
        problem=rotation.problem,
        remains=rotation.remains,
        proof=_proof(rotation.proof, now),
        sentence=" ".join(words),
    )


def _proof(text: str, now: datetime) -> tuple[str, ...]:
    """As people read it; nothing for a change from before proofs were kept, or a row that is none."""
    try:
        proof = proofs.read(text)
    except Malformed:
        return ()
    new, old = proof.new, proof.old
    return (
        f"Version {new.version} was accepted {say.at(new.at, now)}.",
        f"Version {old.version} was refused {say.at(old.at, now)}." if old else "There was no older one to be refused.",
    )
