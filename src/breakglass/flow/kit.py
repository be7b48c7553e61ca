"""The emergency kit: custodians have one made, see when it is stale, and say that one was used.

    want ─▶ its accounts' passwords change ─▶ sign (custodian 1) ─▶ sign (custodian 2) ─▶ the vault makes it ─▶ issued
                                                                                 └▶ refused: want it anew
    issued ─▶ due (14 days before) ─▶ stale (a password changed, new shares, 90 days) ─▶ used: all its passwords change

Passwords change first, so that what an older kit holds opens nothing any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from breakglass.audit import kits
from breakglass.audit.kits import Issued
from breakglass.audit.words import Word
from breakglass.codec import instant
from breakglass.codec.lines import clean
from breakglass.errors import AlreadyApproved, Malformed, NotFound, WrongState
from breakglass.flow import rotate
from breakglass.flow.statements import SHORT, custodians_word, draw_up
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.model.credential import Credential
from breakglass.model.rotation import Because, Rotation
from breakglass.model.rotation import State as RotationState
from breakglass.model.target import AccountId
from breakglass.storage.work import Read, Work
from breakglass.trust import kit
from breakglass.trust.chain import Chain
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Kind, Signed, Statement

REMIND_BEFORE = timedelta(days=14)
HOLDS = 4 * SHORT
"""A statement about a kit: custodians are in one room, or on one call."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What custodians signed for, ready for the vault."""

    words: Sequence[Signed]
    number: int
    accounts: str
    stored: Sequence[Credential]


def want(work: Work, chain: Chain, copies: int) -> int:
    """Change the passwords of all accounts that the estate chooses, for a new kit. Returns its number.

    Raises `Malformed` without such accounts, or for another number of copies, and as `rotate.demand`."""
    permit(work.actor, "kit")
    if not 1 <= copies <= kit.COPIES_MAX:
        raise Malformed(f"A kit has 1 to {kit.COPIES_MAX} copies.", what_to_do="Say how many: `--copies 2`.")
    chosen = kit.chosen(chain.head)
    kit.accounts_line(dict.fromkeys(chosen, 1))
    for account in chosen:
        rotate.demand(work, account)
    number = max((one.number for one in kits.issued(work)), default=0) + 1
    work.note(Fact(kits.WANTED, kit.subject(chain.head.deployment), {"number": number, "copies": copies}))
    return number


def changing(look: Read, roster: Roster) -> list[AccountId]:
    """Accounts of the kit whose password is still to change."""
    return [
        account
        for account in kit.chosen(roster)
        if any(one.state is not RotationState.DONE for one in look.find(Rotation, account=account))
    ]


def offer(work: Work, chain: Chain) -> Statement:
    """The text by which the acting custodian has the kit made. Raises `NotFound` when nobody wants one, and
    `WrongState` while its passwords still change."""
    permit(work.actor, "kit")
    subject = kit.subject(chain.head.deployment)
    wanted = kits.wanted(work)
    if wanted is None:
        raise NotFound("Nobody wants a kit.", what_to_do="Begin: `breakglass kit issue --copies 2`.", about=subject)
    if waiting := changing(work, chain.head):
        raise WrongState(
            f"The passwords of {len(waiting)} of its accounts still change: {', '.join(waiting[:5])}.",
            what_to_do="Wait for them; `breakglass rotate` says what keeps them.",
            about=subject,
        )
    facts = {
        "number": str(wanted.number("number")),
        "accounts": kit.accounts_line({one.account: one.version for one in _stored(work, chain.head)}),
        "copies": str(wanted.number("copies")),
    }
    return draw_up(work, chain, Kind.KIT, subject, facts, until=work.now + HOLDS)


def sign(work: Work, chain: Chain, signature: str, text: str | None = None) -> None:
    """Take one custodian's word; with enough of them the vault makes it. It counts for who signed it."""
    subject = kit.subject(chain.head.deployment)
    signed, statement = custodians_word(work, chain, Kind.KIT, subject, signature, text)
    said = [one.statement for one in kits.words(work, statement.facts["number"])]
    if any((one.person, one.facts) == (statement.person, statement.facts) for one in said):
        raise AlreadyApproved("You have signed this.", what_to_do="Another custodian signs too.", about=subject)
    wanted = kits.wanted(work)
    named = (str(wanted.number("number")), str(wanted.number("copies"))) if wanted else None
    if named != (statement.facts["number"], statement.facts["copies"]):
        raise WrongState("Nobody wants this kit any more.", what_to_do="Get a fresh statement.", about=subject)
    work.note(Fact(kits.SIGNED, subject, {"statement": signed.text, "signature": signed.signature}))


def agreed(look: Read, chain: Chain) -> Agreed | None:
    """None while there are not enough who say the same."""
    wanted = kits.wanted(look)
    found: Sequence[Word] = kits.words(look, str(wanted.number("number"))) if wanted else ()
    if len(found) < kit.needs(chain.head, look.now):
        return None
    facts = found[0].statement.facts
    return Agreed([one.signed for one in found], int(facts["number"]), facts["accounts"], _stored(look, chain.head))


def release(work: Work, chain: Chain, kit_number: int, accounts: str) -> None:
    """The release of the credentials into the kit stands in the log before the vault is asked."""
    permit(work.actor, "run")
    data = {"purpose": "kit", "number": str(kit_number), "accounts": accounts}
    work.note(Fact("secret.release", kit.subject(chain.head.deployment), data))


def issued(
    work: Work, chain: Chain, number: int, accounts: str, copies: Sequence[tuple[str, str]], share_set: str
) -> None:
    """The vault made it. `copies`: SHA-256 and canary of each; `share_set` opens it."""
    permit(work.actor, "run")
    data: dict[str, str | int | bool] = {
        "number": number,
        "accounts": accounts,
        "copies": len(copies),
        "set": share_set,
        **{f"sha256-{n}": hashed for n, (hashed, _) in enumerate(copies, 1)},
        **{f"canary-{n}": canary for n, (_, canary) in enumerate(copies, 1)},
    }
    work.note(Fact(kits.ISSUED, kit.subject(chain.head.deployment), data))


def refused(work: Work, chain: Chain, why: str) -> None:
    permit(work.actor, "run")
    work.note(Fact(kits.REFUSED, kit.subject(chain.head.deployment), {"why": why}))


def stale(look: Read, roster: Roster, share_set: str) -> str:
    """Why the newest kit does not serve as it should; empty while it does, or where the estate wants none.

    `share_set`: whose shares open the vault now; empty where nobody knows."""
    chosen = kit.chosen(roster)
    if not chosen:
        return ""
    found = kits.issued(look)
    if not found:
        return "The estate wants an emergency kit, and none was issued."
    newest = found[-1]
    if newest.used:
        return f"Kit {newest.number} was used."
    now = {one.account: one.version for one in _stored(look, roster)}
    if changed := [account for account in chosen if newest.versions.get(account) != now.get(account)]:
        return f"Kit {newest.number} does not hold the present password of {', '.join(changed[:5])}."
    if share_set and newest.share_set != share_set:
        return f"Kit {newest.number} opens with the shares {newest.share_set}, and the custodians have {share_set}."
    if look.now >= newest.at + kit.LASTS:
        return f"Kit {newest.number} is older than {kit.LASTS.days} days."
    return ""


def due_soon(look: Read, roster: Roster, share_set: str) -> Issued | None:
    """The newest kit, where it serves and will be too old in a while: custodians must find a day for the next one."""
    found = kits.issued(look)
    if not found or stale(look, roster, share_set) or look.now < found[-1].at + kit.LASTS - REMIND_BEFORE:
        return None
    return found[-1]


def note_due(work: Work, chain: Chain, share_set: str) -> None:
    """Told once for each kit."""
    permit(work.actor, "run")
    soon = due_soon(work, chain.head, share_set)
    if soon is not None and soon.number != kits.due_said(work):
        due = instant.write(soon.at + kit.LASTS)
        work.note(Fact(kits.DUE, kit.subject(chain.head.deployment), {"number": soon.number, "due": due}))


def fetched(work: Work, chain: Chain, number: int, copy: int) -> None:
    """A custodian takes the encrypted copy; told before they have it, so that every copy in a safe has who put it
    there."""
    permit(work.actor, "kit")
    work.note(Fact(kits.FETCHED, kit.subject(chain.head.deployment), {"number": number, "copy": copy}))


def note_stale(work: Work, chain: Chain, share_set: str) -> None:
    """Told once for each reason."""
    permit(work.actor, "run")
    why = stale(work, chain.head, share_set)
    if why and why != kits.stale_said(work):
        work.note(Fact(kits.STALE, kit.subject(chain.head.deployment), {"why": why}))


def used(work: Work, chain: Chain, number: int, because: str) -> Issued:
    """Somebody opened a kit, or it is gone: the passwords of all its accounts change, and it is stale.

    Raises `NotFound` for a kit that was never issued, `Malformed` without a reason."""
    permit(work.actor, "kit_used")
    subject = kit.subject(chain.head.deployment)
    found = next((one for one in kits.issued(work) if one.number == number), None)
    if found is None:
        raise NotFound(f"There is no kit {number}.", what_to_do="Look at `breakglass kit`.", about=subject)
    if not (because := clean(because)):
        raise Malformed("It does not say why.", what_to_do="Say in one sentence who used it, or where it was lost.")
    if not found.used:
        work.note(Fact(kits.USED, subject, {"number": number, "because": because}))
    for account in found.versions:
        if account in chain.head.accounts and work.find(Credential, account=account):
            rotate.owe_after(work, account, Because.SUSPICION, "")
    return found


def _stored(look: Read, roster: Roster) -> list[Credential]:
    found = [rotate.current(look, account) for account in kit.chosen(roster)]
    return [one for one in found if one is not None]
