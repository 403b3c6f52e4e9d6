"""/api as a host application uses it: items in plain JSON, refusals in one form, and no other tenant's anything."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from scim_server.directory import access
from scim_server.storage.db import reading
from scim_server.storage.tables import activity
from tests.support import Client, World, new_world

KINDS = ("project", "invoice", "proposal", "contract", "conversation", "file")


def token_of(world: World, scopes: str = "contacts:view contacts:edit", **options: Any) -> str:
    name = secrets.token_hex(4)
    access.create_connection(world.directory, world.name, name)
    return access.create_token(world.directory, world.name, name, secrets.token_bytes, scopes=scopes, **options)[1]


def asked(world: World, method: str, path: str, token: str | None = None, **options: Any) -> TestResponse:
    token = token_of(world) if token is None else token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return world.app.test_client().open(f"/api{path}", method=method, headers=headers, **options)


def refused(answer: TestResponse, status: int, code: str) -> str:
    """The message of a refusal, which has one form."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Request-Id"]
    body = answer.get_json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["code"] == code
    message: str = body["error"]["message"]
    assert message.endswith((".", "…"))
    return message


def body_of(world: World, **changed: Any) -> dict[str, Any]:
    body = {"kind": "project", "title": "T", "reference": "R-1", "owner": world.owner_id, **changed}
    return {name: value for name, value in body.items() if value is not ...}


def test_items_are_added_and_listed(world: World, client: Client) -> None:
    ann = client.user("ann@x.test", displayName="Ann")["id"]
    made = []
    for kind in KINDS:
        answer = asked(world, "POST", "/items", json=body_of(world, kind=kind, owner=ann, author=world.owner_id))
        assert answer.status_code == 201, answer.text
        made.append(answer.get_json())
    assert set(made[0]) == {"id", "kind", "title", "reference", "owner", "author", "created"}
    assert (made[0]["kind"], made[0]["title"], made[0]["reference"]) == ("project", "T", "R-1")
    assert made[0]["owner"] == {"id": ann, "name": "Ann"}
    assert made[0]["author"] == {"id": world.owner_id, "name": "Workspace Owner"}
    assert asked(world, "GET", "/items").get_json() == {"items": made, "next": None}
    assert asked(world, "GET", f"/items?owner={ann}&kind=FILE").get_json()["items"] == made[5:]
    assert asked(world, "GET", f"/items?author={ann}").get_json()["items"] == []
    first = asked(world, "GET", "/items?count=4").get_json()
    assert (first["items"], first["next"]) == (made[:4], made[3]["id"])
    assert asked(world, "GET", f"/items?count=4&after={first['next']}").get_json() == {
        "items": made[4:],
        "next": None,
    }
    head = asked(world, "HEAD", "/items")
    assert (head.status_code, head.get_data()) == (200, b"")
    assert client.delete(f"/Users/{ann}").status == 204
    left = asked(world, "GET", "/items").get_json()["items"]
    assert left == [{**each, "owner": {"id": None, "name": "Deleted contact"}} for each in made]


def test_who_added_an_item_is_recorded(world: World) -> None:
    answer = asked(world, "POST", "/items", json=body_of(world))
    with reading(world.directory.engine) as db:
        (row,) = db.execute(select(activity).where(activity.c.subject_id == answer.get_json()["id"]))
    assert (row.act, row.door, row.actor_kind) == ("item.added", "api", "connection")
    assert row.request_id == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("token", ["", "scim_unknown"])
@pytest.mark.parametrize("path", ["/items", "/nothing"])
def test_without_a_valid_token_nothing_is_told(world: World, token: str, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = asked(world, method, path, token)
        refused(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_dead_token_is_out_at_once(world: World, client: Client) -> None:
    ann = client.user("ann@x.test", roles=[{"value": "admin"}])["id"]
    token = token_of(world, user_name="ann@x.test")
    assert asked(world, "GET", "/items", token).status_code == 200
    off = {"op": "replace", "path": "active", "value": False}
    assert client.patch(f"/Users/{ann}", off).status == 200
    refused(asked(world, "GET", "/items", token), 401, "unauthorized")


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        ("contacts:view", True, False),
        ("contacts:edit", False, True),
        ("scim", True, True),
        ("groups:view", False, False),
    ],
)
def test_scopes(world: World, scopes: str, reads: bool, writes: bool) -> None:
    token = token_of(world, scopes)
    for allowed, method, scope in ((reads, "GET", "contacts:view"), (writes, "POST", "contacts:edit")):
        answer = asked(world, method, "/items", token, json=body_of(world) if method == "POST" else None)
        if allowed:
            assert answer.status_code < 300
        else:
            assert scope in refused(answer, 403, "missing_permission")
            assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


def test_a_persons_token_may_no_more_than_the_person(world: World, client: Client) -> None:
    client.user("kim@x.test", roles=[{"value": "client"}])
    refused(asked(world, "GET", "/items", token_of(world, user_name="kim@x.test")), 403, "missing_permission")


def test_other_tenants_see_nothing_and_link_nothing(app: Flask, world: World) -> None:
    other = new_world(app)
    made = asked(world, "POST", "/items", json=body_of(world)).get_json()
    for query in ("", f"?owner={world.owner_id}", f"?author={world.owner_id}", "?kind=project"):
        assert asked(other, "GET", f"/items{query}").get_json() == {"items": [], "next": None}
    for body in (body_of(world), body_of(other, author=world.owner_id)):
        theirs = refused(asked(other, "POST", "/items", json=body), 400, "unknown")
        made_up = {name: "none" if value == world.owner_id else value for name, value in body.items()}
        nobody = refused(asked(other, "POST", "/items", json=made_up), 400, "unknown")
        assert theirs.replace(world.owner_id, "none") == nobody, "an id elsewhere looks like none at all"
    assert asked(world, "GET", "/items").get_json()["items"] == [made]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kind": "car"}, "invalid_item"),
        ({"kind": ...}, "invalid_request"),
        ({"title": ...}, "invalid_request"),
        ({"title": None}, "invalid_request"),
        ({"title": ""}, "invalid_item"),
        ({"title": "x" * 501}, "invalid_item"),
        ({"title": "\x00"}, "invalid_item"),
        ({"title": 1}, "invalid_request"),
        ({"reference": ["x"]}, "invalid_request"),
        ({"reference": " "}, "invalid_item"),
        ({"owner": ...}, "invalid_request"),
        ({"owner": {"id": "x"}}, "invalid_request"),
        ({"owner": "none"}, "unknown"),
        ({"owner": "\x00"}, "unknown"),
        ({"author": ""}, "unknown"),
        ({"id": "x"}, "invalid_request"),
    ],
)
def test_a_bad_item_is_refused_whole(world: World, changed: dict[str, Any], code: str) -> None:
    refused(asked(world, "POST", "/items", json=body_of(world, **changed)), 400, code)
    assert asked(world, "GET", "/items").get_json()["items"] == []


@pytest.mark.parametrize(
    ("data", "mimetype", "status", "code"),
    [
        (b"", "application/json", 400, "invalid_json"),
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"title": "\\ud800"}', "application/json", 400, "invalid_json"),
        (b"\xff", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_request"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"title=T", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b" " * 6_000_000, "application/json", 413, "bad_request"),
    ],
)
def test_a_bad_body_is_refused(world: World, data: bytes, mimetype: str, status: int, code: str) -> None:
    refused(asked(world, "POST", "/items", data=data, content_type=mimetype), status, code)


@pytest.mark.parametrize("query", ["count=0", "count=1001", "count=x", "count=", "count=-1", "count=99999", "count=٣"])
def test_a_bad_count_is_refused(world: World, query: str) -> None:
    answer = asked(world, "GET", f"/items?{query}")
    assert "1 to 1000" in refused(answer, 400, answer.get_json()["error"]["code"])


def test_other_bad_queries(world: World) -> None:
    refused(asked(world, "GET", "/items?kind=car"), 400, "invalid_item")
    assert "'title'" in refused(asked(world, "GET", "/items?title=T"), 400, "invalid_request")
    for text in ("%00", "%ED%A0%80", "%FF", "x" * 5000, "'"):
        for name in ("owner", "author", "after"):
            answer = asked(world, "GET", f"/items?{name}={text}")
            assert (answer.status_code, answer.get_json()["items"]) == (200, []), (name, text)


def test_what_is_not_there(world: World) -> None:
    for path in ("", "/", "/nothing", "/items/1", "/items//x", "/%00"):
        refused(asked(world, "GET", path), 404, "not_found")
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW"):
        answer = asked(world, method, "/items")
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET, POST"


def test_a_fault_is_an_answer_in_the_same_form(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A title that a check let through and the database refuses: the log says so, and not which title."""
    from scim_server.domain import items

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "_checked", lambda text, what: object())
        answer = asked(world, "POST", "/items", json=body_of(world))
    refused(answer, 500, "fault")
    (line,) = [json.loads(each) for each in capsys.readouterr().err.splitlines() if "unexpected fault" in each]
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert "R-1" not in line["exception"]
    assert world.owner_id not in line["exception"]
