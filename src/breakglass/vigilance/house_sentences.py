"""What is said of the house itself: clock, sign-ins, anchors, witnesses, kits, the vault and its log."""

from collections.abc import Mapping

from breakglass.vigilance.scene import CRITICAL, WARNING, Words, say

HOUSE: Mapping[str, Words] = {
    "clock.went_back": lambda s: say(
        f"The server's clock went back to {s.text('says')}: nothing is granted or released",
        f"{s.text('seen')} has been. Set the clock right. If the later instant was the wrong one, two custodians "
        "confirm the present time: `breakglass clock confirm`.",
        CRITICAL,
    ),
    "clock.signed": lambda s: say(f"{s.signer} confirmed the server's time: {s.said('now')}", severity=WARNING),
    "clock.refused": lambda s: say(
        "The vault does not take the custodians' word about the time", s.text("why"), WARNING
    ),
    "clock.confirmed": lambda s: say(
        "Custodians confirmed the time: access is granted again",
        f"The log had reached {s.text('before')}. What was asked for or opened in that time has ended.",
        CRITICAL,
    ),
    "sign_in.held": lambda s: say(
        f"Somebody tries passwords under the name {s.text('login')}",
        f"From {s.text('from')}. For five minutes no password is looked at under this name; keys sign in as always. "
        "If it was not its person, call them.",
        WARNING,
    ),
    "password.set": lambda s: say(
        f"{s.who} set a password to sign in with",
        "If they do not know of it, call a custodian, who removes it: `/people`.",
        WARNING,
    ),
    "password.removed": lambda s: say(f"{s.who} removed the password of {s.person(s.told.about)}", severity=WARNING),
    "recovery_code.used": lambda s: say(
        f"{s.who} signed in with a recovery code",
        f"{s.text('left')} are left. If it was not them, call a custodian, who removes the password: `/people`.",
        WARNING,
    ),
    "recording.lost": lambda s: say(
        f"The recording of the session {s.text('session')} is lost",
        f"{s.text('why')} Look who was at the node's disk, and restore the file from a backup. A review can be signed "
        "without it; it then says that it was lost.",
        CRITICAL,
    ),
    "recording.restored": lambda s: say(f"The recording of the session {s.text('session')} is there again"),
    "anchor.waits": lambda s: say(
        "The timestamp authority gives no timestamps",
        f"{s.text('why')} It is tried again by itself. Until then nothing outside dates the log's entries.",
        WARNING,
    ),
    "anchor.runs": lambda s: say("The timestamp authority gives timestamps again"),
    "copy.waits": lambda s: say(
        f"The log's checkpoints do not get to {s.told.about}",
        f"{s.text('why')} It is tried again by itself. Until then nothing new is kept there.",
        WARNING,
    ),
    "copy.runs": lambda s: say(f"The log's checkpoints get to {s.told.about} again"),
    "witness.waits": lambda s: say(
        f"The witness {s.told.about} does not cosign the log",
        f"{s.text('why')} It is asked again by itself. Where the roster asks for more witnesses than answer, nothing "
        "is released; custodians can let it go on for a while: `breakglass audit override`.",
        WARNING,
    ),
    "witness.runs": lambda s: say(f"The witness {s.told.about} cosigns the log again"),
    "witness.disagrees": lambda s: say(
        "STOP: a witness saw another log than this one",
        f"{s.text('why')} Keep everything as it is. Never reset the witness. Call the custodians and the auditors.",
        CRITICAL,
    ),
    "override.signed": lambda s: say(
        f"{s.signer} signed that releases go on without the witnesses until {s.said('until')}",
        f"{s.said('because')} It takes two custodians: `breakglass audit override`. If you don't know of it, call.",
        CRITICAL,
    ),
    "override.refused": lambda s: say(
        "The vault does not let releases go on without the witnesses", s.text("why"), WARNING
    ),
    "override.begun": lambda s: say(
        f"Releases go on without the witnesses until {s.text('until')}",
        "Custodians signed for it; the log says who. Get the witnesses back; what was released meanwhile stands in the "
        "log that they will see.",
        CRITICAL,
    ),
    "kit.wanted": lambda s: say(
        f"A custodian wants emergency kit {s.text('number')}, in {s.text('copies')} copies",
        "The passwords of its accounts change first; then two custodians sign: `breakglass kit issue`. If you don't "
        "know of it, call.",
        WARNING,
    ),
    "kit.signed": lambda s: say(
        f"{s.signer} signed for emergency kit {s.said('number')}",
        f"It will hold {s.said('accounts')}. If you don't know of it, call.",
        WARNING,
    ),
    "kit.refused": lambda s: say("The vault does not make the emergency kit", s.text("why"), WARNING),
    "kit.issued": lambda s: say(
        f"Emergency kit {s.text('number')} was issued, in {s.text('copies')} copies",
        f"It holds {s.text('accounts')}. Put each copy into its safe, and destroy the kits before it: they open "
        "nothing any more.",
        CRITICAL,
    ),
    "kit.fetched": lambda s: say(
        f"{s.who} took copy {s.text('copy')} of emergency kit {s.text('number')}",
        "It is encrypted. It belongs into its safe, and the log of what lies there; if nobody meant to, call them.",
        WARNING,
    ),
    "kit.due": lambda s: say(
        f"Emergency kit {s.text('number')} is due in two weeks",
        "Find a day on which two custodians can sign for the next one: `breakglass kit issue`.",
        WARNING,
    ),
    "kit.stale": lambda s: say(
        "The emergency kit is stale",
        f"{s.text('why')} On the day on which everything else is gone it would not help: `breakglass kit issue`.",
        WARNING,
    ),
    "kit.used": lambda s: say(
        f"Emergency kit {s.text('number')} was used",
        f"{s.text('because')} The passwords of all its accounts change. Issue a new one: `breakglass kit issue`.",
        CRITICAL,
    ),
    "next_log.wanted": lambda s: say(
        f"A custodian wants to go on with a new log, {s.text('origin')}",
        f"{s.text('because')} It takes two custodians: `breakglass audit next-log`. The log before it keeps what "
        "witnesses and people saw. If you don't know of it, call.",
        CRITICAL,
    ),
    "next_log.signed": lambda s: say(
        f"{s.signer} signed to go on with the log {s.said('origin')}",
        f"{s.said('because')} If you don't know of it, call.",
        CRITICAL,
    ),
    "next_log.refused": lambda s: say("The vault does not go on with a new log", s.text("why"), WARNING),
    "next_log.begun": lambda s: say(
        f"The log goes on as {s.text('origin')}: the one before lost its end",
        "Every grant is over; ask again. Have each witness know the new log's key (`breakglass audit vkey`), change "
        "every password (`breakglass rotate many`), and keep all checkpoints of the log before.",
        CRITICAL,
    ),
    "erasure.signed": lambda s: say(
        f"{s.signer} signed that private values of the log be erased",
        f"Entries {s.said('entries')}: {s.said('because')} It takes an auditor and a custodian. "
        f"`breakglass audit erase --erasure {s.told.about}`.",
        WARNING,
    ),
    "erasure.done": lambda s: say(
        f"Private values of {s.text('entries')} entries of the log were erased",
        "An auditor and a custodian signed for it; the log says who. If you do not know of it, ask them.",
        WARNING,
    ),
    "kek.signed": lambda s: say(
        f"{s.signer} asked the vault for key-encryption key {s.said('next')}",
        "Stored secrets move to it by themselves. Keep backups of before: they open with the same shares.",
        WARNING,
    ),
    "kek.refused": lambda s: say("The vault makes no new key-encryption key", s.text("why"), WARNING),
    "kek.damaged": lambda s: say(
        f"STOP: the vault does not open a stored secret of {s.account}",
        "Its row was changed or swapped, or is damaged. It stays as it is, under its old key. Call the custodians and "
        "the auditors.",
        CRITICAL,
    ),
    "kek.retired": lambda s: say(f"The vault forgets key-encryption key {s.text('kek')}: no stored secret needs it"),
    "duty.dead": lambda s: say(
        f"A duty failed for good: {s.text('duty')} for entry {s.told.about} of the log",
        f"Problem: {s.text('problem')}. See the server's log.",
        CRITICAL,
    ),
    "siem.waits": lambda s: say(
        f"The SIEM takes no events from the node {s.told.about}",
        f"{s.text('why')} They wait in the log and go out when it answers. Look at the collector and its certificate.",
        WARNING,
    ),
    "vault.rekey_begun": lambda s: say(
        f"{s.who} had the vault make new shares",
        f"{s.text('shares')} of them, set {s.text('set')}; {s.text('needed')} will open it, once they are proven. "
        "If no custodian meant to, call them.",
        WARNING,
    ),
    "vault.rekeyed": lambda s: say(
        "New shares open the vault",
        f"Set {s.text('set')}. The old ones open nothing any more but backups from before: destroy them.",
        WARNING,
    ),
    "vault.slot_begun": lambda s: say(
        f"{s.who} brought shares to {s.text('act')} the vault's {s.text('slot')} slot",
        f"On the node {s.text('node')}. If no custodian meant to, call them.",
        WARNING,
    ),
    "vault.slot_changed": lambda s: say(
        f"What opens the vault without people has changed: {s.text('act')} of its {s.text('slot')} slot",
        f"On the node {s.text('node')}. What opened it before opens backups from before still: destroy it.",
        WARNING,
    ),
    "vault.tampered": lambda s: say(
        "STOP: evidence does not fit together",
        f"{s.text('why')} Keep everything as it is. Call the custodians and the auditors, and run "
        "`breakglass audit verify`.",
        CRITICAL,
    ),
}
