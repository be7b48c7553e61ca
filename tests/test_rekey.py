"""Custodians make new shares on a running deployment: at a terminal, into files, and through every death on the way."""

import asyncio
import contextlib
import os
import pty
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from breakglass.codec import share_box
from breakglass.demo.people import ApiRefused
from breakglass.vault import share_text
from breakglass.vault.shares import set_name
from tests.deployment import Deployment
from tests.emergency import LEASES, again, struck
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port, rows

pytestmark = pytest.mark.server
POINTS = [
    "call:begin_rekey:began", "call:begin_rekey:ended", "step:seal.rekey_begun:before-commit",
    "step:seal.rekey_begun:after-commit", "call:finish_rekey:began", "call:finish_rekey:written",
    "call:finish_rekey:renamed", "call:finish_rekey:ended", "step:seal.rekeyed:before-commit",
    "step:seal.rekeyed:after-commit", "call:prove_share:began", "call:prove_share:ended",
    "step:seal.share_proven:before-commit", "step:seal.share_proven:after-commit",
]  # fmt: skip
SHARE = re.compile(rb"(?: *\d+ [a-z]{4,8}\s+){33}")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = Deployment(tmp_path, sshd, account)
            await world.found(ssh_port=free_port(), api_port=free_port())  # it comes back where people know it
            try:
                yield world
            finally:
                await world.close()


async def opens(world: Deployment, shares: tuple[str, ...]) -> None:
    """Seal it; only these shares open it."""
    await world.carol.call("POST", "/api/vault/seal")
    for share in shares:
        await world.cem.call("POST", "/api/vault/unseal", {"share": share})
    assert not (await world.carol.call("GET", "/api/vault"))["sealed"]


async def told(world: Deployment, *kinds: str) -> None:
    found = [kind for (kind,) in rows(world, "SELECT kind FROM entry WHERE kind LIKE 'vault.rekey%' ORDER BY idx")]
    assert tuple(found) == kinds
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err


async def test_into_files(world: Deployment, tmp_path: Path) -> None:
    old = [tmp_path / f"old-{n}" for n in (1, 2)]
    for path, share in zip(old, world.shares, strict=False):
        path.write_text(share)
    await world.start()
    await world.sign_in()
    await world.deposit()
    files = [word for path in old for word in ("--share-file", str(path))]
    rekey = ["vault", "rekey", "--shares", "4", "--needed", "3"]

    # Not by whom it does not concern, not with too few, not where nobody would see them.
    new = ["--shares-to", str(tmp_path / "new")]
    assert (await world.cli(*rekey, *files, *new, login="alice")).code == 4
    few = await world.cli(*rekey, *files[:2], *new, login="carol")
    assert few.code == 1, few.err
    assert "are needed" in few.err
    assert (await world.cli(*rekey, *files, login="carol")).code == 2
    inside = ["--shares-to", str(world.home.path / "shares")]
    kept = await world.cli(*rekey, *files, *inside, login="carol")
    assert kept.code == 1, kept.err
    assert "its backups" in kept.err
    await told(world)

    ran = await world.cli(*rekey, *files, *new, login="carol")
    assert ran.code == 0, ran.err
    assert "Any 3 of 4 shares open it" in ran.out
    assert "Destroy the old ones" in ran.err
    shares = [path.read_text().strip() for path in sorted((tmp_path / "new").glob("*.txt"))]
    assert not shown_in((ran.out + ran.err).encode(), shares)
    await told(world, "vault.rekey_begun", "vault.rekeyed")
    await world.carol.call("POST", "/api/vault/seal")
    with pytest.raises(ApiRefused, match="another set"):
        await world.cem.call("POST", "/api/vault/unseal", {"share": world.shares[0]})
    for share in shares[1:]:
        await world.cem.call("POST", "/api/vault/unseal", {"share": share})
    await world.granted()
    assert "New shares open the vault" in (world.home.path / "alerts.jsonl").read_text()
    log = world.log.read_bytes() + (world.home.path / "breakglass.db").read_bytes()
    assert not shown_in(log, shares)
    assert shown_in(shares[0].upper().encode(), shares)  # the search finds what is there


async def test_by_mail(world: Deployment, tmp_path: Path) -> None:
    """Each share is encrypted to its custodian's own key; they open it with age, and prove it from where they are."""
    await world.start()
    await world.sign_in()
    await world.deposit()
    made = await run(["age-keygen", "-o", str(tmp_path / "ines.key")])
    ines = made.split("Public key: ")[1].split()[0]
    cem, keys = world.people["cem"].key, {1: tmp_path / "ines.key", 2: world.people["cem"].key}
    old = [tmp_path / f"old-{n}" for n in (1, 2)]
    for path, share in zip(old, world.shares, strict=False):
        path.write_text(share)
    command = ["vault", "rekey", "--shares", "2", "--needed", "2", "--shares-to", str(tmp_path / "new")]
    command += [word for path in old for word in ("--share-file", str(path))]
    few = await world.cli(*command, "--age", ines, login="carol")
    assert few.code == 2
    assert "once for each share" in few.err
    none = await world.cli(*command, "--age", ines, "--age", str(tmp_path / "nothing"), login="carol")
    assert "is no key" in none.err
    await told(world)

    ran = await world.cli(*command, "--age", ines, "--age", f"{cem}.pub", login="carol")
    assert ran.code == 0, ran.err
    assert "2 new shares of the set" in ran.out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["share-1.age", "share-2.age"]
    fresh = {}
    for number, key in keys.items():
        fresh[number] = await run(["age", "-d", "-i", str(key), str(tmp_path / f"new/share-{number}.age")])
    await opens(world, world.shares[:2])
    # Sealing forgot what waited: it says so, and nothing was lost.
    (tmp_path / "mine").write_text(fresh[2])
    gone = await world.cli("vault", "prove", "--file", str(tmp_path / "mine"), login="cem")
    assert "No new shares wait" in gone.err
    for path in (tmp_path / "new").iterdir():
        path.unlink()
    ran = await world.cli(*command, "--age", ines, "--age", f"{cem}.pub", login="carol")
    assert ran.code == 0, ran.err
    for number, key in keys.items():
        fresh[number] = await run(["age", "-d", "-i", str(key), str(tmp_path / f"new/share-{number}.age")])
    (tmp_path / "mine").write_text(fresh[2])
    first = await world.cli("vault", "prove", "--file", str(tmp_path / "mine"), login="cem")
    assert "share 2 is proven" in first.out
    (tmp_path / "hers").write_text(fresh[1])
    last = await world.cli("vault", "prove", "--file", str(tmp_path / "hers"), login="carol")
    assert f"set {' '.join(fresh[1].split()[:2])}." in last.out
    assert "wait to be proven" not in last.out
    await opens(world, (fresh[1], fresh[2]))
    found = [kind for (kind,) in rows(world, "SELECT kind FROM entry WHERE kind LIKE 'vault.%' ORDER BY idx")]
    found = [kind.removeprefix("vault.") for kind in found if "rekey" in kind or "proven" in kind]
    assert found == ["rekey_begun", "rekey_begun", "share_proven", "share_proven", "rekeyed"]
    assert (await world.cli("audit", "verify")).code == 0


async def run(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert process.returncode == 0, out
    return out.decode()


def shown_in(content: bytes, shares: Sequence[str]) -> bool:
    """Any six words of a share after one another, in whatever letters."""
    text = content.lower()
    for share in shares:
        words = share.split()[4:30]
        if any(" ".join(words[at : at + 6]).encode() in text for at in range(len(words) - 6)):
            return True
    return False


async def test_at_a_terminal(world: Deployment) -> None:
    """Each share is seen once, cleared away, and typed back; one of them is mistyped first."""
    await world.start()
    await world.sign_in()
    command = ["--home", str(world.home.path), "--login", "carol", "--identity", str(world.carol.key)]
    command += ["vault", "rekey", "--shares", "3", "--needed", "2"]
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "breakglass", *command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = Screen(ours)
    try:
        for share in world.shares[:2]:
            await shown.type_after(b"of 2: ", share)
        seen = []
        for number in (1, 2, 3):
            await shown.type_after(b"Press Enter to see it.", "")
            await shown.type_after(b"it goes away.", "")
            share = share_text.normal(SHARE.findall(shown.text)[-1].decode())
            seen.append(share)
            if number == 2:
                await shown.type_after(b"from what you wrote: ", seen[0])
                await shown.wait(b"not the share that was shown")
            first, rest = share.split()[:6], share.split()[6:]
            await shown.type_after(b"from what you wrote: ", " ".join(word[:4] for word in first))
            await shown.type_after(b"from word 7 on: ", "zero qqqq")
            await shown.wait(b"number 8. Enter this row again")
            await shown.type_after(b"from word 7 on: ", " ".join(rest).upper())
        async with asyncio.timeout(20):
            assert await process.wait() == 0, shown.text
        await shown.wait(b"Destroy the old ones")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        shown.close()
    assert len(set(seen)) == 3
    await opens(world, (seen[0], seen[2]))
    await told(world, "vault.rekey_begun", "vault.rekeyed")


async def test_killed_on_the_way(world: Deployment, tmp_path: Path) -> None:
    """Whatever dies, the vault opens with the shares whose set it names, and the log says how it came to them."""
    reached = tmp_path / "reached"
    reached.mkdir()
    known = {"": world.shares}
    async with struck(world, POINTS, reached):
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        async with asyncio.timeout(LEASES * 2):
            while {one.name for one in reached.iterdir()} != set(POINTS):
                await again(world, lambda: rekeyed(world, known), "wrong_state", "wrong_share")
                await again(world, world.sign_in)
        # The last death may have left new shares that nobody finished with: once more, without one.
        await again(world, lambda: rekeyed(world, known))
    now = (await again(world, lambda: world.carol.call("GET", "/api/vault")))["share_set"]
    await opens(world, known[now][:2])
    done = rows(world, "SELECT leaf FROM entry WHERE kind = 'vault.rekeyed'")
    assert len({leaf for (leaf,) in done}) == len(done)
    assert f'"{now}"'.encode() in bytes(done[-1][0])
    assert (await world.cli("audit", "verify")).code == 0


async def rekeyed(world: Deployment, known: dict[str, tuple[str, ...]]) -> None:
    """Once, with whatever shares hold now; `known` gets the new ones before they are proven."""
    state = await world.carol.call("GET", "/api/vault")
    present = known.get(state["share_set"]) or known[""]
    key = X25519PrivateKey.generate()
    to = b64encode(key.public_key().public_bytes_raw()).decode()
    body = {"shares": list(present[:2]), "needed": 2, "to": [to] * 3}
    made = await world.carol.call("POST", "/api/vault/rekey", body)
    names = [share_box.about(world.settings().deployment, made["set"], index) for index in (1, 2, 3)]
    fresh = [share_box.open(b64decode(box), key, name).decode() for box, name in zip(made["boxes"], names, strict=True)]
    assert set_name(share_text.decode(fresh[0]).set_id) == made["set"]
    known[made["set"]] = tuple(fresh)
    if len(known) % 2:
        await world.carol.call("POST", "/api/vault/rekey/finish", {"shares": fresh})
        return
    for who, share in zip((world.cem, world.carol, world.cem), fresh, strict=True):
        await who.call("POST", "/api/vault/rekey/share", {"share": share})


async def there(world: Deployment) -> bool:
    return world.home.node_file.exists()


class Screen:
    """What a terminal shows, and somebody who types when it asks."""

    def __init__(self, fd: int) -> None:
        self._fd, self.text, self._from = fd, b"", 0
        os.set_blocking(fd, False)

    async def wait(self, words: bytes) -> None:
        async with asyncio.timeout(20):
            while (at := self.text.find(words, self._from)) < 0:
                try:
                    self.text += os.read(self._fd, 65536)
                except BlockingIOError:
                    await asyncio.sleep(0.02)  # a terminal rings no bell here
                except OSError:  # its other end is closed
                    raise AssertionError(f"it ended before {words!r}: {self.text!r}") from None
        self._from = at + len(words)

    async def type_after(self, words: bytes, line: str) -> None:
        await self.wait(words)
        os.write(self._fd, f"{line}\n".encode())

    def close(self) -> None:
        os.close(self._fd)
