"""Tiles: the files alone lead to the signed root, by a reader that shares no code with the writer."""

import hashlib
import random
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from breakglass.audit.export import export_tiles
from breakglass.audit.pinned import vkey
from breakglass.audit.tiles import Tile, bundle, levels, tiles, unbundle
from breakglass.audit.verify import verify
from breakglass.errors import NotEntitled, Sealed, Tampered
from tests.audit.attacks import opened
from tests.audit.kit import LOG_KEY, World, make_log


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word, over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def read_export(folder: Path, key: str, *, grown: bool = False) -> list[bytes]:
    """All entries, after everything was checked: signature, every tile at every level, bundles, and no other file."""
    note = (folder / "checkpoint").read_bytes()
    text, _, signatures = note.decode().partition("\n\n")
    text += "\n"
    _, size_line, root, _ = text.split("\n")
    raw = b64decode(signatures.split(" ")[2])
    Ed25519PublicKey.from_public_bytes(b64decode(key.split("+", 2)[2])[1:]).verify(raw[4:], text.encode())
    size, seen = int(size_line), {folder / "checkpoint"}

    def file(kind: str, n: int, width: int) -> bytes:
        digits = str(n).zfill(-(-len(str(n)) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([*(f"x{one}" for one in groups[:-1]), groups[-1]]) + ("" if width == 256 else f".p/{width}")
        path = folder / "tile" / kind / place
        seen.add(path)
        return path.read_bytes()

    hashes: list[bytes] = []
    entries: list[bytes] = []
    for n in range(-(-size // 256)):
        width = min(256, size - n * 256)
        data, leaves = file("entries", n, width), []
        while data:
            length = int.from_bytes(data[:2], "big")
            leaves.append(data[2 : 2 + length])
            data = data[2 + length :]
        assert len(leaves) == width
        made = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
        assert file("0", n, width) == b"".join(made)
        hashes += made
        entries += leaves
    level, span = 1, 256
    while size // span:
        count = size // span
        for n in range(-(-count // 256)):
            width = min(256, count - n * 256)
            expected = [mth(hashes[i * span : (i + 1) * span]) for i in range(n * 256, n * 256 + width)]
            assert file(str(level), n, width) == b"".join(expected)
        level, span = level + 1, span * 256
    assert mth(hashes) == b64decode(root)
    others = {path for path in folder.rglob("*") if path.is_file()} - seen
    assert all(grown and path.parent.suffix == ".p" for path in others)
    return entries


def leaves_of(path: Path) -> list[bytes]:
    with opened(path) as conn:
        return [leaf for (leaf,) in conn.execute("SELECT leaf FROM entry ORDER BY idx")]


LARGE = [pytest.param(size, marks=pytest.mark.nightly) for size in (65_535, 65_536)]


@pytest.mark.parametrize(
    "size", [1, 2, 255, 256, 257, 511, 512, 513, 700, pytest.param(65_800, marks=pytest.mark.slow), *LARGE]
)
def test_the_files_alone_lead_to_the_root(tmp_path: Path, size: int) -> None:
    pin = make_log(tmp_path / "log.db", size, batch=4096)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    done = export_tiles(url, tmp_path / "out", pin=pin)
    assert (done.size, done.vkey) == (size, LOG_KEY.vkey)
    assert vkey(url, pin=pin) == LOG_KEY.vkey
    assert read_export(tmp_path / "out", done.vkey) == leaves_of(tmp_path / "log.db")
    assert done.files == sum(1 for path in (tmp_path / "out").rglob("*") if path.is_file())
    again = export_tiles(url, tmp_path / "out", pin=pin)
    assert (again.files, again.written) == (done.files, 0)
    report = verify(url, pin=pin, outside=[(tmp_path / "out" / "checkpoint").read_bytes()])
    assert report.ok, report.in_words()
    assert report.window.uncovered == 0


def test_an_export_grows_with_the_log(tmp_path: Path) -> None:
    world, rng = World(tmp_path / "log.db"), random.Random(7)
    for _ in range(8):
        world.note(rng.randrange(1, 200))
        done = export_tiles(world.url, tmp_path / "out", pin=world.pin)
    world.stop()
    # Partial tiles of earlier sizes may stay (tlog-tiles).
    assert read_export(tmp_path / "out", done.vkey, grown=True) == leaves_of(world.path)


def test_a_sealed_vault_exports_what_is_signed(tmp_path: Path) -> None:
    world = World(tmp_path / "log.db")
    world.note(5)
    world.signer.sealed = True
    world.note(300)
    done = export_tiles(world.url, tmp_path / "out", pin=world.pin)
    world.stop()
    assert done.size == 6
    assert read_export(tmp_path / "out", done.vkey) == leaves_of(world.path)[:6]
    with opened(world.path) as conn:
        conn.execute("DELETE FROM checkpoint")
    with pytest.raises(Sealed):
        export_tiles(world.url, tmp_path / "out2", pin=world.pin)


def test_nothing_vouches_for_a_changed_log(tmp_path: Path) -> None:
    pin = make_log(tmp_path / "log.db", 300)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    export_tiles(url, tmp_path / "good", pin=pin)
    with opened(tmp_path / "log.db") as conn:
        conn.execute("UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'usr', 'usx') AS BLOB) WHERE idx = 280")
    with pytest.raises(Tampered, match="do not fit"):
        export_tiles(url, tmp_path / "fresh", pin=pin)
    assert not (tmp_path / "fresh" / "checkpoint").exists()
    with pytest.raises(Tampered, match="other entries"):
        export_tiles(url, tmp_path / "good", pin=pin)
    with opened(tmp_path / "log.db") as conn:
        conn.execute("DELETE FROM entry WHERE idx = 3")
    with pytest.raises(Tampered, match="missing"):
        export_tiles(url, tmp_path / "fresh2", pin=pin)
    with pytest.raises(Tampered):
        export_tiles(url, tmp_path / "fresh3", pin="0" * 64)


def test_a_folder_with_more_of_the_log_is_evidence(tmp_path: Path) -> None:
    world = World(tmp_path / "log.db")
    world.note(5)
    world.note(5)
    world.stop()
    export_tiles(world.url, tmp_path / "out", pin=world.pin)
    with opened(world.path) as conn:
        conn.execute("DELETE FROM checkpoint WHERE size = 11")
    with pytest.raises(Tampered, match="11 entries"):
        export_tiles(world.url, tmp_path / "out", pin=world.pin)
    (tmp_path / "out" / "checkpoint").write_text("another\n")
    with pytest.raises(Tampered, match="another log"):
        export_tiles(world.url, tmp_path / "out", pin=world.pin)


def test_the_roster_must_be_signed(tmp_path: Path) -> None:
    world = World(tmp_path / "log.db")
    world.stop()
    with opened(world.path) as conn:
        leaf = conn.execute("SELECT leaf FROM entry").fetchone()[0]
        short = leaf.replace(b'"statements":2', b'"statements":1').split(b',"statement-1"')[0] + b"}}"
        conn.execute("UPDATE entry SET leaf = ?", (short,))
    with pytest.raises(NotEntitled, match="usr_finn"):
        vkey(world.url, pin=world.pin)


def test_the_specifications_own_examples() -> None:
    assert Tile(0, 1234067, 256).path == "tile/0/x001/x234/067"
    assert Tile(0, 1234067, 8).entries_path == "tile/entries/x001/x234/067.p/8"
    assert Tile(2, 0, 1).path == "tile/2/000.p/1"
    found = [(level, [tile.width for tile in tiles(level, 70_000)]) for level in levels(70_000)]
    assert found == [(0, [256] * 273 + [112]), (1, [256, 17]), (2, [1])]
    assert [(level, [tile.width for tile in tiles(level, 256)]) for level in levels(256)] == [(0, [256]), (1, [1])]
    assert list(levels(0)) == []


def test_bundles_are_exact() -> None:
    entries = [b"", b"a", b"b" * 65_535]
    assert unbundle(bundle(entries)) == entries
    for cut in (bundle(entries)[:-1], b"\x00", b"\x00\x02a"):
        with pytest.raises(ValueError, match="cut short"):
            unbundle(cut)
    with pytest.raises(ValueError, match="65535"):
        bundle([b"c" * 65_536])
