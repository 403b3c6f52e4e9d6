"""Paths, methods and queries of any shape: an answer in SCIM's words, never a fault, a redirect or HTML."""

from __future__ import annotations

import http.client
from contextlib import closing
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.http.conftest import Site
from tests.http.test_bad_input import DEEP, refused
from tests.support import USER_URN, Answer, Client, World

IDS = (
    "unknown",
    "x" * 300,
    "x" * 5000,
    "00919288221112222",
    "-1",
    "0",
    "00000000-0000-0000-0000-000000000000",
    "a/b",
    "a%2Fb",
    "a%2f..%2fb",
    "%00",
    "a%00b",
    "%ff",
    "%c3%a9",
    "%F0%9F%99%82",
    "%ed%a0%80",
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "'%20OR%20'1'='1",
    "a;b=c",
    "%25",
    "%zz",
    "null",
)


@pytest.mark.parametrize("name", IDS, ids=[str(number) for number in range(len(IDS))])
@pytest.mark.parametrize("endpoint", ["/Users", "/Groups", "/Schemas", "/ResourceTypes", ""])
def test_an_id_of_any_shape_that_is_not_there(client: Client, endpoint: str, name: str) -> None:
    put = {"schemas": [], "userName": "a@x.test", "displayName": "a"}
    patch = {"Operations": [{"op": "replace", "path": "displayName", "value": "x"}]}
    for method, body in (("GET", None), ("PUT", put), ("PATCH", patch), ("DELETE", None)):
        if method == "GET" or endpoint in ("/Users", "/Groups"):
            answer = client.request(method, f"{endpoint}/{name}", body)
            refused(answer, 404)
            assert "\x00" not in answer.text


@pytest.mark.parametrize("name", [each for each in IDS if len(each) <= 300])
def test_an_id_of_any_shape_through_the_server(site: Site, name: str) -> None:
    """Without a client library that tidies paths up."""
    headers = {"Authorization": f"Bearer {site.world().client().token}"}
    with closing(http.client.HTTPConnection(urlsplit(site.served.url).netloc, timeout=60)) as connection:
        for method in ("GET", "DELETE"):
            connection.request(method, f"/scim/v2/Users/{name}", headers=headers)
            response = connection.getresponse()
            refused(Answer(response.status, httpx.Headers(response.getheaders()), response.read().decode()), 404)


METHODS = (
    ("/Users", "GET, POST", ("PUT", "PATCH", "DELETE", "OPTIONS")),
    ("/Users/x", "GET, PUT, PATCH, DELETE", ("POST", "OPTIONS")),
    ("/Groups", "GET, POST", ("PUT", "PATCH", "DELETE")),
    ("/Groups/x", "GET, PUT, PATCH, DELETE", ("POST", "OPTIONS")),
    ("/ServiceProviderConfig", "GET", ("POST", "PUT", "PATCH", "DELETE")),
    ("/ResourceTypes", "GET", ("POST", "PUT", "PATCH", "DELETE")),
    ("/ResourceTypes/User", "GET", ("POST", "PUT", "PATCH", "DELETE")),
    ("/Schemas", "GET", ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    (f"/Schemas/{USER_URN}", "GET", ("POST", "PUT", "PATCH", "DELETE")),
)


@pytest.mark.parametrize(("path", "allowed", "methods"), METHODS, ids=[row[0] for row in METHODS])
def test_a_method_that_the_endpoint_lacks(client: Client, path: str, allowed: str, methods: tuple[str, ...]) -> None:
    for method in methods:
        answer = client.request(method, path, {})
        refused(answer, 405)
        assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "FOO"])
def test_a_method_that_nobody_has(client: Client, method: str) -> None:
    answer = client.request(method, "/Users")
    refused(answer, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/Users", "/Users/{owner}", "/Groups", "/Schemas", "/ServiceProviderConfig"])
def test_head_is_get_without_a_body(world: World, client: Client, path: str) -> None:
    path = path.replace("{owner}", world.owner_id)
    head, get = client.request("HEAD", path), client.get(path)
    assert (head.status, head.text) == (get.status, "") == (200, "")
    assert head.headers["Content-Length"] == str(len(get.text.encode()))
    for name in ("Content-Type", "ETag", "Location"):
        assert head.headers.get(name) == get.headers.get(name)


@pytest.mark.parametrize("path", ["//Users", "///Users//", "/Users/", "//Users/{owner}", "/Users//{owner}/"])
def test_slashes_too_many_are_one(world: World, client: Client, path: str) -> None:
    answer = client.get(path.replace("{owner}", world.owner_id))
    assert answer.status == 200, "no redirect: clients lose method and token on one"
    created = client.request("POST", "//Groups/", {"displayName": "G"})
    assert created.status == 201


# Queries

REFUSED_QUERIES = {
    "count=abc": "invalidValue",
    "count=1e3": "invalidValue",
    "count=1.5": "invalidValue",
    "count=%D9%A1": "invalidValue",
    "startIndex=x": "invalidValue",
    "startIndex=--1": "invalidValue",
    "sortOrder=up": "invalidValue",
    "sortBy=nothing": "invalidValue",
    "sortBy=password": "invalidValue",
    "sortBy=userName]": "invalidValue",
    "sortBy=%00": "invalidValue",
    "attributes=id&excludedAttributes=name": "invalidValue",
    "filter=": "invalidFilter",
    "filter=%20": "invalidFilter",
    "filter=userName": "invalidFilter",
    "filter=userName+eq": "invalidFilter",
    "filter=userName+eq+%22a": "invalidFilter",
    "filter=userName+like+%22a%22": "invalidFilter",
    "filter=eq+eq+eq+eq": "invalidFilter",
    "filter=%22a%22+eq+userName": "invalidFilter",
    "filter=userName+eq+%22a%22+and": "invalidFilter",
    "filter=(userName+eq+%22a%22": "invalidFilter",
    "filter=password+eq+%22a%22": "invalidFilter",
    "filter=nothing+eq+%22a%22": "invalidFilter",
    "filter=%00": "invalidFilter",
    "filter=" + "(" * DEEP + "id+pr" + ")" * DEEP: "invalidFilter",
    "filter=" + "not+(" * DEEP + "id+pr" + ")" * DEEP: "invalidFilter",
    "filter=" + "+or+".join(["id+pr"] * 500): "invalidFilter",
    "filter=userName+eq+%22" + "x" * 10_000 + "%22": "invalidFilter",
}


@pytest.mark.parametrize("query", REFUSED_QUERIES, ids=[each[:40] for each in REFUSED_QUERIES])
def test_a_query_that_can_not_be_read(client: Client, query: str) -> None:
    refused(client.get(f"/Users?{query}"), 400, REFUSED_QUERIES[query])


def _found_nothing(client: Client, value: str) -> None:
    answer = client.get(f"/Users?filter=userName+eq+%22{value}%22")
    assert answer.status in (200, 400), answer.text
    if answer.status == 200:
        assert answer.json["totalResults"] == 0
    else:
        refused(answer, 400, "invalidFilter")


@pytest.mark.parametrize(
    "value",
    ["%ff", "%00", "%5Cu0000", "%5Cud800", "%5Cud83d%5Cude42", "%ed%a0%80", "%25ff", "%2500", "%25ed%25a0%2580"],
)
def test_a_filter_for_what_no_string_holds(client: Client, value: str) -> None:
    _found_nothing(client, value)
    for path in ("emails.value", "emails", "externalId", "title", "id", "groups.display", "meta.version"):
        assert client.get(f"/Users?filter={path}+co+%22{value}%22").status in (200, 400)
    for path in ("members.value", "displayName", "members", "externalId"):
        assert client.get(f"/Groups?filter={path}+eq+%22{value}%22").status in (200, 400)


@pytest.mark.parametrize(
    ("query", "total", "page"),
    [
        ("", 3, 3),
        ("&", 3, 3),
        ("&&&=&=x", 3, 3),
        ("aadOptscim062020", 3, 3),
        ("%00=%00&%ff=%ff", 3, 3),
        ("FILTER=userName+eq+%22b%22", 1, 1),
        ("filter=userName+eq+%22b%22&filter=userName+eq+%22c%22", 1, 1),
        ("count=0", 3, 0),
        ("count=-5", 3, 0),
        ("count=2", 3, 2),
        ("COUNT=2", 3, 2),
        ("count=99999999999999999999999", 3, 3),
        ("startIndex=0", 3, 3),
        ("startIndex=-7&count=1", 3, 1),
        ("startIndex=3", 3, 1),
        ("startIndex=4", 3, 0),
        ("startIndex=99999999999999999999999", 3, 0),
        ("attributes=,,,", 3, 3),
        ("attributes=nothing", 3, 3),
        ("excludedAttributes=" + "x," * 1000, 3, 3),
        ("sortBy=&sortOrder=", 3, 3),
        ("cursor", 3, 3),
        (quote("§=§"), 3, 3),
    ],
)
def test_an_odd_query_that_can_be_read(client: Client, query: str, total: int, page: int) -> None:
    client.user("b")
    client.user("c")
    answer = client.get(f"/Users?{query}")
    assert answer.status == 200, answer.text
    assert (answer.json["totalResults"], answer.json["itemsPerPage"]) == (total, page)
    assert len(answer.json["Resources"]) == page
