"""Errors as HTTP statuses: one stable status a class, the same for JSON and pages."""

from collections.abc import Mapping

from breakglass import errors
from breakglass.errors import BreakglassError

STATUS: Mapping[type[BreakglassError], int] = {
    errors.Malformed: 422,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.BadSignature: 403,
    errors.NotEntitled: 403,
    errors.NotFound: 404,
    errors.Expired: 410,
    errors.TooMany: 429,
    errors.Refused: 409,
    errors.Unavailable: 503,
    errors.Tampered: 500,
}
"""The nearest class counts: every other refusal (a wrong state, a replay, a second approval) is a conflict."""


def status_of(error: BreakglassError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
