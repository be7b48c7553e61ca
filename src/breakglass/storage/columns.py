"""Column types: instants, durations and states as every database sorts and checks them."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, String, Table
from sqlalchemy.types import TypeDecorator

SERIAL = BigInteger().with_variant(Integer, "sqlite")


def micros(at: datetime) -> int:
    """An instant as `Instant` stores it."""
    return round(at.timestamp() * 1_000_000)


class Instant(TypeDecorator[datetime]):
    """Aware UTC, in whole microseconds since 1970; sorts as a number in every database."""

    impl, cache_ok = BigInteger, True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


class Span(TypeDecorator[timedelta]):
    """Whole milliseconds."""

    impl, cache_ok = BigInteger, True

    def process_bind_param(self, value: timedelta | None, dialect: Any) -> int | None:
        return None if value is None else round(value.total_seconds() * 1_000)

    def process_result_value(self, value: int | None, dialect: Any) -> timedelta | None:
        return None if value is None else timedelta(milliseconds=value)


class Word(TypeDecorator[StrEnum]):
    """One of an enumeration's words, as text."""

    impl, cache_ok = String(32), True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Any) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Any) -> StrEnum | None:
        return None if value is None else self.words(value)


def guard(table: Table) -> Table:
    """Let the database refuse a word that is none of the enumeration's, as a second line behind `MOVES`."""
    for column in table.columns:
        if isinstance(column.type, Word):
            words = ", ".join(f"'{word}'" for word in column.type.words)
            table.append_constraint(
                CheckConstraint(f'"{column.name}" IN ({words})', name=f"{table.name}_{column.name}")
            )
    return table


def text(name: str, *more: Any, **options: Any) -> Column[str]:
    return Column(name, String, *more, nullable=options.pop("nullable", False), **options)
