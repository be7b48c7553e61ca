"""One node keeps the secrets of a host, two databases and a directory: many changes at once, each proven on its real
server, and no secret anywhere but in the vault and there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.loading import load
from breakglass.plugin_api.rotator import Place
from tests.deployment import ACCOUNT, Deployment
from tests.plugins import test_mariadb, test_postgresql
from tests.plugins.unix import Direct
from tests.servers.mariadb import running_mariadb
from tests.servers.postgres import running_postgres
from tests.servers.slapd import SUFFIX, running_slapd
from tests.servers.sshd import make_account, running_sshd
from tests.spying_rotator import SPY_FILE
from tests.test_secrets import Search, listen

pytestmark = pytest.mark.server
SPIES = tuple(f"tests.spies.{name}" for name in ("postgresql", "mariadb", "ldap"))


class Three(Deployment):
    """Beside the host of every deployment: one account on each of these servers."""

    places: dict[str, tuple[Place, Secret]]

    def estate(self) -> dict[str, Any]:
        made = super().estate()
        for name, (place, _) in self.places.items():
            endpoint = place.endpoint
            made["targets"][f"tgt_{name}"] = {
                "name": name, "domain": "dom_it", "environment": "production", "protocol": endpoint.protocol.value,
                "host": endpoint.host, "port": endpoint.port, "certificate": endpoint.host_key.removeprefix("x509 "),
            }  # fmt: skip
            made["accounts"][f"acc_{name}"] = {
                **made["accounts"][ACCOUNT], "target": f"tgt_{name}", "username": place.username, "rotator": name,
                "rotator_options": dict(place.options),
            }  # fmt: skip
        made["accounts"]["acc_ldap"]["rotates_with"] = ["acc_mariadb"]
        return made


@contextmanager
def three() -> Iterator[dict[str, tuple[Place, Secret]]]:
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(tls=True))
        maria, slapd = stack.enter_context(running_mariadb()), stack.enter_context(running_slapd())
        role, user = test_postgresql.make_role(postgres), test_mariadb.make_account(maria)
        dn, secret = slapd.account()
        endpoint = Endpoint(protocol=Protocol.LDAPS, host="127.0.0.1", port=slapd.port, host_key=slapd.tls.pin)
        yield {
            "postgresql": (test_postgresql.at(postgres, role[0]), role[1]),
            "mariadb": (test_mariadb.at(maria, user[0]), user[1]),
            "ldap": (Place(dial=Direct(), endpoint=endpoint, username=dn, options={"base": SUFFIX}), secret),
        }


async def test_databases_and_a_directory(tmp_path: Path) -> None:
    rotators = load([f"breakglass.plugins.{name}" for name in ("postgresql", "mariadb", "ldap")]).rotators
    spied = tmp_path / "spied"
    with three() as places, make_account(sudo=True) as account:
        async with running_sshd(tmp_path / "sshd") as sshd:
            world = Three(tmp_path, sshd, account)
            world.places = places
            await world.found(plugins=("tests.spying_rotator", *SPIES))
            await world.start(**{SPY_FILE: str(spied), "PYTHONPATH": str(Path.cwd())})
            try:
                await world.sign_in()
                search = Search(world, tmp_path / "nothing", tmp_path / "nothing", spied, None)
                for person in world.people.values():
                    listen(person, search.answers)
                await world.deposit()
                for name, (_, secret) in places.items():
                    body = {"secret": secret.reveal().decode()}
                    await world.carol.call("PUT", f"/api/accounts/acc_{name}/credential", body)
                await world.settled()
                many = await world.cli("rotate", "many", "--all", "--suspicion", "--within", "60", login="carol")
                assert many.code == 0, many.err
                assert "of 4 done" in many.err
                await world.settled()
                done = await world.carol.call("GET", "/api/rotations?limit=100")
                assert {"suspicion", "dependent", "deposit"} <= {one["because"] for one in done}
                made = spied.read_bytes().split()
                for name, (place, first) in places.items():
                    assert await rotators[name].works(place, first) is False
                secrets = [first.reveal() for _, first in places.values()] + made
                assert len(made) >= 8, "too few passwords were set to search for"
                (world.home.path / "planted").write_text("planted-control-55d0a1")
                assert search.hits(b"planted-control-55d0a1"), "the search does not find what is there"
                assert not search.hits(*secrets)
                verified = await world.cli("--json", "audit", "verify")
                assert verified.code == 0, verified.out + verified.err
            finally:
                await world.close()
