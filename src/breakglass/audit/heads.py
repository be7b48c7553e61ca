"""Heads that people saw: does a statement's `log` line name a head that this log really had?"""

from base64 import b64encode

from sqlalchemy import select

from breakglass.audit.store_tree import hash_of
from breakglass.errors import Tampered
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust.statement import Statement
from breakglass.trust.tree import EMPTY_ROOT, Frontier


def present(look: Read) -> tuple[int, str]:
    """(size, base64 root) of the log as this transaction sees it, for a statement that is being drawn up."""
    head = look.conn.execute(select(books.head)).one()
    return head.size, b64encode(Frontier.unpack(head.size, head.frontier).root()).decode()


def must_fit(look: Read, statement: Statement) -> None:
    """Raises `Tampered` when the log never had the head that the signer saw: it was forked, cut or rebuilt."""
    size = look.conn.execute(select(books.head.c.size)).scalar_one()
    if statement.log_size > size or _root(look, statement.log_size) != statement.log_root:
        raise Tampered(
            f"The log that {statement.person} saw is not this log.",
            what_to_do="Stop. Call the custodians and the auditors; keep the statement.",
            about=statement.subject,
        )


def _root(look: Read, size: int) -> str:
    return b64encode(hash_of(look.conn, 0, size) if size else EMPTY_ROOT).decode()
