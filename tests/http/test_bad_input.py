"""Bad input is refused whole, with a SCIM error that says what is wrong (lifecycle.md D16); no input is a fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from flask import Flask
from sqlalchemy import func, select, text

from scim_server.app import create_app
from scim_server.settings import Settings
from scim_server.storage import ledger
from scim_server.storage.db import reading, writing
from scim_server.storage.tables import activity
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.http.conftest import Site
from tests.support import (
    ENTERPRISE_URN,
    ERROR_URN,
    GROUP_URN,
    MEDIA_TYPE,
    PATCH_URN,
    USER_URN,
    Answer,
    Client,
    World,
    new_world,
    patch_body,
)

LIMIT = 5 * 1024 * 1024
DEEP = 1000


def refused(answer: Answer, status: int, scim_type: str | None = None) -> None:
    assert answer.status == status, answer.text[:500]
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    body = answer.json
    assert body["schemas"] == [ERROR_URN]
    assert body["status"] == str(status)
    assert body["detail"]
    assert len(answer.text) < 2000, "a refusal doesn't send back what it refuses"
    if scim_type:
        assert body["scimType"] == scim_type, body


# Bodies

MALFORMED = {
    "nothing": b"",
    "blanks": b"  \n",
    "cut": b'{"userName": "a@x.test"',
    "single quotes": b"{'userName': 'a@x.test'}",
    "trailing comma": b'{"userName": "a@x.test",}',
    "comment": b'{"userName": "a@x.test"} // me',
    "two documents": b'{"userName": "a@x.test"}{}',
    "NaN": b'{"userName": NaN}',
    "bare word": b"userName",
    "form": b"userName=a%40x.test",
    "UTF-16": '{"userName": "a@x.test"}'.encode("utf-16"),
    "invalid UTF-8": b'{"userName": "\xff\xfe"}',
    "overlong UTF-8": b'{"userName": "\xc0\x80"}',
    "lone surrogate": b'{"userName": "\\ud800"}',
    "control character": b'{"userName": "a\x01"}',
    "NUL byte": b'{"userName": "a\x00"}',
    "array": b"[]",
    "array of users": b'[{"userName": "a@x.test"}]',
    "string": b'"userName"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "arrays, deep": b"[" * DEEP + b"]" * DEEP,
    "arrays, far too deep": b"[" * 200_000,
    "objects, far too deep": b'{"name":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_body_that_is_no_json_object(client: Client, case: str) -> None:
    user, group = client.user("kept@x.test"), client.group("Kept")
    for method, path in (
        ("POST", "/Users"),
        ("PUT", f"/Users/{user['id']}"),
        ("PATCH", f"/Users/{user['id']}"),
        ("POST", "/Groups"),
        ("PUT", f"/Groups/{group['id']}"),
        ("PATCH", f"/Groups/{group['id']}"),
    ):
        answer = client.request(method, path, data=MALFORMED[case], headers={"Content-Type": MEDIA_TYPE})
        refused(answer, 400, "invalidSyntax")
    assert client.get(f"/Users/{user['id']}").json == user
    assert client.get(f"/Groups/{group['id']}").json == group
    assert client.get("/Users").json["totalResults"] == 2


# These two words in a body stand for so many levels that Python's own encoder gives up.
LISTS, OBJECTS = "deep lists", "deep objects"
LEVELS = 50  # still read; deeper bodies are refused as a whole


def _encoded(body: Any) -> bytes:
    text = json.dumps(body)
    text = text.replace(f'"{LISTS}"', "[" * LEVELS + '"x"' + "]" * LEVELS)
    return text.replace(f'"{OBJECTS}"', '{"name":' * LEVELS + '"x"' + "}" * LEVELS).encode()


def _send(client: Client, method: str, path: str, body: Any) -> Answer:
    return client.request(method, path, data=_encoded(body), headers={"Content-Type": MEDIA_TYPE})


USERS: dict[str, dict[str, Any]] = {
    "no userName": {"displayName": "A"},
    "empty userName": {"userName": ""},
    "blank userName": {"userName": " \t\n"},
    "no-break spaces": {"userName": "\u00a0\u3000"},
    "null userName": {"userName": None},
    "userName is true": {"userName": True},
    "userName is an object": {"userName": {"value": "a"}},
    "userName is an empty list": {"userName": []},
    "two userNames": {"userName": ["a", "b"]},
    "userName too long": {"userName": "x" * 513},
    "userName far too long": {"userName": "x" * 1_000_000},
    "NUL in userName": {"userName": "a\x00b"},
    "externalId too long": {"userName": "a", "externalId": "x" * 513},
    "NUL in externalId": {"userName": "a", "externalId": "\x00"},
    "NUL in a sub-attribute": {"userName": "a", "name": {"familyName": "a\x00"}},
    "NUL in an e-mail": {"userName": "a", "emails": [{"value": "a\x00"}]},
    "NUL in the extension": {"userName": "a", ENTERPRISE_URN: {"department": "a\x00"}},
    "e-mail too long": {"userName": "a", "emails": [{"value": "x" * 513}]},
    "name is a number": {"userName": "a", "name": 5},
    "name is a list": {"userName": "a", "name": [{}, {}]},
    "name is deep": {"userName": "a", "name": {"familyName": LISTS}},
    "displayName is an object": {"userName": "a", "displayName": {"a": 1}},
    "displayName is deep": {"userName": "a", "displayName": OBJECTS},
    "active is a word": {"userName": "a", "active": "yes"},
    "active is a number": {"userName": "a", "active": 1},
    "active is a list": {"userName": "a", "active": [True, False]},
    "extension is a string": {"userName": "a", ENTERPRISE_URN: "x"},
    "extension is a list": {"userName": "a", ENTERPRISE_URN: [1]},
    "e-mails are nested": {"userName": "a", "emails": [[{"value": "a"}]]},
    "primary is a word": {"userName": "a", "emails": [{"value": "a", "primary": "maybe"}]},
    "photo is an object": {"userName": "a", "photos": [{"value": {"a": 1}}]},
    "certificate isn't base64": {"userName": "a", "x509Certificates": [{"value": "§"}]},
}


@pytest.mark.parametrize("case", USERS)
def test_a_user_that_does_not_fit(world: World, client: Client, case: str) -> None:
    user = client.user("kept@x.test")
    for method, path in (("POST", "/Users"), ("PUT", f"/Users/{user['id']}")):
        refused(_send(client, method, path, {"schemas": [USER_URN], **USERS[case]}), 400, "invalidValue")
    assert client.get(f"/Users/{user['id']}").json == user
    with reading(world.directory.engine) as db:
        assert ledger.pool(db, world.workspace_id, "member").assigned == 2


def test_what_looks_odd_and_fits(client: Client) -> None:
    odd = {
        "userName": "x" * 512,
        "title": "t" * 100_000,
        "displayName": "\U0001f642 \u202e\ufeff O'Brien \"; DROP TABLE contacts; --\\",
        "unknown": OBJECTS,
        "name": {"familyName": "%_\\", "unknown": LISTS},
        "emails": [{"value": "ann@corp.local"}, {"value": "x@x.test", "type": "ünïcode"}],
    }
    created = _send(client, "POST", "/Users", odd)
    assert created.status == 201, created.text
    user = created.json
    for name in ("userName", "title", "displayName", "emails"):
        assert user[name] == odd[name]
    assert client.get(f"/Users/{user['id']}").json == user
    assert client.user("0")["userName"] == "0"


PATCHES: dict[str, tuple[Any, str]] = {
    "no operations": ({}, "invalidSyntax"),
    "operations are an object": ({"Operations": {}}, "invalidSyntax"),
    "operation is a number": ({"Operations": [1]}, "invalidSyntax"),
    "operation is null": ({"Operations": [None]}, "invalidSyntax"),
    "no op": ({"Operations": [{"path": "title", "value": "x"}]}, "invalidSyntax"),
    "unknown op": ({"Operations": [{"op": "move", "path": "title"}]}, "invalidSyntax"),
    "op is a list": ({"Operations": [{"op": ["add"], "path": "title", "value": "x"}]}, "invalidSyntax"),
    "remove without path": ({"Operations": [{"op": "remove"}]}, "noTarget"),
    "path is a number": ({"Operations": [{"op": "add", "path": 5, "value": "x"}]}, "invalidPath"),
    "path is cut": ({"Operations": [{"op": "add", "path": "emails[type eq", "value": "x"}]}, "invalidFilter"),
    "path is no path": ({"Operations": [{"op": "add", "path": "emails]", "value": "x"}]}, "invalidPath"),
    "path is blank": ({"Operations": [{"op": "add", "path": " ", "value": "x"}]}, "invalidPath"),
    "path holds NUL": ({"Operations": [{"op": "add", "path": "a\x00", "value": "x"}]}, "invalidPath"),
    "path is deep": (
        {"Operations": [{"op": "add", "path": f"emails[{'(' * DEEP}type eq 1{')' * DEEP}]", "value": "x"}]},
        "invalidFilter",
    ),
    "add without value": ({"Operations": [{"op": "add", "path": "title"}]}, "invalidValue"),
    "value is a string": ({"Operations": [{"op": "replace", "value": "x"}]}, "invalidValue"),
    "id": ({"Operations": [{"op": "replace", "path": "id", "value": "x"}]}, "mutability"),
    "meta": ({"Operations": [{"op": "replace", "path": "meta.version", "value": "x"}]}, "mutability"),
    "groups": ({"Operations": [{"op": "add", "path": "groups", "value": [{"value": "x"}]}]}, "mutability"),
    "blank userName": ({"Operations": [{"op": "replace", "path": "userName", "value": " "}]}, "invalidValue"),
    "null userName": ({"Operations": [{"op": "replace", "path": "userName", "value": None}]}, "invalidValue"),
    "no userName": ({"Operations": [{"op": "remove", "path": "userName"}]}, "mutability"),
    "active is a word": ({"Operations": [{"op": "replace", "path": "active", "value": "off"}]}, "invalidValue"),
    "NUL": ({"Operations": [{"op": "replace", "path": "title", "value": "\x00"}]}, "invalidValue"),
    "deep": ({"Operations": [{"op": "replace", "path": "title", "value": OBJECTS}]}, "invalidValue"),
}


@pytest.mark.parametrize("case", PATCHES)
def test_a_patch_that_does_not_fit(client: Client, case: str) -> None:
    """Each stands behind an operation that would be good on its own."""
    body, scim_type = PATCHES[case]
    user = client.user("kept@x.test", title="Boss")
    path = f"/Users/{user['id']}"
    operations = body.get("Operations")
    if isinstance(operations, list):
        good = [{"op": "replace", "path": "displayName", "value": "X"}, {"op": "replace", "value": {"active": False}}]
        body = {"Operations": [*good, *operations]}
    refused(_send(client, "PATCH", path, {"schemas": [PATCH_URN], **body}), 400, scim_type)
    assert client.get(path).json == user


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "text/html", "application/x-www-form-urlencoded"])
def test_another_content_type(client: Client, kind: str) -> None:
    body = b'{"userName": "a@x.test"}'
    refused(client.request("POST", "/Users", data=body, headers={"Content-Type": kind}), 415)
    for accepted in ("application/json", "Application/SCIM+JSON; charset=UTF-8", "", "*/*"):
        answer = client.request("POST", "/Users", data=body, headers={"Content-Type": accepted, "Accept": "text/html"})
        assert answer.status in (201, 409)
        assert answer.headers["Content-Type"] == MEDIA_TYPE


@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
def test_a_body_over_the_limit(site: Site, chunked: bool) -> None:
    client = site.world().client()
    with site.http(client) as http:

        def sent(size: int) -> httpx.Response:
            frame = b'{"userName": "a@x.test", "unknown": "%s"}'
            body = frame % (b"x" * (size - len(frame) + 2))
            assert len(body) == size
            pieces = (body[start : start + 65_536] for start in range(0, size, 65_536))
            return http.post("/Users", content=pieces if chunked else body)

        answer = sent(LIMIT + 1)
        refused(Answer(answer.status_code, answer.headers, answer.text), 413)
        assert str(LIMIT) in answer.json()["detail"]
        assert http.get("/Users").json()["totalResults"] == 1
        assert sent(LIMIT).status_code == 201


# Nothing half done


@pytest.mark.parametrize("preset", ["generic", "strict"])
def test_a_refused_write_leaves_nothing(world: World, preset: str) -> None:
    """Each request begins with what would be good on its own, and ends with what is not."""
    client = world.client(preset=preset)
    ann = client.user("ann@x.test", displayName="Ann")["id"]
    client.user("taken@x.test")
    team = client.group("Team", ann)["id"]
    client.group("Taken", team)
    before = _look(world, client)
    rename, join = _op("displayName", "Other"), {"op": "add", "path": "members", "value": [{"value": world.owner_id}]}
    nested = {"members": [{"value": ann}, {"value": {"value": ann}}]}
    for status, scim_type, method, path, body in (
        (409, "uniqueness", "PATCH", f"/Users/{ann}", patch_body(rename, _op("userName", "TAKEN@x.test"))),
        (
            409,
            "uniqueness",
            "PATCH",
            f"/Users/{ann}",
            patch_body(_op("active", False), _op("userName", "Taken@x.test")),
        ),
        (409, "uniqueness", "PUT", f"/Users/{ann}", {"schemas": [USER_URN], "userName": "taken@X.test"}),
        (400, "mutability", "PATCH", f"/Users/{ann}", patch_body(rename, _op("id", "x"))),
        (400, "invalidValue", "POST", "/Users", {"schemas": [USER_URN], "userName": "n@x.test", "emails": [[1], [2]]}),
        (409, "uniqueness", "PATCH", f"/Groups/{team}", patch_body(join, _op("displayName", "TAKEN"))),
        (400, "invalidValue", "PATCH", f"/Groups/{team}", patch_body(join, {**join, "value": [{"value": {"a": 1}}]})),
        (
            400,
            "invalidValue",
            "PATCH",
            f"/Groups/{team}",
            patch_body(rename, join, {**join, "value": [{"value": team}]}),
        ),
        (400, "mutability", "PATCH", f"/Groups/{team}", patch_body(join, rename, _op("meta.version", "9"))),
        (409, "uniqueness", "PUT", f"/Groups/{team}", {"schemas": [GROUP_URN], "displayName": "taken"}),
        (400, "invalidValue", "POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "New", **nested}),
        (409, "uniqueness", "POST", "/Groups", {"schemas": [GROUP_URN], "displayName": "team", "members": []}),
        (400, "invalidValue", "POST", "/Groups", {"schemas": [GROUP_URN], "members": [{"value": ann}]}),
    ):
        refused(client.request(method, path, body), status, scim_type)
        assert _look(world, client) == before, body


def test_strict_refuses_what_others_forgive_and_leaves_nothing(world: World) -> None:
    strict, ann = world.client(preset="strict"), world.client().user("ann@x.test")["id"]
    team = strict.group("Team")["id"]
    before = _look(world, strict)
    members = [{"value": ann}, {"value": "unknown"}]
    schemas = {"schemas": [GROUP_URN]}
    for scim_type, method, path, body in (
        ("invalidValue", "POST", "/Groups", {**schemas, "displayName": "New", "members": members}),
        ("invalidValue", "PUT", f"/Groups/{team}", {**schemas, "displayName": "New", "members": members}),
        ("invalidValue", "PATCH", f"/Groups/{team}", patch_body({"op": "add", "path": "members", "value": members})),
        ("invalidSyntax", "PATCH", f"/Groups/{team}", patch_body({**_op("displayName", "X"), "op": "Replace"})),
        ("invalidSyntax", "POST", "/Users", {"userName": "n@x.test"}),
        ("invalidSyntax", "POST", "/Users", {"schemas": [USER_URN], "userName": "n@x.test", "shoeSize": 9}),
        ("invalidValue", "PATCH", f"/Users/{ann}", patch_body(_op("displayName", "X"), _op("active", "False"))),
        ("noTarget", "PATCH", f"/Users/{ann}", patch_body(_op("title", "X"), _op('emails[type eq "work"].value', "a"))),
    ):
        refused(strict.request(method, path, body), 400, scim_type)
        assert _look(world, strict) == before, body


def _op(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def _look(world: World, client: Client) -> tuple[Any, Any, Any, int]:
    """All that there is in the workspace, its seats in use, and how much was recorded."""
    with reading(world.directory.engine) as db:
        recorded = select(func.count()).where(activity.c.workspace_id == world.workspace_id)
        pool = ledger.pool(db, world.workspace_id, "member")
        return client.get("/Users").json, client.get("/Groups").json, pool, db.scalar(recorded) or 0


# Faults


@pytest.fixture(scope="module", params=DATABASES)
def broken(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Flask]:
    """An application whose database lacks a table that it needs."""
    app = create_app(Settings(database_url=new_database(request.param)))
    engine = app.extensions["directory"].engine
    upgrade(engine)
    yield app
    engine.dispose()


def test_a_fault_tells_nothing_of_the_inside(broken: Flask, capfd: pytest.CaptureFixture[str]) -> None:
    world = new_world(broken)
    client = world.client()
    user = client.user("a@x.test", displayName="Secret Name")
    writing(world.directory.engine, lambda db: db.execute(text("DROP TABLE members")))
    for answer in (
        client.get("/Groups"),
        client.get(f"/Users/{user['id']}"),
        client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": "Secret Title"}),
        client.post("/Groups", {"displayName": "G", "members": [{"value": user["id"]}]}),
    ):
        if answer.status == 200:
            continue  # without a group there are no members to look for
        refused(answer, 500)
        assert answer.headers["X-Request-Id"]
        for word in ("members", "sql", "psycopg", "table", "SELECT", "Traceback", "File", "Secret"):
            assert word not in answer.text.replace("unexpected fault", "")
    assert client.get("/Users?excludedAttributes=groups").json["totalResults"] == 2, "the other tables are there"
    title = client.get(f"/Users/{user['id']}?attributes=title").json
    assert "title" not in title, "the faulty write left nothing"
    assert client.get("/Groups").json["totalResults"] == 0
