"""Whatever stands in the rows beside the log: `audit verify` says what is wrong, and never fails of it itself."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from shutil import copyfile

import pytest

from breakglass.audit.copies import kind_of as copy_of
from breakglass.audit.cosignatures import kind_of as witness_of
from breakglass.audit.verify import verify
from breakglass.codec.cosignature import WitnessKey
from breakglass.flow import anchor
from breakglass.model.people import SYSTEM
from tests.audit.kit import World, key_of
from tests.audit.test_bundle import seen_by

NAME = "w1.example.org"
VALUES = {
    "text": "'text'", "no text": "''", "negative": "-1", "fraction": "1.5", "bytes": "x'ff'",
    "many bytes": "zeroblob(100000)",
    "huge": "9e99",
}  # fmt: skip
KINDS = ["rfc3161", witness_of(NAME), copy_of("webhook h.example"), "nothing that there is"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A log with a receipt, a cosignature and a copy."""
    path = tmp_path_factory.mktemp("log") / "breakglass.db"
    public = key_of(NAME).public_key().public_bytes_raw()
    known = [{"key": WitnessKey(name=NAME, public=public).text(), "url": f"https://{NAME}/"}]
    world = World(path, estate={"witnesses": {"quorum": 1, "known": known}})
    world.note(3)
    world.run(SYSTEM, anchor.made, "dep_test", "rfc3161", world.log.size, b"a receipt")
    seen_by(world, NAME)
    [(size, note)] = world.store.look(
        lambda look: list(look.conn.exec_driver_sql("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"))
    )
    world.run(SYSTEM, anchor.copied, "webhook h.example", size, bytes(note))
    world.stop()
    with closing(sqlite3.connect(path)) as rows:
        kept = rows.execute("SELECT count(*) FROM anchor").fetchone()
    assert kept == (3,)
    assert verify(world.url, pin=world.pin).ok
    return path, world.pin


def bent(log: tuple[Path, str], folder: Path, *statements: str) -> list[str]:
    """The findings' levels, after somebody wrote this."""
    copyfile(log[0], folder / "bent.db")
    with closing(sqlite3.connect(folder / "bent.db")) as rows:
        rows.execute("PRAGMA foreign_keys=OFF")
        for one in statements:
            assert rows.execute(one).rowcount, one
        rows.commit()
    report = verify(f"sqlite:///{folder / 'bent.db'}", pin=log[1])
    json.dumps(report.as_json())
    assert report.in_words()
    return [one.level for one in report.findings]


@pytest.mark.parametrize("kind", KINDS, ids=["receipt", "cosignature", "copy", "nothing"])
@pytest.mark.parametrize("column", ["receipt", "size", "at"])
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_in_an_anchor(log: tuple[Path, str], tmp_path: Path, kind: str, column: str, value: str) -> None:
    more = [f"INSERT INTO anchor SELECT '{kind}', size, receipt, at FROM anchor LIMIT 1"] * (kind == KINDS[-1])
    found = bent(
        log,
        tmp_path,
        *more,
        f"UPDATE anchor SET {column} = {value} WHERE kind = '{kind}'",
    )
    assert found or column == "at", "nobody sees it"  # when it was put down proves nothing, and nothing rests on it


@pytest.mark.parametrize("value", ["'text'", "1.5", "x'ff'"], ids=["text", "fraction", "bytes"])
def test_in_a_checkpoint(log: tuple[Path, str], tmp_path: Path, value: str) -> None:
    assert bent(log, tmp_path, f"UPDATE checkpoint SET note = {value}")


@pytest.mark.parametrize("kind", ["anchor.made", "evidence.exported", "entry.erased", "vault.rekeyed"])
def test_an_entry_that_claims_to_be_of_another_kind(log: tuple[Path, str], tmp_path: Path, kind: str) -> None:
    assert "column" in bent(log, tmp_path, f"UPDATE entry SET kind = '{kind}' WHERE idx = 2")


def test_an_entry_of_that_kind_that_is_no_entry(log: tuple[Path, str], tmp_path: Path) -> None:
    for leaf in ("x'ff'", "'text'", "'{}'", "x'7b7d'", "7"):
        assert bent(log, tmp_path, f"UPDATE entry SET leaf = {leaf} WHERE kind = 'anchor.made'")
