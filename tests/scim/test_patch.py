"""PATCH against the corpus: each case's outcome, its input left alone, and that repeating it adds nothing."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, Final

import pytest

from scim_server.scim.errors import ScimError
from scim_server.scim.patch import PATCH_URN, apply, read_operations, split
from scim_server.scim.schema import GROUP, USER, ResourceType, with_extension
from scim_server.scim.tolerance import EVERYTHING, NOTHING
from tests.support import CORPUS

CASES: Final[list[dict[str, Any]]] = json.loads((CORPUS / "patches.json").read_text())
TYPES: Final = {"User": USER, "Group": GROUP}


def tolerance_of(case: dict[str, Any]) -> frozenset[str]:
    given = case["tolerance"]
    return {"all": EVERYTHING, "none": NOTHING}[given] if isinstance(given, str) else frozenset(given)


def body_of(case: dict[str, Any]) -> Any:
    return case.get("body", {"schemas": case.get("schemas", [PATCH_URN]), "Operations": case["operations"]})


def attempt(resource_type: ResourceType, resource: dict[str, Any], body: Any, tolerance: Any = EVERYTHING) -> Any:
    """The patched resource, or the scimType of the refusal."""
    try:
        return apply(resource_type, resource, read_operations(resource_type, body, tolerance), tolerance)
    except ScimError as error:
        return error.scim_type


def outcome(case: dict[str, Any]) -> Any:
    return attempt(TYPES[case["type"]], case["before"], body_of(case), tolerance_of(case))


def test_corpus_is_large_and_named_once() -> None:
    assert len(CASES) >= 120
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_corpus(case: dict[str, Any]) -> None:
    before = deepcopy(case["before"])
    assert outcome(case) == case.get("after", case.get("error"))
    assert case["before"] == before


@pytest.mark.parametrize("case", [case for case in CASES if "after" in case], ids=lambda case: case["id"])
def test_repeating_adds_nothing(case: dict[str, Any]) -> None:
    """`again` is for strict value paths, which no longer select what the first time removed."""
    assert outcome({**case, "before": case["after"]}) == case.get("again", case["after"])


CUSTOM_URN: Final = "urn:example:2.0:Custom"
CUSTOM: Final = with_extension(
    USER,
    {
        "id": CUSTOM_URN,
        "attributes": [
            {"name": "tags", "type": "string", "multiValued": True},
            {"name": "serial", "type": "string", "mutability": "immutable"},
            {
                "name": "lock",
                "type": "complex",
                "subAttributes": [{"name": "code", "mutability": "immutable"}, {"name": "note"}],
            },
        ],
    },
)


@pytest.mark.parametrize(
    ("before", "op", "path", "value", "after"),
    [
        ({}, "add", "tags", ["a", "b", "a"], {"tags": ["a", "b"]}),
        ({"tags": ["a"]}, "add", "tags", ["b", "a"], {"tags": ["a", "b"]}),
        ({"tags": ["a"]}, "add", "tags", "b", {"tags": ["a", "b"]}),
        ({"tags": ["a", "b"]}, "remove", 'tags[value eq "a"]', None, {"tags": ["b"]}),
        ({"tags": ["a", "b"]}, "remove", "tags", ["b"], {"tags": ["a"]}),
        ({"tags": ["a", "b"]}, "replace", 'tags[value eq "a"]', "c", {"tags": ["c", "b"]}),
        ({"tags": ["a", "b"]}, "replace", 'tags[value eq "a"]', "b", {"tags": ["b"]}),
        ({"tags": ["a"]}, "replace", 'tags[value eq "z"]', "c", {"tags": ["a", "c"]}),
        ({}, "add", "serial", "7", {"serial": "7"}),
        ({"serial": "7"}, "replace", "serial", "7", {"serial": "7"}),
        ({"serial": "7"}, "replace", "serial", "8", "mutability"),
        ({"serial": "7"}, "remove", "serial", None, "mutability"),
        ({"lock": {"note": "n"}}, "add", "lock.code", "1", {"lock": {"note": "n", "code": "1"}}),
        ({"lock": {"code": "1"}}, "replace", "lock.code", "2", "mutability"),
        ({"lock": {"code": "1"}}, "replace", "lock.note", "n", {"lock": {"code": "1", "note": "n"}}),
    ],
)
def test_attributes_the_core_schema_lacks(before: Any, op: str, path: str, value: Any, after: Any) -> None:
    body = {"Operations": [{"op": op, "path": f"{CUSTOM_URN}:{path}", "value": value}]}
    assert attempt(CUSTOM, {"userName": "kim", CUSTOM_URN: before}, body) == (
        after if isinstance(after, str) else {"userName": "kim", CUSTOM_URN: after}
    )


def test_an_extensions_attribute_by_the_name_of_an_extension_is_left_out() -> None:
    longer = with_extension(CUSTOM, {"id": f"{CUSTOM_URN}:tags", "attributes": []})
    body = {"Operations": [{"op": "add", "value": {CUSTOM_URN: {"tags": ["a"], "serial": "7"}}}]}
    operations = read_operations(longer, body, EVERYTHING)
    assert apply(longer, {"userName": "kim"}, operations, EVERYTHING) == {
        "userName": "kim",
        CUSTOM_URN: {"serial": "7"},
    }


def test_members_are_told_from_the_rest() -> None:
    body = {
        "Operations": [
            {"op": "add", "path": "members", "value": [{"value": "a"}]},
            {"op": "replace", "value": {"displayName": "Crew", "members": []}},
            {"op": "remove", "path": 'members[value eq "a"]'},
        ]
    }
    operations = read_operations(GROUP, body, EVERYTHING)
    members, others = split(operations, "members")
    assert [operation.op for operation in members] == ["add", "replace", "remove"]
    assert [str(operation.path.target) for operation in others] == ["displayName"]


@pytest.mark.parametrize("depth", [1, 500, 900])
def test_a_deep_body_is_refused_and_not_quoted(depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    for row in ({"op": deep}, {"op": "add", "path": deep}, {"op": "add", "path": "title", "value": [deep, deep]}, deep):
        with pytest.raises(ScimError) as caught:
            apply(USER, {"userName": "kim"}, read_operations(USER, {"Operations": [row]}, EVERYTHING), EVERYTHING)
        assert len(caught.value.detail) < 200


def test_many_elements_are_no_trouble() -> None:
    emails = [{"value": f"{number}@w.example", "primary": number == 0} for number in range(5000)]
    body = {
        "Operations": [
            {"op": "add", "path": "emails", "value": [{**email, "display": "x"} for email in emails]},
            {"op": "replace", "path": "emails[value pr].primary", "value": True},
            {"op": "remove", "path": "emails", "value": emails[1:]},
        ]
    }
    resource = {"userName": "kim", "emails": emails}
    assert apply(USER, resource, read_operations(USER, body, EVERYTHING), EVERYTHING)["emails"] == [
        {"value": "0@w.example", "primary": True, "display": "x"}
    ]
