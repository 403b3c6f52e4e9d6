"""Several events in one request: one save, one change of seat, or a refusal of the whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from scim_server.domain import errors
from scim_server.domain.contact import (
    Contact,
    Context,
    Decision,
    Draft,
    Event,
    Status,
    decide_all,
    draft_of,
    seated,
    steps_to,
)
from scim_server.domain.roles import ALL_PERMISSIONS
from scim_server.domain.seats import KEEP, RELEASE, Seat, SeatChange, SeatMove, SeatState

THEN, NOW = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
SEAT = Seat(id="s1", licence="member", state=SeatState.ASSIGNED, since=THEN)
ACTIVE = Contact(
    id="c1", user_name="ann", status=Status.ACTIVE, seat=SEAT, account_linked=True, created=THEN, modified=THEN
)
INACTIVE = replace(ACTIVE, status=Status.INACTIVE, seat=None, account_linked=False)
CONTEXT = Context(
    now=NOW, permissions=ALL_PERMISSIONS, draft=Draft(user_name="bea"), licence="client", email="a@b.c", new_id="n1"
)
CLIENT_SEAT = SeatChange(SeatMove.CLAIM, "client", SeatState.ASSIGNED)

# (contact, events, change of seat, status after)
MERGED = [
    (ACTIVE, (Event.EDIT, Event.DEACTIVATE, Event.ARCHIVE), RELEASE, "inactive"),
    (ACTIVE, (Event.CHANGE_LICENCE, Event.DEACTIVATE), RELEASE, "inactive"),
    (ACTIVE, (Event.DEACTIVATE, Event.ACTIVATE), KEEP, "active"),
    (ACTIVE, (Event.DEACTIVATE, Event.REINVITE), SeatChange(SeatMove.SWITCH, "member", SeatState.RESERVED), "invited"),
    (INACTIVE, (Event.CHANGE_LICENCE, Event.ACTIVATE), CLIENT_SEAT, "active"),
    (INACTIVE, (Event.ACTIVATE, Event.CHANGE_LICENCE), CLIENT_SEAT, "active"),
    (INACTIVE, (Event.ACTIVATE, Event.DEACTIVATE), KEEP, "inactive"),
    (None, (Event.PROVISION, Event.ARCHIVE), CLIENT_SEAT, "active"),
]


@pytest.mark.parametrize(("contact", "events", "seat", "status"), MERGED)
def test_one_version_and_one_change_of_seat(
    contact: Contact | None, events: tuple[Event, ...], seat: SeatChange, status: str
) -> None:
    decision = decide_all(contact, events, CONTEXT)
    assert (decision.seat, decision.contact.status) == (seat, status)
    assert decision.contact.version == (2 if contact else 1)
    assert decision.contact.modified == NOW
    assert len(decision.events) == len(events)


def test_a_seat_that_is_kept_stays_the_same_one() -> None:
    assert decide_all(ACTIVE, (Event.DEACTIVATE, Event.ACTIVATE), CONTEXT).contact.seat is SEAT


def test_a_reserved_seat_given_up_and_assigned_is_promoted() -> None:
    reserved = replace(SEAT, state=SeatState.RESERVED)
    invited = replace(ACTIVE, status=Status.INVITED, seat=reserved, account_linked=False)
    decision = decide_all(invited, (Event.REVOKE, Event.ACTIVATE), CONTEXT)
    assert decision.seat == SeatChange(SeatMove.PROMOTE, "member", SeatState.ASSIGNED)
    assert decision.contact.seat == replace(reserved, state=SeatState.ASSIGNED, since=NOW)


def test_refused_whole() -> None:
    context = replace(CONTEXT, permissions=frozenset({"contacts:edit"}))
    with pytest.raises(errors.MissingPermission, match="contacts:delete"):
        decide_all(ACTIVE, (Event.EDIT, Event.DEACTIVATE), context)


@pytest.mark.parametrize("events", [(), (Event.ARCHIVE, Event.UNARCHIVE), (Event.ACTIVATE, Event.UNARCHIVE)])
def test_what_cancels_itself_out_is_a_repeat(events: tuple[Event, ...]) -> None:
    assert decide_all(ACTIVE, events, CONTEXT) == Decision(contact=ACTIVE)


@pytest.mark.parametrize("event", [Event.ARCHIVE, Event.CREATE])
def test_nothing_comes_after_a_deletion(event: Event) -> None:
    with pytest.raises(errors.IllegalTransition, match="this one is deleted"):
        decide_all(ACTIVE, (Event.DELETE, event), CONTEXT)


def test_nobody_and_no_events() -> None:
    with pytest.raises(ValueError, match="no contact"):
        decide_all(None, (), CONTEXT)


@pytest.mark.parametrize(
    ("contact", "events", "noted"),
    [
        (INACTIVE, (Event.CHANGE_LICENCE, Event.ACTIVATE, Event.ARCHIVE), 1),
        (ACTIVE, (Event.EDIT, Event.CHANGE_LICENCE), 1),
    ],
)
def test_over_is_noted_on_the_event_that_asked(contact: Contact, events: tuple[Event, ...], noted: int) -> None:
    decision = decide_all(contact, events, CONTEXT)
    done = seated(decision, replace(SEAT, licence="client", over=True))
    assert ["over" in event.facts for event in done.events] == [index == noted for index in range(len(events))]


def test_steps_to_what_is_wanted() -> None:
    draft = replace(draft_of(ACTIVE), user_name="bea")
    assert steps_to(ACTIVE, draft=draft, active=False, archived=True, licence="client") == (
        Event.EDIT,
        Event.CHANGE_LICENCE,
        Event.DEACTIVATE,
        Event.ARCHIVE,
    )
    assert steps_to(replace(INACTIVE, archived=True), active=True, archived=False) == (Event.ACTIVATE, Event.UNARCHIVE)


def test_what_is_so_already_takes_no_steps() -> None:
    assert steps_to(ACTIVE, draft=draft_of(ACTIVE), active=True, archived=False, licence="member") == ()
    assert steps_to(ACTIVE) == ()
