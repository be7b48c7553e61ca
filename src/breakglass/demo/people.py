"""The demo's people: each has a key of their own, and uses the API, `ssh` and `ssh-keygen` as anybody would."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from breakglass.errors import Refused, Unavailable
from breakglass.identity.sign_in import NAMESPACE as SIGN_IN
from breakglass.trust.statement import NAMESPACE

TIMEOUT = 20.0


class ApiRefused(Refused):
    """The API's own words."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(
            str(error.get("message", f"HTTP {status}")),
            what_to_do=str(error.get("what_to_do", "")),
            about=str(error.get("about", "")),
        )
        self.status, self.error_code = status, str(error.get("code", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str


class Person:
    def __init__(self, login: str, folder: Path) -> None:
        self.login, self.key = login, folder / login
        self._api: httpx.AsyncClient | None = None
        self._ssh: Sequence[str] = ()

    @property
    def public(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    def make_key(self) -> None:
        """Once. Raises `Unavailable` where ssh-keygen is missing."""
        if self.key.exists():
            return
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.login, "-f", str(self.key)]
        subprocess.run(command, check=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)

    async def arrive(self, api: str, ssh_host: str, ssh_port: int, known_hosts: Path) -> None:
        """Sign in at the API, and know where the door is."""
        self._ssh = [
            *("ssh", "-F", "none", "-i", str(self.key), "-p", str(ssh_port), "-o", "BatchMode=yes"),
            *("-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "ConnectTimeout=10"),
            *("-o", "LogLevel=ERROR", "-o", f"HostName={ssh_host}"),
        ]
        self._api = httpx.AsyncClient(base_url=api, timeout=TIMEOUT, trust_env=False)
        await self._sign_in()

    async def _sign_in(self) -> None:
        assert self._api is not None  # noqa: S101 (arrive() made it)
        challenge = await self.call("POST", "/api/sign-in/challenge")
        signature = await self.sign(challenge["text"], SIGN_IN)
        body = {"login": self.login, "text": challenge["text"], "signature": signature}
        token = (await self.call("POST", "/api/sign-in", body))["token"]
        self._api.headers["Authorization"] = f"Bearer {token}"

    async def leave(self) -> None:
        if self._api:
            await self._api.aclose()

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One API call. Raises `ApiRefused` with the API's words."""
        try:
            answer = await self.fetch(method, path, body)
        except ApiRefused as refusal:
            if refusal.error_code != "not_proved":
                raise
            await self._sign_in()
            answer = await self.fetch(method, path, body)
        return json.loads(answer or b"null")

    async def fetch(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        assert self._api is not None  # noqa: S101 (arrive() comes first)
        try:
            answer = await self._api.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The API did not answer: {type(error).__name__}.", what_to_do="Look at the node."
            ) from None
        if answer.status_code >= 400:
            raise ApiRefused(answer.status_code, _error(answer))
        return answer.content

    async def sign(self, text: str, namespace: str = NAMESPACE) -> str:
        """By stock `ssh-keygen -Y sign`."""
        command = ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(self.key)]
        ran = await run(command, text.encode())
        if ran.code:
            raise Unavailable("ssh-keygen did not sign.", what_to_do="Install OpenSSH's client.")
        return ran.out

    async def ssh(self, to: str, command: str = "", *, stdin: bytes = b"", terminal: bool = False) -> Ran:
        """Stock `ssh` through the door: `alice+db1`, or just the login for the front end."""
        flags = ["-tt"] if terminal else ["-T"]
        return await run([*self._ssh, *flags, f"{to}@breakglass", *([command] if command else [])], stdin)


async def run(command: Sequence[str], stdin: bytes = b"", timeout: float = TIMEOUT) -> Ran:
    """Run a program to its end. Raises `Unavailable` when it is missing or takes too long."""
    if shutil.which(command[0]) is None:
        raise Unavailable(f"{command[0]} is not installed.", what_to_do="Install OpenSSH's client.")
    environment = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
    )
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable(f"{command[0]} did not end in time.", what_to_do="Try again.") from None
    return Ran(code=process.returncode or 0, out=out.decode(errors="replace"), err=err.decode(errors="replace"))


def _error(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
