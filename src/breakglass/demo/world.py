"""The demo's world: its host, its people and its node, in one folder and on loopback only. Made once, found later.

HOME/                the node's data folder, as in production
HOME/demo/people/    a key for each person            HOME/demo/host/   the embedded SSH host
HOME/demo/world.json ports                            HOME/demo/known_hosts
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any, Self

from breakglass import config
from breakglass.app import founding
from breakglass.app.node import Node
from breakglass.config import Home
from breakglass.demo.desk import Desk
from breakglass.demo.estate import PEOPLE, estate
from breakglass.demo.host import DemoHost
from breakglass.demo.people import Person, run
from breakglass.errors import Unavailable
from breakglass.model.secret import Secret

ACCOUNT, TARGET = "acc_plant-db1-root", "plant-db1"


class World:
    def __init__(self, home: Home) -> None:
        self.home, self.folder = home, home.path / "demo"
        self.people = {login: Person(login, self.folder / "people") for login in PEOPLE}
        self.first_password: Secret | None = None
        """What the host was born with; None when this world existed before."""
        self._undo = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._undo.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    def __getattr__(self, login: str) -> Person:
        try:
            return self.people[login]
        except KeyError:
            raise AttributeError(login) from None

    async def _open(self) -> None:
        (self.folder / "people").mkdir(mode=0o700, parents=True, exist_ok=True)
        for person in self.people.values():
            await asyncio.to_thread(person.make_key)
        self.host = await DemoHost.start(self.folder / "host", self._remembered().get("host_port", 0))
        self._undo.push_async_callback(self.host.stop)
        if not self.home.settings.exists():
            await self._found()
        self.desk = Desk(self.home, self.people)
        node = Node(self.home, config.read(self.home), demo=self.desk)
        self.node = await self._undo.enter_async_context(node)
        where = json.loads(self.home.node_file.read_text())
        known_hosts = self.folder / "known_hosts"
        host_key = (self.home.path / "ssh_host_key.pub").read_text()
        known_hosts.write_text(f"[{where['ssh_host']}]:{where['ssh_port']} {host_key}")
        for person in self.people.values():
            await person.arrive(where["api"], where["ssh_host"], where["ssh_port"], known_hosts)
            self._undo.push_async_callback(person.leave)
        if self.first_password is not None:
            body = {"secret": self.first_password.reveal().decode()}
            await self.people["carol"].call("PUT", f"/api/accounts/{ACCOUNT}/credential", body)
            await self.settled()

    async def _found(self) -> None:
        """Found the deployment as `init` does: two custodians sign the first roster with stock ssh-keygen."""
        self.first_password = self.host.initial_password()
        publics = {login: person.public for login, person in self.people.items()}
        plan = estate(publics, host_key=self.host.host_key_line, port=self.host.port)
        begun = await asyncio.to_thread(
            founding.begin,
            self.home,
            plan,
            origin="breakglass.demo.invalid",
            k=2,
            n=2,
            key_file=self.home.path / "demo" / "seal.key",
        )
        for login, path in begun.to_sign.items():
            key = str(self.people[login].key)
            ran = await run(["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", key, str(path)])
            if ran.code:
                raise Unavailable("ssh-keygen did not sign.", what_to_do="Install OpenSSH's client.")
        await founding.finish(
            self.home,
            settings={
                "demo": True,
                "ssh_port": 0,
                "api_port": 0,
                "key_file": str(self.home.path / "demo" / "seal.key"),
            },
        )
        (self.folder / "world.json").write_text(json.dumps({"host_port": self.host.port}))

    async def settled(self, timeout: float = 30) -> list[Any]:
        """Wait until no rotation is owed. Raises `Unavailable` when that takes too long."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    rotations: list[Any] = await self.people["carol"].call("GET", "/api/rotations")
                    if all(one["state"] == "done" for one in rotations):
                        return rotations
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise Unavailable("The rotation is not done.", what_to_do="Look at `breakglass rotate list`.") from None

    def _remembered(self) -> dict[str, Any]:
        path: Path = self.folder / "world.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found
