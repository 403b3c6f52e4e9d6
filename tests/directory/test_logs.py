"""The logs of activity and of requests as pages read them: newest first, page by page, filtered, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from scim_server.directory import access, activity, life, requests
from scim_server.directory.access import NotAllowed
from scim_server.domain.actor import Actor, system
from scim_server.domain.errors import MissingPermission
from scim_server.domain.events import DELETED_USER
from scim_server.domain.roles import ALL_PERMISSIONS, Permission, Role
from tests.directory.desk import Desk, address
from tests.directory.test_life import person
from tests.support import World, new_world


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


@pytest.fixture
def boss(world: World) -> Actor:
    return person(world, world.owner_id, Role.OWNER)


def seen(desk: Desk, boss: Actor, **wanted: Any) -> list[str]:
    return [each.id for each in activity.newest(desk.directory, boss, activity.Wanted(**wanted))]


def whole(desk: Desk) -> list[activity.Entry]:
    """The whole log as the export has it, newest first."""
    desk.now += timedelta(seconds=1)
    found = activity.stream(desk.directory, desk.call.actor, activity.Wanted())
    return sorted(found, key=lambda each: (each.at, each.id), reverse=True)


def test_pages_hold_every_row_once(desk: Desk, boss: Actor) -> None:
    for _ in range(7):
        desk.person(address())
        desk.now += timedelta(minutes=1)
    for place in range(5):
        desk.person(address(), active=place % 2 == 0)
    rows: list[activity.Entry] = []
    before = None
    while page := activity.newest(desk.directory, boss, activity.Wanted(), before=before, count=3):
        rows += page
        before = page[-1].id
    assert rows == whole(desk)
    assert len(rows) == 13


def test_what_a_person_did_and_what_was_done_to_them(desk: Desk, boss: Actor) -> None:
    ann, bob = desk.person(address()), desk.person(address(), active=True)
    by_ann = replace(boss, id=ann, role=Role.ADMIN)
    life.edit(desk.directory, by_ann, bob, {"title": "Chef"})
    life.edit(desk.directory, by_ann, ann, {"title": "Cook"})
    rows = whole(desk)
    for contact_id in (ann, bob):
        wanted = [each.id for each in rows if contact_id in (each.actor_id, each.subject_id)]
        assert seen(desk, boss, contact_id=contact_id) == wanted
        edits = [each.id for each in rows if each.id in wanted and each.act == "contact.edited"]
        assert seen(desk, boss, contact_id=contact_id, acts=["contact.edited"]) == edits
        for count in (1, 2):
            page = activity.newest(desk.directory, boss, activity.Wanted(contact_id=contact_id), count=count)
            assert [each.id for each in page] == wanted[:count]
    life.delete(desk.directory, boss, bob)
    latest = activity.newest(desk.directory, boss, activity.Wanted(contact_id=bob))
    assert {each.subject for each in latest} == {DELETED_USER}


def test_acts_and_times(desk: Desk, boss: Actor) -> None:
    start, ann = desk.now, desk.person(address())
    for minute in range(1, 5):
        desk.now = start + timedelta(minutes=minute)
        life.edit(desk.directory, boss, ann, {"title": str(minute)})
    desk.person(address(), active=True)
    rows = whole(desk)
    since, until = start + timedelta(minutes=2), start + timedelta(minutes=4)
    between = [each for each in rows if since <= each.at < until]
    assert len(between) == 2
    assert seen(desk, boss, since=since, until=until) == [each.id for each in between]
    assert seen(desk, boss, since=since, contact_id=ann) == [
        each.id for each in rows if each.at >= since and each.subject_id == ann
    ]
    kinds = ["contact.edited", "contact.provisioned", "contact.edited", "no such act"]
    assert seen(desk, boss, acts=kinds) == [each.id for each in rows if each.act in kinds]
    older = activity.newest(desk.directory, boss, activity.Wanted(acts=kinds), before=between[0].id)
    assert [each.id for each in older] == [
        each.id for each in rows if each.act in kinds and (each.at, each.id) < (between[0].at, between[0].id)
    ]
    assert seen(desk, boss, acts=["no such act"]) == seen(desk, boss, contact_id="nobody") == []


def test_activity_is_its_workspaces_and_for_those_who_see_contacts(app: Flask, desk: Desk, boss: Actor) -> None:
    other = new_world(app)
    stranger = person(other, other.owner_id, Role.OWNER)
    mine = seen(desk, boss)
    assert not set(seen(desk, stranger)) & set(mine)
    assert activity.newest(desk.directory, stranger, activity.Wanted(), before=mine[0]) == []
    assert activity.newest(desk.directory, stranger, activity.Wanted(contact_id=desk.world.owner_id)) == []
    assert activity.newest(desk.directory, boss, activity.Wanted(), before="no such row") == []
    with pytest.raises(MissingPermission, match="contacts:view"):
        activity.newest(
            desk.directory, replace(boss, permissions=ALL_PERMISSIONS - {Permission.CONTACTS_VIEW}), activity.Wanted()
        )
    for wanted in ({"contact_id": "\x00"}, {"acts": ["\ud800"]}):
        with pytest.raises(NotAllowed):
            seen(desk, boss, **wanted)
    with pytest.raises(NotAllowed):
        activity.newest(desk.directory, boss, activity.Wanted(), before="\x00")


@pytest.fixture
def asked(desk: Desk) -> list[requests.Row]:
    """Requests of two connections, some at the same time and some ids older than their time, newest first."""
    made = [access.create_connection(desk.directory, desk.world.name, name) for name in ("one", "other")]
    kinds = [
        ("GET", "/scim/v2/Users?filter=…", 200),
        ("POST", "/scim/v2/Users", 409),
        ("PATCH", "/scim/v2/Groups/g1", 404),
        ("GET", "/scim/v2/Users/100%25_off", 500),
    ]
    rows = [
        requests.Row(
            workspace_id=desk.world.workspace_id,
            id=f"r{number * 7 % 20:02}{desk.world.workspace_id}",
            connection_id=made[number % 2].id,
            at=desk.now + timedelta(seconds=number // 3),
            method=kinds[number % 4][0],
            path=kinds[number % 4][1],
            status=kinds[number % 4][2],
            duration=number,
            resource_id=f"c{number % 5}",
        )
        for number in range(20)
    ]
    requests.keep(desk.directory, rows)
    return sorted(rows, key=lambda row: (row.at, row.id), reverse=True)


def test_every_request_stands_on_one_page(desk: Desk, boss: Actor, asked: list[requests.Row]) -> None:
    rows: list[requests.Row] = []
    while page := requests.newest(
        desk.directory, boss, requests.Wanted(), before=rows[-1].id if rows else None, count=3
    ):
        rows += [row for row, _ in page]
    assert rows == asked


FILTERS: list[dict[str, Any]] = [
    {"method": "GET"},
    {"method": "get"},
    {"status_class": 2},
    {"status_class": 4},
    {"status_class": 5},
    {"status": 404},
    {"status": 200},
    {"status": 404, "status_class": 4, "errors": True},
    {"status": 404, "status_class": 5},
    {"errors": True},
    {"resource_id": "c3"},
    {"text": "Users"},
    {"text": "users/100"},
    {"text": "%"},
    {"text": "%25_off"},
    {"text": "Users_filter"},
    {"text": ""},
    {"method": "GET", "text": "filter", "resource_id": "c2"},
]


def fits(row: requests.Row, wanted: dict[str, Any]) -> bool:
    checks: dict[str, Callable[[Any], bool]] = {
        "method": lambda value: row.method == value,
        "status": lambda value: row.status == value,
        "status_class": lambda value: row.status // 100 == value,
        "errors": lambda value: row.status >= 400,
        "resource_id": lambda value: row.resource_id == value,
        "text": lambda value: value.lower() in row.path.lower(),
    }
    return all(checks[name](value) for name, value in wanted.items())


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_requests_are_filtered(desk: Desk, boss: Actor, asked: list[requests.Row], wanted: dict[str, Any]) -> None:
    found = requests.newest(desk.directory, boss, requests.Wanted(**wanted))
    assert [row for row, _ in found] == [row for row in asked if fits(row, wanted)]
    others = requests.newest(desk.directory, boss, requests.Wanted(**wanted), connection="OTHER", before=asked[4].id)
    other = {
        row.connection_id for row, name in requests.newest(desk.directory, boss, requests.Wanted()) if name != "one"
    }
    assert [row for row, _ in others] == [row for row in asked[5:] if fits(row, wanted) and row.connection_id in other]


def test_requests_between_two_times(desk: Desk, boss: Actor, asked: list[requests.Row]) -> None:
    since, until = desk.now + timedelta(seconds=2), desk.now + timedelta(seconds=4)
    found = requests.newest(desk.directory, boss, requests.Wanted(since=since, until=until))
    assert [row for row, _ in found] == [row for row in asked if since <= row.at < until]
    assert len(found) == 6


def test_requests_are_their_workspaces(app: Flask, desk: Desk, boss: Actor, asked: list[requests.Row]) -> None:
    stranger = system(new_world(app).workspace_id)
    assert requests.newest(desk.directory, stranger, requests.Wanted()) == []
    assert requests.newest(desk.directory, stranger, requests.Wanted(), before=asked[0].id) == []
    assert requests.newest(desk.directory, stranger, requests.Wanted(connection_id=asked[0].connection_id)) == []
    assert requests.newest(desk.directory, boss, requests.Wanted(), before="swept out") == []
    with pytest.raises(MissingPermission, match="workspace:manage"):
        requests.newest(desk.directory, replace(boss, permissions=frozenset()), requests.Wanted())


@pytest.mark.parametrize(
    "wanted", [{"text": "x" * 201}, {"text": "\x00"}, {"id": "\ud800"}, {"resource_id": "\x00"}, {"method": "\x00"}]
)
def test_what_no_request_can_have_is_refused(desk: Desk, boss: Actor, wanted: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed):
        requests.newest(desk.directory, boss, requests.Wanted(**wanted))
