"""Exit codes: stable, so that scripts may rely on them. This table is the documentation.

0    done
1    refused by a rule, or not done (a wrong state, a second approval, "no" at the question)
2    the command line, an id or a file has a wrong shape
3    there is no such thing
4    not signed in, or one's roles or signature do not allow it
5    something outside did not answer: trying again may help
6    the vault is sealed: custodians must unseal it
7    evidence does not fit together, or a verification failed: stop and call the auditors
130  interrupted
"""

from enum import IntEnum

from breakglass import errors
from breakglass.errors import BreakglassError


class Exit(IntEnum):
    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    UNAVAILABLE = 5
    SEALED = 6
    TAMPERED = 7
    INTERRUPTED = 130


_CODES: dict[type[BreakglassError], Exit] = {
    errors.Malformed: Exit.USAGE,
    errors.NotFound: Exit.NOT_FOUND,
    errors.NotSignedIn: Exit.FORBIDDEN,
    errors.Forbidden: Exit.FORBIDDEN,
    errors.BadSignature: Exit.FORBIDDEN,
    errors.NotEntitled: Exit.FORBIDDEN,
    errors.Refused: Exit.REFUSED,
    errors.Sealed: Exit.SEALED,
    errors.Unavailable: Exit.UNAVAILABLE,
    errors.Tampered: Exit.TAMPERED,
}


def exit_of(error: BreakglassError) -> Exit:
    """The nearest class counts."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), Exit.REFUSED)
