"""The crash grid: a real engine is killed by SIGKILL at each named point, in each trouble, against each real server.

After every death some stored secret works; another engine, which knows nothing but the database, finishes it: what is
current works on the target, what was before is refused. `make test` has every point with every trouble, the servers
taking turns; `make test-nightly` has them all.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from breakglass.faults import POINTS
from breakglass.flow import rotate
from breakglass.model import credential as credentials
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId
from breakglass.model.people import Actor, Role
from breakglass.model.rotation import Rotation, State
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from breakglass.storage.tables import META
from breakglass.testing.rotator_contract import fresh_secret
from tests.plugins import test_mariadb, test_postgresql
from tests.plugins.unix import Direct
from tests.rotation.grid_child import HELPER, SEAL, account_of, endpoint_of, opened, rotator
from tests.servers.mariadb import running_mariadb
from tests.servers.postgres import running_postgres
from tests.servers.slapd import running_slapd
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server
TROUBLES = ("ok", "lost-reply", "lost-request", "late", "refusal", "timeout")
RESET = ("rotation.reset", "rotation.resetting")
KILLS = sorted(point for point in POINTS if point.startswith("rotation.") and point not in RESET)
SERVERS = ("openssh", "postgresql", "mariadb", "slapd")
Made = Callable[[], tuple[dict[str, Any], Secret]]


OFF_THE_WAY = {("rotation.sent", "lost-reply"), ("rotation.applied", "lost-reply")}
"""After a lost reply the probe finds the new secret working and goes on from there: nobody was told `yes`."""


def pairwise() -> list[tuple[str, str, str]]:
    """Each point with each trouble once; in each row and each column every server stands as often as can be."""
    return [
        (point, trouble, SERVERS[(row + column) % len(SERVERS)])
        for row, point in enumerate(KILLS)
        for column, trouble in enumerate(TROUBLES)
        if (point, trouble) not in OFF_THE_WAY
    ]


WHOLE = [
    (point, trouble, server)
    for point in KILLS
    for trouble in TROUBLES
    for server in SERVERS
    if (point, trouble) not in OFF_THE_WAY and (point, trouble, server) not in pairwise()
]


@pytest.fixture(scope="module")
def undo() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def servers(undo: ExitStack) -> dict[str, Any]:
    return {}


@pytest.fixture
async def make(  # noqa: C901 (one part for each server)
    servers: dict[str, Any], undo: ExitStack, tmp_path: Path
) -> AsyncIterator[Callable[[str], Awaitable[tuple[dict[str, Any], Secret]]]]:
    """A new account on this server: how to reach it, and its secret."""
    async with running_sshd(tmp_path / "sshd") as sshd:

        async def made(server: str, *, helped: bool = False) -> tuple[dict[str, Any], Secret]:
            config, secret = await one(server)
            if helped:
                if server == "slapd":  # the clock that is put forward here is not the directory's
                    servers[server].lock_after(50)
                    config = {**config, "options": {}}
                name, of_helper = await helper(server)
                given = {"username": name, "secret": of_helper.reveal().decode(), "options": config["options"]}
                config = {**config, "helper": given}
            return config, secret

        async def helper(server: str) -> tuple[str, Secret]:
            running: Any = servers.get(server)
            if server == "openssh":
                account = undo.enter_context(make_account(sudo=True))
                return account.name, account.password
            if server == "postgresql":
                return test_postgresql.make_role(running, "SUPERUSER")
            if server == "slapd":
                found: tuple[str, Secret] = running.account(helps=True)
                return found
            return test_mariadb.make_account(running, "CREATE USER ON *.*", "SELECT ON mysql.*")

        async def one(server: str) -> tuple[dict[str, Any], Secret]:
            match server:
                case "openssh":
                    account = undo.enter_context(make_account(sudo=True))
                    place = test_account(sshd.port, sshd.host_key_line, "linux_password", "ssh", account.name)
                    return {**place, "options": {"become": "sudo"}}, account.password
                case "postgresql":
                    if server not in servers:
                        servers[server] = undo.enter_context(running_postgres(tls=True))
                    running = servers[server]
                    name, secret = test_postgresql.make_role(running)
                    return test_account(running.port, running.tls.pin, server, server, name), secret
                case "slapd":
                    if server not in servers:
                        servers[server] = undo.enter_context(running_slapd())
                    running = servers[server]
                    name, secret = running.account()
                    place = test_account(running.port, running.tls.pin, "ldap", "ldaps", name)
                    return {**place, "options": {"lockout": "4/600"}}, secret
                case _:
                    if server not in servers:
                        servers[server] = undo.enter_context(running_mariadb())
                    running = servers[server]
                    name, secret = test_mariadb.make_account(running)
                    return test_account(running.port, running.tls.pin, server, server, name), secret

        yield made


def test_account(port: int, pin: str, module: str, protocol: str, name: str) -> dict[str, Any]:
    return {
        "module": f"breakglass.plugins.{module}", "protocol": protocol, "port": port, "pin": pin, "username": name,
        "account": "acc_grid", "options": {},
    }  # fmt: skip


test_account.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize(("point", "trouble", "server"), pairwise())
async def test_killed_at_each_point_in_each_trouble(
    point: str, trouble: str, server: str, make: Any, tmp_path: Path
) -> None:
    reach, secret = await make(server)
    await killed(point, trouble, reach, secret, tmp_path)


RESETS = [
    (point, trouble, server)
    for point in (*RESET, "rotation.applied", "rotation.verified")
    for trouble in TROUBLES
    for server in SERVERS
    if point in ("rotation.resetting", "rotation.verified") or trouble not in ("lost-reply", "late")
]
"""Deaths around a reset by the helper, where no stored secret works."""
TAKING_TURNS = [one for n, one in enumerate(RESETS) if n % len(SERVERS) == (n // len(SERVERS)) % len(SERVERS)]


@pytest.mark.slow
@pytest.mark.parametrize(("point", "trouble", "server"), TAKING_TURNS)
async def test_killed_while_the_helper_resets_it(
    point: str, trouble: str, server: str, make: Any, tmp_path: Path
) -> None:
    reach, by_hand = await make(server, helped=True)
    await killed(point, trouble, reach, by_hand, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize(("point", "trouble", "server"), [one for one in RESETS if one not in TAKING_TURNS])
async def test_every_death_while_the_helper_resets_it(
    point: str, trouble: str, server: str, make: Any, tmp_path: Path
) -> None:
    reach, by_hand = await make(server, helped=True)
    await killed(point, trouble, reach, by_hand, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize(("point", "trouble", "server"), WHOLE)
async def test_the_whole_grid(point: str, trouble: str, server: str, make: Any, tmp_path: Path) -> None:
    reach, secret = await make(server)
    await killed(point, trouble, reach, secret, tmp_path)


async def killed(point: str, trouble: str, reach: dict[str, Any], secret: Secret, folder: Path) -> None:
    reached = folder / "reached"
    reached.mkdir()
    config = {**reach, "trouble": trouble, "database": str(folder / "grid.db"), "marker": str(folder / "trouble")}
    deposit(config, secret)
    helped = "helper" in config
    code, said = await engine(config, folder, BREAKGLASS_FAULT=point, BREAKGLASS_FAULT_ONCE=str(reached))
    assert code == -signal.SIGKILL, said
    assert (reached / point).exists(), f"{point} was never reached"
    if not helped:
        assert await some_stored_works(config), "the credential is lost"
    code, said = await engine({**config, "ahead": 90}, folder)  # the dead one's lease is over
    assert code == 0, said
    assert (folder / "trouble").exists() or trouble == "ok", "there was no trouble"
    await all_is_well(config, secret)


def deposit(config: dict[str, Any], secret: Secret) -> None:
    store = opened(config)
    META.create_all(store.engine)
    carol = Actor(id="usr_carol", roles=frozenset({Role.CUSTODIAN}))  # type: ignore[arg-type]
    # With a helper, what stands on the target is what somebody set by hand: it is stored nowhere.
    sealed = SEAL + (fresh_secret().reveal() if "helper" in config else secret.reveal())
    store.submit(carol, rotate.deposit, config["account"], CredentialId("crd_first"), 1, sealed).result(10)
    if "helper" in config:
        of_helper = SEAL + config["helper"]["secret"].encode()
        store.submit(carol, rotate.deposit, HELPER, CredentialId("crd_helper"), 1, of_helper).result(10)
    store.stop()


async def engine(config: dict[str, Any], folder: Path, **environment: str) -> tuple[int, str]:
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.rotation.grid_child", str(file),
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **environment},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(process.communicate(), 90)
    return process.returncode or 0, said.decode()[-2000:]


async def works(config: dict[str, Any], secret: bytes) -> bool:
    account = account_of(config)
    place = Place(
        dial=Direct(), endpoint=endpoint_of(config), username=account.username, options=account.rotator_options
    )
    return await rotator(config).works(place, Secret(secret))


def stored(config: dict[str, Any]) -> list[Credential]:
    store = opened(config)
    try:
        return list(store.look(lambda look: look.find(Credential, account=config["account"])))
    finally:
        store.stop()


async def some_stored_works(config: dict[str, Any]) -> bool:
    for one in stored(config):
        if await works(config, one.sealed.removeprefix(SEAL)):
            return True
    return False


async def all_is_well(config: dict[str, Any], first: Secret) -> None:
    store = opened(config)
    [rotation] = store.look(lambda look: look.find(Rotation, account=config["account"]))
    store.stop()
    assert rotation.state is State.DONE
    [current] = [one for one in stored(config) if one.state is credentials.State.CURRENT]
    assert current.id == rotation.candidate
    assert await works(config, current.sealed.removeprefix(SEAL)), "what is stored as current does not work"
    assert not await works(config, first.reveal()), "the one of before still works"
