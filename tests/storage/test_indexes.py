"""Look-ups that identity providers make all day are answered by an index on both databases, counted and as a page.

At twenty thousand contacts in every run; at a million with `pytest -m million`, which takes some minutes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, delete, event, insert, text

from benchmarks import million
from scim_server.app import create_app
from scim_server.directory import Directory, access, search
from scim_server.directory.contacts import Call
from scim_server.directory.search import Query
from scim_server.domain.actor import system
from scim_server.domain.seats import SeatState
from scim_server.scim.filter import parse_filter
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER
from scim_server.settings import Settings
from scim_server.storage import accounts, ledger
from scim_server.storage import activity as log
from scim_server.storage.db import transaction
from scim_server.storage.prepared import Prepared
from scim_server.storage.tables import (
    activity,
    contact_emails,
    contact_external_ids,
    contacts,
    group_external_ids,
    groups,
    invitation_links,
    members,
    seats,
)
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.laws.population import BASE
from tests.support import new_world

PEOPLE: Final = 20_000
TEAMS: Final = 2_000
MILLION: Final = 1_000_000
# A walk over a table, or over all of a workspace's rows in it.
SCAN: Final = re.compile(
    r"Seq Scan on (contact|group|member|seat)"
    r"|SCAN (contact|group|member|seat)"
    r"|AUTOMATIC"
    r"|SEARCH (contacts|contact_external_ids|groups|group_external_ids|members|seats)[^(]*\(workspace_id=\?\)"
)
ACTIVITY_SCAN: Final = re.compile(
    r"Seq Scan on (activity|contact|group)"
    r"|SCAN (activity|contact|group)"
    r"|SEARCH activity[^(]*\(workspace_id=\?( AND id>\?)?\)"
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
        "status": "inactive",
        "archived": False,
        "role": "team",
        "licence": "member",
        "account_linked": False,
        "label": f"User {number}",
        "label_key": f"user {number}",
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


def called(workspace_id: str, holder_id: str, connection_id: str) -> dict[str, Any]:
    name = f"ext{int(holder_id[1:])}"
    key = {"workspace_id": workspace_id, "holder_id": holder_id, "connection_id": connection_id}
    return {**key, "value": name, "value_key": name}


def fill(db: Connection, workspace_id: str, connection_ids: list[str]) -> None:
    """Contacts with one address each and groups with ten members each, that all connections call the same."""
    people = [person(workspace_id, number) for number in range(PEOPLE)]
    db.execute(insert(contacts), people)
    key = {"workspace_id": workspace_id}
    held = {**key, "licence": "member", "state": "assigned", "since": NOW, "over": False}
    db.execute(insert(seats), [{**held, "id": f"s{each['id']}", "holder_id": each["id"]} for each in people])
    emails = [{**key, "contact_id": each["id"], "place": 0, "value_key": each["user_name_key"]} for each in people]
    db.execute(insert(contact_emails), emails)
    teams = [team(workspace_id, number) for number in range(TEAMS)]
    db.execute(insert(groups), teams)
    for table, holders in ((contact_external_ids, people), (group_external_ids, teams)):
        db.execute(insert(table), [called(workspace_id, each["id"], by) for by in connection_ids for each in holders])
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
    made = [access.create_connection(world.directory, world.name, name) for name in ("one", "other")]
    with transaction(engine, "write") as db:
        fill(db, world.workspace_id, [each.id for each in made])
    if engine.dialect.name == "postgresql":  # by itself it would, a little later; SQLite has what an upgrade gave it
        with transaction(engine, "write") as db:
            db.execute(text("ANALYZE"))
    return Crowd(world.directory, Call(system(world.workspace_id), made[0], BASE))


@contextmanager
def plans(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collects how each SELECT is carried out."""
    found: list[str] = []
    asking = False

    def explain(connection: Connection, _: Any, statement: str, parameters: Any, __: Any, ___: bool) -> None:
        nonlocal asking
        if asking or not statement.lstrip("( ").startswith(("SELECT", "WITH", "UPDATE")):
            return
        asking = True
        prefix = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        rows = connection.exec_driver_sql(prefix + statement, parameters)
        found.append("\n".join(str(row[-1]) for row in rows))
        asking = False

    fetched = Prepared._fetched

    def explain_prepared(self: Prepared, engine: Engine, text: str, values: Any) -> list[Any]:
        # a plan is asked for by the driver's cursor, which names parameters in its own way
        named = {f"p{place}": value for place, value in enumerate(values, 1)}
        driver_text = re.sub(r"\$(\d+)", r"%(p\1)s", text)
        with engine.connect() as db:
            explain(db, None, driver_text, tuple(values) if driver_text == text else named, None, False)
        return fetched(self, engine, text, values)

    event.listen(directory.engine, "before_cursor_execute", explain)
    monkeypatch.setattr(Prepared, "_fetched", explain_prepared)
    try:
        yield found
    finally:
        event.remove(directory.engine, "before_cursor_execute", explain)


@pytest.mark.parametrize(
    ("kind", "filter", "index", "total"),
    [
        ("User", 'userName eq "USER77@x.test"', "uq_contacts_workspace_id_user_name_key", 1),
        ("User", 'userName sw "user777"', "uq_contacts_workspace_id_user_name_key", 11),
        ("User", 'externalId eq "ext77"', "ix_contact_external_ids_value_key", 1),
        ("User", 'externalId sw "ext777"', "ix_contact_external_ids_value_key", 11),
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
        ("User", 'userName eq "user77@x.test" or externalId eq "ext78"', "ix_contact_external_ids_value_key", 2),
        ("User", 'userName eq "x" or emails.value eq "user77@x.test"', "ix_contact_emails_value_key", 1),
        ("User", 'groups.value eq "g000077"', "pk_members", 10),
        ("Group", 'displayName eq "Team 77"', "uq_groups_workspace_id_display_name_key", 1),
        ("Group", 'displayName sw "Team 77"', "uq_groups_workspace_id_display_name_key", 11),
        ("Group", 'externalId eq "ext77"', "ix_group_external_ids_value_key", 1),
        ("Group", 'externalId sw "ext77"', "ix_group_external_ids_value_key", 11),
        ("Group", 'displayName eq "Team 77" or externalId eq "ext78"', "ix_group_external_ids_value_key", 2),
        ("Group", 'members eq "c000077"', "ix_members_contact_id", 1),
        ("Group", 'members[value eq "c000077"]', "ix_members_contact_id", 1),
        ("Group", 'id eq "g000077" and members eq "c000770"', "ix_members_contact_id", 1),
    ],
)
def test_a_look_up_is_an_index_seek(crowd: Crowd, kind: str, filter: str, index: str, total: int) -> None:
    assert seek(crowd, kind, filter, index) == total


def seek(crowd: Crowd, kind: str, filter: str, index: str) -> int:
    """How many a search finds, once it is sure that `index` was used and nothing was walked."""
    query = Query(filter=parse_filter({"User": USER, "Group": GROUP}[kind], filter))
    with pytest.MonkeyPatch.context() as patch, plans(crowd.directory, patch) as found:
        page = search.find(crowd.directory, crowd.call, kind, query)
        paging, counting = found[0], len(found)
        count = search.find(crowd.directory, crowd.call, kind, replace(query, count=0))
    for plan in (paging, found[counting]):
        assert index in plan or SQLITE_NAMES.get(index, index) in plan, plan
    for plan in found:
        assert not SCAN.search(plan), plan
    assert len(page.resources) == min(page.total, query.count)
    assert count.total == page.total
    return page.total


def test_a_free_seat_is_an_index_seek(crowd: Crowd) -> None:
    engine, workspace_id = crowd.directory.engine, crowd.call.workspace_id
    with transaction(engine, "write") as db:
        ledger.add_seats(
            db, workspace_id, "member", [f"f{number}" for number in range(50_000)], NOW, crowd.directory.new_id
        )
        if engine.dialect.name == "postgresql":
            db.execute(text("ANALYZE seats"))
    with pytest.MonkeyPatch.context() as patch, transaction(engine, "write") as db:
        licence = ledger.licences(db, workspace_id)["member"]
        db.execute(delete(seats).where(seats.c.workspace_id == workspace_id, seats.c.holder_id == "c000000"))
        with plans(crowd.directory, patch) as found:
            ledger.claim(db, workspace_id, licence, SeatState.ASSIGNED, "c000000", NOW, crowd.directory.new_id)
        db.rollback()
    assert found
    assert not any(SCAN.search(plan) for plan in found), found


def test_a_look_for_invitations_past_their_time_is_an_index_seek(crowd: Crowd) -> None:
    engine, workspace_id = crowd.directory.engine, crowd.call.workspace_id
    key = {"workspace_id": workspace_id, "expires": NOW + timedelta(days=1)}
    rows = [{**key, "contact_id": f"c{number:06}", "hash": f"h{number}"} for number in range(PEOPLE)]
    with transaction(engine, "write") as db:
        db.execute(insert(invitation_links), rows)
        if engine.dialect.name == "postgresql":
            db.execute(text("ANALYZE invitation_links"))
    with (
        pytest.MonkeyPatch.context() as patch,
        plans(crowd.directory, patch) as found,
        transaction(engine, "read") as db,
    ):
        assert not accounts.any_invitation_due(db, workspace_id, NOW)
        assert not accounts.invitations_due(db, NOW, workspace_id)
    with transaction(engine, "write") as db:
        db.execute(delete(invitation_links).where(invitation_links.c.workspace_id == workspace_id))
    assert len(found) == 2
    for plan in found:
        # where next to none are due, PostgreSQL finds both indexes equally good
        assert re.search("ix_invitation_links_(due|expires)", plan), plan
        assert "expires<?" in plan or "expires <= " in plan, plan


@pytest.mark.parametrize("after", [None, "a001000"])
def test_the_activity_of_one_contact_is_two_index_seeks(crowd: Crowd, after: str | None) -> None:
    engine, workspace_id = crowd.directory.engine, crowd.call.workspace_id
    key = {"workspace_id": workspace_id, "at": NOW, "act": "contact.edited", "door": "scim", "facts": "{}"}
    with pytest.MonkeyPatch.context() as patch, transaction(engine, "write") as db:
        rows = [
            {**key, "id": f"a{number:06}", "actor_kind": "contact", "actor_id": f"c{number % 5000:06}"}
            for number in range(PEOPLE)
        ]
        db.execute(insert(activity), [{**each, "subject_id": f"c{place:06}"} for place, each in enumerate(rows)])
        if engine.dialect.name == "postgresql":
            db.execute(text("ANALYZE activity"))
        with plans(crowd.directory, patch) as found:
            page = log.page(db, workspace_id, log.Wanted(contact_id="c000077"), after=after, count=1000)
        db.rollback()
    wanted = ["a000077", "a005077", "a010077", "a015077"]
    assert [each.id for each in page] == [each for each in wanted if each > (after or "")]
    plan = found[-1]  # before it, where the page begins
    assert "ix_activity_actor_id" in plan, plan
    assert "ix_activity_subject_id" in plan, plan
    assert not ACTIVITY_SCAN.search(plan), plan


@pytest.fixture(scope="module", params=DATABASES)
def multitude(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Crowd]:
    """A million contacts in one workspace, ten to a group, in a database of its own."""
    app = create_app(Settings(database_url=new_database(request.param)))
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    world = new_world(app)
    connection = access.create_connection(directory, world.name, "one")
    million.load_contacts(directory.engine, world.workspace_id, MILLION)
    million.load_belongings(directory.engine, connection, MILLION)
    million.load_groups(directory.engine, connection, MILLION // 10)
    million.load_members(directory.engine, world.workspace_id, MILLION)
    yield Crowd(directory, Call(system(world.workspace_id), connection, BASE))
    directory.engine.dispose()


@pytest.mark.million
@pytest.mark.parametrize(
    ("kind", "attribute", "index", "whole", "start", "totals"),
    [
        ("User", "userName", "uq_contacts_workspace_id_user_name_key", "USER77@example.com", "User7777", (1, 111)),
        ("User", "externalId", "ix_contact_external_ids_value_key", "00u77", "00u7777", (1, 111)),
        ("User", "emails.value", "ix_contact_emails_value_key", "user77@EXAMPLE.com", "user7777", (1, 111)),
        ("User", "displayName", "ix_contacts_display_name_key", "person 77", "Person 7777", (1, 111)),
        ("User", "name.familyName", "ix_contacts_family_name_key", "family77", "Family777", (101, 1101)),
        ("User", f"{ENTERPRISE_URN}:employeeNumber", "ix_contacts_employee_number_key", "777", "77777", (1, 111)),
        (
            "User",
            f"{ENTERPRISE_URN}:department",
            "ix_contacts_department_key",
            "department 77",
            "Department 477",
            (200, 2190),
        ),
        ("Group", "displayName", "uq_groups_workspace_id_display_name_key", "TEAM 77", "Team 777", (1, 111)),
    ],
)
def test_among_a_million_contacts_too(
    multitude: Crowd, kind: str, attribute: str, index: str, whole: str, start: str, totals: tuple[int, int]
) -> None:
    found = [
        seek(multitude, kind, f'{attribute} {op} "{value}"', index) for op, value in (("eq", whole), ("sw", start))
    ]
    assert tuple(found) == totals
