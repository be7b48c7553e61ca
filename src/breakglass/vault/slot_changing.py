"""A change of the seal's slots that waits to be written down: it is proven, and the log is told first."""

from collections.abc import Callable
from dataclasses import dataclass

from breakglass.errors import WrongState
from breakglass.vault.entering import FORGET_AFTER
from breakglass.vault.seal import Seal

_NAME = 16


def name_of(seal_hash: str) -> str:
    """A seal's name among people and in the log: the beginning of its SHA-256."""
    return seal_hash[:_NAME]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    seal: Seal
    name: str
    instead_of: str
    """Hex SHA-256 of the seal that it was made from."""
    at: float


class SlotChanging:
    """The last one that was begun; it is in memory only, and forgotten after an hour and when the vault is sealed."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._waiting: Waiting | None = None

    def begin(self, seal: Seal, name: str, instead_of: str) -> None:
        self._waiting = Waiting(seal=seal, name=name, instead_of=instead_of, at=self._monotonic())

    def waits(self, name: str, present: str) -> Seal:
        """The seal of this name. Raises `WrongState` where none waits, or the seal that is there became another one."""
        found = self._waiting
        if found is None or (found.name, found.instead_of) != (name, present):
            raise WrongState(
                "This change of the seal does not wait any more: it is forgotten after an hour, when the vault is "
                "sealed, and when the seal changed otherwise.",
                what_to_do="Begin again. The slots that were there hold.",
            )
        return found.seal

    def forget(self) -> None:
        self._waiting = None

    def forget_old(self) -> None:
        if self._waiting and self._monotonic() - self._waiting.at > FORGET_AFTER:
            self.forget()
