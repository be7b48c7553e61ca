"""Custody on a real deployment: from the command line, with stock `ssh-keygen` for one who has no network, and with a
node that dies at each step of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import Deployment
from tests.emergency import LEASES, again, struck
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port, rows
from tests.test_kit import cli
from tests.test_witnessed import there as is_there

pytestmark = pytest.mark.server
KEY = "itm_key-1"
POINTS = [
    f"step:custody.{step}:{point}"
    for step in ("inspect", "take", "give_back", "again", "sign")
    for point in ("before-commit", "after-commit")
]


class WithItem(Deployment):
    def estate(self) -> dict[str, Any]:
        estate = super().estate()
        account = next(iter(estate["accounts"]))
        item = {"name": "Security key 1", "opens": "The tenant", "place": "Safe A", "account": account}
        return {**estate, "custody": {KEY: item}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WithItem]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = WithItem(tmp_path, sshd, account)
            await world.found(ssh_port=free_port(), api_port=free_port())
            try:
                await world.start()
                await world.sign_in()
                yield world
            finally:
                await world.close()


async def test_from_the_command_line(world: WithItem, tmp_path: Path) -> None:
    assert "Nobody has looked at it yet" in await cli(world, "ivy", "custody")
    said = await cli(world, "ivy", "custody", "inspect", KEY, "--seal", "a1", "--yes")
    assert "Waits: It was looked at; its seal: A1. Ivy " in said
    said = await cli(world, "carol", "custody", "sign", KEY, "--yes")
    assert "In its place, under seal A1." in said

    why = ("--because", "The tenant locks everybody out.", "--for", "2h")
    text = await cli(world, "alice", "custody", "out", KEY, "--seal", "A1", *why, "--statement")
    assert text.startswith("breakglass-statement-v1\nkind: check-out\n")
    (tmp_path / "text").write_text(text)
    (tmp_path / "text.sig").write_text(await world.alice.sign(text))
    brought = ("--signature", str(tmp_path / "text.sig"), "--text", str(tmp_path / "text"))
    said = await cli(world, "bo", "custody", "sign", KEY, *brought)
    assert "another signs: breakglass custody sign itm_key-1" in said
    said = await cli(world, "carol", "custody", "sign", KEY, "--yes")
    assert "has it since" in said
    assert said.count("Alice") == 3  # who has it, who took it, who signed

    no = await world.cli("custody", "return", KEY, "--seal", "A1", "--yes", login="carol")
    assert (no.code, "had this seal before" in no.err) == (1, True), no.err
    no = await world.cli("custody", "inspect", KEY, "--seal", "A1", "--yes", login="bo")
    assert no.code in (1, 4), no.err
    await cli(world, "alice", "custody", "return", KEY, "--seal", "A2", "--yes")
    await cli(world, "carol", "custody", "sign", KEY, "--yes")
    said = await cli(world, "ivy", "custody", "show", KEY)
    assert ", under the new seal A2." in said
    assert "In its place, under seal A2." in said
    verified = await world.cli("audit", "verify")
    assert verified.code == 0, verified.out


async def test_killed_on_the_way(world: WithItem, tmp_path: Path) -> None:
    """Whenever the node dies, each turn is there whole, once, or not at all, and people go on from there."""
    reached = tmp_path / "reached"
    reached.mkdir()
    await world.stop()
    async with struck(world, POINTS, reached):
        await world.until(lambda: is_there(world), LEASES)
        for n in range(40):
            if set(POINTS) == {one.name for one in reached.iterdir()}:
                break
            await anew(world, n)
    assert set(POINTS) == {one.name for one in reached.iterdir()}
    told = rows(world, "SELECT idx FROM entry WHERE kind = 'custody.taken'")
    back = rows(world, "SELECT idx FROM entry WHERE kind = 'custody.returned'")
    assert told
    assert len(told) - len(back) in (0, 1)
    verified = await world.cli("audit", "verify")
    assert verified.code == 0, verified.out


async def anew(world: Deployment, n: int) -> None:
    """Two people do what can be done next; whatever they are told, they look again."""
    await again(world, world.sign_in)

    async def shown() -> dict[str, Any]:
        found: dict[str, Any] = await world.carol.call("GET", f"/api/custody/{KEY}")
        return found

    item = (await again(world, shown))["item"]
    wanted: dict[str, Any] = {"act": "inspection", "seal": item["seal"] or "A1"}
    if item["holder"]:
        wanted = {"act": "return", "seal": f"R{n}"}
    elif n % 4 > 1:
        wanted |= {"act": "check-out", "because": "So.", "minutes": 60}
    await signs(world, "alice" if wanted["act"] == "check-out" else "cem", wanted)
    await signs(world, "carol", {})


async def signs(world: Deployment, login: str, wanted: dict[str, Any]) -> None:
    person = world.people[login]
    refusals = ("already_approved", "wrong_state", "expired", "not_found", "forbidden", "malformed")

    async def text() -> Any:
        return (await person.call("POST", f"/api/custody/{KEY}/statement", wanted))["text"]

    drawn = await again(world, text, *refusals)
    if not drawn:
        return
    body = {"signature": await person.sign(drawn), "text": drawn}

    async def sign() -> Any:
        return await person.call("POST", f"/api/custody/{KEY}/sign", body)

    await again(world, sign, *refusals)
