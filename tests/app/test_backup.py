"""A backup holds what a node needs and no key; it comes back whole, verified, and with no live grant, or not at all."""

import json
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from breakglass import config
from breakglass.app import backup as backups
from breakglass.app import serving
from breakglass.app.backup import MAGIC, Restored, backup, restore
from breakglass.codec import share_box
from breakglass.config import Home
from breakglass.errors import BreakglassError, Malformed, Tampered, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.storage import snapshot
from breakglass.vault.core import Vault
from breakglass.vault.key_file import KeyFile
from breakglass.vault.shares import NotEnoughShares
from tests.kit import PASSWORD, Town


class Kept:
    """A town's data folder and a backup of it, made while it was open and somebody held a grant."""

    def __init__(self, town: Town, home: Home, file: Path, grant: str) -> None:
        self.town, self.home, self.file, self.grant = town, home, file, grant
        self.older = home.path.with_name("older.db")

    async def restore(self, to: Path | None = None, **other: Path) -> Restored:
        return await restore(other.get("file", self.file), Home(to) if to else None, self.town.shares[1:])


def copied(home: Home, to: Path) -> Home:
    """Another data folder with the same content, whose database nobody has open."""
    shutil.copytree(home.path, to, symlinks=True, ignore=shutil.ignore_patterns("breakglass.db*"))
    snapshot.copy(home.database, to / "breakglass.db")
    return Home(to)


def left(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    home = Home(tmp_path / "home")
    home.make()
    async with Town.found(home.path) as town:
        snapshot.copy(home.database, home.path.with_name("older.db"))
        _, grant = await town.granted()
        config.write(home, town.settings)
        (home.recordings / "ses_1.bgr").write_bytes(b"a recording" * 20_000)
        (home.recordings / "link").symlink_to("/etc/passwd")
        backup(home, tmp_path / "backup.bgb")
        yield Kept(town, home, tmp_path / "backup.bgb", grant)


async def test_it_comes_back_whole_and_opens_no_grant(kept: Kept, tmp_path: Path) -> None:
    found = await kept.restore(tmp_path / "new")
    assert (found.deployment, found.grants_voided) == (kept.town.settings.deployment, 1)
    assert found.entries > 10
    new = Home(tmp_path / "new")
    assert config.read(new) == kept.town.settings
    assert (new.recordings / "ses_1.bgr").read_bytes() == b"a recording" * 20_000
    assert not (new.recordings / "link").exists()
    assert {path.stat().st_mode & 0o077 for path in new.path.rglob("*")} == {0}
    vault = Vault(new.vault, wall=kept.town.clock)
    assert vault.status().sealed
    for share in kept.town.shares[:2]:
        vault.unseal_share(Secret(share.encode()))
    assert kept.town.vault.status().grants == 1
    assert vault.status().grants == 0
    vault.seal()


def rekeyed(kept: Kept) -> tuple[str, ...]:
    """The custodians' new shares, which open the vault now."""
    key = X25519PrivateKey.generate()
    vault, to = kept.town.vault, key.public_key().public_bytes_raw()
    made = vault.begin_rekey([Secret(one.encode()) for one in kept.town.shares[:2]], 2, [to] * 2)
    deployment = kept.town.settings.deployment
    texts = tuple(
        share_box.open(box, key, share_box.about(deployment, made.set, index)).decode()
        for index, box in enumerate(made.boxes, 1)
    )
    vault.finish_rekey([Secret(one.encode()) for one in texts])
    return texts


async def test_made_while_custodians_make_new_shares(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the copies of two files both are replaced: what comes back is of one moment."""
    copy, shares = shutil.copyfile, list[str]()

    def copyfile(source: Path, target: Path) -> object:
        done = copy(source, target)
        if source.name == "seal.json" and not shares:
            shares.extend(rekeyed(kept))
        return done

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", copyfile)
        backup(kept.home, tmp_path / "meanwhile.bgb")
    assert (await restore(tmp_path / "meanwhile.bgb", None, shares)).entries > 10
    with pytest.raises(BreakglassError, match="another set"):
        await restore(tmp_path / "meanwhile.bgb", None, kept.town.shares[1:])


async def test_made_before_the_state_was_settled(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "_settle_seal", lambda *_: None)
        shares = rekeyed(kept)
    backup(kept.home, tmp_path / "early.bgb")
    assert (await restore(tmp_path / "early.bgb", None, shares)).entries > 10


async def test_files_that_never_fit_are_no_backup(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "COPIES", 2)
    seal = kept.home.vault / "seal.json"
    seal.write_bytes(seal.read_bytes() + b" ")
    with pytest.raises(Unavailable, match="do not belong together"):
        backup(kept.home, tmp_path / "torn.bgb")
    assert not left(tmp_path, "torn*")


async def test_checking_leaves_nothing_behind(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert (await kept.restore()).home == ""
    assert left(scratch, "*") == left(kept.home.path, "backup.*") == []


async def test_the_file_tells_no_secret_and_no_share(kept: Kept) -> None:
    content = kept.file.read_bytes()
    planted = (kept.home.recordings / "ses_1.bgr").read_bytes()[:11]
    assert kept.file.stat().st_mode & 0o077 == 0
    for unwanted in (PASSWORD.encode(), planted, b"SQLite format 3", b"alice", *(s.encode() for s in kept.town.shares)):
        assert unwanted not in content
    assert kept.town.settings.deployment.encode() in content  # what stands in the header is found by this search


async def test_too_few_or_wrong_shares_open_nothing(kept: Kept, tmp_path: Path) -> None:
    one, two, _ = kept.town.shares
    with pytest.raises(NotEnoughShares):
        await restore(kept.file, Home(tmp_path / "new"), [one])
    with pytest.raises(Malformed, match="33 words"):
        await restore(kept.file, Home(tmp_path / "new"), [one, two.rsplit(" ", 1)[0]])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("harm", ["flipped", "cut", "a chunk less", "longer", "another header"])
async def test_a_file_that_was_changed_is_refused(kept: Kept, tmp_path: Path, harm: str) -> None:
    content = bytearray(kept.file.read_bytes())
    start = len(MAGIC) + 4 + int.from_bytes(content[len(MAGIC) : len(MAGIC) + 4]) + 80
    match harm:
        case "flipped":
            content[start + 100_000] ^= 1
        case "cut":
            del content[-1:]
        case "a chunk less":
            chunk = 64 * 1024 + 16
            del content[start + (len(content) - start - 1) // chunk * chunk :]
        case "longer":
            content += b"\0"
        case "another header":
            content[content.index(b"made_at") + len("made_at") + 7] ^= 1
    harmed = tmp_path / "harmed"
    harmed.write_bytes(content)
    with pytest.raises(Tampered, match="changed or cut short"):
        await kept.restore(tmp_path / "new", file=harmed)
    assert not (tmp_path / "new").exists()
    assert left(tmp_path, "breakglass-restore.*") == []


async def test_an_older_database_under_a_newer_vault_is_not_put_in_place(kept: Kept, tmp_path: Path) -> None:
    other = copied(kept.home, tmp_path / "other")
    shutil.copyfile(kept.older, other.database)
    backup(other, tmp_path / "older.bgb")
    with pytest.raises(Tampered, match=r"its log has \d+ entries, its vault has seen \d+"):
        await kept.restore(tmp_path / "new", file=tmp_path / "older.bgb")
    assert not (tmp_path / "new").exists()


async def test_a_changed_entry_is_not_put_in_place(kept: Kept, tmp_path: Path) -> None:
    other = copied(kept.home, tmp_path / "other")
    with closing(sqlite3.connect(other.database, isolation_level=None)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        assert database.execute("UPDATE request SET state = 'denied'").rowcount > 0
    backup(other, tmp_path / "changed.bgb")
    with pytest.raises(Tampered, match="its log does not verify"):
        await kept.restore(tmp_path / "new", file=tmp_path / "changed.bgb")
    assert not (tmp_path / "new").exists()


async def test_an_exchanged_backup_key_is_noticed_when_the_vault_opens(kept: Kept) -> None:
    path = kept.home.vault / "keys.json"
    value = json.loads(path.read_text())
    value["backup"] = b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    path.write_text(json.dumps(value))
    vault = Vault(kept.home.vault, wall=kept.town.clock)
    vault.unseal_share(Secret(kept.town.shares[0].encode()))
    with pytest.raises(Tampered, match=r"keys\.json was changed"):
        vault.unseal_share(Secret(kept.town.shares[1].encode()))


async def test_nothing_is_overwritten(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(WrongState, match="exists already"):
        backup(kept.home, kept.file)
    with pytest.raises(WrongState, match="in use"):
        await kept.restore(kept.home.path)


async def test_a_key_file_is_never_in_a_backup(kept: Kept, tmp_path: Path) -> None:
    KeyFile(kept.home.recordings / "seal.key").create().wipe()
    with pytest.raises(Malformed, match="must not be in a backup"):
        backup(kept.home, tmp_path / "second.bgb")
    assert left(tmp_path, "second*") == []


async def test_what_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"something else")
    with pytest.raises(Malformed, match="no backup"):
        await restore(tmp_path / "file", None, ["academic"])
    with pytest.raises(Malformed, match="no backup"):
        backups.shares_needed(tmp_path / "file")


@pytest.mark.parametrize("place", ["seal.key", "deep/er/seal.key", "link/seal.key"])
async def test_no_node_starts_with_its_key_file_in_the_data_folder(kept: Kept, tmp_path: Path, place: str) -> None:
    (tmp_path / "outside").symlink_to(kept.home.path)
    where = tmp_path / "outside" / "seal.key" if place.startswith("link") else kept.home.path / place
    config.write(kept.home, replace(kept.town.settings, key_file=str(where)))
    with pytest.raises(config.KeyInData, match="in the data folder"):
        serving.run(kept.home)
    serving.refuse_key_in_data(kept.home, replace(kept.town.settings, key_file=str(tmp_path / "seal.key")))
