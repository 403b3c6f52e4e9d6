"""Connections, tokens and the workspace's name as a person sees to them: rights, ranks, what is recorded."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask

from scim_server.directory import Directory, access, activity
from scim_server.directory.access import NotAllowed, Taken, Unknown
from scim_server.domain.actor import Actor
from scim_server.domain.errors import MissingPermission, Refused, RoleAboveOwn
from scim_server.domain.roles import ROLE_PERMISSIONS, Permission, Role
from scim_server.storage.access import Token
from tests.directory.test_life import person
from tests.support import Client, World, new_world, statements


@pytest.fixture
def boss(world: World) -> Actor:
    return person(world, world.owner_id, Role.OWNER)


def made(world: World, actor: Actor | None, *, scopes: str = "scim", user_name: str | None = None) -> Token:
    wanted = (world.directory, world.name, "idp", secrets.token_bytes)
    return access.create_token(*wanted, scopes=scopes, user_name=user_name, actor=actor)[0]


def acts(world: World) -> list[tuple[str, str, str | None]]:
    found = activity.stream(world.directory, access.operator(world.directory, world.name), activity.Wanted())
    rows = [(each.act, each.door, each.actor_id) for each in found]
    return [each for each in rows if not each[0].startswith("contact.")]


def test_what_a_person_does_is_recorded_as_theirs(world: World, boss: Actor) -> None:
    connection = access.create_connection(world.directory, world.name, "idp", actor=boss)
    token = made(world, boss)
    for _ in range(2):
        access.revoke_token(world.directory, world.name, "idp", token.id, actor=boss)
    assert acts(world) == [
        (act, "console", world.owner_id) for act in ("connection.created", "token.created", "token.revoked")
    ], "a second time changes nothing"
    (shown,) = access.list_tokens(world.directory, world.name, "idp", actor=boss)
    assert (shown.id, shown.hint, shown.revoked is not None) == (token.id, token.hint, True)
    assert access.list_connections(world.directory, world.name, actor=boss) == [connection]
    assert access.connection_of(world.directory, boss, connection.id) == connection


def _calls(world: World, token: Token, connection_id: str) -> list[Callable[[Actor], object]]:
    directory, name = world.directory, world.name
    return [
        lambda by: access.create_connection(directory, name, "more", actor=by),
        lambda by: access.list_connections(directory, name, actor=by),
        lambda by: access.connection_of(directory, by, connection_id),
        lambda by: access.create_token(directory, name, "idp", secrets.token_bytes, actor=by),
        lambda by: access.list_tokens(directory, name, "idp", actor=by),
        lambda by: access.acting_for(directory, name, [token], actor=by),
        lambda by: access.revoke_token(directory, name, "idp", token.id, actor=by),
        lambda by: access.rename_workspace(directory, by, "renamed " + name),
    ]


def test_it_needs_the_right_to_manage_the_workspace(world: World, boss: Actor) -> None:
    connection = access.create_connection(world.directory, world.name, "idp")
    token = made(world, None)
    before = acts(world)
    for role in (Role.TEAM, Role.CLIENT):
        for call in _calls(world, token, connection.id):
            with pytest.raises(MissingPermission, match="workspace:manage"):
                call(replace(boss, role=role, permissions=ROLE_PERMISSIONS[role]))
    assert acts(world) == before


def test_another_workspace_is_unknown(app: Flask, world: World) -> None:
    connection = access.create_connection(world.directory, world.name, "idp")
    token = made(world, None)
    other = new_world(app)
    stranger = person(other, other.owner_id, Role.OWNER)
    *named, rename = _calls(world, token, connection.id)
    for call in named:
        with pytest.raises(Unknown):
            call(stranger)
    rename(stranger)
    assert access.operator(world.directory, world.name).workspace_id == world.workspace_id, "it renamed its own"
    access.create_connection(other.directory, f"renamed {world.name}", "idp", actor=stranger)
    with pytest.raises(Unknown):
        access.revoke_token(other.directory, f"renamed {world.name}", "idp", token.id, actor=stranger)


@pytest.mark.parametrize("connection_id", ["", "none", "\x00", "\ud800"])
def test_what_is_no_connections_id(world: World, boss: Actor, connection_id: str) -> None:
    with pytest.raises(Unknown):
        access.connection_of(world.directory, boss, connection_id)
    access.create_connection(world.directory, world.name, "idp")
    with pytest.raises(Unknown):
        access.revoke_token(world.directory, world.name, "idp", connection_id, actor=boss)


def test_a_token_does_no_more_than_who_makes_it(world: World, client: Client, boss: Actor) -> None:
    access.create_connection(world.directory, world.name, "idp")
    few = replace(boss, permissions=frozenset({Permission.WORKSPACE_MANAGE, Permission.CONTACTS_VIEW}))
    with pytest.raises(MissingPermission, match="contacts:delete"):
        made(world, few, scopes="contacts:view contacts:delete")
    with pytest.raises(MissingPermission):
        made(world, few, scopes="scim")
    assert made(world, few, scopes="contacts:view").scopes == "contacts:view"
    admin = person(world, client.user("adm@x.test", roles=[{"value": "admin"}])["id"], Role.ADMIN)
    owners_name = f"owner@{world.name}.test"
    with pytest.raises(RoleAboveOwn, match="act for who has it"):
        made(world, admin, user_name=owners_name)
    assert made(world, admin, user_name="adm@x.test").contact_id == admin.id
    own = made(world, boss, user_name=owners_name)
    assert access.acting_for(world.directory, world.name, [own], actor=boss) == {world.owner_id: owners_name}


def test_a_workspace_is_renamed_and_what_it_gave_goes_on(world: World, client: Client, boss: Actor) -> None:
    name = f"Renamed {world.name}"
    assert access.rename_workspace(world.directory, boss, f" {name} ").name == name
    access.rename_workspace(world.directory, boss, name)
    assert client.get("/Users").status == 200
    assert access.operator(world.directory, name.upper()).workspace_id == world.workspace_id
    with pytest.raises(Unknown):
        access.operator(world.directory, world.name)
    access.rename_workspace(world.directory, boss, name.upper())
    (first, second) = [
        each
        for each in activity.newest(world.directory, boss, activity.Wanted(acts=["workspace.renamed"]))
        if each.actor_id == world.owner_id
    ]
    assert (second.facts, first.facts) == ({"name": [world.name, name]}, {"name": [name, name.upper()]})
    assert first.words == "renamed the workspace"


def test_a_workspaces_name_is_its_own(app: Flask, world: World, boss: Actor) -> None:
    other = new_world(app)
    with pytest.raises(Taken):
        access.rename_workspace(world.directory, boss, other.name.upper())
    for name in ("", " ", "x" * 201, "a\nb", "a\x00", "\ud800"):
        with pytest.raises(NotAllowed):
            access.rename_workspace(world.directory, boss, name)
    assert acts(world) == []


def test_of_two_that_want_a_name_one_gets_it(app: Flask, world: World, boss: Actor) -> None:
    other = new_world(app)
    wanted = f"both {world.name}"
    directory: Directory = world.directory

    def rename(actor: Actor) -> bool:
        try:
            access.rename_workspace(directory, actor, wanted)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(rename, [boss, person(other, other.owner_id, Role.OWNER)])) == [False, True]


def test_a_servers_secret_that_is_there_is_only_read(world: World) -> None:
    engine = world.directory.engine
    name = f"test {world.name}"
    made_first = access.server_key(world.directory, name, 8, secrets.token_bytes)
    with statements(engine) as said:
        assert access.server_key(world.directory, name, 8, secrets.token_bytes) == made_first
    assert any(each.startswith("SELECT") for each in said)
    assert "BEGIN IMMEDIATE" not in said, "so pages open on a file that can only be read"
