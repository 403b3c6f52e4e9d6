"""The requests that connections made: kept by the server itself, read by whoever may manage the workspace, and swept.

Knows no HTTP: what is kept comes in as rows, from which everything that a client sent has been left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from scim_server.directory import Directory
from scim_server.directory.access import NotAllowed, check_ids
from scim_server.domain.actor import Actor
from scim_server.domain.errors import Refused
from scim_server.domain.roles import Permission
from scim_server.storage import access, requests
from scim_server.storage.db import reading, writing
from scim_server.storage.requests import SWEPT_AT_ONCE
from scim_server.storage.requests import Row as Row  # callers make and read them
from scim_server.storage.requests import Wanted as Wanted  # callers say what they want by it

MOST_SHOWN: Final = 10_000
LONGEST_TEXT: Final = 200


class UnknownConnection(Refused):
    """A connection that the workspace doesn't have."""

    code = "unknown_connection"

    def __init__(self, name: str) -> None:
        super().__init__(f"The workspace has no connection named {name[:64]!r}.")


def keep(directory: Directory, rows: Sequence[Row]) -> None:
    """Write the rows down. Raises Busy."""
    writing(directory.engine, lambda db: requests.add(db, rows))


def newest(
    directory: Directory,
    actor: Actor,
    wanted: Wanted,
    *,
    connection: str | None = None,
    before: str | None = None,
    count: int = 100,
) -> Sequence[tuple[Row, str]]:
    """Up to `count` requests (MOST_SHOWN at most) older than the one with the id `before`, newest first, each with the
    name of its connection.

    `connection` is a name, in any case. Raises MissingPermission without workspace:manage, UnknownConnection,
    NotAllowed for what can't be an id or a text to look for.
    """
    actor.require(Permission.WORKSPACE_MANAGE)
    check_ids(before, wanted.id, wanted.connection_id, wanted.method, wanted.resource_id, wanted.text)
    if wanted.text is not None and len(wanted.text) > LONGEST_TEXT:
        raise NotAllowed(f"What is looked for in paths has at most {LONGEST_TEXT} characters.")
    with reading(directory.engine) as db:
        if connection is not None:
            found = access.connection_named(db, actor.workspace_id, connection)
            if found is None:
                raise UnknownConnection(connection)
            wanted = replace(wanted, connection_id=found.id)
        return requests.newest(db, actor.workspace_id, wanted, before=before, count=min(count, MOST_SHOWN))


def known(directory: Directory, actor: Actor, ids: Sequence[str]) -> set[str]:
    """Those of the ids, a page of them at most, that the log still has. Raises MissingPermission."""
    actor.require(Permission.WORKSPACE_MANAGE)
    with reading(directory.engine) as db:
        return requests.known(db, actor.workspace_id, ids) if ids else set()


def sweep(directory: Directory, days: int) -> int:
    """Delete what is older than so many days, of all workspaces, in small transactions; how many. Raises Busy."""
    before = directory.now() - timedelta(days=days)
    swept = 0
    while found := writing(directory.engine, lambda db: requests.sweep(db, before)):
        swept += found
        if found < SWEPT_AT_ONCE:
            break
    return swept
