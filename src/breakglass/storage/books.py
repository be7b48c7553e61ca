"""The book-keeping tables: the log, duties, statements on offer, sign-ins, the roster's versions and what is derived
from it.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, UniqueConstraint

from breakglass.storage.columns import SERIAL, Instant, text
from breakglass.storage.tables import META

# -- the log (docs/formats/log.md) ------------------------------------------------------------------------------------
entry = Table(
    "entry",
    META,
    Column("idx", SERIAL, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    text("kind"),
    text("about"),
    text("by"),
    Column("at", Instant, nullable=False),
    Index("entry_about", "about", "idx"),
    Index("entry_kind", "kind", "idx"),
)
"""`leaf` counts; the other columns are derived from it for queries, and the verifier never trusts them."""
opening = Table(
    "opening",
    META,
    Column("idx", SERIAL, primary_key=True, autoincrement=False),
    text("name", primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    text("value"),
)
"""Private values: what opens the commitments in an entry's leaf (codec.private). Erasing deletes them."""
node = Table(
    "node",
    META,
    Column("level", Integer, primary_key=True),
    Column("n", SERIAL, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Roots of full 256-wide tiles: (1, n) covers 256 leaves, (2, n) 65,536, …"""
head = Table(
    "head",
    META,
    Column("id", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
)
checkpoint = Table(
    "checkpoint",
    META,
    Column("size", SERIAL, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
)

anchor = Table(
    "anchor",
    META,
    text("kind", primary_key=True),
    Column("size", SERIAL, primary_key=True, autoincrement=False),
    Column("receipt", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
)
"""What others said about the checkpoint of that size (audit.timestamps)."""

# -- duties -----------------------------------------------------------------------------------------------------------
outbox = Table(
    "outbox",
    META,
    Column("id", SERIAL, primary_key=True),
    text("kind"),
    Column("entry", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("dead", Integer, nullable=False),
    text("problem"),
    text("holder"),
    Index("outbox_due", "dead", "due_at"),
    sqlite_autoincrement=True,
)

# -- people at the doors ----------------------------------------------------------------------------------------------
offer = Table(
    "offer",
    META,
    text("id", primary_key=True),
    text("person"),
    text("kind"),
    text("subject"),
    text("text"),
    Column("until", Instant, nullable=False),
    Index("offer_for", "person", "kind", "subject"),
)
"""Statements that were handed out to be signed, so that a signature alone can come back."""
sign_in = Table(
    "sign_in",
    META,
    text("id", primary_key=True),
    text("token_hash", unique=True),
    text("person"),
    text("login"),
    text("key"),
    Column("made_at", Instant, nullable=False),
    Column("proved_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    text("from_address"),
    text("device"),
    Index("sign_in_of", "person"),
)
"""`until` moves on with use (a browser's idle end), never past `ends_at`; `proved_at` is when a key signed last."""
password = Table(
    "password",
    META,
    text("person", primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("set_at", Instant, nullable=False),
)
"""`sealed`: the seed of the one-time codes, under a key that only the password gives (identity.password)."""
recovery_code = Table("recovery_code", META, text("hash", primary_key=True), text("person"))
invitation = Table(
    "invitation",
    META,
    text("id", primary_key=True),
    text("token_hash", unique=True),
    text("person"),
    text("by"),
    Column("until", Instant, nullable=False),
)
"""One-time links that let somebody propose a passkey of theirs; gone once used."""

# -- the roster -------------------------------------------------------------------------------------------------------
roster = Table(
    "roster",
    META,
    Column("version", Integer, primary_key=True, autoincrement=False),
    text("hash"),
    Column("document", LargeBinary, nullable=False),
    text("statements"),
)
proposal = Table(
    "roster_proposal",
    META,
    text("id", primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),
    text("by"),
    Column("at", Instant, nullable=False),
    text("state"),
)
proposal_signature = Table(
    "roster_signature",
    META,
    text("proposal", ForeignKey("roster_proposal.id"), primary_key=True),
    text("person", primary_key=True),
    text("statement"),
    text("signature"),
)

# -- derived from the roster, for queries only ------------------------------------------------------------------------
person = Table(
    "person", META, text("id", primary_key=True), text("login"), text("name"), text("department"), text("roles")
)
key = Table("key", META, text("fingerprint", primary_key=True), text("person", index=True), text("label"))
target = Table(
    "target",
    META,
    text("id", primary_key=True),
    text("name"),
    text("environment"),
    text("endpoint"),
    text("host_key"),
)
account = Table(
    "account",
    META,
    text("id", primary_key=True),
    text("target", index=True),
    text("name"),
    text("username"),
    UniqueConstraint("target", "name"),
)
DERIVED = (person, key, target, account)
