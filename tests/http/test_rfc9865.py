"""What RFC 9865 asks of cursors beyond a walk there and back; numbers in brackets are ids of requirements.csv."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest

from scim_server.directory import access
from tests.support import Client, World, new_world

SEARCH_URN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


@pytest.fixture
def six(client: Client) -> Client:
    """A client of a workspace with six users, the owner included."""
    for number in range(5):
        client.user(f"user{number}@x.test")
    return client


def walk(client: Client, count: int) -> list[Any]:
    """All pages, one cursor after the other."""
    pages = [client.get(f"/Users?count={count}&cursor=").json]
    while "nextCursor" in pages[-1]:
        pages.append(client.get(f"/Users?count={count}&cursor={pages[-1]['nextCursor']}").json)
    return pages


@pytest.mark.parametrize(("count", "sizes"), [(2, [2, 2, 2]), (4, [4, 2]), (5, [5, 1]), (6, [6]), (7, [6])])
def test_every_page_but_the_last_leads_on(six: Client, count: int, sizes: list[int]) -> None:
    """[9865-2-04] [9865-2-05] [9865-2-06] [9865-2-07] [9865-2-09]"""
    pages = walk(six, count)
    assert [len(page["Resources"]) for page in pages] == [page["itemsPerPage"] for page in pages] == sizes
    assert [page["totalResults"] for page in pages] == [6] * len(sizes)
    assert ["previousCursor" in page for page in pages] == [False, *[True] * (len(sizes) - 1)]
    assert len({user["id"] for page in pages for user in page["Resources"]}) == 6


def test_a_cursor_without_a_value_asks_for_the_first_page(six: Client) -> None:
    """[9865-2-01]"""
    bare, empty = six.get("/Users?cursor&count=2").json, six.get("/Users?cursor=&count=2").json
    assert bare == empty
    assert (len(bare["Resources"]), "nextCursor" in bare) == (2, True)


def test_a_cursor_needs_no_encoding(six: Client) -> None:
    """[9865-2-02]"""
    for query in ("", "&sortBy=userName", '&filter=userName sw "user"'):
        cursor = six.get(f"/Users?count=2&cursor={query}").json["nextCursor"]
        assert re.fullmatch(r"[A-Za-z0-9._~-]+", cursor)


def test_a_negative_count_is_none(six: Client) -> None:
    """[9865-2-03]"""
    page = six.get("/Users?count=-1&cursor=").json
    assert (page["totalResults"], page["Resources"]) == (6, [])


def test_cursors_are_for_those_who_ask(six: Client) -> None:
    """[9865-2.3-01] [9865-2.4-01]"""
    for query in ("", "?count=2", "?count=2&startIndex=2"):
        page = six.get(f"/Users{query}").json
        assert not {"nextCursor", "previousCursor"} & set(page)
        assert page["startIndex"] >= 1
    assert "startIndex" not in six.get("/Users?count=2&cursor=").json


def test_cursors_by_post_are_the_same(six: Client) -> None:
    """[9865-3-01]"""
    cursor = ""
    for _ in range(2):
        body = {"schemas": [SEARCH_URN], "cursor": cursor, "count": 2, "sortBy": "userName"}
        posted = six.post("/Users/.search", body).json
        assert posted == six.get(f"/Users?cursor={cursor}&count=2&sortBy=userName").json
        cursor = posted["nextCursor"]


def test_the_configuration_says_how_pages_work(six: Client) -> None:
    """[9865-4-01] [9865-2.4-01]"""
    told = six.get("/ServiceProviderConfig").json["pagination"]
    assert (told["cursor"], told["index"], told["defaultPaginationMethod"]) == (True, True, "index")
    assert 0 < told["defaultPageSize"] <= told["maxPageSize"]
    assert told["cursorTimeout"] > 0
    assert "startIndex" in six.get("/Users").json


def test_each_page_asks_anew_who_is_calling(six: Client, world: World) -> None:
    """[9865-5.2-01] [9865-5.2-02]"""
    access.create_connection(world.directory, world.name, "brief")
    token, text = access.create_token(world.directory, world.name, "brief", secrets.token_bytes)
    brief = Client(world.app, text)
    cursor = brief.get("/Users?count=2&cursor=").json["nextCursor"]
    path = f"/Users?count=2&cursor={cursor}"
    assert brief.get(path).status == 200
    assert world.client(scopes="groups:view").get(path).status == 403
    access.revoke_token(world.directory, world.name, "brief", token.id)
    assert brief.get(path).status == 401


def test_a_forged_and_a_foreign_cursor_get_the_same_answer(six: Client, world: World) -> None:
    """[9865-2.1-01] [9865-5.2-01] [9865-5.2-04]"""
    foreign = new_world(world.app).client()
    foreign.user("other@x.test")
    cursors = (foreign.get("/Users?count=1&cursor=").json["nextCursor"], "AAAA", "x" * 80, "%00", "§")
    answers = [six.get(f"/Users?count=1&cursor={cursor}") for cursor in cursors]
    assert {(answer.status, answer.scim_type) for answer in answers} == {(400, "invalidCursor")}
    assert len({answer.text for answer in answers}) == 1
