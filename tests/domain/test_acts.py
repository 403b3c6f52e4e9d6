"""Which acts a person is offered on a contact: what the rules carry out, in every state (R8, R18, R30, R40, R41)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations

import pytest

from scim_server.domain.actor import Actor, system
from scim_server.domain.acts import MENU, possible
from scim_server.domain.contact import Contact, Event, Status, decide
from scim_server.domain.errors import Refused
from scim_server.domain.roles import ALL_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from scim_server.domain.transitions import TRANSITIONS
from scim_server.domain.workspace import transfer
from tests.domain.test_decide import ASSIGNED, CONTEXT, LATER, NOW, given

RIGHTS = (Permission.CONTACTS_VIEW, Permission.CONTACTS_EDIT, Permission.CONTACTS_DELETE, Permission.WORKSPACE_MANAGE)
OWNER = replace(given(Status.ACTIVE), id="o1", role=Role.OWNER)


def who(role: Role | None, permissions: frozenset[str]) -> Actor:
    kind, own = ("system", None) if role is None else ("contact", "o1" if role is Role.OWNER else "a1")
    return Actor(workspace_id="w1", kind=kind, door="console", permissions=permissions, id=own, role=role)


def contacts() -> Iterator[Contact]:
    for status in Status:
        for archived in (False, True):
            for role in Role:
                if role is not Role.OWNER or status is Status.ACTIVE:
                    yield replace(given(status), archived=archived, role=role)


def carried_out(contact: Contact, event: Event, actor: Actor) -> bool:
    """Whether the rules themselves make something of it."""
    try:
        if event is Event.TRANSFER:
            own = None if actor.kind == "system" else actor.id
            return bool(transfer(OWNER, contact, LATER, actor_id=own))
        context = replace(CONTEXT, permissions=actor.permissions, actor_role=actor.role, draft=None)
        return decide(contact, event, context).changed
    except Refused:
        return False


PERMISSIONS = [frozenset(each) for each in chain.from_iterable(combinations(RIGHTS, size) for size in range(5))]


@pytest.mark.parametrize("permissions", PERMISSIONS, ids=lambda found: "+".join(sorted(found)) or "none")
@pytest.mark.parametrize("role", [None, *Role])
def test_what_is_offered_is_what_is_carried_out(role: Role | None, permissions: frozenset[str]) -> None:
    actor = who(role, permissions)
    for contact in contacts():
        expected = {event for event in MENU if carried_out(contact, event, actor)}
        if contact.status is Status.UNINVITED:
            expected.discard(Event.ACTIVATE)  # an identity provider's alone (T7); a person invites
        assert set(possible(contact, actor)) == expected, contact


# what stands in the articles: (status, role of who looks, events beside archiving)
OFFERED = [
    (Status.UNINVITED, Role.ADMIN, {Event.INVITE, Event.DELETE}),
    (Status.UNINVITED, Role.TEAM, {Event.INVITE}),
    (Status.INVITED, Role.ADMIN, {Event.RESEND, Event.REVOKE, Event.DEACTIVATE, Event.DELETE}),
    (Status.INVITED, Role.TEAM, {Event.RESEND, Event.REVOKE}),
    (Status.ACTIVE, Role.ADMIN, {Event.DEACTIVATE, Event.DELETE}),
    (Status.ACTIVE, Role.OWNER, {Event.DEACTIVATE, Event.DELETE, Event.TRANSFER}),
    (Status.ACTIVE, Role.TEAM, set()),
    (Status.INACTIVE, Role.ADMIN, {Event.ACTIVATE, Event.REINVITE, Event.DELETE}),
    (Status.INACTIVE, Role.TEAM, set()),
]


@pytest.mark.parametrize(("status", "role", "events"), OFFERED)
def test_what_the_articles_say(status: Status, role: Role, events: set[Event]) -> None:
    contact = given(status)
    actor = who(role, ROLE_PERMISSIONS[role])
    assert set(possible(contact, actor)) == events | {Event.ARCHIVE}
    assert set(possible(replace(contact, archived=True), actor)) == events | {Event.UNARCHIVE}
    assert possible(contact, who(Role.CLIENT, frozenset())) == ()


def test_the_owner_is_archived_at_most() -> None:
    for actor in (who(Role.OWNER, ALL_PERMISSIONS), who(Role.ADMIN, ALL_PERMISSIONS), system("w1")):
        assert possible(OWNER, actor) == (Event.ARCHIVE,)


def test_who_outranks_the_visitor_is_not_invited_by_them() -> None:
    admin = replace(given(Status.UNINVITED), role=Role.ADMIN)
    assert Event.INVITE not in possible(admin, who(Role.TEAM, ROLE_PERMISSIONS[Role.TEAM]))
    assert Event.INVITE in possible(admin, who(Role.ADMIN, ROLE_PERMISSIONS[Role.ADMIN]))


def test_ownership_goes_to_who_holds_a_seat() -> None:
    owner = who(Role.OWNER, ALL_PERMISSIONS)
    assert Event.TRANSFER in possible(replace(given(Status.ACTIVE), seat=ASSIGNED), owner)
    assert Event.TRANSFER not in possible(replace(given(Status.ACTIVE), seat=None), owner)


def test_a_licence_type_of_the_workspaces_own_is_no_hindrance() -> None:
    contact = replace(given(Status.INACTIVE), licence="guest", modified=NOW)
    assert Event.ACTIVATE in possible(contact, system("w1"))


def test_the_menu_has_every_act_that_people_ask_for_on_a_contact_there_is() -> None:
    elsewhere = {Event.EDIT, Event.CHANGE_LICENCE}  # forms of their own
    asked = {row.event for row in TRANSITIONS if row.sources and (row.permission or row.event is Event.TRANSFER)}
    assert set(MENU) == asked - elsewhere
