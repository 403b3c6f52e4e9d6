"""Look-ups that identity providers make all day are answered by an index on both databases, counted and as a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import Connection, event, insert, text

from scim_server.directory import Directory, search
from scim_server.directory.contacts import Call
from scim_server.directory.search import Query
from scim_server.domain.actor import system
from scim_server.scim.filter import parse_filter
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER
from scim_server.storage.db import transaction
from scim_server.storage.tables import contact_emails, contacts, groups, members, seats
from tests.laws.population import BASE
from tests.support import new_world

PEOPLE: Final = 20_000
TEAMS: Final = 2_000
# A walk over a table, or over all of a workspace's rows in it.
SCAN: Final = re.compile(
    r"Seq Scan on (contacts|contact_emails|groups|members|seats)"
    r"|SCAN (contacts|contact_emails|groups|members|seats)"
    r"|AUTOMATIC"
    r"|SEARCH (contacts|groups|members|seats)[^(]*\(workspace_id=\?\)"
)
# SQLite names the indexes of constraints itself.
SQLITE_NAMES: Final = {
    "uq_contacts_workspace_id_user_name_key": "sqlite_autoindex_contacts_2",
    "uq_groups_workspace_id_display_name_key": "sqlite_autoindex_groups_2",
    "pk_members": "sqlite_autoindex_members_1",
}
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Crowd:
    """A workspace with very many rows."""

    directory: Directory
    call: Call


def person(workspace_id: str, number: int) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": f"c{number:06}",
        "user_name": f"user{number}@x.test",
        "user_name_key": f"user{number}@x.test",
        "external_id": f"ext{number}",
        "external_id_key": f"ext{number}",
        "status": "inactive",
        "archived": False,
        "role": "team",
        "licence": "member",
        "account_linked": False,
        "label": f"User {number}",
        "profile": "{}",
        "search": {"emails": [{"value": f"user{number}@x.test", "type": "work", "primary": False}]},
        "display_name_key": f"user {number}",
        "family_name_key": f"family {number % 5000}",
        "employee_number_key": str(number),
        "department_key": f"department {number % 400}",
        "version": 1,
        "created": NOW,
        "modified": NOW,
    }


def team(workspace_id: str, number: int) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "id": f"g{number:06}",
        "display_name": f"Team {number}",
        "display_name_key": f"team {number}",
        "profile": "{}",
        "search": {"displayName": f"team {number}"},
        "version": 1,
        "created": NOW,
        "modified": NOW,
    }


def fill(db: Connection, workspace_id: str) -> None:
    """Contacts with one address each, and groups with ten members each."""
    people = [person(workspace_id, number) for number in range(PEOPLE)]
    db.execute(insert(contacts), people)
    key = {"workspace_id": workspace_id}
    held = {**key, "licence": "member", "state": "assigned", "since": NOW, "over": False}
    db.execute(insert(seats), [{**held, "id": f"s{each['id']}", "holder_id": each["id"]} for each in people])
    emails = [{**key, "contact_id": each["id"], "place": 0, "value_key": each["user_name_key"]} for each in people]
    db.execute(insert(contact_emails), emails)
    db.execute(insert(groups), [team(workspace_id, number) for number in range(TEAMS)])
    inside = [
        {**key, "group_id": f"g{number // 10:06}", "member_id": each, "contact_id": each}
        for number in range(TEAMS * 10)
        if (each := f"c{number % PEOPLE:06}")
    ]
    db.execute(insert(members), inside)


@pytest.fixture(scope="module")
def crowd(app: Flask) -> Crowd:
    """Twenty thousand contacts and two thousand groups, and a database that knows how many there are."""
    world = new_world(app)
    engine = world.directory.engine
    with transaction(engine, "write") as db:
        fill(db, world.workspace_id)
    if engine.dialect.name == "postgresql":  # by itself it would, a little later; SQLite has what an upgrade gave it
        with transaction(engine, "write") as db:
            db.execute(text("ANALYZE"))
    return Crowd(world.directory, Call(system(world.workspace_id), None, BASE))


@contextmanager
def plans(directory: Directory) -> Iterator[list[str]]:
    """Collects how each SELECT is carried out."""
    found: list[str] = []
    asking = False

    def explain(connection: Connection, _: Any, statement: str, parameters: Any, __: Any, ___: bool) -> None:
        nonlocal asking
        if asking or not statement.lstrip("( ").startswith(("SELECT", "WITH")):
            return
        asking = True
        prefix = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        rows = connection.exec_driver_sql(prefix + statement, parameters)
        found.append("\n".join(str(row[-1]) for row in rows))
        asking = False

    event.listen(directory.engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(directory.engine, "before_cursor_execute", explain)


@pytest.mark.parametrize(
    ("kind", "filter", "index", "total"),
    [
        ("User", 'userName eq "USER77@x.test"', "uq_contacts_workspace_id_user_name_key", 1),
        ("User", 'userName sw "user777"', "uq_contacts_workspace_id_user_name_key", 11),
        ("User", 'externalId eq "ext77"', "ix_contacts_external_id_key", 1),
        ("User", 'externalId sw "ext777"', "ix_contacts_external_id_key", 11),
        ("User", 'emails.value eq "user77@x.test"', "ix_contact_emails_value_key", 1),
        ("User", 'emails.value sw "user777"', "ix_contact_emails_value_key", 11),
        ("User", 'emails[type eq "work" and value eq "user77@x.test"]', "ix_contact_emails_value_key", 1),
        ("User", 'displayName eq "User 77"', "ix_contacts_display_name_key", 1),
        ("User", 'displayName sw "User 777"', "ix_contacts_display_name_key", 11),
        ("User", 'name.familyName eq "Family 77"', "ix_contacts_family_name_key", 4),
        ("User", 'name.familyName sw "Family 777"', "ix_contacts_family_name_key", 4),
        ("User", f'{ENTERPRISE_URN}:employeeNumber eq "77"', "ix_contacts_employee_number_key", 1),
        ("User", f'{ENTERPRISE_URN}:employeeNumber sw "777"', "ix_contacts_employee_number_key", 11),
        ("User", f'{ENTERPRISE_URN}:department eq "Department 77"', "ix_contacts_department_key", 50),
        ("User", f'{ENTERPRISE_URN}:department sw "Department 77"', "ix_contacts_department_key", 50),
        ("User", 'userName eq "user77@x.test" or externalId eq "ext78"', "ix_contacts_external_id_key", 2),
        ("User", 'groups.value eq "g000077"', "pk_members", 10),
        ("Group", 'displayName eq "Team 77"', "uq_groups_workspace_id_display_name_key", 1),
        ("Group", 'displayName sw "Team 77"', "uq_groups_workspace_id_display_name_key", 11),
        ("Group", 'externalId eq "x"', "ix_groups_external_id_key", 0),
        ("Group", 'members eq "c000077"', "ix_members_contact_id", 1),
        ("Group", 'members[value eq "c000077"]', "ix_members_contact_id", 1),
        ("Group", 'id eq "g000077" and members eq "c000770"', "ix_members_contact_id", 1),
    ],
)
def test_a_look_up_is_an_index_seek(crowd: Crowd, kind: str, filter: str, index: str, total: int) -> None:
    query = Query(filter=parse_filter({"User": USER, "Group": GROUP}[kind], filter))
    with plans(crowd.directory) as found:
        page = search.find(crowd.directory, crowd.call, kind, query)
    assert (page.total, len(page.resources)) == (total, total)
    counting, *paging = found[:2]
    for plan in (counting, *paging):
        assert index in plan or SQLITE_NAMES.get(index, index) in plan
        assert not SCAN.search(plan), plan
