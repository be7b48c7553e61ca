"""A node as the command line sees it: its API, signed in to when that is needed.

call ─▶ token in the cache? ─▶ ask ─▶ 401? ─▶ sign in with the key, once ─▶ ask again
"""

import json
import weakref
from typing import Any, NoReturn

import httpx

from breakglass import errors
from breakglass.cli import signing
from breakglass.cli.options import Options
from breakglass.cli.tokens import Kept
from breakglass.errors import BreakglassError, Malformed, NotSignedIn, Refused, Tampered, Unavailable

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
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False, transport=transport)
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
        except NotSignedIn:
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

    def _kept(self) -> Kept:
        deployment = str(self.status()["deployment"])
        return Kept(deployment=deployment, server=self.url, login=self.options.who, key=self.options.identity)


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
