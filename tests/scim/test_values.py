"""Bodies of POST and PUT against the corpus, and the types that the product's own schemas don't have."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from typing import Any, Final

import pytest

from scim_server.scim.errors import ScimError
from scim_server.scim.schema import GROUP, USER, Attribute, Target, with_extension
from scim_server.scim.tolerance import EVERYTHING, NOTHING
from scim_server.scim.values import check_immutable, element_key, put, read_resource
from tests.support import CORPUS, ENTERPRISE_URN

CASES: Final[list[dict[str, Any]]] = json.loads((CORPUS / "bodies.json").read_text())
TYPES: Final = {"User": USER, "Group": GROUP}
MEASURE_URN: Final = "urn:example:2.0:Measure"
MEASURED: Final = with_extension(
    USER,
    {
        "id": MEASURE_URN,
        "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "height", "type": "decimal"},
            {"name": "since", "type": "dateTime"},
            {"name": "key", "type": "binary"},
            {"name": "tags", "type": "string", "multiValued": True},
            {"name": "badge", "type": "string", "required": True},
            {"name": "serial", "type": "string", "required": True, "mutability": "readOnly"},
        ],
    },
)


def tolerance_of(case: dict[str, Any]) -> frozenset[str]:
    given = case["tolerance"]
    return {"all": EVERYTHING, "none": NOTHING}[given] if isinstance(given, str) else frozenset(given)


def outcome(case: dict[str, Any]) -> Any:
    try:
        return read_resource(TYPES[case["type"]], case["body"], tolerance_of(case))
    except ScimError as error:
        return error.scim_type


def test_corpus_is_large_and_named_once() -> None:
    assert len(CASES) >= 120
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_corpus(case: dict[str, Any]) -> None:
    before = deepcopy(case["body"])
    assert outcome(case) == case.get("expected", case.get("error"))
    assert case["body"] == before


@pytest.mark.parametrize("case", [case for case in CASES if "expected" in case], ids=lambda case: case["id"])
def test_what_was_read_reads_the_same_again(case: dict[str, Any]) -> None:
    resource_type = TYPES[case["type"]]
    again = {"schemas": [resource_type.schema], **case["expected"]}
    assert read_resource(resource_type, again, tolerance_of(case)) == case["expected"]


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("floor", 3, 3),
        ("floor", -(2**63) + 1, -(2**63) + 1),
        ("floor", "3", 3),
        ("floor", "-12", -12),
        ("height", 1.5, 1.5),
        ("height", 2, 2),
        ("height", "1.5e3", 1500.0),
        ("since", "2011-05-13T04:42:34Z", "2011-05-13T04:42:34Z"),
        ("since", "2011-05-13T04:42:34.5+02:00", "2011-05-13T04:42:34.5+02:00"),
        ("key", "", None),
        ("key", "TUlJ", "TUlJ"),
        ("tags", ["b", "a", "b", ""], ["b", "a"]),
        ("tags", [1, "1"], ["1"]),
        ("tags", "a", ["a"]),
        ("tags", [None, []], None),
    ],
)
def test_types_the_core_schema_lacks(name: str, raw: Any, expected: Any) -> None:
    body = {"userName": "kim", MEASURE_URN: {"badge": "7", name: raw}}
    assert read_resource(MEASURED, body, EVERYTHING)[MEASURE_URN].get(name) == expected


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("floor", True), ("floor", 1.0), ("floor", "1.0"), ("floor", "--5"), ("floor", "-"), ("floor", "٣"),
        ("floor", "5_0"), ("floor", 2**63), ("floor", "9" * 19), ("floor", "9" * 5000), ("floor", {}),
        ("height", False), ("height", "tall"), ("height", "1e999"), ("height", math.nan),
        ("height", math.inf), ("height", "nan"), ("height", "sNaN"), ("height", {}), ("since", "yesterday"),
        ("since", "2011-02-30T00:00:00Z"), ("since", 5), ("since", {}), ("key", "a"), ("key", True),
        ("tags", [["a", "b"]]), ("tags", [{}]), ("tags", "a\0"), ("tags", "\ud800"), ("tags", math.nan),
        ("tags", 2**63), ("tags", 2.0**53), pytest.param("height", 10**400, id="beyond-floats"),
        pytest.param("tags", 10**5000, id="very-large"),
    ],
)  # fmt: skip
def test_values_refused(name: str, raw: Any) -> None:
    with pytest.raises(ScimError) as caught:
        read_resource(MEASURED, {"userName": "kim", MEASURE_URN: {"badge": "7", name: raw}}, EVERYTHING)
    assert caught.value.scim_type == "invalidValue"
    assert f"{MEASURE_URN}:{name}" in caught.value.detail
    assert caught.value.detail.encode()


@pytest.mark.parametrize(("name", "raw"), [("floor", "3"), ("height", "1.5"), ("tags", 5), ("tags", "a")])
def test_strictly_read_types(name: str, raw: Any) -> None:
    body = {"schemas": [USER.schema], "userName": "kim", MEASURE_URN: {"badge": "7", name: raw}}
    with pytest.raises(ScimError, match=name):
        read_resource(MEASURED, body, NOTHING)


def test_what_an_extension_requires_is_required_where_the_extension_is_used() -> None:
    assert read_resource(MEASURED, {"userName": "kim"}, EVERYTHING) == {"userName": "kim"}
    with pytest.raises(ScimError, match=f"{MEASURE_URN}:badge is required"):
        read_resource(MEASURED, {"userName": "kim", MEASURE_URN: {"floor": 1}}, EVERYTHING)


def test_a_deep_or_long_body_is_refused_briefly() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    for body in (
        {"schemas": deep},
        {"schemas": [USER.schema, "x" * 10_000]},
        {"y" * 10_000: 1},
        {"name": {"z" * 999: 1}},
    ):
        with pytest.raises(ScimError) as caught:
            read_resource(USER, {"schemas": [USER.schema], "userName": "kim", **body}, NOTHING)
        assert len(caught.value.detail) < 300


def test_the_same_value_is_found_among_many() -> None:
    emails = [{"value": f"{number % 5000}@w.example"} for number in range(20_000)]
    assert len(read_resource(USER, {"userName": "kim", "emails": emails}, EVERYTHING)["emails"]) == 5000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"value": "A"}, {"value": "a"}, True),
        ({"value": "a", "primary": True}, {"value": "a", "display": "x"}, True),
        ({"value": "a", "type": "work"}, {"value": "a"}, False),
        ({"value": "a", "type": "None"}, {"value": "a"}, False),
        ({"type": "work"}, {"type": "work"}, True),
        ({"type": "work"}, {"type": "work", "display": "x"}, False),
        ({"type": "work", "display": "x"}, {"display": "x", "type": "work"}, True),
        ("a", "a", True),
        ("a", "A", False),
        (True, 1, False),
    ],
)
def test_element_key(one: Any, other: Any, same: bool) -> None:
    emails = USER.attributes["emails"]
    assert (element_key(emails, one) == element_key(emails, other)) is same


def test_a_value_without_a_schema_of_its_own_is_compared_as_it_is() -> None:
    several = Attribute("pairs", "complex", multi_valued=True)
    assert element_key(several, {"value": ["a"]}) == element_key(several, {"value": ["a"]})


def test_a_whole_extension_is_not_set_as_one_value() -> None:
    with pytest.raises(ValueError, match="extension"):
        put({}, Target(ENTERPRISE_URN, None), {})


def test_an_extension_whose_urn_begins_with_another() -> None:
    nested = with_extension(
        with_extension(USER, {"id": "urn:example:A", "attributes": [{"name": "x"}]}),
        {"id": "urn:example:A:B", "attributes": [{"name": "x"}]},
    )
    body = {"userName": "kim", "urn:example:A:B": {"x": "b"}, "urn:example:A": {"x": "a", "B": "ignored"}}
    read = read_resource(nested, {**body, "urn:example:A:B:x": "c"}, EVERYTHING)
    assert read == {"userName": "kim", "urn:example:A:B": {"x": "c"}, "urn:example:A": {"x": "a"}}


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ({}, {"serial": "7"}, False),
        ({"serial": "7"}, {"serial": "7", "note": "n"}, False),
        ({"serial": "7"}, {"serial": "8"}, True),
        ({"serial": "7"}, {}, True),
        ({"note": "n"}, {}, False),
    ],
)
def test_immutable_values_stay(before: dict[str, Any], after: dict[str, Any], refused: bool) -> None:
    custom = with_extension(
        USER,
        {"id": MEASURE_URN, "attributes": [{"name": "serial", "mutability": "immutable"}, {"name": "note"}]},
    )
    kims = [{"userName": "kim", MEASURE_URN: part} if part else {"userName": "kim"} for part in (before, after)]
    if not refused:
        check_immutable(custom, *kims)
        return
    with pytest.raises(ScimError, match="serial is immutable") as caught:
        check_immutable(custom, *kims)
    assert caught.value.scim_type == "mutability"
