"""The witnesses can't be reached: custodians let releases go on without them, for a while.

    offer, sign (custodian 1) ─▶ again, sign (custodian 2) ─▶ every node's vault judges ─▶ begun, and over at `until`
                                                                                └▶ refused: sign anew

The log goes on being offered to the witnesses, so what was released meanwhile is seen once they are back.
"""

from datetime import datetime, timedelta

from breakglass.audit import overrides
from breakglass.codec import instant
from breakglass.codec.lines import clean
from breakglass.errors import AlreadyApproved, Malformed, NotFound, WrongState
from breakglass.flow.statements import custodians_word, draw_up
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage.work import Read, Work
from breakglass.trust import override
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Kind, Signed, Statement


def offer(work: Work, chain: Chain, lasts: timedelta, because: str) -> Statement:
    """The text by which the acting custodian lets releases go on without the witnesses for so long.

    Raises `WrongState` where the roster asks for none, `Malformed` for another time or without a reason."""
    permit(work.actor, "override")
    subject = override.subject(chain.head.deployment)
    if not chain.head.witnesses.quorum:
        raise WrongState("No release waits for witnesses here.", what_to_do="Nothing: there is nothing to override.")
    if not override.SHORTEST <= lasts <= override.LONGEST:
        raise Malformed("It lasts 5 minutes to 24 hours.", what_to_do="Say for how long, like `--for 4h`.")
    if not (because := clean(because)):
        raise Malformed("It does not say why.", what_to_do="Say in one sentence why they can't be reached.")
    until = (work.now + lasts).replace(microsecond=0)
    facts = {"until": instant.write(until), "because": because}
    return draw_up(work, chain, Kind.OVERRIDE, subject, facts, until=until)


def again(work: Work, chain: Chain) -> Statement:
    """The same text for the next custodian. Raises `NotFound` when nobody has begun one."""
    permit(work.actor, "override")
    subject = override.subject(chain.head.deployment)
    waiting = _waiting(work)
    if not waiting:
        raise NotFound(
            "Nobody has begun an override that still waits.",
            what_to_do="Begin one: `breakglass audit override --for 4h --because …`.",
            about=subject,
        )
    first = waiting[0]
    return draw_up(work, chain, Kind.OVERRIDE, subject, first.facts, until=overrides.until(first))


def sign(work: Work, chain: Chain, signature: str, text: str | None = None) -> None:
    """Take one custodian's word; the vaults then judge whether there are enough. It counts for who signed it."""
    subject = override.subject(chain.head.deployment)
    signed, statement = custodians_word(work, chain, Kind.OVERRIDE, subject, signature, text)
    if any(
        one.nonce == statement.nonce or (one.person == statement.person and one.facts == statement.facts)
        for one in (word.statement for word in overrides.words(work))
    ):
        raise AlreadyApproved("You have signed this.", what_to_do="Another custodian signs too.", about=subject)
    work.note(Fact(overrides.SIGNED, subject, {"statement": signed.text, "signature": signed.signature}))


def enough(look: Read, chain: Chain) -> tuple[list[Signed], datetime, bool] | None:
    """Custodians' words that the vaults are to judge, their end, and whether the log tells that it has begun; None
    while there are not enough that say the same."""
    found = overrides.together(look)
    if len({one.statement.person for one in found}) < override.needs(chain.head, look.now):
        return None
    until, held = overrides.until(found[0].statement), overrides.holds(look)
    return [one.signed for one in found], until, held is not None and held >= until


def begun(work: Work, chain: Chain, until: datetime) -> None:
    """A vault took their word. Once, however often it is told."""
    permit(work.actor, "run")
    held = overrides.holds(work)
    if held is None or held < until:
        work.note(Fact(overrides.BEGUN, override.subject(chain.head.deployment), {"until": instant.write(until)}))


def refused(work: Work, chain: Chain, why: str) -> None:
    """A vault does not take their word: they sign anew."""
    permit(work.actor, "run")
    work.note(Fact(overrides.REFUSED, override.subject(chain.head.deployment), {"why": why}))


def _waiting(look: Read) -> list[Statement]:
    held = overrides.holds(look)
    found = [one.statement for one in overrides.together(look)]
    return [one for one in found if held is None or overrides.until(one) > held]
