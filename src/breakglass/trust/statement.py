"""A statement: one decision of one person, as a short text that they see and sign with their own key.

    breakglass-statement-v1
    kind: approve
    deployment: dep_…          ┐
    subject: req_…             │
    person: usr_bo             │ every statement
    key: SHA256:…              │
    roster: 3 <hash>           │ the estate that the signer saw
    log: 118 <root>            │ the log head that the signer saw: people witness the log by deciding
    nonce: …                   │
    not-after: 2026-…Z         ┘
    requester: usr_alice       … then what its kind asks for, in this order (FIELDS)

The exact bytes are signed; specification and test vectors are docs/formats/statement.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from breakglass.codec import instant, lines
from breakglass.errors import Malformed

TITLE = "breakglass-statement-v1"
NAMESPACE = "breakglass"
"""The SSHSIG namespace: `ssh-keygen -Y sign -n breakglass`."""


class Kind(StrEnum):
    APPROVE = "approve"
    DENY = "deny"
    ROSTER = "roster"
    REPLAY = "replay"
    REVIEW = "review"
    CLOCK = "clock"
    """Custodians confirm the present instant after the clock jumped."""
    ERASE = "erase"
    """An auditor and a custodian have private values erased that stand beside the log."""
    KEK = "kek"
    """A custodian has the vault make the key-encryption key with this number."""
    OVERRIDE = "override"
    """Custodians let releases go on without the witnesses, until an instant."""
    NEXT_LOG = "next-log"
    """Custodians go on with a new log, because the one before has lost its end."""
    KIT = "kit"
    """Custodians have an emergency kit made."""
    CHECK_OUT = "check-out"
    """Two people take a custody item out of its place, for one of them."""
    RETURN = "return"
    """Two people bring it back, under a new seal."""
    INSPECTION = "inspection"
    """Two people look whether it is there, and at its seal."""


_TERMS = (
    "requester", "requester-key", "target", "account", "username", "endpoint", "host-key", "connector", "condition",
    "reason", "duration", "lane", "permissions", "recording", "policy",
)  # fmt: skip
_ITEM = ("number", "name", "opens", "place")
FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.APPROVE: _TERMS,
    Kind.DENY: ("requester", "account", "reason"),
    Kind.ROSTER: ("next", "changes"),
    Kind.REPLAY: ("session", "stream"),
    Kind.REVIEW: ("request", "grant", "account", "recordings", "classification", "summary"),
    Kind.CLOCK: ("now",),
    Kind.ERASE: ("entries", "because"),
    Kind.KEK: ("next",),
    Kind.OVERRIDE: ("until", "because"),
    Kind.NEXT_LOG: ("origin", "former", "because"),
    Kind.KIT: ("number", "accounts", "copies"),
    Kind.CHECK_OUT: (*_ITEM, "recorded", "seal", "holder", "until", "request", "because"),
    Kind.RETURN: (*_ITEM, "holder", "seal", "remark"),
    Kind.INSPECTION: (*_ITEM, "recorded", "seal", "remark"),
}
"""What a statement of each kind says beside the common lines, in order: this and nothing else."""

_COMMON = ("kind", "deployment", "subject", "person", "key", "roster", "log", "nonce", "not-after")
_ROSTER = re.compile(r"(0|[1-9][0-9]{0,8}) ([0-9a-f]{64})")
_LOG = re.compile(r"(0|[1-9][0-9]{0,17}) ([A-Za-z0-9+/]{43}=)")
_NONCE = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    kind: Kind
    deployment: str
    subject: str
    person: str
    key: str
    roster_version: int
    roster_hash: str
    log_size: int
    log_root: str
    """Base64 of the tree's root at `log_size`."""
    nonce: str
    not_after: datetime
    facts: Mapping[str, str]

    def text(self) -> str:
        """The exact text. Raises `Malformed` when a value can't stand on a line."""
        common = (
            ("kind", self.kind.value),
            ("deployment", self.deployment),
            ("subject", self.subject),
            ("person", self.person),
            ("key", self.key),
            ("roster", f"{self.roster_version} {self.roster_hash}"),
            ("log", f"{self.log_size} {self.log_root}"),
            ("nonce", self.nonce),
            ("not-after", instant.write(self.not_after)),
        )
        return lines.write(TITLE, [*common, *((name, self.facts[name]) for name in FIELDS[self.kind])])


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement's text and its signature: an armoured SSHSIG, or a passkey's armoured assertion."""

    text: str
    signature: str


def parse(text: str) -> Statement:
    """Raises `Malformed` for any text that `Statement.text` would not write."""
    found = lines.read(text, TITLE)
    names = tuple(name for name, _ in found)
    values = dict(found)
    try:
        kind = Kind(values.get("kind", ""))
    except ValueError:
        raise Malformed(
            "The statement is of a kind that is not known.", what_to_do="Take the text unchanged."
        ) from None
    if names != _COMMON + FIELDS[kind]:
        raise Malformed(f"This is not how a statement of kind {kind} reads.", what_to_do="Take the text unchanged.")
    roster, log = _ROSTER.fullmatch(values["roster"]), _LOG.fullmatch(values["log"])
    if not roster or not log or not _NONCE.fullmatch(values["nonce"]):
        raise Malformed("The roster, log or nonce line is not well formed.", what_to_do="Take the text unchanged.")
    statement = Statement(
        kind=kind,
        deployment=values["deployment"],
        subject=values["subject"],
        person=values["person"],
        key=values["key"],
        roster_version=int(roster[1]),
        roster_hash=roster[2],
        log_size=int(log[1]),
        log_root=log[2],
        nonce=values["nonce"],
        not_after=instant.read(values["not-after"]),
        facts={name: values[name] for name in FIELDS[kind]},
    )
    if statement.text() != text:
        raise Malformed("The statement is not in its canonical form.", what_to_do="Take the text unchanged.")
    return statement
