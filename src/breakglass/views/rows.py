"""Rows as the model's entities: the one query that views are made of."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnCollection, ColumnElement, select

from breakglass.model.change import Entity
from breakglass.storage.tables import ENTITIES
from breakglass.storage.work import Read

E = TypeVar("E", bound=Entity)


def columns(kind: type[Any]) -> ColumnCollection[str, Any]:
    """The columns of an entity's table, to ask with."""
    return ENTITIES[kind].c


def found(
    look: Read, kind: type[E], *where: ColumnElement[bool], newest: str = "", limit: int | None = None, skip: int = 0
) -> Sequence[E]:
    """Entities for which all of `where` holds; `newest` names the instant by which the latest come first."""
    table = ENTITIES[kind]
    query = select(table).where(*where)
    if newest:
        query = query.order_by(table.c[newest].desc(), table.c.id)
    rows = look.conn.execute(query.limit(limit).offset(skip or None))
    return [kind(**row._mapping) for row in rows]
