"""Whether a statement was brought before: each serves once, and `audit verify` says so of a log that took one twice."""

from sqlalchemy import select

from breakglass.audit import event
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust.statement import Statement, parse

_e = books.entry.c


def before(look: Read, about: str, statement: Statement) -> bool:
    """`about`: what its entry is about. Looks through the signatures of that alone: for custodians' words, which are
    few."""
    said = select(_e.leaf).where(_e.about == about, _e.kind.endswith(".signed"))
    texts = (event.parse(leaf).text("statement") for leaf in look.conn.execute(said).scalars())
    return any(parse(text).nonce == statement.nonce for text in texts)
