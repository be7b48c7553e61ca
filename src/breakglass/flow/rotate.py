"""Step 6 of the story: the secret changes and is proven. These are the durable marks between the engine's acts on the
target (breakglass.rotation): each stands in the database and the log before the next act.

Every mark asks for the fence under which its rotation is held, and renews the lease: whoever put the last mark down may
act on the target for `LEASE`, and nobody else does before it is over.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from breakglass.errors import Refused, WrongState
from breakglass.identity.access import permit
from breakglass.model import credential as credentials
from breakglass.model import grant as grants
from breakglass.model import rotation as rotations
from breakglass.model import session as sessions
from breakglass.model import trace
from breakglass.model.change import Change, Fact
from breakglass.model.credential import Credential
from breakglass.model.grant import Grant
from breakglass.model.ids import CredentialId, RotationId
from breakglass.model.proof import Proof
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.session import Session
from breakglass.model.target import AccountId
from breakglass.model.trace import Look
from breakglass.storage.work import Read, Work
from breakglass.trust.roster import Roster

LEASE = timedelta(seconds=60)
"""Longer than the longest act on a target (rotation.turn)."""
WAIT_FOR_SESSIONS = timedelta(seconds=30)
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=1)
SIGN_IN_FOR = timedelta(seconds=20)
"""A session that connects has taken the password and signs in with it within this time."""
WAIT_FOR_SIGN_INS = timedelta(minutes=2)


def owe_after(work: Work, account: AccountId, because: Because, grant: str) -> Rotation:
    """Owe a rotation, unless one is owed and has not begun: one change is enough for both reasons.

    A close counts more than the rest, and for its own grant only: its rotation also ends what still runs as the
    account, and that grant's review waits for it."""
    for one in work.find(Rotation, account=account, state=State.OWED):
        if because is not Because.CLOSE or (one.because is because and one.grant == grant):
            return _woken(work, one)
    rotation = Rotation(
        id=RotationId(work.new_id("rot")),
        account=account,
        because=because,
        grant=grant,
        owed_at=work.now,
        next_at=work.now,
    )
    return work.apply(rotations.owe(rotation))


def owe_later(work: Work, before: Rotation, because: Because, problem: str) -> Rotation:
    """Owe another one because `before` did not reach all that it should: it comes ever later."""
    tries = before.tries + 1
    until = work.now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 12))
    rotation = owe_after(work, before.account, because, "")
    return work.apply(rotations.put_off(rotation, until=until, problem=problem, code="", tries=tries))


def demand(work: Work, account: AccountId, because: Because = Because.DEMAND) -> Rotation:
    """A custodian asks for a change now, or suspects that somebody knows the secret: one that waits is tried at once,
    else a new one is owed."""
    permit(work.actor, "rotate", account)
    if not work.find(Credential, account=account):
        raise Refused(
            "No credential is stored for this account.",
            what_to_do="A custodian stores it with `breakglass estate store`.",
            about=account,
        )
    for one in work.find(Rotation, account=account):
        if one.begun:
            return _woken(work, one)
    return owe_after(work, account, because, "")


def demand_all(work: Work, accounts: Sequence[AccountId], because: Because = Because.DEMAND) -> list[Rotation]:
    """The same for many accounts, all or none."""
    return [demand(work, one, because) for one in accounts]


def overdue(look: Read, roster: Roster) -> list[AccountId]:
    """Accounts whose secret is older than their schedule allows, and for which nothing is owed."""
    found = []
    for account in roster.accounts.values():
        one = current(look, account.id) if account.rotate_every else None
        if one is None or account.rotate_every is None or look.now < one.made_at + account.rotate_every:
            continue
        if all(r.state is State.DONE for r in look.find(Rotation, account=account.id)):
            found.append(account.id)
    return found


def owe_overdue(work: Work, roster: Roster) -> list[Rotation]:
    permit(work.actor, "run")
    return [owe_after(work, one, Because.SCHEDULE, "") for one in overdue(work, roster)]


def deposit(work: Work, account: AccountId, id: CredentialId, version: int, sealed: bytes) -> Credential:
    """A custodian stores a secret. People have seen it, so it is changed at once. Versions follow each other: raises
    `WrongState` when somebody else stored one meanwhile, or while a rotation is under way; but where nothing that is
    stored works any more, this is how a person helps a rotation on."""
    permit(work.actor, "store", account)
    stuck = work.find(Rotation, account=account, state=State.RECONCILE)
    if not stuck and any(r.touched for r in work.find(Rotation, account=account)):
        raise WrongState(
            "The password of this account is being changed.", what_to_do="Store it when that is done.", about=account
        )
    if version != next_version(work, account):
        raise WrongState("Somebody stored a credential meanwhile.", what_to_do="Look, then store again.", about=account)
    current = work.find(Credential, account=account, state=credentials.State.CURRENT)
    new = Credential(
        id=id, account=account, version=version, sealed=sealed, made_at=work.now, state=credentials.State.CURRENT
    )
    if current:  # first, because an account has one current credential at any instant
        work.apply(credentials.retire(current[0]))
    value = work.apply(credentials.deposit(new))
    if stuck:
        _woken(work, stuck[0])
    else:
        owe_after(work, account, Because.DEPOSIT, "")
    return value


def next_version(look: Read, account: AccountId) -> int:
    return max((c.version for c in look.find(Credential, account=account)), default=0) + 1


def claim(work: Work, id: RotationId) -> Rotation | None:
    """Take the rotation over: a higher fence and a lease. None when somebody holds it, or it is not its turn."""
    permit(work.actor, "run", id)
    rotation = work.get(Rotation, id)
    if not ready(work, rotation):
        return None
    value = replace(rotation, fence=rotation.fence + 1, leased_until=work.now + LEASE, holder=work.node)
    if not rotation.begun:  # the target counts refused logins of the account, whatever they were for
        before = [r for r in work.find(Rotation, account=rotation.account) if r.guessed_at is not None]
        if before:
            last = max(before, key=lambda r: r.guessed_at or r.owed_at)
            value = replace(value, guesses=last.guesses, guessed_at=last.guessed_at)
    return work.apply(Change(value, (Fact("rotation.claimed", id, {"fence": value.fence}),)))


def stage(work: Work, held: Rotation, id: CredentialId, version: int, sealed: bytes) -> Rotation:
    """Raises `WrongState` when somebody stored a credential since this one was made."""
    rotation = under_fence(work, held)
    if version != next_version(work, rotation.account):
        raise WrongState("Somebody stored a credential meanwhile.", what_to_do="Nothing: another is made.", about=id)
    candidate = Credential(
        id=id,
        account=rotation.account,
        version=version,
        sealed=sealed,
        made_at=work.now,
        state=credentials.State.PENDING,
    )
    return work.apply(rotations.stage(rotation, candidate))


def discard(work: Work, held: Rotation, problem: str) -> Rotation:
    rotation = under_fence(work, held)
    return work.apply(rotations.discard(rotation, candidate(work, rotation), problem=problem))


def apply(work: Work, held: Rotation, by: str = "") -> Rotation | None:
    """The candidate is about to be sent, `by` the account's helper where it is a reset. None while a session of the
    account signs in with the password of before."""
    rotation = under_fence(work, held)
    if not rotation.touched and _signs_in(work, rotation):
        return None
    return work.apply(rotations.move(rotation, State.APPLYING, by=by))


def move(work: Work, held: Rotation, to: State, problem: str = "") -> Rotation:
    return work.apply(rotations.move(under_fence(work, held), to, problem=problem))


def prove(work: Work, held: Rotation, proof: Proof) -> Rotation:
    """The new secret was accepted and the old one refused."""
    return work.apply(rotations.prove(under_fence(work, held), proof))


def guess(work: Work, held: Rotation, credential: Credential, guesses: int) -> Rotation:
    """A login comes that the target may refuse."""
    return work.apply(rotations.guess(under_fence(work, held), credential, guesses=guesses, now=work.now))


def refuse(work: Work, held: Rotation, until: datetime, problem: str) -> Rotation:
    rotation = under_fence(work, held)
    return work.apply(rotations.refuse(rotation, candidate(work, rotation), until=until, problem=problem))


def put_off(
    work: Work, held: Rotation, until: datetime, problem: str, code: str = "", to: State | None = None
) -> Rotation:
    return work.apply(rotations.put_off(under_fence(work, held), until=until, problem=problem, code=code, to=to))


def give_back(work: Work, held: Rotation, until: datetime, why: str) -> Rotation:
    return work.apply(rotations.give_back(under_fence(work, held), until=until, why=why))


def finish(
    work: Work,
    held: Rotation,
    remains: str,
    traces: str = "",
    dependents: Sequence[AccountId] = (),
    looked: tuple[str, str] = ("", ""),
) -> Rotation:
    """`dependents` are owed a change, too; theirs carry on no further, so that a circle of accounts comes to rest."""
    rotation = under_fence(work, held)
    if rotation.because is not Because.DEPENDENT:
        for one in dependents:
            if current(work, one):
                owe_after(work, one, Because.DEPENDENT, "")
    if traces:
        last_look(work, rotation)  # so that it is written over
        work.apply(trace.looked(Look(id=rotation.account, taken_at=work.now, traces=traces)))
    new, old = candidate(work, rotation), current(work, rotation.account)
    if old:
        work.apply(credentials.retire(old))
    return work.apply(rotations.finish(rotation, new, remains=remains, now=work.now, looked=looked))


def release(work: Work, held: Rotation, purpose: str, wanted: Sequence[CredentialId]) -> Rotation:
    """Tell the log that the engine takes these secrets for this rotation; the vault asks for this entry."""
    rotation = under_fence(work, held)
    data = {
        "purpose": purpose,
        "account": rotation.account,
        "credentials": " ".join(wanted),
    }
    work.note(Fact("secret.release", rotation.id, data))
    return rotation


def candidates(look: Read, rotation: Rotation) -> list[Credential]:
    """Every stored secret that may work, the likeliest first: candidate, current, then the older ones."""
    stored = sorted(look.find(Credential, account=rotation.account), key=lambda c: -c.version)
    first = [c for c in stored if c.id == rotation.candidate]
    current = [c for c in stored if c.state is credentials.State.CURRENT]
    return first + current + [c for c in stored if c not in first and c not in current]


def candidate(look: Read, rotation: Rotation) -> Credential:
    """The secret that this rotation sets, as it is stored."""
    return look.get(Credential, rotation.candidate or "")


def current(look: Read, account: AccountId) -> Credential | None:
    found = look.find(Credential, account=account, state=credentials.State.CURRENT)
    return found[0] if found else None


def due(look: Read) -> list[Rotation]:
    """Rotations that somebody should work on now, the oldest first; at most one of an account."""
    waiting = [r for state in State if state is not State.DONE for r in look.find(Rotation, state=state)]
    return sorted((r for r in waiting if ready(look, r)), key=_turn)


def ready(look: Read, rotation: Rotation) -> bool:
    """True when nobody holds it, its time has come, and it is this rotation's turn on its account."""
    if rotation.state is State.DONE or look.now < rotation.next_at or _leased(look, rotation):
        return False
    if not rotation.touched and _signs_in(look, rotation):
        return False
    return not _another_first(look, rotation) and not _sessions_run(look, rotation)


def others_run(look: Read, rotation: Rotation) -> list[Session]:
    """Sessions of the account under other grants: they are not this rotation's to end."""
    live = [s for s in look.find(Session, account=rotation.account) if s.state is not sessions.State.ENDED]
    return [s for s in live if s.grant != rotation.grant and s.wanted is not sessions.State.ENDED]


def in_use(look: Read, rotation: Rotation) -> bool:
    """Somebody works as the account, or did and may again: a look at the target would be no look of before."""
    return used(look, rotation.account)


def used(look: Read, account: AccountId) -> bool:
    return any(s.state is not sessions.State.ENDED for s in look.find(Session, account=account)) or any(
        g.state is grants.State.ACTIVE for g in look.find(Grant, account=account)
    )


def last_look(look: Read, rotation: Rotation) -> Look | None:
    found = look.find(Look, id=rotation.account)
    return found[0] if found else None


def _another_first(look: Read, rotation: Rotation) -> bool:
    """One rotation at a time for an account: whichever began, else whichever was owed first. One that has not begun and
    was put off stands in nobody's way."""
    others = [r for r in look.find(Rotation, account=rotation.account) if r.id != rotation.id]
    inline = [r for r in others if r.begun or (r.state is State.OWED and (_leased(look, r) or r.next_at <= look.now))]
    return any(_leased(look, other) or _turn(other) < _turn(rotation) for other in inline)


def _turn(rotation: Rotation) -> tuple[bool, datetime, str]:
    return not rotation.begun, rotation.owed_at, rotation.id


def _leased(look: Read, rotation: Rotation) -> bool:
    return rotation.leased_until is not None and look.now < rotation.leased_until


def _sessions_run(look: Read, rotation: Rotation) -> bool:
    """A closing rotation ends what runs as the account: it lets the cut sessions end themselves first, for a while."""
    if rotation.because is not Because.CLOSE or look.now > rotation.owed_at + WAIT_FOR_SESSIONS:
        return False
    return any(s.state is not sessions.State.ENDED for s in look.find(Session, grant=rotation.grant))


def _signs_in(look: Read, rotation: Rotation) -> bool:
    """A session has taken the password that is about to change, and signs in with it just now. No crowd of sessions
    puts a change off for ever."""
    if look.now > rotation.owed_at + WAIT_FOR_SIGN_INS:
        return False
    connecting = look.find(Session, account=rotation.account, state=sessions.State.CONNECTING)
    return any(look.now < s.started_at + SIGN_IN_FOR for s in connecting)


def _woken(work: Work, rotation: Rotation) -> Rotation:
    if rotation.next_at <= work.now or _leased(work, rotation):
        return rotation
    return work.apply(rotations.wake(rotation, now=work.now))


def under_fence(work: Work, held: Rotation) -> Rotation:
    """As it stands, with the lease renewed and the refused logins that its holder counted. Raises `TakenOver` under an
    older fence."""
    permit(work.actor, "run", held.id)
    rotation = work.get(Rotation, held.id)
    rotation.must_hold(held.fence)
    return replace(rotation, leased_until=work.now + LEASE, guesses=held.guesses, guessed_at=held.guessed_at)
