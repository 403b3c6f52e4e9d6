"""Which attributes an answer holds: what was asked for or excluded, and what each attribute's `returned` says."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

import pytest

from scim_server.scim.errors import ScimError
from scim_server.scim.projection import Projection, project, read_projection
from scim_server.scim.schema import GROUP, USER, with_extension
from scim_server.scim.tolerance import EVERYTHING, NOTHING
from tests.support import ENTERPRISE_URN, USER_URN, WORKSPACE_URN

KIM: Final[dict[str, Any]] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "1",
    "externalId": "x",
    "userName": "kim",
    "name": {"givenName": "Kim", "familyName": "Lee"},
    "active": False,
    "password": "t1meMa$heen",
    "emails": [{"value": "k@w.example", "type": "work", "primary": True}, {"value": "k@h.example"}],
    "groups": [{"value": "g"}],
    "meta": {"resourceType": "User", "version": 'W/"1"'},
    ENTERPRISE_URN: {"department": "A", "manager": {"value": "m", "displayName": "Lee"}},
}
STAFF: Final = {"schemas": ["g"], "id": "g", "displayName": "Staff", "members": [{"value": "1", "display": "Kim"}]}
ALWAYS: Final = {"schemas": KIM["schemas"], "id": "1"}
SHOWN: Final = {name: value for name, value in KIM.items() if name != "password"}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in SHOWN.items() if name not in names}


def attributes(text: str, tolerance: frozenset[str] = EVERYTHING) -> Any:
    return project(USER, KIM, read_projection(USER, text.split(","), [], tolerance))


def excluded(text: str, tolerance: frozenset[str] = EVERYTHING) -> Any:
    return project(USER, KIM, read_projection(USER, [], text.split(","), tolerance))


def test_everything_but_what_is_never_returned() -> None:
    before = deepcopy(KIM)
    assert project(USER, KIM, Projection()) == SHOWN
    assert before == KIM


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("userName", {"userName": "kim"}),
        ("USERNAME", {"userName": "kim"}),
        ("id", {}),
        ("schemas", {}),
        ("userName,emails", {"userName": "kim", "emails": KIM["emails"]}),
        ("active", {"active": False}),
        ("password", {}),
        ("title", {}),
        ("name.givenName", {"name": {"givenName": "Kim"}}),
        ("name.givenName,name.familyName", {"name": KIM["name"]}),
        ("name.givenName,name", {"name": KIM["name"]}),
        ("name,name.givenName", {"name": KIM["name"]}),
        ("name.middleName", {}),
        ("emails.value", {"emails": [{"value": "k@w.example"}, {"value": "k@h.example"}]}),
        ("emails.Type", {"emails": [{"type": "work"}]}),
        ("emails.display", {}),
        (f"{USER_URN}:userName", {"userName": "kim"}),
        (f"{USER_URN.upper()}:name.GIVENNAME", {"name": {"givenName": "Kim"}}),
        (ENTERPRISE_URN, {ENTERPRISE_URN: KIM[ENTERPRISE_URN]}),
        (ENTERPRISE_URN.lower(), {ENTERPRISE_URN: KIM[ENTERPRISE_URN]}),
        (f"{ENTERPRISE_URN}:department", {ENTERPRISE_URN: {"department": "A"}}),
        (f"{ENTERPRISE_URN}.department", {ENTERPRISE_URN: {"department": "A"}}),
        (f"{ENTERPRISE_URN}:manager.value", {ENTERPRISE_URN: {"manager": {"value": "m"}}}),
        (f"{ENTERPRISE_URN}:manager.value,{ENTERPRISE_URN}", {ENTERPRISE_URN: KIM[ENTERPRISE_URN]}),
        ("manager", {ENTERPRISE_URN: {"manager": {"value": "m", "displayName": "Lee"}}}),
        ("manager.displayName", {ENTERPRISE_URN: {"manager": {"displayName": "Lee"}}}),
        (WORKSPACE_URN, {}),
        ("meta.version", {"meta": {"version": 'W/"1"'}}),
        ("groups", {"groups": [{"value": "g"}]}),
        ('emails[type eq "work"]', {"emails": KIM["emails"]}),
        ("shoeSize", {}),
        ("shoeSize,userName", {"userName": "kim"}),
        ("urn:example:User:badge", {}),
    ],
)
def test_attributes(text: str, expected: dict[str, Any]) -> None:
    assert attributes(text) == {**ALWAYS, **expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("userName", without("userName")),
        ("id", SHOWN),
        ("schemas,id", SHOWN),
        ("EMAILS,groups", without("emails", "groups")),
        ("name.givenName", {**SHOWN, "name": {"familyName": "Lee"}}),
        ("name.givenName,name.familyName", without("name")),
        ("name.givenName,name", without("name")),
        ("emails.value", {**SHOWN, "emails": [{"type": "work", "primary": True}]}),
        ("emails.value,emails.type,emails.primary", without("emails")),
        (ENTERPRISE_URN, without(ENTERPRISE_URN)),
        (f"{ENTERPRISE_URN}:manager", {**SHOWN, ENTERPRISE_URN: {"department": "A"}}),
        ("manager.value,department", {**SHOWN, ENTERPRISE_URN: {"manager": {"displayName": "Lee"}}}),
        ("manager,department", without(ENTERPRISE_URN)),
        ("userName.value", SHOWN),
        ("shoeSize", SHOWN),
    ],
)
def test_excluded_attributes(text: str, expected: dict[str, Any]) -> None:
    assert excluded(text) == expected


@pytest.mark.parametrize("name", ["shoeSize", "name.nick", "urn:example:User:badge", ENTERPRISE_URN + ":", "userName."])
def test_unknown_names_are_refused_where_they_are_not_forgiven(name: str) -> None:
    assert attributes(f"userName,{name}") == {**ALWAYS, "userName": "kim"}
    for read in (attributes, excluded):
        with pytest.raises(ScimError, match="has no attribute") as caught:
            read(f"userName,{name}", NOTHING)
        assert caught.value.scim_type == "invalidValue"


def test_not_both_parameters() -> None:
    with pytest.raises(ScimError, match="not both") as caught:
        read_projection(USER, ["userName"], ["emails"], EVERYTHING)
    assert caught.value.scim_type == "invalidValue"


@pytest.mark.parametrize(
    ("wanted", "unwanted", "omitted", "everything"),
    [
        ([], [], False, True),
        (["members"], [], False, False),
        (["members.value"], [], False, False),
        (["displayName"], [], True, False),
        (["shoeSize"], [], True, False),
        ([], ["members"], True, False),
        ([], ["members.display"], False, False),
        ([], ["displayName"], False, False),
        ([], ["shoeSize"], False, True),
    ],
)
def test_what_need_not_be_loaded(wanted: list[str], unwanted: list[str], omitted: bool, everything: bool) -> None:
    projection = read_projection(GROUP, wanted, unwanted, EVERYTHING)
    assert projection.omits("members") is omitted
    assert projection.everything is everything
    assert not (omitted and "members" in project(GROUP, STAFF, projection))


def test_returned_on_request_and_always() -> None:
    custom = with_extension(
        USER,
        {
            "id": "urn:example:C",
            "attributes": [
                {"name": "photo", "returned": "request"},
                {"name": "badge", "returned": "always"},
                {"name": "secret", "returned": "never"},
            ],
        },
    )
    kim = {**KIM, "urn:example:C": {"photo": "p", "badge": "b", "secret": "s", "unknown": "u"}}

    def shown(wanted: list[str], unwanted: list[str]) -> Any:
        return project(custom, kim, read_projection(custom, wanted, unwanted, EVERYTHING)).get("urn:example:C")

    assert shown([], []) == {"badge": "b"}
    assert shown(["photo", "secret"], []) == {"badge": "b", "photo": "p"}
    assert shown(["userName"], []) == {"badge": "b"}
    assert shown([], ["badge", "urn:example:C:photo"]) == {"badge": "b"}


def test_what_the_schema_does_not_know_is_not_shown() -> None:
    kim = {**SHOWN, "shoeSize": 43, "urn:example:Gone": {"secret": "s"}, ENTERPRISE_URN: {"badge": "b"}}
    assert project(USER, kim, Projection()) == without(ENTERPRISE_URN)
    assert project(GROUP, {**STAFF, "password": "p"}, Projection()) == STAFF
