"""The estate changes on a running deployment: proposed as a file, signed by two custodians, believed by the vault."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from breakglass.demo.people import Person
from tests.deployment import ACCOUNT, TARGET, Deployment, deployed, refused
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account) as deployment:
                yield deployment


async def test_a_new_person_and_a_stricter_policy(world: Deployment, tmp_path: Path) -> None:
    _, grant = await world.granted()
    assert (await world.ssh("echo live")).out.strip() == "live"
    eve = Person("eve", tmp_path / "people")
    eve.make_key()

    estate = yaml.safe_load((await world.cli("estate", "show", "--yaml", login="carol")).out)
    estate["people"]["usr_eve"] = {
        "login": "eve",
        "name": "Eve Novak",
        "department": "Platform",
        "roles": ["requester", "approver"],
        "groups": ["responders"],
        "keys": [{"public": eve.public, "label": "laptop"}],
    }
    estate["policies"]["pol_dual"]["max_seconds"] = 3600
    (tmp_path / "estate.yaml").write_text(yaml.safe_dump(estate))
    proposed = await world.cli("--json", "estate", "propose", str(tmp_path / "estate.yaml"), login="carol")
    assert proposed.code == 0, proposed.err
    proposal = json.loads(proposed.out)["id"]

    # One custodian is not enough, and an approver's word does not count for the estate.
    for login in ("carol", "bo"):
        signed = await world.cli("--json", "estate", "sign", proposal, "--yes", login=login)
        assert signed.code == 0, signed.err
        assert json.loads(signed.out)["adopted"] is False, login
    signed = await world.cli("--json", "estate", "sign", proposal, "--yes", login="cem")
    assert json.loads(signed.out) == {"adopted": True, "version": 1}

    # The live grant was given under another policy: any difference voids it.
    late = await world.ssh("echo live")
    assert late.code != 0
    assert "live" not in late.out
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    request = (await world.alice.call("GET", "/api/requests"))[0]["id"]
    await world.review(request)

    # Eve may ask at once; her key counts towards no quorum before 72 hours are over.
    where = world.where()
    await eve.arrive(where["api"], where["ssh_host"], where["ssh_port"], tmp_path / "known_hosts")
    body = {"target": TARGET, "condition": "cnd_idp-down", "reason": "down", "minutes": 30}
    await refused(eve.call("POST", "/api/requests", {**body, "minutes": 90}), "malformed")
    asked = (await eve.call("POST", "/api/requests", body))["id"]
    other = await world.ask()
    text = (await eve.call("POST", f"/api/requests/{other}/statement", {"kind": "approve"}))["text"]
    early = eve.call("POST", f"/api/requests/{other}/approvals", {"signature": await eve.sign(text)})
    assert "too new" in (await refused(early, "bad_signature")).message
    for login in ("bo", "dana"):
        await world.decide(login, asked)
    await world.until(lambda: granted(eve, asked))
    ran = await eve.ssh(f"eve+{TARGET}", "echo in")
    assert ran.out.strip() == "in", ran.err
    await eve.leave()

    # After a restart the vault knows the new version, and the log tells it whole.
    await world.stop()
    await world.start()
    await world.sign_in()
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out
    assert (await world.carol.call("GET", "/api/estate"))["version"] == 1
    assert ACCOUNT in json.dumps(await world.carol.call("GET", "/api/estate"))


async def granted(person: Person, request: str) -> bool:
    return bool((await person.call("GET", f"/api/requests/{request}"))["grant"])
