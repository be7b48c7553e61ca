"""The machine is gone, and its key file too: a backup and two shares bring everything back, and the story goes on."""

from pathlib import Path

import pytest

from breakglass.config import Home
from tests.deployment import deployed
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server


async def test_from_a_backup_and_two_shares(tmp_path: Path) -> None:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account) as world:
                await world.settled()
                request, old = await world.granted()
                made = await world.cli("backup", str(tmp_path / "kept.bgb"))  # while the node runs
                assert made.code == 0, made.err
                await world.kill()
                (tmp_path / "seal.key").unlink()
                world.home.path.rename(tmp_path / "gone")

                world.home = Home(tmp_path / "new")
                typed = "\n".join(world.shares[:1]).encode()
                few = await world.cli("restore", str(tmp_path / "kept.bgb"), stdin=typed)
                assert (few.code, few.out) == (1, "")
                assert not world.home.path.exists()
                typed = "\n".join(world.shares[1:]).encode()
                restored = await world.cli("restore", str(tmp_path / "kept.bgb"), stdin=typed)
                assert restored.code == 0, restored.err
                assert "live grants of that time (1) open nothing" in restored.out

                await world.start()
                await world.sign_in()
                assert (await world.carol.call("GET", "/api/status"))["sealed"]
                one = await world.carol.call("POST", "/api/vault/unseal", {"share": world.shares[0]})
                assert one["sealed"]
                two = await world.carol.call("POST", "/api/vault/unseal", {"share": world.shares[2]})
                assert not two["sealed"]

                # The grant of the old machine stands in the database, but its vault honours it no more.
                assert (await world.ssh("echo let in")).out == ""
                await world.alice.call("POST", f"/api/grants/{old}/close")
                await world.settled()
                await world.review(request)
                await world.granted()
                assert (await world.ssh("echo let in")).out == "let in\n"
