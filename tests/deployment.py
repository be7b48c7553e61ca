"""A whole deployment for tests: a real sshd with a real account, people with keys, a founded home, and its node as a
process of its own, which can be killed and started again like any server."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from breakglass import config
from breakglass.app import founding, joining
from breakglass.config import Home
from breakglass.demo.estate import PEOPLE, PLAYBOOK
from breakglass.demo.people import ApiRefused, Person, Ran, run
from breakglass.errors import Unavailable
from tests.servers.sshd import Account, Sshd

TARGET, ACCOUNT = "db1", "acc_db1-admin"
CONDITION = "cnd_idp-down"


class Deployment:
    """`db1` is the real sshd; people are those of the demo's estate (alice asks, bo and dana approve, ivy audits)."""

    def __init__(
        self,
        folder: Path,
        sshd: Sshd,
        account: Account,
        *,
        database: str = "",
        more: Mapping[str, tuple[str, str, list[str], list[str]]] = MappingProxyType({}),
    ) -> None:
        """`more` people: login -> name, department, roles, groups."""
        self._staff = {**PEOPLE, **more}
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.sshd, self.account, self.database = folder, sshd, account, database
        self.home = Home(folder / "home")
        self.people = {login: Person(login, folder / "people") for login in self._staff}
        self.node: asyncio.subprocess.Process | None = None
        self.shares: tuple[str, ...] = ()
        self.log = folder / "node.log"
        self.environment: dict[str, str] = {}
        self.command: list[str] = []
        """What starts the node, where not `breakglass serve` alone does."""

    def __getattr__(self, login: str) -> Person:
        try:
            return self.people[login]
        except KeyError:
            raise AttributeError(login) from None

    def members(self) -> dict[str, Any]:
        """The people as the estate has them."""
        return {
            f"usr_{login}": {
                "login": login,
                "name": name,
                "department": department,
                "roles": roles,
                "groups": groups,
                "keys": [{"label": "test key", "public": self.people[login].public}],
            }
            for login, (name, department, roles, groups) in self._staff.items()
        }

    def estate(self) -> dict[str, Any]:
        return {
            "changes": [{"group": "custodians", "count": 2}],
            "groups": ["custodians", "responders", "security"],
            "people": self.members(),
            "domains": {"dom_it": {"name": "Databases"}},
            "targets": {
                "tgt_db1": {
                    "name": TARGET,
                    "domain": "dom_it",
                    "environment": "production",
                    "host": "127.0.0.1",
                    "port": self.sshd.port,
                    "host_key": self.sshd.host_key_line,
                }
            },
            "accounts": {
                ACCOUNT: {
                    "name": "admin",
                    "target": "tgt_db1",
                    "username": self.account.name,
                    "justification": "The directory can be down.",
                    "scenario": "Identity provider down.",
                    "policy": "pol_dual",
                    "rotator": "linux-password",
                    "rotator_options": {"become": "sudo"},
                }
            },
            "conditions": {CONDITION: {"title": "The identity provider is down", "playbook": PLAYBOOK}},
            "policies": {
                "pol_dual": {
                    "quorum": [{"group": "responders", "count": 1}, {"group": "security", "count": 1}],
                    "max_seconds": 4 * 3600,
                    "decide_seconds": 3600,
                    "permissions": ["shell", "exec", "sftp"],
                }
            },
        }

    async def found(self, *, file_slot: bool = True, **settings: Any) -> tuple[str, ...]:
        """Found it as `init` does, with stock ssh-keygen; returns the shares."""
        (self.folder / "people").mkdir(mode=0o700, exist_ok=True)
        for person in self.people.values():
            person.make_key()
        key_file = self.folder / "seal.key" if file_slot else None
        begun = founding.begin(self.home, self.estate(), origin="log.example.org", k=2, n=3, key_file=key_file)
        for login, path in begun.to_sign.items():
            sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", str(self.people[login].key)]
            assert (await run([*sign, str(path)])).code == 0
        chosen = {"ssh_port": 0, "api_port": 0, "key_file": str(key_file or ""), "database": self.database, **settings}
        self.shares = begun.shares
        shares = () if file_slot else begun.shares[:2]
        await founding.finish(self.home, settings=chosen, shares=shares)
        return begun.shares

    async def start(self, **environment: str) -> None:
        """Start the node and wait until its doors are open; people sign in."""
        self.home.node_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.node = await asyncio.create_subprocess_exec(
                *(self.command or self.serve()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment, **environment},
            )
        for _ in range(300):
            if self.home.node_file.exists():
                break
            if self.node.returncode is not None:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError(f"the node did not start:\n{self.log.read_text()[-3000:]}")
        if self.node.returncode is not None:
            raise Unavailable(f"the node ended: {self.log.read_text()[-2000:]}", what_to_do="")

    def serve(self) -> list[str]:
        return [sys.executable, "-m", "breakglass", "--home", str(self.home.path), "serve"]

    async def sign_in(self) -> None:
        where = self.where()
        known = self.folder / "known_hosts"
        host_key = (self.home.path / "ssh_host_key.pub").read_text()
        known.write_text(f"[{where['ssh_host']}]:{where['ssh_port']} {host_key}")
        for person in self.people.values():
            await person.leave()
            await person.arrive(where["api"], where["ssh_host"], where["ssh_port"], known)

    def where(self) -> dict[str, Any]:
        """Where its doors are. Raises `Unavailable` while it does not run."""
        try:
            found: dict[str, Any] = json.loads(self.home.node_file.read_text())
        except FileNotFoundError:
            raise Unavailable("The node does not run.", what_to_do="Start it.") from None
        return found

    async def stop(self, how: int = signal.SIGTERM) -> None:
        if self.node is not None and self.node.returncode is None:
            self.node.send_signal(how)
            await asyncio.wait_for(self.node.wait(), 20)

    async def kill(self) -> None:
        await self.stop(signal.SIGKILL)

    async def close(self) -> None:
        for person in self.people.values():
            await person.leave()
        await self.stop()

    # -- the story, in short -------------------------------------------------------------------------------------------

    async def deposit(self) -> None:
        """Carol stores the account's first password; it is changed at once, because people have seen it."""
        body = {"secret": self.account.password.reveal().decode()}
        await self.carol.call("PUT", f"/api/accounts/{ACCOUNT}/credential", body)
        await self.settled()

    async def ask(self, minutes: int = 30, **more: Any) -> str:
        body = {"target": TARGET, "condition": CONDITION, "reason": "Sign-in is down.", "minutes": minutes, **more}
        id: str = (await self.alice.call("POST", "/api/requests", body))["id"]
        return id

    async def decide(self, login: str, request: str) -> Mapping[str, Any]:
        person, path = self.people[login], f"/api/requests/{request}"
        text = (await person.call("POST", f"{path}/statement", {"kind": "approve"}))["text"]
        signature = await person.sign(text)
        found: Mapping[str, Any] = await person.call("POST", f"{path}/approvals", {"signature": signature})
        return found

    async def granted(self, minutes: int = 30) -> tuple[str, str]:
        """A request with its grant, both ids."""
        request = await self.ask(minutes)
        await self.decide("bo", request)
        await self.decide("dana", request)
        return request, (await self.until(lambda: self.part(request, "grant")))["id"]

    async def part(self, request: str, name: str) -> Any:
        return (await self.alice.call("GET", f"/api/requests/{request}")).get(name)

    async def ssh(self, command: str = "", **more: Any) -> Ran:
        return await self.alice.ssh(f"alice+{TARGET}", command, **more)

    async def review(self, request: str, summary: str = "Looked right.") -> None:
        """Ivy replays each recording, then signs."""
        grant = await self.part(request, "grant")
        for session in await self.ivy.call("GET", "/api/sessions"):
            if session["grant"] == grant["id"] and session["recording"]["size"]:
                await self.replay(session["id"])
        review = await self.until(lambda: self.part(request, "review"))
        path = f"/api/reviews/{review['id']}"
        body = {"classification": "drill", "summary": summary}
        text = (await self.ivy.call("POST", f"{path}/statement", body))["text"]
        await self.ivy.call("POST", f"{path}/sign", {"signature": await self.ivy.sign(text)})

    async def replay(self, session: str) -> str:
        path = f"/api/sessions/{session}"
        text = (await self.ivy.call("POST", f"{path}/replay-statement"))["text"]
        return (await self.ivy.fetch("POST", f"{path}/replay", {"signature": await self.ivy.sign(text)})).decode()

    async def again(self, act: Any, timeout: float = 60) -> Any:
        """Do it until it works, as people do while a server comes back; `act` makes the call anew each time."""
        async with asyncio.timeout(timeout):
            while True:
                try:
                    return await act()
                except Unavailable:
                    await asyncio.sleep(0.1)
                except ApiRefused as error:
                    if error.status < 500:
                        raise
                    await asyncio.sleep(0.1)

    async def settled(self, timeout: float = 60) -> list[Any]:
        async def done() -> list[Any] | None:
            found: list[Any] = await self.carol.call("GET", "/api/rotations")
            return found if all(one["state"] == "done" for one in found) else None

        settled: list[Any] = await self.until(done, timeout)
        return settled

    async def until(self, look: Any, timeout: float = 30) -> Any:
        async with asyncio.timeout(timeout):
            while not (found := await look()):  # noqa: ASYNC110 (a server in another process rings no event here)
                await asyncio.sleep(0.05)
        return found

    async def cli(self, *arguments: str, login: str = "", stdin: bytes = b"") -> Ran:
        who = ["--login", login, "--identity", str(self.people[login].key)] if login else []
        command = [sys.executable, "-m", "breakglass", "--home", str(self.home.path), *who, *arguments]
        return await run(command, stdin, timeout=60)

    def beside(self, folder: Path, node: str, **settings: Any) -> "Deployment":
        """A further node on the same database, joined as its operator does it; not started yet. The people are the
        same, with connections of their own."""
        other = type(self)(folder, self.sshd, self.account, database=self.database)
        other.people = {login: type(person)(login, self.folder / "people") for login, person in self.people.items()}
        pin, key_file = self.settings().roster_pin, self.folder / "seal.key"
        joining.join(
            other.home, self.home, node=node, roster_hash=pin, settings={"key_file": str(key_file), **settings}
        )
        return other

    def settings(self) -> config.Settings:
        return config.read(self.home)


async def refused(act: Any, code: str) -> ApiRefused:
    """The API refuses it with this code."""
    with pytest.raises(ApiRefused) as caught:
        await act
    assert caught.value.error_code == code, (caught.value.error_code, caught.value.message)
    return caught.value


@asynccontextmanager
async def both_running(one: Deployment, folder: Path) -> AsyncIterator[tuple[Deployment, Deployment]]:
    """A founded deployment and a second node of it, started, everybody signed in at both, the first password stored."""
    other = one.beside(folder, "node2")
    try:
        for node in (one, other):
            await node.start()
            await node.sign_in()
        await one.deposit()
        yield one, other
    finally:
        await other.close()
        await one.close()


@asynccontextmanager
async def deployed(folder: Path, sshd: Sshd, account: Account, **more: Any) -> AsyncIterator[Deployment]:
    """Founded, started, everybody signed in, the first password stored and changed."""
    deployment = Deployment(folder, sshd, account, **more)
    await deployment.found()
    await deployment.start()
    try:
        await deployment.sign_in()
        await deployment.deposit()
        yield deployment
    finally:
        await deployment.close()
