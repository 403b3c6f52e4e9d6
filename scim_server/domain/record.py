"""A contact as a value, and the values that decisions are made from. Knows no rules: those are in contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scim_server.domain import invitation as invitations
from scim_server.domain import seats
from scim_server.domain.events import ContactEvent
from scim_server.domain.invitation import Invitation
from scim_server.domain.roles import Role
from scim_server.domain.seats import LicenceType, Seat, SeatChange
from scim_server.domain.transitions import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person's record in a workspace.

    `licence` is the type of the seat it holds, or will ask for; `external_id` is what the connection that looks at it
    calls it; `profile` is everything else about the person and opaque here; `password` is a hash. The same id in all
    states (law 7).
    """

    id: str
    user_name: str
    status: Status
    archived: bool = False
    archived_at: datetime | None = None
    status_changed_at: datetime | None = None
    role: Role = Role.TEAM
    licence: str = seats.DEFAULT_LICENCE
    seat: Seat | None = None
    invitation: Invitation | None = None
    account_linked: bool = False
    external_id: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = None
    created: datetime
    modified: datetime
    version: int = 1

    @property
    def owner(self) -> bool:
        """Whether the contact owns the workspace."""
        return self.role is Role.OWNER

    @property
    def sign_in_allowed(self) -> bool:
        """Whether the person may sign in to the workspace now."""
        return self.status is Status.ACTIVE

    @property
    def active(self) -> bool:
        """What SCIM shows as active: true from the invitation on (D1)."""
        return self.status in (Status.INVITED, Status.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a writer may set freely: the whole of it for a new contact, the wanted values for an edit."""

    user_name: str
    role: Role = Role.TEAM
    external_id: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a decision depends on beside the contact.

    `invite`: access is given by invitation (D2). `email`: where an invitation goes. `account_email`: whose account
    accepts it. `draft` and `new_id` are for creating and editing; `licence` is the type wanted by a new contact or by
    a change of licence. `actor_role` and `actor_id` are the role of the person who asks and which contact they are,
    None for a connection or the system.
    """

    now: datetime
    permissions: frozenset[str] = frozenset()
    licences: Mapping[str, LicenceType] = field(default_factory=lambda: seats.DEFAULT_LICENCES)
    invite: bool = False
    email: str | None = None
    lifetime: timedelta = invitations.DEFAULT_LIFETIME
    account_email: str | None = None
    draft: Draft | None = None
    new_id: str = ""
    licence: str | None = None
    actor_role: Role | None = None
    actor_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to save, in one transaction.

    `contact` is the new one, with modified and version set; its seat is None until `seated` where `seat.claims`, and
    for a deletion it is the last state, released. `changed` False is a repeat: the same object, nothing to save.
    `end_sessions`: sessions and tokens of the contact die with the save. `send_invitation`: mail the pending invitation
    with a new link, which makes an older one useless.
    """

    contact: Contact
    events: tuple[ContactEvent, ...] = ()
    seat: SeatChange = seats.KEEP
    changed: bool = False
    deleted: bool = False
    end_sessions: bool = False
    send_invitation: bool = False


def draft_of(contact: Contact) -> Draft:
    """The contact's present values, to change some of them: `replace(draft_of(contact), role=…)`."""
    return Draft(
        user_name=contact.user_name,
        role=contact.role,
        external_id=contact.external_id,
        profile=contact.profile,
        password=contact.password,
    )
