"""The requests of connections: rows written in batches, read newest first, and swept. Knows no rule and no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import Connection as Db
from sqlalchemy import delete, insert, select, tuple_

from scim_server.storage.access_tables import requests
from scim_server.storage.tables import connections

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
    """Which rows: the one with this id, of a connection, with a status, refused or failed, from `since` on."""

    id: str | None = None
    connection_id: str | None = None
    status: int | None = None
    errors: bool = False
    since: datetime | None = None


_COLUMNS: Final = tuple(field.name for field in fields(Row))


def add(db: Db, rows: Sequence[Row]) -> None:
    """Insert rows."""
    db.execute(insert(requests), [{name: getattr(row, name) for name in _COLUMNS} for row in rows])


def newest(db: Db, workspace_id: str, wanted: Wanted, *, count: int) -> Sequence[tuple[Row, str]]:
    """Up to `count` rows, newest first, each with its connection's name."""
    columns = requests.c
    query = (
        select(requests, connections.c.name.label("connection"))
        .join(
            connections,
            (connections.c.workspace_id == columns.workspace_id) & (connections.c.id == columns.connection_id),
        )
        .where(columns.workspace_id == workspace_id)
        .order_by(columns.id.desc())
        .limit(count)
    )
    if wanted.id is not None:
        query = query.where(columns.id == wanted.id)
    if wanted.connection_id is not None:
        query = query.where(columns.connection_id == wanted.connection_id)
    if wanted.status is not None:
        query = query.where(columns.status == wanted.status)
    if wanted.errors:
        query = query.where(columns.status >= 400)
    if wanted.since is not None:
        query = query.where(columns.at >= wanted.since)
    found = (dict(row._mapping) for row in db.execute(query))
    return [(Row(**values), name) for values in found for name in (values.pop("connection"),)]


def sweep(db: Db, before: datetime) -> int:
    """Delete some of the rows from before that time, of all workspaces, the oldest first; how many there were."""
    key = (requests.c.workspace_id, requests.c.id)
    oldest = select(*key).where(requests.c.at < before).order_by(requests.c.at).limit(SWEPT_AT_ONCE)
    return db.execute(delete(requests).where(tuple_(*key).in_(oldest))).rowcount
