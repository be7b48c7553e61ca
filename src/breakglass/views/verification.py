"""What verifying the log found, as people and programs get it."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying the log found."""

    ok: bool
    result: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastVerification:
    """What the last verification found, and when it was."""

    at: datetime
    ok: bool
    result: dict[str, object] = field(default_factory=dict)
