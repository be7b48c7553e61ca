"""A change: the new values of some records, and the facts that explain them.

A rule returns one. It never says who or when: `Work.apply` stamps the actor and the instant on every fact,
so that no rule can forget or forge them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

Moves = Mapping[Any, frozenset[Any]]
"""A transition table: state -> the states that may follow."""


class Entity(Protocol):
    """A frozen dataclass that is one row of one table: fields are columns, values are scalars."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened, before it is numbered; once in the log it is an entry."""

    kind: str
    about: str
    data: Mapping[str, str | int | bool] = field(default_factory=dict)


E_co = TypeVar("E_co", bound=Entity, covariant=True)
Facts = tuple[Fact, *tuple[Fact, ...]]
"""At least one: the type checker refuses an unexplained change."""


@dataclass(frozen=True, slots=True)
class Change(Generic[E_co]):
    """What a rule decided: one record's new value, what explains it, and records that are written with it."""

    value: E_co
    facts: Facts
    also: tuple[Entity, ...] = ()
