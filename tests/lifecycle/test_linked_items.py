"""Linked items through a contact's whole life: R5, R13, R32, R45a, R55, R58, R59, for all six kinds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Table, select

from scim_server.directory import contacts, items
from scim_server.directory.contacts import Call
from scim_server.directory.items import NewItem
from scim_server.domain.actor import system
from scim_server.domain.items import ItemKind
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.support import WORKSPACE_URN, Client, World

ARCHIVED = f"{WORKSPACE_URN}:archived"
Rows = list[Mapping[str, Any]]


def rows_of(world: World, table: Table) -> Rows:
    """All rows of the workspace, column by column."""
    with reading(world.directory.engine) as db:
        query = select(table).where(table.c.workspace_id == world.workspace_id).order_by(table.c.id)
        return [dict(row) for row in db.execute(query).mappings()]


@dataclass(frozen=True)
class Scene:
    """Ann owns one item of each kind, wrote one of each, and has nothing to do with one of each."""

    world: World
    client: Client
    ann: str
    bob: str

    def snapshot(self) -> tuple[Rows, list[Any]]:
        """The items as they are stored and as they are shown."""
        page = items.find(self.world.directory, system(self.world.workspace_id), count=1000)
        return rows_of(self.world, tables.items), list(page.items)

    def history(self) -> Rows:
        """What the activity log holds of items: the record of who came to own what."""
        return [row for row in rows_of(self.world, tables.activity) if row["act"].startswith("item.")]

    def set(self, path: str, value: Any) -> None:
        answer = self.client.patch(f"/Users/{self.ann}", {"op": "replace", "path": path, "value": value})
        assert answer.status == 200, answer.text


@pytest.fixture
def scene(world: World, client: Client) -> Scene:
    ann, bob = client.user("ann@x.test", displayName="Ann")["id"], client.user("bob@x.test", displayName="Bob")["id"]
    for kind in ItemKind:
        for owner, author in ((ann, bob), (bob, ann), (bob, bob)):
            new = NewItem(kind=kind, title=f"The {kind}", reference=f"{kind}-1", owner_id=owner, author_id=author)
            items.add(world.directory, system(world.workspace_id), new)
    return Scene(world, client, ann, bob)


def test_r5_r13_r58_r59_no_step_of_a_life_touches_linked_items(scene: Scene) -> None:
    before, history = scene.snapshot(), scene.history()
    assert {row["kind"] for row in before[0]} == {"project", "invoice", "proposal", "contract", "conversation", "file"}
    assert len(before[0]) == len(history) == 18
    for path, value in (
        ("active", False),
        (ARCHIVED, True),
        ("active", True),
        (ARCHIVED, False),
        ("roles", [{"value": "client"}]),
        ("entitlements", [{"type": "license", "value": "client"}]),
        ("userName", "other@x.test"),
        ("active", False),
    ):
        scene.set(path, value)
        assert (scene.snapshot(), scene.history()) == (before, history), path


def test_r5_a_reinvited_contact_finds_its_items_where_they_were(scene: Scene) -> None:
    before = scene.snapshot()
    scene.set("active", False)
    scene.client.user("new@x.test")
    scene.set("active", True)
    assert scene.snapshot() == before


def _without(row: Mapping[str, Any], contact_id: str) -> dict[str, Any]:
    return {name: None if value == contact_id else value for name, value in row.items()}


def test_r32_r45a_deleting_changes_the_links_to_the_contact_alone(scene: Scene) -> None:
    (stored, shown), history = scene.snapshot(), scene.history()
    assert scene.client.delete(f"/Users/{scene.ann}").status == 204
    left, now = scene.snapshot()
    assert left == [_without(row, scene.ann) for row in stored]
    assert sum(a != b for a, b in zip(left, stored, strict=True)) == 12
    told = [("Deleted contact" if each.owner == "Ann" else each.owner) for each in shown]
    assert [each.owner for each in now] == told
    assert [each.author for each in now] == [
        ("Deleted contact" if each.author == "Ann" else each.author) for each in shown
    ]
    assert scene.history() == history


def test_r55_the_deleter_may_hand_ownership_on_and_never_authorship(scene: Scene) -> None:
    (stored, _), history = scene.snapshot(), scene.history()
    call = Call(system(scene.world.workspace_id), None, "")
    contacts.delete(scene.world.directory, call, scene.ann, reassign_to=scene.bob)
    expected = [
        {
            **row,
            "owner_id": scene.bob,  # all were Ann's or Bob's own
            "author_id": None if row["author_id"] == scene.ann else row["author_id"],
        }
        for row in stored
    ]
    assert scene.snapshot()[0] == expected
    assert scene.history() == history


def test_r32_items_are_open_to_a_list_by_the_one_who_is_left(scene: Scene) -> None:
    scene.client.delete(f"/Users/{scene.ann}")
    wanted = items.Wanted(author_id=scene.bob)
    page = items.find(scene.world.directory, system(scene.world.workspace_id), wanted, count=1000)
    assert {(each.item.kind, each.owner) for each in page.items} == {
        (kind, owner) for kind in ItemKind for owner in ("Bob", "Deleted contact")
    }
    wanted = items.Wanted(owner_id=scene.ann)
    assert items.find(scene.world.directory, system(scene.world.workspace_id), wanted).items == []


def test_a_refused_deletion_leaves_the_items(scene: Scene) -> None:
    before = scene.snapshot()
    assert scene.client.delete(f"/Users/{scene.world.owner_id}").status == 403
    version = {"If-Match": 'W/"99"'}
    assert scene.client.request("DELETE", f"/Users/{scene.ann}", headers=version).status == 412
    assert scene.snapshot() == before
