"""One invitation: issue, send again, accept, revoke, expire. Knows neither mail nor links nor their secrets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from scim_server.domain.errors import EmailMissing, InvitationExpired, InvitationNotPending, WrongAccount
from scim_server.domain.transitions import Status

DEFAULT_LIFETIME: Final = timedelta(days=7)


class InvitationState(StrEnum):
    """What became of an invitation."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """The last invitation of a contact; `status_before` is where the contact falls back to without an answer."""

    email: str
    sent_at: datetime
    expires_at: datetime
    state: InvitationState = InvitationState.PENDING
    status_before: Status = Status.UNINVITED

    @property
    def pending(self) -> bool:
        """Whether an answer is still awaited."""
        return self.state is InvitationState.PENDING

    def due(self, now: datetime) -> bool:
        """Whether its time is up."""
        return now >= self.expires_at


def issue(email: str | None, status_before: Status, now: datetime, lifetime: timedelta) -> Invitation:
    """A new invitation to `email`. Raises EmailMissing."""
    if not email:
        raise EmailMissing
    return Invitation(email=email, sent_at=now, expires_at=now + lifetime, status_before=status_before)


def resend(invitation: Invitation, email: str | None, now: datetime, lifetime: timedelta) -> Invitation:
    """The invitation sent anew, to `email` or where it went before (T3)."""
    return issue(email or invitation.email, invitation.status_before, now, lifetime)


def is_for(email: str, account_email: str | None) -> bool:
    """Whether what was sent to `email` may be accepted as the account of that e-mail, compared without case (T4)."""
    return (account_email or "").casefold() == email.casefold()


def accept(invitation: Invitation, account_email: str | None, now: datetime) -> Invitation:
    """The invitation accepted by the account with that e-mail, compared without case (T4).

    Raises InvitationNotPending, InvitationExpired, WrongAccount.
    """
    if not invitation.pending:
        raise InvitationNotPending(invitation.state)
    if invitation.due(now):
        raise InvitationExpired
    if not is_for(invitation.email, account_email):
        raise WrongAccount
    return replace(invitation, state=InvitationState.ACCEPTED)


def revoke(invitation: Invitation) -> Invitation:
    """The invitation taken back (T6, T8, T14); one that is settled stays as it is."""
    return replace(invitation, state=InvitationState.REVOKED) if invitation.pending else invitation


def expire(invitation: Invitation, now: datetime) -> Invitation:
    """The invitation past its time (T5); one that is settled or still good stays as it is."""
    if invitation.pending and invitation.due(now):
        return replace(invitation, state=InvitationState.EXPIRED)
    return invitation
