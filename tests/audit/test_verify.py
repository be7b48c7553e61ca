"""The verifier against everything that a database administrator can do, each on a real log of the whole story."""

import json
import random
import shutil
import sqlite3
from base64 import b64decode
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.codec import sshsig
from breakglass.errors import Malformed, NotFound, Unavailable
from breakglass.model.secret import Secret
from breakglass.storage import migrate
from breakglass.storage.engine import open_engine
from breakglass.trust.statement import NAMESPACE, parse
from breakglass.trust.tree import leaf_hash
from breakglass.vault.keys import NoteKey
from tests.audit import kit
from tests.audit.attacks import Attack, attacked, index_of, leaf_of, opened, put_leaf, rebuild, renumber, signed_by
from tests.audit.kit import LOG_KEY, ORIGIN, World, key_of, make_log

OTHER_KEY = NoteKey(ORIGIN, Secret(b"o" * 32))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The database after the whole story, closed, and the pin."""
    path = tmp_path_factory.mktemp("story") / "breakglass.db"
    world = World(path)
    world.story()
    world.stop()
    with opened(path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path, world.pin


def check(path: Path, pin: str, **more) -> Report:
    return verify(f"sqlite:///{path}", pin=pin, **more)


def levels(report: Report) -> dict[str, str]:
    return {one.level: one.where for one in report.findings}


# -- honest logs ------------------------------------------------------------------------------------------------------
def test_the_whole_story_holds(told: tuple[Path, str]) -> None:
    report = check(*told)
    assert report.ok, report.in_words()
    assert (report.statements, report.grants, report.roster) == (12, 1, 1)
    assert report.window.unsigned == report.window.unsigned_batches == 0
    with opened(told[0]) as conn:
        assert report.checkpoints == conn.execute("SELECT count(*) FROM checkpoint").fetchone()[0]
        assert report.window.entries == conn.execute("SELECT count(*) FROM entry").fetchone()[0]
        review = leaf_of(conn, index_of(conn, "review.signed"))["data"]
    assert report.window.seen_by_people == parse(review["statement"]).log_size
    assert report.window.uncovered == report.window.entries - report.window.seen_by_people
    assert json.loads(json.dumps(report.as_json()))["ok"] is True
    assert report.in_words()[-1] == "All of it holds."
    levels = report.as_json()["levels"]
    assert levels.pop("anchor") == levels.pop("recording") == "not checked"
    assert levels.pop("timestamp") == "not checked"
    assert set(levels.values()) == {"holds"}


def test_a_log_is_verified_while_it_grows(tmp_path: Path) -> None:
    world = World(tmp_path / "live.db")
    for _ in range(5):
        world.note(3)
        assert check(world.path, world.pin).ok
    world.stop()
    assert check(world.path, world.pin).window.entries == 16


def test_every_small_size_holds(tmp_path: Path) -> None:
    world = World(tmp_path / "small.db")
    for size in range(1, 71):
        report = check(world.path, world.pin)
        assert report.ok, report.in_words()
        assert report.window.entries == size
        world.note()
    world.stop()


@pytest.mark.parametrize("sizes", [(255,), (256,), (257, 254), (700, 1, 399), (1023, 1)])
def test_larger_sizes_hold_with_batches_and_a_vault_that_is_sealed_between(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    world = World(tmp_path / "large.db")
    for n, size in enumerate(sizes):
        world.signer.sealed = n % 2 == 1
        world.note(size)
        report = check(world.path, world.pin)
        assert report.ok, report.in_words()
        assert report.window.unsigned == (size if world.signer.sealed else 0)
    world.stop()


def test_a_sealed_vault_leaves_an_unsigned_tail_that_is_shown(tmp_path: Path) -> None:
    world = World(tmp_path / "sealed.db")
    world.note(4)
    world.signer.sealed = True
    for _ in range(3):
        world.note(2)
    report = check(world.path, world.pin)
    assert report.ok
    assert (report.window.signed, report.window.unsigned, report.window.unsigned_batches) == (5, 6, 2)
    world.signer.sealed = False
    world.note()
    report = check(world.path, world.pin)
    assert report.ok
    assert (report.window.unsigned, report.window.unsigned_batches) == (0, 3)
    world.stop()


def test_migrated_tables_are_the_ones_that_are_checked(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    migrate.upgrade(engine)
    engine.dispose()
    assert "database" not in levels(check(tmp_path / "migrated.db", "0" * 64))


def test_made_logs_hold(tmp_path: Path) -> None:
    pin = make_log(tmp_path / "made.db", 3_000)
    report = check(tmp_path / "made.db", pin)
    assert report.ok, report.in_words()
    assert report.window.entries == 3_000


# -- what comes from outside ------------------------------------------------------------------------------------------
def test_another_pin_refuses_everything(told: tuple[Path, str]) -> None:
    report = check(told[0], "0" * 64)
    assert not report.ok
    assert levels(report)["roster"] == "entry 0"


def test_the_logs_key_can_be_given_too(told: tuple[Path, str]) -> None:
    assert check(*told, log_vkey=LOG_KEY.vkey).ok
    assert levels(check(*told, log_vkey=OTHER_KEY.vkey))["roster"] == "entry 0"


@pytest.mark.parametrize("wrong", ["", "xyz", "0" * 63, "A" * 64])
def test_a_malformed_pin_is_refused(told: tuple[Path, str], wrong: str) -> None:
    with pytest.raises(Malformed):
        check(told[0], wrong)


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        check(tmp_path / "none.db", "0" * 64)


def test_a_file_that_is_no_database_is_a_finding_or_an_error(tmp_path: Path) -> None:
    world = World(tmp_path / "torn.db")
    world.note(500)
    world.stop()
    data = bytearray(world.path.read_bytes())
    torn = data.index(b'"about":"sgn_400"')  # an entry's page, not one of an index that nobody reads here
    data[torn : torn + 8192] = bytes(8192)
    world.path.write_bytes(data)
    report = check(world.path, world.pin)
    assert not report.ok


def test_a_damaged_page_is_named_whatever_it_holds(told: tuple[Path, str], tmp_path: Path) -> None:
    """Also one of an index that no query of the verifier reads: the node would read it, and not find its rows."""
    whole = told[0].read_bytes()
    size = int.from_bytes(whole[16:18], "big")
    pages, path = len(whole) // size, tmp_path / "a.db"
    with opened(told[0]) as conn:
        [(free,)] = conn.execute("PRAGMA freelist_count")
        names = {
            page: name
            for name, page in conn.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'index'")
            if name.startswith(("entry_", "outbox_", "offer_"))
        }
    assert not free
    assert len(names) == 4
    for page in sorted({*names, *range(2, pages + 1, 7)}):
        data = bytearray(whole)
        data[(page - 1) * size : page * size] = bytes(size)
        path.write_bytes(data)
        try:
            report = check(path, told[1])
        except Unavailable:  # the page held the schema
            continue
        assert not report.ok, page
        if page in names:
            said = {one.level: one.words for one in report.findings}["database"]
            assert said.startswith("A page of it is damaged. SQLite says: "), said


def test_an_index_that_misses_a_row_is_named(told: tuple[Path, str], tmp_path: Path) -> None:
    """Every page is well-formed, and the node would not find what it asks for by this index."""

    def attack(conn: sqlite3.Connection) -> None:
        conn.execute("PRAGMA writable_schema=ON")
        sql = "UPDATE sqlite_master SET sql = replace(sql, 'idx)', 'idx) WHERE idx > 5') WHERE name = 'entry_kind'"
        assert conn.execute(sql).rowcount
        conn.commit()

    attacked(told[0], tmp_path / "a.db", attack)
    with opened(tmp_path / "a.db") as conn:
        conn.execute("REINDEX entry_kind")
        conn.execute("PRAGMA writable_schema=ON")
        conn.execute("UPDATE sqlite_master SET sql = replace(sql, ' WHERE idx > 5', '') WHERE name = 'entry_kind'")
    report = check(tmp_path / "a.db", told[1])
    assert "entry_kind" in {one.level: one.words for one in report.findings}["database"], report.in_words()


def test_an_outside_checkpoint_shows_a_log_that_was_cut(told: tuple[Path, str], tmp_path: Path) -> None:
    """All tables of an older backup fit together: only what was kept elsewhere tells."""
    world = World(tmp_path / "now.db")
    world.note(3)
    with opened(world.path) as conn:
        conn.execute("PRAGMA wal_checkpoint(FULL)")
        shutil.copy(world.path, tmp_path / "backup.db")
    world.note(4)
    with opened(world.path) as conn:
        [(kept,)] = conn.execute("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")
    world.stop()
    assert check(tmp_path / "backup.db", world.pin).ok  # the honest negative
    now, backup = (check(tmp_path / name, world.pin, outside=[kept]) for name in ("now.db", "backup.db"))
    assert now.ok
    assert (now.window.outside, now.window.uncovered) == (8, 0)
    assert levels(backup) == {"anchor": "outside checkpoint 1"}
    other = signed_by(LOG_KEY, 4, b"x" * 32)
    assert levels(check(world.path, world.pin, outside=[kept, other])) == {"anchor": "outside checkpoint 2"}
    forged = signed_by(OTHER_KEY, 4, b"x" * 32)
    assert levels(check(world.path, world.pin, outside=[forged])) == {"anchor": "outside checkpoint 1"}


# -- attacks on entries, tree and checkpoints -------------------------------------------------------------------------
def change_word(conn: sqlite3.Connection, *, hashed: bool, rebuilt: bool) -> int:
    index = index_of(conn, "request.made", 2)
    leaf = conn.execute("SELECT leaf FROM entry WHERE idx = ?", (index,)).fetchone()[0]
    changed = leaf.replace(b'"seconds":1800', b'"seconds":1900')
    assert changed != leaf
    if hashed:
        put_leaf(conn, index, changed, columns=False)
    else:
        conn.execute("UPDATE entry SET leaf = ? WHERE idx = ?", (changed, index))
    if rebuilt:
        rebuild(conn)
    return index


def delete_entry(conn: sqlite3.Connection) -> int:
    conn.execute("DELETE FROM entry WHERE idx = 20")
    return 20


def delete_and_close_up(conn: sqlite3.Connection) -> int:
    """The gap is closed and everything is rebuilt that needs no key."""
    conn.execute("DELETE FROM entry WHERE idx = 20")
    renumber(conn, 21, -1)
    rebuild(conn)
    return 20


def insert_in_between(conn: sqlite3.Connection) -> int:
    row = conn.execute('SELECT leaf, leaf_hash, kind, about, "by", at FROM entry WHERE idx = 20').fetchone()
    renumber(conn, 21, 1)
    sql = 'INSERT INTO entry (idx, leaf, leaf_hash, kind, about, "by", at) VALUES (21, ?, ?, ?, ?, ?, ?)'
    conn.execute(sql, row)
    rebuild(conn)
    return 21


def delete_tail(conn: sqlite3.Connection) -> None:
    conn.execute("DELETE FROM entry WHERE idx >= 60")
    rebuild(conn)


def swap(conn: sqlite3.Connection) -> None:
    for a, b in ((30, 1000), (31, 30), (1000, 31)):
        conn.execute("UPDATE entry SET idx = ? WHERE idx = ?", (b, a))
    rebuild(conn)


def newest(conn: sqlite3.Connection) -> int:
    size: int = conn.execute("SELECT max(size) FROM checkpoint").fetchone()[0]
    return size


def cover_of(kind: str) -> Attack:
    """Take away the checkpoints between an entry of this kind and what the vault gave because of it."""
    follows = {"request.approved": "grant.opened", "secret.release": "session.started"}

    def attack(conn: sqlite3.Connection) -> str:
        later = index_of(conn, follows[kind])
        earlier = conn.execute("SELECT max(idx) FROM entry WHERE kind = ? AND idx < ?", (kind, later)).fetchone()[0]
        assert conn.execute("DELETE FROM checkpoint WHERE size > ? AND size <= ?", (earlier, later)).rowcount
        return f"entry {later}"

    return attack


def forged_checkpoint(conn: sqlite3.Connection) -> str:
    size = newest(conn)
    root = note_root(conn, size)
    conn.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (signed_by(OTHER_KEY, size, root), size))
    return f"checkpoint {size}"


def note_root(conn: sqlite3.Connection, size: int) -> bytes:
    text = conn.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()[0].decode()
    return b64decode(text.split("\n")[2])


def moved_checkpoint(conn: sqlite3.Connection) -> str:
    sizes = [size for (size,) in conn.execute("SELECT size FROM checkpoint ORDER BY size")]
    missing = next(size for size in range(1, max(sizes)) if size not in sizes)
    conn.execute("UPDATE checkpoint SET size = ? WHERE size = ?", (missing, sizes[-1]))
    return f"checkpoint {missing}"


def other_log(conn: sqlite3.Connection) -> str:
    size = newest(conn)
    signed = LOG_KEY.sign(f"other.example.org\n{size}\n{'A' * 43}=\n")
    conn.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (signed, size))
    return f"checkpoint {size}"


def extra_checkpoint(conn: sqlite3.Connection) -> str:
    conn.execute("INSERT INTO checkpoint (size, note) VALUES (0, ?)", (signed_by(LOG_KEY, 0, b"0" * 32),))
    return "checkpoint 0"


def execute(sql: str, *values: object, where: str) -> Attack:
    def attack(conn: sqlite3.Connection) -> str:
        assert conn.execute(sql, values).rowcount, sql
        return where

    return attack


def trigger(conn: sqlite3.Connection) -> str:
    conn.execute("CREATE TRIGGER sly AFTER INSERT ON entry BEGIN SELECT 1; END")
    return "trigger sly"


ATTACKS: dict[str, tuple[str, Attack]] = {
    "edit": ("leaf", lambda conn: f"entry {change_word(conn, hashed=False, rebuilt=False)}"),
    "edit with its hash": ("statement", lambda conn: change_word(conn, hashed=True, rebuilt=False) and None),
    "delete": ("leaf", lambda conn: f"entry {delete_entry(conn)}"),
    "delete the first": ("leaf", execute("DELETE FROM entry WHERE idx = 0", where="entry 0")),
    "an entry before the first": (
        "leaf",
        execute("UPDATE entry SET idx = -5 WHERE idx = 40", where="entry -5"),
    ),
    "renumber": ("leaf", execute("UPDATE entry SET idx = 500 WHERE idx = 40", where="entry 40")),
    "leaf as text": ("leaf", execute("UPDATE entry SET leaf = 'x' WHERE idx = 40", where="entry 40")),
    "hash edited": ("leaf", execute("UPDATE entry SET leaf_hash = zeroblob(32) WHERE idx = 40", where="entry 40")),
    "kind column": ("column", execute("UPDATE entry SET kind = 'x' WHERE idx = 40", where="entry 40")),
    "about column": ("column", execute("UPDATE entry SET about = 'x' WHERE idx = 40", where="entry 40")),
    "by column": ("column", execute("UPDATE entry SET \"by\" = 'x' WHERE idx = 40", where="entry 40")),
    "at column": ("column", execute("UPDATE entry SET at = at + 1 WHERE idx = 40", where="entry 40")),
    "not UTF-8": ("column", execute("UPDATE entry SET kind = CAST(x'ff' AS TEXT) WHERE idx = 40", where="entry 40")),
    "head size": ("head", execute("UPDATE head SET size = size - 1", where="head")),
    "head frontier": ("head", execute("UPDATE head SET frontier = zeroblob(length(frontier))", where="head")),
    "head instant": ("head", execute("UPDATE head SET at = at + 1", where="head")),
    "no head": ("head", execute("DELETE FROM head", where="head")),
    "two heads": ("head", execute("INSERT INTO head SELECT id + 1, size, frontier, at FROM head", where="head")),
    "surplus tile": ("tree", execute("INSERT INTO node VALUES (1, 7, zeroblob(32))", where="node 1/7")),
    "the checkpoint of an approval": ("grant", cover_of("request.approved")),
    "the checkpoint of a release": ("story", cover_of("secret.release")),
    "checkpoint edited": (
        "checkpoint",
        execute(
            "UPDATE checkpoint SET note = CAST(replace(note, ' ', '  ') AS BLOB) WHERE size = 1", where="checkpoint 1"
        ),
    ),
    "checkpoint forged with another key": ("checkpoint", forged_checkpoint),
    "checkpoint moved": ("checkpoint", moved_checkpoint),
    "checkpoint of another log": ("checkpoint", other_log),
    "checkpoint of nothing": ("checkpoint", extra_checkpoint),
    "a trigger": ("database", trigger),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_and_the_record_named(told: tuple[Path, str], tmp_path: Path, name: str) -> None:
    level, attack = ATTACKS[name]
    where = attacked(told[0], tmp_path / "a.db", attack)
    report = check(tmp_path / "a.db", told[1])
    assert not report.ok
    assert level in levels(report), report.in_words()
    if where is not None:
        assert levels(report)[level] == where, report.in_words()
    assert report.in_words()[-1].startswith("Stop.")


def test_an_edit_without_the_key_is_between_two_checkpoints(told: tuple[Path, str], tmp_path: Path) -> None:
    """Also when the leaf's hash, all tiles and the frontier are made to fit."""
    for name, rebuilt in (("a.db", False), ("b.db", True)):
        index = attacked(told[0], tmp_path / name, partial(change_word, hashed=True, rebuilt=rebuilt))
        report = check(tmp_path / name, told[1])
        [found] = [one for one in report.findings if one.level == "checkpoint"]
        assert found.index is not None
        assert found.index > index
        assert f"entry {index} " in found.words or f"entries {found.index}" in found.words, found
        assert ("head" in levels(report)) is not rebuilt


@pytest.mark.parametrize(
    ("attack", "at"), [(delete_and_close_up, 20), (insert_in_between, 21), (swap, 30), (delete_tail, 60)]
)
def test_no_rebuilding_hides_what_the_checkpoints_know(
    told: tuple[Path, str], tmp_path: Path, attack: Attack, at: int
) -> None:
    attacked(told[0], tmp_path / "a.db", attack)
    report = check(tmp_path / "a.db", told[1])
    [found] = [one for one in report.findings if one.level == "checkpoint"]
    assert found.index is not None
    assert at < found.index <= at + 4, found
    assert not {"leaf", "tree", "head"} & levels(report).keys()


def test_a_missing_entry_blames_nobody_else(told: tuple[Path, str], tmp_path: Path) -> None:
    """After a gap no hash can be recomputed: statements, checkpoints and tiles behind it are not called forged."""
    attacked(told[0], tmp_path / "a.db", lambda conn: conn.execute("DELETE FROM entry WHERE idx = 3"))
    found = levels(check(tmp_path / "a.db", told[1]))
    assert not {"statement", "checkpoint", "tree", "roster", "grant"} & found.keys(), found
    assert found["leaf"] == "entry 3"


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        ("UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND n = 2", "node 1/2"),
        ("DELETE FROM node WHERE level = 1 AND n = 1", "node 1/1"),
        ("INSERT INTO node VALUES (1, 4, zeroblob(32))", "node 1/4"),
        ("INSERT INTO node VALUES (0, 0, zeroblob(32))", "node 0/0"),
        ("UPDATE node SET level = 2 WHERE n = 3", "node 1/3"),
    ],
)
def test_tiles(tmp_path: Path, sql: str, where: str) -> None:
    pin = make_log(tmp_path / "made.db", 1_050)
    with opened(tmp_path / "made.db") as conn:
        conn.execute(sql)
    assert levels(check(tmp_path / "made.db", pin)) == {"tree": where}


def test_the_clock_of_the_log_never_goes_back(tmp_path: Path) -> None:
    """Somebody with the log's key wrote an entry of the past behind one of the present."""
    world = World(tmp_path / "clock.db")
    world.note(9)
    world.stop()
    with opened(world.path) as conn:
        event = leaf_of(conn, 5)
        event["at"] = "2026-11-23T20:00:00.000000+00:00"
        put_leaf(conn, 5, event)
        at = datetime.fromisoformat(event["at"]).replace(tzinfo=UTC).timestamp() * 1_000_000
        conn.execute("UPDATE entry SET at = ? WHERE idx = 5", (int(at),))
        rebuild(conn, key=LOG_KEY)
    assert levels(check(world.path, world.pin)) == {"time": "entry 5"}


SHAPES = {
    "a member more": lambda leaf: leaf[:-1] + b',"x":1}',
    "a member twice": lambda leaf: leaf[:-1] + b',"by":"usr_x"}',
    "another order": lambda leaf: json.dumps(dict(reversed(json.loads(leaf).items())), separators=(",", ":")).encode(),
    "a float": lambda leaf: leaf.replace(b'"n":0', b'"n":0.0'),
    "a null": lambda leaf: leaf.replace(b'"n":0', b'"n":null'),
    "a list": lambda leaf: leaf.replace(b'"n":0', b'"n":[]'),
    "not a number": lambda leaf: leaf.replace(b'"n":0', b'"n":NaN'),
    "data twice": lambda leaf: leaf.replace(b'"n":0', b'"n":0,"n":0'),
    "another version": lambda leaf: leaf.replace(b'"v":1', b'"v":2'),
    "a true version": lambda leaf: leaf.replace(b'"v":1', b'"v":true'),
    "space before": lambda leaf: b" " + leaf,
    "space after": lambda leaf: leaf + b"\n",
    "half a character": lambda leaf: leaf.replace(b'"n":0', b'"n":"\\ud800"'),
    "no JSON": lambda leaf: leaf[:-1],
    "not UTF-8": lambda leaf: leaf.replace(b"sgn_0", b"sgn_\xff"),
    "another instant": lambda leaf: leaf.replace(b"+00:00", b"Z"),
    "no instant": lambda leaf: leaf.replace(b"-11-23T", b"-02-30T"),
    "a kind that is no text": lambda leaf: leaf.replace(b'"sign_in.made"', b"7"),
    "an array": lambda leaf: b"[]",
    "deep": lambda leaf: b"[" * 60_000,
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_leaf_of_another_shape_is_found_even_if_it_was_signed(tmp_path: Path, name: str) -> None:
    world = World(tmp_path / "shape.db")
    world.note(3)
    world.stop()
    with opened(world.path) as conn:
        leaf = conn.execute("SELECT leaf FROM entry WHERE idx = 1").fetchone()[0]
        changed = SHAPES[name](leaf)
        assert changed != leaf
        put_leaf(conn, 1, changed, columns=False)
        rebuild(conn, key=LOG_KEY)
    found = levels(check(world.path, world.pin))
    assert found["leaf"] == "entry 1", found


def flips(path: Path, pin: str, index: int, leaf: bytes, places: range) -> None:
    """Flip one bit at each of these places, with and without the leaf's hash, and look each time."""
    rng = random.Random(index)
    sql = "UPDATE entry SET leaf = ?, leaf_hash = ? WHERE idx = ?"
    for place in places:
        flipped = bytearray(leaf)
        flipped[place] ^= 1 << rng.randrange(8)
        for hashed in (leaf_hash(leaf), leaf_hash(bytes(flipped))):
            with opened(path) as conn:
                conn.execute(sql, (bytes(flipped), hashed, index))
            report = check(path, pin)
            named = [one for one in report.findings if one.where == f"entry {index}" or str(index) in one.words]
            assert named, (place, report.in_words())
    with opened(path) as conn:
        conn.execute(sql, (leaf, leaf_hash(leaf), index))
    assert check(path, pin).ok


@pytest.mark.slow
def test_every_flipped_byte_of_a_leaf_is_found(tmp_path: Path) -> None:
    world = World(tmp_path / "flip.db")
    world.note(2)
    world.stop()
    with opened(world.path) as conn:
        leaf = conn.execute("SELECT leaf FROM entry WHERE idx = 1").fetchone()[0]
    flips(world.path, world.pin, 1, leaf, range(len(leaf)))


@pytest.mark.slow
def test_flipped_bytes_of_statements_and_grants_are_found(told: tuple[Path, str], tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    shutil.copy(told[0], path)
    for kind in ("request.approval", "grant.opened", "roster.adopted"):
        with opened(path) as conn:
            index = index_of(conn, kind)
            leaf = conn.execute("SELECT leaf FROM entry WHERE idx = ?", (index,)).fetchone()[0]
        flips(path, told[1], index, leaf, range(7, len(leaf), len(leaf) // 12))


# -- attacks by somebody who also has the log's key -------------------------------------------------------------------
def test_people_who_signed_are_witnesses_against_the_key(told: tuple[Path, str], tmp_path: Path) -> None:
    """An edit before the last head that somebody saw shows at their statement; one after it does not."""
    with opened(told[0]) as conn:
        tickets = [index_of(conn, "ticket.opened"), index_of(conn, "ticket.closed")]
    for n, index in enumerate(tickets):

        def attack(conn: sqlite3.Connection, index: int = index) -> None:
            event = leaf_of(conn, index)
            event["data"]["note"] = "never happened"
            put_leaf(conn, index, event)
            rebuild(conn, key=LOG_KEY)

        attacked(told[0], tmp_path / f"{n}.db", attack)
    early, late = (check(tmp_path / f"{n}.db", told[1]) for n in range(2))
    assert levels(early).keys() == {"statement"}
    [found] = early.findings
    assert found.index is not None
    assert found.index > tickets[0]
    assert "saw is not this log" in found.words
    assert late.ok  # the honest negative, inside the window that the report shows
    assert tickets[1] >= late.window.seen_by_people


def resigned(told: tuple[Path, str], tmp_path: Path, kind: str, change, nth: int = 0) -> tuple[Report, int]:
    """Change one entry's data by somebody with the log's key, who makes everything else fit."""

    def attack(conn: sqlite3.Connection) -> int:
        index = index_of(conn, kind, nth)
        event = leaf_of(conn, index)
        change(event)
        put_leaf(conn, index, event)
        rebuild(conn, key=LOG_KEY)
        return index

    index = attacked(told[0], tmp_path / "a.db", attack)
    return check(tmp_path / "a.db", told[1]), index


def in_text(old: str, new: str):
    def change(event) -> None:
        assert old in event["data"]["statement"]
        event["data"]["statement"] = event["data"]["statement"].replace(old, new, 1)

    return change


def forget(name: str):
    return lambda event: event["data"].pop(name)


def put(name: str, value):
    return lambda event: event["data"].update({name: value})


def other_signature(event) -> None:
    text = event["data"]["statement"]
    key = Ed25519PrivateKey.from_private_bytes(b"m" * 32)
    event["data"]["signature"] = sshsig.sign_ed25519(key, text.encode(), NAMESPACE)


def bent_signature(event) -> None:
    lines = event["data"]["signature"].split("\n")
    lines[-3] = lines[-3][:-2] + ("A" if lines[-3][-2] != "A" else "B") + lines[-3][-1]
    event["data"]["signature"] = "\n".join(lines)


def retarget(event) -> None:
    event["about"] = "req_denied"


def other_namespace(event) -> None:
    text = event["data"]["statement"]
    event["data"]["signature"] = sshsig.sign_ed25519(key_of("bo"), text.encode(), "file")


def approves_other_terms(event) -> None:
    """Really signed by the approver, but for another account's endpoint than the roster's."""
    text = event["data"]["statement"].replace("host-key: ssh-ed25519", "host-key: ssh-rsa", 1)
    event["data"]["statement"] = text
    event["data"]["signature"] = sshsig.sign_ed25519(key_of("bo"), text.encode(), NAMESPACE)


def by_the_requester(event) -> None:
    text = (
        event["data"]["statement"]
        .replace("usr_bo", "usr_alice")
        .replace(kit.fingerprint_of("bo"), kit.fingerprint_of("alice"))
    )
    event["data"]["statement"] = text
    event["data"]["signature"] = sshsig.sign_ed25519(key_of("alice"), text.encode(), NAMESPACE)


def too_late(event) -> None:
    text = event["data"]["statement"]
    line = next(one for one in text.split("\n") if one.startswith("not-after"))
    text = text.replace(line, "not-after: 2026-11-23T21:00:01Z")
    event["data"]["statement"] = text
    event["data"]["signature"] = sshsig.sign_ed25519(key_of("bo"), text.encode(), NAMESPACE)


def later_roster(event) -> None:
    text = event["data"]["statement"]
    line = next(one for one in text.split("\n") if one.startswith("roster"))
    text = text.replace(line, f"roster: 9 {'0' * 64}")
    event["data"]["statement"] = text
    event["data"]["signature"] = sshsig.sign_ed25519(key_of("bo"), text.encode(), NAMESPACE)


STATEMENTS = {
    "one character": ("request.approval", in_text("Nobody can", "Nobody con")),
    "a longer time": ("request.approval", in_text("1800 seconds", "9800 seconds")),
    "another signer's name": ("request.approval", in_text("usr_bo", "usr_cy")),
    "another log head": ("request.approval", in_text("log: ", "log: 1")),
    "signature by a stranger": ("request.approval", other_signature),
    "signature bent": ("request.approval", bent_signature),
    "signature for files": ("request.approval", other_namespace),
    "re-targeted": ("request.approval", retarget),
    "other terms, really signed": ("request.approval", approves_other_terms),
    "approved by the requester": ("request.approval", by_the_requester),
    "used after its time": ("request.approval", too_late),
    "a roster of the future": ("request.approval", later_roster),
    "no statement": ("request.approval", forget("statement")),
    "no signature": ("request.approval", forget("signature")),
    "a statement that is a number": ("request.approval", put("statement", 7)),
    "a second statement": ("request.approval", put("statement-1", "x")),
    "denial changed": ("request.denied", in_text("not now", "not yet")),
    "review changed": ("review.signed", in_text("drill", "misuse")),
    "replay changed": ("secret.release", in_text("stream: screen", "stream: keys")),
    "roster's signature changed": ("roster.signed", in_text("changes: ", "changes: x")),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_what_its_person_signed(told: tuple[Path, str], tmp_path: Path, name: str) -> None:
    kind, change = STATEMENTS[name]
    with opened(told[0]) as conn:
        kinds = [leaf_of(conn, index_of(conn, kind, n))["data"] for n in range(1 if kind != "secret.release" else 6)]
    nth = next((n for n, data in enumerate(kinds) if "statement" in data), 0)
    if kind == "secret.release":
        with opened(told[0]) as conn:
            found = conn.execute("SELECT idx, leaf FROM entry WHERE kind = 'secret.release' ORDER BY idx").fetchall()
        nth = next(n for n, (_, leaf) in enumerate(found) if b"statement" in leaf)
    report, index = resigned(told, tmp_path, kind, change, nth)
    assert levels(report)["statement"] == f"entry {index}", report.in_words()


def test_a_statement_is_not_used_twice(told: tuple[Path, str], tmp_path: Path) -> None:
    with opened(told[0]) as conn:
        first, second = (leaf_of(conn, index_of(conn, "request.approval", n)) for n in range(2))
    report, index = resigned(told, tmp_path, "request.approval", lambda event: event.update(data=first["data"]), 1)
    assert second["data"] != first["data"]
    assert levels(report)["statement"] == f"entry {index}"


# -- the roster -------------------------------------------------------------------------------------------------------
ROSTERS = {
    "edited": lambda event: event["data"].update(document=event["data"]["document"].replace("The plant", "My plant")),
    "under-signed": lambda event: (
        event["data"].update(statements=1),
        event["data"].pop("statement-1"),
        event["data"].pop("signature-1"),
    ),
    "signed twice by one": lambda event: event["data"].update(
        {"statement-1": event["data"]["statement-0"], "signature-1": event["data"]["signature-0"]}
    ),
    "skipped": lambda event: event.update(kind="roster.forgotten"),
    "counted wrongly": lambda event: event["data"].update(statements=3),
    "another hash in the entry": lambda event: event["data"].update(hash="0" * 64),
    "another deployment": lambda event: event.update(about="dep_other"),
}


@pytest.mark.parametrize("name", ROSTERS)
def test_roster_steps(told: tuple[Path, str], tmp_path: Path, name: str) -> None:
    report, index = resigned(told, tmp_path, "roster.adopted", ROSTERS[name], 1)
    found = levels(report)
    if name == "skipped":
        assert found["row"] == "roster 1" or "statement" in found, found
    elif name == "signed twice by one":
        assert {found.get("roster"), found.get("statement")} & {f"entry {index}"}, found
    else:
        assert found["roster"] == f"entry {index}", report.in_words()


def test_the_founding_roster_is_the_pinned_one(told: tuple[Path, str], tmp_path: Path) -> None:
    def change(event) -> None:
        event["data"]["document"] = event["data"]["document"].replace("Operations", "Operatives")

    report, _ = resigned(told, tmp_path, "roster.adopted", change)
    assert report.findings[0].where == "entry 0"
    assert report.findings[0].level == "roster"
