"""The parts of the protocol beyond single resources: cursors, .search, the root, /Me, Bulk, versions, passwords."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from scim_server.app import close, create_app
from scim_server.directory import Directory, access
from scim_server.scim.extensions import InvalidSchema
from scim_server.scim.paging import KEY_BYTES, Position, fingerprint, seal
from scim_server.settings import Settings
from scim_server.storage.upgrade import upgrade
from tests.support import GROUP_URN, USER_URN, Client, World, new_world

BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def names(answer: Any) -> list[str]:
    return [user.get("displayName", "") for user in answer.json["Resources"]]


@pytest.fixture
def crowd(client: Client) -> Client:
    for number in range(7):
        client.user(f"user{number}@x.test", displayName=f"Name {number // 2}", title="T" if number % 2 else None)
    return client


@pytest.mark.parametrize(
    "query",
    [
        'filter=userName sw "user"',
        'filter=userName sw "user"&sortBy=displayName',
        'filter=userName sw "user"&sortBy=displayName&sortOrder=descending',
        'filter=userName sw "user"&sortBy=title',
        'filter=userName sw "user"&sortBy=title&sortOrder=descending',
        'filter=userName sw "user"&sortBy=meta.created&sortOrder=descending',
        'filter=userName sw "user"&sortBy=active',
    ],
)
def test_cursors_walk_there_and_back(crowd: Client, query: str) -> None:
    whole = [user["id"] for user in crowd.get(f"/Users?{query}").json["Resources"]]
    assert len(whole) == 7
    pages, cursor = [], ""
    while True:
        page = crowd.get(f"/Users?{query}&count=3&cursor={cursor}").json
        pages.append(page)
        assert page["totalResults"] == 7
        if "nextCursor" not in page:
            break
        cursor = page["nextCursor"]
    assert [user["id"] for page in pages for user in page["Resources"]] == whole
    assert "previousCursor" not in pages[0]
    second = crowd.get(f"/Users?{query}&count=3&cursor={pages[2]['previousCursor']}").json
    assert second["Resources"] == pages[1]["Resources"]
    first = crowd.get(f"/Users?{query}&count=3&cursor={second['previousCursor']}").json
    assert first["Resources"] == pages[0]["Resources"]
    assert "previousCursor" not in first
    third = crowd.get(f"/Users?{query}&count=3&cursor={second['nextCursor']}").json
    assert third["Resources"] == pages[2]["Resources"]


def test_a_cursor_serves_its_own_query_alone(crowd: Client, world: World, app: Flask) -> None:
    cursor = crowd.get("/Users?count=2&cursor=").json["nextCursor"]
    assert crowd.get(f"/Users?count=3&cursor={cursor}").scim_type == "invalidCount"
    assert crowd.get(f"/Users?count=2&cursor={cursor}&sortBy=title").scim_type == "invalidCursor"
    assert crowd.get(f"/Groups?count=2&cursor={cursor}").scim_type == "invalidCursor"
    assert crowd.get(f"/Users?count=2&cursor={cursor[:-2]}AA").scim_type == "invalidCursor"
    assert crowd.get("/Users?count=2&cursor=x.y").scim_type == "invalidCursor"
    assert crowd.get(f"/Users?count=2&cursor={cursor}&startIndex=1").status == 400
    assert new_world(app).client().get(f"/Users?count=2&cursor={cursor}").scim_type == "invalidCursor"


def test_a_cursor_expires(world: World, client: Client) -> None:
    client.get("/Users?count=1&cursor=")  # makes the key, if nothing has yet
    key = access.server_key(world.directory, "cursor", KEY_BYTES, secrets.token_bytes)
    query = fingerprint(world.workspace_id, "User", "", "", "")
    position = Position("0")
    assert client.get(f"/Users?count=1&cursor={seal(key, position, query, 1, 2**40)}").json["totalResults"] == 1
    assert client.get(f"/Users?count=1&cursor={seal(key, position, query, 1, 1)}").scim_type == "expiredCursor"


def test_a_walk_is_right_while_others_write(crowd: Client) -> None:
    first = crowd.get('/Users?filter=userName sw "user"&count=3&cursor=').json
    crowd.delete(f"/Users/{first['Resources'][-1]['id']}")
    crowd.user("user9@x.test")
    second = crowd.get(f'/Users?filter=userName sw "user"&count=3&cursor={first["nextCursor"]}').json
    assert [user["userName"] for user in second["Resources"]] == [f"user{n}@x.test" for n in (3, 4, 5)]


def test_search_is_a_list_by_post(crowd: Client) -> None:
    body = {"schemas": [SEARCH_URN], "filter": 'userName eq "user3@x.test"', "attributes": ["userName"], "count": 5}
    answer = crowd.post("/Users/.search", body)
    assert answer.status == 200
    assert [set(user) for user in answer.json["Resources"]] == [{"schemas", "id", "userName"}]
    page = crowd.post("/Users/.search", {"schemas": [SEARCH_URN], "cursor": "", "count": 2})
    assert "nextCursor" in page.json
    assert crowd.post("/Users/.search", {"count": True}).scim_type == "invalidSyntax"
    assert crowd.get("/Users/.search").status == 405


def test_the_root_holds_all_types(crowd: Client) -> None:
    group = crowd.group("Team", *[user["id"] for user in crowd.get("/Users").json["Resources"][:1]])
    everything = crowd.get("/").json
    assert everything["totalResults"] == 9
    assert [each["meta"]["resourceType"] for each in everything["Resources"]] == ["User"] * 8 + ["Group"]
    page = crowd.get("/?startIndex=8&count=5").json
    assert [each["meta"]["resourceType"] for each in page["Resources"]] == ["User", "Group"]
    both = crowd.post("/.search", {"schemas": [SEARCH_URN], "filter": 'userName eq "user1@x.test" or members pr'}).json
    assert [each["meta"]["resourceType"] for each in both["Resources"]] == ["User", "Group"]
    assert both["Resources"][1]["id"] == group["id"]
    assert crowd.get('/?filter=meta.resourceType eq "Group"').json["totalResults"] == 1
    assert crowd.get("/?filter=not (userName pr)").json["totalResults"] == 1
    assert crowd.get('/?filter=nothing eq "x"').scim_type == "invalidFilter"


def test_me_is_whom_the_token_acts_for(world: World, client: Client) -> None:
    user = client.user("me@x.test", displayName="Me")
    assert client.get("/Me").status == 404
    access.create_connection(world.directory, world.name, "own")
    _, text = access.create_token(world.directory, world.name, "own", secrets.token_bytes, user_name="ME@x.test")
    me = Client(world.app, text)
    assert me.get("/Me").json == user
    assert me.get("/Me").headers["Location"].endswith(user["id"])
    assert me.patch("/Me", {"op": "replace", "path": "title", "value": "Boss"}).json["title"] == "Boss"
    assert client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": False}).status == 200
    assert me.get("/Me").status == 401, "the tokens of a deactivated contact die with its access"


def bulk(*operations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schemas": [BULK_URN], "Operations": list(operations), **more}


def post(kind: str, bulk_id: str, **data: Any) -> dict[str, Any]:
    return {"method": "POST", "path": f"/{kind}", "bulkId": bulk_id, "data": data}


def test_bulk_carries_out_all_kinds_of_operations(client: Client) -> None:
    old = client.user("old@x.test")
    gone = client.user("gone@x.test")
    answer = client.post(
        "/Bulk",
        bulk(
            post("Groups", "g", displayName="Team", members=[{"value": "bulkId:u"}, {"value": old["id"]}]),
            post("Users", "u", userName="new@x.test"),
            {
                "method": "PATCH",
                "path": "/Groups/bulkId:g",
                "data": {"Operations": [{"op": "replace", "path": "displayName", "value": "Crew"}]},
            },
            {
                "method": "PUT",
                "path": f"/Users/{old['id']}",
                "data": {"userName": "old@x.test", "title": "T"},
                "version": old["meta"]["version"],
            },
            {"method": "DELETE", "path": f"/Users/{gone['id']}"},
            {"method": "PUT", "path": f"/Users/{old['id']}", "data": {"userName": "old@x.test"}, "version": 'W/"99"'},
        ),
    )
    assert answer.status == 200
    results = answer.json["Operations"]
    assert [each["status"] for each in results] == ["201", "201", "204", "200", "204", "412"]
    assert [each.get("bulkId") for each in results[:2]] == ["g", "u"]
    group = client.get(f"/Groups/{results[0]['location'].rsplit('/', 1)[-1]}").json
    assert group["displayName"] == "Crew"
    assert {member["display"] for member in group["members"]} == {"new@x.test", "old@x.test"}
    assert results[5]["response"]["status"] == "412"
    assert client.get(f"/Users/{gone['id']}").status == 404


def test_bulk_closes_circles(client: Client) -> None:
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    answer = client.post(
        "/Bulk",
        bulk(
            post("Users", "a", userName="a@x.test", **{enterprise: {"manager": {"value": "bulkId:b"}}}),
            post("Users", "b", userName="b@x.test", **{enterprise: {"manager": {"value": "bulkId:a"}}}),
        ),
    )
    first, second = [each["location"].rsplit("/", 1)[-1] for each in answer.json["Operations"]]
    assert client.get(f"/Users/{first}").json[enterprise]["manager"]["value"] == second
    assert client.get(f"/Users/{second}").json[enterprise]["manager"]["value"] == first
    for result in answer.json["Operations"]:
        assert (
            client.get(f"/Users/{result['location'].rsplit('/', 1)[-1]}").json["meta"]["version"] == result["version"]
        )


def test_bulk_leaves_alone_what_only_looks_like_a_reference(client: Client) -> None:
    """A name that begins with bulkId: is a name, also where an operation has that bulkId."""
    user = client.user("ann@x.test")
    answer = client.post(
        "/Bulk",
        bulk(
            post("Groups", "g", displayName="bulkId:g", externalId="bulkId:u", members=[{"value": "bulkId:u"}]),
            post("Users", "u", userName="bulkId:none", title='a "bulkId:g"', emails=[{"value": "bulkId:u"}]),
            {
                "method": "PATCH",
                "path": f"/Users/{user['id']}",
                "data": {"Operations": [{"op": "add", "path": "displayName", "value": "bulkId:u"}]},
            },
        ),
    )
    results = answer.json["Operations"]
    assert [each["status"] for each in results] == ["201", "201", "200"]
    group, made, patched = (client.get(each["location"].partition("/scim/v2")[2]).json for each in results)
    assert (group["displayName"], group["externalId"]) == ("bulkId:g", "bulkId:u")
    assert [member["value"] for member in group["members"]] == [made["id"]]
    assert (made["userName"], made["title"]) == ("bulkId:none", 'a "bulkId:g"')
    assert made["emails"] == [{"value": "bulkId:u"}]
    assert patched["displayName"] == "bulkId:u"


def test_bulk_refuses_a_circle_of_groups(client: Client) -> None:
    answer = client.post(
        "/Bulk",
        bulk(
            post("Groups", "a", displayName="A", members=[{"value": "bulkId:b", "type": "Group"}]),
            post("Groups", "b", displayName="B", members=[{"value": "bulkId:a", "type": "Group"}]),
        ),
    )
    statuses = [each["status"] for each in answer.json["Operations"]]
    assert statuses == ["201", "409"]
    assert "circle" in answer.json["Operations"][1]["response"]["detail"]
    assert (
        client.get(f"/Groups/{answer.json['Operations'][1]['location'].rsplit('/', 1)[-1]}").json["displayName"] == "B"
    )


def test_bulk_stops_after_enough_errors(client: Client) -> None:
    bad = {"method": "DELETE", "path": "/Users/nobody"}
    answer = client.post("/Bulk", bulk(bad, bad, post("Users", "u", userName="u@x.test"), failOnErrors=2))
    assert [each["status"] for each in answer.json["Operations"]] == ["404", "404"]
    assert (
        client.post("/Bulk", bulk(bad, post("Users", "u", userName="u@x.test"))).json["Operations"][1]["status"]
        == "201"
    )


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"method": "GET", "path": "/Users"}, "400"),
        ({"method": "POST", "path": "/Users", "data": {"userName": "x"}}, "400"),
        ({"method": "POST", "path": "/Users", "bulkId": "x"}, "400"),
        ({"method": "POST", "path": "/Bulk", "bulkId": "x", "data": {}}, "404"),
        ({"method": "POST", "path": "/Users/1", "bulkId": "x", "data": {}}, "400"),
        ({"method": "PATCH", "path": "/Users", "data": {}}, "400"),
        ({"method": "DELETE", "path": "/Users/bulkId:nothing"}, "409"),
        (
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": "x",
                "data": {"displayName": "X", "members": [{"value": "bulkId:y"}]},
            },
            "409",
        ),
        ("text", "400"),
    ],
)
def test_bulk_tells_what_is_wrong_with_an_operation(client: Client, operation: Any, status: str) -> None:
    result = client.post("/Bulk", bulk(operation)).json["Operations"][0]
    assert result["status"] == status
    assert result["response"]["detail"]


def test_bulk_limits(client: Client) -> None:
    assert client.post("/Bulk", bulk(*[{"method": "DELETE", "path": "/Users/x"}] * 1001)).status == 413
    assert client.post("/Bulk", []).scim_type == "invalidSyntax"
    assert client.post("/Bulk", {"Operations": 1}).scim_type == "invalidSyntax"


def test_versions_of_the_protocol(client: Client) -> None:
    def get(path: str) -> Any:
        headers = {"Authorization": f"Bearer {client.token}"}
        return client.app.test_client().get(path, headers=headers)

    assert get("/scim/v2/Users").status_code == 200
    assert get("/scim/Users").status_code == 200
    assert get("/scim/v1/Users").get_json(force=True)["scimType"] == "invalidVers"


def test_a_password_is_kept_as_a_hash_and_never_returned(client: Client, world: World) -> None:
    user = client.user("p@x.test", password="first secret")
    assert "password" not in user
    path = f"/Users/{user['id']}"
    same = client.patch(path, {"op": "replace", "path": "password", "value": "first secret"})
    assert same.json["meta"]["version"] == user["meta"]["version"]
    other = client.patch(path, {"op": "replace", "value": {"password": "second secret"}})
    assert other.json["meta"]["version"] != user["meta"]["version"]
    assert "secret" not in other.text
    assert "password" not in client.get(f"{path}?attributes=password").json
    assert client.get('/Users?filter=password eq "second secret"').scim_type == "invalidFilter"
    with world.directory.engine.connect() as db:
        rows = db.exec_driver_sql("SELECT password, profile FROM contacts WHERE password IS NOT NULL").all()
    assert any(row.password.startswith("$argon2id$") for row in rows)
    assert not any("secret" in row.profile or "secret" in row.password for row in rows)


CUSTOM = "urn:example:params:scim:schemas:custom:2.0:User"
DOCUMENT = {
    "id": CUSTOM,
    "name": "Custom",
    "attributes": [
        {"name": "badge", "type": "integer"},
        {"name": "rate", "type": "decimal"},
        {"name": "tags", "type": "string", "multiValued": True},
        {"name": "hired", "type": "dateTime"},
        {"name": "origin", "type": "string", "mutability": "immutable"},
        {"name": "note", "type": "string", "returned": "request"},
        {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
        {"name": "place", "type": "complex", "subAttributes": [{"name": "room", "type": "string"}]},
    ],
}


@pytest.fixture
def custom(app: Flask, tmp_path: Path) -> Any:
    folder = tmp_path / "schemas" / "User"
    folder.mkdir(parents=True)
    (folder / "custom.json").write_text(json.dumps(DOCUMENT))
    directory: Directory = app.extensions["directory"]
    url = directory.engine.url.render_as_string(hide_password=False)
    extended = create_app(Settings(database_url=url, schemas_folder=str(folder.parent)))
    yield new_world(extended).client()
    close(extended)


def test_a_custom_extension_is_kept_filtered_sorted_projected_and_published(custom: Client) -> None:
    values = {
        "badge": 7,
        "rate": 2.5,
        "tags": ["a", "B"],
        "hired": "2020-01-01T10:00:00+02:00",
        "origin": "x",
        "note": "n",
        "pin": "1234",
        "place": {"room": "R1"},
    }
    user = custom.user("c@x.test", **{CUSTOM: values})
    other = custom.user("d@x.test", **{CUSTOM: {"badge": 30, "rate": 10}})
    assert CUSTOM in user["schemas"]
    shown = {key: value for key, value in values.items() if key not in ("note", "pin")}
    assert user[CUSTOM] == {**shown, "note": "n"}, "what is returned on request is returned when it is written"
    path = f"/Users/{user['id']}"
    assert custom.get(path).json[CUSTOM] == shown
    assert custom.get(f"{path}?attributes={CUSTOM}:note").json[CUSTOM] == {"note": "n"}
    for text in (
        f"{CUSTOM}:badge lt 8",
        f"{CUSTOM}:rate eq 2.5",
        f'{CUSTOM}:tags eq "b"',
        f'{CUSTOM}:hired eq "2020-01-01T08:00:00Z"',
        f'{CUSTOM}:place.room sw "r"',
        f'{CUSTOM}:tags[value eq "A"]',
    ):
        assert [each["id"] for each in custom.get(f"/Users?filter={text}").json["Resources"]] == [user["id"]], text
    order = [
        each["id"]
        for each in custom.get(f"/Users?filter={CUSTOM}:badge pr&sortBy={CUSTOM}:badge&sortOrder=descending").json[
            "Resources"
        ]
    ]
    assert order == [other["id"], user["id"]]
    first = custom.get(f"/Users?filter={CUSTOM}:badge pr&sortBy={CUSTOM}:rate&count=1&cursor=").json
    second = custom.get(
        f"/Users?filter={CUSTOM}:badge pr&sortBy={CUSTOM}:rate&count=1&cursor={first['nextCursor']}"
    ).json
    assert [first["Resources"][0]["id"], second["Resources"][0]["id"]] == [user["id"], other["id"]]
    patched = custom.patch(path, {"op": "add", "path": f"{CUSTOM}:tags", "value": ["c"]}).json
    assert patched[CUSTOM]["tags"] == ["a", "B", "c"]
    assert custom.patch(path, {"op": "replace", "path": f"{CUSTOM}:origin", "value": "y"}).scim_type == "mutability"
    changed = {"userName": "c@x.test", CUSTOM: {**values, "origin": "y"}}
    assert custom.put(path, changed).scim_type == "mutability"
    assert custom.patch(path, {"op": "replace", "path": f"{CUSTOM}:badge", "value": "many"}).scim_type == "invalidValue"
    assert custom.get(f"/Schemas/{CUSTOM}").json["attributes"][0]["name"] == "badge"
    assert {"schema": CUSTOM, "required": False} in custom.get("/ResourceTypes/User").json["schemaExtensions"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "no urn"}, "URN"),
        ({"id": USER_URN}, "exists already"),
        ({"id": GROUP_URN.upper()}, "exists already"),
        ({"attributes": []}, "at least one"),
        ({"attributes": [{"name": "a"}, {"name": "A"}]}, "declared twice"),
        ({"attributes": [{"name": "a", "type": "text"}]}, "type must be one of"),
        ({"attributes": [{"name": "a", "type": "complex"}]}, "needs subAttributes"),
        ({"attributes": [{"name": "a", "mutability": "writeOnly"}]}, "returned never"),
        ({"attributes": [{"name": "a", "mutability": "readOnly", "required": True}]}, "can't be required"),
        ({"attributes": [{"name": "1a"}]}, "not an attribute name"),
        (
            {
                "attributes": [
                    {
                        "name": "a",
                        "type": "complex",
                        "subAttributes": [{"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]}],
                    }
                ]
            },
            "inside another",
        ),
        ({"attributes": ["a"]}, "must be an object"),
    ],
)
def test_a_contradictory_schema_stops_the_start(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    folder = tmp_path / "User"
    folder.mkdir()
    (folder / "bad.json").write_text(json.dumps({**DOCUMENT, **change}))
    with pytest.raises(InvalidSchema, match=reason):
        create_app(Settings(database_url="sqlite:///unused.db", schemas_folder=str(tmp_path)))


def test_upgraded_databases_share_one_cursor_key(app: Flask) -> None:
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    keys = {access.server_key(directory, "test", 8, secrets.token_bytes) for _ in range(3)}
    assert len(keys) == 1
