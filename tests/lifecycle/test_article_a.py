"""Contacts: deactivate, archive, delete, as SCIM and the one door show it. R1 to R41b of the lifecycle, by number."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from scim_server.directory import access, life, signin
from scim_server.directory.signin import SignInRefused
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Event
from scim_server.domain.errors import MissingPermission, OwnerProtected
from scim_server.domain.roles import ROLE_PERMISSIONS, Permission, Role
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.directory.desk import Desk, address
from tests.http.test_lifecycle import OWNER_DETAIL, pool, recorded, replaced
from tests.support import WORKSPACE_URN, Client, World

ARCHIVED = f"{WORKSPACE_URN}:archived"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def member(desk: Desk, mail: str) -> str:
    """Someone who has accepted an invitation and signs in by a password."""
    contact_id = desk.person(mail)
    desk.accept(desk.invite(contact_id))
    return contact_id


def path_of(user: Any) -> str:
    return f"/Users/{user['id']}"


def ids(client: Client, query: str = "") -> set[str]:
    return {each["id"] for each in client.get(f"/Users{query}").json["Resources"]}


def test_r01_r02_three_ways_out_of_use_are_three_states(client: Client) -> None:
    off, hidden, gone = (client.user(f"{name}@x.test") for name in ("off", "hidden", "gone"))
    shown_off = client.patch(path_of(off), replaced("active", False)).json[WORKSPACE_URN]
    shown_hidden = client.patch(path_of(hidden), replaced(ARCHIVED, True)).json[WORKSPACE_URN]
    assert client.delete(path_of(gone)).status == 204
    assert (shown_off["status"], shown_off["archived"], shown_off["seat"]["state"]) == ("inactive", False, "none")
    assert (shown_hidden["status"], shown_hidden["archived"]) == ("active", True)
    assert shown_hidden["seat"]["state"] == "assigned"
    assert client.get(path_of(gone)).status == 404


def test_r03_r12_no_sign_in_after_deactivating(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    session = desk.sign_in(mail).text
    desk.set_active(ann, False)
    assert signin.session_of(desk.directory, session) is None
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)


def test_r04a_r11_the_status_is_inactive(client: Client) -> None:
    off = client.patch(path_of(client.user("ann@x.test")), replaced("active", False)).json
    assert (off["active"], off[WORKSPACE_URN]["status"]) == (False, "inactive")


def test_r04b_the_account_is_unlinked_here_alone(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    desk.set_active(ann, False)
    assert desk.part(ann)["accountLinked"] is False
    with reading(desk.directory.engine) as db:
        assert db.scalar(select(tables.accounts.c.id).where(tables.accounts.c.email == mail)) is not None


def test_r10_nobody_is_mailed(desk: Desk) -> None:
    ann = member(desk, address())
    sent = len(desk.mails)
    desk.set_active(ann, False)
    assert len(desk.mails) == sent


def test_r14_still_in_the_list(client: Client) -> None:
    ann = client.user("ann@x.test")
    client.patch(path_of(ann), replaced("active", False))
    for query in ("", "?filter=active eq false", '?filter=userName eq "ann@x.test"'):
        assert ann["id"] in ids(client, query)


def test_r15_r19_r20a_r20b_r21_invited_again_and_back(desk: Desk) -> None:
    mail, chosen = address(), address()
    ann = member(desk, mail)
    client = desk.world.client()
    group = client.group("G", ann)["id"]
    desk.set_active(ann, False)
    sent = len(desk.mails)
    text = desk.invite(ann, chosen)
    assert [each.to for each in desk.mails[sent:]] == [chosen]
    part = desk.part(ann)
    assert (part["status"], part["invitation"]["email"], part["seat"]["state"]) == ("invited", chosen, "reserved")
    assert {"sentAt", "expiresAt"} <= part["invitation"].keys()
    with pytest.raises(SignInRefused):
        desk.sign_in(chosen)
    assert desk.accept(text).contact_id == ann
    assert desk.part(ann)["status"] == "active"
    assert desk.sign_in(chosen).contact_id == ann
    assert [each["value"] for each in client.get(f"/Users/{ann}").json["groups"]] == [group]


def test_r22_r28_r29_archiving_hides_and_removes_nothing(client: Client) -> None:
    ann = client.user("ann@x.test", title="Boss")
    client.patch(path_of(ann), replaced(ARCHIVED, True))
    assert ann["id"] not in ids(client)
    assert client.get("/Users").json["totalResults"] == 1
    assert ids(client, f"?filter={ARCHIVED} eq true") == {ann["id"]}
    assert client.get(path_of(ann)).json["title"] == "Boss"


@pytest.mark.parametrize("active", [True, False])
def test_r30_unarchived_with_the_status_it_had(client: Client, active: bool) -> None:
    ann = client.user("ann@x.test", active=active)
    for mark in (True, False):
        shown = client.patch(path_of(ann), replaced(ARCHIVED, mark)).json
    assert shown["active"] is active
    assert ann["id"] in ids(client)


def test_r31_r39_deleted_is_gone_for_good(world: World, client: Client) -> None:
    ann = client.user("ann@x.test")
    client.delete(path_of(ann))
    for query in ("", "?filter=userName pr", f"?filter={ARCHIVED} eq true"):
        assert ann["id"] not in ids(client, query)
    assert client.patch(path_of(ann), replaced("active", True)).status == 404
    actor = access.operator(world.directory, world.name)
    for event in life.ACTS:
        with pytest.raises(Exception, match="no contact with"):
            life.act(world.directory, actor, ann["id"], event)
    assert client.user("ann@x.test")["id"] != ann["id"]


def test_r37_deactivated_is_visible_kept_and_reversible(client: Client) -> None:
    ann = client.user("ann@x.test", title="Boss")
    client.patch(path_of(ann), replaced("active", False))
    assert ann["id"] in ids(client)
    on = client.patch(path_of(ann), replaced("active", True)).json
    assert (on["id"], on["active"], on["title"]) == (ann["id"], True, "Boss")


def test_r38_archived_people_sign_in_as_before(desk: Desk) -> None:
    mail, client = address(), desk.world.client()
    ann = member(desk, mail)
    before = pool(desk.world)
    client.patch(f"/Users/{ann}", replaced(ARCHIVED, True))
    assert desk.sign_in(mail).contact_id == ann
    assert pool(desk.world) == before
    desk.set_active(ann, False)
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)


def test_r40_the_owner_stays_by_every_door(world: World, client: Client) -> None:
    path = f"/Users/{world.owner_id}"
    noted = recorded(world)
    off = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "o@x.test", "active": False}
    bulk = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "DELETE", "path": path}],
    }
    for refused in (client.patch(path, replaced("active", False)), client.put(path, off), client.delete(path)):
        assert (refused.status, refused.json["detail"]) == (403, OWNER_DETAIL)
    (each,) = client.post("/Bulk", bulk).json["Operations"]
    assert each["status"] == "403"
    actor = access.operator(world.directory, world.name)
    with pytest.raises(OwnerProtected):
        life.act(world.directory, actor, world.owner_id, Event.DEACTIVATE)
    with pytest.raises(OwnerProtected):
        life.delete(world.directory, actor, world.owner_id)
    assert recorded(world) == noted


def _person(world: World, permissions: frozenset[str]) -> Actor:
    return Actor(
        workspace_id=world.workspace_id,
        kind="contact",
        door="console",
        permissions=permissions,
        id=world.owner_id,
        role=Role.TEAM,
    )


def test_r41a_deactivating_and_deleting_need_the_permission_to_delete(world: World, client: Client) -> None:
    ann = client.user("ann@x.test")
    editor = world.client(scopes="contacts:view contacts:edit")
    assert editor.patch(path_of(ann), replaced("active", False)).status == 403
    assert editor.delete(path_of(ann)).status == 403
    team = _person(world, ROLE_PERMISSIONS[Role.TEAM])
    with pytest.raises(MissingPermission):
        life.act(world.directory, team, ann["id"], Event.DEACTIVATE)
    with pytest.raises(MissingPermission):
        life.delete(world.directory, team, ann["id"])
    assert editor.patch(path_of(ann), replaced(ARCHIVED, True)).status == 200


def test_r41b_archiving_needs_the_permission_to_edit(world: World, client: Client) -> None:
    ann = client.user("ann@x.test")
    viewer = world.client(scopes="contacts:view")
    reader = _person(world, frozenset({Permission.CONTACTS_VIEW}))
    team = _person(world, ROLE_PERMISSIONS[Role.TEAM])
    for mark, event in ((True, Event.ARCHIVE), (False, Event.UNARCHIVE)):
        assert viewer.patch(path_of(ann), replaced(ARCHIVED, mark)).status == 403
        with pytest.raises(MissingPermission):
            life.act(world.directory, reader, ann["id"], event)
        assert life.act(world.directory, team, ann["id"], event).contact.archived is mark
