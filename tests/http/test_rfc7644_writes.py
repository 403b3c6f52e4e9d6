"""What RFC 7644 asks of writes, Bulk, versions, discovery and tokens; numbers in brackets: ids of requirements.csv."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from scim_server.app import close, create_app
from scim_server.directory import access
from scim_server.settings import Settings
from tests.http.test_rfc7644 import BULK_URN, LIST_URN, names, relative, replaced
from tests.support import (
    ENTERPRISE_URN,
    ERROR_URN,
    GROUP_URN,
    MEDIA_TYPE,
    PATCH_URN,
    USER_URN,
    Client,
    World,
    new_world,
)

# Writes


def test_put_replaces_and_answers_with_the_whole(client: Client) -> None:
    """[7644-3.5-01] [7644-3.5.1-02] [7644-3.5.1-03] [7644-3.5.1-04] [7644-3.5.1-09]"""
    phones = [{"value": "1", "type": "work"}]
    user = client.user("ann@x.test", displayName="Ann", title="T", nickName="N", phoneNumbers=phones)
    path = f"/Users/{user['id']}"
    body = {"schemas": [USER_URN], "userName": "eve@x.test", "displayName": "Eve", "title": None, "phoneNumbers": []}
    put = client.put(path, body)
    assert put.status == 200
    assert (put.json["userName"], put.json["displayName"], put.json["active"]) == ("eve@x.test", "Eve", True)
    assert not {"title", "phoneNumbers", "nickName"} & set(put.json)
    assert client.get(path).json == put.json
    group = client.group("Team", user["id"])
    put = client.put(f"/Groups/{group['id']}", {"schemas": [GROUP_URN], "displayName": "Crew"})
    assert (put.status, put.json["displayName"], "members" in put.json) == (200, "Crew", False)
    assert client.get(f"/Groups/{group['id']}").json == put.json


def test_patch_answers_with_the_whole_or_with_nothing(client: Client) -> None:
    """[7644-3.5-02] [7644-3.5.2-16] [7644-3.5.2-17]"""
    user, group = client.user("ann@x.test"), client.group("Team")
    for path, name in ((f"/Users/{user['id']}", "displayName"), (f"/Groups/{group['id']}", "displayName")):
        changed = client.patch(path, replaced(name, "X"))
        read = client.get(path)
        assert changed.status == (200 if changed.text else 204)
        assert changed.headers["ETag"] == read.headers["ETag"]
        assert changed.text == "" or changed.json == read.json
        body = {"schemas": [PATCH_URN], "Operations": [replaced(name, "Y")]}
        asked = client.request("PATCH", f"{path}?attributes={name}", body)
        assert asked.status == 200
        assert {**asked.json, "schemas": "", "id": ""} == {"schemas": "", "id": "", name: "Y"}


def test_a_patch_sees_the_schemas_it_has_added(client: Client) -> None:
    """[7644-3.5.2-09] [7644-3.5.2-10] [7644-3.10-02]"""
    user = client.user("ann@x.test")
    assert ENTERPRISE_URN not in user["schemas"]
    patched = client.patch(
        f"/Users/{user['id']}",
        {"op": "add", "path": f"{ENTERPRISE_URN}:employeeNumber", "value": "1"},
        {"op": "replace", "path": f"{ENTERPRISE_URN}:employeeNumber", "value": "2"},
    ).json
    assert patched[ENTERPRISE_URN] == {"employeeNumber": "2"}
    assert ENTERPRISE_URN in patched["schemas"]
    text = f'{ENTERPRISE_URN}:employeeNumber eq "2"'
    assert client.get(f"/Users?filter={text}").json["totalResults"] == 1
    removed = client.patch(f"/Users/{user['id']}", {"op": "remove", "path": ENTERPRISE_URN}).json
    assert ENTERPRISE_URN not in removed["schemas"]


def test_a_patch_that_adds_what_is_there_moves_nothing(client: Client) -> None:
    """[7644-3.5.2.1-07] [7644-3.5.2.1-08] [7644-3.5.2.2-07]"""
    user = client.user("ann@x.test", emails=[{"value": "ann@x.test", "type": "work"}])
    group = client.group("Team", user["id"])
    email = {"op": "add", "path": "emails", "value": [{"value": "ann@x.test", "type": "work"}]}
    member = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
    absent = {"op": "remove", "path": 'members[value eq "nobody"]'}
    user = client.get(f"/Users/{user['id']}").json
    assert client.patch(f"/Users/{user['id']}", email).json == user
    assert client.patch(f"/Groups/{group['id']}", member, absent).status == 204
    assert client.get(f"/Groups/{group['id']}").json == group


@pytest.mark.parametrize(
    ("operation", "left"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "b"}]}, "ab"),
        ({"op": "add", "path": "members", "value": {"value": "b"}}, "ab"),
        ({"op": "add", "value": {"members": [{"value": "b"}, {"value": "a"}]}}, "ab"),
        ({"op": "replace", "path": "members", "value": [{"value": "b"}]}, "b"),
        ({"op": "replace", "path": "members", "value": []}, ""),
        ({"op": "remove", "path": "members"}, ""),
        ({"op": "remove", "path": 'members[value eq "a"]'}, ""),
        ({"op": "remove", "path": 'members[value eq "b"]'}, "a"),
    ],
)
def test_members_are_patched(client: Client, operation: dict[str, Any], left: str) -> None:
    """[7644-3.5.2.1-05] [7644-3.5.2.2-03] [7644-3.5.2.2-04] [7644-3.5.2.3-03] [7643-4.2-02]"""
    ids = {name: client.user(f"{name}@x.test")["id"] for name in "ab"}
    group = client.group("Team", ids["a"])

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(each) for each in value]
        if isinstance(value, dict):
            return {key: named(each) for key, each in value.items()}
        text = str(value)
        return ids.get(text) or text.replace('"a"', f'"{ids["a"]}"').replace('"b"', f'"{ids["b"]}"')

    assert client.patch(f"/Groups/{group['id']}", named(operation)).status == 204
    found = client.get(f"/Groups/{group['id']}").json.get("members", [])
    assert sorted(member["value"] for member in found) == sorted(ids[name] for name in left)


def test_one_member_may_be_added_as_an_object_where_nothing_is_forgiven(world: World) -> None:
    """[7644-3.5.2.1-05]"""
    strict = world.client(preset="strict")
    ann, group = strict.user("ann@x.test")["id"], strict.group("Team")["id"]
    assert strict.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": {"value": ann}}).status == 204
    assert [member["value"] for member in strict.get(f"/Groups/{group}").json["members"]] == [ann]


def test_a_deletion_is_answered_with_nothing(client: Client) -> None:
    """[7644-3.6-01] [7644-3.6-02]"""
    for path in (f"/Users/{client.user('ann@x.test')['id']}", f"/Groups/{client.group('Team')['id']}"):
        gone = client.delete(path)
        assert (gone.status, gone.text) == (204, "")
        statuses = [client.get(path).status, client.put(path, {"userName": "x", "displayName": "x"}).status]
        assert [*statuses, client.patch(path).status, client.delete(path).status] == [404] * 4


def test_letters_of_all_scripts_come_back(client: Client) -> None:
    """[7644-3.8-01] [7644-3.8-02]"""
    for name in ("Zoë Müller", "Дмитрий", "山田太郎", "😀"):
        body = f'{{"userName": "{name}", "displayName": "{name}"}}'.encode()
        made = client.request("POST", "/Users", data=body, headers={"Content-Type": "application/json"})
        assert made.json["displayName"] == name
        assert name in client.get(f"/Users/{made.json['id']}").text, "as UTF-8, not escaped"
        assert names(client.get(f'/Users?filter=userName eq "{name}"')) == [name]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/scim+json", MEDIA_TYPE),
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        ("application/json, application/scim+json", MEDIA_TYPE),
        ("application/json, */*", MEDIA_TYPE),
        ("*/*", MEDIA_TYPE),
        ("", MEDIA_TYPE),
        ("text/xml", MEDIA_TYPE),
    ],
)
def test_the_answer_is_scim_json_or_the_plain_json_that_alone_is_accepted(
    client: Client, accept: str, kind: str
) -> None:
    """[7644-3.8-03] [7644-3.8-04] [7644-3.8-05] [7644-8.1-01]"""
    for path in ("/Users", "/Schemas", "/Users/nobody"):
        answer = client.get(path, Accept=accept)
        assert answer.headers["Content-Type"] == kind
        assert answer.json["schemas"]


# Bulk


def test_a_bulk_request_must_say_that_it_is_one_where_nothing_is_forgiven(world: World, client: Client) -> None:
    """[7644-3.7-01] [7644-3.7-02]"""
    strict = world.client(preset="strict")
    bodies: tuple[dict[str, Any], ...] = ({}, {"schemas": []}, {"schemas": [PATCH_URN]})
    for body in bodies:
        assert strict.post("/Bulk", {**body, "Operations": []}).scim_type == "invalidSyntax"
    assert strict.post("/Bulk", {"schemas": [BULK_URN], "Operations": []}).status == 200
    for preset in (strict, client):
        assert preset.post("/Bulk", {"schemas": [BULK_URN]}).scim_type == "invalidSyntax"


def test_bulk_results_are_what_single_requests_would_be(client: Client) -> None:
    """[7644-3.7-07 to 11] [7644-3.7-13] [7644-3.7.3-01 to 04]"""
    user = client.user("ann@x.test")
    path = f"/Users/{user['id']}"
    operations: list[dict[str, Any]] = [
        {"method": "POST", "path": "/Users", "bulkId": "taken", "data": {"userName": "ANN@x.test"}},
        {"method": "POST", "path": "/Users", "bulkId": "new", "data": {"userName": "new@x.test"}},
        {"method": "PUT", "path": path, "data": {"userName": ""}},
        {"method": "PATCH", "path": path, "data": {"Operations": [replaced("title", "T")]}},
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "DELETE", "path": path},
    ]
    answer = client.post("/Bulk", {"schemas": [BULK_URN], "Operations": operations})
    results = answer.json["Operations"]
    assert answer.status == 200
    assert [each["status"] for each in results] == ["409", "201", "400", "200", "404", "204"]
    assert [each["method"] for each in results] == [each["method"] for each in operations]
    assert [each.get("bulkId") for each in results] == ["taken", "new", None, None, None, None]
    assert "location" not in results[0]
    assert [relative(each["location"]) for each in results[2:]] == [path, path, "/Users/nobody", path]
    assert client.get(relative(results[1]["location"])).json["userName"] == "new@x.test"
    for each in results:
        if int(each["status"]) < 400:
            continue
        assert each["response"]["schemas"] == [ERROR_URN]
        assert each["response"]["status"] == each["status"]
        assert each["response"]["detail"]


def test_bulk_limits_are_told_and_kept(world: World) -> None:
    """[7644-3.7.4-01] [7644-3.7.4-02] [7644-3.7.4-03]"""
    url = world.directory.engine.url.render_as_string(hide_password=False)
    app = create_app(Settings(database_url=url, bulk_operations=3, max_body_bytes=2000))
    client = new_world(app).client()
    limits = client.get("/ServiceProviderConfig").json["bulk"]
    assert limits == {"supported": True, "maxOperations": 3, "maxPayloadSize": 2000}
    delete = {"method": "DELETE", "path": "/Users/x"}
    assert client.post("/Bulk", {"schemas": [BULK_URN], "Operations": [delete] * 3}).status == 200
    many = client.post("/Bulk", {"schemas": [BULK_URN], "Operations": [delete] * 4})
    large = client.post("/Bulk", {"schemas": [BULK_URN], "Operations": [{**delete, "data": "x" * 2000}]})
    for answer, limit in ((many, " 3 operations"), (large, " 2000 bytes")):
        assert answer.status == 413
        assert limit in answer.json["detail"]
    close(app)


# Versions


def test_every_answer_about_a_resource_names_its_version(client: Client) -> None:
    """[7643-5-08] [7644-3.14-01] [7644-3.14-02] [7644-3.14-03]"""
    made = client.post("/Users", {"userName": "ann@x.test"})
    path = f"/Users/{made.json['id']}"
    put = client.put(path, {"userName": "ann@x.test", "title": "T"})
    patched = client.patch(path, replaced("title", "U"))
    for answer in (made, put, patched, client.get(path)):
        assert answer.headers["ETag"] == answer.json["meta"]["version"]
    assert len({made.headers["ETag"], put.headers["ETag"], patched.headers["ETag"]}) == 3
    (listed,) = client.get('/Users?filter=userName eq "ann@x.test"').json["Resources"]
    assert listed["meta"]["version"] == patched.headers["ETag"]
    unchanged = client.request("GET", path, headers={"If-None-Match": patched.headers["ETag"]})
    assert (unchanged.status, unchanged.text) == (304, "")
    assert client.request("GET", path, headers={"If-None-Match": put.headers["ETag"]}).status == 200


@pytest.mark.parametrize("kind", ["/Users", "/Groups"])
def test_a_write_on_an_old_version_changes_nothing(client: Client, kind: str) -> None:
    """[7644-3.14-04] [7644-3.12-12]"""
    name = "userName" if kind == "/Users" else "displayName"
    old = client.post(kind, {name: "old"})
    path = f"{kind}/{old.json['id']}"
    assert client.patch(path, replaced("externalId", "x")).status in (200, 204)
    before = client.get(path).json
    body = {"schemas": [PATCH_URN], "Operations": [replaced(name, "new")]}
    for method, data in (("PUT", {name: "new"}), ("PATCH", body), ("DELETE", None)):
        stale = client.request(method, path, data, {"If-Match": old.headers["ETag"]})
        assert stale.status == 412
        assert client.get(path).json == before
    refused = client.request("PUT", path, {name: "new"}, {"If-None-Match": "*"})
    assert (refused.status, client.get(path).json) == (412, before)
    current = {"If-Match": before["meta"]["version"]}
    assert client.request("PUT", path, {name: "new"}, current).status == 200
    assert client.request("DELETE", path, None, {"If-Match": "*"}).status == 204


# Discovery


def test_discovery_is_lists_and_one_single_document(client: Client) -> None:
    """[7644-4-01] [7644-4-02] [7644-4-03] [7644-4-05]"""
    config = client.get("/ServiceProviderConfig").json
    assert config["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
    for path in ("/Schemas", "/ResourceTypes"):
        listed = client.get(path).json
        assert listed["schemas"] == [LIST_URN]
        assert listed["totalResults"] == len(listed["Resources"]) > 1
        for document in listed["Resources"]:
            assert client.get(f"{path}/{document['id']}").json == document
    assert client.get(f"/Schemas/{USER_URN}:Other").status == 404


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"])
def test_discovery_is_the_same_whatever_is_asked(client: Client, path: str) -> None:
    """[7644-4-06] [7644-4-07]"""
    whole = client.get(path).json
    for query in ("count=1", "startIndex=2", "sortBy=id&sortOrder=descending", "cursor=&count=1"):
        assert client.get(f"{path}?{query}").json == whole
    refused = client.get(f'{path}?filter=name eq "User"')
    assert refused.status == 403
    assert "filter" in refused.json["detail"]


@pytest.mark.parametrize("query", ["sortBy=userName", "cursor=&count=1"])
def test_what_the_root_can_not_do_is_not_implemented(client: Client, query: str) -> None:
    """[7644-3.12-15] [9865-2-06]: a page without nextCursor would look like the last."""
    refused = client.get(f"/?{query}")
    assert refused.status == 501
    assert refused.json["status"] == "501"
    assert refused.json["detail"]


def test_what_is_not_offered_is_not_announced(client: Client) -> None:
    """[9967-4-01]: without securityEvents, none of RFC 9967 is supported; a wish for it is no error."""
    assert "securityEvents" not in client.get("/ServiceProviderConfig").json
    user = client.user("ann@x.test")
    body = {"schemas": [PATCH_URN], "Operations": [replaced("title", "T")]}
    answer = client.request("PATCH", f"/Users/{user['id']}", body, {"Prefer": "respond-async"})
    assert answer.status == 200
    assert not {"Set-Txn", "Preference-Applied"} & set(answer.headers)


# Tokens


def test_tokens_can_not_be_guessed_nor_read_from_the_database(world: World) -> None:
    """[7644-7.4-01] [7644-7.7-01] [7644-7.7-02]"""
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return secrets.token_bytes(count)

    access.create_connection(world.directory, world.name, "one")
    texts = [access.create_token(world.directory, world.name, "one", random_bytes)[1] for _ in range(2)]
    assert min(asked) * 8 >= 128
    assert len(set(texts)) == 2
    assert Client(world.app, texts[0]).get("/Users").status == 200
    with world.directory.engine.connect() as db:
        kept = str(db.exec_driver_sql("SELECT * FROM tokens").all())
    for text in texts:
        assert text not in kept
        assert text[5:-4] not in kept
