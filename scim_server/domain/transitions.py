"""The lifecycle as one table: what may happen to a contact, from where, to where, and who may do it.

The rows are data; contact.decide reads them and the diagram and tables of docs/lifecycle.md are printed from them.
Must not know contacts, requests, storage or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scim_server.domain.events import Kind
from scim_server.domain.roles import Permission


class Status(StrEnum):
    """Where a contact stands. Archived and owner are separate flags; a deleted contact has no status."""

    UNINVITED = "uninvited"
    INVITED = "invited"
    ACTIVE = "active"
    INACTIVE = "inactive"


class Event(StrEnum):
    """What is asked of a contact."""

    CREATE = "create"
    INVITE = "invite"
    RESEND = "resend"
    ACCEPT = "accept"
    EXPIRE = "expire"
    REVOKE = "revoke"
    PROVISION = "provision"
    PROVISION_INACTIVE = "provision inactive"
    DEACTIVATE = "deactivate"
    REINVITE = "re-invite"
    ACTIVATE = "activate"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    EDIT = "edit"
    CHANGE_LICENCE = "change licence"
    DELETE = "delete"
    TRANSFER = "transfer ownership"


class Outcome(StrEnum):
    """The targets that are no status of their own."""

    KEEP = "keep"
    BEFORE = "the status before the invitation"
    DELETED = "deleted"


class SeatEffect(StrEnum):
    """What a transition does to the contact's seat."""

    NONE = "none"
    RESERVE = "reserve"
    ASSIGN = "assign"
    PROMOTE = "promote"
    RELEASE = "release"
    SWITCH = "switch"
    KEEP = "keep"


class AccountEffect(StrEnum):
    """What a transition does to the link with the sign-in account. UNLINK also ends sessions and tokens."""

    LINK = "link"
    UNLINK = "unlink"
    KEEP = "keep"


class InvitationEffect(StrEnum):
    """What a transition does to the contact's invitation."""

    ISSUE = "issue"
    RESEND = "resend"
    ACCEPT = "accept"
    EXPIRE = "expire"
    REVOKE = "revoke"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One row: from `sources` (empty: no contact yet) to `target`, with its effects and who may cause it.

    `by_invitation` narrows the row to connections that do (True) or don't (False) give access by invitation; None
    is both (D2). `by_connection`: an identity provider alone asks for it; a person invites instead. `permission` is
    None where `actor` says who else it is. `kind` is the event that is recorded, None where nothing changes and so
    nothing is recorded (T17).
    """

    number: str
    event: Event
    sources: frozenset[Status]
    target: Status | Outcome
    seat: SeatEffect
    account: AccountEffect = AccountEffect.KEEP
    invitation: InvitationEffect = InvitationEffect.KEEP
    permission: Permission | None = Permission.CONTACTS_EDIT
    actor: str = ""
    by_invitation: bool | None = None
    by_connection: bool = False
    never_for_owner: bool = False
    kind: Kind | None
    summary: str

    def applies(self, event: Event, status: Status | None, *, invite: bool) -> bool:
        """Whether this row is for `event` on a contact in `status` (None: no contact yet)."""
        from_here = status in self.sources if status else not self.sources
        return event is self.event and from_here and self.by_invitation in (None, invite)


NOBODY: Final[frozenset[Status]] = frozenset()
ANYONE: Final = frozenset(Status)
UNINVITED: Final = frozenset({Status.UNINVITED})
INVITED: Final = frozenset({Status.INVITED})
ACTIVE: Final = frozenset({Status.ACTIVE})
INACTIVE: Final = frozenset({Status.INACTIVE})

TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition(
        number="T1",
        event=Event.CREATE,
        sources=NOBODY,
        target=Status.UNINVITED,
        seat=SeatEffect.NONE,
        kind=Kind.CREATED,
        summary="A person's record, made in the console or on the command line.",
    ),
    Transition(
        number="T2",
        event=Event.INVITE,
        sources=UNINVITED,
        target=Status.INVITED,
        seat=SeatEffect.RESERVE,
        invitation=InvitationEffect.ISSUE,
        kind=Kind.INVITED,
        summary="Sends an invitation to a chosen address; the seat waits for the answer.",
    ),
    Transition(
        number="T2",
        event=Event.ACTIVATE,
        sources=UNINVITED,
        target=Status.INVITED,
        seat=SeatEffect.RESERVE,
        invitation=InvitationEffect.ISSUE,
        by_invitation=True,
        by_connection=True,
        kind=Kind.INVITED,
        summary="A connection that gives access by invitation invites the contact instead.",
    ),
    Transition(
        number="T3",
        event=Event.RESEND,
        sources=INVITED,
        target=Status.INVITED,
        seat=SeatEffect.KEEP,
        invitation=InvitationEffect.RESEND,
        kind=Kind.RESENT,
        summary="A new link, to the same address or another; the old link is dead.",
    ),
    Transition(
        number="T4",
        event=Event.ACCEPT,
        sources=INVITED,
        target=Status.ACTIVE,
        seat=SeatEffect.PROMOTE,
        account=AccountEffect.LINK,
        invitation=InvitationEffect.ACCEPT,
        permission=None,
        actor="the invited person",
        kind=Kind.ACCEPTED,
        summary="The invited person signs in with the invited address while the link is good.",
    ),
    Transition(
        number="T5",
        event=Event.EXPIRE,
        sources=INVITED,
        target=Outcome.BEFORE,
        seat=SeatEffect.RELEASE,
        invitation=InvitationEffect.EXPIRE,
        permission=None,
        actor="the system",
        kind=Kind.EXPIRED,
        summary="Nobody answered in time. Before that time it changes nothing.",
    ),
    Transition(
        number="T6",
        event=Event.REVOKE,
        sources=INVITED,
        target=Outcome.BEFORE,
        seat=SeatEffect.RELEASE,
        invitation=InvitationEffect.REVOKE,
        kind=Kind.REVOKED,
        summary="Takes the invitation back; its link is dead.",
    ),
    Transition(
        number="T7",
        event=Event.PROVISION,
        sources=NOBODY,
        target=Status.ACTIVE,
        seat=SeatEffect.ASSIGN,
        account=AccountEffect.LINK,
        by_invitation=False,
        kind=Kind.PROVISIONED,
        summary="An identity provider creates someone who may sign in at once.",
    ),
    Transition(
        number="T7",
        event=Event.PROVISION,
        sources=NOBODY,
        target=Status.INVITED,
        seat=SeatEffect.RESERVE,
        invitation=InvitationEffect.ISSUE,
        by_invitation=True,
        kind=Kind.PROVISIONED,
        summary="The same by a connection that gives access by invitation.",
    ),
    Transition(
        number="T7",
        event=Event.ACTIVATE,
        sources=UNINVITED,
        target=Status.ACTIVE,
        seat=SeatEffect.ASSIGN,
        account=AccountEffect.LINK,
        by_invitation=False,
        by_connection=True,
        kind=Kind.ACTIVATED,
        summary="An identity provider takes over a contact that was made by hand.",
    ),
    Transition(
        number="T7b",
        event=Event.PROVISION_INACTIVE,
        sources=NOBODY,
        target=Status.INACTIVE,
        seat=SeatEffect.NONE,
        kind=Kind.PROVISIONED,
        summary="An identity provider creates someone who may not sign in yet.",
    ),
    Transition(
        number="T8",
        event=Event.DEACTIVATE,
        sources=ACTIVE | INVITED,
        target=Status.INACTIVE,
        seat=SeatEffect.RELEASE,
        account=AccountEffect.UNLINK,
        invitation=InvitationEffect.REVOKE,
        permission=Permission.CONTACTS_DELETE,
        never_for_owner=True,
        kind=Kind.DEACTIVATED,
        summary="Access ends at once, everything else stays; nobody is mailed.",
    ),
    Transition(
        number="T9",
        event=Event.REINVITE,
        sources=INACTIVE,
        target=Status.INVITED,
        seat=SeatEffect.RESERVE,
        invitation=InvitationEffect.ISSUE,
        permission=Permission.CONTACTS_DELETE,
        kind=Kind.REINVITED,
        summary="Gives access back by an invitation to a chosen address.",
    ),
    Transition(
        number="T9",
        event=Event.ACTIVATE,
        sources=INACTIVE,
        target=Status.INVITED,
        seat=SeatEffect.RESERVE,
        invitation=InvitationEffect.ISSUE,
        permission=Permission.CONTACTS_DELETE,
        by_invitation=True,
        kind=Kind.REINVITED,
        summary="A connection that gives access by invitation re-invites the contact instead.",
    ),
    Transition(
        number="T10",
        event=Event.ACTIVATE,
        sources=INACTIVE,
        target=Status.ACTIVE,
        seat=SeatEffect.ASSIGN,
        account=AccountEffect.LINK,
        permission=Permission.CONTACTS_DELETE,
        by_invitation=False,
        kind=Kind.ACTIVATED,
        summary="Gives access back at once; not to an account whose address the contact lost meanwhile.",
    ),
    Transition(
        number="T13",
        event=Event.ARCHIVE,
        sources=ANYONE,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        kind=Kind.ARCHIVED,
        summary="Hides the contact from default views, and does nothing else.",
    ),
    Transition(
        number="T13",
        event=Event.UNARCHIVE,
        sources=ANYONE,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        kind=Kind.UNARCHIVED,
        summary="Shows the contact again.",
    ),
    Transition(
        number="T14",
        event=Event.DELETE,
        sources=ANYONE,
        target=Outcome.DELETED,
        seat=SeatEffect.RELEASE,
        account=AccountEffect.UNLINK,
        invitation=InvitationEffect.REVOKE,
        permission=Permission.CONTACTS_DELETE,
        never_for_owner=True,
        kind=Kind.DELETED,
        summary="For good: nothing brings the contact back, and its id is never used again.",
    ),
    Transition(
        number="T15",
        event=Event.TRANSFER,
        sources=ACTIVE,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        permission=None,
        actor="the owner",
        kind=Kind.OWNERSHIP_GIVEN,
        summary="Owner and an active contact with a seat swap their roles.",
    ),
    Transition(
        number="T17",
        event=Event.DEACTIVATE,
        sources=UNINVITED | INACTIVE,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        permission=Permission.CONTACTS_DELETE,
        kind=None,
        summary="Has no access already.",
    ),
    Transition(
        number="T17",
        event=Event.ACTIVATE,
        sources=ACTIVE | INVITED,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        kind=None,
        summary="Has access, or an invitation to it, already.",
    ),
    Transition(
        number="T17",
        event=Event.EXPIRE,
        sources=ANYONE - INVITED,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        permission=None,
        actor="the system",
        kind=None,
        summary="The invitation was answered or taken back before its time was up.",
    ),
    Transition(
        number="edit",
        event=Event.EDIT,
        sources=ANYONE,
        target=Outcome.KEEP,
        seat=SeatEffect.KEEP,
        kind=Kind.EDITED,
        summary="Changes what is known about the person, or their role; never the owner's role.",
    ),
    Transition(
        number="licence",
        event=Event.CHANGE_LICENCE,
        sources=ANYONE,
        target=Outcome.KEEP,
        seat=SeatEffect.SWITCH,
        kind=Kind.LICENCE_CHANGED,
        summary="Swaps the seat for one of another type; without a seat, the type to ask for next time.",
    ),
)


def find(event: Event, status: Status | None, *, invite: bool) -> Transition | None:
    """The row for `event` on a contact in `status` (None: no contact yet); None where there is no such row."""
    return next((row for row in TRANSITIONS if row.applies(event, status, invite=invite)), None)


def rows_for(event: Event) -> tuple[Transition, ...]:
    """Every row of `event`, from whichever status."""
    return tuple(row for row in TRANSITIONS if row.event is event)


def sources_of(event: Event) -> tuple[Status, ...]:
    """The statuses that `event` is possible from, in their order; empty for one that makes a contact."""
    sources = frozenset[Status]().union(*(row.sources for row in rows_for(event)))
    return tuple(status for status in Status if status in sources)
