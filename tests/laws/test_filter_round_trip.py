"""Law: a filter printed and parsed again is the same filter."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from scim_server.scim.filter import (
    OPERATORS_OF,
    And,
    Compare,
    Filter,
    Limits,
    Not,
    Or,
    Present,
    Value,
    ValuePath,
    normal_date,
    parse_filter,
    print_filter,
    value_target,
)
from scim_server.scim.schema import GROUP, USER, Attribute, ResourceType, Target, fold, with_extension

MEASURED: Final = with_extension(
    USER,
    {
        "id": "urn:example:2.0:Measure",
        "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "height", "type": "decimal"},
            {"name": "tags", "type": "string", "multiValued": True},
        ],
    },
)
WIDE: Final = Limits(length=10_000_000, depth=100, terms=100_000)
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def targets(resource_type: ResourceType) -> list[Target]:
    """Every attribute and sub-attribute that a filter may name."""
    found = []
    for extension, attribute in resource_type.all_attributes():
        if attribute.returned != "never":
            found += [Target(extension, attribute)]
            found += [Target(extension, attribute, sub) for sub in attribute.sub.values()]
    return found


def values(leaf: Attribute) -> st.SearchStrategy[Value]:
    """What a leaf can be compared with, as the parser leaves it."""
    decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6)
    by_type: dict[str, st.SearchStrategy[Value]] = {
        "boolean": st.booleans(),
        "integer": st.one_of(st.integers(-(10**30), 10**30), decimals),
        "decimal": st.one_of(st.integers(-(10**30), 10**30), decimals, st.just(Decimal("1E+30")), st.just(Decimal(7))),
        "dateTime": st.datetimes().map(lambda moment: normal_date(moment.isoformat())),
    }
    return by_type.get(leaf.type, TEXT.map(lambda text: fold(leaf, text)))


def comparisons(target: Target) -> st.SearchStrategy[Filter]:
    present = st.just(Present(target))
    if target.leaf.type == "complex":
        return present
    leaf = target.leaf
    absent = st.builds(Compare, st.just(target), st.sampled_from(["eq", "ne"]), st.none())
    compare = st.builds(Compare, st.just(target), st.sampled_from(sorted(OPERATORS_OF[leaf.type])), values(leaf))
    return st.one_of(present, absent, compare)


def combinations(terms: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(terms, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(Not, terms), st.builds(And, several), st.builds(Or, several))


def value_paths(target: Target) -> st.SearchStrategy[Filter]:
    attribute = target.leaf
    inner = [Target(target.extension, attribute, sub) for sub in attribute.sub.values()] or [target]
    terms = st.sampled_from(inner).flatmap(comparisons)
    return st.builds(ValuePath, st.just(target), st.recursive(terms, combinations, max_leaves=5))


def filters(resource_type: ResourceType) -> st.SearchStrategy[Filter]:
    names = targets(resource_type)
    choosable = [name for name in names if name.sub is None and (name.leaf.sub or name.leaf.multi_valued)]
    leaves = st.one_of(st.sampled_from(names).flatmap(comparisons), st.sampled_from(choosable).flatmap(value_paths))
    return st.recursive(leaves, combinations, max_leaves=12)


@given(filters(MEASURED))
def test_users(term: Filter) -> None:
    assert parse_filter(MEASURED, print_filter(term), tolerance=frozenset(), limits=WIDE) == term


@given(filters(GROUP))
def test_groups(term: Filter) -> None:
    assert parse_filter(GROUP, print_filter(term), tolerance=frozenset(), limits=WIDE) == term


def test_every_target_can_be_written() -> None:
    for name in targets(MEASURED):
        assert parse_filter(MEASURED, f"{name} pr", tolerance=frozenset()) == Present(name)
        compared = value_target(name)
        if compared is not None:
            assert parse_filter(MEASURED, f"{name} eq null", tolerance=frozenset()) == Compare(compared, "eq", None)
