"""What one row of the table does to a contact, column by column, and the record of it.

Knows nothing of who may do it, of sequences of events, or of versions: contact.decide sees to those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from scim_server.domain import invitation as invitations
from scim_server.domain import seats
from scim_server.domain.errors import InvitationNotPending, OwnerRoleNotSettable, RoleAboveOwn, SignInOfAnother
from scim_server.domain.events import ContactEvent, Fact
from scim_server.domain.invitation import Invitation
from scim_server.domain.record import Contact, Context, Draft
from scim_server.domain.roles import SCOPES, Permission, Role, outranks
from scim_server.domain.seats import Seat, SeatState
from scim_server.domain.transitions import (
    AccountEffect,
    Event,
    InvitationEffect,
    Outcome,
    SeatEffect,
    Status,
    Transition,
)

# Where a profile keeps the e-mails, and where the next invitation is to go: whoever reads its mail is the contact.
_ADDRESSES: Final = ("emails", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User")


def apply(row: Transition, contact: Contact, context: Context) -> Contact:
    """The contact after `row`, version and modified untouched; a seat that isn't claimed yet has no id.

    Raises UnknownLicence, OwnerRoleNotSettable, RoleAboveOwn, and what invitation.issue and accept raise.
    """
    after = _own_effect(row, contact, context)
    after = _with_status(row, after, context.now)
    after = replace(
        after,
        invitation=_invitation_after(row, contact, context),
        account_linked=_LINKED.get(row.account, contact.account_linked),
    )
    return replace(after, seat=_seat_after(row, after, context))


def blank(context: Context) -> Contact:
    """The contact to be, before its first transition: version 0.

    Raises OwnerRoleNotSettable, RoleAboveOwn, UnknownLicence.
    """
    draft = context.draft
    if draft is None or not context.new_id:
        raise ValueError("a new contact needs a draft and an id")
    if draft.role is Role.OWNER:
        raise OwnerRoleNotSettable
    _check_rank(draft.role, context)
    licence = context.licence or seats.DEFAULT_LICENCE
    seats.licence_named(licence, context.licences)
    return Contact(
        id=context.new_id,
        user_name=draft.user_name,
        status=Status.UNINVITED,
        status_changed_at=context.now,
        role=draft.role,
        licence=licence,
        external_id=draft.external_id,
        profile=draft.profile,
        password=draft.password,
        created=context.now,
        modified=context.now,
        version=0,
    )


def _own_effect(row: Transition, contact: Contact, context: Context) -> Contact:
    """What the event does beside the columns of its row."""
    match row.event:
        case Event.EDIT:
            return _edited(contact, context)
        case Event.CHANGE_LICENCE:
            licence = context.licence or contact.licence
            return replace(contact, licence=seats.licence_named(licence, context.licences).name)
        case Event.ARCHIVE if not contact.archived:
            return replace(contact, archived=True, archived_at=context.now)
        case Event.UNARCHIVE:
            return replace(contact, archived=False, archived_at=None)
        case _:
            return contact


def _edited(contact: Contact, context: Context) -> Contact:
    draft = context.draft
    if draft is None:
        raise ValueError("an edit needs a draft")
    if draft.role is not contact.role:
        if Role.OWNER in (draft.role, contact.role):
            raise OwnerRoleNotSettable
        _check_rank(draft.role, context)
        _check_rank(contact.role, context)
    if _signs_in_otherwise(contact, draft, context):
        _check_rank(contact.role, context)
        _check_colleague(contact, context)
    return replace(
        contact,
        user_name=draft.user_name,
        role=draft.role,
        external_id=draft.external_id,
        profile=draft.profile,
        password=draft.password,
    )


def _signs_in_otherwise(contact: Contact, draft: Draft, context: Context) -> bool:
    """Whether an edit changes how the contact signs in: whoever may do that to an admin may be the admin.

    To an identity provider the owner is renamed as others are; what it may not do is to sign in as the owner.
    """
    if contact.password != draft.password:
        return True
    if context.actor_role is None and _standing(context) is Role.ADMIN and contact.role is Role.OWNER:
        return False
    return contact.user_name != draft.user_name or any(
        contact.profile.get(name) != draft.profile.get(name) for name in _ADDRESSES
    )


def _check_colleague(contact: Contact, context: Context) -> None:
    # who has an account at the new address, in whatever workspace, might sign in as the colleague
    role, another = context.actor_role, context.actor_id != contact.id
    below_admin = role is not None and outranks(Role.ADMIN, role)
    if below_admin and another and contact.sign_in_allowed and not outranks(_standing(context), contact.role):
        raise SignInOfAnother


def _check_rank(role: Role, context: Context) -> None:
    # contacts:edit alone would let a team member, or a token with no other scope, make themselves an admin
    if outranks(role, _standing(context)):
        raise RoleAboveOwn(role)


def _standing(context: Context) -> Role:
    """The caller's role; who is no person stands for the one that its permissions are like (D13)."""
    if context.actor_role is not None:
        return context.actor_role
    if Permission.WORKSPACE_MANAGE in context.permissions:
        return Role.OWNER
    return Role.ADMIN if context.permissions >= SCOPES["scim"] else Role.TEAM


def _with_status(row: Transition, contact: Contact, now: datetime) -> Contact:
    status = contact.status
    if isinstance(row.target, Status):
        status = row.target
    elif row.target is Outcome.BEFORE:
        status = contact.invitation.status_before if contact.invitation else Status.UNINVITED
    return contact if status is contact.status else replace(contact, status=status, status_changed_at=now)


def _invitation_after(row: Transition, before: Contact, context: Context) -> Invitation | None:
    current, now = before.invitation, context.now
    if row.invitation in (InvitationEffect.ISSUE, InvitationEffect.RESEND):
        _check_rank(before.role, context)  # who has the link is the contact
    if row.invitation is InvitationEffect.ISSUE:
        return invitations.issue(context.email, before.status, now, context.lifetime)
    if current is None:
        if row.invitation is InvitationEffect.ACCEPT:
            raise InvitationNotPending("gone")
        return None
    match row.invitation:
        case InvitationEffect.RESEND:
            return invitations.resend(current, context.email, now, context.lifetime)
        case InvitationEffect.ACCEPT:
            return invitations.accept(current, context.account_email, now)
        case InvitationEffect.EXPIRE:
            return invitations.expire(current, now)
        case InvitationEffect.REVOKE:
            return invitations.revoke(current)
        case _:
            return current


_LINKED: Final[Mapping[AccountEffect, bool]] = {AccountEffect.LINK: True, AccountEffect.UNLINK: False}
_WANTED: Final[Mapping[SeatEffect, SeatState]] = {
    SeatEffect.RESERVE: SeatState.RESERVED,
    SeatEffect.ASSIGN: SeatState.ASSIGNED,
    SeatEffect.PROMOTE: SeatState.ASSIGNED,
}


def _seat_after(row: Transition, contact: Contact, context: Context) -> Seat | None:
    """The seat wanted: the one held, the one held in another state, or one to be claimed."""
    held = contact.seat
    if row.seat is SeatEffect.KEEP:
        return held
    state = _WANTED.get(row.seat)
    if row.seat is SeatEffect.SWITCH and held:
        state = held.state
    if state is None:
        return None
    if held and held.licence == contact.licence:
        return held if held.state is state else replace(held, state=state, since=context.now)
    licence = seats.licence_named(contact.licence, context.licences)
    return Seat(id="", licence=licence.name, state=state, since=context.now)


def record(row: Transition, before: Contact | None, after: Contact, now: datetime) -> ContactEvent | None:
    """The event for a step; None where it changed nothing."""
    if row.kind is None or (before == after and row.target is not Outcome.DELETED):
        return None
    old, new = _facts(before), _facts(after)
    if row.target is Outcome.DELETED:
        new |= {"status": Outcome.DELETED.value}
    facts = {name: (old[name], new[name]) for name in new if old[name] != new[name]}
    attributes = _changed_attributes(before, after) if before else ()
    return ContactEvent(kind=row.kind, contact_id=after.id, at=now, facts=facts, attributes=attributes)


def _facts(contact: Contact | None) -> dict[str, Fact]:
    if contact is None:
        nothing: dict[str, Fact] = dict.fromkeys(("status", "role", "licence", "invitation"))
        return nothing | {"archived": False, "account_linked": False, "seat": "none"}
    return {
        "status": contact.status.value,
        "archived": contact.archived,
        "role": contact.role.value,
        "licence": contact.licence,
        "seat": contact.seat.state.value if contact.seat else "none",
        "account_linked": contact.account_linked,
        "invitation": contact.invitation.state.value if contact.invitation else None,
    }


def _changed_attributes(before: Contact, after: Contact) -> tuple[str, ...]:
    """Names of what an edit changed, role aside: that is a fact."""
    names = [name for name in ("user_name", "external_id", "password") if getattr(before, name) != getattr(after, name)]
    keys = sorted({*before.profile, *after.profile})
    return (*names, *(key for key in keys if before.profile.get(key) != after.profile.get(key)))
