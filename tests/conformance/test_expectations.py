"""Every operator and every word, met and not met."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.exchange import Exchange
from conformance.expectations import ERROR_URN, LIST_URN, OPERATORS, NotMet, check
from conformance.places import MISSING


def answer(body: Any, status: int = 200, content_type: str = "application/scim+json", **headers: str) -> Exchange:
    return Exchange(
        method="GET",
        url="http://x/Users",
        request_headers={},
        request_body="",
        status=status,
        headers={"content-type": content_type, **headers},
        text="" if body is None else json.dumps(body),
        seconds=0,
    )


# operator → (seen, wanted) that meet it, and that don't
JUDGED: dict[str, tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]] = {
    "is": ([(1, 1), (None, None), ("a", "a")], [(1, 2), (True, 1), ("A", "a"), (MISSING, None)]),
    "isn't": ([(1, 2), (MISSING, 1)], [(1, 1)]),
    "same as": ([("A", "a"), (201, "201")], [("a", "b")]),
    "in": ([(1, [1, 2])], [(3, [1, 2]), (MISSING, [1])]),
    "exists": ([(False, None), ("", None), ({}, None)], [(None, None), ([], None), (MISSING, None)]),
    "absent": ([(None, None), ([], None), (MISSING, None)], [(False, None), ("", None)]),
    "absent or": ([(MISSING, 1), (None, 1), (1, 1)], [(2, 1), ("", "a")]),
    "not sent": ([(MISSING, None)], [(None, None), ([], None)]),
    "has": (
        [([1, 2], 1), ("abc", "b"), ({"A": 1, "b": 2}, {"a": 1}), ([{"x": 1, "y": 2}], {"x": 1})],
        [([1], 2), ("abc", "B"), ({"a": 1}, {"b": 1}), (MISSING, 1), ([{"x": 1}], {"x": 2})],
    ),
    "has not": ([([1], 2), (MISSING, 1)], [([1], 1)]),
    "set": ([([2, 1], [1, 2]), (MISSING, [])], [([1, 1], [1]), ([1], [1, 2])]),
    "once at most": ([([1, 2], 1), ([], 1)], [([1, 1], 1)]),
    "length": ([([1], 1), ("ab", 2)], [([], 1), (MISSING, 0)]),
    "at least": ([(2, 2), ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z")], [(1, 2), (MISSING, 1)]),
    "at most": ([(2, 2)], [(3, 2), (MISSING, 1)]),
    "after": ([("2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z")], [(2, 2), (MISSING, 1)]),
    "matches": ([("abc", "^a.c$")], [("abd", "^a.c$"), (1, "1"), (MISSING, "")]),
    "matches not": ([("abd", "^a.c$"), (MISSING, "")], [("abc", "b")]),
    "instant": ([("2026-01-01T00:00:00.123Z", None)], [("2026-01-01", None), (1, None), (MISSING, None)]),
    "type": ([(True, "boolean"), (1, "integer"), ([], "array")], [(1, "boolean"), (MISSING, "string")]),
    "sorted": (
        [(["a", "B", None], "ascending"), (["b", "A"], "descending"), ([], "ascending")],
        [(["b", "A"], "ascending"), (MISSING, "ascending")],
    ),
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_tells_what_meets_it_from_what_does_not(operator: str) -> None:
    met, not_met = JUDGED[operator]
    assert [pair for pair in met if not OPERATORS[operator](*pair)] == []
    assert [pair for pair in not_met if OPERATORS[operator](*pair)] == []


def test_subjects_are_the_status_a_header_or_a_place() -> None:
    seen = answer({"a": {"b": 1}}, 201, etag='W/"1"')
    check(["status", "is", 201], seen)
    check(["header ETag", "is", 'W/"1"'], seen)
    check(["header Location", "absent"], seen)
    check(["a/b", "is", 1], seen)
    with pytest.raises(NotMet, match=r"expected a/b is 2, saw 1"):
        check(["a/b", "is", 2], seen)


ERROR = {"schemas": [ERROR_URN], "status": "400", "scimType": "invalidFilter"}
LIST = {"schemas": [LIST_URN], "totalResults": 1, "Resources": [{}]}
USER = {"schemas": ["urn:x"], "id": "1", "meta": {"resourceType": "User"}}


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        ("error", answer(ERROR, 400)),
        ("error 400|404", answer(ERROR, 400)),
        ("error 400 invalidValue|invalidFilter", answer(ERROR, 400)),
        ("error 400", answer({**ERROR, "status": 400}, 400)),
        ("list", answer(LIST)),
        ("list", answer({"schemas": [LIST_URN], "totalResults": 0})),
        ("list", answer(LIST, content_type="application/json; charset=utf-8")),
        ("resource", answer(USER, 201)),
        ("empty", answer(None, 204)),
    ],
)
def test_a_word_is_met(word: str, seen: Exchange) -> None:
    check(word, seen)


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        ("error 404", answer(ERROR, 400)),
        ("error 400 invalidValue", answer(ERROR, 400)),
        ("error", answer(ERROR, 200)),
        ("error", answer(None, 400)),
        ("error", answer({"status": "400"}, 400)),
        ("error", answer({**ERROR, "status": "409"}, 400)),
        ("list", answer(LIST, 201)),
        ("list", answer([])),
        ("list", answer({**LIST, "totalResults": "1"})),
        ("list", answer({"schemas": [LIST_URN], "totalResults": 1})),
        ("list", answer({**LIST, "Resources": {}})),
        ("list", answer(LIST, content_type="text/html")),
        ("resource", answer({**USER, "id": 1})),
        ("resource", answer({**USER, "schemas": []})),
        ("resource", answer(USER, 404)),
        ("empty", answer({}, 204)),
    ],
)
def test_a_word_is_not_met(word: str, seen: Exchange) -> None:
    with pytest.raises(NotMet):
        check(word, seen)
