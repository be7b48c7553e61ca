"""A secret in memory: prints `***`, opens at one place that is easy to search for, and can be wiped.

Python may have copied the bytes before they came here, and `reveal()` makes one more copy; docs say so openly. Wiping
shortens the time for which the original stands in memory, it does not undo copies.
"""

from types import TracebackType
from typing import Self


class Secret:
    """Bytes that no log, traceback or `repr` shows."""

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._bytes = value if isinstance(value, bytearray) else bytearray(value)

    def reveal(self) -> bytes:
        """The bytes themselves. Every call is a place to review."""
        return bytes(self._bytes)

    def wipe(self) -> None:
        """Overwrite the bytes; afterwards the secret is empty."""
        self._bytes[:] = bytes(len(self._bytes))
        del self._bytes[:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._bytes)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")
