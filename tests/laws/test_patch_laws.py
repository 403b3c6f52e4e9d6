"""Laws of bodies, PATCH and projection: whatever is sent, a proper resource comes of it or a proper refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any, Final

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scim_server.scim.errors import ScimError
from scim_server.scim.patch import apply, read_operations
from scim_server.scim.projection import project, read_projection
from scim_server.scim.protocol import Request, read_json
from scim_server.scim.schema import GROUP, USER, Attribute, ResourceType, Target, with_extension
from scim_server.scim.tolerance import EVERYTHING
from scim_server.scim.values import Resource, read_resource

CUSTOM: Final = with_extension(
    USER,
    {
        "id": "urn:example:2.0:Custom",
        "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "height", "type": "decimal"},
            {"name": "since", "type": "dateTime"},
            {"name": "tags", "type": "string", "multiValued": True},
            {"name": "serial", "type": "string", "mutability": "immutable"},
            {"name": "pin", "type": "string", "returned": "never"},
        ],
    },
)
TYPES: Final = (CUSTOM, GROUP)
SECRETS: Final = ("password", "pin")
WORDS: Final = ("a", "A", "b", "work", "Work", "home", "True", "false", "", " ", "é", "7", "x" * 600)
DATES: Final = ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00+01:00", "yesterday")
TOLERANCES: Final = st.one_of(
    st.just(EVERYTHING), st.just(frozenset[str]()), st.frozensets(st.sampled_from(sorted(EVERYTHING)))
)
NAMES: Final = ("value", "type", "primary", "emails", "members", "userName", "name", "op", "path", "schemas", "manager")


def targets(resource_type: ResourceType) -> list[Target]:
    """Everything that a path can name."""
    found = [Target(urn, None) for urn in resource_type.extensions]
    for extension, attribute in resource_type.all_attributes():
        found += [Target(extension, attribute), *(Target(extension, attribute, sub) for sub in attribute.sub.values())]
    return found


def values(attribute: Attribute) -> st.SearchStrategy[Any]:
    """Values that fit the attribute, or nearly."""
    if attribute.multi_valued:
        return st.lists(singles(attribute), max_size=4) | singles(attribute)
    return singles(attribute) | singles(attribute).map(lambda value: [value])


def singles(attribute: Attribute) -> st.SearchStrategy[Any]:
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "boolean": st.booleans() | st.sampled_from(["True", "false"]),
        "integer": st.integers() | st.just("7"),
        "decimal": st.floats() | st.integers() | st.just("1e999"),
        "dateTime": st.sampled_from(DATES),
        "binary": st.sampled_from(["TUlJ", "***"]),
    }
    if attribute.type == "complex":
        subs = {sub.name: singles(sub) | st.none() for sub in attribute.sub.values()}
        return st.fixed_dictionaries({}, optional=subs)
    return by_type.get(attribute.type, st.sampled_from(WORDS)) | st.none()


@st.composite
def resources(draw: st.DrawFn, resource_type: ResourceType, tolerance: frozenset[str]) -> Resource:
    """A resource as one is stored: of drawn attributes, those that are read without complaint."""
    body: dict[str, Any] = {"schemas": [resource_type.schema], "userName": "kim", "displayName": "Crew"}
    required = {name.lower() for name in body}
    body = {key: value for key, value in body.items() if resource_type.resolve(key)}
    choice = [pair for pair in resource_type.all_attributes() if pair[1].name.lower() not in required]
    for extension, attribute in draw(st.lists(st.sampled_from(choice), max_size=6)):
        value = draw(values(attribute))
        held = (
            {attribute.name: value}
            if extension is None
            else {extension: {**body.get(extension, {}), attribute.name: value}}
        )
        with suppress(ScimError):
            read_resource(resource_type, {**body, **held}, tolerance)
            body |= held
    return read_resource(resource_type, body, tolerance)


@st.composite
def paths(draw: st.DrawFn, target: Target) -> str:
    """Text that names the target, at times by a value path."""
    attribute = target.attribute
    if attribute is None or not (attribute.sub or attribute.multi_valued) or draw(st.booleans()):
        return draw(st.sampled_from([str(target), str(target).upper(), str(target).rpartition(":")[2]]))
    inner = draw(st.sampled_from([sub.name for sub in attribute.sub.values()] or ["value"]))
    word = json.dumps(draw(st.sampled_from(WORDS)))
    term = draw(st.sampled_from([f"{inner} pr", f"{inner} eq {word}", f"not ({inner} eq {word})", f"{inner} eq true"]))
    tail = f".{target.sub.name}" if target.sub else ""
    return f"{Target(target.extension, attribute)}[{term}]{tail}"


@st.composite
def operations(draw: st.DrawFn, resource_type: ResourceType) -> dict[str, Any]:
    """An operation that is mostly right."""
    target = draw(st.sampled_from(targets(resource_type)))
    path = draw(paths(target))
    value = draw(values(target.leaf) if target.attribute else st.dictionaries(st.sampled_from(NAMES), JSON, max_size=2))
    op = draw(st.sampled_from(["add", "replace", "remove", "Add"]))
    if draw(st.booleans()):
        return {"op": op, "path": path, "value": value}
    return draw(st.sampled_from([{"op": op, "value": {path: value}}, {"op": op, "path": path}]))


JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*WORDS, "\0", "\ud800", "\U0010ffff", 10**400, -(2**63), 1e308]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)
PATCHES: Final = st.tuples(st.sampled_from(TYPES), TOLERANCES).flatmap(
    lambda pair: st.tuples(
        st.just(pair[0]), st.just(pair[1]), resources(*pair), st.lists(operations(pair[0]), min_size=1, max_size=4)
    )
)


def sent(rows: list[Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": rows}


def patched(resource_type: ResourceType, resource: Resource, body: Any, tolerance: frozenset[str]) -> Resource:
    return apply(resource_type, resource, read_operations(resource_type, body, tolerance), tolerance)


def check(resource_type: ResourceType, resource: Resource, tolerance: frozenset[str]) -> None:
    """What holds of every resource."""
    for extension, attribute in resource_type.all_attributes():
        value = (resource if extension is None else resource.get(extension, {})).get(attribute.name)
        assert value not in ("", [], {}) or (value == "" and "empty-string-clears" not in tolerance)
        if attribute.has_primary:
            assert sum(element.get("primary") is True for element in value or ()) <= 1
    assert all(resource.get(urn) != {} for urn in resource_type.extensions)
    assert orjson.dumps(resource)


def outcome(make: Callable[[], Resource]) -> Resource | None:
    """What `make` gives, or None for a refusal that can be sent; anything else it raises is a fault."""
    try:
        return make()
    except ScimError as error:
        body = error.body()
    assert orjson.dumps(body)
    return None


@given(PATCHES)
def test_patch_makes_a_resource_or_a_refusal(case: tuple[ResourceType, frozenset[str], Resource, list[Any]]) -> None:
    resource_type, tolerance, resource, rows = case
    before, rows_before = deepcopy(resource), repr(rows)
    after = outcome(partial(patched, resource_type, resource, sent(rows), tolerance))
    if after is not None:
        check(resource_type, after, tolerance)
    assert resource == before
    assert repr(rows) == rows_before


@given(PATCHES)
def test_saying_it_twice_is_saying_it_once(case: tuple[ResourceType, frozenset[str], Resource, list[Any]]) -> None:
    """Of one operation without a value path, which can come to select something else."""
    resource_type, tolerance, resource, rows = case
    for row in rows:
        try:
            said = read_operations(resource_type, sent([row]), tolerance)
            once = apply(resource_type, resource, said, tolerance)
        except ScimError:
            continue
        if len(said) == 1 and said[0].path.term is None:
            assert apply(resource_type, once, said, tolerance) == once


@given(PATCHES)
def test_what_is_shown_can_be_sent_back(case: tuple[ResourceType, frozenset[str], Resource, list[Any]]) -> None:
    resource_type, tolerance, resource, rows = case
    after = outcome(partial(patched, resource_type, resource, sent(rows), tolerance)) or resource
    shown = project(resource_type, after, read_projection(resource_type, [], [], tolerance))
    expected = {name: value for name, value in after.items() if name not in ("schemas", "password")}
    for urn in resource_type.extensions:
        expected[urn] = {name: value for name, value in expected.pop(urn, {}).items() if name != "pin"}
    again = read_resource(resource_type, {**shown, "schemas": [resource_type.schema]}, tolerance)
    assert again == {name: value for name, value in expected.items() if value != {}}


@given(
    st.sampled_from(TYPES).flatmap(
        lambda each: st.tuples(
            st.just(each),
            resources(each, EVERYTHING),
            st.lists(st.sampled_from([*map(str, targets(each)), *SECRETS, "password", "x"]).flatmap(cased), max_size=4),
        )
    ),
    st.booleans(),
)
def test_secrets_are_never_shown(case: tuple[ResourceType, Resource, list[str]], excluded: bool) -> None:
    resource_type, resource, names = case
    resource = {**resource, "id": "1", "schemas": [resource_type.schema], "password": "hidden"}
    resource["urn:example:2.0:Custom"] = {"pin": "hidden"}
    before = deepcopy(resource)
    wanted = read_projection(resource_type, [] if excluded else names, names if excluded else [], EVERYTHING)
    shown = project(resource_type, resource, wanted)
    assert "hidden" not in json.dumps(shown)
    assert shown.items() >= {"id": "1", "schemas": resource["schemas"]}.items()
    assert resource == before


def cased(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.upper(), name.lower()])


@given(st.sampled_from(TYPES), JSON, TOLERANCES)
def test_any_json_as_a_body(resource_type: ResourceType, body: Any, tolerance: frozenset[str]) -> None:
    required = {"schemas": [resource_type.schema], "userName": "kim", "displayName": "Crew"}
    for each in (body, {**required, **body} if isinstance(body, dict) else body):
        resource = outcome(partial(read_resource, resource_type, each, tolerance))
        if resource is not None:
            check(resource_type, resource, tolerance)


@given(st.sampled_from(TYPES), JSON, TOLERANCES)
@example(CUSTOM, {"op": "add", "path": "emails[" * 900, "value": 1}, EVERYTHING)
@example(CUSTOM, {"op": "add", "path": "emails[" + "(" * 900, "value": 1}, EVERYTHING)
@example(CUSTOM, {"op": "add", "path": "x" * 100_000, "value": 1}, EVERYTHING)
@example(CUSTOM, {"op": "add", "path": "urn:" + "a.b:" * 20_000 + "[", "value": 1}, EVERYTHING)
@example(CUSTOM, {"op": "add", "value": {"\ud800": "\ud800", "title\0": "\0"}}, EVERYTHING)
def test_any_json_as_a_patch(resource_type: ResourceType, body: Any, tolerance: frozenset[str]) -> None:
    kim = {"userName": "kim", "displayName": "Crew", "emails": [{"value": "a", "type": "work"}]}
    for each in (body, {"Operations": body}, {"Operations": [body]}, {"Operations": [{"op": "add", "value": body}]}):
        after = outcome(partial(patched, resource_type, kim, each, tolerance))
        if after is not None:
            check(resource_type, after, tolerance)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value, allow_nan=True).encode()[:200]))
@example(b"[" * 100_000)
@example(b'{"a":' * 1000 + b"1" + b"}" * 1000)
@example(b"1" * 100_000)
@example(b'"\\ud800"')
def test_any_bytes_as_a_body(body: bytes) -> None:
    outcome(lambda: read_json(Request("POST", "", (), {}, {}, body)))


@pytest.mark.parametrize("depth", [10, 500, 1000])
@pytest.mark.parametrize("tolerance", [EVERYTHING, frozenset()], ids=["all", "none"])
def test_a_deep_body(depth: int, tolerance: frozenset[str]) -> None:
    """As deep as JSON is read: nothing walks down there."""
    deep: Any = "x"
    for level in range(depth):
        deep = [deep] if level % 2 else {"value": deep}
    kim = {"schemas": [CUSTOM.schema], "userName": "kim"}
    for body in (deep, *({**kim, name: deep} for name in (*NAMES, *CUSTOM.extensions, "x"))):
        outcome(partial(read_resource, CUSTOM, body, tolerance))
        outcome(partial(patched, CUSTOM, kim, body, tolerance))
        outcome(partial(patched, CUSTOM, kim, sent([body, {"op": "add", "value": body}]), tolerance))
    for name in NAMES:
        for op in ("add", "replace", "remove", deep):
            for path in (name, deep, None):
                row = {"op": op, "path": path, "value": {name: deep}}
                outcome(partial(patched, CUSTOM, kim, sent([row]), tolerance))
