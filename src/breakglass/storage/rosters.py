"""The roster's versions and proposals as rows, and the tables that are derived from the version that holds."""

import json

from sqlalchemy import delete, insert, select, update

from breakglass.errors import NotFound
from breakglass.storage import books
from breakglass.storage.work import Read, Work
from breakglass.trust.chain import Version
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Signed

p, s = books.proposal.c, books.proposal_signature.c


def versions(look: Read, *, since: int = 0) -> list[Version]:
    """The stored versions from `since` on, oldest first; whoever uses them verifies them (trust.chain)."""
    r = books.roster.c
    rows = look.conn.execute(select(r.document, r.statements).where(r.version >= since).order_by(r.version))
    return [Version(row.document, _signed(row.statements)) for row in rows]


def put_version(work: Work, roster: Roster, version: Version) -> None:
    statements = json.dumps([[signed.text, signed.signature] for signed in version.statements])
    row = {"version": roster.version, "hash": roster.hash, "document": version.document, "statements": statements}
    work.conn.execute(insert(books.roster), row)
    derive(work, roster)


def derive(work: Work, roster: Roster) -> None:
    """Write the query tables anew from a verified version."""
    for table in books.DERIVED:
        work.conn.execute(delete(table))
    people = roster.people.values()
    rows = {
        books.person: [
            {
                "id": o.id,
                "login": o.login,
                "name": o.name,
                "department": o.department,
                "roles": " ".join(sorted(o.roles)),
            }
            for o in people
        ],
        books.key: [{"fingerprint": k.fingerprint, "person": o.id, "label": k.label} for o in people for k in o.keys],
        books.target: [
            {
                "id": t.id,
                "name": t.name,
                "environment": t.environment.value,
                "endpoint": str(t.endpoint),
                "host_key": t.endpoint.host_key,
            }
            for t in roster.targets.values()
        ],
        books.account: [
            {"id": a.id, "target": a.target, "name": a.name, "username": a.username} for a in roster.accounts.values()
        ],
    }
    for table, values in rows.items():
        if values:
            work.conn.execute(insert(table), values)


def put_proposal(work: Work, id: str, version: int, document: bytes) -> None:
    row = {"id": id, "version": version, "document": document, "by": work.actor.id, "at": work.now, "state": "open"}
    work.conn.execute(insert(books.proposal), row)


def proposal(look: Read, id: str) -> Version:
    """An open proposal with the signatures that it has. Raises `NotFound`."""
    document = look.conn.execute(select(p.document).where(p.id == id, p.state == "open")).scalar_one_or_none()
    if document is None:
        raise NotFound(f"There is no open proposal {id[:60]!r}.", what_to_do="Look at `breakglass estate proposals`.")
    rows = look.conn.execute(select(s.statement, s.signature).where(s.proposal == id).order_by(s.person))
    return Version(document, tuple(Signed(row.statement, row.signature) for row in rows))


def proposals(look: Read) -> list[dict[str, object]]:
    """Open proposals: id, version, who, when, and who signed."""
    found = look.rows(select(p.id, p.version, p.by, p.at).where(p.state == "open").order_by(p.at))
    signed = look.rows(select(s.proposal, s.person))
    return [{**row, "signed": [one["person"] for one in signed if one["proposal"] == row["id"]]} for row in found]


def put_signature(work: Work, id: str, person: str, signed: Signed) -> None:
    work.conn.execute(delete(books.proposal_signature).where(s.proposal == id, s.person == person))
    row = {"proposal": id, "person": person, "statement": signed.text, "signature": signed.signature}
    work.conn.execute(insert(books.proposal_signature), row)


def settle_proposals(work: Work, adopted: str) -> None:
    """One was adopted: the others built on the same version and are void."""
    work.conn.execute(update(books.proposal).where(p.state == "open", p.id != adopted), {"state": "void"})
    work.conn.execute(update(books.proposal).where(p.id == adopted), {"state": "adopted"})


def _signed(statements: str) -> tuple[Signed, ...]:
    return tuple(Signed(text, signature) for text, signature in json.loads(statements))
