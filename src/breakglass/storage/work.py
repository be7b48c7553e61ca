"""One step's transaction: what a step sees of the database, and the only way in which audited state changes.

`Read` looks; `Work` also applies changes and notes facts, on behalf of one actor, at one instant. A step is a plain
function of a `Work`: it can't await, so no transaction ever waits for the network.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Select, insert, select, update

from breakglass.errors import NotFound
from breakglass.model.change import Change, Entity, Fact
from breakglass.model.people import Actor
from breakglass.storage.tables import ENTITIES

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=Entity)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A fact with its author and instant: what becomes a leaf."""

    fact: Fact
    by: str
    at: datetime


class Ledger(Protocol):
    """What the writer needs of the audit log."""

    def lock(self, conn: Connection) -> None:
        """Wait for this writer's turn, and take in what other nodes appended: first in each write transaction."""
        ...

    def follow(self, conn: Connection) -> None:
        """Take in, from a reader's snapshot, what other nodes appended."""
        ...

    def append(self, conn: Connection, stamped: Sequence[Stamped]) -> int: ...
    def latest(self) -> datetime: ...
    def committed(self, size: int) -> None: ...


class Read:
    """What a page may do: look."""

    lock = False

    def __init__(self, conn: Connection, now: datetime) -> None:
        self._conn, self.now = conn, now

    @property
    def conn(self) -> Connection:
        """For modules that keep books (duties, offers, the log); import-linter keeps SQL out of everybody else."""
        return self._conn

    def get(self, kind: type[E], id: str) -> E:
        """The entity with this id. Raises `NotFound`."""
        found = self.find(kind, id=id)
        if not found:
            name = ENTITIES[kind].name.replace("_", " ")
            raise NotFound(f"There is no {name} {id[:60]!r}.", what_to_do="Check the id.", about=id[:60])
        return found[0]

    def find(self, kind: type[E], **equal: Any) -> Sequence[E]:
        """All entities whose columns equal these values, oldest id first where that means anything."""
        table = ENTITIES[kind]
        query = select(table).filter_by(**equal)
        rows = self.conn.execute(query.with_for_update() if self.lock else query)
        return [kind(**row._mapping) for row in rows]

    def rows(self, query: Select[Any]) -> Sequence[dict[str, Any]]:
        return [dict(row) for row in self.conn.execute(query).mappings()]


class Work(Read):
    lock = True

    def __init__(self, conn: Connection, now: datetime, actor: Actor, node: str) -> None:
        super().__init__(conn, now)
        self.actor, self.node = actor, node
        self.stamped: list[Stamped] = []
        self.saved = False
        self._seen: dict[tuple[type[Any], str], Entity] = {}

    @property
    def conn(self) -> Connection:
        if not self.saved:  # a step that only notes facts needs no savepoint
            self._conn.exec_driver_sql("SAVEPOINT step")
            self.saved = True
        return self._conn

    def find(self, kind: type[E], **equal: Any) -> Sequence[E]:
        found = super().find(kind, **equal)
        self._seen.update({(kind, one.id): one for one in found})
        return found

    def apply(self, change: Change[E]) -> E:
        """Write a change's records and note its facts. The only way that audited state ever changes."""
        # What follows from a record may point to it, so the record itself goes first.
        self._write(change.value)
        for record in change.also:
            self._write(record)
        self.note(*change.facts)
        return change.value

    def note(self, *facts: Fact) -> None:
        """Note what happened where no record changes: a sign-in, a release, a recording's head."""
        self.stamped += [Stamped(fact, self.actor.id, self.now) for fact in facts]

    def set_time(self, now: datetime, fact: Fact) -> None:
        """Go on from another instant, which may lie before the log's last one: `fact` says so, and is the first of it.

        Nothing else makes the log's instants go back. Whoever calls this has the custodians' word (flow.clock)."""
        self.now = now
        self.note(fact)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{secrets.token_hex(10)}"

    def _write(self, record: Entity) -> None:
        kind, table = type(record), ENTITIES[type(record)]
        was = self._seen.get((kind, record.id))
        row = {f.name: getattr(record, f.name) for f in fields(record)}
        if was is None:  # not read in this transaction: must be new, or the primary key says so
            self.conn.execute(insert(table), row)
        else:
            old, new = getattr(was, "state", None), row.get("state")
            if old != new and new not in getattr(kind, "MOVES", {}).get(old, ()):
                raise AssertionError(f"{kind.__name__} may not go from {old} to {new}")
            changed = {name: value for name, value in row.items() if getattr(was, name) != value}
            if changed:
                self.conn.execute(update(table).where(table.c.id == record.id), changed)
        self._seen[kind, record.id] = record


Step = Callable[Concatenate[Work, P], T]
Consequences = Mapping[str, Sequence[str]]
"""Kind of fact -> kinds of duty that follow from it."""
