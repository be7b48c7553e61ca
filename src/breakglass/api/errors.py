"""Errors as HTTP: one shape, one stable status a class, and never what somebody sent.

{"error": {"code": "wrong_state", "message": "…", "what_to_do": "…", "about": "req_…"}}
"""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from breakglass import errors
from breakglass.errors import BreakglassError, Malformed, Unavailable
from breakglass.http.status import status_of

_log = logging.getLogger(__name__)


class Error(BaseModel):
    """What went wrong."""

    code: str
    message: str
    what_to_do: str
    about: str = ""


class ErrorAnswer(BaseModel):
    error: Error


def answer(error: BreakglassError, status: int | None = None) -> JSONResponse:
    what = {"code": error.code, "message": error.message, "what_to_do": error.what_to_do, "about": error.about}
    status = status or status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"error": what}, status, headers=headers)


def install(app: FastAPI) -> None:
    """Every way in which an answer can fail ends in the one shape."""

    @app.exception_handler(BreakglassError)
    async def ours(_: Request, error: BreakglassError) -> JSONResponse:
        if isinstance(error, errors.Tampered):
            _log.critical("tampered: %s", error.message)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def wrong_shape(_: Request, error: RequestValidationError) -> JSONResponse:
        # None of the values that were sent may come back, or reach a log: one of them may be a password.
        return answer(Malformed(in_words(error.errors()), what_to_do="See /api/openapi.json for what is expected."))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return answer(_of_status(error.status_code), error.status_code)

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        # uvicorn's log gets the traceback; whoever asked gets nothing of it.
        _log.error("a request failed: %s", type(error).__name__)
        return answer(
            Unavailable("The server failed.", what_to_do="Try again; if it stays so, tell its administrators."), 500
        )


def _of_status(status: int) -> BreakglassError:
    match status:
        case 404:
            return errors.NotFound("There is no such address.", what_to_do="See /api/openapi.json.")
        case 413:
            return Malformed("What was sent is too long.", what_to_do="Send less.")
        case 400:
            return Malformed("The body can't be read.", what_to_do="Send JSON.")
        case _:
            return Malformed("This address does not take that.", what_to_do="See /api/openapi.json.")


_TELLING = frozenset(
    {
        "missing", "string_type", "string_too_short", "string_too_long", "int_type", "int_parsing", "bool_type",
        "greater_than_equal", "less_than_equal", "literal_error", "enum", "extra_forbidden", "model_attributes_type",
    }
)  # fmt: skip
"""Kinds of mistakes whose words are pydantic's own and hold nothing of the input."""


def in_words(mistakes: Any) -> str:
    """`body.minutes: Field required; …`: where and what, without any value or name that was sent."""
    said = []
    for one in list(mistakes)[:5]:
        kind = str(one.get("type", ""))
        if kind == "json_invalid":
            return "The body is not JSON."
        place = list(one.get("loc", ()))
        if kind == "extra_forbidden":  # the last part is a name that somebody made up
            place = place[:-1]
        words = str(one.get("msg", "")) if kind in _TELLING else "This is not valid"
        said.append(f"{'.'.join(str(part)[:40] for part in place) or 'request'}: {words}")
    return "; ".join(said) + "."
