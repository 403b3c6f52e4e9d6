"""Requests as values: routes, bodies, list parameters and versions; and the answers made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import pytest

from scim_server.scim.errors import KINDS, ScimError, syntax_error
from scim_server.scim.filter import Limits, Present
from scim_server.scim.protocol import (
    ROUTES,
    ListRequest,
    PageLimits,
    Request,
    check_match,
    is_unchanged,
    match_route,
    read_json,
    read_list,
    read_names,
    read_search,
    respond_document,
    respond_error,
    respond_list,
    respond_resource,
)
from scim_server.scim.schema import GROUP, USER
from scim_server.scim.tolerance import EVERYTHING, NOTHING
from tests.support import ENTERPRISE_URN, ERROR_URN, WORKSPACE_URN

BASE: Final = "https://example.com/scim/v2"
VERSION: Final = 'W/"3"'


def request(method: str = "GET", path: str = "Users", body: bytes = b"") -> Request:
    return Request(method, BASE, tuple(part for part in path.split("/") if part), {}, {}, body)


def asking(**query: str) -> Request:
    return replace(request(), query=query)


def headed(**headers: str) -> Request:
    return replace(request(), headers={name.replace("_", "-"): value for name, value in headers.items()})


def listed(**query: str) -> ListRequest:
    return read_list(asking(**query), USER, EVERYTHING, PageLimits(), Limits())


@pytest.mark.parametrize(
    ("method", "path", "operation", "name"),
    [
        ("GET", "Users", "user.list", ""),
        ("POST", "Users", "user.create", ""),
        ("GET", "Users/1", "user.read", "1"),
        ("HEAD", "Users/1", "user.read", "1"),
        ("PUT", "Users/1", "user.replace", "1"),
        ("PATCH", "Users/1", "user.patch", "1"),
        ("DELETE", "Users/1", "user.delete", "1"),
        ("GET", "/Users/", "user.list", ""),
        ("GET", "//Users//1/", "user.read", "1"),
        ("GET", "Groups", "group.list", ""),
        ("POST", "Groups", "group.create", ""),
        ("GET", "Groups/a b", "group.read", "a b"),
        ("PUT", "Groups/1", "group.replace", "1"),
        ("PATCH", "Groups/1", "group.patch", "1"),
        ("DELETE", "Groups/1", "group.delete", "1"),
        ("GET", "ServiceProviderConfig", "service_provider_config", ""),
        ("GET", "ResourceTypes", "resource_types", ""),
        ("GET", "ResourceTypes/User", "resource_type", "User"),
        ("GET", "Schemas", "schemas", ""),
        ("GET", f"Schemas/{ENTERPRISE_URN}", "schema", ENTERPRISE_URN),
    ],
)
def test_routes(method: str, path: str, operation: str, name: str) -> None:
    assert match_route(request(method, path)) == (operation, name)


@pytest.mark.parametrize("path", ["users", "Users/1/2", "Devices", "Groups/1/members", "ServiceProviderConfig/1", "v2"])
def test_no_such_endpoint(path: str) -> None:
    with pytest.raises(ScimError) as caught:
        match_route(request("GET", path))
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "Users", {"GET", "POST"}),
        ("PUT", "Users", {"GET", "POST"}),
        ("PATCH", "Groups", {"GET", "POST"}),
        ("POST", "Users/1", {"GET", "PUT", "PATCH", "DELETE"}),
        ("OPTIONS", "Groups/1", {"GET", "PUT", "PATCH", "DELETE"}),
        ("POST", "ServiceProviderConfig", {"GET"}),
        ("DELETE", "Schemas/x", {"GET"}),
        ("PUT", "ResourceTypes", {"GET"}),
    ],
)
def test_method_not_allowed(method: str, path: str, allow: set[str]) -> None:
    with pytest.raises(ScimError) as caught:
        match_route(request(method, path))
    assert caught.value.status == 405
    assert set(caught.value.headers["Allow"].split(", ")) == allow


def test_a_nul_is_in_no_path() -> None:
    with pytest.raises(ScimError) as caught:
        match_route(request("GET", "Users/a\0b"))
    assert caught.value.status == 404


def test_every_route_is_found_by_its_own_path() -> None:
    for route in ROUTES:
        for method, operation in route.operations.items():
            assert match_route(replace(request(method), path=route.path))[0] == operation


@pytest.mark.parametrize(
    "kind",
    [
        "", "application/json", "application/scim+json", "application/scim+json; charset=utf-8", "APPLICATION/JSON",
        "application/json;charset=UTF-8", " application/json ", "text/json", "*/*",
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b'{"a": 1}', b'\xef\xbb\xbf{"a": 1}', b' \r\n{"a":1}\n'])
def test_json_is_read(kind: str, body: bytes) -> None:
    assert read_json(replace(headed(content_type=kind), body=body)) == {"a": 1}
    assert read_json(request(body=body)) == {"a": 1}


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "json", ";"])
def test_what_says_it_is_not_json_is_refused(kind: str) -> None:
    refused = kind != ";"
    given = replace(headed(content_type=kind), body=b"{}")
    if refused:
        with pytest.raises(ScimError) as caught:
            read_json(given)
        assert caught.value.status == 415
    else:
        assert read_json(given) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b'{"a": 1', b"{'a': 1}", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b'{"a": 1,}',
        b'"\xff"', b'"\\ud800"', b'"\x01"', b"<html>", b"a=1", b"[" * 5000, b"{} {}", "\ufeff{}".encode("utf-16"),
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ScimError) as caught:
        read_json(request(body=body))
    assert caught.value.scim_type == "invalidSyntax"
    assert "line 1" in caught.value.detail


@pytest.mark.parametrize(
    ("query", "start", "count"),
    [
        ({}, 1, 100),
        ({"startindex": "", "count": ""}, 1, 100),
        ({"startindex": "7", "count": "5"}, 7, 5),
        ({"startindex": " 7 ", "count": " 5 "}, 7, 5),
        ({"startindex": "+7", "count": "+5"}, 7, 5),
        ({"startindex": "007", "count": "005"}, 7, 5),
        ({"startindex": "0", "count": "0"}, 1, 0),
        ({"startindex": "-1", "count": "-1"}, 1, 0),
        ({"startindex": "1", "count": "999999"}, 1, 1000),
        ({"startindex": "9" * 30, "count": "9" * 30}, 2**53, 1000),
        ({"startindex": "-" + "9" * 30, "count": "-" + "9" * 30}, 1, 0),
    ],
)
def test_paging(query: dict[str, str], start: int, count: int) -> None:
    asked = listed(**query)
    assert (asked.start, asked.count) == (start, count)


def test_page_limits() -> None:
    pages = PageLimits(default=10, most=20)
    asked = [read_list(asking(count=text), USER, EVERYTHING, pages, Limits()) for text in ("", "15", "21")]
    assert [each.count for each in asked] == [10, 15, 20]


@pytest.mark.parametrize("name", ["startindex", "count"])
@pytest.mark.parametrize(
    "text", ["x", "1.5", "1e3", "-+5", "+-5", "--5", "-", "+", "0x10", "\u0661", "1 2", "1\x00", "null"]
)
def test_what_is_no_whole_number_is_refused(name: str, text: str) -> None:
    with pytest.raises(ScimError, match=name) as caught:
        listed(**{name: text})
    assert caught.value.scim_type == "invalidValue"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        (" name.familyName ", "name.familyName"),
        ("emails", "emails.value"),
        ("emails.type", "emails.type"),
        ("meta.lastModified", "meta.lastModified"),
        ("id", "id"),
        ("manager", f"{ENTERPRISE_URN}:manager.value"),
        (f"{ENTERPRISE_URN}:department", f"{ENTERPRISE_URN}:department"),
        (f"{WORKSPACE_URN}:archived", f"{WORKSPACE_URN}:archived"),
    ],
)
def test_sort_by(name: str, target: str) -> None:
    assert str(listed(sortby=name).sort_by) == target


@pytest.mark.parametrize(
    "name", ["shoeSize", "password", "name", "meta", "addresses", ENTERPRISE_URN, "emails[0]", "x" * 999]
)
def test_sort_by_nothing_comparable(name: str) -> None:
    with pytest.raises(ScimError) as caught:
        listed(sortby=name)
    assert caught.value.scim_type == "invalidValue"
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    ("text", "descending"), [("", False), ("ascending", False), ("descending", True), (" DESCENDING ", True)]
)
def test_sort_order(text: str, descending: bool) -> None:
    assert listed(sortby="id", sortorder=text).descending is descending
    assert listed().sort_by is None


def test_sort_order_refused() -> None:
    with pytest.raises(ScimError, match="sortOrder") as caught:
        listed(sortorder="down")
    assert caught.value.scim_type == "invalidValue"


def test_filter_of_a_list() -> None:
    assert isinstance(listed(filter="title pr").filter, Present)
    with pytest.raises(ScimError):
        listed(filter=" ")  # would otherwise list everyone
    assert listed(filter="department pr").filter == listed(filter=f"{ENTERPRISE_URN}:department pr").filter
    with pytest.raises(ScimError) as caught:
        read_list(asking(filter="department pr"), USER, NOTHING, PageLimits(), Limits())
    assert caught.value.scim_type == "invalidFilter"
    with pytest.raises(ScimError, match="longer than 9"):
        read_list(asking(filter="userName pr"), USER, EVERYTHING, PageLimits(), Limits(length=9))


def test_paging_by_cursor() -> None:
    assert listed().cursor is None
    assert [listed(cursor=text, startindex="").cursor for text in ("", "abc")] == ["", "abc"]
    with pytest.raises(ScimError, match="not by both") as caught:
        listed(cursor="abc", startindex="1")
    assert caught.value.scim_type == "invalidValue"


SEARCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


def searched(body: object, tolerance: frozenset[str] = NOTHING) -> Request:
    return read_search(request("POST", "Users/.search", json.dumps(body).encode()), tolerance)


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({}, {}),
        ({"filter": "title pr", "sortBy": "id"}, {"filter": "title pr", "sortby": "id"}),
        ({"startIndex": 2, "count": 0}, {"startindex": "2", "count": "0"}),
        ({"attributes": ["userName", "emails"]}, {"attributes": "userName,emails"}),
        ({"excludedAttributes": [], "Attributes": None}, {"excludedattributes": ""}),
        ({"unknown": "x"}, {"unknown": "x"}),
    ],
)
def test_a_search_is_a_list_request(body: dict[str, object], query: dict[str, str]) -> None:
    asked = searched({"schemas": [SEARCH_URN], **body})
    assert (asked.method, asked.query) == ("GET", query)


@pytest.mark.parametrize(
    "body",
    [[], "x", None, {}, {"schemas": "x"}, {"schemas": ["x"]}, {"count": True}, {"count": 1.5}, {"attributes": [1]},
     {"filter": {"x": 1}}],
)  # fmt: skip
def test_a_search_refused(body: object) -> None:
    if isinstance(body, dict) and body and "schemas" not in body:
        body = {"schemas": [SEARCH_URN], **body}
    with pytest.raises(ScimError) as caught:
        searched(body)
    assert caught.value.scim_type == "invalidSyntax"


def test_a_search_without_schemas_is_forgiven() -> None:
    assert searched({"count": 1}, EVERYTHING).query == {"count": "1"}


def test_names_of_attributes() -> None:
    asked = read_names(asking(attributes=" userName ,, emails.value,"), USER, EVERYTHING)
    assert asked.wanted == {None: {"userName": None, "emails": {"value"}}}
    assert read_names(asking(excludedattributes="members"), GROUP, EVERYTHING).omits("members")
    assert read_names(asking(attributes=" , "), USER, EVERYTHING).everything
    assert listed(attributes="id").projection.wanted == {None: {"id": None}}


@pytest.mark.parametrize(
    ("header", "names_it"),
    [
        ('W/"3"', True),
        ('"3"', True),
        ("*", True),
        ('W/"2", W/"3"', True),
        ('"2","3"', True),
        (' W/"3" ', True),
        ('W/"2"', False),
        ("3", False),
        ('W/"33"', False),
        ('w/"3"', False),
        (",", False),
    ],
)
def test_preconditions(header: str, names_it: bool) -> None:
    assert is_unchanged(headed(if_none_match=header), VERSION) is names_it
    if names_it:
        check_match(headed(if_match=header), VERSION)
    else:
        with pytest.raises(ScimError) as caught:
            check_match(headed(if_match=header), VERSION)
        assert caught.value.status == 412


@pytest.mark.parametrize("header", ["*", VERSION, '"2", "3"'])
def test_a_write_that_wants_no_such_version(header: str) -> None:
    """[7644-3.14-04] RFC 9110 §13.1.2"""
    with pytest.raises(ScimError) as caught:
        check_match(headed(if_none_match=header), VERSION)
    assert (caught.value.status, caught.value.detail) == (412, "The resource has the version given in If-None-Match.")
    check_match(headed(if_none_match='W/"2"'), VERSION)


def test_no_precondition() -> None:
    for asked in (request(), headed(if_match="", if_none_match=" ")):
        check_match(asked, VERSION)
        assert not is_unchanged(asked, VERSION)


def test_an_answer_with_a_resource() -> None:
    kim = {"id": "1", "userName": "kïm", "meta": {"location": f"{BASE}/Users/1", "version": VERSION}}
    answer = respond_resource(kim, {"id": "1", "userName": "kïm"}, 201)
    assert (answer.status, json.loads(answer.body)) == (201, {"id": "1", "userName": "kïm"})
    assert answer.headers == {"Location": f"{BASE}/Users/1", "ETag": VERSION}
    assert respond_resource(kim, kim).status == 200


def test_an_answer_with_a_list() -> None:
    assert json.loads(respond_list([], 0, 1).body) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 0,
        "startIndex": 1,
        "itemsPerPage": 0,
        "Resources": [],
    }
    full = json.loads(respond_list([{"id": "1"}, {"id": "2"}], 9, 3).body)
    assert (full["totalResults"], full["startIndex"], full["itemsPerPage"]) == (9, 3, 2)
    assert full["Resources"] == [{"id": "1"}, {"id": "2"}]


def test_an_answer_with_a_list_by_cursor() -> None:
    body = json.loads(respond_list([{"id": "1"}], 9, nextCursor="abc", previousCursor=None).body)
    assert "startIndex" not in body
    assert "previousCursor" not in body
    assert (body["totalResults"], body["itemsPerPage"], body["nextCursor"]) == (9, 1, "abc")


def test_an_answer_with_a_document() -> None:
    answer = respond_document({"meta": {"location": "x"}})
    assert (answer.status, answer.headers) == (200, {"Location": "x"})


@pytest.mark.parametrize("kind", KINDS)
def test_errors(kind: str) -> None:
    answer = respond_error(ScimError(kind, headers={"Retry-After": "1"}))
    body = json.loads(answer.body)
    assert body.pop("schemas") == [ERROR_URN]
    assert body.pop("status") == str(answer.status) == str(KINDS[kind].status)
    assert body.pop("scimType", None) == KINDS[kind].scim_type
    assert body == {"detail": KINDS[kind].detail}
    assert body["detail"]
    assert answer.headers == {"Retry-After": "1"}


def test_an_error_with_more_to_say() -> None:
    error = ScimError("forbidden", "No seat.", extension={"urn:example:E": {"free": 0}})
    assert error.body() == {
        "schemas": [ERROR_URN, "urn:example:E"],
        "status": "403",
        "detail": "No seat.",
        "urn:example:E": {"free": 0},
    }
    assert str(error) == "No seat."
    assert not error.headers


@pytest.mark.parametrize(
    ("text", "position", "shown"),
    [
        ("abc", 1, "a▶bc"),
        ("", 0, "▶"),
        ("abc", 3, "abc▶"),
        ("x" * 100, 50, f"…{'x' * 30}▶{'x' * 30}…"),
        ("x" * 40, 35, f"…{'x' * 30}▶xxxxx"),
    ],
)
def test_a_fault_is_shown_where_it_is(text: str, position: int, shown: str) -> None:
    error = syntax_error("invalidFilter", "Unexpected text", text, position)
    assert error.detail == f"Unexpected text at position {position + 1}: {shown}"
    assert error.scim_type == "invalidFilter"
