"""Signing on pages: which key a statement is drawn up for, and what comes back signed.

    statement ─┬─ passkey: the browser signs the text it shows (`data-sign`, passkey.mjs) ─▶ signature and text
               └─ SSH key: `ssh-keygen -Y sign` somewhere else, the signature is pasted ──▶ signature

A pasted signature may belong to any text that is on offer to this person, so the page's own text does not go with it.
"""

from dataclasses import dataclass, replace

from breakglass.errors import Malformed
from breakglass.model.people import Actor, Key
from breakglass.trust.roster import Roster
from breakglass.web.forms import Form

SIGNATURE_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """With which key somebody signs here, and with which others they could."""

    actor: Actor
    key: Key | None
    others: tuple[Key, ...]

    @property
    def passkey(self) -> bool:
        return self.key is not None and self.key.passkey is not None


def signer(roster: Roster, actor: Actor, wanted: str = "") -> Signer:
    """The key that was asked for, if it is theirs; else the one that they signed in with, else their first."""
    person = roster.people.get(actor.id)
    keys = person.keys if person else ()
    by_print = {key.fingerprint: key for key in keys}
    key = by_print.get(wanted) or by_print.get(actor.key) or next(iter(keys), None)
    others = tuple(one for one in keys if one is not key)
    return Signer(actor=replace(actor, key=key.fingerprint) if key else actor, key=key, others=others)


def by_ssh_only(signs: Signer) -> Signer:
    """The same person where no passkey counts; without a key when they have only passkeys."""
    keys = [key for key in (signs.key, *signs.others) if key is not None and key.passkey is None]
    key = next(iter(keys), None)
    actor = replace(signs.actor, key=key.fingerprint) if key else signs.actor
    return Signer(actor=actor, key=key, others=tuple(keys[1:]))


def brought(form: Form) -> tuple[str, str | None]:
    """(signature, text) for a step of `flow`; the text is None where any of those on offer may be meant.

    Raises `Malformed` without a signature."""
    signature = form["signature"].strip()
    if not signature:
        raise Malformed(
            "The signature is missing.", what_to_do="Sign the text, and paste all of it, from BEGIN to END."
        )
    if len(signature) > SIGNATURE_MAX:
        raise Malformed("This is too long for a signature.", what_to_do="Paste the signature alone.")
    return f"{signature}\n", form["text"] or None
