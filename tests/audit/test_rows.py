"""Rows of tables that do not follow from the log: every one of these opens nothing, and every one is named."""

from pathlib import Path

import pytest

from breakglass.audit.verify import verify
from tests.audit.attacks import attacked
from tests.audit.kit import World

INSERT = {
    "approval": "INSERT INTO approval SELECT 'apr_new', 'req_denied', 'usr_cy', statement, signature, at FROM approval "
    "LIMIT 1",
    "request": "INSERT INTO request SELECT 'req_new', \"by\", key, account, condition, reason, access_for, asked_at, "
    "decide_by, 'approved' FROM request LIMIT 1",
    "person": "INSERT INTO person VALUES ('usr_mal', 'mal', 'Mal', 'IT', 'approver')",
    "key": "INSERT INTO key VALUES ('SHA256:x', 'usr_alice', 'key')",
    "target": "INSERT INTO target SELECT 'tgt_new', 'new', environment, endpoint, host_key FROM target",
    "account": "INSERT INTO account VALUES ('acc_new', 'tgt_db1', 'new', 'root')",
    "roster": "INSERT INTO roster SELECT 2, hash, document, statements FROM roster WHERE version = 1",
    "credential": "INSERT INTO credential SELECT 'crd_new', account, 99, sealed, made_at, 'unused' FROM credential "
    "LIMIT 1",
}
ATTACKS = [
    ("UPDATE request SET state = 'approved' WHERE id = 'req_denied'", "request req_denied"),
    ("UPDATE request SET access_for = access_for * 10 WHERE id = 'req_one'", "request req_one"),
    ("UPDATE request SET reason = 'Another one.' WHERE id = 'req_one'", "request req_one"),
    ("UPDATE request SET decide_by = decide_by + 1 WHERE id = 'req_one'", "request req_one"),
    ("UPDATE request SET key = 'SHA256:mine' WHERE id = 'req_one'", "request req_one"),
    ("DELETE FROM approval WHERE \"by\" = 'usr_bo'", "approval"),
    ("UPDATE approval SET \"by\" = 'usr_alice' WHERE \"by\" = 'usr_bo'", "approval"),
    ("UPDATE approval SET statement = replace(statement, 'usr_alice', 'usr_dora')", "approval"),
    ("UPDATE approval SET signature = 'x' WHERE \"by\" = 'usr_cy'", "approval"),
    ("UPDATE \"grant\" SET ends_at = ends_at + 3600000000", "grant grt_one"),
    ("UPDATE \"grant\" SET state = 'active'", "grant grt_one"),
    ("UPDATE \"grant\" SET \"to\" = 'usr_mal'", "grant grt_one"),
    ("UPDATE \"grant\" SET token = token || ' '", "grant grt_one"),
    ("UPDATE \"grant\" SET ends_at = CAST(ends_at AS TEXT) || 'x'", "grant grt_one"),
    ("UPDATE session SET state = 'running', ended_at = NULL", "session ses_one"),
    ("UPDATE session SET from_address = '198.51.100.1'", "session ses_one"),
    ("DELETE FROM session", "session ses_one"),
    ("UPDATE recording SET head = '33'", "recording rec_one"),
    ("UPDATE recording SET state = 'truncated'", "recording rec_one"),
    ("UPDATE credential SET version = 40 WHERE id = 'crd_first'", "credential crd_first"),
    ("UPDATE credential SET state = 'unused' WHERE state = 'current'", "credential crd_fourth"),
    ("DELETE FROM credential WHERE id = 'crd_second'", "credential crd_second"),
    ("UPDATE rotation SET state = 'owed', candidate = NULL", "rotation"),
    ("UPDATE rotation SET remains = 'a process'", "rotation"),
    ("UPDATE review SET state = 'open'", "review"),
    ("UPDATE review SET summary = 'Nothing happened.'", "review"),
    ("UPDATE review SET classification = 'emergency'", "review"),
    ("DELETE FROM review", "review"),
    ("UPDATE ticket SET state = 'open'", "ticket"),
    ("UPDATE person SET roles = 'approver' WHERE id = 'usr_alice'", "person usr_alice"),
    ("DELETE FROM key WHERE person = 'usr_bo'", "key SHA256"),
    ("UPDATE key SET person = 'usr_alice' WHERE person = 'usr_bo'", "key SHA256"),
    ("UPDATE target SET endpoint = 'ssh://evil.example.org:22'", "target tgt_db1"),
    ("UPDATE account SET username = 'admin'", "account acc_db1-root"),
    ("UPDATE roster SET hash = 'x' WHERE version = 0", "roster 0"),
    ("UPDATE roster SET document = CAST(replace(CAST(document AS TEXT), 'plant', 'plane') AS BLOB)", "roster 0"),
    ("UPDATE roster SET statements = '[]' WHERE version = 1", "roster 1"),
    ("DELETE FROM roster WHERE version = 1", "roster 1"),
]  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    world = World(tmp_path_factory.mktemp("story") / "breakglass.db")
    world.story()
    world.stop()
    return world.path, world.pin


@pytest.mark.parametrize(("sql", "where"), ATTACKS, ids=[sql for sql, _ in ATTACKS])
def test_a_changed_row_is_named(told: tuple[Path, str], tmp_path: Path, sql: str, where: str) -> None:
    changed = attacked(told[0], tmp_path / "a.db", lambda conn: conn.execute(sql).rowcount)
    assert changed
    report = verify(f"sqlite:///{tmp_path / 'a.db'}", pin=told[1])
    [found] = report.findings
    assert found.level == "row"
    assert found.where.startswith(where), found


@pytest.mark.parametrize("table", INSERT)
def test_an_inserted_row_is_named(told: tuple[Path, str], tmp_path: Path, table: str) -> None:
    assert attacked(told[0], tmp_path / "a.db", lambda conn: conn.execute(INSERT[table]).rowcount) == 1
    report = verify(f"sqlite:///{tmp_path / 'a.db'}", pin=told[1])
    [found] = report.findings
    assert (found.level, found.where.split(" ")[0]) == ("row", table)
    assert "does not follow from the log" in found.words


def test_a_table_that_is_gone_is_named(told: tuple[Path, str], tmp_path: Path) -> None:
    attacked(told[0], tmp_path / "a.db", lambda conn: conn.execute("DROP TABLE approval"))
    report = verify(f"sqlite:///{tmp_path / 'a.db'}", pin=told[1])
    assert next((one.level, one.where) for one in report.findings) == ("database", "table approval")


def test_words_from_the_database_move_no_cursor(told: tuple[Path, str], tmp_path: Path) -> None:
    sql = "INSERT INTO account VALUES ('acc_' || char(27) || '[2J', 'tgt_db1', 'new', 'root')"
    attacked(told[0], tmp_path / "a.db", lambda conn: conn.execute(sql))
    report = verify(f"sqlite:///{tmp_path / 'a.db'}", pin=told[1])
    assert not report.ok
    assert all(line.isprintable() for line in report.in_words())
