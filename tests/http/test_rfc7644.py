"""What RFC 7644 asks of queries and answers, as a client sees it; numbers in brackets are ids of requirements.csv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.support import (
    ERROR_URN,
    MEDIA_TYPE,
    PATCH_URN,
    USER_URN,
    Answer,
    Client,
    World,
)

MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
SEARCH_URN = f"{MESSAGES}:SearchRequest"
LIST_URN = f"{MESSAGES}:ListResponse"
BULK_URN = f"{MESSAGES}:BulkRequest"


def replaced(path: str, value: Any) -> dict[str, Any]:
    """An operation of a PATCH."""
    return {"op": "replace", "path": path, "value": value}


def relative(location: str) -> str:
    """The path below the base of an absolute URL."""
    return urlsplit(location).path.removeprefix("/scim/v2")


def names(answer: Answer) -> list[str]:
    """The userNames of a list, in its order."""
    assert answer.status == 200, answer.text
    return [user["userName"] for user in answer.json["Resources"]]


# Addresses and messages


def test_what_is_percent_encoded_is_found(client: Client) -> None:
    """[7644-1.2-01] [7644-1.3-01] [7644-7.1-01]"""
    user = client.user("a+b&c%d@x.test")
    found = client.get("/Users?count=5&filter=userName%20eq%20%22" + quote("a+b&c%d@x.test", safe="") + "%22").json
    assert [each["id"] for each in found["Resources"]] == [user["id"]]
    for location in (user["meta"]["location"], found["Resources"][0]["meta"]["location"]):
        parts = urlsplit(location)
        assert (parts.query, parts.fragment, parts.username) == ("", "", None)
        assert client.get(relative(location)).json == user


def test_messages_are_named_in_the_namespace_of_messages_and_published_nowhere(client: Client) -> None:
    """[7644-3.1-01] [7644-3.1-02] [7644-3.12-02] [7644-3.4.2-02] [7644-3.7-01]"""
    user = client.user("ann@x.test")
    delete = {"method": "DELETE", "path": f"/Users/{user['id']}"}
    answers = {
        LIST_URN: client.get("/Users"),
        f"{MESSAGES}:BulkResponse": client.post("/Bulk", {"schemas": [BULK_URN], "Operations": [delete]}),
        ERROR_URN: client.get("/Users/nobody"),
    }
    for urn, answer in answers.items():
        assert answer.json["schemas"] == [urn]
        assert client.get(f"/Schemas/{urn}").status == 404
    for body in (client.post("/Users/.search", {"schemas": [SEARCH_URN]}), client.get("/Groups"), client.get("/")):
        assert body.json["schemas"] == [LIST_URN]
    for document in client.get("/Schemas").json["Resources"]:
        assert not document["id"].startswith("urn:ietf:params:scim:api:")


@pytest.mark.parametrize(("path", "name"), [("/Users", "userName"), ("/Groups", "displayName")])
def test_created_is_told_as_it_is_kept(client: Client, path: str, name: str) -> None:
    """[7644-3.1-03] [7644-3.3-01] [7644-3.3-04] [7644-3.3-05] [7644-3.3-06] [7644-3.3.1-01] [7644-3.4.1-01]"""
    other = "Group" if path == "/Users" else "User"
    own = {"id": "mine", "groups": [{"value": "x"}], "shoeSize": 44, "meta": {"resourceType": other}}
    made = client.post(path, {name: "X", **own})
    assert made.status == 201
    location = made.json["meta"]["location"]
    assert made.headers["Location"] == location
    read = client.get(relative(location))
    assert read.status == 200
    assert read.json == made.json
    assert made.json["meta"]["resourceType"] == path[1:-1]
    assert made.json["id"] != "mine"
    assert not {"groups", "shoeSize"} & set(made.json)


def test_endpoints_are_plurals(client: Client) -> None:
    """[7644-3.2-01] [7644-4-04] [7644-3.4.1-01]"""
    for kind in client.get("/ResourceTypes").json["Resources"]:
        assert kind["endpoint"] == f"/{kind['name']}s"
        assert client.get(kind["endpoint"]).status == 200
        assert client.get(f"/ResourceTypes/{kind['name']}").json == kind


@pytest.mark.parametrize(("path", "name"), [("/Users", "userName"), ("/Groups", "displayName")])
def test_put_does_not_create(client: Client, path: str, name: str) -> None:
    """[7644-3.2-02] [7644-3.5.1-01]"""
    before = client.get(path).json
    assert client.put(f"{path}/01a00000-0000-7000-8000-000000000000", {name: "new"}).status == 404
    assert client.get(path).json == before


def test_the_status_is_in_the_body_too_as_a_string(client: Client) -> None:
    """[7644-3.2-03] [7644-3.12-01] [7644-3.12-03] [7644-3.12-07] [7644-3.12-10] [7644-3.12-12]"""
    path = f"/Users/{client.user('ann@x.test')['id']}"
    scimless = {"Content-Type": "text/xml"}
    answers = (
        client.post("/Users", {}),
        client.post("/Users", []),
        client.get("/Users/nobody"),
        client.get("/Foo"),
        client.put("/Users", {}),
        client.post("/Users", {"userName": "ann@x.test"}),
        client.request("PUT", path, {"userName": "b"}, {"If-Match": 'W/"9"'}),
        client.request("POST", "/Users", {"userName": "b"}, scimless),
        client.get("/Users?filter=x"),
    )
    assert [answer.status for answer in answers] == [400, 400, 404, 404, 405, 409, 412, 415, 400]
    for answer in answers:
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        assert answer.json["status"] == str(answer.status)
        assert answer.json["detail"]


def test_what_is_written_is_no_part_of_an_error(client: Client) -> None:
    """[7644-3.12-04]"""
    answer = client.post("/Users", {"userName": "ann@x.test", "active": "private words"})
    assert answer.scim_type == "invalidValue"
    assert "private" not in answer.text


# Queries


def test_a_partial_list_says_where_it_stands(client: Client) -> None:
    """[7644-3.4.2-03] [7644-3.4.2-04] [7644-3.4.2-05] [7644-3.4.2-06] [7644-3.4.2.4-03] [7644-3.4.2.4-04]"""
    for number in range(3):
        client.user(f"user{number}")
    for query, start, size in (("count=1", 1, 1), ("count=2&startIndex=2", 2, 2), ("count=2&startIndex=4", 4, 1)):
        page = client.get(f"/Users?{query}").json
        told = (page["totalResults"], page["startIndex"], page["itemsPerPage"], len(page["Resources"]))
        assert told == (4, start, size, size)
        assert all(type(each) is int for each in told)
    none = client.get("/Users?count=0").json
    assert (none["totalResults"], none["Resources"]) == (4, [])


@pytest.mark.parametrize("count", [1, 2, 3, 100])
@pytest.mark.parametrize("order", ["", "&sortBy=displayName"])
def test_pages_of_any_size_add_up_to_one_order(client: Client, count: int, order: str) -> None:
    """[7644-3.4.2.4-06] [7644-3.4.2.4-05]"""
    for number in range(4):
        client.user(f"user{number}", displayName="same")
    whole = names(client.get(f"/Users?x=1{order}"))
    pages = [names(client.get(f"/Users?count={count}&startIndex={start}{order}")) for start in range(1, 7, count)]
    assert [each for page in pages for each in page] == whole
    beyond = client.get(f"/Users?startIndex=9999&count={count}{order}").json
    assert (beyond["totalResults"], beyond["Resources"]) == (5, [])


@pytest.fixture
def ordered(client: Client) -> Client:
    """A client of a workspace whose users s1 to s4 differ in what can be sorted by."""
    people: dict[str, dict[str, Any]] = {
        "s1": {"title": "c", "externalId": "a", "name": {"familyName": "Zorn"}},
        "s2": {"title": "B", "externalId": "B", "name": {"familyName": "adler"}},
        "s3": {"title": "a", "externalId": "C", "name": {"familyName": "Meer"}},
        "s4": {},
    }
    emails = {
        "s1": [{"value": "a@x.test"}, {"value": "z@x.test", "primary": True}],
        "s2": [{"value": "m@x.test"}, {"value": "a@x.test"}],
        "s3": [{"value": "b@x.test", "primary": True}],
    }
    for name, attributes in people.items():
        client.user(name, **attributes, **({"emails": emails[name]} if name in emails else {}))
    return client


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("sortBy=userName", "s1 s2 s3 s4"),
        ("sortBy=userName&sortOrder=ascending", "s1 s2 s3 s4"),
        ("sortBy=userName&sortOrder=descending", "s4 s3 s2 s1"),
        ("sortBy=title", "s3 s2 s1 s4"),
        ("sortBy=title&sortOrder=descending", "s4 s1 s2 s3"),
        ("sortBy=externalId", "s2 s3 s1 s4"),
        ("sortBy=name.familyName", "s2 s3 s1 s4"),
        ("sortBy=NAME.familyname&sortOrder=descending", "s4 s1 s3 s2"),
        ("sortBy=emails.value", "s3 s2 s1 s4"),
        ("sortBy=emails", "s3 s2 s1 s4"),
        ("sortBy=emails.value&sortOrder=descending", "s4 s1 s2 s3"),
        ("sortBy=meta.created&sortOrder=descending", "s4 s3 s2 s1"),
    ],
)
def test_sorted(ordered: Client, query: str, order: str) -> None:
    """[7644-3.4.2.3-01 to 06] [7644-3.4.3-04] [7643-7-06]"""
    asked = dict(part.split("=") for part in query.split("&"))
    assert names(ordered.get(f'/Users?filter=userName sw "s"&{query}')) == order.split()
    body = {"schemas": [SEARCH_URN], "filter": 'userName sw "s"', **asked}
    assert names(ordered.post("/Users/.search", body)) == order.split()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"count": 2},
        {"count": 2, "startIndex": 2},
        {"count": 0},
        {"count": -3, "startIndex": -1},
        {"startIndex": 99},
        {"filter": 'title eq "b" or emails.value sw "a"'},
        {"filter": "title pr", "sortBy": "title", "sortOrder": "descending", "count": 1},
        {"attributes": ["title", "name.familyName"]},
        {"excludedAttributes": ["id", "meta", "emails.value"]},
        {"filter": "nothing"},
        {"filter": 'userName eq "x'},
        {"sortBy": "name"},
    ],
)
def test_a_search_by_post_is_the_list_by_get(ordered: Client, body: dict[str, Any]) -> None:
    """[7644-3.4.3-01] [7644-3.4.3-03] [7644-3.4.3-04] [7644-3.4.3-05] [7644-3.4.3-06] [7644-3.12-16]"""
    query = "&".join(
        f"{name}={quote(','.join(value) if isinstance(value, list) else str(value))}" for name, value in body.items()
    )
    before = ordered.get("/Users").json
    posted, got = ordered.post("/Users/.search", {"schemas": [SEARCH_URN], **body}), ordered.get(f"/Users?{query}")
    assert (posted.status, posted.json) == (got.status, got.json)
    assert posted.status == (
        400 if body.get("filter") in ("nothing", 'userName eq "x') or "name" in body.values() else 200
    )
    assert all(user["id"] for user in posted.json.get("Resources", ()))
    assert ordered.get("/Users").json == before


def test_a_search_must_say_that_it_is_one_where_nothing_is_forgiven(world: World) -> None:
    """[7644-3.4.3-02]"""
    strict = world.client(preset="strict")
    bodies: tuple[dict[str, Any], ...] = ({}, {"schemas": []}, {"schemas": [PATCH_URN]})
    for body in bodies:
        assert strict.post("/Users/.search", body).scim_type == "invalidSyntax"
    assert strict.post("/Users/.search", {"schemas": [SEARCH_URN]}).status == 200


def test_filters_see_what_writers_were_told(client: Client) -> None:
    """[7644-3.4.2.2-21] [7644-3.3-02] [7644-3.5.2.2-02] [7644-3.4.2.2-09]"""
    user = client.user("ann@x.test", title="T", emails=[])
    assert user["active"] is True
    for text, found in (("active eq true", 1), ("active pr", 1), ("title pr", 1), ("emails pr", 0), ("nickName pr", 0)):
        total = client.get(f'/Users?filter=userName eq "ann@x.test" and {text}').json["totalResults"]
        assert total == found, text
    client.patch(f"/Users/{user['id']}", {"op": "remove", "path": "title"})
    assert client.get('/Users?filter=userName eq "ann@x.test" and title pr').json["totalResults"] == 0


@pytest.mark.parametrize(
    ("kept", "written"),
    [
        ("zoë@x.test", "ZOE\N{COMBINING DIAERESIS}@x.test"),
        ("ann@x.test", "\N{FULLWIDTH LATIN CAPITAL LETTER A}nn@x.test"),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}nn", "Ann"),
        ("ガ", "\N{HALFWIDTH KATAKANA LETTER KA}\N{HALFWIDTH KATAKANA VOICED SOUND MARK}"),
    ],
)
def test_a_user_name_is_the_same_however_it_is_typed(client: Client, kept: str, written: str) -> None:
    """[7644-5-01] [7644-7.8-01]"""
    user = client.user(kept)
    assert user["userName"] == kept
    refused = client.post("/Users", {"userName": written})
    assert (refused.status, refused.scim_type) == (409, "uniqueness")
    for operator in ("eq", "sw", "ge", "co"):
        assert names(client.get(f'/Users?filter=userName {operator} "{written}" and id eq "{user["id"]}"')) == [kept]


def test_a_password_is_the_same_however_it_is_typed(client: Client) -> None:
    """[7644-5-01]: the one that is there is no change."""
    user = client.user("ann@x.test", password="caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait")
    for typed, same in (("cafe\N{COMBINING ACUTE ACCENT}\N{NO-BREAK SPACE}au lait", True), ("cafe au lait", False)):
        patched = client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "password", "value": typed})
        assert (patched.json["meta"]["version"] == user["meta"]["version"]) is same


def test_a_refused_filter_names_what_it_does_not_know(client: Client) -> None:
    """[7644-3.4.2.2-22]"""
    answer = client.get('/Users?filter=userName regex "x"')
    assert (answer.status, answer.scim_type) == (400, "invalidFilter")
    assert "regex" in answer.json["detail"]


# Which attributes an answer holds


def answers_about_users(client: Client, query: str) -> Iterator[Any]:
    """The user in each kind of answer, all with the same query."""
    user = client.user("ann@x.test", title="T", displayName="Ann", name={"givenName": "A", "familyName": "B"})
    path = f"/Users/{user['id']}"
    body = {"schemas": [USER_URN], "userName": "ann@x.test", **{name: user[name] for name in ("title", "name")}}
    key, _, listed = query.partition("=")
    yield client.get(f"{path}?{query}").json
    yield client.get(f"/Users?{query}").json["Resources"][-1]
    yield client.put(f"{path}?{query}", body).json
    yield client.request("PATCH", f"{path}?{query}", {"schemas": [PATCH_URN], "Operations": []}).json
    yield client.post("/Users/.search", {"schemas": [SEARCH_URN], key: listed.split(",")}).json["Resources"][-1]
    yield client.post("/.search", {"schemas": [SEARCH_URN], key: listed.split(",")}).json["Resources"][-1]
    client.delete(path)
    yield client.post(f"/Users?{query}", body).json


@pytest.mark.parametrize(
    "query", ["attributes=TITLE,name.givenName,nothing", f"attributes={USER_URN}:title,{USER_URN}:name.GIVENNAME"]
)
def test_only_what_was_asked_for_is_sent(client: Client, query: str) -> None:
    """[7644-3.4.2.5-01] [7644-3.4.2.5-02] [7644-3.9-01] [7644-3.10-01] [7644-3.10-03] [7643-7-13]"""
    for user in answers_about_users(client, query):
        assert {**user, "id": "", "schemas": ""} == {"schemas": "", "id": "", "title": "T", "name": {"givenName": "A"}}
        assert user["id"]
        assert user["schemas"]


def test_what_was_excluded_is_left_out(client: Client) -> None:
    """[7644-3.4.2.5-01] [7644-3.4.2.5-03] [7644-3.9-02]"""
    for user in answers_about_users(client, "excludedAttributes=id,schemas,title,name.givenName"):
        assert "title" not in user
        assert (user["userName"], user["name"]) == ("ann@x.test", {"familyName": "B"})
        assert user["id"]
        assert user["schemas"]


def test_groups_without_members(client: Client) -> None:
    """[7644-3.9-02] [7644-3.4.2.5-01]"""
    group = client.group("Team", client.user("ann@x.test")["id"])
    expected = {name: value for name, value in group.items() if name != "members"}
    path, query = f"/Groups/{group['id']}", "excludedAttributes=members"
    assert client.get(f"{path}?{query}").json == expected
    assert client.get(f"/Groups?{query}").json["Resources"] == [expected]
    assert client.put(f"{path}?{query}", group).json == expected
    assert client.get(path).json == group
