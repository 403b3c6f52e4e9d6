"""What ServiceProviderConfig and ResourceTypes say is tried, on a server whose limits are its own."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from scim_server.app import close, create_app
from scim_server.directory import Directory
from scim_server.scim.errors import KINDS
from scim_server.settings import Settings
from tests.support import Client, World, new_world

LIMITS = {"page_default": 2, "page_most": 3, "bulk_operations": 2, "max_body_bytes": 4000, "cursor_seconds": 90}


@pytest.fixture(scope="module")
def small(app: Flask) -> Iterator[Flask]:
    """A server on the same database whose limits are small."""
    url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
    small = create_app(Settings.model_validate({"database_url": url, **LIMITS}))
    yield small
    close(small)


@pytest.fixture
def small_world(small: Flask) -> World:
    return new_world(small)


@pytest.fixture
def six(small_world: World) -> Client:
    """A client of a workspace with six people, its owner among them."""
    client = small_world.client()
    for name in "edcba":
        client.user(f"{name}@x.test", displayName=name)
    return client


@pytest.fixture
def config(six: Client) -> Any:
    return six.get("/ServiceProviderConfig").json


def test_patch(six: Client, config: Any) -> None:
    user = six.user("p@x.test")
    assert config["patch"] == {"supported": True}
    for path, name in ((f"/Users/{user['id']}", "title"), (f"/Groups/{six.group('G')['id']}", "externalId")):
        for op, value, expected in (("add", "A", "A"), ("replace", "B", "B"), ("remove", None, None)):
            assert six.patch(path, {"op": op, "path": name, "value": value}).status in (200, 204)
            assert six.get(path).json.get(name) == expected


def test_bulk_operations(six: Client, config: Any) -> None:
    most = config["bulk"]["maxOperations"]
    assert (config["bulk"]["supported"], most) == (True, LIMITS["bulk_operations"])
    for count, status in ((most, 200), (most + 1, 413)):
        operations = [
            {"method": "POST", "path": "/Users", "bulkId": f"{n}", "data": {"userName": f"{count}-{n}@x.test"}}
            for n in range(count)
        ]
        assert six.post("/Bulk", {"Operations": operations}).status == status
    assert six.get(f'/Users?filter=userName sw "{most + 1}-"').json["totalResults"] == 0


@pytest.mark.parametrize("path", ["/Bulk", "/Users", "/.search"])
def test_bulk_payload(six: Client, config: Any, path: str) -> None:
    most = config["bulk"]["maxPayloadSize"]
    assert most == LIMITS["max_body_bytes"]
    data = b'{"Operations": [], "userName": "big@x.test", "schemas": []}'
    for size, statuses in ((most, (200, 201)), (most + 1, (413,))):
        kind = {"Content-Type": "application/json"}
        assert six.request("POST", path, data=data + b" " * (size - len(data)), headers=kind).status in statuses


@pytest.mark.parametrize("path", ["/Users", "/Groups", ""])
@pytest.mark.parametrize("query", ["count=100", "count=100&startIndex=2", "count=4", "count=100&filter=id pr"])
def test_filter_results(six: Client, config: Any, path: str, query: str) -> None:
    for number in range(5):
        six.group(f"G{number}")
    most = config["filter"]["maxResults"]
    assert (config["filter"]["supported"], most) == (True, LIMITS["page_most"])
    for answer in (
        six.get(f"{path}?{query}").json,
        six.post(f"{path}/.search", dict(pair.split("=", 1) for pair in query.split("&"))).json,
    ):
        assert (answer["itemsPerPage"], len(answer["Resources"])) == (most, most)
        assert answer["totalResults"] > most


def test_pagination(six: Client, config: Any) -> None:
    told = config["pagination"]
    assert told == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": LIMITS["page_default"],
        "maxPageSize": LIMITS["page_most"],
        "cursorTimeout": LIMITS["cursor_seconds"],
    }
    plain = six.get("/Users").json
    assert (plain["startIndex"], plain["itemsPerPage"]) == (1, told["defaultPageSize"]), "by index, where nobody asks"
    assert "nextCursor" not in plain
    first = six.get("/Users?cursor=").json
    assert first["itemsPerPage"] == told["defaultPageSize"]
    most = six.get("/Users?cursor=&count=1000").json
    assert (most["itemsPerPage"], "nextCursor" in most) == (told["maxPageSize"], True)


def test_a_cursor_lasts_as_long_as_is_said(six: Client, config: Any) -> None:
    directory: Directory = six.app.extensions["directory"]
    cursor = six.get("/Users?cursor=").json["nextCursor"]
    now, lasts = directory.now, config["pagination"]["cursorTimeout"]
    for seconds, expected in ((lasts - 5, None), (lasts + 5, "expiredCursor")):
        object.__setattr__(directory, "now", lambda seconds=seconds: now() + timedelta(seconds=seconds))
        try:
            answer = six.get(f"/Users?cursor={cursor}")
        finally:
            object.__setattr__(directory, "now", now)
        assert answer.json.get("scimType") == expected


def test_sort(six: Client, config: Any) -> None:
    assert config["sort"] == {"supported": True}
    for order, names in (("ascending", ["a", "b", "c"]), ("descending", ["e", "d", "c"])):
        path = f'/Users?count=3&filter=displayName ne "Workspace Owner"&sortBy=displayName&sortOrder={order}'
        assert [each["displayName"] for each in six.get(path).json["Resources"]] == names


@pytest.mark.parametrize("kind", ["User", "Group"])
def test_etag(six: Client, config: Any, kind: str) -> None:
    assert config["etag"] == {"supported": True}
    made = six.user("v@x.test") if kind == "User" else six.group("V")
    path, version = f"/{kind}s/{made['id']}", made["meta"]["version"]
    assert six.get(path).headers["ETag"] == version
    assert six.get(path, **{"If-None-Match": version}).status == 304
    body = {"userName": "v@x.test", "displayName": "New"}
    assert six.request("PUT", path, body, {"If-Match": version}).status == 200
    changed = six.get(path).headers["ETag"]
    assert changed != version
    assert six.get(path, **{"If-None-Match": version}).status == 200
    operation = {"Operations": [{"op": "replace", "path": "displayName", "value": "Newer"}]}
    for method, sent in (("PUT", body), ("PATCH", operation), ("DELETE", None)):
        assert six.request(method, path, sent, {"If-Match": version}).status == KINDS["preconditionFailed"].status
        assert six.get(path).headers["ETag"] == changed
    assert six.request("DELETE", path, None, {"If-Match": changed}).status == 204


def test_change_password(six: Client, config: Any) -> None:
    assert config["changePassword"] == {"supported": True}
    user = six.user("w@x.test", password="first password")
    path, versions = f"/Users/{user['id']}", [user["meta"]["version"]]
    for word in ("second password", "second password", "third password"):
        answer = six.patch(path, {"op": "replace", "path": "password", "value": word})
        assert answer.status == 200
        assert "password" not in answer.text
        versions.append(answer.json["meta"]["version"])
    assert len(set(versions)) == 3, "another password is a change, and the same one is none"


def test_authentication_schemes(six: Client, config: Any) -> None:
    (scheme,) = config["authenticationSchemes"]
    assert (scheme["type"], scheme["primary"]) == ("oauthbearertoken", True)
    basic = base64.b64encode(f"x:{six.token}".encode()).decode()
    accepted = {f"Bearer {six.token}": 200, f"bearer {six.token}": 200, f"BEARER {six.token}": 200}
    refused = dict.fromkeys(("", f"Basic {basic}", f"Digest {six.token}", "Bearer", f"Bearer {six.token}x"), 401)
    for header, status in {**accepted, **refused}.items():
        answer = six.get("/Users", Authorization=header)
        assert answer.status == status, header
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    for name in ("access_token", "token"):
        assert Client(six.app, "").get(f"/Users?{name}={six.token}").status == 401, "no scheme puts tokens into URLs"


def test_resource_types_lead_to_endpoints_and_schemas(six: Client) -> None:
    published = {each["id"]: each for each in six.get("/Schemas").json["Resources"]}
    used = set()
    for told in six.get("/ResourceTypes").json["Resources"]:
        assert six.get(f"/ResourceTypes/{told['id']}").json == told
        listed = six.get(f"{told['endpoint']}?count=3").json
        assert all(each["meta"]["resourceType"] == told["id"] for each in listed["Resources"])
        extensions = [each["schema"] for each in told["schemaExtensions"]]
        used |= {told["schema"], *extensions}
        assert all(each["required"] is False for each in told["schemaExtensions"])
        (name,) = (row["name"] for row in published[told["schema"]]["attributes"] if row["required"])
        body = {"schemas": [told["schema"]], name: f"only-{secrets.token_hex(4)}@x.test"}
        made = six.post(told["endpoint"], body)
        assert made.status == 201, "no extension is required"
        assert set(made.json["schemas"]) <= {told["schema"], *extensions}
        assert six.request("POST", told["endpoint"], {**body, "schemas": [told["schema"], "urn:x:y"]}).status == 409
    assert used == set(published), "each schema belongs to a resource type, and each type's schemas are there"
    for urn, document in published.items():
        assert six.get(f"/Schemas/{urn}").json == document
