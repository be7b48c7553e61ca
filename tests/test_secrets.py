"""The password appears nowhere but in the vault and on the target. Every search first finds a planted control."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.servers.sshd import make_account, running_sshd
from tests.spying_rotator import SPY_FILE

pytestmark = pytest.mark.server


def forms(secret: bytes) -> set[bytes]:
    """The secret as it could stand somewhere: plain, escaped, in base64 at any of the three offsets, in hex."""
    found = {secret, secret.hex().encode(), json.dumps(secret.decode())[1:-1].encode()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        found.add(encoded[(offset * 8 + 5) // 6 : len(secret) * 8 // 6])
    return found


def places(world: Deployment, answers: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Everything that is not the vault's memory: files, process arguments, environments, answers."""
    for path in sorted(world.home.path.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
    yield "the node's log", world.log.read_bytes()
    for pid in family(world):
        for name in ("cmdline", "environ"):
            yield f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes()
    for number, answer in enumerate(answers):
        yield f"answer {number}", answer


def family(world: Deployment) -> list[int]:
    """The node and its children (the vault)."""
    assert world.node is not None
    found = [world.node.pid]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        found += [int(child) for child in children.split()]
    assert len(found) > 1, "the vault's process was not found"
    return found


async def test_a_password_appears_nowhere(tmp_path: Path) -> None:
    spied = tmp_path / "spied"
    answers: list[bytes] = []
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = Deployment(tmp_path, sshd, account)
            await world.found(plugins=("tests.spying_rotator",))
            await world.start(**{SPY_FILE: str(spied), "PYTHONPATH": str(Path.cwd())})
            try:
                await world.sign_in()
                for person in world.people.values():
                    listen(person, answers)
                await world.deposit()
                await tell_the_story(world, answers)
                secrets = [account.password.reveal(), *spied.read_bytes().split()]
                assert len(secrets) >= 4, "the story set too few passwords to search for"
                control = "planted-control-7f3a91c2"
                (world.home.path / "planted").write_text(control)
                assert hits(world, answers, control.encode()), "the search does not find what is there"
                for secret in secrets:
                    assert not hits(world, answers, secret)
            finally:
                await world.close()


def hits(world: Deployment, answers: list[bytes], secret: bytes) -> list[str]:
    wanted = forms(secret)
    return [name for name, data in places(world, answers) if any(form in data for form in wanted)]


def listen(person: object, answers: list[bytes]) -> None:
    """Keep every answer that this person gets."""
    fetch = person.fetch  # type: ignore[attr-defined]

    async def kept(method: str, path: str, body: object = None) -> bytes:
        answer: bytes = await fetch(method, path, body)
        answers.append(answer)
        return answer

    person.fetch = kept  # type: ignore[attr-defined]


async def tell_the_story(world: Deployment, answers: list[bytes]) -> None:
    request, grant = await world.granted()
    shown = await world.ssh(stdin=b"id; sudo -k -S -p '' true </dev/null; exit\n", terminal=True)
    answers += [shown.out.encode(), shown.err.encode()]
    ran = await world.ssh("env; ps axeww | head -50")
    answers += [ran.out.encode(), ran.err.encode()]
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    await world.review(request)
    for command in ("status", "audit tail", "estate", "rotate list"):
        said = await world.cli("--json", *command.split(), login="carol")
        answers += [said.out.encode(), said.err.encode()]
    for path in ("/api/openapi.json", "/api/audit/entries?limit=500", "/api/estate", f"/api/requests/{request}"):
        await world.ivy.fetch("GET", path)
