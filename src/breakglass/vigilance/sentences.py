"""What an entry of the log is in words, for people who were not there: one table from kind to sentence.

Alerts and tickets say the same. Who and which account are named as people know them (the roster), and what somebody
should do stands beside it. Whatever a person typed is shown as one clean line, cut where it is long.
"""

from collections.abc import Callable
from dataclasses import dataclass

from breakglass.codec.lines import clean
from breakglass.errors import Malformed
from breakglass.model.people import SYSTEM
from breakglass.model.request import AccessRequest
from breakglass.plugin_api.notifier import Severity
from breakglass.storage.outbox import Told
from breakglass.trust.roster import Roster
from breakglass.trust.statement import parse

TITLE_MAX = 120
INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    title: str
    """What happened, in one line."""
    body: str
    """Details, and what to do; may have several lines, or be empty."""
    severity: Severity


@dataclass(frozen=True, slots=True)
class Scene:
    """An entry, with what is known around it: the roster, and the request in whose story it stands."""

    told: Told
    roster: Roster
    request: AccessRequest | None

    @property
    def who(self) -> str:
        """The person who did it."""
        return self.person(self.told.by)

    def person(self, id: str) -> str:
        if id == SYSTEM.id:
            return "Breakglass"
        known = self.roster.people.get(id)
        return clean(known.name) if known else id

    @property
    def signer(self) -> str:
        """Who signed the statement that the entry holds: it counts for them, whoever brought it."""
        try:
            return self.person(parse(self.text("statement")).person)
        except Malformed:
            return self.who

    def moment(self, name: str) -> str:
        """An instant that the entry holds, to the minute."""
        text = self.text(name)
        return f"{text[:10]} {text[11:16]} UTC"

    def said(self, line: str) -> str:
        """A line of the statement that the entry holds."""
        try:
            return clean(parse(self.text("statement")).facts.get(line, ""))
        except Malformed:
            return ""

    @property
    def requester(self) -> str:
        return self.person(self.request.by) if self.request else "somebody"

    @property
    def account(self) -> str:
        """`root on db1`."""
        id = self.text("account") or (self.request.account if self.request else "")
        known = self.roster.accounts.get(id)
        if known is None:
            return id or "an account"
        return f"{known.username} on {self.roster.targets[known.target].name}"

    @property
    def condition(self) -> str:
        id = self.request.condition if self.request else self.text("condition")
        return clean(self.roster.conditions[id].title) if id in self.roster.conditions else id

    def text(self, name: str, longest: int = 500) -> str:
        """A member of the entry's data as one clean line."""
        value = clean(str(self.told.data.get(name, "")))
        return value if len(value) <= longest else f"{value[: longest - 1]}…"


Words = Callable[[Scene], Sentence | None]


def sentence(scene: Scene) -> Sentence | None:
    """What this entry says; None where nobody has to hear of it. A kind without words of its own is still told."""
    said = _WORDS.get(scene.told.kind, _unknown)(scene)
    if said is None:
        return None
    title = clean(said.title)
    if len(title) > TITLE_MAX:
        title = f"{title[: TITLE_MAX - 1]}…"
    return Sentence(title=title, body=said.body, severity=said.severity)


def _say(title: str, body: str = "", severity: Severity = INFO) -> Sentence:
    return Sentence(title=title, body=body, severity=severity)


def _unknown(s: Scene) -> Sentence:
    return _say(f"{s.told.kind}: {s.told.about}", "Look at it with `breakglass audit`.", WARNING)


def _made(s: Scene) -> Sentence:
    minutes = int(s.told.data.get("seconds", 0)) // 60
    return _say(
        f"{s.who} asks for {s.account}: {s.condition}",
        f"Reason: {s.text('reason')}\nFor {minutes} minutes, to be decided by {s.moment('decide_by')}. "
        f"Read and sign it: `breakglass statement {s.told.about}`, then `breakglass approve {s.told.about}`; "
        "or deny it.",
        CRITICAL,
    )


def _release(s: Scene) -> Sentence:
    match s.text("purpose"):
        case "session":
            return _say(
                f"The password of {s.account} was taken out for {s.requester}'s session",
                f"{s.told.about}. If nobody should be connecting: `breakglass kill {s.told.about}`.",
                WARNING,
            )
        case "replay":
            return _say(f"{s.who} opens the recording of {s.told.about}", f"It shows {s.account}.", WARNING)
        case purpose:
            return _say(f"Breakglass took out the password of {s.account} ({purpose})", f"{s.told.about}.")


def _put_off(s: Scene) -> Sentence | None:
    """The first time, and then ever more rarely: a target that is down for a day is no news every five minutes."""
    tries = int(s.told.data.get("tries", 1))
    if tries & (tries - 1):
        return None
    alarm = s.text("code") in ("tampered", "host_key_mismatch")
    return _say(
        f"The password of {s.account} could not be changed yet",
        f"{s.text('problem')} It is tried again by itself (try {tries}). `breakglass rotate list` shows it.",
        CRITICAL if alarm else WARNING,
    )


def _remains(s: Scene) -> str:
    return f"Still on the target: {s.text('remains')}." if s.text("remains") else ""


_WORDS: dict[str, Words] = {
    "request.made": _made,
    "request.approval": lambda s: _say(
        f"{s.signer} approved {s.requester}'s request for {s.account}", severity=WARNING
    ),
    "request.approved": lambda s: _say(f"{s.requester}'s request for {s.account} is approved", severity=WARNING),
    "request.denied": lambda s: _say(
        f"{s.signer} denied {s.requester}'s request for {s.account}", s.said("reason"), WARNING
    ),
    "request.cancelled": lambda s: _say(f"{s.requester} withdrew the request for {s.account}"),
    "request.expired": lambda s: _say(
        f"Nobody decided in time: {s.requester}'s request for {s.account} is over",
        f"{s.text('why')} If the emergency lasts, ask again, and call approvers by telephone.",
        WARNING,
    ),
    "grant.opened": lambda s: _say(
        f"{s.requester} may use {s.account} until {s.moment('ends_at')}",
        f"To end it at once: `breakglass close {s.told.about}`.",
        WARNING,
    ),
    "grant.refused": lambda s: _say(
        f"The vault opens no grant for {s.requester}'s approved request for {s.account}",
        f"{s.text('why')} Ask again; if it stays so, call the custodians.",
        CRITICAL,
    ),
    "grant.closed": lambda s: _say(f"{s.requester} gave {s.account} back", s.text("why")),
    "grant.revoked": lambda s: _say(f"{s.who} revoked {s.requester}'s access to {s.account}", s.text("why"), WARNING),
    "grant.expired": lambda s: _say(f"The time of {s.requester}'s access to {s.account} is over"),
    "secret.release": _release,
    "session.started": lambda s: _say(
        f"{s.requester} is connected to {s.account}",
        f"It is recorded. To cut it: `breakglass kill {s.told.about}`.",
        CRITICAL,
    ),
    "session.alarm": lambda s: _say(
        f"STOP: {s.requester}'s way to {s.account} is not what was approved",
        f"{s.text('why')} Ask whoever runs the target; if they know nothing of it, call the custodians.",
        CRITICAL,
    ),
    "session.ended": lambda s: _say(f"{s.requester}'s session on {s.account} ended", s.text("why")),
    "recording.truncated": lambda s: _say(
        f"The recording {s.told.about} was cut",
        "What was recorded until then can be replayed. The review should ask why it ends early.",
        CRITICAL,
    ),
    "rotation.done": lambda s: _say(
        f"The password of {s.account} was changed and proven", _remains(s), WARNING if s.text("remains") else INFO
    ),
    "rotation.refused": lambda s: _say(
        f"{s.account} refused its new password", f"{s.text('problem')} Another one is made and tried.", WARNING
    ),
    "rotation.unknown": lambda s: _say(
        f"It is not known which password of {s.account} holds",
        f"{s.text('problem')} It is probed, and gone on from there. Do nothing by hand.",
        WARNING,
    ),
    "rotation.reconcile": lambda s: _say(
        f"No stored password of {s.account} works",
        f"{s.text('problem')} Look whether somebody changed it on the target. Set one there by another way in, and "
        "store it: `breakglass estate store`. Breakglass goes on from there by itself.",
        CRITICAL,
    ),
    "rotation.put_off": _put_off,
    "review.opened": lambda s: _say(
        f"{s.requester}'s use of {s.account} waits for its review",
        f"An auditor who neither asked nor approved: `breakglass review {s.told.about}`. Until then the account rests.",
        WARNING,
    ),
    "review.signed": lambda s: _say(f"{s.who} signed the review of {s.requester}'s use of {s.account}"),
    "roster.proposed": lambda s: _say(
        f"{s.who} proposes version {s.text('version')} of the estate",
        f"It would change: {s.text('changes')}. Read it before you sign: `breakglass estate proposals`.",
        WARNING,
    ),
    "roster.adopted": lambda s: _say(
        f"Version {s.text('version')} of the estate holds",
        "Look at what changed: `breakglass audit tail`. If you do not know of it, call the custodians.",
        CRITICAL,
    ),
    "credential.stored": lambda s: _say(
        f"{s.who} stored a password for {s.account}", "It is changed at once, because a person has seen it.", WARNING
    ),
    "clock.went_back": lambda s: _say(
        f"The server's clock went back to {s.text('says')}: nothing is granted or released",
        f"{s.text('seen')} has been. Set the clock right. If the later instant was the wrong one, two custodians "
        "confirm the present time: `breakglass clock confirm`.",
        CRITICAL,
    ),
    "clock.signed": lambda s: _say(f"{s.signer} confirmed the server's time: {s.said('now')}", severity=WARNING),
    "clock.refused": lambda s: _say(
        "The vault does not take the custodians' word about the time", s.text("why"), WARNING
    ),
    "clock.confirmed": lambda s: _say(
        "Custodians confirmed the time: access is granted again",
        f"The log had reached {s.text('before')}. What was asked for or opened in that time has ended.",
        CRITICAL,
    ),
    "sign_in.held": lambda s: _say(
        f"Somebody tries passwords under the name {s.text('login')}",
        f"From {s.text('from')}. For five minutes no password is looked at under this name; keys sign in as always. "
        "If it was not its person, call them.",
        WARNING,
    ),
    "password.set": lambda s: _say(
        f"{s.who} set a password to sign in with",
        "If they do not know of it, call a custodian, who removes it: `/people`.",
        WARNING,
    ),
    "password.removed": lambda s: _say(f"{s.who} removed the password of {s.person(s.told.about)}", severity=WARNING),
    "recovery_code.used": lambda s: _say(
        f"{s.who} signed in with a recovery code",
        f"{s.text('left')} are left. If it was not them, call a custodian, who removes the password: `/people`.",
        WARNING,
    ),
    "recording.lost": lambda s: _say(
        f"The recording of the session {s.text('session')} is lost",
        f"{s.text('why')} Look who was at the node's disk, and restore the file from a backup. A review can be signed "
        "without it; it then says that it was lost.",
        CRITICAL,
    ),
    "recording.restored": lambda s: _say(f"The recording of the session {s.text('session')} is there again"),
    "anchor.waits": lambda s: _say(
        "The timestamp authority gives no timestamps",
        f"{s.text('why')} It is tried again by itself. Until then nothing outside dates the log's entries.",
        WARNING,
    ),
    "anchor.runs": lambda s: _say("The timestamp authority gives timestamps again"),
    "copy.waits": lambda s: _say(
        f"The log's checkpoints do not get to {s.told.about}",
        f"{s.text('why')} It is tried again by itself. Until then nothing new is kept there.",
        WARNING,
    ),
    "copy.runs": lambda s: _say(f"The log's checkpoints get to {s.told.about} again"),
    "witness.waits": lambda s: _say(
        f"The witness {s.told.about} does not cosign the log",
        f"{s.text('why')} It is asked again by itself. Where the roster asks for more witnesses than answer, nothing "
        "is released; custodians can let it go on for a while: `breakglass audit override`.",
        WARNING,
    ),
    "witness.runs": lambda s: _say(f"The witness {s.told.about} cosigns the log again"),
    "witness.disagrees": lambda s: _say(
        "STOP: a witness saw another log than this one",
        f"{s.text('why')} Keep everything as it is. Never reset the witness. Call the custodians and the auditors.",
        CRITICAL,
    ),
    "override.signed": lambda s: _say(
        f"{s.signer} signed that releases go on without the witnesses until {s.said('until')}",
        f"{s.said('because')} It takes two custodians: `breakglass audit override`. If you don't know of it, call.",
        CRITICAL,
    ),
    "override.refused": lambda s: _say(
        "The vault does not let releases go on without the witnesses", s.text("why"), WARNING
    ),
    "override.begun": lambda s: _say(
        f"Releases go on without the witnesses until {s.text('until')}",
        "Custodians signed for it; the log says who. Get the witnesses back; what was released meanwhile stands in the "
        "log that they will see.",
        CRITICAL,
    ),
    "next_log.wanted": lambda s: _say(
        f"A custodian wants to go on with a new log, {s.text('origin')}",
        f"{s.text('because')} It takes two custodians: `breakglass audit next-log`. The log before it keeps what "
        "witnesses and people saw. If you don't know of it, call.",
        CRITICAL,
    ),
    "next_log.signed": lambda s: _say(
        f"{s.signer} signed to go on with the log {s.said('origin')}",
        f"{s.said('because')} If you don't know of it, call.",
        CRITICAL,
    ),
    "next_log.refused": lambda s: _say("The vault does not go on with a new log", s.text("why"), WARNING),
    "next_log.begun": lambda s: _say(
        f"The log goes on as {s.text('origin')}: the one before lost its end",
        "Every grant is over; ask again. Have each witness know the new log's key (`breakglass audit vkey`), change "
        "every password (`breakglass rotate many`), and keep all checkpoints of the log before.",
        CRITICAL,
    ),
    "erasure.signed": lambda s: _say(
        f"{s.signer} signed that private values of the log be erased",
        f"Entries {s.said('entries')}: {s.said('because')} It takes an auditor and a custodian. "
        f"`breakglass audit erase --erasure {s.told.about}`.",
        WARNING,
    ),
    "erasure.done": lambda s: _say(
        f"Private values of {s.text('entries')} entries of the log were erased",
        "An auditor and a custodian signed for it; the log says who. If you do not know of it, ask them.",
        WARNING,
    ),
    "kek.signed": lambda s: _say(
        f"{s.signer} asked the vault for key-encryption key {s.said('next')}",
        "Stored secrets move to it by themselves. Keep backups of before: they open with the same shares.",
        WARNING,
    ),
    "kek.refused": lambda s: _say("The vault makes no new key-encryption key", s.text("why"), WARNING),
    "kek.damaged": lambda s: _say(
        f"STOP: the vault does not open a stored secret of {s.account}",
        "Its row was changed or swapped, or is damaged. It stays as it is, under its old key. Call the custodians and "
        "the auditors.",
        CRITICAL,
    ),
    "kek.retired": lambda s: _say(f"The vault forgets key-encryption key {s.text('kek')}: no stored secret needs it"),
    "duty.dead": lambda s: _say(
        f"A duty failed for good: {s.text('duty')} for entry {s.told.about} of the log",
        f"Problem: {s.text('problem')}. See the server's log.",
        CRITICAL,
    ),
    "siem.waits": lambda s: _say(
        f"The SIEM takes no events from the node {s.told.about}",
        f"{s.text('why')} They wait in the log and go out when it answers. Look at the collector and its certificate.",
        WARNING,
    ),
    "vault.rekey_begun": lambda s: _say(
        f"{s.who} had the vault make new shares",
        f"{s.text('shares')} of them, set {s.text('set')}; {s.text('needed')} will open it, once they are proven. "
        "If no custodian meant to, call them.",
        WARNING,
    ),
    "vault.rekeyed": lambda s: _say(
        "New shares open the vault",
        f"Set {s.text('set')}. The old ones open nothing any more but backups from before: destroy them.",
        WARNING,
    ),
    "vault.tampered": lambda s: _say(
        "STOP: evidence does not fit together",
        f"{s.text('why')} Keep everything as it is. Call the custodians and the auditors, and run "
        "`breakglass audit verify`.",
        CRITICAL,
    ),
}
TOLD = frozenset(_WORDS)
"""Kinds that have words of their own."""
