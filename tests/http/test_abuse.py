"""What clever and clumsy clients try: rights that grow, locks that are held, circles, depth. Each once got through."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from scim_server.directory import access
from tests.support import ENTERPRISE_URN, USER_URN, WORKSPACE_URN, Client, World, patch_body

BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def bulk(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [BULK_URN], "Operations": list(operations)}


def person(world: World, user_name: str, scopes: str = "scim") -> Client:
    """A client whose token acts for that contact."""
    name = f"own-{secrets.token_hex(4)}"
    access.create_connection(world.directory, world.name, name)
    _, token = access.create_token(
        world.directory, world.name, name, secrets.token_bytes, scopes=scopes, user_name=user_name
    )
    return Client(world.app, token)


def set_active(value: bool) -> dict[str, Any]:
    return {"op": "replace", "path": "active", "value": value}


@pytest.mark.parametrize("first", [True, False])
def test_a_seat_goes_with_the_contact_also_when_two_writers_wait(app: Flask, world: World, first: bool) -> None:
    engine = world.directory.engine
    if engine.dialect.name != "postgresql":
        assert engine.dialect.name == "sqlite", "one writer at a time: nobody waits for a row"
        return
    client = world.client()
    user = client.user("a@x.test", active=not first)
    path = f"/Users/{user['id']}"
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with engine.connect() as holder, engine.connect() as watcher, ThreadPoolExecutor(2) as pool:
        with holder.begin():
            holder.execute(text("SELECT 1 FROM contacts WHERE id = :id FOR UPDATE"), {"id": user["id"]})
            answers = []
            for count, value in enumerate((first, not first), start=1):
                answers.append(pool.submit(client.patch, path, set_active(value)))
                while watcher.scalar(waiting) != count:
                    watcher.rollback()
        assert [answer.result().status for answer in answers] == [200, 200]
    after = client.get(path).json
    assert after[WORKSPACE_URN]["seat"]["state"] == ("assigned" if after["active"] else "none")
    with engine.connect() as db:
        held = db.scalar(text("SELECT count(*) FROM seats WHERE holder_id = :id"), {"id": user["id"]})
    assert held == int(after["active"])


def test_a_circle_that_stays_open_deletes_nobody(world: World) -> None:
    client = world.client(preset="okta")
    old = client.user("old@x.test", externalId="E1")
    client.patch(f"/Users/{old['id']}", set_active(False))
    answer = client.post(
        "/Bulk",
        bulk(
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": "q",
                "data": {"userName": f"owner@{world.name}.test", ENTERPRISE_URN: {"manager": {"value": "bulkId:p"}}},
            },
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": "p",
                "data": {
                    "userName": "old@x.test",
                    "externalId": "E1",
                    ENTERPRISE_URN: {"manager": {"value": "bulkId:q"}},
                },
            },
        ),
    )
    assert [each["status"] for each in answer.json["Operations"]] == ["409", "201"]
    assert client.get(f"/Users/{old['id']}").json["active"] is True


def test_closing_a_circle_undoes_nothing_that_came_after(client: Client) -> None:
    def made(name: str, other: str) -> dict[str, Any]:
        data = {"userName": f"{name}@x.test", ENTERPRISE_URN: {"manager": {"value": f"bulkId:{other}"}}}
        return {"method": "POST", "path": "/Users", "bulkId": name, "data": data}

    later = patch_body({"op": "replace", "value": {"title": "T", "active": False}})
    answer = client.post(
        "/Bulk", bulk(made("b", "a"), made("a", "b"), {"method": "PATCH", "path": "/Users/bulkId:a", "data": later})
    )
    assert [each["status"] for each in answer.json["Operations"]] == ["201", "201", "200"]
    user = client.get(f"/Users/{answer.json['Operations'][1]['location'].rsplit('/', 1)[-1]}").json
    assert (user["active"], user["title"]) == (False, "T")
    assert user[ENTERPRISE_URN]["manager"]["value"] == answer.json["Operations"][0]["location"].rsplit("/", 1)[-1]


def test_nobody_raises_their_own_role(world: World, client: Client) -> None:
    user = client.user("team@x.test")
    own = person(world, "team@x.test")
    roles = {"op": "replace", "path": "roles", "value": [{"value": "admin"}]}
    assert own.patch("/Me", roles).status == 403
    assert own.patch(f"/Users/{user['id']}", roles).status == 403
    assert "roles" not in client.get(f"/Users/{user['id']}").json


def test_a_token_lets_a_person_do_no_more_than_the_role_does(world: World, client: Client) -> None:
    client.user("team@x.test")
    client.user("client@x.test", roles=[{"value": "client"}])
    team, guest = person(world, "team@x.test"), person(world, "client@x.test")
    other = client.user("other@x.test")
    assert team.get("/Me").status == 200
    assert team.patch(f"/Users/{other['id']}", set_active(False)).status == 403
    assert team.delete(f"/Users/{other['id']}").status == 403
    assert guest.get("/Users").status == 403


def test_who_loses_access_in_the_middle_of_a_bulk_request_is_out(world: World, client: Client) -> None:
    user = client.user("self@x.test", roles=[{"value": "admin"}])
    own = person(world, "self@x.test")
    path = f"/Users/{user['id']}"
    answer = own.post(
        "/Bulk",
        bulk(
            {"method": "PATCH", "path": path, "data": patch_body(set_active(False))},
            {"method": "POST", "path": "/Users", "bulkId": "x", "data": {"userName": "after@x.test"}},
            {"method": "PATCH", "path": path, "data": patch_body(set_active(True))},
        ),
    )
    assert [each["status"] for each in answer.json["Operations"]] == ["200", "401", "401"]
    assert client.get(path).json["active"] is False


def test_depth_is_limited(client: Client) -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    assert client.post("/Users", {"userName": "a@x.test", "foo": deep}).scim_type == "invalidSyntax"
    assert client.post("/Bulk", bulk({"method": "POST", "data": deep})).scim_type == "invalidSyntax"


def test_a_patch_has_a_limit(client: Client) -> None:
    user = client.user("a@x.test")
    operations = [{"op": "add", "path": "emails", "value": [{"value": f"e{n}@x.test"}]} for n in range(1001)]
    assert client.patch(f"/Users/{user['id']}", *operations).status == 413
    assert client.patch(f"/Users/{user['id']}", *operations[:100]).status == 200


@pytest.mark.parametrize("value", [1234567890, ["new secret"]])
def test_a_password_is_read_like_any_string(client: Client, value: Any) -> None:
    user = client.user("a@x.test", password="old secret")
    answer = client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "password", "value": value})
    assert answer.json["meta"]["version"] != user["meta"]["version"]


def test_a_cursor_holds_long_values(client: Client) -> None:
    for number in range(3):
        client.user(f"u{number}@x.test", title=f"{number}" + "t" * 13_000)
    first = client.get("/Users?filter=title pr&sortBy=title&cursor=&count=1").json
    body = {"filter": "title pr", "sortBy": "title", "count": 1, "cursor": first["nextCursor"]}
    second = client.post("/Users/.search", body)
    assert [user["userName"] for user in second.json["Resources"]] == ["u1@x.test"]


def test_reading_waits_for_no_writer(world: World) -> None:
    client = world.client()
    with world.directory.engine.connect().execution_options(purpose="write") as writer, writer.begin():
        writer.execute(
            text("UPDATE tokens SET last_used = last_used WHERE workspace_id = :w"), {"w": world.workspace_id}
        )
        assert client.get("/Users?count=0").status == 200, (
            "the token's first use is noted only if that takes no waiting"
        )


@pytest.mark.parametrize("host", ["u@evil.example/x?", "a b", "[::1", "x/y"])
def test_a_host_that_is_none_is_refused(client: Client, host: str) -> None:
    assert client.get("/Users?count=0", Host=host).status == 400


def test_a_compressed_body_is_told_apart(client: Client) -> None:
    answer = client.request("POST", "/Users", {"userName": "a@x.test"}, headers={"Content-Encoding": "gzip"})
    assert answer.status == 415


def test_the_core_schema_is_a_path_too(client: Client) -> None:
    core = "urn:ietf:params:scim:schemas:core:2.0:User"
    user = client.user("a@x.test")
    path = f"/Users/{user['id']}"
    assert client.patch(path, {"op": "replace", "path": core, "value": {"nickName": "A"}}).json["nickName"] == "A"
    assert client.patch(path, {"op": "replace", "value": {core: {"nickName": "B"}}}).json["nickName"] == "B"
    assert client.put(path, {"userName": "a@x.test", core: {"nickName": "C"}}).json["nickName"] == "C"


def test_a_strict_client_may_close_circles(world: World) -> None:
    strict = world.client(preset="strict")
    operations = [
        {
            "method": "POST",
            "path": "/Users",
            "bulkId": name,
            "data": {
                "schemas": [USER_URN, ENTERPRISE_URN],
                "userName": f"{name}@x.test",
                ENTERPRISE_URN: {"manager": {"value": f"bulkId:{other}"}},
            },
        }
        for name, other in (("a", "b"), ("b", "a"))
    ]
    answer = strict.post("/Bulk", bulk(*operations))
    assert [each["status"] for each in answer.json["Operations"]] == ["201", "201"], answer.text


def test_large_statements_are_not_kept(world: World, client: Client) -> None:
    """Compiled, a hundred comparisons take megabytes: whoever sends many of them would fill the memory."""
    cache = world.directory.engine._compiled_cache
    assert cache is not None
    names = ("title", "nickName", "displayName", "userType", "locale", "timezone", "profileUrl", "preferredLanguage")
    client.get("/Users?filter=" + " or ".join(f'{names[0]} eq "{number}"' for number in range(20)))
    kept = len(cache)
    for most in range(10, 40):
        terms = (f'{names[number % most % len(names)]} sw "{number}"' for number in range(most))
        assert client.get("/Users?filter=" + " and ".join(terms)).json["totalResults"] == 0
    assert len(cache) < kept + 10, "thirty were sent; the request log's thread may have added its own"
