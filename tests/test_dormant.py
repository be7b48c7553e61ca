"""An account that sleeps between uses, on a real host and a real database: nobody gets in while it sleeps, a session
wakes it, its end puts it to sleep again, and whoever dies in between leaves none awake."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from breakglass.demo.people import Ran
from breakglass.faults import POINTS
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import Admission, Place
from breakglass.plugins.linux_password import plugin as linux
from breakglass.plugins.postgresql import plugin as postgresql
from breakglass.testing.rotator_contract import fresh_secret
from tests.deployment import ACCOUNT, Deployment
from tests.plugins import test_postgresql
from tests.plugins.unix import Direct
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.sshd import Account, make_account, running_sshd, set_password

pytestmark = pytest.mark.server
HELPER, ROLE, ROLE_HELPER = "acc_db1-helper", "acc_pg", "acc_pg-helper"
SLEEP = sorted(point for point in POINTS if point.startswith("account."))


class Sleeping(Deployment):
    """The host's account sleeps; another one of the host helps it. With `role`, a role of a database does, too."""

    helper: Account
    role: tuple[str, Secret] | None = None
    role_helper: tuple[str, Secret]
    postgres: Postgres

    def estate(self) -> dict[str, Any]:
        made = super().estate()
        accounts = made["accounts"]
        accounts[ACCOUNT].update(dormant=True, helper=HELPER)
        accounts[HELPER] = {
            **accounts[ACCOUNT], "name": "helper", "username": self.helper.name, "dormant": False, "helper": ROLE,
        }  # fmt: skip
        del accounts[HELPER]["helper"]
        if self.role:
            assert self.postgres.tls
            made["targets"]["tgt_pg"] = {
                "name": "pg", "domain": "dom_it", "environment": "production", "protocol": "postgresql",
                "host": "127.0.0.1", "port": self.postgres.port,
                "certificate": self.postgres.tls.pin.removeprefix("x509 "),
            }  # fmt: skip
            like = {**accounts[ACCOUNT], "target": "tgt_pg", "rotator": "postgresql", "rotator_options": {}}
            accounts[ROLE] = {**like, "username": self.role[0], "helper": ROLE_HELPER}
            helping = {**like, "name": "helper", "username": self.role_helper[0], "dormant": False}
            accounts[ROLE_HELPER] = {name: value for name, value in helping.items() if name != "helper"}
        return made

    async def store(self, account: str, secret: Secret) -> None:
        await self.carol.call("PUT", f"/api/accounts/{account}/credential", {"secret": secret.reveal().decode()})

    async def stands(self) -> dict[str, str]:
        found = await self.ivy.call("GET", "/api/estate")
        return {one["id"]: one["credential"] for target in found["targets"] for one in target["accounts"]}

    def place(self) -> Place:
        endpoint = Endpoint(
            protocol=Protocol.SSH, host="127.0.0.1", port=self.sshd.port, host_key=self.sshd.host_key_line
        )
        return Place(dial=Direct(), endpoint=endpoint, username=self.account.name)

    def expires(self) -> str:
        """When, by the host: days since 1970, or nothing."""
        return self.shadow()[7]

    def shadow(self) -> list[str]:
        """shadow(5): the password's hash is the second field, the account's end the eighth."""
        asked = ["getent", "shadow", self.account.name]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split(":")

    async def ask(self, minutes: int = 30, **more: Any) -> str:
        return await super().ask(minutes, account="admin", **more)

    async def ssh(self, command: str = "", **more: Any) -> Ran:
        return await self.alice.ssh("alice+admin+db1", command, **more)

    async def sleeps(self) -> bool:
        """By the host itself, and by a login with the right password, which is set for a moment."""
        if self.expires() != "1":
            return False
        known = fresh_secret()
        hashed = self.shadow()[1]
        set_password(self.account.name, known)
        try:
            return await linux().admits(self.place(), known) is Admission.SHUT  # type: ignore[attr-defined]
        finally:
            put_hash(self.account.name, hashed)


def put_hash(name: str, hashed: str) -> None:
    subprocess.run(["chpasswd", "--encrypted"], input=f"{name}:{hashed}\n".encode(), check=True, capture_output=True)


@asynccontextmanager
async def sleeping(folder: Path, *, database: bool = False) -> AsyncIterator[Sleeping]:
    with ExitStack() as stack:
        account, helper = (stack.enter_context(make_account(sudo=True)) for _ in range(2))
        async with running_sshd(folder / "sshd") as sshd:
            world = Sleeping(folder, sshd, account)
            world.helper = helper
            plugins = ["breakglass.plugins.linux_password"]
            if database:
                world.postgres = stack.enter_context(running_postgres(tls=True))
                world.role = test_postgresql.make_role(world.postgres)
                world.role_helper = test_postgresql.make_role(world.postgres, "SUPERUSER")
                plugins.append("breakglass.plugins.postgresql")
            await world.found(plugins=tuple(plugins))
            await world.start()
            try:
                await world.sign_in()
                await world.store(HELPER, helper.password)
                await world.settled()
                yield world
            finally:
                await world.close()


async def test_it_sleeps_until_a_session_comes_and_again_after_it(tmp_path: Path) -> None:
    async with sleeping(tmp_path, database=True) as world:
        assert world.role
        await world.store(ROLE_HELPER, world.role_helper[1])
        await world.settled()
        for account, secret in ((ACCOUNT, world.account.password), (ROLE, world.role[1])):
            await world.store(account, secret)
        await world.settled()
        assert await world.stands() == {ACCOUNT: "dormant", HELPER: "fresh", ROLE: "dormant", ROLE_HELPER: "fresh"}
        assert await world.sleeps()
        with world.postgres.admin() as admin:
            found = admin.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [world.role[0]])
            assert found.fetchall() == [(False,)]
        place = test_postgresql.at(world.postgres, world.role[0])
        assert await postgresql().admits(place, world.role[1]) is Admission.REFUSED  # type: ignore[attr-defined]

        request, grant = await world.granted()
        assert world.expires() == "1", "a grant alone wakes nobody"
        ran = await world.ssh("id -un")
        assert ran.out.strip() == world.account.name, ran.err
        assert world.expires() == ""
        ran = await world.ssh("echo again")
        assert "again" in ran.out, ran.err
        await world.alice.call("POST", f"/api/grants/{grant}/close")
        await world.settled()
        assert await world.sleeps()
        assert (await world.stands())[ACCOUNT] == "dormant"
        await world.review(request)
        verified = await world.cli("--json", "audit", "verify")
        assert verified.code == 0, verified.out + verified.err


async def test_a_helper_that_is_refused_is_told_and_looked_after(tmp_path: Path) -> None:
    async with sleeping(tmp_path) as world:
        await world.store(ACCOUNT, world.account.password)
        await world.settled()
        by_hand = fresh_secret()
        set_password(world.helper.name, by_hand)
        _, grant = await world.granted()
        ran = await world.ssh("id -un")
        assert "helps" in ran.err, ran.err
        assert world.expires() == "1"
        found = await world.carol.call("GET", "/api/rotations")
        assert any(one["because"] == "suspicion" and one["place"]["account"] == HELPER for one in found), found
        await world.until(lambda: failed(world), 60)
        await world.store(HELPER, by_hand)
        await world.until(lambda: helped(world), 60)
        ran = await world.ssh("id -un")
        assert ran.out.strip() == world.account.name, ran.err
        await world.alice.call("POST", f"/api/grants/{grant}/close")
        await world.settled()
        assert await world.sleeps()


async def test_a_password_that_was_changed_by_hand_is_reset(tmp_path: Path) -> None:
    async with sleeping(tmp_path) as world:
        await world.store(ACCOUNT, world.account.password)
        await world.settled()
        by_hand = fresh_secret()
        set_password(world.account.name, by_hand)
        await world.carol.call("POST", f"/api/accounts/{ACCOUNT}/rotate")
        await world.settled()
        assert await world.sleeps()
        assert await linux().admits(world.place(), by_hand) is Admission.REFUSED  # type: ignore[attr-defined]
        entries = await world.ivy.call("GET", "/api/audit/entries?limit=100")
        texts = [one["text"] for one in entries]
        assert any("resets the password" in text for text in texts), texts
        assert any("a person must look" in text for text in texts), texts
        verified = await world.cli("--json", "audit", "verify")
        assert verified.code == 0, verified.out + verified.err


async def failed(world: Sleeping) -> bool:
    return (await world.stands())[HELPER] == "failed"


async def helped(world: Sleeping) -> bool:
    return (await world.stands())[HELPER] == "fresh"


@pytest.mark.slow
async def test_whoever_dies_leaves_none_awake(tmp_path: Path) -> None:
    """The node dies at each point in turn, at the first change and in a session; what follows it is like any other."""
    async with sleeping(tmp_path) as world:
        await world.store(ACCOUNT, world.account.password)
        await world.settled()
        for n, point in enumerate(SLEEP):
            await world.stop()
            reached = tmp_path / f"reached{n}"
            reached.mkdir()
            await world.start(BREAKGLASS_FAULT=point, BREAKGLASS_FAULT_ONCE=str(reached))
            await world.sign_in()
            request, grant = await world.granted()
            await world.ssh("true")  # the node may die here
            if not (reached / point).exists():
                await world.alice.call("POST", f"/api/grants/{grant}/close")
            assert world.node
            await asyncio.wait_for(world.node.wait(), 60)
            assert (reached / point).exists(), f"{point} was never reached"
            await world.start()
            await world.sign_in()
            state = (await world.part(request, "grant"))["state"]
            if state == "active":
                ran = await world.again(lambda: world.ssh("id -un"))
                assert ran.out.strip() == world.account.name, (point, ran.err)
                await world.alice.call("POST", f"/api/grants/{grant}/close")
            await world.settled(150)
            assert await world.sleeps(), f"it is awake after a death at {point}"
            assert (await world.stands())[ACCOUNT] == "dormant"
            await world.review(request)
        verified = await world.cli("--json", "audit", "verify")
        assert verified.code == 0, verified.out + verified.err
