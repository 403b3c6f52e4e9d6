"""Groups and memberships as rows: a change touches what it changes, and no list is read to change it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import Connection, func, insert, select, text

from scim_server.directory import access
from scim_server.directory import groups as directory_groups
from scim_server.directory.contacts import Call, searchable
from scim_server.domain.actor import system
from scim_server.domain.group import Group, Member, Membership
from scim_server.mapping import to_group
from scim_server.scim.filter import parse_path
from scim_server.scim.match import comparable
from scim_server.scim.patch import read_operations
from scim_server.scim.schema import GROUP
from scim_server.storage import groups
from scim_server.storage.db import LostRace, reading, transaction, writing
from scim_server.storage.query import member_condition
from scim_server.storage.tables import contacts, members
from tests.storage.test_indexes import person
from tests.storage.test_ledger import wait_for_a_lock
from tests.support import Client, World, new_world, patch_body, statements

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "https://x.test/scim/v2"
MANY = 10_000


@pytest.fixture
def ids(client: Client) -> list[str]:
    """Four contacts."""
    return [client.user(name, active=False, displayName=name.title())["id"] for name in ("ann", "bea", "cem", "dia")]


@pytest.fixture
def group(client: Client) -> str:
    """An empty group."""
    group_id: str = client.group("Team")["id"]
    return group_id


def users(ids: list[str]) -> dict[str, str]:
    return dict.fromkeys(ids, "User")


def labels(world: World, group_id: str) -> list[str]:
    with reading(world.directory.engine) as db:
        return [member.label for member in groups.members_of(db, world.workspace_id, [group_id])[group_id]]


def save(db: Connection, world: World, group: Group, previous: Group | None = None, by: str | None = None) -> None:
    form = comparable(GROUP, to_group(group, None, BASE))
    groups.save(db, world.workspace_id, by, group, previous, searchable(form))


def load(world: World, group_id: str) -> Group:
    with reading(world.directory.engine) as db:
        group = groups.load(db, world.workspace_id, group_id, None)
    assert group is not None
    return group


def test_what_is_saved_is_loaded(world: World) -> None:
    group = Group(
        id="g", display_name="Straße", external_id="X", profile={"a": 1}, created=NOW, modified=NOW, version=3
    )
    changed = replace(group, display_name="STRASSE", external_id=None, profile={}, version=2)
    by = access.create_connection(world.directory, world.name, "by").id
    with transaction(world.directory.engine, "write") as db:
        save(db, world, group, by=by)
        assert groups.load(db, world.workspace_id, "g", by) == group
        for other in ("other", None):
            assert groups.load(db, world.workspace_id, "g", other) == replace(group, external_id=None)
        assert groups.id_of_name(db, world.workspace_id, "straße") == "g"
        assert groups.load(db, "elsewhere", "g", by) is None
        save(db, world, changed, group, by)
        assert groups.load_to_change(db, world.workspace_id, "g", by) == changed
        assert groups.id_of_name(db, world.workspace_id, "straße") is None


def test_a_writer_that_is_behind_has_lost(world: World, group: str) -> None:
    stored = load(world, group)
    behind = replace(stored, version=stored.version - 1)
    workspace_id, engine = world.workspace_id, world.directory.engine
    with pytest.raises(LostRace), transaction(engine, "write") as db:
        save(db, world, stored, behind)
    with pytest.raises(LostRace), transaction(engine, "write") as db:
        groups.touch(db, workspace_id, behind, NOW)
    with pytest.raises(LostRace), transaction(engine, "write") as db:
        groups.erase(db, workspace_id, behind)
    assert load(world, group) == stored


def test_a_name_that_is_taken_meanwhile_is_a_lost_race(world: World, client: Client, group: str) -> None:
    other = load(world, client.group("Other")["id"])
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        save(db, world, replace(other, display_name="TEAM", version=2), other)
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        save(db, world, replace(other, id="new"))


def test_members_come_once_and_go_once(world: World, group: str, ids: list[str]) -> None:
    workspace_id = world.workspace_id

    def work(db: Connection) -> list[int]:
        return [
            groups.add_members(db, workspace_id, group, users(ids[:2])),
            groups.add_members(db, workspace_id, group, users(ids[1:3])),
            groups.add_members(db, workspace_id, group, users(ids[:3])),
            groups.remove_members(db, workspace_id, group, [ids[0], ids[3], "nobody"]),
            groups.remove_members(db, workspace_id, group, [ids[0]]),
            groups.remove_others(db, workspace_id, group, [ids[2], ids[3]]),
            groups.remove_others(db, workspace_id, group, [ids[2]]),
            groups.remove_members(db, workspace_id, group, None),
            groups.remove_members(db, workspace_id, group, None),
        ]

    assert writing(world.directory.engine, work) == [2, 1, 0, 1, 0, 1, 0, 1, 0]


def test_a_member_that_is_gone_is_a_lost_race(world: World, group: str) -> None:
    for kind in ("User", "Group"):
        with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
            groups.add_members(db, world.workspace_id, group, {"nobody": kind})


def test_nobody_joins_from_another_workspace(app: Flask, world: World, group: str) -> None:
    stranger = new_world(app).owner_id
    with reading(world.directory.engine) as db:
        assert groups.kinds_of(db, world.workspace_id, [stranger, group, world.owner_id]) == {
            world.owner_id: "User", group: "Group",
        }  # fmt: skip
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        groups.add_members(db, world.workspace_id, group, users([stranger]))


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ('members[value eq "{ann}"]', ["Bea", "Inner"]),
        ('members[value eq "{ann}" or value eq "{bea}"]', ["Inner"]),
        ('members[type eq "user"]', ["Inner"]),
        ('members[type eq "GROUP"]', ["Ann", "Bea"]),
        ('members[not (type eq "Group")]', ["Inner"]),
        ('members[display eq "ANN"]', ["Bea", "Inner"]),
        ('members[display sw "in" or display ew "ea"]', ["Ann"]),
        ('members[$ref eq "https://x.test/scim/v2/Users/{bea}"]', ["Ann", "Inner"]),
        ('members[$ref co "/Groups/"]', ["Ann", "Bea"]),
        ("members[value pr]", []),
        ("members[value eq null]", ["Ann", "Bea", "Inner"]),
        ('members[value eq "nobody"]', ["Ann", "Bea", "Inner"]),
    ],
)
def test_members_are_removed_by_condition(
    world: World, client: Client, group: str, ids: list[str], path: str, left: list[str]
) -> None:
    ann, bea, *_ = ids
    inner, other = client.group("Inner")["id"], client.group("Other", ann, bea)["id"]
    term = parse_path(GROUP, path.format(ann=ann, bea=bea)).term
    assert term is not None

    def work(db: Connection) -> int:
        groups.add_members(db, world.workspace_id, group, {ann: "User", bea: "User", inner: "Group"})
        return groups.remove_where(db, world.workspace_id, group, member_condition(db, BASE, term))

    assert writing(world.directory.engine, work) == 3 - len(left)
    assert labels(world, group) == left
    assert labels(world, other) == ["Ann", "Bea"]


def test_members_are_called_by_their_present_names(world: World, client: Client, ids: list[str]) -> None:
    ann, bea, *_ = ids
    inner = client.group("Inner")["id"]
    outer = client.group("Outer", ann, bea, inner)["id"]
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "displayName", "value": "Anna"})
    client.patch(f"/Users/{bea}", {"op": "remove", "path": "displayName"})
    client.patch(f"/Groups/{inner}", {"op": "replace", "path": "displayName", "value": "Core"})
    with reading(world.directory.engine) as db:
        found = groups.members_of(db, world.workspace_id, [outer, inner])
    assert found == {
        outer: [Member(ann, "User", "Anna"), Member(bea, "User", "bea"), Member(inner, "Group", "Core")],
        inner: [],
    }


def test_memberships_reach_through_groups(world: World, client: Client, ids: list[str]) -> None:
    ann, bea, cem, dia = ids
    low = client.group("Low", ann, bea)["id"]
    left, right = client.group("Left", low)["id"], client.group("Right", low, cem)["id"]
    top = client.group("Top", left, right, ann)["id"]
    with transaction(world.directory.engine, "write") as db:
        found = groups.memberships_of(db, world.workspace_id, [ann, bea, cem, dia])
        assert groups.ancestors_of(db, world.workspace_id, low) == {low, left, right, top}
        assert groups.ancestors_of(db, world.workspace_id, top) == {top}
    around = [(low, "Low"), (left, "Left"), (right, "Right"), (top, "Top")]
    assert found == {
        ann: [Membership(each, label, label in ("Low", "Top")) for each, label in around],
        bea: [Membership(each, label, label == "Low") for each, label in around],
        cem: [Membership(right, "Right", True), Membership(top, "Top", False)],
        dia: [],
    }
    assert groups.read_memberships(world.directory.engine, world.workspace_id, ann) == found[ann]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_no_group_contains_itself(world: World, client: Client, depth: int) -> None:
    chain = [client.group("G0")["id"]]
    for number in range(1, depth):
        chain.append(client.group(f"G{number}", chain[-1])["id"])
    answer = client.patch(f"/Groups/{chain[0]}", {"op": "add", "path": "members", "value": [{"value": chain[-1]}]})
    assert (answer.status, answer.scim_type) == (400, "invalidValue")
    assert labels(world, chain[0]) == []


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_two_changes_at_once_close_no_circle(world: World, client: Client) -> None:
    inner = client.group("Inner")["id"]
    middle = client.group("Middle", inner)["id"]
    outer = client.group("Outer")["id"]
    add_outer = {"op": "add", "path": "members", "value": [{"value": outer}]}
    with ThreadPoolExecutor(1) as thread:
        with transaction(world.directory.engine, "write") as db:
            groups.load_to_change(db, world.workspace_id, outer, None)
            assert groups.ancestors_of(db, world.workspace_id, outer) == {outer}
            groups.add_members(db, world.workspace_id, outer, {middle: "Group"})
            waiting = thread.submit(client.patch, f"/Groups/{inner}", add_outer)
            wait_for_a_lock(world.directory.engine, waiting)
        assert waiting.result(30).status == 400
    assert labels(world, inner) == []


def test_ten_thousand_members_join_without_reading_the_list(app: Flask) -> None:
    world = new_world(app)
    engine, workspace_id = world.directory.engine, world.workspace_id
    people = [person(workspace_id, number) for number in range(MANY + 1)]
    writing(engine, lambda db: db.execute(insert(contacts), people))
    if engine.dialect.name == "postgresql":  # by itself it would, a little later
        writing(engine, lambda db: db.execute(text("ANALYZE contacts")))
    group = world.client().group("Everyone")["id"]
    call = Call(system(workspace_id), None, BASE)
    everyone = [{"value": each["id"]} for each in people[:MANY]]

    def add(values: list[dict[str, str]]) -> list[str]:
        operations = read_operations(GROUP, patch_body({"op": "add", "path": "members", "value": values}), frozenset())
        with statements(engine) as found:
            directory_groups.patch(world.directory, call, group, operations, with_members=False)
        return found

    assert len(add(everyone)) <= 2 * MANY // 500 + 10
    asked = add([{"value": people[MANY]["id"]}])
    assert len(asked) <= 10
    assert not [each for each in asked if each.startswith("SELECT") and "members" in each]
    with reading(engine) as db:
        count = db.scalar(select(func.count()).select_from(members).where(members.c.workspace_id == workspace_id))
    assert count == MANY + 1
    assert load(world, group).version == 3
