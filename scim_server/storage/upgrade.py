"""Brings a database up to the newest version of its tables, which mostly is to see that it is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect, text

from scim_server.storage.db import transaction

MIGRATIONS: Final = Path(__file__).parent / "migrations"


class NewerDatabase(Exception):
    """The database was upgraded by a newer version of this program."""


class StrayRows(Exception):
    """An upgrade would leave rows that refer to nothing."""


def upgrade(engine: Engine) -> bool:
    """Upgrade the database in one transaction and return whether there was anything to do.

    Processes that start at the same time wait for each other. Raises NewerDatabase, StrayRows.
    """
    if _version(engine) == newest():
        return False
    # Alembic is a tenth of what starting a command takes, and few commands have anything to upgrade
    from scim_server.storage.steps import carry_out

    return carry_out(engine)


def newest() -> str:
    """The newest version: files of migrations are named after the version that they lead to."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _version(engine: Engine) -> str | None:
    """The version that the database is at; None for a new one."""
    with transaction(engine, "read") as db:
        if not inspect(db).has_table("alembic_version"):
            return None
        found: str | None = db.scalar(text("SELECT version_num FROM alembic_version"))
        return found
