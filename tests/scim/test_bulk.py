"""Bulk requests as they are read: what in them refers to new resources, and what only looks as if it did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scim_server.scim.bulk import BulkOperation, closing_operations, plan, read_bulk, references
from scim_server.scim.errors import ScimError
from scim_server.scim.references import Reference, names_in, resolved, without
from scim_server.scim.schema import CORE, GROUP, USER, ResourceTypes, with_extension
from scim_server.scim.tolerance import EVERYTHING
from tests.support import ENTERPRISE_URN, GROUP_URN, USER_URN

BADGE_URN = "urn:example:2.0:Badge"
# a custom extension: one attribute that refers to resources, one that has a value and doesn't, and a plain one
BADGE = {
    "id": BADGE_URN,
    "name": "Badge",
    "attributes": [
        {
            "name": "issuer",
            "type": "complex",
            "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference"}, {"name": "note"}],
        },
        {"name": "colour", "type": "complex", "subAttributes": [{"name": "value"}]},
        {"name": "number"},
    ],
}
TYPES = ResourceTypes(with_extension(USER, BADGE), GROUP)


def read(*rows: dict[str, Any], types: ResourceTypes = TYPES) -> tuple[BulkOperation, ...]:
    return read_bulk({"Operations": list(rows)}, EVERYTHING, types, most=100).operations


def one(method: str, path: str, data: Any) -> BulkOperation:
    return read({"method": method, "path": path, "bulkId": "own", "data": data})[0]


def patched(path: str, *operations: dict[str, Any]) -> BulkOperation:
    return one("PATCH", path, {"Operations": list(operations)})


REFERRING = {
    "members": one("POST", "/Groups", {"displayName": "X", "members": [{"value": "bulkId:x"}]}),
    "members, another case": one("PUT", "Groups/1", {"MEMBERS": [{"VALUE": "bulkId:x"}]}),
    "members, plain": one("POST", "/Groups", {"members": ["bulkId:x"]}),
    "members, one": one("POST", "/Groups", {"members": {"value": "bulkId:x"}}),
    "members.$ref": one("POST", "/Groups", {"members": [{"$ref": "bulkId:x"}]}),
    "members in the core": one("POST", "/Groups", {GROUP_URN: {"members": [{"value": "bulkId:x"}]}}),
    "manager": one("POST", "/Users", {ENTERPRISE_URN: {"manager": {"value": "bulkId:x"}}}),
    "manager, plain": one("POST", "/Users", {ENTERPRISE_URN.upper(): {"manager": "bulkId:x"}}),
    "manager, dotted": one("POST", "/Users", {ENTERPRISE_URN: {"manager.value": "bulkId:x"}}),
    "manager, bare": one("POST", "/Users", {"manager": {"value": "bulkId:x"}}),
    "manager by its URN": one("POST", "/Users", {f"{ENTERPRISE_URN}:manager": {"value": "bulkId:x"}}),
    "a reference": one("POST", "/Users", {"profileUrl": "bulkId:x"}),
    "an extension": one("POST", "/Users", {BADGE_URN: {"issuer": {"value": "bulkId:x"}}}),
    "patch, members": patched("/Groups/1", {"op": "add", "path": "members", "value": [{"value": "bulkId:x"}]}),
    "patch, no path": patched("/Groups/1", {"op": "add", "value": {"members": [{"value": "bulkId:x"}]}}),
    "patch, a path as key": patched("/Groups/1", {"op": "add", "value": {'members[type eq "User"].value': "bulkId:x"}}),
    "patch, empty path": patched("/Groups/1", {"op": "add", "path": "", "value": {"members": ["bulkId:x"]}}),
    "patch, core": patched("/Groups/1", {"op": "add", "path": GROUP_URN, "value": {"members": ["bulkId:x"]}}),
    "patch, selected": patched("/Groups/1", {"op": "remove", "path": 'members[value eq "bulkId:x"]'}),
    "patch, manager": patched("/Users/1", {"OP": "add", "PATH": "manager.value", "VALUE": "bulkId:x"}),
    "patch, by URN": patched("/Users/1", {"op": "add", "path": f"{ENTERPRISE_URN}:manager", "value": "bulkId:x"}),
    "patch, extension": patched(
        "/Users/1", {"op": "add", "path": ENTERPRISE_URN, "value": {"manager": {"value": "bulkId:x"}}}
    ),
    "patch, value of selected": patched(
        "/Groups/1", {"op": "replace", "path": 'members[type eq "User"].value', "value": "bulkId:x"}
    ),
    "the operation's path": one("DELETE", "/Users/bulkId:x", None),
}

SPEAKING_OF = {
    "displayName": one("POST", "/Groups", {"displayName": "bulkId:x"}),
    "userName": one("POST", "/Users", {"userName": "bulkId:x", "externalId": "bulkId:x", "id": "bulkId:x"}),
    "an e-mail": one("POST", "/Users", {"emails": [{"value": "bulkId:x"}], "roles": ["bulkId:x"]}),
    "a part of a name": one("POST", "/Users", {"name": {"givenName": "bulkId:x"}}),
    "a member's type": one("POST", "/Groups", {"members": [{"value": "1", "type": "bulkId:x"}]}),
    "in quotes": one("POST", "/Groups", {"displayName": 'a "bulkId:x"', "path": 'a "bulkId:x"'}),
    "in the middle": one("POST", "/Groups", {"members": [{"value": " bulkId:x"}]}),
    "nested too deep": one("POST", "/Groups", {"members": [{"value": {"value": "bulkId:x"}}]}),
    "an unknown attribute": one("POST", "/Users", {"shoe": "bulkId:x", "urn:example:2.0:Other": {"a": "bulkId:x"}}),
    "a Group's manager": one("POST", "/Groups", {"manager": {"value": "bulkId:x"}}),
    "an extension's text": one("POST", "/Users", {BADGE_URN: {"number": "bulkId:x", "issuer": {"note": "bulkId:x"}}}),
    "a value without $ref": one("POST", "/Users", {BADGE_URN: {"colour": {"value": "bulkId:x"}}}),
    "an extension that is none": one("POST", "/Users", {BADGE_URN: "bulkId:x", USER_URN: "bulkId:x"}),
    "patch, displayName": patched("/Groups/1", {"op": "add", "path": "displayName", "value": "bulkId:x"}),
    "patch, no path": patched("/Groups/1", {"op": "add", "value": {"displayName": "bulkId:x"}}),
    "patch, no path, no object": patched("/Groups/1", {"op": "add", "value": "bulkId:x"}),
    "patch, an e-mail": patched("/Users/1", {"op": "remove", "path": 'emails[value eq "bulkId:x"]'}),
    "patch, unknown": patched("/Users/1", {"op": "add", "path": 'shoe[value eq "bulkId:x"]', "value": "bulkId:x"}),
    "patch, no operations": one("PATCH", "/Groups/1", {"Operations": "bulkId:x", "members": [{"value": "bulkId:x"}]}),
    "patch, no object": one("PATCH", "/Groups/1", {"Operations": ["bulkId:x", {"op": "add", "path": ["bulkId:x"]}]}),
    "an endpoint of nothing": one("POST", "/Bulk", {"members": [{"value": "bulkId:x"}]}),
    "faulty": one("POST", "/", {"members": [{"value": "bulkId:x"}]}),
    "no data": one("DELETE", "/Users/1", {"members": [{"value": "x"}]}),
}


@pytest.mark.parametrize("operation", REFERRING.values(), ids=REFERRING)
def test_what_refers_is_found_and_resolved(operation: BulkOperation) -> None:
    assert references(operation) == {"x"}
    known = resolved(operation.data, {"x": "7", "y": "8"})
    assert not set(names_in(known))
    assert ("7" in repr(known)) is (operation.data is not None)
    assert "bulkId:x" not in repr(known)
    unknown = replace(operation, data=resolved(operation.data, {"y": "8"}))
    assert "bulkId:x" in repr(unknown), "a reference to nothing is left as sent"


@pytest.mark.parametrize("operation", SPEAKING_OF.values(), ids=SPEAKING_OF)
def test_what_only_looks_so_is_left_alone(operation: BulkOperation) -> None:
    assert references(operation) == set()
    assert resolved(operation.data, {"x": "7"}) == operation.data
    assert without(operation.data, frozenset("x")) == operation.data


def test_a_path_may_name_several() -> None:
    path = 'members[value eq "bulkId:a" or value eq "bulkId:b"]'
    operation = patched("/Groups/bulkId:c", {"op": "remove", "path": path})
    assert references(operation) == {"a", "b", "c"}
    assert resolved(operation.data, {"a": "1"})["Operations"][0]["path"] == path.replace("bulkId:a", "1")


def test_a_name_is_not_waited_for() -> None:
    """The name that a group shares with a bulkId neither changes the order nor makes a circle of one."""
    first = {"method": "POST", "path": "/Groups", "bulkId": "a", "data": {"displayName": "bulkId:b"}}
    second = {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"displayName": "bulkId:b"}}
    assert [(step.place, step.deferred) for step in plan(read(first, second))] == [(0, frozenset()), (1, frozenset())]


@pytest.mark.parametrize("manager", ["bulkId:b", {"value": "bulkId:b"}, {"$ref": "bulkId:b", "value": "bulkId:b"}])
def test_what_closes_a_circle_is_left_out_alone(manager: Any) -> None:
    data = one("POST", "/Users", {"userName": "a", ENTERPRISE_URN: {"manager": manager, "department": "bulkId:b"}}).data
    names = frozenset("b")
    assert without(data, names) == {"userName": "a", ENTERPRISE_URN: {"department": "bulkId:b"}}
    [change] = closing_operations(data, names)
    assert change["path"] == f"{ENTERPRISE_URN}:manager"
    assert set(names_in(change)) == names


def test_of_a_list_the_elements_are_left_out() -> None:
    data = one("POST", "/Groups", {"displayName": "bulkId:b", "members": [{"value": "bulkId:b"}, {"value": "1"}]}).data
    assert without(data, frozenset("b")) == {"displayName": "bulkId:b", "members": [{"value": "1"}]}
    assert [change["path"] for change in closing_operations(data, frozenset("b"))] == ["members"]
    assert without(data, frozenset("c")) == data


def test_without_the_extension_nothing_of_it_refers() -> None:
    row = {"method": "POST", "path": "/Users", "bulkId": "u", "data": {BADGE_URN: {"issuer": {"value": "bulkId:x"}}}}
    assert references(read(row, types=CORE)[0]) == set()


def test_a_reference_tells_its_names() -> None:
    assert Reference("bulkId:a b").names == {"a b"}
    assert Reference("/Users/1").names == set()
    assert Reference("bulkId:a").resolved({}) == "bulkId:a"


@pytest.mark.parametrize("limit", [-1, True, "1", 1.5])
def test_the_number_of_errors_is_a_whole_number(limit: Any) -> None:
    with pytest.raises(ScimError, match="failOnErrors"):
        read_bulk({"Operations": [], "failOnErrors": limit}, EVERYTHING, CORE, most=1)
