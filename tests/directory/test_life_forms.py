"""What a person writes about a contact in a form: what changes, what doesn't, who may, and forms that are too old."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from scim_server.directory import access, life, seats
from scim_server.directory.access import Taken, Unknown
from scim_server.directory.columns import BadRow, row_of
from scim_server.directory.life import Outdated
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Status
from scim_server.domain.errors import (
    MissingPermission,
    NoFreeSeat,
    OwnerRoleNotSettable,
    RoleAboveOwn,
    UnknownLicence,
)
from scim_server.domain.roles import Permission, Role
from scim_server.scim.errors import ScimError
from tests.directory.test_life import person
from tests.http.test_lifecycle import acts, pool, recorded
from tests.support import Client, World, new_world

ANN = {
    "userName": "ann@x.test",
    "givenName": "Ann",
    "familyName": "Lee",
    "displayName": "Ann Lee",
    "email": "ann@x.test",
    "phone": "+1 555",
    "title": "Chef",
    "department": "Kitchen",
    "employeeNumber": "7",
}


@pytest.fixture
def boss(world: World) -> Actor:
    return person(world, world.owner_id, Role.OWNER)


@pytest.fixture
def ann(world: World, boss: Actor) -> str:
    return life.create(world.directory, boss, ANN).id


def shown(world: World, who: str) -> dict[str, Any]:
    contact = life.show(world.directory, access.operator(world.directory, world.name), who).contact
    row = row_of(contact, ())
    return {name: row[name] for name in life.FIELDS}


def test_every_field_is_written(world: World, boss: Actor, ann: str) -> None:
    assert shown(world, ann) == {**ANN, "role": "team", "licence": "member"}
    new = {
        "userName": "bea@x.test",
        "givenName": "Bea",
        "familyName": "",
        "displayName": "Bea",
        "email": "bea@x.test",
        "phone": "",
        "title": "Cook",
        "department": "",
        "employeeNumber": "8",
        "role": "client",
        "licence": "client",
    }
    done = life.edit(world.directory, boss, "ANN@x.test", new)
    assert (done.changed, done.contact.id, done.contact.version) == (True, ann, 2)
    assert shown(world, ann) == {name: value or None for name, value in new.items()}
    assert acts(world, ann) == ["contact.created", "contact.edited", "contact.licence_changed"]


def test_only_what_is_named_changes(world: World, boss: Actor, ann: str) -> None:
    life.edit(world.directory, boss, ann, {"title": "Cook"})
    assert shown(world, ann) == {**ANN, "title": "Cook", "role": "team", "licence": "member"}


def test_a_repeat_changes_nothing_however_old_the_form(world: World, client: Client, boss: Actor, ann: str) -> None:
    life.edit(world.directory, boss, ann, {"title": "Cook"}, version=1)
    noted, before = recorded(world), client.get(f"/Users/{ann}").json
    for values in ({"title": "Cook"}, {**ANN, "title": "Cook", "role": "team", "licence": "member"}, {}):
        done = life.edit(world.directory, boss, ann, values, version=1)
        assert (done.changed, done.contact.version) == (False, 2)
    assert not life.change_role(world.directory, boss, ann, "team", version=1).changed
    assert not life.set_licence(world.directory, boss, ann, "member", version=1).changed
    assert (recorded(world), client.get(f"/Users/{ann}").json) == (noted, before)


def test_a_form_that_is_older_than_the_contact_is_refused(world: World, boss: Actor, ann: str) -> None:
    life.edit(world.directory, boss, ann, {"title": "Cook"}, version=1)
    noted = recorded(world)
    writes: list[Callable[[], object]] = [
        lambda: life.edit(world.directory, boss, ann, {"title": "Baker"}, version=1),
        lambda: life.change_role(world.directory, boss, ann, "admin", version=1),
        lambda: life.set_licence(world.directory, boss, ann, "client", version=1),
    ]
    for write in writes:
        with pytest.raises(Outdated, match="changed this contact meanwhile"):
            write()
    assert recorded(world) == noted
    assert life.edit(world.directory, boss, ann, {"title": "Baker"}, version=2).changed


def test_a_form_gives_no_access_and_no_group(world: World, boss: Actor, ann: str) -> None:
    forged = {"active": "true", "archived": "true", "groups": "All", "externalId": "x", "owner": "true"}
    assert not life.edit(world.directory, boss, ann, forged).changed
    contact = life.show(world.directory, boss, ann).contact
    assert (contact.status, contact.archived, contact.external_id) == (Status.UNINVITED, False, None)
    made = life.create(world.directory, boss, {"userName": "bob", **forged})
    assert (made.status, made.archived, made.seat) == (Status.UNINVITED, False, None)


BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"userName": ""}, BadRow),
    ({"userName": "OWNER"}, Taken),
    ({"userName": "a\x00"}, ScimError),
    ({"email": "no address"}, BadRow),
    ({"role": "king"}, BadRow),
    ({"role": "owner"}, OwnerRoleNotSettable),
    ({"licence": "gold"}, UnknownLicence),
    ({"title": ["a"]}, BadRow),
    ({"title": "\ud800"}, ScimError),
]


@pytest.mark.parametrize(("values", "error"), BAD)
def test_what_can_not_be_is_refused_whole(
    world: World, boss: Actor, ann: str, values: dict[str, Any], error: type[Exception]
) -> None:
    values = {name: f"owner@{world.name}.test" if value == "OWNER" else value for name, value in values.items()}
    noted, before = recorded(world), shown(world, ann)
    with pytest.raises(error):
        life.edit(world.directory, boss, ann, {"department": "Office", **values})
    with pytest.raises(error):
        life.create(world.directory, boss, {"userName": "bob@x.test", **values})
    assert (recorded(world), shown(world, ann)) == (noted, before)


def test_one_may_write_ones_own_name_in_another_case(world: World, boss: Actor, ann: str) -> None:
    assert life.edit(world.directory, boss, ann, {"userName": "Ann@X.test"}).contact.user_name == "Ann@X.test"


def test_it_needs_the_right_to_edit_and_the_workspace(app: Flask, world: World, boss: Actor, ann: str) -> None:
    viewer = replace(boss, permissions=frozenset({Permission.CONTACTS_VIEW}))
    other = new_world(app)
    stranger = person(other, other.owner_id, Role.OWNER)
    writes: list[Callable[[Actor], object]] = [
        lambda by: life.edit(world.directory, by, ann, {"title": "x"}),
        lambda by: life.edit(world.directory, by, ann, {"title": "Chef"}),
        lambda by: life.change_role(world.directory, by, ann, "client"),
        lambda by: life.set_licence(world.directory, by, ann, "client"),
    ]
    noted = recorded(world)
    for write in writes:
        with pytest.raises(MissingPermission, match="contacts:edit"):
            write(viewer)
        with pytest.raises(Unknown):
            write(stranger)
    with pytest.raises(MissingPermission, match="contacts:view"):
        life.owner(world.directory, replace(boss, permissions=frozenset()))
    assert recorded(world) == noted


def test_roles_are_given_up_to_ones_own(world: World, client: Client, boss: Actor, ann: str) -> None:
    team = person(world, client.user("tom@x.test")["id"], Role.TEAM)
    noted = recorded(world)
    with pytest.raises(RoleAboveOwn):
        life.change_role(world.directory, team, ann, "admin")
    assert recorded(world) == noted
    assert life.change_role(world.directory, boss, ann, "admin").contact.role is Role.ADMIN
    writes: list[Callable[[], object]] = [
        lambda: life.change_role(world.directory, team, ann, "client"),
        lambda: life.edit(world.directory, team, ann, {"email": "tom@x.test"}),
        lambda: life.edit(world.directory, team, ann, {"userName": "tom2@x.test"}),
    ]
    for refused in writes:
        with pytest.raises(RoleAboveOwn):
            refused()
    assert life.edit(world.directory, team, ann, {"title": "Boss"}).changed, "what nobody signs in by, they may"
    assert life.change_role(world.directory, team, "tom@x.test", "client").contact.role is Role.CLIENT


def test_the_owners_role_is_transferred_alone(world: World, boss: Actor) -> None:
    assert life.owner(world.directory, boss).id == world.owner_id
    noted = recorded(world)
    for role in ("admin", "team"):
        with pytest.raises(OwnerRoleNotSettable):
            life.change_role(world.directory, boss, world.owner_id, role)
    assert not life.change_role(world.directory, boss, world.owner_id, "owner").changed
    assert recorded(world) == noted
    assert life.edit(world.directory, boss, world.owner_id, {"title": "Owner"}).contact.owner


def test_a_change_of_licence_takes_a_seat_of_the_other_type(world: World, client: Client, boss: Actor) -> None:
    tim = client.user("tim@x.test")["id"]
    seats.add_licence(world.directory, boss, "guest", counted=True)
    before = pool(world)
    with pytest.raises(NoFreeSeat):
        life.set_licence(world.directory, boss, tim, "guest")
    assert pool(world) == before
    seats.add(world.directory, boss, "guest", 1)
    contact = life.set_licence(world.directory, boss, tim, "guest").contact
    assert contact.seat is not None
    assert (contact.licence, contact.seat.licence) == ("guest", "guest")
    assert [each.label for each in seats.holders(world.directory, boss, "guest")] == ["tim@x.test"]
    guest = next(each.pool for each in seats.show(world.directory, boss) if each.licence.name == "guest")
    assert (guest.purchased, guest.assigned) == (1, 1)
