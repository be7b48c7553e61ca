"""Accounts may be dormant between uses; rotations are owed for one more reason, and keep what was observed.

Revision ID: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

BEFORE = [
    "id",
    "account",
    "because",
    "grant",
    "owed_at",
    "candidate",
    "fence",
    "leased_until",
    "holder",
    "tries",
    "guesses",
    "guessed_at",
    "next_at",
    "problem",
    "remains",
    "done_at",
    "state",
]
BECAUSE = "\"because\" IN ('login', 'close', 'demand', 'deposit', 'suspicion', 'schedule', 'dependent', 'dormant')"


def upgrade() -> None:
    op.create_table(
        "dormancy",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("\"state\" IN ('enabling', 'enabled', 'disabling', 'disabled')", name="dormancy_state"),
        sa.PrimaryKeyConstraint("id"),
    )
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("rotation_because", "rotation", type_="check")
        op.create_check_constraint("rotation_because", "rotation", BECAUSE)
        op.add_column("rotation", sa.Column("proof", sa.String(), nullable=False, server_default=""))
        op.alter_column("rotation", "proof", server_default=None)
        return
    # SQLite changes no constraint in place: the table is made anew.
    op.rename_table("rotation", "rotation_before")
    for name in ("ix_rotation_account", "rotation_due"):
        op.drop_index(name, "rotation_before")
    op.create_table(
        "rotation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("because", sa.String(32), nullable=False),
        sa.Column("grant", sa.String(), nullable=False),
        sa.Column("owed_at", sa.BigInteger(), nullable=False),
        sa.Column("candidate", sa.String(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("guesses", sa.Integer(), nullable=False),
        sa.Column("guessed_at", sa.BigInteger(), nullable=True),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("remains", sa.String(), nullable=False),
        sa.Column("proof", sa.String(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.CheckConstraint(BECAUSE, name="rotation_because"),
        sa.CheckConstraint(
            "\"state\" IN ('owed', 'staged', 'applying', 'applied', 'unknown', 'verified', 'done', 'refused', 'reconcile')",
            name="rotation_state",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    names = ", ".join(f'"{name}"' for name in BEFORE)
    op.execute(f"INSERT INTO rotation ({names}, proof) SELECT {names}, '' FROM rotation_before")  # noqa: S608
    op.drop_table("rotation_before")
    op.create_index(op.f("ix_rotation_account"), "rotation", ["account"], unique=False)
    op.create_index("rotation_due", "rotation", ["state", "next_at"], unique=False)
