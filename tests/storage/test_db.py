"""Engines and transactions: pragmas, snapshots, lost races, and databases that go away and come back."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from scim_server.app import create_app
from scim_server.settings import Settings
from scim_server.storage.db import (
    ATTEMPTS,
    BUSY_SECONDS,
    Busy,
    Fate,
    LostRace,
    fate_of,
    open_engine,
    reading,
    transaction,
    writing,
)
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.support import USER_URN, Client, new_world

UNREACHABLE = "postgresql+psycopg://nobody@127.0.0.1:1/nowhere"


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Engine]:
    """An engine on a database with one table, `counter`."""
    yield from opened(new_database(request.param))


@pytest.fixture
def postgres(new_database: Callable[[str], str]) -> Iterator[Engine]:
    """The same on PostgreSQL alone."""
    yield from opened(new_database("postgresql"))


@pytest.fixture
def sqlite(new_database: Callable[[str], str]) -> Iterator[Engine]:
    """The same on SQLite alone."""
    yield from opened(new_database("sqlite"))


def opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    with transaction(engine, "write") as db:
        db.execute(text("CREATE TABLE counter (value INTEGER PRIMARY KEY)"))
    yield engine
    engine.dispose()


def add(db: Connection, value: int) -> None:
    db.execute(text("INSERT INTO counter VALUES (:value)"), {"value": value})


def counted(engine: Engine) -> int:
    with reading(engine) as db:
        return int(db.scalar(text("SELECT count(*) FROM counter")) or 0)


def end_connections(engine: Engine) -> None:
    """What a restart of the server does to the connections in the pool."""
    url = engine.url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize(
    "url",
    ["mysql://x/y", "postgresql+psycopg2://x/y", "postgresql+asyncpg://x/y", "nonsense", ""],
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite"):
        open_engine(url)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("foreign_keys", 1), ("journal_mode", "wal"), ("synchronous", 2), ("busy_timeout", BUSY_SECONDS * 1000)],
)
def test_sqlite_is_set_to_keep_what_it_was_given(sqlite: Engine, pragma: str, value: int | str) -> None:
    with reading(sqlite) as db:
        assert db.scalar(text(f"PRAGMA {pragma}")) == value


def test_a_new_sqlite_file_is_its_owners_alone_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    engine = open_engine(f"sqlite:///{path}")
    before = os.umask(0o022)
    try:
        writing(engine, lambda db: db.execute(text("CREATE TABLE t (a)")))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
        assert modes == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)
    finally:
        os.umask(before)
        engine.dispose()
    path.chmod(0o640)
    engine = open_engine(f"sqlite:///{path}")
    writing(engine, lambda db: db.execute(text("DROP TABLE t")))
    engine.dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_sqlite_watches_foreign_keys(sqlite: Engine) -> None:
    def work(db: Connection) -> None:
        db.execute(text("CREATE TABLE part (value INTEGER REFERENCES counter (value))"))
        db.execute(text("INSERT INTO part VALUES (1)"))

    with pytest.raises(IntegrityError):
        writing(sqlite, work)


def test_work_commits(engine: Engine) -> None:
    def work(db: Connection) -> str:
        add(db, 1)
        return "done"

    assert writing(engine, work) == "done"
    assert counted(engine) == 1


def test_an_exception_rolls_back_and_is_not_tried_again(engine: Engine) -> None:
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        add(db, 1)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        writing(engine, work)
    assert (len(calls), counted(engine)) == (1, 0)


def test_a_fault_of_ours_is_not_tried_again(engine: Engine) -> None:
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        db.execute(text("SELECT no_such_column FROM counter"))

    with pytest.raises(DBAPIError):
        writing(engine, work)
    with pytest.raises(DBAPIError), reading(engine) as db:
        work(db)
    assert len(calls) == 2


@pytest.mark.parametrize("lost", [0, 1, ATTEMPTS - 1])
def test_a_lost_race_is_run_again(engine: Engine, lost: int) -> None:
    calls: list[int] = []

    def work(db: Connection) -> int:
        calls.append(1)
        add(db, len(calls))
        if len(calls) <= lost:
            raise LostRace
        return len(calls)

    assert writing(engine, work) == lost + 1
    assert counted(engine) == 1


def test_a_race_lost_again_and_again_is_given_up(engine: Engine) -> None:
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        add(db, 1)
        raise LostRace

    with pytest.raises(Busy):
        writing(engine, work)
    assert (len(calls), counted(engine)) == (ATTEMPTS, 0)


def test_a_reader_sees_one_state_of_things(engine: Engine) -> None:
    with reading(engine) as db:
        before = db.scalar(text("SELECT count(*) FROM counter"))
        writing(engine, lambda other: add(other, 1))
        assert db.scalar(text("SELECT count(*) FROM counter")) == before
    assert counted(engine) == 1


def test_a_reader_does_not_write(postgres: Engine) -> None:
    with pytest.raises(DBAPIError, match="read-only"), reading(postgres) as db:
        add(db, 1)


def test_a_locked_database_is_busy(sqlite: Engine) -> None:
    event.listen(sqlite, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 1"))
    sqlite.dispose()
    calls: list[int] = []
    other = sqlite3.connect(str(sqlite.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Busy):
            writing(sqlite, lambda _: calls.append(1))
        assert counted(sqlite) == 0
    finally:
        other.close()
    assert not calls
    writing(sqlite, lambda db: add(db, 1))
    assert counted(sqlite) == 1


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_postgres_says_that_a_race_was_lost(postgres: Engine, state: str) -> None:
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        if len(calls) == 1:
            db.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '{state}'; END $$")

    writing(postgres, work)
    assert len(calls) == 2


def test_connections_that_the_server_closed_are_replaced(postgres: Engine) -> None:
    end_connections(postgres)
    assert counted(postgres) == 0
    end_connections(postgres)
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        add(db, 1)

    writing(postgres, work)
    assert len(calls) == 1  # BEGIN noticed it
    end_connections(postgres)
    assert counted(postgres) == 1


def test_work_whose_connection_broke_is_done_again(postgres: Engine) -> None:
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        add(db, len(calls))
        if len(calls) == 1:
            end_connections(postgres)
            add(db, 100)

    writing(postgres, work)
    assert (len(calls), counted(postgres)) == (2, 1)


def test_a_commit_of_unknown_outcome_is_not_done_again(postgres: Engine) -> None:
    calls: list[int] = []

    def work(db: Connection) -> None:
        calls.append(1)
        add(db, 1)
        end_connections(postgres)

    with pytest.raises(Busy, match="commit"):
        writing(postgres, work)
    assert (len(calls), counted(postgres)) == (1, 0)


def test_a_reader_whose_connection_broke_is_told_to_come_back(postgres: Engine) -> None:
    def read() -> None:
        with reading(postgres) as db:
            end_connections(postgres)
            db.execute(text("SELECT 1"))

    with pytest.raises(Busy):
        read()
    assert counted(postgres) == 0


def test_clients_notice_nothing_of_a_restart(new_database: Callable[[str], str]) -> None:
    app = create_app(Settings(database_url=new_database("postgresql")))
    engine: Engine = app.extensions["directory"].engine
    upgrade(engine)
    client = new_world(app).client()
    requests: list[Callable[[], Any]] = [
        lambda: client.get("/Users"),
        lambda: client.post("/Users", {"schemas": [USER_URN], "userName": "ann"}),
        lambda: client.get('/Users?filter=userName eq "ann"'),
        lambda: client.get("/ServiceProviderConfig"),
    ]
    for request in requests:
        end_connections(engine)
        assert request().status in (200, 201)
    engine.dispose()


def test_a_database_that_is_away_is_no_fault_of_the_server() -> None:
    app: Flask = create_app(Settings(database_url=UNREACHABLE))
    answer = Client(app, "scim_token").get("/Users")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert app.test_client().get("/healthz").status_code == 503
    engine = app.extensions["directory"].engine
    with pytest.raises(Busy):
        counted(engine)
    with pytest.raises(Busy):
        writing(engine, lambda db: add(db, 1))


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (LostRace(), Fate.AGAIN),
        (PoolExhausted(), Fate.LATER),
        (psycopg.errors.AdminShutdown(), Fate.AGAIN),
        (psycopg.errors.TooManyConnections(), Fate.AGAIN),
        (psycopg.errors.ConnectionTimeout(), Fate.AGAIN),
        (psycopg.errors.UniqueViolation(), Fate.FAULT),
        (psycopg.errors.DiskFull(), Fate.LATER),
        (psycopg.errors.ReadOnlySqlTransaction(), Fate.LATER),
        (sqlite3.OperationalError("no such table"), Fate.FAULT),
        (KeyError(), Fate.FAULT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_fates(error: Exception, fate: Fate) -> None:
    assert fate_of(error) is fate
