"""The requests of connections: rows written in batches, read newest first, and swept. Knows no rule and no HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, delete, func, insert, literal, select, text, tuple_
from sqlalchemy import Connection as Db

from scim_server.storage.access_tables import requests
from scim_server.storage.tables import Instant, String, connections

SWEPT_AT_ONCE: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request that a connection made. Holds no value that a client sent.

    `id` is its X-Request-Id, `at` when it came in, `duration` in microseconds; `path` has the query without its values;
    `resource_id` is whom or what it was about, `error` why it was refused.
    """

    workspace_id: str
    id: str
    connection_id: str
    at: datetime
    method: str
    path: str
    status: int
    duration: int
    resource_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows: the one with this id, of a connection, from `since` on, before `until`.

    `status` is one status, `status_class` its first digit, `errors` those refused or failed: from 400 on. `text` stands
    somewhere in the path, in any case. `resource_id` is whom or what they were about.
    """

    id: str | None = None
    connection_id: str | None = None
    status: int | None = None
    status_class: int | None = None
    errors: bool = False
    method: str | None = None
    text: str | None = None
    resource_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_REFUSED: Final = requests.c.status >= text("400")  # as in the index, whose condition no parameter would meet
_COLUMNS: Final = tuple(field.name for field in fields(Row))


def add(db: Db, rows: Sequence[Row]) -> None:
    """Insert rows."""
    db.execute(insert(requests), [{name: getattr(row, name) for name in _COLUMNS} for row in rows])


def newest(
    db: Db, workspace_id: str, wanted: Wanted, *, before: str | None = None, count: int
) -> Sequence[tuple[Row, str]]:
    """Up to `count` rows older than the one with the id `before`, newest first, each with its connection's name.

    There are none where there is no such row: it was swept out, and those before it too.
    """
    columns = requests.c
    rows = select(requests).where(columns.workspace_id == workspace_id, *_conditions(wanted))
    if before is not None:
        place = select(columns.at, columns.id).where(columns.workspace_id == workspace_id, columns.id == before)
        position = db.execute(place).one_or_none()
        if position is None:
            return []
        last = tuple_(literal(position.at, Instant), literal(position.id, String))
        rows = rows.where(tuple_(columns.at, columns.id) < last)
    # found first: a planner that thinks of few connections would rather go through all requests of each
    page = rows.order_by(columns.at.desc(), columns.id.desc()).limit(count).subquery()
    of_page = (connections.c.workspace_id == page.c.workspace_id) & (connections.c.id == page.c.connection_id)
    named = select(page, connections.c.name.label("connection")).join(connections, of_page)
    found = (dict(row._mapping) for row in db.execute(named.order_by(page.c.at.desc(), page.c.id.desc())))
    return [(Row(**values), name) for values in found for name in (values.pop("connection"),)]


def known(db: Db, workspace_id: str, ids: Sequence[str]) -> set[str]:
    """Those of the ids that the log still has."""
    query = select(requests.c.id).where(requests.c.workspace_id == workspace_id, requests.c.id.in_(ids))
    return set(db.scalars(query))


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    columns = requests.c
    refused = wanted.errors or max(wanted.status or 0, (wanted.status_class or 0) * 100) >= 400
    for name in ("id", "status", "method", "resource_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield columns[name] == value
    if wanted.connection_id is not None:
        # as an expression where few are wanted, so that they aren't looked for among all of the connection's
        connection = func.coalesce(columns.connection_id, "") if refused else columns.connection_id
        yield connection == wanted.connection_id
    if wanted.status_class is not None:
        least = wanted.status_class * 100
        yield columns.status.between(least, least + 99)
    if refused:
        yield _REFUSED
    if wanted.text is not None:
        yield columns.path.icontains(wanted.text, autoescape=True)
    if wanted.since is not None:
        yield columns.at >= wanted.since
    if wanted.until is not None:
        yield columns.at < wanted.until


def sweep(db: Db, before: datetime) -> int:
    """Delete some of the rows from before that time, of all workspaces, the oldest first; how many there were."""
    key = (requests.c.workspace_id, requests.c.id)
    oldest = select(*key).where(requests.c.at < before).order_by(requests.c.at).limit(SWEPT_AT_ONCE)
    return db.execute(delete(requests).where(tuple_(*key).in_(oldest))).rowcount
