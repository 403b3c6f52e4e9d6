"""What RFC 7643 asks of resources and schemas, as a client sees it; numbers in brackets are ids of requirements.csv."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from scim_server.app import close, create_app
from scim_server.scim.schema import SEATS_ERROR_URN
from scim_server.settings import Settings
from tests.support import ENTERPRISE_URN, GROUP_URN, USER_URN, WORKSPACE_URN, Client, World, new_world

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*|\$ref")
URN = re.compile(r"urn:[a-z0-9][a-z0-9-]*:[\w:.-]+")
RESERVED = ("urn:ietf:params:scim:schemas:core:", "urn:ietf:params:scim:api:")
TYPES = {"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"}
CHOICES = {
    "type": TYPES,
    "mutability": {"readOnly", "readWrite", "immutable", "writeOnly"},
    "returned": {"always", "never", "default", "request"},
    "uniqueness": {"none", "server", "global"},
}
FLAGS = ("multiValued", "required", "caseExact")
CUSTOM = "urn:example:params:scim:schemas:measures:1.0:User"
MEASURES = {
    "id": CUSTOM,
    "name": "Measures",
    "attributes": [
        {"name": "plain"},
        {"name": "floor", "type": "integer"},
        {"name": "height", "type": "decimal"},
        {"name": "since", "type": "dateTime"},
        {"name": "origin", "mutability": "immutable"},
    ],
}


def relative(location: str) -> str:
    """The path below the base of an absolute URL."""
    return urlsplit(location).path.removeprefix("/scim/v2")


def resources_of(client: Client) -> list[Any]:
    """One resource of each kind, and the documents of discovery."""
    user = client.user("ann@x.test", externalId="e", **{ENTERPRISE_URN: {"department": "A"}})
    group = client.group("Team", user["id"])
    listed = [each for path in ("/ResourceTypes", "/Schemas") for each in client.get(path).json["Resources"]]
    return [client.get(f"/Users/{user['id']}").json, group, client.get("/ServiceProviderConfig").json, *listed]


def rows_of(document: Any) -> Iterator[tuple[Any, Any]]:
    """Each attribute of a schema document with the one it belongs to (None at the top)."""
    for row in document["attributes"]:
        yield row, None
        for sub in row.get("subAttributes") or ():
            yield sub, row


@pytest.fixture
def schemas(client: Client) -> list[Any]:
    found: list[Any] = client.get("/Schemas").json["Resources"]
    return found


@pytest.fixture
def measured(app: Flask, tmp_path: Path) -> Iterator[Client]:
    """A client of a server with one more extension, on the same database."""
    folder = tmp_path / "User"
    folder.mkdir()
    (folder / "measures.json").write_text(json.dumps(MEASURES))
    url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
    extended = create_app(Settings(database_url=url, schemas_folder=str(tmp_path)))
    yield new_world(extended).client()
    close(extended)


# What is published


def test_each_published_attribute_is_described_in_full(schemas: list[Any]) -> None:
    """[7643-1.1-01] [7643-2.1-03] [7643-2.3-01] [7643-7-03] [7643-7-16]"""
    assert len(schemas) >= 4
    for document in schemas:
        assert '"' not in document["id"]
        assert URN.fullmatch(document["id"])
        for row, _ in rows_of(document):
            assert NAME.fullmatch(row["name"]), row
            assert row["description"], row
            assert all(isinstance(row[flag], bool) for flag in FLAGS), row
            for name, choice in CHOICES.items():
                assert row[name] in choice, row
            assert row["uniqueness"] != "global", "the server doesn't look beyond a workspace"


def test_simple_attributes_have_no_parts_and_complex_ones_no_parts_with_parts(schemas: list[Any]) -> None:
    """[7643-1.2-01] [7643-2.3.8-02] [7643-7-05]"""
    for document in schemas:
        for row, parent in rows_of(document):
            assert bool(row.get("subAttributes")) is (row["type"] == "complex"), row
            assert parent is None or row["type"] != "complex", row


def test_predefined_parts_of_multi_valued_attributes_keep_their_meaning(schemas: list[Any]) -> None:
    """[7643-2.4-01]"""
    predefined = {"type": "string", "primary": "boolean", "display": "string", "$ref": "reference"}
    seen = set()
    for document in schemas:
        for row, parent in rows_of(document):
            if parent and parent["multiValued"] and row["name"] in predefined:
                seen.add(row["name"])
                assert row["type"] == predefined[row["name"]], (parent["name"], row)
                assert not row["multiValued"]
    assert seen == set(predefined)


def test_every_schema_and_type_says_what_it_is(client: Client, schemas: list[Any]) -> None:
    """[7643-6-01] [7643-6-03] [7643-7-01] [7643-7-02]"""
    for document in schemas:
        assert document["name"]
        assert document["description"]
        assert client.get(f"/Schemas/{document['id']}").json == document
    for kind in client.get("/ResourceTypes").json["Resources"]:
        assert all(kind[name] for name in ("name", "endpoint", "schema", "description"))
        assert kind["id"] == kind["name"]


def test_every_urn_that_is_used_has_its_schema(client: Client, schemas: list[Any]) -> None:
    """[7643-6-02] [7643-6-04] [7643-6-05] [7643-6-06] [7643-7-04]"""
    published = {document["id"] for document in schemas}
    types = client.get("/ResourceTypes").json["Resources"]
    for kind in types:
        named = [kind["schema"], *(each["schema"] for each in kind["schemaExtensions"])]
        assert set(named) <= published
        assert all(client.get(f"/Schemas/{urn}").status == 200 for urn in named)
        assert all(isinstance(each["required"], bool) for each in kind["schemaExtensions"])
    for resource in resources_of(client)[:2]:
        assert set(resource["schemas"]) <= published
        assert resource["meta"]["resourceType"] in {kind["name"] for kind in types}


def test_extensions_add_and_redefine_nothing(client: Client, schemas: list[Any]) -> None:
    """[7643-3.3-02]"""
    by_urn = {document["id"]: {row["name"].lower() for row in document["attributes"]} for document in schemas}
    for kind in client.get("/ResourceTypes").json["Resources"]:
        core = by_urn[kind["schema"]] | {"id", "externalid", "meta", "schemas"}
        for extension in kind["schemaExtensions"]:
            assert not by_urn[extension["schema"]] & core


def test_the_configuration_names_every_feature(client: Client) -> None:
    """[7643-5-01] [7643-5-02] [7643-5-03] [7643-5-04] [7643-5-05] [7643-5-06] [7643-5-07] [7643-5-08] [7643-5-11]"""
    config = client.get("/ServiceProviderConfig").json
    for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
        assert config[name]["supported"] is True
    for part, name in (("bulk", "maxOperations"), ("bulk", "maxPayloadSize"), ("filter", "maxResults")):
        assert type(config[part][name]) is int
        assert config[part][name] > 0


def test_the_configuration_lists_the_schemes_that_are_accepted(client: Client) -> None:
    """[7643-5-09] [7643-5-10]"""
    (scheme,) = client.get("/ServiceProviderConfig").json["authenticationSchemes"]
    assert scheme["type"] == "oauthbearertoken", "the client's own scheme, and no other"
    assert scheme["name"]
    assert scheme["description"]


def test_an_attribute_that_says_nothing_has_the_defaults(measured: Client) -> None:
    """[7643-2.2-01]"""
    plain = next(row for row in measured.get(f"/Schemas/{CUSTOM}").json["attributes"] if row["name"] == "plain")
    expected = {
        "type": "string",
        "multiValued": False,
        "required": False,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    }
    assert {name: plain[name] for name in expected} == expected
    users = [measured.user(f"{name}@x.test", **{CUSTOM: {"plain": "Same"}}) for name in ("a", "b")]
    assert all(user[CUSTOM]["plain"] == "Same" for user in users)
    assert measured.get(f'/Users?filter={CUSTOM}:plain eq "SAME"').json["totalResults"] == 2


# Values


@pytest.mark.parametrize(
    ("name", "written", "scim_type"),
    [
        ("floor", "1.5", "invalidValue"),
        ("floor", "1e2", "invalidValue"),
        ("floor", "1.0", "invalidValue"),
        ("height", "1.", "invalidSyntax"),
        ("height", ".5", "invalidSyntax"),
        ("since", '"2020-01-01"', "invalidValue"),
        ("since", "1577836800", "invalidValue"),
        ("since", '"10:00:00Z"', "invalidValue"),
    ],
)
def test_numbers_and_dates_as_the_rfc_writes_them(measured: Client, name: str, written: str, scim_type: str) -> None:
    """[7643-2.3.3-01] [7643-2.3.4-01] [7643-2.3.5-01] [7643-2.3.5-02]"""
    body = f'{{"userName": "a@x.test", "{CUSTOM}": {{"{name}": {written}}}}}'.encode()
    answer = measured.request("POST", "/Users", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.scim_type) == (400, scim_type)


def test_numbers_come_back_as_they_were(measured: Client) -> None:
    """[7643-2.3.3-01] [7643-2.3.4-01] [7643-2.3.5-01]"""
    values = {"floor": -7, "height": 0.5, "since": "2020-01-01T10:00:00.5+02:00"}
    user = measured.user("a@x.test", **{CUSTOM: values})
    answer = measured.get(f"/Users/{user['id']}")
    assert answer.json[CUSTOM] == values
    assert '"floor":-7,' in answer.text.replace(" ", "")


def test_an_immutable_value_is_set_once(measured: Client) -> None:
    """[7643-7-09] [7644-3.5.1-05] [7644-3.5.1-06] [7644-3.5.2-07]"""
    for number, first in enumerate(("PUT", "PATCH")):
        name = f"user{number}@x.test"
        path = f"/Users/{measured.user(name)['id']}"

        def put(value: str, path: str = path, name: str = name) -> Any:
            return measured.put(path, {"userName": name, CUSTOM: {"origin": value}})

        def add(value: str, path: str = path) -> Any:
            return measured.patch(path, {"op": "add", "path": f"{CUSTOM}:origin", "value": value})

        for write in (put if first == "PUT" else add, put, add):
            assert write("here").json[CUSTOM] == {"origin": "here"}
        for write in (put, add):
            assert (write("there").status, write("there").scim_type) == (400, "mutability")
        assert measured.get(path).json[CUSTOM] == {"origin": "here"}


def test_references_lead_to_what_they_name(client: Client) -> None:
    """[7643-2.3.7-01] [7643-2.3.7-02] [7643-2.3.7-03] [7643-4.1.2-07] [7643-4.2-02] [7643-4.3-01]"""
    boss = client.user("boss@x.test")
    ann = client.user("ann@x.test", **{ENTERPRISE_URN: {"manager": {"value": boss["id"], "$ref": "Users/nobody"}}})
    members = [{"value": ann["id"], "$ref": f"Users/{ann['id']}"}, {"value": boss["id"], "$ref": "../Users/x"}]
    group = client.post("/Groups", {"schemas": [GROUP_URN], "displayName": "G", "members": members}).json
    ann = client.get(f"/Users/{ann['id']}").json
    for holder in (ann["groups"][0], ann[ENTERPRISE_URN]["manager"], *group["members"]):
        assert urlsplit(holder["$ref"]).scheme
        found = client.get(relative(holder["$ref"]))
        assert (found.status, found.json["id"]) == (200, holder["value"])
    client.delete(f"/Users/{boss['id']}")
    manager = client.get(f"/Users/{ann['id']}").json[ENTERPRISE_URN]["manager"]
    assert client.get(relative(manager["$ref"])).status == 404


def test_a_resource_is_the_same_with_the_version_in_its_uri_and_without(client: Client) -> None:
    """[7643-2.4-04]"""
    user = client.user("ann@x.test")
    base = "/scim/v2" + relative(user["meta"]["location"])
    headers = {"Authorization": f"Bearer {client.token}"}
    answers = [client.app.test_client().get(path, headers=headers) for path in (base, base.replace("/v2", ""))]
    assert [answer.get_json(force=True) for answer in answers] == [user, user]


def test_the_order_of_keys_and_schemas_counts_for_nothing(world: World) -> None:
    """[7643-2.3.8-01] [7643-3-03] [7643-3-04]"""
    client = world.client(preset="strict")
    body = {
        "schemas": [USER_URN, ENTERPRISE_URN, USER_URN],
        "userName": "ann@x.test",
        "name": {"familyName": "A", "givenName": "B"},
        "emails": [{"value": "ann@x.test", "type": "work", "primary": True}],
        ENTERPRISE_URN: {"department": "D", "division": "E"},
    }
    one = client.post("/Users", body).json
    client.delete(f"/Users/{one['id']}")
    other = client.post("/Users", _reversed(body)).json
    for user in (one, other):
        assert len(set(user["schemas"])) == len(user["schemas"])
    assert set(one["schemas"]) == set(other["schemas"])
    names = ("userName", "name", "emails", ENTERPRISE_URN, "active")
    assert [one[name] for name in names] == [other[name] for name in names]


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return value if not isinstance(value, list) or not isinstance(value[0], str) else value[::-1]


@pytest.mark.parametrize(
    ("path", "empty"),
    [("title", None), ("title", []), ("emails", None), ("emails", []), ("name", None), (ENTERPRISE_URN, None)],
)
def test_null_an_empty_list_and_remove_are_the_same(client: Client, path: str, empty: Any) -> None:
    """[7643-2.5-01] [7643-2.5-02]"""
    full: dict[str, Any] = {
        "title": "T",
        "emails": [{"value": "a@x.test"}],
        "name": {"givenName": "A"},
        ENTERPRISE_URN: {"department": "D"},
    }
    seen = []
    operations: tuple[dict[str, Any], ...] = (
        {"op": "replace", "path": path, "value": empty},
        {"op": "replace", "value": {path: empty}},
        {"op": "remove", "path": path},
    )
    for number, operation in enumerate(operations):
        user = client.user(f"user{number}@x.test", **full)
        assert client.patch(f"/Users/{user['id']}", operation).status == 200
        answer = client.get(f"/Users/{user['id']}")
        assert "null" not in answer.text
        assert path not in answer.json
        seen.append({name: answer.json.get(name) for name in full} | {"schemas": answer.json["schemas"]})
    put = client.put(f"/Users/{user['id']}", {"schemas": [USER_URN], "userName": "u@x.test", **full, path: empty})
    seen.append({name: put.json.get(name) for name in full} | {"schemas": put.json["schemas"]})
    assert all(each == seen[0] for each in seen)


# Common attributes


def test_every_resource_names_its_schemas(client: Client) -> None:
    """[7643-3-01] [7643-3-02] [7643-3.3-01] [7643-3.3-03]"""
    for resource in resources_of(client):
        assert resource["schemas"]
        assert all(URN.fullmatch(urn) for urn in resource["schemas"])
        extensions = {key for key in resource if key.startswith("urn:")}
        assert extensions == set(resource["schemas"][1:])
    user, group = resources_of(new_client(client))[:2]
    assert user["schemas"] == [USER_URN, ENTERPRISE_URN, WORKSPACE_URN]
    assert user[ENTERPRISE_URN] == {"department": "A"}
    assert group["schemas"] == [GROUP_URN]


def new_client(client: Client) -> Client:
    """A client of another workspace."""
    return new_world(client.app).client()


@pytest.mark.parametrize("schemas", [[ENTERPRISE_URN], [USER_URN, GROUP_URN], [USER_URN, "urn:example:Other"], []])
def test_schemas_that_do_not_belong_are_refused_where_nothing_is_forgiven(world: World, schemas: list[str]) -> None:
    """[7643-2.1-02] [7643-3-02] [7643-3.3-01]"""
    answer = world.client(preset="strict").post("/Users", {"schemas": schemas, "userName": "a@x.test"})
    assert (answer.status, answer.scim_type) == (400, "invalidSyntax")


def test_common_attributes_are_on_every_resource_and_can_be_searched(client: Client) -> None:
    """[7643-3-05] [7643-3.1-01] [7643-3.1-02] [7643-3.1-14]"""
    for path, body in (("/Users", {"userName": "a@x.test"}), ("/Groups", {"displayName": "G"})):
        made = client.post(path, {**body, "externalId": "Own-1"}).json
        assert set(made["meta"]) == {"resourceType", "created", "lastModified", "location", "version"}
        for text in (f'id eq "{made["id"]}"', 'externalId eq "Own-1"', f'meta.location ew "{made["id"]}"'):
            assert [each["id"] for each in client.get(f"{path}?filter={text}").json["Resources"]] == [made["id"]], text
        created = made["meta"]["created"]
        assert client.get(f'{path}?filter=meta.created ge "{created}" and id pr').json["totalResults"] == 1


def test_ids_are_the_servers_own(client: Client) -> None:
    """[7643-3.1-05] [7643-3.1-06] [7643-3.1-07] [7643-3.1-08] [7643-3.1-09]"""
    given = {"id": "bulkId:mine", "meta": {"location": "http://x.test/Users/mine"}}
    user = client.user("ann@x.test", **given)
    group = client.post("/Groups", {"displayName": "G", **given}).json
    assert len({user["id"], group["id"], "bulkId:mine"}) == 3
    for resource, other in ((user, "Groups"), (group, "Users")):
        assert re.fullmatch(r"[0-9a-f-]{36}", resource["id"]), "and so without the word bulkId"
        assert client.get(f"/{other}/{resource['id']}").status == 404
    path = f"/Users/{user['id']}"
    assert client.get(path.replace(user["id"], user["id"].upper())).status == 404
    renamed = client.patch(path, {"op": "replace", "path": "userName", "value": "eve@x.test"}).json
    assert renamed["id"] == user["id"]


@pytest.mark.parametrize("query", ["attributes=title", "excludedAttributes=id,schemas,userName", "attributes=nothing"])
def test_the_id_is_there_whatever_is_asked_for(client: Client, query: str) -> None:
    """[7643-3.1-04] [7643-7-11]"""
    user = client.user("ann@x.test")
    answers = [client.get(f"/Users/{user['id']}?{query}").json, client.get(f"/Users?{query}").json["Resources"][-1]]
    assert [each["id"] for each in answers] == [user["id"]] * 2


def test_the_server_makes_no_external_id_nor_nick_name(world: World, client: Client) -> None:
    """[7643-3.1-10] [7643-4.1.1-06]"""
    for user in (client.get(f"/Users/{world.owner_id}").json, client.user("ann@x.test", displayName="Ann")):
        assert not {"externalId", "nickName"} & set(user)


def test_an_external_id_is_kept_in_its_case(client: Client) -> None:
    """[7643-7-07]"""
    assert client.user("ann@x.test", externalId="AbC")["externalId"] == "AbC"


def test_meta_tells_times_place_and_version(client: Client) -> None:
    """[7643-3.1-13] [7643-3.1-15] [7643-3.1-16] [7643-3.1-17] [7643-3.1-18] [7643-2.3.5-02]"""
    user = client.user("ann@x.test", meta={"created": "1999-01-01T00:00:00Z", "version": "x", "resourceType": "Group"})
    meta = user["meta"]
    assert meta["resourceType"] == "User"
    assert INSTANT.fullmatch(meta["created"])
    assert INSTANT.fullmatch(meta["lastModified"])
    assert meta["lastModified"] == meta["created"]
    age = datetime.now(UTC) - datetime.fromisoformat(meta["created"])
    assert 0 <= age.total_seconds() < 600
    answer = client.get(f"/Users/{user['id']}")
    assert answer.headers["Location"] == meta["location"]
    assert answer.headers.get("Content-Location", meta["location"]) == meta["location"]
    assert answer.headers["ETag"] == meta["version"]
    assert re.fullmatch(r'W/"[^"]+"', meta["version"])


# The server's own


def test_the_servers_own_schemas_are_in_no_namespace_of_the_rfcs(client: Client) -> None:
    """[7643-10.3.1-01]: core schemas and API messages need an RFC; others of urn:ietf:params:scim need not."""
    published = {document["id"] for document in client.get("/Schemas").json["Resources"]}
    own = {urn for urn in published | {SEATS_ERROR_URN} if "workspace" in urn}
    assert own == {WORKSPACE_URN, SEATS_ERROR_URN}
    assert not any(urn.startswith(reserved) for urn in own for reserved in RESERVED)
    standard = {urn for urn in published - own if not urn.startswith("urn:ietf:params:scim:schemas:core:2.0:")}
    assert standard == {ENTERPRISE_URN}


@pytest.mark.parametrize("password", ["", "7 chars", "cafe\N{COMBINING ACUTE ACCENT}345", "with\ttabulator"])
def test_a_password_that_the_policy_does_not_have_is_refused(world: World, password: str) -> None:
    """[7643-4.1.1-09]: judged as it is kept, after preparation."""
    client = world.client(preset="strict")
    user = client.user("ann@x.test", password="long enough")
    path, body = f"/Users/{user['id']}", {"schemas": [USER_URN], "userName": "ann@x.test", "password": password}
    for answer in (
        client.post("/Users", {**body, "userName": "bob@x.test"}),
        client.put(path, body),
        client.patch(path, {"op": "replace", "path": "password", "value": password}),
    ):
        assert (answer.status, answer.scim_type) == (400, "invalidValue")
        assert answer.json["detail"].startswith("password must")
    assert client.get(path).json == user
    assert client.put(path, {**body, "password": "8 chars!"}).status == 200
