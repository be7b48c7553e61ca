"""Identifiers: each carries its kind, `req_1f09…`; whatever does not have that shape is refused at the door.

Made ones end in 20 hex digits (80 random bits). Those of the roster are chosen by people: `usr_alice`, `acc_db1-root`.
"""

import re
from typing import NewType

from breakglass.errors import Malformed

UserId = NewType("UserId", str)
RequestId = NewType("RequestId", str)
ApprovalId = NewType("ApprovalId", str)
GrantId = NewType("GrantId", str)
SessionId = NewType("SessionId", str)
RecordingId = NewType("RecordingId", str)
CredentialId = NewType("CredentialId", str)
RotationId = NewType("RotationId", str)
ReviewId = NewType("ReviewId", str)
TicketId = NewType("TicketId", str)

KINDS = {
    "req": "request",
    "apr": "approval",
    "grt": "grant",
    "ses": "session",
    "rec": "recording",
    "crd": "credential",
    "rot": "rotation",
    "rev": "review",
    "tkt": "ticket",
    "tgt": "target",
    "acc": "account",
    "usr": "person",
    "cnd": "condition",
    "pol": "policy",
    "dom": "domain",
    "dep": "deployment",
    "pro": "roster proposal",
    "ofr": "offered statement",
    "sgn": "sign-in",
    "era": "erasure",
    "itm": "custody item",
}
_SHAPE = re.compile(r"([a-z]{3})_[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def grant_of(request: RequestId) -> GrantId:
    """The one grant that a request can lead to, whichever vault gives it: `grt_1f09…` for `req_1f09…`."""
    return GrantId(f"grt_{checked('req', request).partition('_')[2]}")


def checked(prefix: str, text: str) -> str:
    """Returns `text` when it is an identifier of that kind; raises `Malformed` otherwise."""
    found = _SHAPE.fullmatch(text) if len(text) <= 48 else None
    if found is None or found[1] != prefix:
        kind = KINDS[prefix]
        raise Malformed(
            f"{text[:60]!r} is not the id of a {kind}.", what_to_do=f"The id of a {kind} looks like {prefix}_1f09c2…"
        )
    return text
