"""Fills a database with workspaces of many contacts and one large group, straight into the tables."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection as Db
from sqlalchemy import insert

from scim_server.directory import Directory, access
from scim_server.directory.contacts import searchable
from scim_server.domain.connection import Connection
from scim_server.domain.contact import Contact, Status
from scim_server.domain.seats import Seat, SeatState
from scim_server.mapping import to_user
from scim_server.opening import open_directory
from scim_server.scim.match import comparable
from scim_server.scim.schema import ENTERPRISE_URN, USER
from scim_server.settings import Settings
from scim_server.storage import contacts, counts, external_ids, groups, tables
from scim_server.storage.upgrade import upgrade

BATCH = 2000
FREE_SEATS = 100_000


@dataclass(frozen=True)
class Seeded:
    """What was made: a token, contacts in the group, contacts outside it, and the group."""

    token: str
    member_ids: list[str]
    other_ids: list[str]
    group_id: str


def seed(database_url: str, size: int, others: Sequence[int]) -> list[Seeded]:
    """For each number in `others` a workspace of `size` contacts, all in one group, and so many that are in none."""
    directory = open_directory(Settings(database_url=database_url))
    upgrade(directory.engine)
    workspaces = [_seed(directory, f"benchmark {place}", size, number) for place, number in enumerate(others)]
    with directory.engine.connect() as db:
        db.exec_driver_sql("ANALYZE")
        db.commit()
    directory.engine.dispose()
    return workspaces


def _seed(directory: Directory, name: str, size: int, others: int) -> Seeded:
    founded = access.create_workspace(directory, name, "owner@example.com", seats=1)
    connection = access.create_connection(directory, name, "idp")
    _, token = access.create_token(directory, name, "idp", secrets.token_bytes)
    workspace_id = founded.workspace.id
    with directory.engine.connect().execution_options(writes=True) as db, db.begin():
        ids = list(_insert_contacts(db, directory, connection, size + others))
        counts.add(db, {"workspace_id": workspace_id, "shard": 0, "listed": len(ids), "archived": 0})
        group_id = _insert_group(db, directory, workspace_id, ids[:size])
        _insert_free_seats(db, directory, workspace_id, FREE_SEATS)
    return Seeded(token, ids[:size], ids[size:], group_id)


def _contact(directory: Directory, number: int) -> Contact:
    now = datetime.now(UTC)
    given, family = f"Given{number % 997}", f"Family{number % 9973}"
    return Contact(
        id=directory.new_id(),
        user_name=f"user{number}@example.com",
        status=Status.ACTIVE,
        status_changed_at=now,
        account_linked=True,
        external_id=f"00u{number:012d}",
        profile={
            "name": {"givenName": given, "familyName": family, "formatted": f"{given} {family}"},
            "displayName": f"{given} {family} {number}",
            "title": "Engineer",
            "emails": [{"value": f"user{number}@example.com", "type": "work", "primary": True}],
            "phoneNumbers": [{"value": f"+1-555-{number:07d}", "type": "mobile"}],
            "locale": "en-US",
            ENTERPRISE_URN: {"employeeNumber": str(700_000 + number), "department": f"Department {number % 50}"},
        },
        created=now,
        modified=now,
    )


def _insert_contacts(db: Db, directory: Directory, connection: Connection, count: int) -> Iterator[str]:
    workspace_id = connection.workspace_id
    for start in range(0, count, BATCH):
        rows: list[dict[str, Any]] = []
        emails: list[dict[str, Any]] = []
        external: list[dict[str, Any]] = []
        seats: list[dict[str, Any]] = []
        for number in range(start, min(start + BATCH, count)):
            contact = _contact(directory, number)
            seat = Seat(id=directory.new_id(), licence="member", state=SeatState.ASSIGNED, since=contact.created)
            search = searchable(comparable(USER, to_user(contact, (), "")))
            rows.append({"workspace_id": workspace_id, "id": contact.id, **contacts.values_of(contact, search)})
            key = search["emails"][0]["value"]
            emails.append({"workspace_id": workspace_id, "contact_id": contact.id, "place": 0, "value_key": key})
            external.append(_external_id_row(connection, contact))
            seats.append(_seat_row(workspace_id, seat, contact.id))
            yield contact.id
        db.execute(insert(tables.contacts), rows)
        db.execute(insert(tables.contact_emails), emails)
        db.execute(insert(tables.contact_external_ids), external)
        db.execute(insert(tables.seats), seats)


def _external_id_row(connection: Connection, contact: Contact) -> dict[str, Any]:
    return {
        "workspace_id": connection.workspace_id,
        "holder_id": contact.id,
        "connection_id": connection.id,
        **external_ids.values_of(contact.external_id or ""),
    }


def _seat_row(workspace_id: str, seat: Seat, holder_id: str) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": seat.id,
        "licence": seat.licence,
        "holder_id": holder_id,
        "state": seat.state.value,
        "since": seat.since,
        "over": False,
    }


def _insert_free_seats(db: Db, directory: Directory, workspace_id: str, count: int) -> None:
    for start in range(0, count, BATCH):
        rows = [
            {
                "workspace_id": workspace_id,
                "id": directory.new_id(),
                "licence": "member",
                "state": "free",
                "over": False,
            }
            for _ in range(start, min(start + BATCH, count))
        ]
        db.execute(insert(tables.seats), rows)


def _insert_group(db: Db, directory: Directory, workspace_id: str, member_ids: list[str]) -> str:
    now, group_id = datetime.now(UTC), directory.new_id()
    row = {
        "workspace_id": workspace_id,
        "id": group_id,
        "display_name": "Everyone",
        "display_name_key": "everyone",
        "profile": "{}",
        "search": {"displayName": "everyone"},
        "version": 1,
        "created": now,
        "modified": now,
    }
    db.execute(insert(tables.groups), row)
    for start in range(0, len(member_ids), BATCH):
        groups.add_members(db, workspace_id, group_id, dict.fromkeys(member_ids[start : start + BATCH], "User"))
    return group_id
