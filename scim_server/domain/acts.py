"""Which acts a person is offered on one contact: those that the rules would carry out. Pure; decides nothing itself.

What a menu shows comes of this, and each act is decided anew when it is asked for. Knows no pages and no words.
"""

from __future__ import annotations

from typing import Final

from scim_server.domain.actor import Actor
from scim_server.domain.contact import decide
from scim_server.domain.errors import OnlyOwner, Refused
from scim_server.domain.record import Contact, Context
from scim_server.domain.roles import Role
from scim_server.domain.seats import LicenceType
from scim_server.domain.transitions import Event, Status, find
from scim_server.domain.workspace import check_heir

# In the order of a menu. An uninvited contact is invited, an inactive one invited again: it never has both.
MENU: Final = (
    Event.DEACTIVATE,
    Event.ACTIVATE,
    Event.INVITE,
    Event.REINVITE,
    Event.RESEND,
    Event.REVOKE,
    Event.ARCHIVE,
    Event.UNARCHIVE,
    Event.DELETE,
    Event.TRANSFER,
)
_SOME_ADDRESS: Final = "someone@example.com"  # which one, whoever invites chooses later


def possible(contact: Contact, actor: Actor) -> tuple[Event, ...]:
    """The acts of MENU that would change the contact and that the actor may ask for (R8, R18, R30, R40, R41).

    TRANSFER is making this contact the owner (T15). Whether a seat is free isn't asked: it may be by the time of the
    act.
    """
    return tuple(event for event in MENU if is_for_people(event, contact.status) and _changes(contact, event, actor))


def is_for_people(event: Event, status: Status) -> bool:
    """Whether the table has a row for `event` on a contact in `status` that isn't an identity provider's alone."""
    row = find(event, status, invite=False)
    return row is not None and not row.by_connection


def _changes(contact: Contact, event: Event, actor: Actor) -> bool:
    try:
        if event is Event.TRANSFER:
            return _is_heir(contact, actor)
        return decide(contact, event, _context(contact, actor)).changed
    except Refused:
        return False


def _is_heir(contact: Contact, actor: Actor) -> bool:
    if actor.kind != "system" and actor.role is not Role.OWNER:
        raise OnlyOwner
    check_heir(contact)
    return True


def _context(contact: Contact, actor: Actor) -> Context:
    """What to decide in for a look alone: nothing of it is kept."""
    return Context(
        now=contact.modified,
        permissions=actor.permissions,
        actor_role=actor.role,
        email=_SOME_ADDRESS,
        licences={contact.licence: LicenceType(contact.licence)},
    )
