"""The server's clock as people see it: right; or wrong, and who has to confirm the time."""

from datetime import datetime, timedelta

from breakglass.audit import times
from breakglass.storage.work import Read
from breakglass.trust import clock, statement
from breakglass.views import say, shapes
from breakglass.views.book import Book

LEEWAY = timedelta(seconds=60)


def shown(look: Read, book: Book, *, wall: datetime, vault: shapes.Vault) -> shapes.Clock:
    """`wall`: what the clock says. It is wrong when the vault is frozen, or when the log is ahead of it."""
    words = times.words(look, clock.subject(book.roster.deployment))
    signed = book.people(statement.parse(one.text).person for one in words)
    wrong = vault.clock_frozen or look.now > wall + LEEWAY
    needed = clock.needs(book.roster, look.now)
    return shapes.Clock(
        wrong=wrong,
        says=wall,
        seen=look.now,
        signed_by=signed,
        needed=needed,
        sentence=_sentence(wall, look.now, needed - len(signed), signed) if wrong else "The clock runs.",
    )


def _sentence(wall: datetime, seen: datetime, missing: int, signed: tuple[shapes.Who, ...]) -> str:
    by = f" {say.names(signed)} confirmed it." if signed else ""
    return (
        f"The clock says {say.at(wall, wall)} and {say.at(seen, wall)} has been: nothing is granted or released. "
        f"Set it right; or, when it is right now, {missing} more of the custodians confirm it.{by}"
    )
