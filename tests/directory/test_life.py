"""A person's acts on a contact through the one door: rights, repeats, and ownership that is never in two hands."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from scim_server.directory import access, life
from scim_server.directory.access import Taken, Unknown
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Event
from scim_server.domain.errors import (
    IllegalTransition,
    MissingPermission,
    OnlyOwner,
    OwnerRoleNotSettable,
    Refused,
    TargetNotEligible,
)
from scim_server.domain.roles import ALL_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from scim_server.storage.db import reading
from scim_server.storage.tables import activity, contacts
from tests.http.test_lifecycle import acts, pool, recorded
from tests.support import Client, World, new_world


@pytest.fixture
def operator(world: World) -> Actor:
    return access.operator(world.directory, world.name)


def person(world: World, contact_id: str, role: Role) -> Actor:
    return Actor(
        workspace_id=world.workspace_id,
        kind="contact",
        door="console",
        permissions=ROLE_PERMISSIONS[role],
        id=contact_id,
        role=role,
    )


def owners(world: World) -> int:
    with reading(world.directory.engine) as db:
        query = select(func.count()).select_from(contacts)
        return db.scalar(query.where(contacts.c.workspace_id == world.workspace_id, contacts.c.role == "owner")) or 0


def test_a_contact_of_another_workspace_is_unknown(app: Flask, world: World, operator: Actor) -> None:
    other = new_world(app).owner_id
    for event in life.ACTS:
        with pytest.raises(Unknown):
            life.act(world.directory, operator, other, event)
    with pytest.raises(Unknown):
        life.delete(world.directory, operator, other)
    with pytest.raises(Unknown):
        access.operator(world.directory, "nowhere")


def test_making_one_needs_a_free_name_and_the_right_to(world: World, operator: Actor) -> None:
    made = life.create(world.directory, operator, {"userName": "Ann@x.test", "givenName": "Ann", "role": "admin"})
    assert (made.status, made.seat, made.role, made.version) == ("uninvited", None, Role.ADMIN, 1)
    noted = recorded(world)
    with pytest.raises(Taken):
        life.create(world.directory, operator, {"userName": "ANN@x.test"})
    with pytest.raises(OwnerRoleNotSettable):
        life.create(world.directory, operator, {"userName": "bob@x.test", "role": "owner"})
    viewer = replace(operator, permissions=frozenset({Permission.CONTACTS_VIEW}))
    with pytest.raises(MissingPermission):
        life.create(world.directory, viewer, {"userName": "bob@x.test"})
    with pytest.raises(MissingPermission):
        life.show(world.directory, replace(operator, permissions=frozenset()), made.id)
    assert recorded(world) == noted


def test_who_acted_is_recorded(world: World, client: Client) -> None:
    ann = client.user("ann@x.test")["id"]
    life.act(world.directory, person(world, world.owner_id, Role.OWNER), ann, Event.DEACTIVATE)
    with reading(world.directory.engine) as db:
        row = db.execute(select(activity).where(activity.c.act == "contact.deactivated", activity.c.subject_id == ann))
        done = row.one()
    assert (done.actor_kind, done.actor_id, done.door) == ("contact", world.owner_id, "console")


def test_only_the_owner_or_an_operator_hands_ownership_over(world: World, client: Client, operator: Actor) -> None:
    ann, bob = client.user("ann@x.test")["id"], client.user("bob@x.test", active=False)["id"]
    noted = recorded(world)
    for asker in (person(world, ann, Role.ADMIN), replace(person(world, ann, Role.OWNER), id=None)):
        with pytest.raises(OnlyOwner):
            life.transfer(world.directory, asker, ann)
    for target in (bob, world.owner_id):
        with pytest.raises(TargetNotEligible):
            life.transfer(world.directory, operator, target)
    assert recorded(world) == noted
    before = pool(world)
    old, new = life.transfer(world.directory, person(world, world.owner_id, Role.OWNER), ann)
    assert ((old.id, old.role), (new.id, new.role)) == ((world.owner_id, Role.TEAM), (ann, Role.OWNER))
    assert (owners(world), pool(world)) == (1, before)
    assert acts(world, ann)[-1] == "contact.ownership_received"
    assert acts(world, world.owner_id)[-1] == "contact.ownership_given"
    with pytest.raises(OnlyOwner):
        life.transfer(world.directory, person(world, world.owner_id, Role.ADMIN), world.owner_id)


def test_roles_are_true_after_a_transfer(world: World, client: Client, operator: Actor) -> None:
    roles = [{"value": "Admin", "primary": True}, {"value": "Accountant"}]
    ann = client.user("ann@x.test", roles=roles)["id"]
    owner = {"value": "owner", "display": "Workspace owner"}

    def shown(contact_id: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = client.get(f"/Users/{contact_id}").json["roles"]
        by_role = client.get(f'/Users?filter=id eq "{contact_id}" and roles.value eq "{found[0]["value"]}"').json
        assert [each["roles"] for each in by_role["Resources"]] == [found]
        return found

    life.transfer(world.directory, operator, ann)
    assert (shown(ann), shown(world.owner_id)) == ([owner, {"value": "Accountant"}], [{"value": "admin"}])
    before = client.get(f"/Users/{world.owner_id}").json
    assert client.put(f"/Users/{world.owner_id}", before).json == before, "what is read can be written"
    assert client.put(f"/Users/{ann}", client.get(f"/Users/{ann}").json).json["roles"] == shown(ann)
    refused = client.patch(f"/Users/{world.owner_id}", {"op": "replace", "path": "roles", "value": [owner]})
    assert refused.status == 403
    life.transfer(world.directory, operator, world.owner_id)
    assert (shown(world.owner_id), shown(ann)) == ([owner], [{"value": "admin"}, {"value": "Accountant"}])


@pytest.mark.parametrize("who", ["\x00", "\ud800", "a\udfffb"])
def test_what_no_text_is_names_nobody(world: World, operator: Actor, who: str) -> None:
    with pytest.raises(Unknown):
        life.show(world.directory, operator, who)
    with pytest.raises(Unknown):
        life.delete(world.directory, operator, who)
    for workspace, connection in ((who, None), (world.name, who)):
        with pytest.raises(Unknown):
            access.operators_call(world.directory, workspace, connection)


def test_a_name_that_can_not_be_printed_is_found(world: World, client: Client, operator: Actor) -> None:
    ann = client.user("ann\t\u200b@x.test")["id"]
    assert life.show(world.directory, operator, "Ann\t\u200b@x.test").contact.id == ann


def test_transfers_at_once_leave_one_owner(world: World, client: Client, operator: Actor) -> None:
    targets = [client.user(f"u{number}@x.test")["id"] for number in range(4)]

    def hand_over(target: str) -> bool:
        try:
            life.transfer(world.directory, operator, target)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(hand_over, targets))
    assert owners(world) == 1


def test_activating_is_for_those_who_were_let_in_before(world: World, operator: Actor) -> None:
    made = life.create(world.directory, operator, {"userName": "ann@x.test"})
    noted = recorded(world)
    with pytest.raises(IllegalTransition):
        life.act(world.directory, operator, made.id, Event.ACTIVATE)
    assert life.act(world.directory, operator, made.id, Event.DEACTIVATE).changed is False
    with pytest.raises(ValueError, match="function of its own"):
        life.act(world.directory, operator, made.id, Event.DELETE)
    assert recorded(world) == noted
    assert operator.permissions == ALL_PERMISSIONS
