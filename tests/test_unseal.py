"""A vault that only its custodians open: founded and unsealed on the real command line, with stock ssh-keygen.

While it is sealed everybody is told so everywhere; people can ask and approve, and the grant opens by itself as soon as
enough shares were entered. After a crash it is sealed again.
"""

import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from breakglass import config
from breakglass.demo.people import Ran, run
from breakglass.model.secret import Secret
from breakglass.vault import share_text
from tests.deployment import TARGET, Deployment, refused
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server
ORIGIN = "log.example.org"
CUSTODIANS = ("carol", "cem")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    """People have keys; nothing is founded."""
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            deployment = Deployment(tmp_path, sshd, account)
            (tmp_path / "people").mkdir(mode=0o700)
            for person in deployment.people.values():
                person.make_key()
            (tmp_path / "estate.yaml").write_text(yaml.safe_dump(deployment.estate()))
            try:
                yield deployment
            finally:
                await deployment.close()


async def cli(world: Deployment, *words: str, stdin: bytes = b"", expect: int = 0) -> Ran:
    ran = await run([sys.executable, "-m", "breakglass", "--home", str(world.home.path), *words], stdin, timeout=60)
    assert ran.code == expect, ran
    return ran


def begin(world: Deployment, *more: str) -> list[str]:
    shares = ["--k", "2", "--n", "3", "--shares-to", str(world.folder / "shares")]
    return ["init", "--estate", str(world.folder / "estate.yaml"), "--origin", ORIGIN, *shares, *more]


def share(world: Deployment, number: int) -> Path:
    return world.folder / "shares" / f"share-{number}.txt"


async def sign(world: Deployment, login: str, path: str) -> None:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", str(world.people[login].key), path]
    assert (await run(command)).code == 0


async def unseal(world: Deployment, *custodians: tuple[str, int]) -> None:
    for login, number in custodians:
        ran = await world.cli("unseal", "--file", str(share(world, number)), login=login)
        assert ran.code == 0, ran
    assert ran.out == "The vault is open.\n"


def unsign(path: str) -> None:
    Path(f"{path}.sig").unlink()


async def found(world: Deployment) -> None:
    """As docs/guide.md has it; then the ports are set to any free ones."""
    begun = json.loads((await cli(world, *begin(world), "--json")).out)
    for login, path in begun["to_sign"].items():
        await sign(world, login, path)
    shares = ["--share-file", str(share(world, 1)), "--share-file", str(share(world, 3))]
    made = json.loads((await cli(world, "init", *shares, "--json")).out)
    assert made["roster_hash"] == config.read(world.home).roster_pin
    text = world.home.settings.read_text()
    world.home.settings.write_text(text.replace("= 2222", "= 0").replace("= 8422", "= 0"))


async def test_founding_step_by_step(world: Deployment) -> None:
    # What would go wrong is refused before anything is made.
    inside = await cli(world, *begin(world, "--key-file", str(world.home.path / "seal.key")), expect=1)
    assert "data folder" in inside.err
    assert "--key-file" in inside.err
    assert "The estate is missing" in (await cli(world, "init", expect=2)).err
    nameless = await cli(world, "init", "--estate", str(world.folder / "estate.yaml"), expect=2)
    assert "--origin" in nameless.err
    for k, n in (("1", "3"), ("4", "3"), ("2", "17")):
        odd = [*begin(world), "--k", k, "--n", n]
        assert "What to do: " in (await cli(world, *odd, expect=2)).err
    assert not world.home.vault.exists()
    assert not (world.folder / "shares").exists()

    # Begun: what to sign is said, the shares are 0600, and they are handed out once.
    begun = await cli(world, *begin(world))
    assert "ssh-keygen -Y sign -n breakglass" in begun.out
    assert all(stat.S_IMODE(share(world, n).stat().st_mode) == 0o600 for n in (1, 2, 3))
    texts = {n: share(world, n).read_text().strip() for n in (1, 2, 3)}
    assert not any(text in begun.out + begun.err for text in texts.values())
    again = json.loads((await cli(world, *begin(world), "--json")).out)
    assert sorted(again["to_sign"]) == sorted(CUSTODIANS)
    assert share(world, 1).read_text().strip() == texts[1], "the shares were made anew"

    # One custodian is missing; then one signed with a key that is not theirs.
    await sign(world, "carol", again["to_sign"]["carol"])
    assert list(json.loads((await cli(world, "init", "--json")).out)["to_sign"]) == ["cem"]
    await sign(world, "alice", again["to_sign"]["cem"])
    forged = await cli(world, "init", "--share-file", str(share(world, 1)), expect=4)
    assert "cem.txt.sig does not hold" in forged.err
    unsign(again["to_sign"]["cem"])
    await sign(world, "cem", again["to_sign"]["cem"])

    # Shares: too few, one mistyped, one that is not there; nothing is half-done, so it goes on.
    few = await cli(world, "init", "--share-file", str(share(world, 1)), expect=6)
    assert "1 of 2" in few.err
    words = texts[2].split()
    mistyped = " ".join([*words[:5], words[6], words[5], *words[7:]])
    wrong = await cli(world, "init", stdin=f"{texts[1]}\n{mistyped}\n".encode(), expect=2)
    assert "What to do: " in wrong.err
    assert mistyped not in wrong.err
    assert "entered as number 2" in wrong.err
    gone = await cli(world, "init", "--share-file", str(world.folder / "nothing"), expect=2)
    assert "can't be read" in gone.err
    assert not world.home.settings.exists()
    done = await cli(world, "init", stdin=f"{texts[1]}\n{texts[3]}\n".encode())
    assert config.read(world.home).roster_pin in done.out
    assert "founded already" in (await cli(world, "init", expect=1)).err
    assert (await cli(world, "audit", "verify")).code == 0


async def test_custodians_unseal_and_all_that_waited_goes_on(world: Deployment) -> None:
    await found(world)
    await world.start()
    await world.sign_in()

    # Sealed, and everybody is told so.
    assert "The vault is SEALED: 0 of 2 shares" in (await world.cli("status")).out
    assert "custodians must unseal" in (await world.cli("status", login="alice")).out
    assert "breakglass unseal" in (await world.cli("status", login="carol")).out
    assert "THE VAULT IS SEALED" in (await world.alice.ssh("alice", "status")).out
    assert (await world.alice.call("GET", "/api/status"))["sealed"]
    assert (await world.alice.call("GET", "/api/overview"))["sealed"]
    early = await refused(
        world.carol.call("PUT", "/api/accounts/acc_db1-admin/credential", {"secret": "Xx-1"}), "sealed"
    )
    assert "breakglass unseal" in early.what_to_do

    # Who is no custodian enters nothing; a wrong share is named, and says nothing of what was typed.
    one, other, third = (share(world, n).read_text().strip() for n in (1, 2, 3))
    not_theirs = await world.cli("unseal", login="bo", stdin=one.encode())
    assert not_theirs.code == 4, not_theirs
    await refused(world.alice.call("POST", "/api/vault/unseal", {"share": one}), "forbidden")
    for wrong in (one[:-6], f"{one}-X0000", "BGS2-0000", foreign(one)):
        typed = await world.cli("unseal", login="carol", stdin=wrong.encode())
        assert typed.code in (1, 2, 4), typed
        assert "What to do: " in typed.err
        assert wrong not in typed.err

    # One of two, twice: it counts once.
    first = await world.cli("unseal", "--file", str(share(world, 1)), login="carol")
    assert "1 of 2 shares" in first.out, first
    twice = await world.cli("unseal", "--file", str(share(world, 1)), login="carol")
    assert "1 of 2 shares" in twice.out, twice
    opened = await world.cli("unseal", login="cem", stdin=other.encode() + b"\n")
    assert opened.out == "The vault is open.\n", opened
    again = await world.cli("unseal", login="cem", stdin=third.encode())
    assert again.code == 1
    await world.again(world.deposit)

    # A crash: sealed again. People ask and approve all the same.
    await world.kill()
    await world.start()
    await world.sign_in()
    request = await world.ask()
    await world.decide("bo", request)
    approved = await world.decide("dana", request)
    assert "waits for the custodians" in approved["sentence"]
    assert "waits for the custodians" in (await world.alice.ssh("alice", f"show {request}")).out
    assert (await world.part(request, "grant")) is None
    shut = await world.ssh("true")
    assert shut.code != 0
    assert "grant" in shut.err

    # The last share opens it; the grant opens by itself.
    await unseal(world, ("cem", 3), ("carol", 2))
    grant = await world.until(lambda: world.part(request, "grant"))
    ran = await world.ssh("id -un")
    assert ran.out.strip() == world.account.name, ran

    # Sealed in the middle: who is in stays, nobody new comes in; what is owed waits and is made up for.
    await world.stop(signal.SIGKILL)
    await world.start()
    await world.sign_in()
    nobody = await world.ssh("true")
    assert nobody.code == 69, nobody
    assert "sealed" in nobody.err.lower()
    assert "custodian" in nobody.err.lower()
    await world.alice.call("POST", f"/api/grants/{grant['id']}/close")
    await unseal(world, ("carol", 1), ("cem", 2))
    await world.settled()
    await world.review(request)

    kinds = [one["kind"] for one in await world.carol.call("GET", "/api/audit/entries?kind=vault.&limit=1000")]
    assert kinds.count("vault.share_entered") >= 6
    assert kinds.count("vault.opened") == 3
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err
    everything = "".join(path.read_text(errors="replace") for path in (world.log, world.home.path / "alerts.jsonl"))
    assert TARGET in everything
    assert not any(text in everything for text in (one, other, third)), "a share stands in a log"


def foreign(share: str) -> str:
    """A share of another vault, well-formed."""
    return share_text.encode(replace(share_text.decode(share), value=Secret(bytes(32))))
