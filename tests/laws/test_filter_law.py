"""Law: for every filter, sort and page, a search in the database finds what the evaluator finds on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any, Final

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_server.directory import search
from scim_server.directory.search import Query
from scim_server.scim.filter import (
    OPERATORS_OF,
    And,
    Compare,
    Filter,
    Not,
    Or,
    Present,
    ValuePath,
    normal_date,
    print_filter,
)
from scim_server.scim.match import matches, sort_value, values_at
from scim_server.scim.schema import Target, fold
from tests.laws.population import DATES, NUMBERS, WORDS, Population, populate
from tests.laws.test_filter_round_trip import targets

LETTERS: Final = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
AMOUNTS: Final = st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=2)


@dataclass(frozen=True)
class Field:
    """What can be asked of: a target, the values it has anywhere, and what may stand in its brackets."""

    target: Target
    values: list[Any]
    inner: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Pool:
    """What searches of one type in one population are drawn from."""

    people: Population
    kind: str
    fields: list[Field]
    sortable: list[Target]

    @property
    def forms(self) -> list[dict[str, Any]]:
        return self.people.forms[self.kind]


@cache
def population(app: Flask, seed: int) -> list[Population]:
    """Populations are made once and never changed."""
    return populate(app, seed)


@cache
def pool(app: Flask, seed: int, kind: str, view: int) -> Pool:
    people = population(app, seed)[view]
    names = targets(people.types[kind])
    fields = [field_of(name, people.forms[kind]) for name in names]
    scalars = [name for name in names if name.leaf.type != "complex"]
    # other resources' names aren't a value of one's own to be sorted by
    sortable = [name for name in scalars if not str(name).startswith(("groups", "members"))]
    return Pool(people, kind, fields, sortable)


def field_of(target: Target, forms: list[dict[str, Any]]) -> Field:
    inner: tuple[Field, ...] = ()
    if target.sub is None and (target.leaf.sub or target.leaf.multi_valued):
        subs = [Target(target.extension, target.attribute, sub) for sub in target.leaf.sub.values()] or [target]
        inner = tuple(Field(sub, present_values(sub, forms)) for sub in subs)
    return Field(target, present_values(target, forms), inner)


def present_values(target: Target, forms: list[dict[str, Any]]) -> list[Any]:
    if target.leaf.type == "complex":
        return []
    found = {value for form in forms for value in values_at(target, form) if value is not None}
    return [] if target.leaf.type in ("integer", "decimal") else sorted(found)


def as_written(number: float) -> int | Decimal:
    """A number as the parser reads it."""
    return number if isinstance(number, int) else Decimal(repr(number))


def draw_operand(draw: st.DrawFn, field: Field) -> Any:
    """A value to compare with: one that is there, a part of one, one that looks like it, or any."""
    leaf = field.target.leaf
    if leaf.type == "boolean":
        return draw(st.booleans())
    if leaf.type == "dateTime":
        return draw(st.sampled_from([*field.values, *map(normal_date, DATES)]))
    if leaf.type in ("integer", "decimal"):
        return draw(st.one_of(st.sampled_from(NUMBERS).map(as_written), AMOUNTS, st.integers(-(10**30), 10**30)))
    way = draw(st.integers(0, 3))
    if way == 0:
        return fold(leaf, draw(LETTERS))
    if way == 1 or not field.values:
        return fold(leaf, draw(st.sampled_from(WORDS)))
    value: str = draw(st.sampled_from(field.values))
    if way == 2:
        return value
    start = draw(st.integers(0, len(value)))
    return fold(leaf, value[start : draw(st.integers(start, len(value)))])


def draw_comparison(draw: st.DrawFn, field: Field) -> Filter:
    way = draw(st.integers(0, 7))
    if field.target.leaf.type == "complex" or way == 0:
        return Present(field.target)
    if way == 1:
        return Compare(field.target, draw(st.sampled_from(["eq", "ne"])), None)
    op = draw(st.sampled_from(sorted(OPERATORS_OF[field.target.leaf.type])))
    return Compare(field.target, op, draw_operand(draw, field))


def draw_leaf(draw: st.DrawFn, fields: list[Field]) -> Filter:
    field = draw(st.sampled_from(fields))
    if draw(st.booleans()) and field.inner:
        depth = draw(st.integers(0, 2))
        return ValuePath(field.target, draw_term(draw, lambda: draw_inner(draw, field), depth))
    return draw_comparison(draw, field)


def draw_inner(draw: st.DrawFn, field: Field) -> Filter:
    return draw_comparison(draw, draw(st.sampled_from(field.inner)))


def draw_term(draw: st.DrawFn, leaf: Callable[[], Filter], depth: int) -> Filter:
    way = draw(st.integers(0, 3)) if depth else 0
    if way == 0:
        return leaf()
    if way == 1:
        return Not(draw_term(draw, leaf, depth - 1))
    terms = tuple(draw_term(draw, leaf, depth - 1) for _ in range(draw(st.integers(2, 3))))
    return And(terms) if way == 2 else Or(terms)


@dataclass(frozen=True)
class Case:
    """One search in one population."""

    pool: Pool
    query: Query

    def __repr__(self) -> str:
        query = self.query
        text = print_filter(query.filter) if query.filter else None
        order = f"{query.sort_by} {'descending' if query.descending else 'ascending'}"
        return f"{self.pool.kind}s with {text}, by {order}, from {query.start}, {query.count} of them"


@st.composite
def cases(draw: st.DrawFn, app: Flask, seeds: int) -> Case:
    kind, view = draw(st.sampled_from(["User", "User", "User", "Group"])), draw(st.integers(0, 2))
    drawn = pool(app, draw(st.integers(0, seeds - 1)), kind, view)
    most = len(drawn.forms) + 1
    query = Query(
        filter=draw_term(draw, lambda: draw_leaf(draw, drawn.fields), draw(st.integers(0, 3))),
        sort_by=draw(st.sampled_from(drawn.sortable)) if draw(st.booleans()) else None,
        descending=draw(st.booleans()),
        start=draw(st.sampled_from([1, 1, 2, 5, most])),
        count=draw(st.sampled_from([100, 100, 0, 1, 7, most])),
    )
    return Case(drawn, query)


def expected(query: Query, forms: list[dict[str, Any]]) -> list[str]:
    """The ids of what the evaluator finds, in order."""
    found = [form for form in forms if query.filter is None or matches(query.filter, form)]
    if query.sort_by is not None:
        keys = {form["id"]: sort_key(query.sort_by, form) for form in found}
        absent = [form for form in found if keys[form["id"]] is None]
        present = [form for form in found if keys[form["id"]] is not None]
        present.sort(key=lambda form: keys[form["id"]], reverse=query.descending)
        found = absent + present if query.descending else present + absent
    return [form["id"] for form in found]


def sort_key(target: Target, form: dict[str, Any]) -> Any:
    value = sort_value(target, form)
    return Decimal(repr(value)) if isinstance(value, float) else value


def check(case: Case) -> None:
    people, query = case.pool.people, case.query
    wanted = expected(query, case.pool.forms)
    page = search.find(people.directory, people.call, case.pool.kind, query)
    found = page.total, [resource["id"] for resource in page.resources]
    assert found == (len(wanted), wanted[query.start - 1 : query.start - 1 + query.count])
    if query.start == 2 and query.count > 1:
        assert walked(case) == wanted


def walked(case: Case) -> list[str]:
    """The ids of all pages, one cursor after the other."""
    query, ids = replace(case.query, by_cursor=True, start=1), list[str]()
    while True:
        page = search.find(case.pool.people.directory, case.pool.people.call, case.pool.kind, query)
        ids += [resource["id"] for resource in page.resources]
        if page.next is None:
            return ids
        query = replace(query, position=page.next)


@settings(max_examples=300)
@given(st.data())
def test_search_is_the_evaluator(app: Flask, data: st.DataObject) -> None:
    check(data.draw(cases(app, 1)))


@st.composite
def named_cases(draw: st.DrawFn, app: Flask) -> Case:
    """Searches by what a connection calls resources, which others don't see."""
    drawn = draw(cases(app, 1))
    named = next(each for each in drawn.pool.fields if str(each.target) == "externalId")
    term = draw_term(draw, lambda: draw_comparison(draw, named), draw(st.integers(0, 2)))
    sort_by = named.target if draw(st.booleans()) else drawn.query.sort_by
    return replace(drawn, query=replace(drawn.query, filter=term, sort_by=sort_by))


@settings(max_examples=200)
@given(st.data())
def test_external_ids_are_searched_as_the_evaluator_does(app: Flask, data: st.DataObject) -> None:
    check(data.draw(named_cases(app)))


@pytest.mark.laws
@given(st.data())
def test_search_is_the_evaluator_for_long(app: Flask, data: st.DataObject) -> None:
    check(data.draw(cases(app, 20)))
