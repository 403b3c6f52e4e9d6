"""The newest rows of the logs are found by walking an index from its end, and no more of it than a page needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import Connection, insert, text

from scim_server.directory import Directory, access
from scim_server.storage import activity as log
from scim_server.storage import requests
from scim_server.storage import seats as ledger
from scim_server.storage.access_tables import requests as request_table
from scim_server.storage.db import transaction
from scim_server.storage.tables import activity, seat_changes
from tests.storage.test_indexes import plans
from tests.support import new_world

ROWS: Final = 20_000
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LAST: Final = START + timedelta(seconds=ROWS)
# A walk over a log, or over all of a workspace's rows in it, and a sort of them.
SCAN: Final = re.compile(
    r"Seq Scan on (activity|requests|seat_changes)"
    r"|SCAN (activity|requests|seat_changes)"
    r"|SEARCH (activity|requests|seat_changes)[^(]*\(workspace_id=\?\).*\n.*TEMP B-TREE"
)


@dataclass(frozen=True)
class Logs:
    """A workspace with long logs, in a transaction that is rolled back."""

    directory: Directory
    db: Connection
    workspace_id: str
    connection_id: str


@pytest.fixture(scope="module")
def logs(app: Flask) -> Iterator[Logs]:
    world, other = new_world(app), new_world(app)
    connection = access.create_connection(world.directory, world.name, "one")
    busy = access.create_connection(world.directory, other.name, "busy")
    with transaction(world.directory.engine, "write") as db:
        fill(db, world.workspace_id, connection.id)
        for _ in range(3):
            fill_requests(db, other.workspace_id, busy.id, world.directory.new_id)
        if db.dialect.name == "postgresql":
            db.execute(text("ANALYZE activity, requests, seat_changes"))
        yield Logs(world.directory, db, world.workspace_id, connection.id)
        db.rollback()


def fill(db: Connection, workspace_id: str, connection_id: str) -> None:
    """Rows a second apart: one in a thousand is rare, and each of five thousand people did some."""
    key = {"workspace_id": workspace_id}
    at = [{**key, "at": START + timedelta(seconds=number), "id": f"r{number:06}"} for number in range(ROWS)]
    act = {"door": "scim", "actor_kind": "contact", "facts": "{}"}
    db.execute(
        insert(activity),
        [
            {
                **row,
                **act,
                "act": "group.deleted" if number % 1000 == 7 else "contact.edited",
                "actor_id": f"c{number % 5000:06}",
                "subject_id": f"c{number:06}",
            }
            for number, row in enumerate(at)
        ],
    )
    numbers = iter(range(ROWS))
    fill_requests(db, workspace_id, connection_id, lambda: f"r{next(numbers):06}")
    change = {"licence": "member", "change": "assigned", "purchased": 0, "assigned": 1, "reserved": 0, "over": 0}
    db.execute(insert(seat_changes), [{**row, **change} for row in at])


def fill_requests(db: Connection, workspace_id: str, connection_id: str, new_id: Callable[[], str]) -> None:
    """One request a second: where others make three, a walk over everybody's is the longer way."""
    key = {"workspace_id": workspace_id, "connection_id": connection_id}
    request = {"method": "GET", "path": "/scim/v2/Users", "duration": 1000}
    rows = [
        {
            **key,
            **request,
            "id": new_id(),
            "at": START + timedelta(seconds=number),
            "status": 404 if number % 1000 == 7 else 200,
        }
        for number in range(ROWS)
    ]
    db.execute(insert(request_table), rows)


ACTIVITY: Final[list[tuple[dict[str, Any], str]]] = [
    ({}, "ix_activity_at"),
    ({"since": LAST - timedelta(seconds=20)}, "ix_activity_at"),
    ({"until": START + timedelta(seconds=20)}, "ix_activity_at"),
    ({"acts": ["group.deleted"]}, "ix_activity_act"),
    ({"acts": ["group.deleted", "token.created", "contact.edited"]}, "ix_activity_act"),
    ({"acts": ["group.deleted"], "until": START + timedelta(seconds=20)}, "ix_activity_act"),
    ({"contact_id": "c000077"}, "ix_activity_actor_id"),
    ({"contact_id": "c000077", "acts": ["contact.edited"]}, "ix_activity_subject_id"),
]


@pytest.mark.parametrize("before", [None, "r010000"])
@pytest.mark.parametrize(("wanted", "index"), ACTIVITY, ids=str)
def test_the_newest_activity(logs: Logs, wanted: dict[str, Any], index: str, before: str | None) -> None:
    with pytest.MonkeyPatch.context() as patch, plans(logs.directory, patch) as found:
        page = log.newest(logs.db, logs.workspace_id, log.Wanted(**wanted), before=before, count=50)
    assert page == sorted(page, key=lambda row: (row.at, row.id), reverse=True)
    assert index in found[-1], found[-1]
    assert not SCAN.search(found[-1]), found[-1]


REQUESTS: Final[list[tuple[dict[str, Any], str]]] = [
    ({}, "ix_requests_newest"),
    # or by the few connections, where next to nothing is in the span
    ({"since": LAST - timedelta(seconds=20), "method": "POST"}, "ix_requests_(newest|connection_id)"),
    ({"errors": True}, "ix_requests_refused"),
    ({"status": 404}, "ix_requests_refused"),
    ({"status_class": 5}, "ix_requests_refused"),
    ({"status_class": 4, "text": "Users"}, "ix_requests_refused"),
    ({"connection_id": "own"}, "ix_requests_connection_id"),
    ({"connection_id": "own", "errors": True}, "ix_requests_refused"),
    ({"connection_id": "own", "status_class": 2}, "ix_requests_connection_id"),
]


@pytest.mark.parametrize("before", [None, "r010000"])
@pytest.mark.parametrize(("wanted", "index"), REQUESTS, ids=str)
def test_the_newest_requests(logs: Logs, wanted: dict[str, Any], index: str, before: str | None) -> None:
    if "connection_id" in wanted:
        wanted = {**wanted, "connection_id": logs.connection_id}
    with pytest.MonkeyPatch.context() as patch, plans(logs.directory, patch) as found:
        requests.newest(logs.db, logs.workspace_id, requests.Wanted(**wanted), before=before, count=50)
    assert re.search(index, found[-1]), found[-1]
    assert not SCAN.search(found[-1]), found[-1]


def test_use_of_seats_in_a_span(logs: Logs) -> None:
    with pytest.MonkeyPatch.context() as patch, plans(logs.directory, patch) as found:
        since = LAST - timedelta(seconds=100)
        days = ledger.changes_by_day(logs.db, logs.workspace_id, "member", since)
    assert sum(each.assigned for each in days) == 100 + 1, "the owner's own is of today"
    assert "ix_seat_changes_at" in found[-1], found[-1]
    assert not SCAN.search(found[-1]), found[-1]


@pytest.mark.parametrize("before", [None, "r010000"])
@pytest.mark.parametrize("licence", [None, "member"])
def test_the_end_of_the_ledger(logs: Logs, licence: str | None, before: str | None) -> None:
    with pytest.MonkeyPatch.context() as patch, plans(logs.directory, patch) as found:
        page = ledger.newest(logs.db, logs.workspace_id, licence, before, 50)
    assert len(page) == 50
    assert not SCAN.search(found[-1]), found[-1]
    assert "Sort" not in found[-1], found[-1]
    assert "B-TREE" not in found[-1], found[-1]
