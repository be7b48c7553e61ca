"""What custodians have said about the present instant, since the last time that their word was taken or refused."""

from breakglass.audit.words import e, since
from breakglass.storage.work import Read
from breakglass.trust.statement import Signed

SIGNED, REFUSED, CONFIRMED = "clock.signed", "clock.refused", "clock.confirmed"


def words(look: Read, about: str) -> list[Signed]:
    """Statements that wait for others, oldest first. `about`: the clock's subject (trust.clock)."""
    return [one.signed for one in since(look, SIGNED, (REFUSED, CONFIRMED), e.about == about)]


def ever(look: Read, about: str) -> list[Signed]:
    """All of them: no statement counts twice."""
    return [one.signed for one in since(look, SIGNED, (), e.about == about)]
