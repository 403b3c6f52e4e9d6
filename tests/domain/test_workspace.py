"""Roles, scopes, the first contact, and ownership that changes hands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scim_server.domain import errors, workspace
from scim_server.domain.contact import Contact, Context, Draft, Status
from scim_server.domain.events import Kind
from scim_server.domain.roles import outranks
from scim_server.domain.seats import Seat, SeatChange, SeatMove, SeatState
from scim_server.domain.workspace import ALL_PERMISSIONS, ROLE_PERMISSIONS, SCOPES, Permission, Role

THEN, NOW = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
SEAT = Seat(id="s1", licence="member", state=SeatState.ASSIGNED, since=THEN)
OWNER = Contact(
    id="o", user_name="ann", status=Status.ACTIVE, role=Role.OWNER, seat=SEAT, created=THEN, modified=THEN, version=4
)
TARGET = replace(OWNER, id="t", user_name="bea", role=Role.TEAM, version=7)
FIVE = {"contacts:view", "contacts:edit", "contacts:delete", "groups:view", "groups:edit"}


@pytest.mark.parametrize(
    ("text", "granted"),
    [
        ("", set()),
        ("scim", FIVE),
        ("contacts:view", {"contacts:view"}),
        ("contacts:view  seats:manage", {"contacts:view", "seats:manage"}),
        ("scim workspace:manage openid", FIVE | {"workspace:manage"}),
        ("SCIM", set()),
    ],
)
def test_expand_scopes(text: str, granted: set[str]) -> None:
    assert workspace.expand_scopes(text) == granted


def test_permissions_by_role() -> None:
    assert ROLE_PERMISSIONS[Role.OWNER] == ROLE_PERMISSIONS[Role.ADMIN] == ALL_PERMISSIONS == set(Permission)
    assert ROLE_PERMISSIONS[Role.TEAM] == FIVE - {"contacts:delete"}
    assert ROLE_PERMISSIONS[Role.CLIENT] == set()
    assert SCOPES.keys() == {"scim", *Permission}


def test_rank() -> None:
    assert outranks(Role.ADMIN, Role.TEAM)
    assert not outranks(Role.TEAM, Role.TEAM)


def test_found() -> None:
    context = Context(
        now=NOW, permissions=ALL_PERMISSIONS, draft=Draft(user_name="ann"), new_id="o", invite=True, email="a@b.c"
    )
    decision = workspace.found(context)
    assert decision.contact.owner
    assert decision.contact.sign_in_allowed
    assert decision.seat == SeatChange(SeatMove.CLAIM, "member", SeatState.ASSIGNED)
    assert decision.events[0].facts["role"] == (None, "owner")


@pytest.mark.parametrize("actor_id", [None, "o"])
def test_transfer_swaps_the_roles(actor_id: str | None) -> None:
    old, new = workspace.transfer(OWNER, TARGET, NOW, actor_id=actor_id)
    assert old.contact == replace(OWNER, role=Role.TEAM, modified=NOW, version=5)
    assert new.contact == replace(TARGET, role=Role.OWNER, modified=NOW, version=8)
    assert [event.kind for event in (*old.events, *new.events)] == [Kind.OWNERSHIP_GIVEN, Kind.OWNERSHIP_RECEIVED]
    assert new.events[0].facts == {"role": ("team", "owner")}
    assert new.events[0].words.activity == "received ownership"


@pytest.mark.parametrize(("owner", "actor_id"), [(OWNER, "t"), (replace(OWNER, role=Role.ADMIN), "o")])
def test_only_the_owner_transfers(owner: Contact, actor_id: str) -> None:
    with pytest.raises(errors.OnlyOwner):
        workspace.transfer(owner, TARGET, NOW, actor_id=actor_id)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (OWNER, "owns the workspace already"),
        (replace(TARGET, status=Status.INACTIVE, seat=None), "is inactive, not active"),
        (replace(TARGET, status=Status.INVITED), "is invited, not active"),
        (replace(TARGET, seat=None), "holds no seat"),
    ],
)
def test_who_cannot_become_owner(target: Contact, reason: str) -> None:
    with pytest.raises(errors.TargetNotEligible) as refused:
        workspace.transfer(OWNER, target, NOW)
    assert refused.value.reason == reason
