"""Who may do what: bearer tokens (RFC 6750) and the permission that each operation needs (lifecycle.md D13)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update

from scim_server.directory import access
from scim_server.domain.roles import Permission
from scim_server.storage.access_tables import tokens
from scim_server.storage.db import reading, writing
from scim_server.storage.tables import activity
from tests.support import ERROR_URN, GROUP_URN, MEDIA_TYPE, USER_URN, WORKSPACE_URN, Answer, Client, World, patch_body

ROUTES = (
    ("GET", ""),
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("GET", "/Users/1"),
    ("PUT", "/Users/1"),
    ("PATCH", "/Users/1"),
    ("DELETE", "/Users/1"),
    ("GET", "/Groups"),
    ("PATCH", "/Groups/1"),
    ("GET", "/ServiceProviderConfig"),
    ("GET", "/Schemas"),
    ("GET", "/ResourceTypes/User"),
    ("GET", "/Nothing/here"),
    ("OPTIONS", "/Users"),
    ("DELETE", "/Nothing"),
)


def _expired(world: World, token_id: str) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    writing(world.directory.engine, lambda db: db.execute(update(tokens).values(expires=past).where(_is(token_id))))


def _is(token_id: str) -> Any:
    return tokens.c.id == token_id


def _new_token(world: World, scopes: str = "scim") -> tuple[str, str, str]:
    """(connection, token's id, text) of a new connection."""
    name = secrets.token_hex(4)
    access.create_connection(world.directory, world.name, name)
    token, text = access.create_token(world.directory, world.name, name, secrets.token_bytes, scopes=scopes)
    return name, token.id, text


def _revoked_header(world: World) -> str:
    connection, token_id, text = _new_token(world)
    access.revoke_token(world.directory, world.name, connection, token_id)
    return f"Bearer {text}"


def _expired_header(world: World) -> str:
    _, token_id, text = _new_token(world)
    _expired(world, token_id)
    return f"Bearer {text}"


# case → (the Authorization header, whether a token was given at all)
REFUSED: Mapping[str, tuple[Callable[[World], str | None], bool]] = {
    "missing": (lambda world: None, False),
    "empty": (lambda world: "", False),
    "unknown": (lambda world: "Bearer scim_" + "A" * 43, True),
    "revoked": (_revoked_header, True),
    "expired": (_expired_header, True),
    "no token": (lambda world: "Bearer", False),
    "two tokens": (lambda world: "Bearer a b", True),
    "cut": (lambda world: f"Bearer {_new_token(world)[2][:-1]}", True),
    "longer": (lambda world: f"Bearer {_new_token(world)[2]}x", True),
    "other case": (lambda world: f"Bearer {_new_token(world)[2].swapcase()}", True),
    "in quotes": (lambda world: f'Bearer "{_new_token(world)[2]}"', True),
    "without scheme": (lambda world: _new_token(world)[2], False),
    "not a token": (lambda world: "non-token", False),
    "basic": (lambda world: "Basic dXNlcjpwYXNz", False),
    "digest": (lambda world: 'Digest username="x"', False),
    "not ASCII": (lambda world: "Bearer sc\xefm", True),
    "very long": (lambda world: "Bearer " + "x" * 20_000, True),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_on_every_route(world: World, case: str) -> None:
    make, given = REFUSED[case]
    header = make(world)
    for method, path in ROUTES:
        answer = _bare(world, method, path, header)
        assert answer.status == 401, (method, path)
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        assert answer.json["schemas"] == [ERROR_URN]
        assert (answer.json["status"], bool(answer.json["detail"])) == ("401", True)
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith("Bearer ")
        assert ('error="invalid_token"' in challenge) is given, challenge


def _bare(world: World, method: str, path: str, header: str | None) -> Answer:
    headers = {} if header is None else {"Authorization": header}
    response = world.app.test_client().open(f"/scim/v2{path}", method=method, headers=headers, data=b"{}")
    return Answer(response.status_code, dict(response.headers), response.get_data(as_text=True))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_counts_in_any_case(world: World, scheme: str) -> None:
    text = _new_token(world)[2]
    assert _bare(world, "GET", "/Users", f"{scheme} {text}").status == 200


def test_several_tokens_are_good_at_the_same_time(world: World) -> None:
    connection, token_id, first = _new_token(world)
    _, second = access.create_token(world.directory, world.name, connection, secrets.token_bytes, expires_in_days=1)
    assert [_bare(world, "GET", "/Users", f"Bearer {each}").status for each in (first, second)] == [200, 200]
    access.revoke_token(world.directory, world.name, connection, token_id)
    assert [_bare(world, "GET", "/Users", f"Bearer {each}").status for each in (first, second)] == [401, 200]


def test_a_token_in_the_query_is_none(world: World) -> None:
    text = _new_token(world)[2]
    assert _bare(world, "GET", f"/Users?access_token={text}", None).status == 401


@dataclass(frozen=True)
class Operation:
    """One thing to do; {user}, {inactive} and {group} in path and body are ids."""

    needs: Permission
    method: str
    path: str
    body: Any = None


X_ARCHIVED = f"{WORKSPACE_URN}:archived"
SET_NAME = {"op": "replace", "path": "displayName", "value": "Other"}
DEACTIVATE = {"op": "replace", "path": "active", "value": False}
ACTIVATE = {"op": "replace", "path": "active", "value": True}
ARCHIVE = {"op": "replace", "path": X_ARCHIVED, "value": True}
JOIN = {"op": "add", "path": "members", "value": [{"value": "{user}"}]}
PUT_USER = {"schemas": [USER_URN], "userName": "user@x.test"}
PUT_GROUP = {"schemas": [GROUP_URN], "displayName": "Other"}

OPERATIONS = {
    "list users": Operation(Permission.CONTACTS_VIEW, "GET", "/Users"),
    "search users": Operation(Permission.CONTACTS_VIEW, "GET", '/Users?filter=userName eq "user@x.test"'),
    "read user": Operation(Permission.CONTACTS_VIEW, "GET", "/Users/{user}"),
    "head user": Operation(Permission.CONTACTS_VIEW, "HEAD", "/Users/{user}"),
    "create user": Operation(Permission.CONTACTS_EDIT, "POST", "/Users", {"userName": "new@x.test"}),
    "create inactive": Operation(Permission.CONTACTS_EDIT, "POST", "/Users", {"userName": "n@x.test", "active": False}),
    "edit by PATCH": Operation(Permission.CONTACTS_EDIT, "PATCH", "/Users/{user}", patch_body(SET_NAME)),
    "edit by PUT": Operation(Permission.CONTACTS_EDIT, "PUT", "/Users/{user}", PUT_USER),
    "archive": Operation(Permission.CONTACTS_EDIT, "PATCH", "/Users/{user}", patch_body(ARCHIVE)),
    "deactivate by PATCH": Operation(Permission.CONTACTS_DELETE, "PATCH", "/Users/{user}", patch_body(DEACTIVATE)),
    "deactivate by PUT": Operation(
        Permission.CONTACTS_DELETE, "PUT", "/Users/{user}", {**PUT_USER, "displayName": "User", "active": False}
    ),
    "reactivate": Operation(Permission.CONTACTS_DELETE, "PATCH", "/Users/{inactive}", patch_body(ACTIVATE)),
    "delete user": Operation(Permission.CONTACTS_DELETE, "DELETE", "/Users/{user}"),
    "list groups": Operation(Permission.GROUPS_VIEW, "GET", "/Groups"),
    "read group": Operation(Permission.GROUPS_VIEW, "GET", "/Groups/{group}"),
    "create group": Operation(Permission.GROUPS_EDIT, "POST", "/Groups", {"displayName": "New"}),
    "join": Operation(Permission.GROUPS_EDIT, "PATCH", "/Groups/{group}", patch_body(JOIN)),
    "rename group": Operation(Permission.GROUPS_EDIT, "PATCH", "/Groups/{group}", patch_body(SET_NAME)),
    "replace group": Operation(Permission.GROUPS_EDIT, "PUT", "/Groups/{group}", PUT_GROUP),
    "delete group": Operation(Permission.GROUPS_EDIT, "DELETE", "/Groups/{group}"),
}
BOTH = {
    "by PATCH": Operation(Permission.CONTACTS_EDIT, "PATCH", "/Users/{user}", patch_body(SET_NAME, DEACTIVATE)),
    "in the other order": Operation(
        Permission.CONTACTS_EDIT, "PATCH", "/Users/{user}", patch_body(DEACTIVATE, SET_NAME)
    ),
    "without a path": Operation(
        Permission.CONTACTS_EDIT,
        "PATCH",
        "/Users/{user}",
        patch_body({"op": "replace", "value": {"active": False, "title": "x"}}),
    ),
    "by PUT": Operation(Permission.CONTACTS_EDIT, "PUT", "/Users/{user}", {**PUT_USER, "active": False}),
}


@dataclass(frozen=True)
class Scene:
    """A user, an inactive user and a group, and how they look to someone who may see everything."""

    world: World
    client: Client
    ids: Mapping[str, str]

    def send(self, operation: Operation, scopes: str) -> Answer:
        sender = self.world.client(scopes=scopes)
        path, body = operation.path, json.dumps(operation.body)
        for name, each in self.ids.items():
            path, body = path.replace(f"{{{name}}}", each), body.replace(f"{{{name}}}", each)
        return sender.request(operation.method, path, json.loads(body))

    def look(self) -> tuple[Any, Any, int]:
        """Everything there is, and how much has been recorded about contacts and groups."""
        with reading(self.world.directory.engine) as db:
            about = activity.c.act.startswith("contact.") | activity.c.act.startswith("group.")
            query = select(func.count()).where(about, activity.c.workspace_id == self.world.workspace_id)
            return self.client.get("/Users").json, self.client.get("/Groups").json, db.scalar(query) or 0


@pytest.fixture
def scene(world: World, client: Client) -> Scene:
    user = client.user("user@x.test", displayName="User")["id"]
    inactive = client.user("inactive@x.test", active=False)["id"]
    return Scene(world, client, {"user": user, "inactive": inactive, "group": client.group("G")["id"]})


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_needs_its_permission(scene: Scene, name: str) -> None:
    operation = OPERATIONS[name]
    before = scene.look()
    answer = scene.send(operation, " ".join(sorted(set(Permission) - {operation.needs})))
    _expect_refusal(answer, operation.needs, body=operation.method != "HEAD")
    assert scene.look() == before
    answer = scene.send(operation, operation.needs)
    assert answer.status in (200, 201, 204), answer.text


def _expect_refusal(answer: Answer, missing: str, *, body: bool = True) -> None:
    assert answer.status == 403, answer.text
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert f'scope="{missing}"' in challenge
    if body:
        assert answer.json["schemas"] == [ERROR_URN]
        assert "insufficient_scope" in answer.json["detail"]
        assert missing in answer.json["detail"]


@pytest.mark.parametrize("name", BOTH)
def test_with_one_of_two_permissions_nothing_changes(scene: Scene, name: str) -> None:
    before = scene.look()
    one, other = Permission.CONTACTS_EDIT, Permission.CONTACTS_DELETE
    for held, missing in ((one, other), (other, one)):
        _expect_refusal(scene.send(BOTH[name], f"{held} contacts:view groups:view groups:edit"), missing)
        assert scene.look() == before
    assert scene.send(BOTH[name], f"{one} {other}").status == 200


def test_writing_back_what_is_so_needs_no_permission_to_deactivate(scene: Scene) -> None:
    body = {**PUT_USER, "displayName": "User", "active": True}
    answer = scene.send(Operation(Permission.CONTACTS_EDIT, "PUT", "/Users/{user}", body), "contacts:edit")
    assert answer.status == 200
    assert answer.json["meta"]["version"] == 'W/"1"'


@pytest.mark.parametrize("name", ["read user", "edit by PATCH", "delete user", "read group", "delete group"])
def test_a_refusal_says_nothing_about_what_exists(scene: Scene, name: str) -> None:
    operation = OPERATIONS[name]
    scopes = " ".join(set(Permission) - {operation.needs, Permission.CONTACTS_DELETE})
    unknown = Operation(operation.needs, operation.method, operation.path.split("{")[0] + "unknown", operation.body)
    assert scene.send(unknown, scopes).status == scene.send(operation, scopes).status == 403


def test_scim_is_the_five_permissions_of_contacts_and_groups(scene: Scene) -> None:
    for name in ("read user", "edit by PATCH", "rename group", "read group", "delete user", "delete group"):
        assert scene.send(OPERATIONS[name], "scim").status in (200, 204)


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/ResourceTypes/Group"])
def test_discovery_needs_any_token(scene: Scene, path: str) -> None:
    assert scene.send(Operation(Permission.CONTACTS_VIEW, "GET", path), "seats:manage").status == 200
