"""What the gateway itself says to a person in their terminal, and with which exit status a channel of its ends.

    breakglass: No grant of yours is open for db1.
    breakglass: What to do: ssh gate request db1

It goes to standard error, so that it spoils no output. What comes from elsewhere (a target's words, a name that
somebody typed) loses its control characters first: a message can't move the cursor.
"""

from enum import IntEnum

from breakglass.errors import BreakglassError, Malformed, Refused, Tampered, TooMany, Unavailable


class Exit(IntEnum):
    """Exit statuses of the gateway's own (named as in sysexits.h); every other one is the target's."""

    USAGE = 64
    """The login name or the command has a wrong shape."""
    UNAVAILABLE = 69
    """Something outside did not answer; trying again may help."""
    SOFTWARE = 70
    """The gateway itself failed."""
    TARGET_LOST = 74
    """The connection to the target broke under the session."""
    TOO_MANY = 75
    TAMPERED = 76
    """Evidence does not fit together, for instance the target's host key."""
    REFUSED = 77
    """A rule said no."""
    ENDED = 79
    """The session was ended: by the clock, a watcher, a kill, or because it could not be recorded."""


def exit_of(error: BreakglassError) -> Exit:
    match error:
        case Malformed():
            return Exit.USAGE
        case TooMany():
            return Exit.TOO_MANY
        case Refused():
            return Exit.REFUSED
        case Unavailable():
            return Exit.UNAVAILABLE
        case Tampered():
            return Exit.TAMPERED
        case _:
            return Exit.SOFTWARE


def refusal(error: BreakglassError) -> str:
    return f"{error.message}\nWhat to do: {error.what_to_do}"


def plain(text: str) -> str:
    """Without control characters and direction marks; line ends become spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def said(text: str, *, terminal: bool) -> bytes:
    """Lines of the gateway for a person. A terminal is in raw mode: there a line needs its carriage return."""
    end = "\r\n" if terminal else "\n"
    lines = "".join(f"breakglass: {plain(line)}{end}" for line in text.splitlines())
    # In a terminal the cursor may stand anywhere.
    return ("\r\n" + lines if terminal else lines).encode()
