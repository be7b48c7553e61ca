"""Each kind of fact as one sentence, for timelines and whoever reads the log: the page around it says of what.
(Alerts and tickets stand alone, so they name everything and say what to do: `vigilance.sentences`.)

A sentence names people and accounts as the roster does, and is one line, whatever was typed. A kind that is not known
here (a newer node wrote it) still gives a sentence, and never an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from breakglass.codec import lines
from breakglass.errors import Malformed
from breakglass.trust import statement as statements
from breakglass.views import say
from breakglass.views.book import Book

LONGEST = 400


@dataclass(frozen=True, slots=True)
class _Told:
    book: Book
    about: str
    by: str
    data: Mapping[str, Any]

    def __getitem__(self, name: str) -> str:
        return str(self.data.get(name, ""))

    @property
    def who(self) -> str:
        return self.book.who(self.by).name

    @property
    def where(self) -> str:
        return say.where(self.book.place(self["account"])) if self["account"] else "the account"

    @property
    def signer(self) -> str:
        """Who signed the statement that the fact holds: it counts for them, whoever brought it."""
        try:
            return self.book.who(statements.parse(self["statement"]).person).name
        except Malformed:
            return self.who

    def said(self, name: str) -> str:
        """A line of the statement."""
        try:
            return statements.parse(self["statement"]).facts.get(name, "")
        except Malformed:
            return ""

    def until(self, name: str) -> str:
        return f"{self[name][:10]} {self[name][11:16]} UTC"


def sentence(book: Book, *, kind: str, about: str, by: str, data: Mapping[str, Any]) -> str:
    told = _Told(book, about, by, data)
    say_it = SENTENCES.get(kind)
    text = say_it(told) if say_it else f"{kind} ({about}) by {told.who}."
    text = lines.clean(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _asked(t: _Told) -> str:
    minutes = int(t.data.get("seconds", 0)) // 60
    title = t.book.condition(t["condition"])[0]
    return f"{t.who} asks for {t.where} for {minutes} minutes ({title}): {t['reason']}"


def _by(t: _Told) -> str:
    return f" with a password and a {t['by']}" if t["by"] else ""


def _signed_review(t: _Told) -> str:
    return f"{t.signer} signed the review as {t.said('classification') or 'reviewed'}: {t.said('summary')}"


def _release(t: _Told) -> str:
    return {
        "kit": f"Passwords are released into emergency kit {t['number']}: {t['accounts']}.",
        "session": f"The password of {t.where} is released to the gateway for {t.who}'s session; nobody sees it.",
        "help": f"The password of {t.where} is released to act for {say.where(t.book.place(t.about))}; nobody sees it.",
        "replay": f"{t.who} opens a recording of {t.where}.",
    }.get(t["purpose"], f"The password of {t.where} is released to the rotation engine ({t['purpose']}).")


def _done(t: _Told) -> str:
    left = f" Left behind on the target: {'; '.join(t['remains'].splitlines())}." if t["remains"] else ""
    old = "there was no old one" if t["old"] == "none" else "the old one is refused"
    return f"The password of {t.where} was changed and proven: the new one is accepted, {old}.{left}"


def _refusal(t: _Told) -> str:
    return f"{t.who} was refused ({t['code']})" + (f" about {t.about}." if t.about else ".")


SENTENCES: Mapping[str, Callable[[_Told], str]] = {
    "request.made": _asked,
    "request.approval": lambda t: (
        f"{t.signer} approved." + (f" {t.who} brought the signature." if t.signer != t.who else "")
    ),
    "request.approved": lambda t: "The quorum is met: the request is approved.",
    "request.denied": lambda t: f"{t.signer} denied it: {t.said('reason') or 'no reason given'}",
    "request.cancelled": lambda t: f"{t.who} withdrew the request.",
    "request.expired": lambda t: f"The request expired: {t['why'] or 'not enough people decided in time'}.",
    "grant.refused": lambda t: f"The vault REFUSED the grant: {t['why']}",
    "grant.opened": lambda t: f"The grant is open until {t.until('ends_at')}.",
    "grant.closed": lambda t: f"The grant is closed ({t['why']}).",
    "grant.revoked": lambda t: f"{t.who} revoked the grant: {t['why']}",
    "grant.expired": lambda t: "The grant's time is over.",
    "secret.release": _release,
    "session.connecting": lambda t: f"{t.who} connects to {t.where} from {t['from'] or 'an unknown address'}.",
    "session.started": lambda t: "The target accepted the login; the session runs.",
    "session.end_wanted": lambda t: f"{t.who} ends the session: {t['why']}",
    "session.alarm": lambda t: f"STOPPED on the way to {t.where}: {t['why']}",
    "session.ended": lambda t: f"The session ended ({t['why']}).",
    "recording.head": lambda t: f"The recording reaches {t['size']} bytes.",
    "recording.complete": lambda t: f"The recording is complete: {t['size']} bytes.",
    "recording.truncated": lambda t: f"The recording is CUT SHORT at {t['size']} bytes.",
    "recording.replayed": lambda t: f"{t.who} has replayed the recording.",
    "rotation.owed": lambda t: f"The password of {t.where} is owed a change ({t['because']}).",
    "rotation.claimed": lambda t: "The rotation engine took the change over.",
    "rotation.staged": lambda t: f"A new password for {t.where} is stored in the vault; nothing was sent yet.",
    "rotation.applying": lambda t: (
        f"{say.where(t.book.place(t['by']))} resets the password of {t.where}, because no stored one works."
        if t["by"]
        else f"The new password is being set for {t.where}."
    ),
    "rotation.applied": lambda t: f"The target took the new password of {t.where}; it is being proven.",
    "rotation.unknown": lambda t: f"The target's answer is missing: which password of {t.where} works is being tried.",
    "rotation.verified": lambda t: f"The new password of {t.where} is proven.",
    "rotation.refused": lambda t: f"The target refused the new password of {t.where}: {t['problem']}",
    "rotation.reconcile": lambda t: (
        f"No stored password of {t.where} works any more: a person must look. {t['problem']}"
    ),
    "rotation.put_off": lambda t: f"The password change of {t.where} waits, try {t['tries']}: {t['problem']}",
    "rotation.waits": lambda t: f"The password change of {t.where} waits: {t['why']}",
    "rotation.freed": lambda t: (
        f"The node that changed the password of {t.where} died and is back; the change goes on."
    ),
    "rotation.woken": lambda t: f"The password change of {t.where} is tried again at once.",
    "rotation.login_tried": lambda t: (
        f"A stored password of {t.where} was tried on the target ({t['guesses']} so far)."
    ),
    "rotation.discarded": lambda t: f"The new password of {t.where} was set aside before it was sent: {t['problem']}",
    "rotation.done": _done,
    "account.enabling": lambda t: f"{t.where} is about to be enabled on its target.",
    "account.enabled": lambda t: f"{t.where} is enabled on its target, until nobody uses it any more.",
    "account.disabling": lambda t: f"{t.where} is about to be disabled on its target.",
    "account.disabled": lambda t: (
        f"{t.where} is disabled, and proven to be: the target says so, and "
        + (
            "it took the right password and let nobody in."
            if t["login"] == "shut"
            else "the right password is refused."
        )
    ),
    "account.not_disabled": lambda t: f"{t.where} is NOT disabled, or not proven to be: {t['problem']}",
    "target.looked": lambda t: f"What stands on the target of {t.where} was looked at, to compare the next look with.",
    "credential.stored": lambda t: f"{t.who} stored a credential for {t.where} (version {t['version']}).",
    "credential.previous": lambda t: f"Version {t['version']} of the credential of {t.where} is the previous one now.",
    "review.opened": lambda t: f"The review is open: {t.where} takes no request until an auditor has signed it.",
    "review.signed": _signed_review,
    "ticket.opened": lambda t: "A ticket was opened.",
    "ticket.updated": lambda t: "The ticket was brought up to date.",
    "ticket.closed": lambda t: "The ticket was closed.",
    "evidence.exported": lambda t: f"{t.who} exported the evidence: {t['entries']} entries.",
    "roster.proposed": lambda t: f"{t.who} proposes version {t['version']} of the estate: {t['changes']}",
    "roster.signed": lambda t: f"{t.signer} signed the proposal {t.about}.",
    "roster.adopted": lambda t: f"Version {t['version']} of the estate holds now, signed by {t['statements']} people.",
    "sign_in.made": lambda t: f"{t.who} signed in{_by(t)}.",
    "sign_in.held": lambda t: (
        f"Passwords under the name {t['login']} are not looked at for some minutes: too many failed."
    ),
    "password.set": lambda t: f"{t.who} set a password and {t['codes']} recovery codes to sign in with.",
    "password.removed": lambda t: f"The password of {t.book.who(t.about).name} was removed.",
    "recovery_code.used": lambda t: f"{t.who} used a recovery code; {t['left']} are left.",
    "sign_in.refused": lambda t: f"A sign-in as {t['login']} from {t['from']} was refused ({t['code']}).",
    "sign_in.lent": lambda t: f"{t.who} signed a terminal in from their browser: {t['device']}, from {t['from']}.",
    "sign_in.proved": lambda t: f"{t.who} signed again, to go on.",
    "sign_in.revoked": lambda t: f"{t.who} ended one of their own sign-ins.",
    "invitation.made": lambda t: f"{t.who} made a link with which {t.book.who(t['person']).name} can add a passkey.",
    "invitation.used": lambda t: (
        f"{t.book.who(t['person']).name} made a passkey by their link; it waits for signatures."
    ),
    "sign_in.ended": lambda t: f"{t.who} signed out.",
    "vault.share_entered": lambda t: f"{t.who} entered a share of the vault's key ({t['entered']} of {t['needed']}).",
    "vault.sealed": lambda t: f"{t.who} sealed the vault.",
    "vault.rekey_begun": lambda t: (
        f"{t.who} had the vault make {t['shares']} new shares, set {t['set']}, of which {t['needed']} will open it."
    ),
    "vault.share_proven": lambda t: (
        f"{t.who} entered a new share of the set {t['set']} ({t['entered']} of {t['shares']})."
    ),
    "vault.rekeyed": lambda t: f"Shares of the set {t['set']} open the vault now; the old ones do not any more.",
    "vault.slot_begun": lambda t: f"{t.who} has the vault of {t['node']} {t['act']} its {t['slot']} slot.",
    "vault.slot_changed": lambda t: f"The vault of {t['node']} has another seal: {t['act']} of its {t['slot']} slot.",
    "vault.opened": lambda t: "The vault is open.",
    "vault.tampered": lambda t: f"THE VAULT REFUSES THE LOG: {t['problem'] or t['why']}",
    "clock.went_back": lambda t: (
        f"THE CLOCK WENT BACK: it says {t.until('says')}, and {t.until('seen')} has been. "
        "Nothing is granted or released."
    ),
    "clock.runs": lambda t: "The clock stands right again.",
    "clock.signed": lambda t: f"{t.signer} confirmed that it was {t.said('now')[:10]} {t.said('now')[11:16]} UTC.",
    "clock.refused": lambda t: f"The vault does not take the custodians' word about the time: {t['why']}",
    "recording.lost": lambda t: f"The recording's file is LOST: {t['why']}",
    "recording.restored": lambda t: "The recording's file is there again, as the log names it.",
    "anchor.made": lambda t: f"A timestamp authority says that the first {t['size']} entries were there.",
    "anchor.waits": lambda t: f"The timestamp authority gives the node {t.about} no timestamps: {t['why']}",
    "anchor.runs": lambda t: f"The timestamp authority gives the node {t.about} timestamps again.",
    "copy.waits": lambda t: f"The log's checkpoints do not get to {t.about}: {t['why']}",
    "copy.runs": lambda t: f"The log's checkpoints get to {t.about} again.",
    "witness.waits": lambda t: f"The witness {t.about} does not cosign the log: {t['why']}",
    "witness.runs": lambda t: f"The witness {t.about} cosigns the log again.",
    "witness.disagrees": lambda t: f"A WITNESS SAW ANOTHER LOG: {t['why']}",
    "override.signed": lambda t: (
        f"{t.signer} signed that releases go on without the witnesses until {t.said('until')[:10]} "
        f"{t.said('until')[11:16]} UTC: {t.said('because')}"
    ),
    "override.refused": lambda t: f"The vault does not let releases go on without the witnesses: {t['why']}",
    "override.begun": lambda t: f"Releases go on without the witnesses until {t.until('until')}.",
    "custody.signed": lambda t: f"{t.signer} signed about {t.book.item(t.about)}; it takes a second person.",
    "custody.taken": lambda t: (
        f"{t.book.who(t['holder']).name} took {t.book.item(t.about)} out, seal {t['seal']}, until {t.until('until')}."
    ),
    "custody.returned": lambda t: f"{t.book.item(t.about)} is back, under the new seal {t['seal']}.",
    "custody.inspected": lambda t: f"Two people looked at {t.book.item(t.about)}; its seal: {t['seal']}.",
    "custody.finding": lambda t: (
        f"{t.book.item(t.about)} IS NOT AS IT WAS LEFT: its seal is {t['seal']}, and {t['recorded']} is recorded."
    ),
    "custody.overdue": lambda t: (
        f"{t.book.item(t.about)} IS NOT BACK: {t.book.who(t['holder']).name} has it; it was due at {t.until('until')}."
    ),
    "custody.unseen": lambda t: f"Nobody looked at {t.book.item(t.about)} in time: it was due at {t.until('due')}.",
    "kit.wanted": lambda t: (
        f"Emergency kit {t['number']} is wanted, in {t['copies']} copies: its passwords change first."
    ),
    "kit.signed": lambda t: f"{t.signer} signed for emergency kit {t.said('number')}: {t.said('accounts')}.",
    "kit.refused": lambda t: f"The vault does not make the emergency kit: {t['why']}",
    "kit.issued": lambda t: f"Emergency kit {t['number']} was issued, in {t['copies']} copies: {t['accounts']}.",
    "kit.fetched": lambda t: f"{t.who} took copy {t['copy']} of emergency kit {t['number']}.",
    "kit.due": lambda t: f"Emergency kit {t['number']} serves until {t.until('due')}: a new one must be issued.",
    "kit.stale": lambda t: f"The emergency kit is stale. {t['why']}",
    "kit.used": lambda t: f"EMERGENCY KIT {t['number']} WAS USED: {t['because']} All its passwords change.",
    "next_log.wanted": lambda t: f"Custodians are asked to go on with the log {t['origin']}: {t['because']}",
    "next_log.signed": lambda t: f"{t.signer} signed to go on with the log {t.said('origin')}: {t.said('because')}",
    "next_log.refused": lambda t: f"The vault does not go on with a new log: {t['why']}",
    "next_log.begun": lambda t: (
        f"THE LOG GOES ON AS {t['origin']}. The one before had {str(t['former']).split(' ')[0]} entries, as far as is "
        "known; what of them is not here is lost. Every grant ended."
    ),
    "erasure.signed": lambda t: (
        f"{t.signer} signed that private values of the entries {t.said('entries')} be erased: {t.said('because')}"
    ),
    "entry.erased": lambda t: f"The private values of entry {t['entry']} were erased ({t['fields']}).",
    "erasure.done": lambda t: f"Private values of {t['entries']} entries were erased.",
    "clock.confirmed": lambda t: "The time is confirmed. What was from a time that never was has ended.",
    "kek.signed": lambda t: f"{t.signer} asked the vault for key-encryption key {t.said('next')}.",
    "kek.refused": lambda t: f"The vault makes no new key-encryption key: {t['why']}",
    "kek.created": lambda t: f"New secrets are sealed under key-encryption key {t['kek']}.",
    "kek.rewrapped": lambda t: f"{t['secrets']} stored secrets moved to key-encryption key {t['kek']}.",
    "kek.damaged": lambda t: f"THE VAULT DOES NOT OPEN version {t['version']} of the credential of {t.where}.",
    "kek.retired": lambda t: f"No stored secret needs key-encryption key {t['kek']} any more: the vault forgets it.",
    "siem.waits": lambda t: f"The SIEM takes no events from the node {t.about}: {t['why']}",
    "siem.runs": lambda t: f"The SIEM takes events from the node {t.about} again.",
    "duty.dead": lambda t: f"A duty was given up ({t['duty']} for entry {t.about}): {t['problem']}",
    "refused": _refusal,
}
