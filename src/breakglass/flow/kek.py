"""Another key-encryption key for the vault, and stored secrets on their way to it.

    offer, sign (a custodian) ─▶ created ─▶ rewrapped, batch by batch ─▶ retired, when no secret needs the old one
                         └▶ refused

Which secrets are still to be moved stands in their envelopes, so a rotation that was cut off goes on from there.
"""

from collections.abc import Sequence
from dataclasses import replace

from breakglass.audit import keks as log
from breakglass.errors import Malformed, WrongState
from breakglass.flow.statements import SHORT, custodians_word, draw_up
from breakglass.identity.access import permit
from breakglass.model.change import Change, Fact
from breakglass.model.credential import Credential
from breakglass.storage import keks
from breakglass.storage.work import Work
from breakglass.trust import kek as keys
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Kind, Statement


def offer(work: Work, chain: Chain, held: int, *, shared: bool) -> Statement:
    """The text by which the acting custodian asks for the key after `held`. `shared`: other nodes have vaults, too."""
    permit(work.actor, "kek")
    subject = keys.subject(chain.head.deployment)
    if shared:
        raise WrongState(
            "Several nodes share this database, and each vault has its own keys.",
            what_to_do="Rotating the key there is not built yet: the other nodes could not read what this one writes.",
            about=subject,
        )
    return draw_up(work, chain, Kind.KEK, subject, {"next": str(held + 1)}, until=work.now + SHORT)


def sign(work: Work, chain: Chain, held: int, signature: str, text: str | None = None) -> int:
    """Take the custodian's statement; the vault then judges it. Returns the number of the key that is asked for."""
    subject = keys.subject(chain.head.deployment)
    signed, statement = custodians_word(work, chain, Kind.KEK, subject, signature, text)
    if statement.facts["next"] != str(held + 1):
        raise Malformed(f"The next key is {held + 1}.", what_to_do="Sign a fresh statement.", about=subject)
    work.note(Fact(log.SIGNED, subject, {"statement": signed.text, "signature": signed.signature}))
    return held + 1


def created(work: Work, subject: str, kek: int) -> None:
    """The vault made it. Once, however often it is told."""
    permit(work.actor, "run")
    if kek > log.newest(work, subject):
        work.note(Fact(log.CREATED, subject, {"kek": kek}))


def refused(work: Work, subject: str, why: str) -> None:
    permit(work.actor, "run")
    work.note(Fact("kek.refused", subject, {"why": why}))


def rewrapped(work: Work, subject: str, kek: int, moved: Sequence[tuple[Credential, bytes]]) -> int:
    """Put these envelopes in the place of those that the vault was shown. Returns how many were still the same."""
    permit(work.actor, "run")
    same = []
    for shown, sealed in moved:
        held = work.get(Credential, shown.id)
        if held.sealed == shown.sealed:
            same.append(replace(held, sealed=sealed))
    if same:
        fact = Fact("kek.rewrapped", subject, {"kek": kek, "secrets": len(same)})
        work.apply(Change(same[0], (fact,), tuple(same[1:])))
    return len(same)


def damaged(work: Work, credential: Credential) -> None:
    """The vault does not open this one: it stays under its old key, which is then never retired."""
    permit(work.actor, "run")
    data: dict[str, str | int | bool] = {"account": credential.account, "version": credential.version}
    work.note(Fact("kek.damaged", credential.id, data))


def retiring(work: Work, subject: str, kek: int, prefix: bytes) -> bool:
    """Whether no stored secret needs `kek` any more; it is told before it is done, so it may be told twice.

    On the writer's thread, so that no secret comes in between the count and the telling. `prefix`: of the newest key.
    """
    permit(work.actor, "run")
    if keks.count_not_under(work, prefix):
        return False
    work.note(Fact("kek.retired", subject, {"kek": kek}))
    return True
