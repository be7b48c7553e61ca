"""A node as the command line sees it: its API, signed in to when that is needed.

call ─▶ token in the cache? ─▶ ask ─▶ 401? ─▶ sign in with the key, once ─▶ ask again
"""

import json
import ssl
import time
import weakref
from pathlib import Path
from typing import Any, NoReturn

import httpx

from breakglass import errors
from breakglass.cli import signing
from breakglass.cli.options import Options
from breakglass.cli.tokens import Kept
from breakglass.codec import lines
from breakglass.errors import (
    BreakglassError,
    Expired,
    Forbidden,
    Malformed,
    NotProved,
    NotSignedIn,
    Refused,
    Tampered,
    TooMany,
    Unavailable,
)

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
LONG = 660.0
"""Seconds for a verification of the whole log."""


def server(options: Options) -> "Server":
    """The node that `--server` or `--home` names. Raises `Unavailable` when none runs there."""
    return Server(options, options.server.rstrip("/") or _of_home(options))


def _of_home(options: Options) -> str:
    if not options.home:
        raise Malformed("No node is named.", what_to_do="Use `--home DIR` on its machine, or `--server URL`.")
    home = options.data_folder()
    try:
        return str(json.loads(home.node_file.read_text())["api"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Unavailable(
            f"No node runs on {home.path}.", what_to_do=f"Start it: breakglass --home {home.path} serve"
        ) from None


class Server:
    def __init__(self, options: Options, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise Malformed(f"{url[:100]!r} is not a server's address.", what_to_do="Write it like https://gate:8422.")
        self.options, self.url = options, url
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT, trust_env=False, transport=transport, verify=_trusted(options.ca)
        )
        weakref.finalize(self, self._http.close)
        self._status: dict[str, Any] | None = None
        self._token = ""

    def status(self) -> dict[str, Any]:
        """The public part."""
        if self._status is None:
            self._status = _json(self._send("GET", "/api/status", signed_in=False))
        return self._status

    @property
    def may_sign_in(self) -> bool:
        """Whether there is a key to sign in with, or a sign-in that is kept."""
        return bool(self.options.identity or self._kept().read())

    def get(self, path: str, **params: Any) -> Any:
        return _json(self.send("GET", path, params=params))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return _json(self.send("POST", path, json=body, **options))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Raises what the API answered, as the error that it is."""
        self._token = self._token or self._kept().read() or self._sign_in()
        try:
            return self._send(method, f"/api{path}", signed_in=True, **options)
        except (NotSignedIn, NotProved) as refusal:
            if isinstance(refusal, NotProved) and not self.options.identity:
                raise NotProved(refusal.message, what_to_do="Sign in anew: breakglass login") from None
            self._kept().forget()
            self._token = self._sign_in()
            return self._send(method, f"/api{path}", signed_in=True, **options)

    def _send(self, method: str, path: str, *, signed_in: bool, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if signed_in else {}
        try:
            answer = self._http.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The node at {self.url} does not answer ({type(error).__name__}).",
                what_to_do="Is it running? Try again, or use the SSH door: ssh YOU@GATE status",
            ) from None
        if answer.status_code >= 400:
            _refuse(answer)
        return answer

    def _sign_in(self) -> str:
        key, login = self.options.key, self.options.who
        deployment = str(self.status()["deployment"])
        text = _json(self._send("POST", "/api/sign-in/challenge", signed_in=False))["text"]
        signature = signing.sign_challenge(key, text, deployment)
        body = {"login": login, "text": text, "signature": signature}
        token = str(_json(self._send("POST", "/api/sign-in", signed_in=False, json=body))["token"])
        self._kept().write(token)
        return token

    def begin_login(self, device: str) -> dict[str, Any]:
        """A code to show, and where it is typed; `device` is shown there."""
        begun = _json(self._send("POST", "/api/login", signed_in=False, json={"device": device}))
        return {
            "device_code": str(begun["device_code"]),
            "user_code": lines.clean(str(begun["user_code"])),
            "verification_uri": lines.clean(str(begun["verification_uri"])),
            "expires_in": float(begun["expires_in"]),
            "interval": float(begun["interval"]),
        }

    def finish_login(self, begun: dict[str, Any]) -> str:
        """Wait until somebody confirmed, and keep the token; returns who is signed in.

        Raises `Expired` when nobody did in time, `Forbidden` when they said no or are somebody else than `--login`."""
        pause, until = max(1.0, begun["interval"]), time.monotonic() + begun["expires_in"]
        while time.monotonic() < until:
            time.sleep(pause)
            try:
                sent = {"device_code": begun["device_code"]}
                found = _json(self._send("POST", "/api/login/token", signed_in=False, json=sent))
            except TooMany:
                pause += 5.0  # RFC 8628 section 3.5: slow_down
                continue
            except Unavailable:
                continue  # it may be back before the code is too old
            if found["state"] == "done":
                return self._came(str(found["token"]), str(found["login"]))
        raise Expired("Nobody typed the code in time.", what_to_do="Run `breakglass login` again.")

    def _came(self, token: str, login: str) -> str:
        self._token = token
        if self.options.login and self.options.login != login:
            self._send("DELETE", "/api/sign-in", signed_in=True)
            raise Forbidden(
                f"The browser is signed in as {login}, not as {self.options.login}.",
                what_to_do="Sign in there as yourself, or leave out `--login`.",
            )
        self._kept().write(token)
        return login

    def sign_out(self) -> bool:
        """Whether there was a sign-in to end."""
        self._token = self._kept().read()
        if not self._token:
            return False
        self._kept().forget()
        try:
            self._send("DELETE", "/api/sign-in", signed_in=True)
        except NotSignedIn:
            return False
        return True

    def _kept(self) -> Kept:
        deployment = str(self.status()["deployment"])
        return Kept(deployment=deployment, server=self.url, login=self.options.who, key=self.options.identity)


def _trusted(ca: str) -> ssl.SSLContext | bool:
    """Who vouches for the node: this machine's authorities, or only those in the file. Raises `Malformed`."""
    if not ca:
        return True
    try:
        return ssl.create_default_context(cafile=Path(ca).expanduser())
    except (OSError, ssl.SSLError, ValueError):
        raise Malformed(
            f"{ca[:200]} is no file with certificates.", what_to_do="Name a PEM file with `--ca`, or leave it out."
        ) from None


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        raise Malformed("The server's answer is not JSON.", what_to_do="Is it a Breakglass node?") from None


def _refuse(answer: httpx.Response) -> NoReturn:
    try:
        said = answer.json()["error"]
        code, message, what_to_do = str(said["code"]), str(said["message"]), str(said["what_to_do"])
        about = str(said.get("about", ""))
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            f"The server answered {answer.status_code}.", what_to_do="Is it a Breakglass node? See its log."
        ) from None
    raise _class_of(code, answer.status_code)(message, what_to_do=what_to_do, about=about)


def _class_of(code: str, status: int) -> type[BreakglassError]:
    """The class with this code; for a code that is not known here, its family by the status."""
    known = {kind.code: kind for kind in _below(BreakglassError)}
    if code in known:
        return known[code]
    family: type[BreakglassError] = Unavailable if status == 503 else Tampered if status == 500 else Refused
    return type(family.__name__, (family,), {"code": code})


def _below(kind: type[BreakglassError]) -> list[type[BreakglassError]]:
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, kind)]
    return [one for one in found if "code" in vars(one)]
