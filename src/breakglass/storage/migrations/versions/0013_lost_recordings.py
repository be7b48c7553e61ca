"""Recordings say when their file is lost."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("recording", sa.Column("lost", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("recording", "lost")
