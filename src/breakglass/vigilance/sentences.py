"""What an entry of the log is in words, for people who were not there: one table from kind to sentence.

Alerts and tickets say the same. Who and which account are named as people know them (the roster), and what somebody
should do stands beside it. Whatever a person typed is shown as one clean line, cut where it is long.
"""

from breakglass.codec.lines import clean
from breakglass.vigilance.custody_sentences import CUSTODY
from breakglass.vigilance.house_sentences import HOUSE
from breakglass.vigilance.scene import CRITICAL, INFO, WARNING, Scene, Sentence, Words, say

TITLE_MAX = 120


def sentence(scene: Scene) -> Sentence | None:
    """What this entry says; None where nobody has to hear of it. A kind without words of its own is still told."""
    said = _WORDS.get(scene.told.kind, _unknown)(scene)
    if said is None:
        return None
    title = clean(said.title)
    if len(title) > TITLE_MAX:
        title = f"{title[: TITLE_MAX - 1]}…"
    return Sentence(title=title, body=said.body, severity=said.severity)


def _unknown(s: Scene) -> Sentence:
    return say(f"{s.told.kind}: {s.told.about}", "Look at it with `breakglass audit`.", WARNING)


def _made(s: Scene) -> Sentence:
    minutes = int(s.told.data.get("seconds", 0)) // 60
    return say(
        f"{s.who} asks for {s.account}: {s.condition}",
        f"Reason: {s.text('reason')}\nFor {minutes} minutes, to be decided by {s.moment('decide_by')}. "
        f"Read and sign it: `breakglass statement {s.told.about}`, then `breakglass approve {s.told.about}`; "
        "or deny it.",
        CRITICAL,
    )


def _release(s: Scene) -> Sentence:
    match s.text("purpose"):
        case "session":
            return say(
                f"The password of {s.account} was taken out for {s.requester}'s session",
                f"{s.told.about}. If nobody should be connecting: `breakglass kill {s.told.about}`.",
                WARNING,
            )
        case "replay":
            return say(f"{s.who} opens the recording of {s.told.about}", f"It shows {s.account}.", WARNING)
        case "kit":
            return say(
                f"Passwords were taken out for emergency kit {s.text('number')}", f"{s.text('accounts')}.", WARNING
            )
        case "help":
            for_ = s.roster.accounts.get(s.told.about)
            return say(
                f"Breakglass took out the password of {s.account} to act for {for_.username if for_ else s.told.about}"
            )
        case purpose:
            return say(f"Breakglass took out the password of {s.account} ({purpose})", f"{s.told.about}.")


def _put_off(s: Scene) -> Sentence | None:
    """The first time, and then ever more rarely: a target that is down for a day is no news every five minutes."""
    tries = int(s.told.data.get("tries", 1))
    if tries & (tries - 1):
        return None
    alarm = s.text("code") in ("tampered", "host_key_mismatch")
    return say(
        f"The password of {s.account} could not be changed yet",
        f"{s.text('problem')} It is tried again by itself (try {tries}). `breakglass rotate list` shows it.",
        CRITICAL if alarm else WARNING,
    )


def _remains(s: Scene) -> str:
    return f"Still on the target: {s.text('remains')}." if s.text("remains") else ""


_WORDS: dict[str, Words] = {
    "request.made": _made,
    "request.approval": lambda s: say(f"{s.signer} approved {s.requester}'s request for {s.account}", severity=WARNING),
    "request.approved": lambda s: say(f"{s.requester}'s request for {s.account} is approved", severity=WARNING),
    "request.denied": lambda s: say(
        f"{s.signer} denied {s.requester}'s request for {s.account}", s.said("reason"), WARNING
    ),
    "request.cancelled": lambda s: say(f"{s.requester} withdrew the request for {s.account}"),
    "request.expired": lambda s: say(
        f"Nobody decided in time: {s.requester}'s request for {s.account} is over",
        f"{s.text('why')} If the emergency lasts, ask again, and call approvers by telephone.",
        WARNING,
    ),
    "grant.opened": lambda s: say(
        f"{s.requester} may use {s.account} until {s.moment('ends_at')}",
        f"To end it at once: `breakglass close {s.told.about}`.",
        WARNING,
    ),
    "grant.refused": lambda s: say(
        f"The vault opens no grant for {s.requester}'s approved request for {s.account}",
        f"{s.text('why')} Ask again; if it stays so, call the custodians.",
        CRITICAL,
    ),
    "grant.closed": lambda s: say(f"{s.requester} gave {s.account} back", s.text("why")),
    "grant.revoked": lambda s: say(f"{s.who} revoked {s.requester}'s access to {s.account}", s.text("why"), WARNING),
    "grant.expired": lambda s: say(f"The time of {s.requester}'s access to {s.account} is over"),
    "secret.release": _release,
    "session.started": lambda s: say(
        f"{s.requester} is connected to {s.account}",
        f"It is recorded. To cut it: `breakglass kill {s.told.about}`.",
        CRITICAL,
    ),
    "session.alarm": lambda s: say(
        f"STOP: {s.requester}'s way to {s.account} is not what was approved",
        f"{s.text('why')} Ask whoever runs the target; if they know nothing of it, call the custodians.",
        CRITICAL,
    ),
    "session.ended": lambda s: say(f"{s.requester}'s session on {s.account} ended", s.text("why")),
    "recording.truncated": lambda s: say(
        f"The recording {s.told.about} was cut",
        "What was recorded until then can be replayed. The review should ask why it ends early.",
        CRITICAL,
    ),
    "rotation.done": lambda s: say(
        f"The password of {s.account} was changed and proven", _remains(s), WARNING if s.text("remains") else INFO
    ),
    "rotation.refused": lambda s: say(
        f"{s.account} refused its new password", f"{s.text('problem')} Another one is made and tried.", WARNING
    ),
    "rotation.unknown": lambda s: say(
        f"It is not known which password of {s.account} holds",
        f"{s.text('problem')} It is probed, and gone on from there. Do nothing by hand.",
        WARNING,
    ),
    "rotation.reconcile": lambda s: say(
        f"No stored password of {s.account} works",
        f"{s.text('problem')} Look whether somebody changed it on the target. Its helper resets it, where the "
        "roster names one; else set one there by another way in, and store it: `breakglass estate store`. Breakglass "
        "goes on from there by itself.",
        CRITICAL,
    ),
    "rotation.put_off": _put_off,
    "account.not_disabled": lambda s: say(
        f"{s.account} is not disabled on its target, or not proven to be",
        f"{s.text('problem')} It is owed a change, and tried again by itself. `breakglass rotate` shows it.",
        CRITICAL,
    ),
    "review.opened": lambda s: say(
        f"{s.requester}'s use of {s.account} waits for its review",
        f"An auditor who neither asked nor approved: `breakglass review {s.told.about}`. Until then the account rests.",
        WARNING,
    ),
    "review.signed": lambda s: say(f"{s.who} signed the review of {s.requester}'s use of {s.account}"),
    "roster.proposed": lambda s: say(
        f"{s.who} proposes version {s.text('version')} of the estate",
        f"It would change: {s.text('changes')}. Read it before you sign: `breakglass estate proposals`.",
        WARNING,
    ),
    "roster.adopted": lambda s: say(
        f"Version {s.text('version')} of the estate holds",
        "Look at what changed: `breakglass audit tail`. If you do not know of it, call the custodians.",
        CRITICAL,
    ),
    "credential.stored": lambda s: say(
        f"{s.who} stored a password for {s.account}", "It is changed at once, because a person has seen it.", WARNING
    ),
    **HOUSE,
    **CUSTODY,
}
TOLD = frozenset(_WORDS)
"""Kinds that have words of their own."""
