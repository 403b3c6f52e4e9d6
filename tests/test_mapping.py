"""Contact ⇄ SCIM User and Group ⇄ SCIM Group: what is shown, what is taken, and that an echo changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from scim_server.domain.contact import Contact, Status
from scim_server.domain.group import Group, Member, Membership
from scim_server.domain.invitation import Invitation, InvitationState
from scim_server.domain.roles import Role
from scim_server.domain.seats import Seat, SeatState
from scim_server.mapping import Wish, etag, group_profile, instant, invitation_email, to_group, to_user, to_wish
from scim_server.scim.errors import ScimError
from scim_server.scim.patch import apply, read_operations
from scim_server.scim.schema import GROUP, USER
from scim_server.scim.tolerance import EVERYTHING
from scim_server.scim.values import read_resource
from tests.support import ENTERPRISE_URN, GROUP_URN, USER_URN, WORKSPACE_URN

BASE: Final = "https://example.com/scim/v2"
NOON: Final = datetime(2026, 5, 4, 12, 0, 0, 250, tzinfo=UTC)
NOON_TEXT: Final = "2026-05-04T12:00:00.000250Z"
KIM: Final = Contact(id="1", user_name="Kim", status=Status.ACTIVE, created=NOON, modified=NOON, version=3)
INVITATION: Final = Invitation(email="kim@old.example", sent_at=NOON, expires_at=NOON + timedelta(days=7))
RICH: Final = replace(
    KIM,
    external_id="X-1",
    archived=True,
    archived_at=NOON,
    status_changed_at=NOON,
    seat=Seat(id="s", licence="member", state=SeatState.ASSIGNED, since=NOON, over=True),
    invitation=replace(INVITATION, state=InvitationState.ACCEPTED),
    account_linked=True,
    profile={
        "name": {"givenName": "Kim"},
        "roles": [{"value": "team"}],
        "emails": [{"value": "kim@w.example", "type": "work", "primary": True}],
        ENTERPRISE_URN: {"department": "A", "manager": {"value": "m"}},
    },
)
OWNER: Final = replace(RICH, role=Role.OWNER)


def contact(**changes: Any) -> Contact:
    return replace(KIM, **changes)


def wish(user: Mapping[str, Any], before: Contact | None = None, *, patched: bool = False) -> Wish:
    return to_wish({"userName": "Kim", **user}, before, "c2", patched=patched)


def patched(before: Contact, *operations: Mapping[str, Any]) -> Wish:
    body = {"Operations": list(operations)}
    user = apply(USER, to_user(before, (), BASE), read_operations(USER, body, EVERYTHING), EVERYTHING)
    return to_wish(user, before, "c2", patched=True)


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


def put(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, NOON_TEXT),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_instant(moment: datetime, text: str) -> None:
    assert instant(moment) == text


def test_etag_is_weak() -> None:
    assert etag(3) == 'W/"3"'


def test_the_least_user() -> None:
    assert to_user(KIM, (), BASE) == {
        "schemas": [USER_URN, WORKSPACE_URN],
        "id": "1",
        "userName": "Kim",
        "active": True,
        WORKSPACE_URN: {
            "status": "active",
            "archived": False,
            "owner": False,
            "accountLinked": False,
            "signInAllowed": True,
            "seat": {"state": "none"},
        },
        "meta": {
            "resourceType": "User",
            "created": NOON_TEXT,
            "lastModified": NOON_TEXT,
            "location": f"{BASE}/Users/1",
            "version": 'W/"3"',
        },
    }


def test_a_rich_user() -> None:
    groups = (Membership("g1", "Crew", True), Membership("g2", "Staff", False))
    user = to_user(RICH, groups, BASE)
    assert user["schemas"] == [USER_URN, ENTERPRISE_URN, WORKSPACE_URN]
    assert user["externalId"] == "X-1"
    assert user["name"] == {"givenName": "Kim"}
    assert user[ENTERPRISE_URN] == {"department": "A", "manager": {"value": "m", "$ref": f"{BASE}/Users/m"}}
    assert user["groups"] == [
        {"value": "g1", "$ref": f"{BASE}/Groups/g1", "display": "Crew", "type": "direct"},
        {"value": "g2", "$ref": f"{BASE}/Groups/g2", "display": "Staff", "type": "indirect"},
    ]
    assert user[WORKSPACE_URN] == {
        "status": "active",
        "archived": True,
        "archivedAt": NOON_TEXT,
        "statusChangedAt": NOON_TEXT,
        "owner": False,
        "accountLinked": True,
        "signInAllowed": True,
        "invitation": {
            "email": "kim@old.example",
            "sentAt": NOON_TEXT,
            "expiresAt": "2026-05-11T12:00:00.000250Z",
            "state": "accepted",
        },
        "seat": {"state": "assigned", "type": "member", "assignedAt": NOON_TEXT, "over": True},
    }
    assert "$ref" not in RICH.profile[ENTERPRISE_URN]["manager"]


@pytest.mark.parametrize(
    ("status", "active", "allowed"),
    [("uninvited", False, False), ("invited", True, False), ("active", True, True), ("inactive", False, False)],
)
def test_active_by_status(status: str, active: bool, allowed: bool) -> None:
    user = to_user(contact(status=Status(status)), (), BASE)
    assert user["active"] is active
    assert user[WORKSPACE_URN]["status"] == status
    assert user[WORKSPACE_URN]["signInAllowed"] is allowed


def test_the_owners_role_is_shown_first() -> None:
    user = to_user(OWNER, (), BASE)
    assert user["roles"] == [{"value": "owner", "display": "Workspace owner"}, {"value": "team"}]
    assert user[WORKSPACE_URN]["owner"] is True
    assert to_user(contact(role=Role.OWNER), (), BASE)["roles"] == [{"value": "owner", "display": "Workspace owner"}]


def test_a_manager_without_an_id_has_no_reference() -> None:
    user = to_user(contact(profile={ENTERPRISE_URN: {"manager": {"displayName": "Lee"}}}), (), BASE)
    assert user[ENTERPRISE_URN] == {"manager": {"displayName": "Lee"}}


@pytest.mark.parametrize("each", [KIM, RICH, OWNER, contact(role=Role.ADMIN), contact(profile={"active": None})])
def test_an_echo_changes_nothing(each: Contact) -> None:
    user = to_user(each, (Membership("g1", "Crew", True),), BASE)
    asked = to_wish(read_resource(USER, user, EVERYTHING), each, "c", patched=False)
    assert asked.draft.profile == each.profile
    assert (asked.draft.user_name, asked.draft.external_id) == (each.user_name, each.external_id)
    assert asked.draft.role == each.role
    assert asked.active is user.get("active")
    assert asked.archived is each.archived
    again = patched(each)
    assert again.draft.profile == each.profile
    assert again.draft.role == each.role


def test_a_put_that_is_silent_keeps_what_is_not_the_profile() -> None:
    asked = wish({}, RICH)
    assert (asked.active, asked.archived, asked.licence) == (None, None, None)
    assert asked.draft.profile == {}
    assert asked.draft.external_id is None


@pytest.mark.parametrize("name", ["active", "archived"])
def test_what_was_removed_is_noted_until_it_is_set(name: str) -> None:
    path = name if name == "active" else f"{WORKSPACE_URN}:archived"
    asked = patched(KIM, remove(path))
    assert asked.draft.profile == {name: None}
    removed = contact(profile=asked.draft.profile)
    user = to_user(removed, (), BASE)
    assert name not in (user if name == "active" else user[WORKSPACE_URN])
    assert name not in user["schemas"]
    assert wish({}, removed).draft.profile == {name: None}
    assert patched(removed).draft.profile == {name: None}
    assert patched(removed, put(path, False)).draft.profile == {}
    assert wish({}, None).draft.profile == {}


def test_a_contact_without_the_mark_is_not_archived() -> None:
    assert patched(RICH, remove(f"{WORKSPACE_URN}:archived")).archived is False
    assert patched(RICH, remove(WORKSPACE_URN)).archived is False
    assert wish({}, RICH).archived is None
    assert wish({WORKSPACE_URN: {"archived": True}}).archived is True


@pytest.mark.parametrize(
    "operation",
    [
        remove("manager"),
        remove("manager.value"),
        put("manager", ""),
        put("manager", {"value": ""}),
        put("manager", None),
        put(f"{ENTERPRISE_URN}:manager.value", ""),
        put(ENTERPRISE_URN, {"manager": None}),
    ],
)
def test_a_cleared_manager_leaves_nothing_behind(operation: dict[str, Any]) -> None:
    only = contact(profile={ENTERPRISE_URN: {"manager": {"value": "m"}}})
    assert patched(only, operation).draft.profile == {}
    assert patched(RICH, operation).draft.profile[ENTERPRISE_URN] == {"department": "A"}
    assert to_user(contact(profile=patched(only, operation).draft.profile), (), BASE)["schemas"] == [
        USER_URN,
        WORKSPACE_URN,
    ]


def test_another_manager_gets_another_reference() -> None:
    profile = patched(RICH, put("manager", "n")).draft.profile
    assert profile[ENTERPRISE_URN]["manager"] == {"value": "n"}
    user = to_user(contact(profile=profile), (), BASE)
    assert user[ENTERPRISE_URN]["manager"] == {"value": "n", "$ref": f"{BASE}/Users/n"}


@pytest.mark.parametrize(
    ("roles", "before", "role"),
    [
        ([], None, Role.TEAM),
        ([{"value": "admin"}], None, Role.ADMIN),
        ([{"value": "Client"}], None, Role.CLIENT),
        ([{"value": "chef"}, {"display": "x"}, {"value": "client"}, {"value": "admin"}], None, Role.CLIENT),
        ([{"value": "chef"}], None, Role.TEAM),
        ([], contact(role=Role.ADMIN), Role.ADMIN),
        ([{"value": "chef"}], contact(role=Role.ADMIN), Role.ADMIN),
        ([{"value": "client"}], contact(role=Role.ADMIN), Role.CLIENT),
        ([], contact(role=Role.ADMIN, profile={"roles": [{"value": "admin"}]}), Role.TEAM),
        ([{"value": "admin"}], OWNER, Role.OWNER),
        ([{"value": "Owner"}], OWNER, Role.OWNER),
    ],
)
def test_roles(roles: list[dict[str, Any]], before: Contact | None, role: Role) -> None:
    asked = wish({"roles": roles}, before)
    assert asked.draft.role is role
    kept = [each for each in roles if each.get("value", "").lower() != "owner"]
    assert asked.draft.profile.get("roles", []) == kept


@pytest.mark.parametrize("before", [None, RICH])
def test_the_owners_role_is_not_given(before: Contact | None) -> None:
    with pytest.raises(ScimError, match="Transfer ownership") as caught:
        wish({"roles": [{"value": "OWNER"}]}, before)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("entitlements", "licence"),
    [
        (None, None),
        ([], None),
        ([{"value": "client"}], None),
        ([{"type": "license"}], None),
        ([{"type": "License", "value": "client"}], "client"),
        ([{"type": "licence", "value": "client"}], "client"),
        ([{"type": "other", "value": "x"}, {"type": "license", "value": "member"}], "member"),
    ],
)
def test_licence(entitlements: Any, licence: str | None) -> None:
    assert wish({"entitlements": entitlements}).licence == licence


@pytest.mark.parametrize(
    ("connection_id", "sent", "external_id"),
    [("c", "X-1", "X-1"), ("c", "X-2", "X-2"), ("c", None, None), (None, "X-1", None), (None, None, None)],
)
def test_an_external_id_is_a_connections(connection_id: str | None, sent: str | None, external_id: str | None) -> None:
    user = {"userName": "Kim", **({} if sent is None else {"externalId": sent})}
    for before in (None, RICH):
        assert to_wish(user, before, connection_id, patched=False).draft.external_id == external_id


def test_a_password_is_no_part_of_the_profile() -> None:
    assert wish({"password": "t1meMa$heen", "groups": [{"value": "g"}], "id": "7"}).draft.profile == {}


CHOSEN: Final = {WORKSPACE_URN: {"invitation": {"email": "kim@h.example"}}}


@pytest.mark.parametrize(
    ("before", "operation", "chosen"),
    [
        (KIM, put(f"{WORKSPACE_URN}:invitation.email", "kim@h.example"), "kim@h.example"),
        (KIM, put("title", "Chef"), None),
        (contact(profile=CHOSEN), put("title", "Chef"), "kim@h.example"),
        (contact(profile=CHOSEN), remove(f"{WORKSPACE_URN}:invitation.email"), None),
        (contact(profile=CHOSEN), remove(f"{WORKSPACE_URN}:invitation"), None),
        (contact(invitation=INVITATION), put("title", "Chef"), None),
        (contact(invitation=INVITATION), put(f"{WORKSPACE_URN}:invitation.email", "kim@old.example"), None),
        (contact(invitation=INVITATION), put(f"{WORKSPACE_URN}:invitation.email", "new@w.example"), "new@w.example"),
        (contact(invitation=INVITATION, profile=CHOSEN), put("title", "Chef"), "kim@h.example"),
    ],
)
def test_the_address_of_the_next_invitation(before: Contact, operation: dict[str, Any], chosen: str | None) -> None:
    after = contact(invitation=before.invitation, profile=patched(before, operation).draft.profile)
    assert invitation_email(after) == chosen
    shown = to_user(after, (), BASE)[WORKSPACE_URN].get("invitation", {}).get("email")
    assert shown == (chosen or (before.invitation.email if before.invitation else None))
    assert to_user(after, (), BASE)["schemas"] == [USER_URN, WORKSPACE_URN]


def test_a_put_keeps_the_address_of_the_next_invitation() -> None:
    assert wish({}, contact(profile=CHOSEN)).draft.profile == CHOSEN
    assert wish(CHOSEN, None).draft.profile == CHOSEN
    assert wish(CHOSEN, contact()).draft.profile == CHOSEN
    assert wish({}, contact()).draft.profile == {}


# Groups

CREW: Final = Group(id="g", display_name="Crew", created=NOON, modified=NOON, version=2)


def test_the_least_group() -> None:
    assert to_group(CREW, None, BASE) == {
        "schemas": [GROUP_URN],
        "id": "g",
        "displayName": "Crew",
        "meta": {
            "resourceType": "Group",
            "created": NOON_TEXT,
            "lastModified": NOON_TEXT,
            "location": f"{BASE}/Groups/g",
            "version": 'W/"2"',
        },
    }
    assert to_group(CREW, [], BASE) == to_group(CREW, None, BASE)


def test_a_group_with_members() -> None:
    members = [Member("1", "User", "Kim"), Member("h", "Group", "Cooks")]
    group = to_group(replace(CREW, external_id="X-1"), members, BASE)
    assert group["externalId"] == "X-1"
    assert group["members"] == [
        {"value": "1", "$ref": f"{BASE}/Users/1", "type": "User", "display": "Kim"},
        {"value": "h", "$ref": f"{BASE}/Groups/h", "type": "Group", "display": "Cooks"},
    ]


def test_what_a_group_keeps_beside_its_columns() -> None:
    extension = {"urn:example:2.0:Group": {"room": "7"}}
    group = to_group(replace(CREW, external_id="X", profile=extension), [Member("1", "User", "Kim")], BASE)
    assert group_profile(group) == extension
    assert group["schemas"] == [GROUP_URN, "urn:example:2.0:Group"]
    assert group_profile(read_resource(GROUP, to_group(CREW, None, BASE), EVERYTHING)) == {}
