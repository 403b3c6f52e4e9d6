"""A contact, and what becomes of it: (contact, event, context) → a decision, or a refusal.

The rows that decide are in transitions.TRANSITIONS. Must not know SCIM, storage or clocks: `now`, ids and permissions
come in with the context, and whether a seat is free is settled by whoever saves the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scim_server.domain import effects, seats
from scim_server.domain.errors import IllegalTransition, InvitationNotPending, MissingPermission, OwnerProtected
from scim_server.domain.events import ContactEvent
from scim_server.domain.record import Contact, Context, Decision, Draft, draft_of
from scim_server.domain.seats import Seat
from scim_server.domain.transitions import (
    TRANSITIONS,
    AccountEffect,
    Event,
    Outcome,
    Status,
    Transition,
    find,
    rows_for,
    sources_of,
)

__all__ = [
    "TRANSITIONS",
    "Contact",
    "Context",
    "Decision",
    "Draft",
    "Event",
    "Status",
    "Transition",
    "decide",
    "decide_all",
    "draft_of",
    "seated",
    "steps_to",
]

ABSENT = "not there yet"


@dataclass(frozen=True, slots=True)
class _Step:
    """The contact after one transition, its version still the old one, and what the transition was."""

    contact: Contact
    row: Transition
    event: ContactEvent | None

    @property
    def deletes(self) -> bool:
        return self.row.target is Outcome.DELETED


def decide(contact: Contact | None, event: Event, context: Context) -> Decision:
    """What `event` makes of `contact` (None: there is none yet). Raises a subclass of errors.Refused."""
    return decide_all(contact, (event,), context)


def decide_all(contact: Contact | None, events: Sequence[Event], context: Context) -> Decision:
    """What `events`, in that order, make of `contact`: one save, or a refusal of the whole.

    At most one new version and one change of seat come of it; what cancels itself out is a repeat (T17). No events
    leave an existing contact as it is. Raises a subclass of errors.Refused.
    """
    steps: list[_Step] = []
    current = contact
    for event in events:
        if steps and steps[-1].deletes:
            raise IllegalTransition(event, Outcome.DELETED, sources_of(event) or (ABSENT,))
        steps.append(_step(current, event, context))
        current = steps[-1].contact
    if current is None:
        raise ValueError("no contact and no events")
    return _conclude(contact, current, steps, context)


def seated(decision: Decision, seat: Seat) -> Decision:
    """The decision with the seat that was claimed for it; an `over` seat is noted on the event that asked for it."""
    contact = replace(decision.contact, seat=seat)
    if not seat.over:
        return replace(decision, contact=contact)
    asked = [index for index, event in enumerate(decision.events) if {"seat", "licence"} & event.facts.keys()][-1]
    noted = replace(decision.events[asked], facts={**decision.events[asked].facts, "over": (False, True)})
    events = (*decision.events[:asked], noted, *decision.events[asked + 1 :])
    return replace(decision, contact=contact, events=events)


def steps_to(
    contact: Contact,
    *,
    draft: Draft | None = None,
    active: bool | None = None,
    archived: bool | None = None,
    licence: str | None = None,
) -> tuple[Event, ...]:
    """The events that lead from `contact` to what is wanted, for decide_all; None is "as it is" (D9).

    What is so already asks for no event, so writing back what was read needs no permission to activate.
    """
    wanted = (
        (draft is not None and draft != draft_of(contact), Event.EDIT),
        (licence is not None and licence != contact.licence, Event.CHANGE_LICENCE),
        (active is True and not contact.active, Event.ACTIVATE),
        (active is False and contact.active, Event.DEACTIVATE),
        (archived is True and not contact.archived, Event.ARCHIVE),
        (archived is False and contact.archived, Event.UNARCHIVE),
    )
    return tuple(event for needed, event in wanted if needed)


def _step(contact: Contact | None, event: Event, context: Context) -> _Step:
    row = _permitted(contact, event, context)
    before = contact or effects.blank(context)
    if event is Event.EXPIRE and not (before.invitation and before.invitation.due(context.now)):
        return _Step(before, row, None)  # sent again since the sweep looked
    after = effects.apply(row, before, context)
    return _Step(after, row, effects.record(row, contact, after, context.now))


def _permitted(contact: Contact | None, event: Event, context: Context) -> Transition:
    """The row that applies. A missing permission is told first, so that the refusal reveals nothing else."""
    if event is Event.TRANSFER:
        raise ValueError("a transfer is about two contacts: use workspace.transfer")
    row = find(event, contact.status if contact else None, invite=context.invite)
    permission = (row or rows_for(event)[0]).permission
    if permission and permission not in context.permissions:
        raise MissingPermission(permission)
    if row is None:
        raise _illegal(contact, event)
    if row.never_for_owner and contact and contact.owner:
        raise OwnerProtected
    return row


def _illegal(contact: Contact | None, event: Event) -> IllegalTransition | InvitationNotPending:
    if contact and contact.invitation and event is Event.ACCEPT:
        return InvitationNotPending(contact.invitation.state)
    return IllegalTransition(event, contact.status if contact else ABSENT, sources_of(event) or (ABSENT,))


def _conclude(before: Contact | None, after: Contact, steps: Sequence[_Step], context: Context) -> Decision:
    """One decision out of the steps."""
    deleted = any(step.deletes for step in steps)
    if before is not None and before == after and not deleted:
        return Decision(contact=before)
    held = before.seat if before else None
    change = seats.change_between(held, after.seat)
    seat = after.seat
    if held and seat and not change.claims:  # given up and asked for again in one request: it is the same seat
        seat = held if change is seats.KEEP else replace(held, state=seat.state, since=seat.since)
    new = after.invitation
    return Decision(
        contact=replace(after, seat=None if change.claims else seat, modified=context.now, version=after.version + 1),
        events=tuple(step.event for step in steps if step.event),
        seat=change,
        changed=True,
        deleted=deleted,
        end_sessions=any(step.row.account is AccountEffect.UNLINK for step in steps),
        send_invitation=bool(new and new.pending and (before is None or new != before.invitation)),
    )
