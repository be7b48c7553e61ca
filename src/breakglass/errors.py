"""What can go wrong, in three kinds; each tells a person what to do.

    Refused      a rule said no: it tells why, and who can help
    Unavailable  the world outside did not answer: trying again may help
    Tampered     evidence does not fit together: stop, and call the custodians and the auditors

Only front doors translate them (HTTP status, exit code, a line in a terminal); everybody else lets them pass.
`code` is stable: scripts, pages and the log name it.
"""

from typing import ClassVar


class BreakglassError(Exception):
    """The root of every error that a person may see. Its texts never hold a secret."""

    code: ClassVar[str]

    def __init__(self, message: str, *, what_to_do: str, about: str = "") -> None:
        super().__init__(message)
        self.message, self.what_to_do, self.about = message, what_to_do, about

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.what_to_do, self.about))


def _rebuild(kind: type[BreakglassError], message: str, what_to_do: str, about: str) -> BreakglassError:
    return kind(message, what_to_do=what_to_do, about=about)


class Refused(BreakglassError):
    """A rule said no. Inside a step it undoes the step and is itself written to the log."""

    code = "refused"


class Malformed(Refused):
    """An input does not have the shape that it must have: an id, a statement, a file, a field that is too long."""

    code = "malformed"


class NotFound(Refused):
    code = "not_found"


class NotSignedIn(Refused):
    code = "not_signed_in"


class Forbidden(Refused):
    """The person's roles do not allow it."""

    code = "forbidden"


class NotProved(Forbidden):
    """The last signature of this sign-in is too old for this: its person signs once more (step-up)."""

    code = "not_proved"


class WrongState(Refused):
    code = "wrong_state"


class SelfApproval(Refused):
    code = "self_approval"


class AlreadyApproved(Refused):
    code = "already_approved"


class NeedsSshSignature(Refused):
    """A passkey's word where the policy keeps what is open for SSH signatures."""

    code = "needs_ssh_signature"


class BadSignature(Refused):
    """A signature that does not fit its statement, its key or its person."""

    code = "bad_signature"


class Expired(Refused):
    """A statement, grant, key or offer whose time is over."""

    code = "expired"


class Replayed(Refused):
    """A statement that was used before."""

    code = "replayed"


class NotEntitled(Refused):
    """The vault does not find, in the evidence, what the release or grant needs."""

    code = "not_entitled"


class TooMany(Refused):
    """A cap on rate or number."""

    code = "too_many"


class Unavailable(BreakglassError):
    """The world outside did not answer; trying again may help."""

    code = "unavailable"


class Sealed(Unavailable):
    """The vault is sealed: custodians must unseal it."""

    code = "sealed"


class NotWitnessed(Unavailable):
    """Too few witnesses have cosigned the log up to what was about to happen."""

    code = "not_witnessed"


class TargetDown(Unavailable):
    code = "target_down"


class OutcomeUnknown(Unavailable):
    """An act was sent and its answer is missing: it may have happened. Never treat it as a failure."""

    code = "outcome_unknown"


class Tampered(BreakglassError):
    """Evidence does not fit together. Stop and raise the alarm."""

    code = "tampered"


class HostKeyMismatch(Tampered):
    """The target showed another host key than the roster pins: somebody may stand in between."""

    code = "host_key_mismatch"
