"""An import that is killed between two instructions leaves whole contacts, and run again it brings in the rest."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Table, func, select

from scim_server.app import create_app
from scim_server.directory import Directory
from scim_server.directory.transport import BATCH
from scim_server.settings import Settings
from scim_server.storage import counts, ledger, tables
from scim_server.storage.db import reading
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.support import World, cli, kill_group, new_world

ROWS: Final = 4_000
OWNER: Final = 1


@pytest.fixture(params=DATABASES)
def world(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[World]:
    """A workspace in a database of its own, with a seat for each row but for the file's inactive ones."""
    app = create_app(Settings(database_url=new_database(request.param)))
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    yield new_world(app, seats=ROWS // 2 + OWNER)
    directory.engine.dispose()


def test_killed_in_the_middle_and_run_again(world: World, folder: Path) -> None:
    url = world.directory.engine.url.render_as_string(hide_password=False)
    path = folder / "people.csv"
    lines = [f"u{number}@x.test,u{number}@x.test,{str(number % 2 == 0).lower()},Staff" for number in range(ROWS)]
    path.write_text("\n".join(["userName,email,active,groups", *lines]) + "\n")
    done = _killed_once_seen(world, ["import", str(path), "--workspace", world.name, "--database", url])
    _check_whole(world, done)
    assert 0 < done < ROWS
    assert done % BATCH == 0, "batches are whole"
    answer = cli(url, "import", str(path), "--workspace", world.name)
    assert (answer["created"], answer["unchanged"], answer["rejected"]) == (ROWS - done, done, 0)
    _check_whole(world, ROWS)
    names = [row.user_name for row in _rows(world, tables.contacts) if row.role != "owner"]
    assert sorted(names) == sorted(f"u{number}@x.test" for number in range(ROWS))


def _killed_once_seen(world: World, arguments: list[str]) -> int:
    """Start the command, kill it as `kill -9` does once rows of its are seen, and count them when it is gone."""
    command = [sys.executable, "-m", "scim_server.cli", *arguments]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, start_new_session=True, stdout=quiet, stderr=quiet, text=True)
    deadline = time.monotonic() + 60
    try:
        while not _imported(world) and process.poll() is None and time.monotonic() < deadline:
            threading.Event().wait(0.005)
    finally:
        kill_group(process)
    assert process.returncode == -9, "it was at work"
    return _imported(world)


def _imported(world: World) -> int:
    with reading(world.directory.engine) as db:
        query = select(func.count()).select_from(tables.contacts)
        return (db.scalar(query.where(tables.contacts.c.workspace_id == world.workspace_id)) or 0) - OWNER


def _rows(world: World, table: Table) -> list[Any]:
    with reading(world.directory.engine) as db:
        return list(db.execute(select(table).where(table.c.workspace_id == world.workspace_id)))


def _check_whole(world: World, imported: int) -> None:
    """Each contact has all that belongs to it, nothing belongs to nobody, and the counters say what is there."""
    people = _rows(world, tables.contacts)
    everyone = Counter(each.id for each in people)
    active = Counter(each.id for each in people if each.status == "active")
    theirs = Counter(each.id for each in people if each.role != "owner")
    held = [seat for seat in _rows(world, tables.seats) if seat.holder_id is not None]
    changes = _rows(world, tables.seat_changes)
    assert theirs.total() == imported
    assert active.total() == imported // 2 + OWNER
    assert Counter(each.contact_id for each in _rows(world, tables.contact_emails)) == everyone
    assert Counter(each.contact_id for each in _rows(world, tables.members)) == theirs
    assert Counter(each.holder_id for each in held) == active
    assert Counter(each.contact_id for each in changes if each.assigned) == active, "the ledger"
    recorded = [each for each in _rows(world, tables.activity) if each.act.startswith("contact.")]
    assert Counter(each.subject_id for each in recorded) == everyone
    assert {each.id for each in recorded} == {each.id for each in _rows(world, tables.outbox)}
    with reading(world.directory.engine) as db:
        pool = ledger.pool(db, world.workspace_id, "member")
        assert counts.total(db, world.workspace_id, with_archived=True) == everyone.total()
    assert (pool.assigned, pool.purchased) == (active.total(), ROWS // 2 + OWNER)
    assert sum(each.assigned for each in changes) == pool.assigned
    assert sum(each.purchased for each in changes) == pool.purchased
