"""The list of contacts reads its indexes and sorts nothing, and its keys are there for every contact."""

from __future__ import annotations

import re
from typing import Final

import pytest
from flask import Flask
from sqlalchemy import select

from benchmarks import million
from scim_server.directory import roster
from scim_server.directory.roster import Wanted
from scim_server.domain.actor import system
from scim_server.domain.contact import Status
from scim_server.scim.schema import USER, fold
from scim_server.storage.db import reading
from scim_server.storage.groups import inside
from scim_server.storage.tables import contacts
from tests.storage.test_indexes import plans
from tests.support import Client, World, new_world

PEOPLE: Final = 6_000
SORTED: Final = re.compile(r"TEMP B-TREE FOR ORDER BY|Sort  \(|Seq Scan on contacts|SCAN contacts(?! USING)")


@pytest.fixture(scope="module")
def crowd(app: Flask) -> World:
    """Six thousand contacts, and a database that knows it."""
    world = new_world(app)
    engine = world.directory.engine
    million.load_contacts(engine, world.workspace_id, PEOPLE)
    return world


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "ix_contacts_label_key"),
        (Wanted(with_archived=True, sort="-name"), "ix_contacts_label_key"),
        (Wanted(status=Status.ACTIVE), "ix_contacts_label_key"),
        (Wanted(sort="created"), "ix_contacts_status"),
        (Wanted(sort="-created", with_archived=True), "ix_contacts_status"),
    ],
)
def test_pages_are_read_from_an_index_and_never_sorted(crowd: World, wanted: Wanted, index: str) -> None:
    actor = system(crowd.workspace_id)
    first = roster.page(crowd.directory, actor, wanted)
    assert first.next is not None
    for position in (None, first.next, roster.page(crowd.directory, actor, wanted, position=first.next).previous):
        with pytest.MonkeyPatch.context() as patch, plans(crowd.directory, patch) as found:
            page = roster.page(crowd.directory, actor, wanted, position=position)
        assert len(page.lines) == 50
        assert any(index in plan for plan in found), found
        assert not any(SORTED.search(plan) for plan in found), found


def test_labels_are_folded_by_every_write(client: Client, world: World) -> None:
    kim = client.user("KIM@x.test")["id"]
    ann = client.user("ann@x.test", displayName="ÄNNE \N{ANGSTROM SIGN}")["id"]
    client.patch(f"/Users/{kim}", {"op": "replace", "path": "displayName", "value": "Kim ΣΑΣ"})
    query = select(contacts.c.id, contacts.c.label, contacts.c.label_key)
    with reading(world.directory.engine) as db:
        rows = {row.id: row for row in db.execute(query.where(contacts.c.workspace_id == world.workspace_id))}
    assert {each: rows[each].label for each in (kim, ann)} == {kim: "Kim ΣΑΣ", ann: "ÄNNE \N{ANGSTROM SIGN}"}
    for row in rows.values():
        assert row.label_key == fold(USER.attributes["displayname"], row.label) != ""


def test_groups_inside_others_are_found_at_any_depth(client: Client, world: World) -> None:
    ids = [client.group("bottom")["id"]]
    for name in ("middle", "top"):
        ids.append(client.group(name, ids[-1], ids[0])["id"])
    with reading(world.directory.engine) as db:
        found = inside(db, world.workspace_id, ids[2])
        assert (found[0], sorted(found)) == (ids[2], sorted(ids))
        assert inside(db, world.workspace_id, ids[0]) == [ids[0]]
