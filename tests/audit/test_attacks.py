"""Every attack that the design names (attack_list.py), one by one, against what is really stored: SQLite's file,
PostgreSQL, exported tiles, recordings; and the one that nothing detects, of which the verifier says so.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.audit.verify_tiles import verify_tiles
from breakglass.codec.cosignature import AddCheckpoint
from breakglass.errors import NotFound
from breakglass.storage.engine import open_engine
from breakglass.storage.tables import META
from breakglass.trust.tree import consistency_proof
from breakglass.witness.judging import Witness
from breakglass.witness.keeping import Folder
from tests.audit.attack_list import ATTACKS, NOT_IN_TILES, Told, number
from tests.audit.attacks import opened, signed_by
from tests.audit.in_hand import InHand
from tests.audit.kit import LOG_KEY, World
from tests.audit.test_bundle import recorded
from tests.servers.postgres import Postgres

TAIL = 6
"""Entries behind the head that somebody outside kept."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("attacks")
    world = World(folder / "breakglass.db")
    heads, use = recorded(folder / "rec_one.screen", "ses_one"), world.use
    recorded_keys(folder / "rec_one.keys")
    world.use = lambda session, recording, *_: use(session, recording, heads)  # type: ignore[method-assign]
    world.story()
    noted = world.log.size
    for count in (1, 250, 20, 9):  # the tree gets a tile
        world.note(count)
    size = world.log.size
    with opened(world.path) as conn:
        [(outside,)] = conn.execute("SELECT note FROM checkpoint WHERE size = ?", (size,))
    world.note(TAIL - 1)
    world.note(1)
    world.stop()
    with opened(world.path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Told(world.path, world.pin, folder, outside, size, noted)


def recorded_keys(path: Path) -> None:
    from breakglass.codec.frames import Kind
    from breakglass.codec.recording import Header, Sealer

    sealer = Sealer(Header(session="ses_one", stream="keys", created_at_ms=1, wrapped_key=b"w"), b"k" * 32)
    sealer.frame(1, Kind.INPUT, 0, b"ls\r")
    path.write_bytes(sealer.header + (sealer.chunk() or b"") + sealer.end(2, "they left"))


def levels(report: Report) -> set[str]:
    return {one.level for one in report.findings}


def outside_of(name: str, told: Told) -> list[bytes]:
    """What somebody kept elsewhere. In a fork, also a head of the branch that is denied now."""
    if "fork" not in name:
        return [told.outside]
    hand = told.hand()
    return [told.outside, hand.checkpoints[max(hand.checkpoints)]]


def bent(name: str, told: Told) -> tuple[InHand, str, str]:
    bend, in_database, in_tiles = ATTACKS[name]
    hand = told.hand()
    bend(hand, told)
    return hand, in_database, in_tiles


def must_be_found(report: Report, level: str) -> None:
    assert not report.ok
    assert level in levels(report), report.in_words()
    assert all(one.where and one.words for one in report.findings)
    assert any(line.startswith(f"BAD {level}, ") for line in report.in_words())
    assert report.in_words()[-1].startswith("Stop.")


# -- on SQLite --------------------------------------------------------------------------------------------------------
def on_sqlite(hand: InHand, told: Told, folder: Path) -> Path:
    copy = folder / "attacked.db"
    shutil.copy(told.path, copy)
    hand.put_sqlite(copy)
    return copy


def test_the_log_itself_holds_everywhere(told: Told, tmp_path: Path) -> None:
    """Taken out and put back without a change: so what the attacks show are the attacks."""
    copy = on_sqlite(told.hand(), told, tmp_path)
    report = verify(f"sqlite:///{copy}", pin=told.pin, outside=[told.outside], recordings=told.recordings)
    assert report.ok, report.in_words()
    assert report.recordings == 1
    told.hand().put_tiles(tmp_path / "tiles")
    report = verify_tiles(tmp_path / "tiles", pin=told.pin, outside=[told.outside], recordings=told.recordings)
    assert report.ok, report.in_words()
    assert report.window.uncovered == TAIL
    assert (report.statements, report.recordings) == (verify(f"sqlite:///{copy}", pin=told.pin).statements, 1)


@pytest.mark.parametrize("name", ATTACKS)
def test_on_sqlite(told: Told, tmp_path: Path, name: str) -> None:
    hand, level, _ = bent(name, told)
    copy = on_sqlite(hand, told, tmp_path)
    must_be_found(verify(f"sqlite:///{copy}", pin=told.pin, outside=outside_of(name, told)), level)


# -- on tiles ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name, (_, _, tiles) in ATTACKS.items() if tiles != NOT_IN_TILES])
def test_on_exported_tiles(told: Told, tmp_path: Path, name: str) -> None:
    hand, _, level = bent(name, told)
    hand.put_tiles(tmp_path)
    if level == "no export":
        with pytest.raises(NotFound):
            verify_tiles(tmp_path, pin=told.pin)
        return
    must_be_found(verify_tiles(tmp_path, pin=told.pin, outside=outside_of(name, told)), level)


# -- on PostgreSQL ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def on_postgres(told: Told, postgres: Postgres, migrated: str) -> Iterator[str]:
    """The same database, row for row."""
    with postgres.database(like=migrated) as url:
        source, to = open_engine(f"sqlite:///{told.path}"), open_engine(url)
        with source.connect() as old, to.begin() as new:
            for table in META.sorted_tables:
                if rows := [dict(row._mapping) for row in old.execute(select(table))]:
                    new.execute(insert(table), rows)
        source.dispose()
        to.dispose()
        yield url


@pytest.mark.server
def test_on_postgresql(told: Told, postgres: Postgres, on_postgres: str) -> None:
    assert verify(on_postgres, pin=told.pin, outside=[told.outside]).ok
    with postgres.database(like=on_postgres) as copy:
        for name in ATTACKS:
            hand, level, _ = bent(name, told)
            with postgres.admin(copy) as admin:
                hand.put_postgres(admin)
            must_be_found(verify(copy, pin=told.pin, outside=outside_of(name, told)), level)


# -- recordings -------------------------------------------------------------------------------------------------------
def chunks_of(path: Path) -> tuple[bytes, list[bytes]]:
    """The header and the chunks."""
    data = path.read_bytes()
    place = 8 + int.from_bytes(data[4:8], "big")
    header, chunks = data[:place], []
    while place < len(data):
        end = place + 45 + int.from_bytes(data[place : place + 4], "big") + 32
        chunks.append(data[place:end])
        place = end
    return header, chunks


def flipped(chunk: bytes) -> bytes:
    return chunk[:50] + bytes([chunk[50] ^ 1]) + chunk[51:]


CHUNKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "dropped": lambda chunks: [chunks[0], *chunks[2:]],
    "swapped": lambda chunks: [chunks[1], chunks[0], *chunks[2:]],
    "edited": lambda chunks: [flipped(chunks[0]), *chunks[1:]],
    "cut": lambda chunks: chunks[:-2],
    "last dropped": lambda chunks: chunks[:-1],
}


@pytest.mark.parametrize("name", CHUNKS)
def test_a_recordings_chunk(told: Told, tmp_path: Path, name: str) -> None:
    for stream in ("screen", "keys"):
        shutil.copy(told.recordings / f"rec_one.{stream}", tmp_path)
    header, chunks = chunks_of(tmp_path / "rec_one.screen")
    assert len(chunks) == 6
    (tmp_path / "rec_one.screen").write_bytes(header + b"".join(CHUNKS[name](chunks)))
    must_be_found(verify(f"sqlite:///{told.path}", pin=told.pin, recordings=tmp_path), "recording")


# -- witnesses, and what nothing detects ------------------------------------------------------------------------------
@pytest.fixture
def witness(told: Told, tmp_path: Path) -> Iterator[Witness]:
    """One that has cosigned the true log, up to its end."""
    folder = Folder(tmp_path / "witness")
    folder.make("witness.example.org/w1")
    folder.know(LOG_KEY.vkey)
    running, hand = Witness(folder), told.hand()
    last = max(hand.checkpoints)
    for old, new in ((0, told.size), (told.size, last)):
        assert asked(running, hand, old, new) == 200
    yield running
    running.close()


def asked(witness: Witness, hand: InHand, old: int, new: int) -> int:
    """The witness's answer to a head of this log, with the best proof that there is."""
    proof = tuple(consistency_proof(old, new, hand.hash_of)) if old < new else ()
    return witness.add_checkpoint(
        AddCheckpoint(old=old, proof=proof, checkpoint=hand.checkpoints[new]).encode(), 1_800_000_000
    ).status


REWRITES = [name for name in ATTACKS if name.startswith("stolen key") and "truncate" not in name]


@pytest.mark.parametrize("name", REWRITES)
def test_who_rewrites_everything_asks_the_witness(told: Told, witness: Witness, name: str) -> None:
    """The key signs; a witness that saw the other log never cosigns this one, not even when it has grown."""
    hand, _, _ = bent(name, told)
    stood, last = max(told.hand().checkpoints), len(hand.entries)
    if last == stood:
        assert asked(witness, hand, stood, last) == 422
    for old in (0, told.size):
        assert asked(witness, hand, old, last) == 409  # it says where it stands itself
    grown = told.hand().entries[-3:] * 2
    hand.entries += [type(one)(one.leaf, one.hash, 0) for one in grown]
    hand.rebuild(LOG_KEY)
    assert asked(witness, hand, stood, len(hand.entries)) == 422


def test_a_log_that_was_cut_asks_the_witness(told: Told, witness: Witness) -> None:
    hand, _, _ = bent("stolen key: truncate", told)
    stood = max(told.hand().checkpoints)
    assert asked(witness, hand, len(hand.entries), len(hand.entries)) == 409
    assert asked(witness, hand, stood, len(hand.entries)) == 400  # it can't even be said in the protocol


def test_the_honest_negative(told: Told, tmp_path: Path) -> None:
    """Behind the last head that anybody outside has, who holds the key can change the log. It is said how far."""
    hand = told.hand()
    hand.edit(told.size + 1, number)
    hand.rebuild(LOG_KEY)
    hand.put_tiles(tmp_path / "tiles")
    for report in (
        verify(f"sqlite:///{on_sqlite(hand, told, tmp_path)}", pin=told.pin, outside=[told.outside]),
        verify_tiles(tmp_path / "tiles", pin=told.pin, outside=[told.outside]),
    ):
        assert report.ok, report.in_words()
        assert (report.window.outside, report.window.uncovered) == (told.size, TAIL)
        said = f"Heads outside reach up to {told.size} entries: the {TAIL} after them can still be changed by"
        assert any(line.startswith(said) for line in report.in_words())
        assert report.as_json()["window"]["uncovered"] == TAIL


def test_a_fork_that_nobody_saw_yet_is_not_found_and_is_behind_the_head(told: Told, tmp_path: Path) -> None:
    hand, _, _ = bent("stolen key: fork after the last anchor", told)
    report = verify(f"sqlite:///{on_sqlite(hand, told, tmp_path)}", pin=told.pin, outside=[told.outside])
    assert report.ok
    assert report.window.uncovered == TAIL


def test_a_checkpoint_that_nothing_relied_on_is_missed_in_words(told: Told, tmp_path: Path) -> None:
    """A sealed vault leaves such gaps too, so it is no finding: it is counted and said."""
    hand = told.hand()
    honest = verify(f"sqlite:///{told.path}", pin=told.pin).window.unsigned_batches
    size = max(hand.checkpoints)
    newest = hand.checkpoints.pop(size)
    report = verify(f"sqlite:///{on_sqlite(hand, told, tmp_path)}", pin=told.pin)
    assert report.window.unsigned > 0
    assert report.in_words()[-1].endswith("NOT signed: find out why.")
    hand.checkpoints[size] = newest
    del hand.checkpoints[max(one for one in hand.checkpoints if one < size)]
    report = verify(f"sqlite:///{on_sqlite(hand, told, tmp_path)}", pin=told.pin)
    assert report.window.unsigned_batches == honest + 1
    assert any("have no checkpoint of their own" in line for line in report.in_words())


def test_another_head_signed_for_the_same_size(told: Told) -> None:
    """Somebody outside was shown another log of the very same size."""
    shown = signed_by(LOG_KEY, told.size, b"x" * 32)
    must_be_found(verify(f"sqlite:///{told.path}", pin=told.pin, outside=[told.outside, shown]), "anchor")
