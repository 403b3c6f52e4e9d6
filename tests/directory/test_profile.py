"""What stands beside a contact: its items by kind, and which connections provision it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from scim_server.directory import access, items
from scim_server.directory.access import NotAllowed
from scim_server.directory.items import NewItem
from scim_server.directory.profile import around
from scim_server.domain.actor import Actor
from scim_server.domain.errors import MissingPermission
from scim_server.domain.items import ItemKind
from tests.support import World, new_world


def operator(world: World) -> Actor:
    return access.operator(world.directory, world.name)


def test_items_by_kind_are_counted_and_the_first_shown(world: World) -> None:
    ann, bob = (world.client().user(f"{name}@x.test")["id"] for name in ("ann", "bob"))
    for kind, count in ((ItemKind.FILE, 3), (ItemKind.INVOICE, 1)):
        for number in range(count):
            new = NewItem(kind=kind.value, title=f"{kind} {number}", owner_id=ann, author_id=bob)
            items.add(world.directory, operator(world), new)
    found = around(world.directory, operator(world), ann, first=2)
    assert [(each.kind, each.count, [item.title for item in each.first]) for each in found.shelves] == [
        ("invoice", 1, ["invoice 0"]),
        ("file", 3, ["file 0", "file 1"]),
    ]
    assert found.items == 4
    assert around(world.directory, operator(world), bob).shelves == [], "what someone wrote isn't theirs"


def test_each_connection_that_calls_the_contact_something(world: World) -> None:
    okta, entra = world.client(preset="okta"), world.client(preset="entra")
    ann = okta.user("ann@x.test", externalId="00u1")["id"]
    entra.patch(f"/Users/{ann}", {"op": "add", "path": "externalId", "value": "e-1"})
    found = around(world.directory, operator(world), ann).origins
    assert [(each.connection.partition("-")[0], each.external_id) for each in found] == [
        ("entra", "e-1"),
        ("okta", "00u1"),
    ]


def test_nothing_of_another_workspace_and_nothing_without_the_right(app: Flask, world: World) -> None:
    other = new_world(app)
    ann = other.client().user("ann@x.test", externalId="1")["id"]
    items.add(other.directory, operator(other), NewItem(kind="file", title="Theirs", owner_id=ann))
    found = around(world.directory, operator(world), ann)
    assert (found.items, found.origins) == (0, [])
    with pytest.raises(MissingPermission):
        around(world.directory, replace(operator(world), permissions=frozenset()), ann)
    with pytest.raises(NotAllowed):
        around(world.directory, operator(world), "\0")
