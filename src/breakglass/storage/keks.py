"""Which stored secrets still need an old key-encryption key: read from the first bytes of their envelopes."""

from sqlalchemy import func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from breakglass.model.credential import Credential
from breakglass.storage.tables import credential_t
from breakglass.storage.work import Read

_c = credential_t.c


def not_under(look: Read, prefix: bytes, *, but: frozenset[str], limit: int) -> list[Credential]:
    """Credentials whose envelope does not begin with `prefix` (vault.envelope.prefix), without those of `but`."""
    query = select(credential_t).where(_other(prefix), _c.id.not_in(sorted(but))).order_by(_c.id).limit(limit)
    return [Credential(**row) for row in look.rows(query)]


def count_not_under(look: Read, prefix: bytes) -> int:
    """How many there are, damaged ones among them."""
    found = look.conn.execute(select(func.count()).select_from(credential_t).where(_other(prefix)))
    return int(found.scalar_one())


def _other(prefix: bytes) -> ColumnElement[bool]:
    return func.substr(_c.sealed, 1, len(prefix)) != literal(prefix, _c.sealed.type)
