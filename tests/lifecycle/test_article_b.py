"""User licences: what a deactivation frees and keeps, what a deletion ends. R42 to R62 of the lifecycle, by number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from scim_server.directory import access, life
from scim_server.domain.contact import Event
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.cli.conftest import Here, here  # noqa: F401
from tests.directory.desk import Desk
from tests.http.test_lifecycle import acts, pool, replaced
from tests.support import WORKSPACE_URN, Client, World, new_world

LOGS = (tables.activity, tables.outbox, tables.seat_changes)


def path_of(user: Any) -> str:
    return f"/Users/{user['id']}"


def stored(world: World) -> dict[str, list[dict[str, Any]]]:
    """Every row of the workspace, by table."""
    with reading(world.directory.engine) as db:
        return {
            table.name: [
                dict(row)
                for row in db.execute(select(table).where(table.c.workspace_id == world.workspace_id)).mappings()
            ]
            for table in tables.metadata.tables.values()
            if "workspace_id" in table.c
        }


def test_r42_r62_deleting_recommends_to_deactivate(here: Here) -> None:  # noqa: F811
    here.world.client().user("ann@x.test")
    asked = here.run("contact", "delete", "ann@x.test", said="n\n").stderr
    assert "deactivate them instead" in asked
    assert "may need access again" in asked


def test_r44a_a_seat_is_free_at_once(world: World, client: Client) -> None:
    ann, before = client.user("ann@x.test"), pool(world)
    client.patch(path_of(ann), replaced("active", False))
    after = pool(world)
    assert (after.assigned, after.available) == (before.assigned - 1, before.available + 1)


def test_r44b_deactivating_ends_access(client: Client) -> None:
    off = client.patch(path_of(client.user("ann@x.test")), replaced("active", False)).json
    assert off[WORKSPACE_URN]["signInAllowed"] is False


def test_r47_purchased_seats_stay(world: World, client: Client) -> None:
    ann, bob, before = client.user("ann@x.test"), client.user("bob@x.test"), pool(world).purchased
    client.patch(path_of(ann), replaced("active", False))
    client.delete(path_of(bob))
    assert pool(world).purchased == before


def test_r50_r51_deactivated_at_once_and_active_at_once(world: World, client: Client) -> None:
    ann = client.user("ann@x.test")
    actor = access.operator(world.directory, world.name)
    assert life.act(world.directory, actor, ann["id"], Event.DEACTIVATE).contact.status == "inactive"
    on = life.act(world.directory, actor, ann["id"], Event.ACTIVATE).contact
    assert (on.status, on.invitation, on.account_linked) == ("active", None, True)
    assert on.seat is not None


def test_r52_a_freed_licence_is_for_a_new_user(app: Flask) -> None:
    world = new_world(app, seats=2)
    client = world.client()
    ann = client.user("ann@x.test")
    assert client.post("/Users", {"userName": "bob@x.test"}).status == 403
    client.patch(path_of(ann), replaced("active", False))
    client.user("bob@x.test")
    with pytest.raises(Exception, match="No free 'member' seat"):
        life.act(world.directory, access.operator(world.directory, world.name), ann["id"], Event.ACTIVATE)


def test_r54_a_deleted_id_never_holds_a_seat_again(world: World, client: Client) -> None:
    ann, before = client.user("ann@x.test"), pool(world)
    client.delete(path_of(ann))
    client.user("ann@x.test")
    assert pool(world) == before
    assert ann["id"] not in {row["holder_id"] for row in stored(world)["seats"]}


def test_r56_r57_one_can_be_undone_and_the_other_not(client: Client) -> None:
    off, gone = client.user("off@x.test"), client.user("gone@x.test")
    client.patch(path_of(off), replaced("active", False))
    client.delete(path_of(gone))
    assert client.patch(path_of(off), replaced("active", True)).status == 200
    assert client.patch(path_of(gone), replaced("active", True)).status == 404


def test_r60_the_whole_difference_of_a_deactivation(world: World) -> None:
    desk = Desk(world)
    ann = desk.person("ann@x.test", active=True)
    before = stored(world)
    desk.now += timedelta(minutes=1)
    life.act(desk.directory, access.operator(world.directory, world.name), ann, Event.DEACTIVATE)
    after = stored(world)
    changed = {name for name, rows in after.items() if rows != before[name]}
    assert changed == {"contacts", "seats", *(table.name for table in LOGS)}
    (old,) = [row for row in before["contacts"] if row["id"] == ann]
    (new,) = [row for row in after["contacts"] if row["id"] == ann]
    differing = {name for name in new if new[name] != old[name]} - {"search"}
    assert differing == {"status", "status_changed_at", "account_linked", "version", "modified"}
    for table in LOGS:
        assert len(after[table.name]) == len(before[table.name]) + 1
    assert desk.mails == []


def test_r61_a_new_contact_of_the_same_name_has_no_history(world: World, client: Client) -> None:
    ann = client.user("ann@x.test")
    client.delete(path_of(ann))
    again = client.user("ann@x.test")
    assert again["id"] != ann["id"]
    assert acts(world, again["id"]) == ["contact.provisioned"]
