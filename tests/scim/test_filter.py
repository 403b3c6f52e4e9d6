"""Filters and paths as text: what is accepted, what it is bound to, and what a refusal says."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path as File
from typing import Any, Final

import pytest

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import (
    FILTER_TOLERANCES,
    And,
    Compare,
    Limits,
    Not,
    Or,
    Present,
    ValuePath,
    normal_date,
    parse_filter,
    parse_path,
    print_filter,
    value_target,
)
from scim_server.scim.filter_tree import size
from scim_server.scim.schema import (
    CORE,
    ENTERPRISE_URN,
    GROUP,
    USER,
    WORKSPACE_URN,
    ResourceType,
    Target,
    with_extension,
)

CASES: Final[list[dict[str, Any]]] = json.loads((File(__file__).parents[1] / "corpus" / "filters.json").read_text())
TYPES: Final = {resource_type.name: resource_type for resource_type in CORE}
MEASURE_URN: Final = "urn:example:2.0:Measure"
MEASURED: Final = with_extension(
    USER,
    {
        "id": MEASURE_URN,
        "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "height", "type": "decimal"},
            {"name": "tags", "type": "string", "multiValued": True},
        ],
    },
)


def target(name: str, resource_type: ResourceType = USER) -> Target:
    found = resource_type.resolve(name)
    assert found is not None
    return found


def refusal(text: str, resource_type: ResourceType = USER, **options: Any) -> ScimError:
    with pytest.raises(ScimError) as caught:
        parse_filter(resource_type, text, **options)
    assert caught.value.scim_type == "invalidFilter"
    assert caught.value.status == 400
    return caught.value


def test_corpus_is_large_and_named_once() -> None:
    assert len(CASES) >= 160
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=lambda case: case["id"])
def test_corpus_refusals(case: dict[str, Any]) -> None:
    tolerance = frozenset(case.get("tolerance", FILTER_TOLERANCES))
    with pytest.raises(ScimError) as caught:
        parse_filter(TYPES[case.get("type", "User")], case["filter"], tolerance=tolerance)
    assert caught.value.scim_type == case["error"]
    assert caught.value.detail.isprintable() or "\t" in case["filter"]


@pytest.mark.parametrize("case", [case for case in CASES if "matches" in case], ids=lambda case: case["id"])
def test_corpus_prints_and_parses_to_the_same_tree_without_any_tolerance(case: dict[str, Any]) -> None:
    resource_type = TYPES[case.get("type", "User")]
    term = parse_filter(resource_type, case["filter"])
    assert parse_filter(resource_type, print_filter(term), tolerance=frozenset()) == term


def test_a_tree_of_every_kind() -> None:
    kind, value, title = target("emails.type"), target("emails.value"), target("title")
    assert parse_filter(USER, 'not (title pr) or Emails[Type eq "Work" and value co "@X"] and title ne "A"') == Or(
        (
            Not(Present(title)),
            And(
                (
                    ValuePath(target("emails"), And((Compare(kind, "eq", "work"), Compare(value, "co", "@x")))),
                    Compare(title, "ne", "a"),
                )
            ),
        )
    )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ('USERNAME EQ "A"', 'userName eq "a"'),
        ('externalId eq "A"', 'externalId eq "A"'),
        ('emails eq "A"', 'emails.value eq "a"'),
        ('manager eq "A"', f'{ENTERPRISE_URN}:manager.value eq "A"'),
        ("manager pr", f"{ENTERPRISE_URN}:manager pr"),
        ("emails pr", "emails pr"),
        (f"{WORKSPACE_URN.upper()}:ARCHIVED eq TRUE", f"{WORKSPACE_URN}:archived eq true"),
        ("title eq Null", "title eq null"),
        ("((title pr))", "title pr"),
        ("(title pr and active pr) and id pr", "(title pr and active pr) and id pr"),
        ("title pr and (active pr or id pr)", "title pr and (active pr or id pr)"),
        ("(title pr and active pr) or id pr", "title pr and active pr or id pr"),
        ("title pr or (active pr or id pr)", "title pr or (active pr or id pr)"),
        ("NOT(title pr)", "not (title pr)"),
        ("emails[Value pr]", "emails[value pr]"),
        ('schemas[value eq "x"]', 'schemas[value eq "x"]'),
        ('emails[type eq "work"].value eq "x"', 'emails[type eq "work" and value eq "x"]'),
        ('emails[type eq "a" and type pr].value pr', 'emails[type eq "a" and type pr and value pr]'),
        ("emails[type pr or value pr].primary eq true", "emails[(type pr or value pr) and primary eq true]"),
        ("meta.created gt 2015-10-10T14:38:21.86179799-07:00", 'meta.created gt "2015-10-10T21:38:21.861797Z"'),
        ('title eq "\\u00C9\\"\\\\"', 'title eq "é\\"\\\\"'),
    ],
)
def test_printed_form(written: str, canonical: str) -> None:
    term = parse_filter(USER, written)
    assert print_filter(term) == canonical
    assert parse_filter(USER, canonical) == term


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("floor eq 3", 3),
        ("floor eq -0", 0),
        ("floor gt 3.50", Decimal("3.5")),
        ("floor lt 1e2", Decimal(100)),
        ("height ge 0.1", Decimal("0.1")),
        ("height le -1.5E-3", Decimal("-0.0015")),
        ("height eq 1e0", Decimal(1)),
        ("height eq null", None),
    ],
)
def test_numbers_are_exact(written: str, value: int | Decimal | None) -> None:
    term = parse_filter(MEASURED, written)
    assert isinstance(term, Compare)
    assert term.value == value
    assert type(term.value) is type(value)
    assert parse_filter(MEASURED, print_filter(term)) == term


@pytest.mark.parametrize(
    "written",
    [
        'floor eq "3"', "floor eq three", "floor eq true", "floor co 3", "height sw 1.5", "floor gt null",
        "floor eq 03", "floor eq +3", "floor eq 3.", "floor eq .5", "floor eq NaN", "floor eq Infinity",
        "floor eq 0x1f", "floor eq 1e309", "floor eq 1e99999", "floor eq 0.1e-400",
        f"floor eq {'9' * 41}", f"floor eq {'9' * 8000}",
    ],
)  # fmt: skip
def test_numbers_refused(written: str) -> None:
    refusal(written, MEASURED)


def test_values_of_an_attribute_without_sub_attributes_are_called_value() -> None:
    tags = target(f"{MEASURE_URN}:tags", MEASURED)
    assert parse_filter(MEASURED, 'tags[value eq "A"]') == ValuePath(tags, Compare(tags, "eq", "a"))
    refusal('tags[tags eq "a"]', MEASURED)
    refusal('tags.value eq "a"', MEASURED)


@pytest.mark.parametrize(
    ("written", "detail"),
    [
        ('userName regex "x"', "The operator 'regex' is not supported at position 10: userName ▶regex \"x\""),
        ("title pr and shoeSize pr", "Unknown attribute 'shoeSize' at position 14: title pr and ▶shoeSize pr"),
        ("emails[colour pr]", "Unknown attribute 'colour' of 'emails' at position 8: emails[▶colour pr]"),
        ("active gt true", "'gt' can't be used with 'active', which is a boolean at position 8: active ▶gt true"),
        ('active eq "x"', "The value doesn't fit 'active', which is a boolean at position 11: active eq ▶\"x\""),
        ('name eq "x"', "'name' has sub-attributes: name the one to compare at position 6: name ▶eq \"x\""),
        ("(title pr", "Expected ')' at position 10: (title pr▶"),
        ("title pr)", "Unexpected text at position 9: title pr▶)"),
        ("password pr", "'password' can't be used in a filter at position 1: ▶password pr"),
        ("not title pr", "'not' must be followed by a filter in round brackets at position 5: not ▶title pr"),
        ('title eq "a\\qb"', 'Malformed string at position 12: title eq "a▶\\qb"'),
    ],
)
def test_refusals_name_the_fault_and_its_position(written: str, detail: str) -> None:
    assert refusal(written).detail == detail


@pytest.mark.parametrize("written", ['title eq "\ud800"', "\udfffname pr", "title eq a\0b", 'title eq "a\0b"'])
def test_what_is_no_text_is_refused_with_a_detail_that_can_be_sent(written: str) -> None:
    detail = refusal(written).detail
    assert detail.encode()
    assert "\0" not in detail


def test_long_names_are_cut_in_the_detail() -> None:
    assert len(refusal("x" * 8000).detail) < 250
    assert len(refusal(f"title {'x' * 8000}").detail) < 250


def test_limit_of_length() -> None:
    limits = Limits(length=20)
    assert parse_filter(USER, 'userName eq "1234567'[:19] + '"', limits=limits)
    assert refusal('userName eq "12345678"', limits=limits).detail == (
        'The text is longer than 20 characters at position 21: userName eq "1234567▶8"'
    )
    assert "position 21" in refusal("x" * 30 + "\0", limits=limits).detail


def test_limit_of_depth() -> None:
    text = "title pr"
    for _ in range(15):
        text = f"not ({text})"
    assert parse_filter(USER, text)
    assert parse_filter(USER, f"({text})")
    assert refusal(f"(({text}))").detail.startswith("Brackets are nested deeper than 16 at position ")
    assert "2" in refusal("((emails[type pr]))", limits=Limits(depth=2)).detail
    assert "2" in refusal("emails[((type pr))]", limits=Limits(depth=2)).detail
    assert parse_filter(USER, " and ".join(["(title pr)"] * 90))


def test_limit_of_terms() -> None:
    assert parse_filter(USER, " or ".join(["title pr"] * 100))
    detail = refusal(" or ".join(["title pr"] * 101)).detail
    assert detail.startswith("There are more than 100 comparisons at position ")
    assert "1" in refusal("emails[type pr].value pr", limits=Limits(terms=1)).detail


@pytest.mark.parametrize(
    ("tolerance", "written"),
    [
        ("filter-bare-strings", "userName eq x"),
        ("filter-bare-strings", "externalId eq 12"),
        ("filter-value-path-compare", 'emails[type eq "work"].value eq "x"'),
        ("filter-value-path-compare", 'emails[type eq "work"].value pr'),
        ("filter-boolean-strings", 'active eq "True"'),
        ("filter-bare-extension-attributes", 'manager.displayName eq "x"'),
        ("filter-email-alias", 'email.value eq "x"'),
        ("filter-email-alias", "EMAIL pr"),
    ],
)
def test_each_tolerance_forgives_its_form_alone(tolerance: str, written: str) -> None:
    assert parse_filter(USER, written, tolerance=frozenset({tolerance}))
    refusal(written, tolerance=FILTER_TOLERANCES - {tolerance})


@pytest.mark.parametrize(
    ("written", "name", "term"),
    [
        ("userName", "userName", None),
        ("USERNAME", "userName", None),
        (" userName ", "userName", None),
        ("name.FamilyName", "name.familyName", None),
        ("emails.value", "emails.value", None),
        ("password", "password", None),
        ("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "name.givenName", None),
        (f"{ENTERPRISE_URN}:manager.value", f"{ENTERPRISE_URN}:manager.value", None),
        (ENTERPRISE_URN.upper(), ENTERPRISE_URN, None),
        ("department", f"{ENTERPRISE_URN}:department", None),
        ("members", "members", None),
        ('emails[type eq "Work"]', "emails", 'type eq "work"'),
        ('emails[type eq "work"].value', "emails.value", 'type eq "work"'),
        ("addresses[type eq work].Locality", "addresses.locality", 'type eq "work"'),
        ('roles[primary eq "True"].value', "roles.value", "primary eq true"),
        (f"{WORKSPACE_URN}:seat[type pr].state", f"{WORKSPACE_URN}:seat.state", "type pr"),
        ('emails[not (type eq "]")].value', "emails.value", 'not (type eq "]")'),
    ],
)
def test_paths(written: str, name: str, term: str | None) -> None:
    path = parse_path(GROUP if name == "members" else USER, written)
    assert str(path.target) == name
    assert (f"{path.target.attribute.name}[{term}]" if path.target.attribute and term else None) == (
        print_filter(ValuePath(Target(None, path.target.attribute), path.term)) if path.term else None
    )


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("invalidPath", ""), ("invalidPath", " "), ("invalidPath", "shoeSize"), ("invalidPath", "name.nick"),
        ("invalidPath", "userName."), ("invalidPath", "userName.value"), ("invalidPath", "user name"),
        ("invalidPath", "email"), ("invalidPath", "urn:example:User:x"), ("invalidPath", "userName[value pr]"),
        ("invalidPath", "emails.value[type pr]"), ("invalidPath", f"{ENTERPRISE_URN}[department pr]"),
        ("invalidPath", 'emails[type eq "work"'), ("invalidPath", "emails[type pr].colour"),
        ("invalidPath", "emails[type pr]."), ("invalidPath", "emails[type pr]value"),
        ("invalidPath", "emails[type pr].value.x"), ("invalidPath", "emails[type pr].value eq"),
        ("invalidPath", "emails[type pr][value pr]"), ("invalidPath", "x" * 9000), ("invalidPath", "user\0Name"),
        ("invalidFilter", "emails[]"), ("invalidFilter", "emails[type]"), ("invalidFilter", 'emails[colour eq "x"]'),
        ("invalidFilter", 'emails[type eq "work]'), ("invalidFilter", "emails[primary gt true]"),
        ("invalidFilter", "emails[(type pr]"), ("invalidFilter", "emails[type pr value pr]"),
        ("invalidFilter", "emails[type pr emails[type pr]]"), ("invalidFilter", "emails[0]"),
    ],
)  # fmt: skip
def test_paths_refused(kind: str, written: str) -> None:
    with pytest.raises(ScimError) as caught:
        parse_path(USER, written)
    assert caught.value.scim_type == kind


def test_path_without_tolerance_needs_the_urn() -> None:
    assert parse_path(USER, f"{ENTERPRISE_URN}:department", tolerance=frozenset()).target == target("department")
    with pytest.raises(ScimError) as caught:
        parse_path(USER, "department", tolerance=frozenset())
    assert caught.value.scim_type == "invalidPath"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("2010-01-23T04:56:22Z", "2010-01-23T04:56:22.000000Z"),
        ("2010-01-23T04:56:22", "2010-01-23T04:56:22.000000Z"),
        ("2010-01-23T04:56:22+14:00", "2010-01-22T14:56:22.000000Z"),
        ("2010-01-23T04:56:22-00:00", "2010-01-23T04:56:22.000000Z"),
        ("2010-01-23T04:56:22.5-05:30", "2010-01-23T10:26:22.500000Z"),
        ("2010-01-23T04:56:22.99999999999999Z", "2010-01-23T04:56:22.999999Z"),
        ("2012-12-31T24:00:00.000+01:00", "2012-12-31T23:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_normal_date(written: str, normal: str) -> None:
    assert normal_date(written) == normal
    assert normal_date(normal) == normal


@pytest.mark.parametrize(
    "written",
    [
        "", "2010-01-23", "2010-01-23 04:56:22Z", "2010-01-23T04:56Z", "2010-01-23T04:56:22z", "20100123T045622Z",
        "2010-02-30T00:00:00Z", "2010-01-23T24:00:01Z", "2010-01-23T24:00:00.5Z", "2010-01-23T25:00:00Z",
        "2010-01-23T04:60:00Z", "2010-01-23T23:59:60Z", "2010-01-23T04:56:22.Z", "2010-01-23T04:56:22+14:01",
        "2010-01-23T04:56:22+1:00", "2010-01-23T04:56:22+0100", "2010-01-23T04:56:22Z\n", " 2010-01-23T04:56:22Z",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T24:00:00Z", "-2010-01-23T04:56:22Z",
        "12010-01-23T04:56:22Z", "٢٠١٠-01-23T04:56:22Z",
    ],
)  # fmt: skip
def test_normal_date_refuses(written: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        normal_date(written)


@pytest.mark.parametrize(
    ("name", "compared"),
    [("userName", "userName"), ("emails", "emails.value"), ("emails.type", "emails.type"), ("schemas", "schemas"),
     ("manager", f"{ENTERPRISE_URN}:manager.value"), ("name", None), ("addresses", None), (ENTERPRISE_URN, None)],
)  # fmt: skip
def test_value_target(name: str, compared: str | None) -> None:
    found = value_target(target(name))
    assert (str(found) if found else None) == compared


def test_the_size_of_a_filter_is_its_comparisons() -> None:
    text = 'not (title eq "a" or emails[type eq "work" and value co "b"]) and active eq true and nickName pr'
    assert size(parse_filter(USER, text)) == 5
