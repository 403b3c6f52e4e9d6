"""Carries the steps of an upgrade out. Knows Alembic and its lock; the steps themselves are migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as Db
from sqlalchemy import Engine, text

from scim_server.storage.db import transaction
from scim_server.storage.upgrade import MIGRATIONS, NewerDatabase, StrayRows

_ROWS: Final = 100_000
_SAME_KEY: Final = 10
_COMMON: Final = ("workspace_id", "connection_id", "archived", "status")  # what very many rows have in common
_LOCK: Final = 7643_7644  # any number that nothing else locks; PostgreSQL's advisory locks have numbers


def config_for(db: Db) -> Config:
    """Alembic's configuration, working on `db` and in its transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = db
    return config


def carry_out(engine: Engine) -> bool:
    """Upgrade the database in one transaction and return whether there was anything to do.

    Processes that start at the same time wait for each other. Raises NewerDatabase, StrayRows.
    """
    with _changing(engine) as db:
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
        if db.dialect.name == "sqlite":
            _check_references(db)
            _foresee_sizes(db)
        return True


@contextmanager
def _changing(engine: Engine) -> Iterator[Db]:
    """A transaction to change tables in. On SQLite references aren't looked at meanwhile: see _check_references.

    There most changes of a table make it anew, and dropping the old one would delete what refers to it.
    """
    if engine.dialect.name != "sqlite":
        with transaction(engine, "write") as db:
            yield db
        return
    with engine.connect().execution_options(purpose="write") as db:
        driver: Any = db.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")  # within a transaction it would do nothing
        try:
            with db.begin():
                yield db
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _check_references(db: Db) -> None:
    if astray := db.execute(text("PRAGMA foreign_key_check")).all():
        raise StrayRows(f"The upgrade would leave rows that refer to nothing, the first in {astray[0].table}.")


def _foresee_sizes(db: Db) -> None:
    """Tell SQLite how the tables will look: rows are many in a workspace and few with one key in it.

    Without statistics it takes a workspace for ten rows and walks them all; with true ones, its plans would depend on
    the day they were taken.
    """
    db.execute(text("ANALYZE"))  # makes the table of statistics
    db.execute(text("DELETE FROM sqlite_stat1"))
    tables = db.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
    for table in tables:
        for _, index, unique, *_ in db.exec_driver_sql(f"PRAGMA index_list({table})").all():
            columns = [name for _, _, name in db.exec_driver_sql(f"PRAGMA index_info({index})")]
            sizes = [_ROWS]
            for name in columns:
                sizes.append(min(sizes[-1], _ROWS if name in _COMMON else _SAME_KEY))
            if unique:
                sizes[-1] = 1
            row = {"table": table, "index": index, "sizes": " ".join(map(str, sizes))}
            db.execute(text("INSERT INTO sqlite_stat1 VALUES (:table, :index, :sizes)"), row)
    db.execute(text("ANALYZE sqlite_master"))  # read anew by this connection; others do when they open
