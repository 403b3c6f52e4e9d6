"""A database that takes no more: 503 and nothing half done, and the next request finds it well again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from scim_server.app import create_app
from scim_server.settings import Settings
from scim_server.storage.db import Busy, Fate, fate_of, reading, writing
from scim_server.storage.upgrade import upgrade
from tests.support import USER_URN, Answer, World, new_world

TEXT = "t" * 100_000


def app_on(url: str) -> Flask:
    app = create_app(Settings(database_url=url))
    upgrade(app.extensions["directory"].engine)
    return app


@pytest.fixture
def sqlite_world(new_database: Callable[[str], str]) -> Iterator[World]:
    """A workspace on an SQLite database of its own."""
    world = new_world(app_on(new_database("sqlite")))
    yield world
    world.directory.engine.dispose()


@contextmanager
def pragma(engine: Engine, text: str) -> Iterator[None]:
    """New connections are opened with this pragma; what was open before is closed, and so are they at the end."""

    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA {text}")

    event.listen(engine, "connect", prepare)
    engine.dispose()
    try:
        yield
    finally:
        event.remove(engine, "connect", prepare)
        engine.dispose()


def pages(engine: Engine) -> int:
    with reading(engine) as db:
        return int(db.scalar(text("PRAGMA page_count")) or 0)


def told_to_come_back(answer: Answer) -> bool:
    return (answer.status, answer.headers.get("Retry-After")) == (503, "1") and "scimType" not in answer.json


def test_a_full_disk_refuses_writes_whole_and_serves_readers(
    capfd: pytest.CaptureFixture[str], sqlite_world: World
) -> None:
    client, engine = sqlite_world.client(), sqlite_world.directory.engine
    user = client.user("ann@x.test", title="before")
    path = f"/Users/{user['id']}"
    with pragma(engine, f"max_page_count = {pages(engine)}"):
        assert told_to_come_back(client.post("/Users", {"schemas": [USER_URN], "userName": "b", "title": TEXT}))
        assert told_to_come_back(client.put(path, {"userName": "ann@x.test", "title": TEXT}))
        assert told_to_come_back(client.patch(path, {"op": "replace", "path": "title", "value": TEXT}))
        assert client.get(path).json == user
        assert client.get('/Users?filter=userName eq "b"').json["totalResults"] == 0
        operation = {"method": "PUT", "path": path, "data": {"userName": "ann@x.test", "title": TEXT}}
        (result,) = client.post("/Bulk", {"Operations": [operation]}).json["Operations"]
        assert (result["status"], result["response"]["status"]) == ("503", "503")
    assert "full" in capfd.readouterr().err, "the operator must hear of it"
    assert client.patch(path, {"op": "replace", "path": "title", "value": TEXT}).json["title"] == TEXT


def test_a_full_disk_keeps_counters_and_seats(sqlite_world: World) -> None:
    client, engine = sqlite_world.client(), sqlite_world.directory.engine
    with reading(engine) as db:
        taken = db.scalar(text("SELECT count(*) FROM seats WHERE holder_id IS NOT NULL"))
    with pragma(engine, f"max_page_count = {pages(engine)}"):
        body = {"schemas": [USER_URN], "userName": "b", "title": TEXT}
        assert told_to_come_back(client.post("/Users", body))
    with reading(engine) as db:
        assert db.scalar(text("SELECT count(*) FROM seats WHERE holder_id IS NOT NULL")) == taken
    assert client.post("/Users", body).status == 201


def test_a_database_closed_to_writers_serves_readers(sqlite_world: World) -> None:
    client, engine = sqlite_world.client(), sqlite_world.directory.engine
    user = client.user("ann@x.test")
    with pragma(engine, "query_only = ON"):
        assert told_to_come_back(client.delete(f"/Users/{user['id']}"))
        assert client.get(f"/Users/{user['id']}").json == user
    assert client.delete(f"/Users/{user['id']}").status == 204


def test_a_file_that_is_gone_is_for_later_and_says_so(sqlite_world: World) -> None:
    engine = sqlite_world.directory.engine
    engine.dispose()
    os.rename(str(engine.url.database), f"{engine.url.database}.away")
    os.mkdir(str(engine.url.database))
    try:
        with pytest.raises(Busy, match="can't be read now: unable to open database file"):
            pages(engine)
        with pytest.raises(Busy, match="can't be written to now: unable to open database file"):
            writing(engine, lambda db: db.execute(text("SELECT 1")))
    finally:
        os.rmdir(str(engine.url.database))


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        (sqlite3.SQLITE_FULL, Fate.LATER),
        (sqlite3.SQLITE_IOERR_WRITE, Fate.LATER),
        (sqlite3.SQLITE_IOERR_FSYNC, Fate.LATER),
        (sqlite3.SQLITE_READONLY_DBMOVED, Fate.LATER),
        (sqlite3.SQLITE_CANTOPEN, Fate.LATER),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Fate.LATER),
        (sqlite3.SQLITE_CORRUPT, Fate.FAULT),
        (sqlite3.SQLITE_NOTADB, Fate.FAULT),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Fate.FAULT),
        (sqlite3.SQLITE_ERROR, Fate.FAULT),
    ],
)
def test_fates_by_code(code: int, fate: Fate) -> None:
    error = sqlite3.OperationalError("as SQLite would say it")
    error.sqlite_errorcode = code
    assert fate_of(error) is fate


def test_busy_tells_the_databases_words_and_no_statement() -> None:
    busy = Busy("not now")
    assert str(busy) == "not now"
    busy.__cause__ = sqlite3.OperationalError("disk full\n[SQL: INSERT …]")
    assert str(busy) == "not now: disk full"
