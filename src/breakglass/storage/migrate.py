"""Bringing a database to this version's tables, by Alembic's migrations beside this file."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

HERE = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Idempotent; each migration is one transaction where the database can do that."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
