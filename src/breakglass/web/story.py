"""Where a request stands on its way: Request, Approve, Connect, Close, Rotate, Review."""

from collections.abc import Sequence
from dataclasses import dataclass

from breakglass.views import shapes

STEPS = ("Request", "Approve", "Connect", "Close", "Rotate", "Review")
_GONE = {"denied": "Denied", "cancelled": "Withdrawn", "expired": "Expired"}
STOPPED_KINDS = frozenset(
    {"request.denied", "request.cancelled", "request.expired", "grant.refused", "grant.revoked", "session.alarm",
     "recording.truncated", "rotation.refused", "rotation.reconcile", "refused"}
)  # fmt: skip

MINOR_KINDS = frozenset(
    {"rotation.claimed", "rotation.staged", "rotation.applying", "rotation.applied", "rotation.verified",
     "rotation.login_tried", "rotation.put_off", "rotation.woken", "rotation.freed", "credential.previous",
     "secret.release", "recording.head", "recording.complete"}
)  # fmt: skip
"""Steps within a step: told only in the full list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What is still to come."""

    title: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    step: int
    """The present one, 0 to 5; 6 when all is done."""
    stopped: str
    """In a word, when it ended before anything opened."""
    title: str
    sentence: str
    help: str
    told: tuple[shapes.Event, ...]
    """What happened, without the steps within a step."""
    nexts: tuple[Next, ...]
    over: bool
    """Nothing will change any more."""


def story(page: shapes.RequestPage, rotations: Sequence[shapes.Rotation]) -> Story:
    request, grant, review = page.request, page.grant, page.review
    if request.state in _GONE:
        why = [one.text for one in page.timeline if one.kind == "request.denied"]
        help = f"{why[-1]} Nothing was opened." if why else "Nothing was opened."
        return _story(1, page, _GONE[request.state], request.sentence, help, stopped=True, over=True)
    if request.state == "pending":
        return _story(
            1, page, "Waiting for approval", request.sentence, "The time starts when the grant opens, not now."
        )
    if grant is None:
        return _story(2, page, "Approved", request.sentence, "")
    if grant.state == "active":
        running = [one for one in page.sessions if one.ended_at is None]
        if running:
            return _story(2, page, "Connected", running[0].sentence, grant.sentence)
        return _story(2, page, "Open", grant.sentence, "Nobody is connected at this moment.")
    if any(one.ended_at is None for one in page.sessions):
        return _story(3, page, "Closing", "The sessions are being ended.", grant.sentence)
    owed = [one for one in rotations if one.state != "done"]
    if owed:
        return _story(
            4, page, "Password change owed", owed[0].sentence, "The account takes no request until it is done."
        )
    if review and review.state != "signed":
        return _story(5, page, "Review owed", review.sentence, "An auditor who neither asked nor approved signs it.")
    return _story(6, page, "Done", review.sentence if review else grant.sentence, "", over=True)


def _story(
    step: int,
    page: shapes.RequestPage,
    title: str,
    sentence: str,
    help: str,
    *,
    stopped: bool = False,
    over: bool = False,
) -> Story:
    coming = (
        Next(title=f"{page.request.by.name} connects", words="Recorded, without ever seeing the password."),
        Next(title="The access ends", words="By the person, the clock, or whoever watches."),
        Next(title="The password changes", words="The new one is proven, the old one is shown being refused."),
        Next(title="An auditor reviews", words="The account takes no request until the review is signed."),
    )
    left = {1: 0, 2: 1 if page.sessions else 0, 3: 2, 4: 3}.get(step, len(coming))
    return Story(
        step=step,
        stopped=title if stopped else "",
        title=title,
        sentence=sentence,
        help=help,
        told=tuple(event for event in page.timeline if event.kind not in MINOR_KINDS),
        nexts=() if over else coming[left:],
        over=over,
    )
