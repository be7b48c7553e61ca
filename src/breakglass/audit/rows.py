"""Tables against the log: a row that does not follow from it, says something else, or is missing.

Only columns that the log decides are compared; leases, tries and words of problems are the node's own notes.
"""

import json
from collections.abc import Mapping
from typing import Any

from breakglass.audit.follow import Rows
from breakglass.audit.report import Findings
from breakglass.audit.source import Source
from breakglass.storage.tables import META
from breakglass.trust.chain import Chain, Version
from breakglass.trust.roster import Roster

_STRANGE_IN_SQLITE = "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'trigger')"
_TABLES_OF_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'table'"
_SEEN = "pg_class c WHERE pg_table_is_visible(c.oid)"
_STRANGE_IN_POSTGRESQL = f"""
    SELECT 'view', c.relname FROM {_SEEN} AND c.relkind IN ('v', 'm', 'f', 'p')
    UNION ALL SELECT 'row policy', c.relname FROM {_SEEN} AND c.relrowsecurity
    UNION ALL SELECT 'trigger', c.relname
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL SELECT 'rule', c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.relkind = 'r'
"""  # noqa: S608 (our own words)
_TABLES_OF_POSTGRESQL = f"SELECT c.relname FROM {_SEEN} AND c.relkind = 'r'"  # noqa: S608


def compare(db: Source, expected: Rows, findings: Findings) -> int:
    """How many rows were compared."""
    return sum(_table(db, name, "id", rows, findings) for name, rows in expected.items())


def compare_roster(db: Source, chain: Chain, versions: Mapping[int, Version], findings: Findings) -> int:
    """The stored versions, and the tables that are derived from the last one."""
    stored: dict[str, dict[str, Any]] = {}
    for number, version in versions.items():
        statements = [[signed.text, signed.signature] for signed in version.statements]
        row = {"hash": chain.at(number).hash, "document": version.document, "statements": json.dumps(statements)}
        stored[str(number)] = row
    compared = _table(db, "roster", "version", stored, findings)
    for name, (key, rows) in _derived(chain.head).items():
        compared += _table(db, name, key, rows, findings)
    return compared


def schema(db: Source, findings: Findings) -> None:
    """A view that stands in for a table, a trigger, a rule or a row policy would make the node see what is not there.

    A PostgreSQL database may have other tables and views beside ours: only what touches ours is judged."""
    for kind, name in db.rows(_STRANGE_IN_SQLITE if db.sqlite else _STRANGE_IN_POSTGRESQL):
        if db.sqlite or name in META.tables:
            findings.add("database", f"{kind} {name}", f"The database has a {kind} that Breakglass did not make.")
    there = {name for (name,) in db.rows(_TABLES_OF_SQLITE if db.sqlite else _TABLES_OF_POSTGRESQL)}
    for table in META.tables:
        if table not in there:
            findings.add("database", f"table {table}", "The table is missing.")


def _table(db: Source, table: str, key: str, expected: Mapping[str, Mapping[str, Any]], findings: Findings) -> int:
    left, compared = set(expected), 0
    for row in db.named(f'SELECT * FROM "{table}" ORDER BY "{key}"'):  # noqa: S608 (our own names)
        id = str(row.get(key))
        compared += 1
        wanted = expected.get(id)
        if wanted is None:
            findings.add("row", f"{table} {id}", f"This row of the table {table} does not follow from the log.")
            continue
        left.discard(id)
        differing = [name for name, value in wanted.items() if name not in row or not _same(row[name], value)]
        if differing:
            words = f"Its {', '.join(differing)} in the table {table} does not follow from the log."
            findings.add("row", f"{table} {id}", words)
    for id in sorted(left):
        findings.add("row", f"{table} {id}", f"The log tells of it, and the table {table} does not have it.")
    return compared


def _same(stored: Any, wanted: Any) -> bool:
    """Also the types are the same: SQLite keeps a text in a number's column, and the node would stumble over it."""
    if isinstance(wanted, str):
        return isinstance(stored, str) and stored == str(wanted)
    return type(stored) is type(wanted) and bool(stored == wanted)


def _derived(roster: Roster) -> dict[str, tuple[str, dict[str, dict[str, Any]]]]:
    return {
        "person": (
            "id",
            {
                one.id: {
                    "login": one.login,
                    "name": one.name,
                    "department": one.department,
                    "roles": " ".join(sorted(one.roles)),
                }
                for one in roster.people.values()
            },
        ),
        "key": (
            "fingerprint",
            {
                key.fingerprint: {"person": one.id, "label": key.label}
                for one in roster.people.values()
                for key in one.keys
            },
        ),
        "target": (
            "id",
            {
                one.id: {
                    "name": one.name,
                    "environment": one.environment.value,
                    "endpoint": str(one.endpoint),
                    "host_key": one.endpoint.host_key,
                }
                for one in roster.targets.values()
            },
        ),
        "account": (
            "id",
            {
                one.id: {"target": one.target, "name": one.name, "username": one.username}
                for one in roster.accounts.values()
            },
        ),
    }
