"""The life of a contact as a client of SCIM sees it: states, seats, the owner, decisions D1 to D14 of lifecycle.md."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, update

from scim_server.directory import access
from scim_server.domain.seats import Pool
from scim_server.storage import ledger
from scim_server.storage.db import reading, writing
from scim_server.storage.tables import activity, connections, contacts, outbox
from tests.support import USER_URN, WORKSPACE_URN, Answer, Client, World, new_world

SEAT_ERROR_URN = "urn:ietf:params:scim:schemas:extension:workspace:2.0:SeatError"
ARCHIVED = f"{WORKSPACE_URN}:archived"
OWNER_DETAIL = "The workspace owner can't be deactivated or deleted. Transfer ownership first."


def replaced(path: str, value: Any) -> dict[str, Any]:
    """An operation of a PATCH."""
    return {"op": "replace", "path": path, "value": value}


def _part(user: Mapping[str, Any]) -> Any:
    return user[WORKSPACE_URN]


def pool(world: World) -> Pool:
    with reading(world.directory.engine) as db:
        return ledger.pool(db, world.workspace_id, "member")


def recorded(world: World) -> tuple[int, int]:
    """How many rows the activity log and the outbox have for this workspace."""
    with reading(world.directory.engine) as db:
        counts = [
            db.scalar(select(func.count()).where(table.c.workspace_id == world.workspace_id))
            for table in (activity, outbox)
        ]
    return counts[0] or 0, counts[1] or 0


def acts(world: World, subject_id: str) -> list[str]:
    with reading(world.directory.engine) as db:
        query = select(activity.c.act).where(activity.c.subject_id == subject_id).order_by(activity.c.id)
        return list(db.scalars(query))


def _client_with(world: World, preset: str = "generic", **settings: bool) -> Client:
    """A client of a connection whose settings differ from its preset's."""
    name = secrets.token_hex(4)
    access.create_connection(world.directory, world.name, name, preset)
    own = orjson.dumps(settings).decode()
    change = update(connections).where(connections.c.name == name).values(settings=own)
    writing(world.directory.engine, lambda db: db.execute(change))
    _, text = access.create_token(world.directory, world.name, name, secrets.token_bytes)
    return Client(world.app, text)


# States and seats


def test_created_active(world: World, client: Client) -> None:
    user = client.user("ann@x.test")
    assert user["active"] is True
    part = _part(user)
    assert (part["status"], part["archived"], part["owner"]) == ("active", False, False)
    assert (part["accountLinked"], part["signInAllowed"]) == (True, True)
    assert (part["seat"]["state"], part["seat"]["type"], part["seat"]["over"]) == ("assigned", "member", False)
    assert (pool(world).assigned, pool(world).available) == (2, 98)
    assert acts(world, user["id"]) == ["contact.provisioned"]


def test_created_inactive_holds_no_seat(world: World, client: Client) -> None:
    user = client.user("ann@x.test", active=False)
    part = _part(user)
    assert (user["active"], part["status"], part["seat"]) == (False, "inactive", {"state": "none"})
    assert (part["accountLinked"], part["signInAllowed"]) == (False, False)
    assert pool(world).assigned == 1


def test_deactivated_and_reactivated(world: World, client: Client) -> None:
    before = client.user("ann@x.test", displayName="Ann", title="Boss")
    path, group = f"/Users/{before['id']}", client.group("G", before["id"])
    off = client.patch(path, replaced("active", False)).json
    part = _part(off)
    assert (off["active"], part["status"], part["signInAllowed"], part["accountLinked"]) == (
        False,
        "inactive",
        False,
        False,
    )
    assert part["seat"] == {"state": "none"}
    assert part["statusChangedAt"] > _part(before)["statusChangedAt"]
    assert (pool(world).purchased, pool(world).assigned) == (100, 1)
    assert client.get("/Users").json["totalResults"] == 2, "inactive contacts are listed"
    assert client.get(f"/Groups/{group['id']}").json == group, "memberships survive, and the group hasn't changed"
    on = client.patch(path, replaced("active", True)).json
    assert (on["id"], on["active"], _part(on)["status"]) == (before["id"], True, "active")
    assert _part(on)["seat"]["state"] == "assigned"
    assert [each["value"] for each in on["groups"]] == [group["id"]]
    assert (on["displayName"], on["title"]) == ("Ann", "Boss")
    assert on["meta"]["version"] == 'W/"3"'
    assert acts(world, before["id"]) == ["contact.provisioned", "contact.deactivated", "contact.activated"]


def test_a_freed_seat_is_for_anyone(app: Any) -> None:
    world = new_world(app, seats=2)
    client = world.client()
    first = client.user("a@x.test")["id"]
    assert client.post("/Users", {"userName": "b@x.test"}).status == 403
    client.patch(f"/Users/{first}", replaced("active", False))
    second = client.user("b@x.test")["id"]
    assert client.patch(f"/Users/{first}", replaced("active", True)).status == 403
    assert client.delete(f"/Users/{second}").status == 204
    assert client.patch(f"/Users/{first}", replaced("active", True)).status == 200
    assert (pool(world).purchased, pool(world).assigned) == (2, 2)


def test_archiving_hides_and_changes_nothing_else(world: World, client: Client) -> None:
    before = client.user("ann@x.test")
    path = f"/Users/{before['id']}"
    archived = client.patch(path, replaced(ARCHIVED, True)).json
    assert _part(archived)["archived"] is True
    assert _part(archived)["archivedAt"] == archived["meta"]["lastModified"]
    assert _without_mark(archived) == _without_mark(before)
    assert pool(world).assigned == 2
    back = client.patch(path, replaced(ARCHIVED, False)).json
    assert "archivedAt" not in _part(back)
    assert _without_mark(back) == _without_mark(before)
    assert acts(world, before["id"])[1:] == ["contact.archived", "contact.unarchived"]


def _without_mark(user: Mapping[str, Any]) -> dict[str, Any]:
    part = {name: value for name, value in _part(user).items() if name not in ("archived", "archivedAt")}
    return {**user, WORKSPACE_URN: part, "meta": {**user["meta"], "version": 0, "lastModified": 0}}


@pytest.mark.parametrize("active", [True, False])
def test_archived_and_inactive_are_two_things(client: Client, active: bool) -> None:
    user = client.user("ann@x.test", active=active)
    path = f"/Users/{user['id']}"
    assert client.patch(path, replaced(ARCHIVED, True)).json["active"] is active
    flipped = client.patch(path, replaced("active", not active)).json
    assert (flipped["active"], _part(flipped)["archived"]) == (not active, True)


def test_archived_contacts_are_left_out_of_plain_lists_alone(world: World, client: Client) -> None:
    user = client.user("ann@x.test")
    client.patch(f"/Users/{user['id']}", replaced(ARCHIVED, True))
    finders = ("userName pr", 'userName eq "ann@x.test"', f'id eq "{user["id"]}"', f"{ARCHIVED} eq true")
    for lister, total in ((client, 1), (world.client(preset="okta"), 2), (_client_with(world, list_archived=True), 2)):
        assert lister.get("/Users").json["totalResults"] == total
        assert lister.get("/Users?count=0").json["totalResults"] == total
        assert lister.get("/Users?sortBy=userName").json["totalResults"] == total
        assert lister.get(f"/Users/{user['id']}").status == 200
        for text in finders:
            found = lister.get(f"/Users?filter={text}").json["Resources"]
            assert user["id"] in {each["id"] for each in found}, text
    assert _client_with(world, "okta", list_archived=False).get("/Users").json["totalResults"] == 1


def test_deleted_is_gone_everywhere_and_its_name_is_free(world: World, client: Client) -> None:
    user = client.user("ann@x.test", externalId="e", emails=[{"value": "ann@x.test"}])
    group = client.group("G", user["id"])
    path = f"/Users/{user['id']}"
    assert client.delete(path).status == 204
    for answer in (client.get(path), client.put(path, user), client.patch(path, replaced("active", True))):
        assert answer.status == 404
    assert client.delete(path).status == 404
    for text in ("userName pr", 'externalId eq "e"', 'emails.value eq "ann@x.test"', f'id eq "{user["id"]}"'):
        assert user["id"] not in client.get(f"/Users?filter={text}").text
    left = client.get(f"/Groups/{group['id']}").json
    assert "members" not in left
    assert left["meta"]["version"] != group["meta"]["version"]
    assert pool(world).assigned == 1
    again = client.user("ANN@x.test")
    assert again["id"] != user["id"]
    assert "groups" not in again
    assert acts(world, user["id"]) == ["contact.provisioned", "contact.deleted"]


def test_a_connection_may_forbid_deleting(world: World) -> None:
    client = _client_with(world, allow_delete=False)
    path = f"/Users/{client.user('ann@x.test')['id']}"
    refused = client.delete(path)
    assert refused.status == 403
    assert "active to false" in refused.json["detail"]
    assert client.patch(path, replaced("active", False)).status == 200
    assert client.delete(f"/Groups/{client.group('G')['id']}").status == 204, "it is about users"


def test_groups_are_told_direct_and_around(client: Client) -> None:
    user = client.user("ann@x.test")["id"]
    inner = client.group("Inner", user)["id"]
    outer = client.group("Outer", inner)["id"]
    told = [(each["value"], each["display"], each["type"]) for each in client.get(f"/Users/{user}").json["groups"]]
    assert told == [(inner, "Inner", "direct"), (outer, "Outer", "indirect")]
    for text in (f'groups.value eq "{outer}"', 'groups[type eq "indirect" and display eq "Outer"]'):
        assert [each["id"] for each in client.get(f"/Users?filter={text}").json["Resources"]] == [user]
    assert client.delete(f"/Groups/{inner}").status == 204
    assert "groups" not in client.get(f"/Users/{user}").json


# The owner (D8, D3)


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", {"Operations": [replaced("active", False)]}),
        ("PATCH", {"Operations": [replaced("active", "False")]}),
        ("PATCH", {"Operations": [{"op": "Replace", "value": {"active": False}}]}),
        ("PATCH", {"Operations": [{"op": "add", "path": f"{USER_URN}:active", "value": [False]}]}),
        (
            "PATCH",
            {"Operations": [replaced("displayName", "Other"), replaced(ARCHIVED, True), replaced("active", False)]},
        ),
        ("PUT", {"userName": "other@x.test", "active": False}),
        ("DELETE", None),
    ],
)
@pytest.mark.parametrize("preset", ["generic", "okta", "entra"])
def test_the_owner_stays(world: World, preset: str, method: str, body: Any) -> None:
    client, path = world.client(preset=preset), f"/Users/{world.owner_id}"
    before = client.get(path).json, pool(world), recorded(world)
    refused = client.request(method, path, body)
    assert (refused.status, refused.json["detail"]) == (403, OWNER_DETAIL)
    assert "scimType" not in refused.json
    assert (client.get(path).json, pool(world), recorded(world)) == before


def test_the_owner_can_be_edited_and_archived(world: World, client: Client) -> None:
    path = f"/Users/{world.owner_id}"
    assert client.patch(path, replaced(ARCHIVED, True)).status == 200
    user = client.put(path, {"userName": "owner@x.test", "roles": []}).json
    assert (user["active"], _part(user)["owner"], _part(user)["archived"]) == (True, True, True)
    assert [role["value"] for role in user["roles"]] == ["owner"]
    assert client.put(path, user).status == 200, "writing back what was read is no change of role"


@pytest.mark.parametrize("role", ["owner", "Owner"])
def test_the_owners_role_is_not_for_provisioning(world: World, client: Client, role: str) -> None:
    user = client.user("ann@x.test")
    path, roles = f"/Users/{user['id']}", [{"value": role}]
    for answer in (
        client.post("/Users", {"userName": "new@x.test", "roles": roles}),
        client.patch(path, {"op": "add", "path": "roles", "value": roles}),
        client.put(path, {"userName": "ann@x.test", "roles": roles}),
    ):
        assert answer.status == 403
        assert "owner" in answer.json["detail"]
    assert client.get(path).json == user
    for settable in ("admin", "team", "client", "anything else"):
        assert client.patch(path, replaced("roles", [{"value": settable}])).json["roles"] == [{"value": settable}]


# Seats (D7) and licence types (D3)


def _expect_no_seat(answer: Answer, purchased: int, assigned: int, reserved: int = 0) -> None:
    assert answer.status == 403
    body = answer.json
    assert SEAT_ERROR_URN in body["schemas"]
    assert "scimType" not in body
    assert body[SEAT_ERROR_URN] == {
        "licence": "member",
        "purchased": purchased,
        "assigned": assigned,
        "reserved": reserved,
    }
    for word in (f"{purchased} purchased", f"{assigned} assigned", f"{reserved} reserved", "'member'", "retry"):
        assert word in body["detail"]


def test_without_a_free_seat_the_whole_request_is_refused(app: Any) -> None:
    world = new_world(app, seats=2)
    client = world.client()
    client.user("full@x.test")
    user = client.user("ann@x.test", active=False, displayName="Ann")
    guest = client.user("guest@x.test", entitlements=[{"type": "license", "value": "client"}])
    before = client.get("/Users").json, recorded(world)
    path = f"/Users/{user['id']}"
    for answer in (
        client.post("/Users", {"userName": "new@x.test"}),
        client.patch(path, replaced("displayName", "Other"), replaced("active", True)),
        client.patch(path, {"op": "replace", "value": {"active": True, "title": "x"}}),
        client.put(path, {"userName": "other@x.test", "active": True}),
        client.patch(f"/Users/{guest['id']}", replaced("entitlements", [{"type": "license", "value": "member"}])),
    ):
        _expect_no_seat(answer, purchased=2, assigned=2)
    assert (client.get("/Users").json, recorded(world)) == before
    assert client.post("/Users", {"userName": "new@x.test", "active": False}).status == 201
    assert client.patch(path, replaced("displayName", "Other")).status == 200
    assert client.patch(path, replaced("active", False)).status == 200


def test_licence_types(world: World, client: Client) -> None:
    def entitled(value: str) -> list[dict[str, str]]:
        return [{"type": "license", "value": value}]

    guest = client.user("guest@x.test", entitlements=entitled("client"))
    path = f"/Users/{guest['id']}"
    assert (_part(guest)["seat"]["type"], pool(world).assigned) == ("client", 1)
    for answer in (
        client.post("/Users", {"userName": "new@x.test", "entitlements": entitled("golden")}),
        client.patch(path, replaced("entitlements", entitled("golden")), replaced("title", "x")),
        client.put(path, {"userName": "guest@x.test", "entitlements": entitled("Client")}),
    ):
        assert (answer.status, answer.scim_type) == (400, "invalidValue")
        assert "'client', 'member'" in answer.json["detail"]
    assert client.get(path).json == guest
    changed = client.patch(path, replaced("entitlements", entitled("member"))).json
    assert (_part(changed)["seat"]["type"], pool(world).assigned) == ("member", 2)
    client.patch(path, replaced("active", False))
    on = client.patch(path, replaced("active", True)).json
    assert _part(on)["seat"]["type"] == "member", "the type that it had"
    assert "contact.licence_changed" in acts(world, guest["id"])


# Invitations (D1, D2)


def test_a_connection_that_invites(world: World) -> None:
    client = _client_with(world, invite=True)
    user = client.user("ann@x.test", emails=[{"value": "home@x.test"}, {"value": "work@x.test", "primary": True}])
    part = _part(user)
    assert (user["active"], part["status"], part["signInAllowed"], part["seat"]["state"]) == (
        True,
        "invited",
        False,
        "reserved",
    )
    assert (part["invitation"]["email"], part["invitation"]["state"]) == ("work@x.test", "pending")
    assert (pool(world).reserved, pool(world).assigned) == (1, 1)
    path = f"/Users/{user['id']}"
    assert client.patch(path, replaced("active", True)).json == user, "asking again sends nothing"
    off = client.patch(path, replaced("active", False)).json
    assert (_part(off)["status"], _part(off)["invitation"]["state"], pool(world).reserved) == ("inactive", "revoked", 0)
    chosen = replaced(f"{WORKSPACE_URN}:invitation.email", "other@x.test")
    again = client.patch(path, replaced("active", True), chosen).json
    assert (again["active"], _part(again)["status"]) == (True, "invited")
    assert _part(again)["invitation"]["state"] == "pending"
    assert client.patch(path, replaced("active", True)).json["meta"] == again["meta"]
    refused = client.post("/Users", {"userName": "no-address"})
    assert refused.status == 403
    assert "address" in refused.json["detail"]


# PUT (D9), names (D11), POST of a name in use (D10)


def test_put_keeps_what_it_is_silent_about(client: Client) -> None:
    user = client.user("ann@x.test", displayName="Ann", title="Boss", externalId="e")
    group, path = client.group("G", user["id"]), f"/Users/{user['id']}"
    client.patch(path, replaced("active", False), replaced(ARCHIVED, True))
    put = client.put(path, {"id": "x", "userName": "ann@x.test", "groups": [], "meta": {"version": "9"}}).json
    assert (put["id"], put["active"], _part(put)["archived"]) == (user["id"], False, True)
    assert {"displayName", "title", "externalId"}.isdisjoint(put)
    assert [each["value"] for each in put["groups"]] == [group["id"]]
    on = client.put(path, {"userName": "ann@x.test", "active": True, WORKSPACE_URN: {"status": "inactive"}}).json
    assert (on["active"], _part(on)["status"], _part(on)["archived"]) == (True, "active", True)
    shown = client.put(path, {"userName": "ann@x.test", WORKSPACE_URN: {"archived": False, "owner": True}}).json
    assert (_part(shown)["archived"], _part(shown)["owner"], shown["active"]) == (False, False, True)


@pytest.mark.parametrize("name", ["status", "owner", "accountLinked", "seat.type", "archivedAt", "invitation.state"])
def test_what_the_server_tells_can_not_be_patched(client: Client, name: str) -> None:
    user = client.user("ann@x.test")
    refused = client.patch(f"/Users/{user['id']}", replaced(f"{WORKSPACE_URN}:{name}", "x"))
    assert (refused.status, refused.scim_type) == (400, "mutability")
    assert client.get(f"/Users/{user['id']}").json == user


def test_names_are_unique_whatever_their_case(client: Client) -> None:
    ann, bob = client.user("Ann@x.test", externalId="same"), client.user("bob@x.test", externalId="same")
    team, path = client.group("Équipe"), f"/Users/{bob['id']}"
    for answer in (
        client.post("/Users", {"userName": "ANN@X.TEST"}),
        client.patch(path, replaced("userName", "ann@X.test")),
        client.put(path, {"userName": "aNN@x.test"}),
        client.post("/Groups", {"displayName": "éQUIPE"}),
        client.put(f"/Groups/{client.group('Other')['id']}", {"displayName": "Équipe"}),
    ):
        assert (answer.status, answer.scim_type) == (409, "uniqueness")
        assert "already in use" in answer.json["detail"]
    assert client.patch(f"/Users/{ann['id']}", replaced("userName", "ANN@x.test")).json["userName"] == "ANN@x.test"
    assert client.put(f"/Groups/{team['id']}", {"displayName": "ÉQUIPE"}).json["displayName"] == "ÉQUIPE"
    assert client.get('/Users?filter=externalId eq "same"').json["totalResults"] == 2
    assert client.get('/Users?filter=externalId eq "SAME"').json["totalResults"] == 0
    assert client.get('/Users?filter=userName eq "aNn@X.tEsT"').json["totalResults"] == 1


def test_a_name_in_use_is_a_conflict_in_every_state(client: Client) -> None:
    user = client.user("ann@x.test", externalId="e")
    path = f"/Users/{user['id']}"
    for change in (replaced(ARCHIVED, True), replaced("active", False)):
        client.patch(path, change)
        refused = client.post("/Users", {"userName": "ann@x.test", "externalId": "e"})
        assert (refused.status, refused.scim_type) == (409, "uniqueness")
    assert user["id"] in refused.json["detail"], "what to do: restore it"
    assert "active" in refused.json["detail"]


def test_okta_restores_by_post(world: World) -> None:
    okta = world.client(preset="okta")
    user = okta.user("ann@x.test", externalId="e", title="Boss")
    group, path = okta.group("G", user["id"]), f"/Users/{user['id']}"
    body = {"schemas": [USER_URN], "userName": "Ann@x.test", "externalId": "e", "displayName": "Ann"}
    assert okta.post("/Users", body).status == 409, "it is active"
    okta.patch(path, replaced("active", False))
    for other, changed in (
        (okta, {**body, "externalId": "E"}),
        (okta, {name: value for name, value in body.items() if name != "externalId"}),
        (okta, {**body, "active": False}),
        (world.client(preset="okta"), body),
        (world.client(preset="entra"), body),
    ):
        assert other.post("/Users", changed).status == 409
    restored = okta.post("/Users", body)
    assert restored.status == 201
    assert restored.headers["Location"] == user["meta"]["location"]
    found = restored.json
    assert (found["id"], found["active"], found["displayName"]) == (user["id"], True, "Ann")
    assert [each["value"] for each in found["groups"]] == [group["id"]]
    assert (pool(world).assigned, okta.get("/Users").json["totalResults"]) == (2, 2)


def test_okta_restores_only_where_a_seat_is_free(app: Any) -> None:
    world = new_world(app, seats=2)
    okta = world.client(preset="okta")
    user = okta.user("ann@x.test", externalId="e")
    off = okta.patch(f"/Users/{user['id']}", replaced("active", False)).json
    okta.user("bob@x.test")
    _expect_no_seat(okta.post("/Users", {"userName": "ann@x.test", "externalId": "e", "title": "x"}), 2, 2)
    assert okta.get(f"/Users/{user['id']}").json == off


def test_a_password_is_never_told(world: World, client: Client) -> None:
    word = "T0p-secret-word"
    user = client.user("ann@x.test", password=word)
    path = f"/Users/{user['id']}"
    answers = [
        client.get(f"{path}?attributes=password"),
        client.patch(path, replaced("password", word)),
        client.put(f"{path}?attributes=password", {"userName": "ann@x.test", "password": word}),
        client.get("/Users?attributes=password"),
    ]
    for answer in answers:
        assert answer.status == 200
        assert "password" not in answer.text
    with reading(world.directory.engine) as db:
        rows = [row for table in (contacts, activity, outbox) for row in db.execute(select(table))]
    assert not [row for row in rows if word in str(tuple(row))], "nor kept as it was sent"
