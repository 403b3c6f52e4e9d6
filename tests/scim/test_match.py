"""The evaluator against the corpus, and the comparable form it works on."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from scim_server.scim.filter import FILTER_TOLERANCES, ValuePath, parse_filter
from scim_server.scim.match import comparable, matches, matches_element, sort_value, values_at
from scim_server.scim.schema import CORE, ENTERPRISE_URN, GROUP, USER, WORKSPACE_URN, Target, with_extension

CORPUS: Final = Path(__file__).parents[1] / "corpus"
PEOPLE: Final[dict[str, list[dict[str, Any]]]] = json.loads((CORPUS / "people.json").read_text())
CASES: Final[list[dict[str, Any]]] = json.loads((CORPUS / "filters.json").read_text())
TYPES: Final = {resource_type.name: resource_type for resource_type in CORE}
FORMS: Final = {name: [comparable(TYPES[name], person) for person in people] for name, people in PEOPLE.items()}
MEASURED: Final = with_extension(
    USER,
    {
        "id": "urn:example:2.0:Measure",
        "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "height", "type": "decimal"},
            {"name": "tags", "type": "string", "multiValued": True},
            {
                "name": "desk",
                "type": "complex",
                "subAttributes": [{"name": "codes", "type": "string", "multiValued": True}],
            },
        ],
    },
)


def target(name: str) -> Target:
    found = USER.resolve(name)
    assert found is not None
    return found


@pytest.mark.parametrize("case", [case for case in CASES if "matches" in case], ids=lambda case: case["id"])
def test_corpus(case: dict[str, Any]) -> None:
    name = case.get("type", "User")
    tolerance = frozenset(case.get("tolerance", FILTER_TOLERANCES))
    term = parse_filter(TYPES[name], case["filter"], tolerance=tolerance)
    assert [form["id"] for form in FORMS[name] if matches(term, form)] == case["matches"]


@pytest.mark.parametrize(("name", "form"), [(name, form) for name, forms in FORMS.items() for form in forms])
def test_the_comparable_form_of_a_comparable_form_is_itself(name: str, form: dict[str, Any]) -> None:
    assert comparable(TYPES[name], form) == form
    assert json.loads(json.dumps(form)) == form


def test_comparable_folds_completes_and_drops() -> None:
    assert comparable(
        USER,
        {
            "id": "U1",
            "userName": "E\u0301LODIE",
            "nickName": "",
            "title": None,
            "password": "secret",
            "shoeSize": 42,
            "name": {"familyName": None, "nick": "x"},
            "active": False,
            "emails": [{"value": "A@B", "type": None}, {"value": "C", "primary": True}, {}, None, "x"],
            "phoneNumbers": [],
            "ims": [{"value": None}],
            "groups": [{"value": "G1"}],
            "meta": {"created": "2015-10-10T14:38:21.8617979-07:00", "version": 'W/"A"'},
            ENTERPRISE_URN: {"department": "Sales", "manager": {"value": "M1", "displayName": "Boss"}},
            WORKSPACE_URN: {"status": None},
            "urn:example:other": {"x": 1},
        },
    ) == {
        "id": "U1",
        "userName": "élodie",
        "nickName": "",
        "active": False,
        "emails": [{"value": "a@b", "primary": False}, {"value": "c", "primary": True}],
        "groups": [{"value": "G1"}],
        "meta": {"created": "2015-10-10T21:38:21.861797Z", "version": 'W/"A"'},
        ENTERPRISE_URN: {"department": "sales", "manager": {"value": "M1", "displayName": "boss"}},
    }


@pytest.mark.parametrize(
    "resource",
    [
        {"userName": 5}, {"userName": ["x"]}, {"active": "true"}, {"active": 1}, {"emails": {"value": "x"}},
        {"emails": "x"}, {"name": "x"}, {"name": []}, {"meta": {"created": "today"}}, {"meta": {"created": 5}},
        {ENTERPRISE_URN: "x"}, {"username": "other case"},
    ],
)  # fmt: skip
def test_values_of_a_wrong_type_are_absent(resource: dict[str, Any]) -> None:
    assert comparable(USER, resource) == {}


@pytest.mark.parametrize(
    ("given", "written", "expected"),
    [
        ({"floor": 3}, "floor eq 3", True),
        ({"floor": 3}, "floor eq 3.0", True),
        ({"floor": 3}, "floor gt 2.5", True),
        ({"floor": 3}, "floor ne 3", False),
        ({"floor": True}, "floor eq 1", False),
        ({"floor": True}, "floor pr", False),
        ({"floor": 0}, "floor pr", True),
        ({}, "floor ne 3", True),
        ({}, "floor lt 3", False),
        ({"height": 0.1}, "height eq 0.1", True),
        ({"height": 0.1}, "height lt 0.1", False),
        ({"height": 0.1}, "height eq 0.1000000000000000055511151231", False),
        ({"height": 1e300}, "height gt 1e299", True),
        ({"height": Decimal("1.50")}, "height le 1.5", True),
        ({"floor": 9007199254740993}, "floor eq 9007199254740992", False),
        ({"tags": ["A", "b"]}, 'tags eq "B"', True),
        ({"tags": ["A", "b"]}, 'tags ne "a"', True),
        ({"tags": ["A"]}, 'tags ne "a"', False),
        ({"tags": []}, 'tags ne "a"', True),
        ({"tags": [""]}, "tags pr", False),
        ({"tags": ["A", "b"]}, 'tags[value sw "a" and value ew "b"]', False),
        ({"tags": ["A", "b"]}, 'tags[not (value eq "a")]', True),
        ({"tags": []}, 'tags[not (value eq "a")]', False),
        ({"tags": ["A"]}, "tags[value pr]", True),
        ({"desk": {"codes": ["X", "y"]}}, 'desk.codes eq "Y"', True),
        ({"desk": {"codes": ["X", "y"]}}, "desk pr", True),
        ({"desk": {"codes": [""]}}, "desk pr", False),
        ({"desk": {"codes": []}}, "desk.codes eq null", True),
    ],
)
def test_types_the_core_schema_lacks(given: dict[str, Any], written: str, expected: bool) -> None:
    form = comparable(MEASURED, {"urn:example:2.0:Measure": given})
    assert matches(parse_filter(MEASURED, written), form) is expected


@pytest.mark.parametrize("written", ["name pr", "name.familyName pr"])
def test_a_complex_attribute_of_empty_strings_is_not_present(written: str) -> None:
    term = parse_filter(USER, written)
    assert not matches(term, comparable(USER, {"name": {"familyName": "", "givenName": None}}))
    assert matches(term, comparable(USER, {"name": {"familyName": "x", "givenName": ""}}))


def test_false_is_a_value() -> None:
    assert matches(parse_filter(USER, "emails pr"), comparable(USER, {"emails": [{"primary": False}]}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("userName", ["bjensen@example.com"]),
        ("title", ["tour guide"]),
        ("locale", []),
        ("emails.type", ["work", "home"]),
        ("emails.display", [None, None]),
        ("photos.value", []),
        ("name.middleName", [None]),
        ("name", [{"formatted": "ms. barbara j jensen", "familyName": "jensen", "givenName": "barbara"}]),
        (f"{ENTERPRISE_URN}:manager.value", ["u2"]),
        (f"{WORKSPACE_URN}:invitation.email", []),
    ],
)
def test_values_at(name: str, values: list[Any]) -> None:
    assert values_at(target(name), FORMS["User"][0]) == values


def test_a_whole_extension_has_no_values() -> None:
    with pytest.raises(ValueError, match="whole extension"):
        values_at(target(ENTERPRISE_URN), FORMS["User"][0])


@pytest.mark.parametrize(
    ("written", "element", "expected"),
    [
        ('emails[type eq "work"]', {"type": "WORK"}, True),
        ('emails[type eq "work"]', {"type": "home"}, False),
        ("emails[primary eq false]", {"value": "x"}, True),
        ('emails[not (type eq "work")]', {"value": "x"}, True),
        ('emails[type eq "work" and value co "X"]', {"type": "work", "value": "axb"}, True),
        ('emails[type eq "work" or value co "X"]', {"type": "home", "value": "axb"}, True),
        ('emails[not (type eq "work")]', {}, False),
        ('emails[not (type eq "work")]', "text", False),
        ('groups[value eq "a"]', {"value": "A"}, False),
        ('schemas[value eq "a"]', "a", True),
        ('schemas[value eq "a"]', "A", False),
        ("schemas[value pr]", None, False),
    ],
)
def test_matches_element(written: str, element: Any, expected: bool) -> None:
    path = parse_filter(USER, written)
    assert isinstance(path, ValuePath)
    assert matches_element(path.term, element, path.target) is expected


def test_matches_element_of_a_whole_extension_is_false() -> None:
    assert not matches_element(parse_filter(USER, "title pr"), {"title": "x"}, Target(ENTERPRISE_URN, None))


def test_members_are_picked_by_exact_id() -> None:
    path = parse_filter(GROUP, 'members[value eq "u1"]')
    assert isinstance(path, ValuePath)
    assert [member for member in PEOPLE["Group"][0]["members"] if matches_element(path.term, member, path.target)] == [
        {"value": "u1", "type": "User", "display": "Babs Jensen"}
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("id", ["u1", "u2", "u3", "u4", "u5"]),
        ("title", ["tour guide", None, "", None, "guide"]),
        ("emails.value", ["bjensen@example.com", "jsmith@example.org", None, "x@corp.local", "bjensen@example.com"]),
        ("emails.type", ["work", "other", None, None, "home"]),
        ("name.givenName", ["barbara", "john", None, None, None]),
        ("active", [True, False, True, None, True]),
        ("groups.value", ["g1", "g1", None, None, None]),
        (f"{ENTERPRISE_URN}:department", ["tour operations", None, None, "tour operations & more", None]),
    ],
)
def test_sort_value(name: str, values: list[Any]) -> None:
    assert [sort_value(target(name), form) for form in FORMS["User"]] == values
