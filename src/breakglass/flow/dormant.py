"""An account that sleeps between uses: the durable marks before it is enabled and disabled on its target, and the
release of the secret of the account that does it (its helper: a disabled account can't enable itself).

A session enables it, and its rotation disables it: whoever dies in between leaves a grant whose end owes that rotation.
"""

from datetime import datetime

from breakglass.flow import rotate
from breakglass.flow.connect import usable
from breakglass.identity.access import permit
from breakglass.model import dormancy as dormancies
from breakglass.model import session as sessions
from breakglass.model.change import Change, Fact
from breakglass.model.credential import Credential
from breakglass.model.dormancy import Dormancy, State
from breakglass.model.ids import SessionId
from breakglass.model.rotation import Because, Rotation
from breakglass.model.rotation import State as RotationState
from breakglass.model.session import Session
from breakglass.model.target import Account, AccountId
from breakglass.storage.work import Read, Work
from breakglass.trust.roster import Roster


def enabling(work: Work, id: SessionId) -> State | None:
    """A session is about to sign in. Returns how the account stood; `enabled`: there is nothing to do, because another
    session works as it."""
    permit(work.actor, "run", id)
    session = work.get(Session, id)
    was = standing(work, session.account)
    if was is State.ENABLED and work.find(Session, account=session.account, state=sessions.State.RUNNING):
        return was
    if session.wanted is not sessions.State.ENDED:
        work.apply(dormancies.move(_of(work, session.account), State.ENABLING, why=id, now=work.now))
    return State.ENABLING if was is State.ENABLED else was


def enabled(work: Work, id: SessionId) -> None:
    permit(work.actor, "run", id)
    dormancy = _of(work, work.get(Session, id).account)
    if dormancy.state is State.ENABLING:  # another session may have been faster
        work.apply(dormancies.move(dormancy, State.ENABLED, why=id, now=work.now))


def settles_at(look: Read, held: Rotation) -> datetime:
    """When no earlier request to enable or disable the account can be under way any more: one that was sent and not
    answered must not take effect after the next one."""
    found = look.find(Dormancy, id=held.account)
    if not found or found[0].state in (State.ENABLED, State.DISABLED):
        return look.now
    return found[0].since + rotate.LEASE


def enabling_to_rotate(work: Work, held: Rotation) -> State | None:
    """The engine is about to sign in. Returns how the account stood."""
    rotation = rotate.under_fence(work, held)
    was = standing(work, rotation.account)
    _put(work, rotation, dormancies.move(_of(work, rotation.account), State.ENABLING, why=rotation.id, now=work.now))
    return was


def enabled_to_rotate(work: Work, held: Rotation) -> None:
    rotation = rotate.under_fence(work, held)
    dormancy = _of(work, rotation.account)
    if dormancy.state is State.ENABLING:  # a session may have been faster
        _put(work, rotation, dormancies.move(dormancy, State.ENABLED, why=rotation.id, now=work.now))


def disabling(work: Work, held: Rotation) -> bool:
    """The engine is about to disable it. False while somebody works as the account or may, or another change of it is
    owed, which then ends so."""
    rotation = rotate.under_fence(work, held)
    others = (r for r in work.find(Rotation, account=rotation.account) if r.id != rotation.id)
    if rotate.in_use(work, rotation) or any(r.state is not RotationState.DONE for r in others):
        return False
    _put(work, rotation, dormancies.move(_of(work, rotation.account), State.DISABLING, why=rotation.id, now=work.now))
    return True


def disabled(work: Work, held: Rotation, login: str) -> None:
    """Proven: another account saw that it is disabled, and `login` is what became of a login with its right secret."""
    rotation = rotate.under_fence(work, held)
    dormancy = _of(work, rotation.account)
    proof = {"seen": "disabled", "login": login}
    _put(work, rotation, dormancies.move(dormancy, State.DISABLED, why=rotation.id, now=work.now, **proof))


def not_disabled(work: Work, held: Rotation, problem: str, *, again: bool) -> None:
    """It could not be disabled, or not proven. `again`: another change is owed, at whose end it is tried again."""
    rotation = rotate.under_fence(work, held)
    dormancy, grant = _of(work, rotation.account), rotation.grant
    _put(work, rotation, dormancies.not_disabled(dormancy, why=rotation.id, grant=grant, problem=problem))
    if again:
        rotate.owe_later(work, rotation, Because.DORMANT, problem)


def release(work: Work, account: AccountId, helper: AccountId, why: str) -> Credential:
    """Tell the log that the helper's secret is taken out to act for this account; the vault asks for this entry."""
    permit(work.actor, "run", account)
    credential = usable(work, helper)
    data = {"purpose": "help", "account": helper, "credential": credential.id, "for": why}
    work.note(Fact("secret.release", account, data))
    return credential


def helper_refused(work: Work, helper: AccountId) -> Rotation:
    """The target refuses the helper's stored secret: its own rotation finds out which one works, below the limit at
    which the target locks it."""
    permit(work.actor, "run", helper)
    for one in work.find(Rotation, account=helper):
        if one.begun:
            return one
    return rotate.owe_after(work, helper, Because.SUSPICION, "")


def awake(look: Read, roster: Roster) -> list[AccountId]:
    """Accounts that should sleep and are not proven to, or the other way round, while nobody uses them and nothing is
    owed."""
    found = []
    for account in roster.accounts.values():
        was = standing(look, account.id)
        as_it_should = was is State.DISABLED if account.dormant else was in (None, State.ENABLED)
        if as_it_should or not rotate.current(look, account.id):
            continue
        rotations = look.find(Rotation, account=account.id)
        if any(r.state is not RotationState.DONE for r in rotations) or rotate.used(look, account.id):
            continue
        found.append(account.id)
    return found


def owe_awake(work: Work, roster: Roster) -> list[Rotation]:
    permit(work.actor, "run")
    return [rotate.owe_after(work, one, Because.DORMANT, "") for one in awake(work, roster)]


def standing(look: Read, account: AccountId) -> State | None:
    """How it stands by what is durable; None for one that was never disabled."""
    found = look.find(Dormancy, id=account)
    return found[0].state if found else None


def may_sleep(look: Read, account: Account) -> bool:
    """Whether it has to be enabled before somebody signs in: also one that slept until the roster changed."""
    return account.dormant or standing(look, account.id) not in (None, State.ENABLED)


def _of(work: Work, account: AccountId) -> Dormancy:
    found = work.find(Dormancy, id=account)
    return found[0] if found else Dormancy(id=account, state=State.ENABLED, since=work.now)


def _put(work: Work, rotation: Rotation, change: Change[Dormancy]) -> None:
    """With the rotation, whose lease is renewed."""
    work.apply(Change(rotation, change.facts, also=(change.value,)))
