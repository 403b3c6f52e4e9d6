"""The workspace's own rules: roles and permissions, its first contact, and who owns it. Knows no storage or requests.

The tables themselves are in roles, where contact can read them too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from scim_server.domain.contact import decide
from scim_server.domain.errors import OnlyOwner, TargetNotEligible
from scim_server.domain.events import ContactEvent, Kind
from scim_server.domain.record import Contact, Context, Decision
from scim_server.domain.roles import ALL_PERMISSIONS, ROLE_PERMISSIONS, SCOPES, Permission, Role, expand_scopes
from scim_server.domain.transitions import Event, sources_of

__all__ = [
    "ALL_PERMISSIONS",
    "ROLE_PERMISSIONS",
    "SCOPES",
    "Permission",
    "Role",
    "check_heir",
    "expand_scopes",
    "found",
    "transfer",
]


def found(context: Context) -> Decision:
    """The first contact of a new workspace: its owner, active, with a seat to claim (law 4).

    `context` is as for Event.PROVISION, whose refusals it raises.
    """
    made = decide(None, Event.PROVISION, replace(context, invite=False))
    events = tuple(replace(event, facts={**event.facts, "role": (None, Role.OWNER.value)}) for event in made.events)
    return replace(made, contact=replace(made.contact, role=Role.OWNER), events=events)


def transfer(
    owner: Contact, target: Contact, now: datetime, *, actor_id: str | None = None
) -> tuple[Decision, Decision]:
    """Ownership handed over (T15): the roles swap. Returns the old owner's and the new owner's decision, in that order.

    `actor_id` is the contact that asks; None is an operator at the command line. Raises OnlyOwner, TargetNotEligible.
    """
    if not owner.owner or actor_id not in (None, owner.id):
        raise OnlyOwner
    check_heir(target)
    return (
        _with_role(owner, target.role, Kind.OWNERSHIP_GIVEN, now),
        _with_role(target, Role.OWNER, Kind.OWNERSHIP_RECEIVED, now),
    )


def check_heir(target: Contact) -> None:
    """Refuse a contact that can't become the owner (T15). Raises TargetNotEligible."""
    if target.owner:
        raise TargetNotEligible("owns the workspace already")
    if target.status not in sources_of(Event.TRANSFER):
        raise TargetNotEligible(f"is {target.status}, not active")
    if target.seat is None:
        raise TargetNotEligible("holds no seat")


def _with_role(contact: Contact, role: Role, kind: Kind, now: datetime) -> Decision:
    facts = {"role": (contact.role.value, role.value)}
    return Decision(
        contact=replace(contact, role=role, modified=now, version=contact.version + 1),
        events=(ContactEvent(kind=kind, contact_id=contact.id, at=now, facts=facts),),
        changed=True,
    )
