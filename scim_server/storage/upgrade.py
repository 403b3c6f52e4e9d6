"""Brings a database up to the newest version of its tables. Knows Alembic and its lock; the steps are migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as Db
from sqlalchemy import Engine, text

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 7643_7644  # any number that nothing else locks; PostgreSQL's advisory locks have numbers


class NewerDatabase(Exception):
    """The database was upgraded by a newer version of this program."""


def config_for(db: Db) -> Config:
    """Alembic's configuration, working on `db` and in its transaction."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = db
    return config


def upgrade(engine: Engine) -> bool:
    """Upgrade the database in one transaction and return whether there was anything to do.

    Processes that start at the same time wait for each other. Raises NewerDatabase.
    """
    with engine.connect().execution_options(writes=True) as db, db.begin():
        if db.dialect.name == "postgresql":
            db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = config_for(db)
        script = ScriptDirectory.from_config(config)
        current = MigrationContext.configure(db).get_current_revision()
        if current is not None and current not in {each.revision for each in script.walk_revisions()}:
            raise NewerDatabase(f"The database is at version {current}, which this scim-server is too old for.")
        if current == script.get_current_head():
            return False
        command.upgrade(config, "head")
        return True
