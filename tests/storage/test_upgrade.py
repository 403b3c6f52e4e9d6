"""Databases are brought up to date once, by whoever comes first, and never down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from scim_server.storage.db import open_engine, reading, transaction
from scim_server.storage.tables import metadata
from scim_server.storage.upgrade import NewerDatabase, upgrade
from tests.conftest import DATABASES


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """An empty database."""
    return new_database(request.param)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_an_empty_database_is_upgraded_once(engine: Engine) -> None:
    assert upgrade(engine) is True
    assert upgrade(engine) is False
    with reading(engine) as db:
        assert set(metadata.tables) < set(inspect(db).get_table_names())


def test_migrations_make_the_tables_that_the_program_knows(engine: Engine) -> None:
    upgrade(engine)
    with reading(engine) as db:
        assert compare_metadata(MigrationContext.configure(db), metadata) == []


def test_a_database_from_the_future_is_left_alone(engine: Engine) -> None:
    upgrade(engine)
    with transaction(engine, "write") as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match=r"version 9999.*too old"):
        upgrade(engine)
    with reading(engine) as db:
        assert db.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_threads_that_upgrade_at_once(url: str) -> None:
    engines = [open_engine(url) for _ in range(4)]
    with ThreadPoolExecutor(len(engines)) as pool:
        assert sorted(pool.map(upgrade, engines)) == [False, False, False, True]
    for engine in engines:
        engine.dispose()


def test_processes_that_upgrade_at_once(url: str, engine: Engine) -> None:
    command = [sys.executable, "-m", "scim_server.cli", "migrate", "--database", url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()
    assert upgrade(engine) is False


def test_a_failed_upgrade_leaves_nothing(engine: Engine) -> None:
    with transaction(engine, "write") as db:
        db.execute(text("CREATE TABLE members (mine INTEGER)"))
    with pytest.raises(Exception, match="members"):
        upgrade(engine)
    with reading(engine) as db:
        assert inspect(db).get_table_names() == ["members"]


def test_sqlite_plans_for_many_rows(new_database: Callable[[str], str]) -> None:
    engine = open_engine(new_database("sqlite"))
    upgrade(engine)
    with reading(engine) as db:
        sizes = {row.idx: row.stat for row in db.execute(text("SELECT idx, stat FROM sqlite_stat1"))}
    assert sizes["ix_contacts_external_id_key"] == "100000 100000 10"
    assert sizes["sqlite_autoindex_contacts_1"] == "100000 100000 1"
    assert sizes["uq_contacts_owner"] == "100000 1"
    engine.dispose()
