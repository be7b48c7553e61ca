"""A password with its authenticator and recovery codes is set, removed, and used up code by code.

It signs in and does nothing else: what decides, opens a terminal or changes the estate takes a key's signature.
"""

from collections.abc import Sequence

from breakglass.codec.lines import clean
from breakglass.errors import Forbidden, NotFound
from breakglass.flow.sign_in import AT_MOST, make
from breakglass.flow.sign_in import refused as told
from breakglass.identity.access import must_be_fresh, permit
from breakglass.identity.password import Locked
from breakglass.model.change import Fact
from breakglass.storage import passwords, sign_ins
from breakglass.storage.passwords import Password
from breakglass.storage.work import Read, Work

SIGNED_IN_BY_CODE = "code"
SIGNED_IN_BY_RECOVERY = "recovery code"


def no() -> Forbidden:
    """The one answer to every name, password and code that do not fit."""
    return Forbidden(
        "This name, password and code are not known together.",
        what_to_do="Check all three; a code serves once. A passkey or an SSH key signs in without them.",
    )


def put(work: Work, locked: Locked, step: int, recovery: Sequence[str]) -> None:
    """One's own, in the place of an earlier one. `step`: of the code that proved that the authenticator works;
    `recovery`: hashes. Raises `NotProved` without a fresh signature."""
    permit(work.actor, "look")
    must_be_fresh(work.actor, work.now)
    person = work.actor.id
    made = Password(person=person, salt=locked.salt, sealed=locked.sealed, step=step, set_at=work.now)
    passwords.put(work, made, recovery)
    work.note(Fact("password.set", person, {"codes": len(recovery)}))


def remove(work: Work, person: str) -> None:
    """One's own, or as a custodian another's; what they are signed in by with it ends. Raises `NotFound`."""
    permit(work.actor, "look" if person == work.actor.id else "unseal", person)
    if not passwords.drop(work, person):
        raise NotFound("There is no password.", what_to_do="Nothing: it is gone.", about=person)
    for one in sign_ins.of(work, person):
        if not one.key:
            sign_ins.drop_one(work, person, one.id)
    work.note(Fact("password.removed", person))


def sign_in(
    work: Work, login: str, token: str, held: Password, by: int | str, *, from_address: str, device: str
) -> str:
    """The caller opened `held` with the password; `by` is the step of the authenticator's code, or the hash of a
    recovery code. Returns the sign-in's id; it ends after 30 minutes without use. Raises `Forbidden` for what was used
    before."""
    permit(work.actor, "look")
    person = work.actor.id
    recovery = isinstance(by, str)
    good = passwords.use_code(work, person, by) if isinstance(by, str) else passwords.use_step(work, held, by)
    if not good or held.person != person:
        raise no()
    id = make(work, login, token, lasts=AT_MOST, from_address=from_address, device=device)
    said = SIGNED_IN_BY_RECOVERY if recovery else SIGNED_IN_BY_CODE
    work.note(Fact("sign_in.made", id, {"key": "", "by": said}))
    if recovery:
        work.note(Fact("recovery_code.used", person, {"left": passwords.codes_left(work, person)}))
    return id


def refused(work: Work, login: str, from_address: str, code: str, *, held_up: bool) -> None:
    """Somebody failed. `held_up`: for some minutes no password is looked at under this name."""
    told(work, login, from_address, code)
    if held_up:
        work.note(Fact("sign_in.held", "sign-in", {"login": clean(login)[:60], "from": from_address}))


def mine(look: Read, person: str) -> tuple[Password | None, int]:
    """With the number of recovery codes that are left."""
    return passwords.of(look, person), passwords.codes_left(look, person)


def people(look: Read) -> frozenset[str]:
    """Who can sign in by one."""
    return passwords.people(look)
