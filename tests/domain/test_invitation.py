"""Invitations by themselves: their clock, their states, whose they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scim_server.domain import errors, invitation
from scim_server.domain.invitation import DEFAULT_LIFETIME, InvitationState
from scim_server.domain.transitions import Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PENDING = invitation.issue("Ann@Example.com", Status.INACTIVE, NOW, DEFAULT_LIFETIME)
SETTLED = [state for state in InvitationState if state is not InvitationState.PENDING]


def test_issue() -> None:
    assert PENDING.pending
    assert PENDING.expires_at == NOW + timedelta(days=7)
    assert PENDING.status_before is Status.INACTIVE


@pytest.mark.parametrize("email", [None, ""])
def test_issue_to_nowhere(email: str | None) -> None:
    with pytest.raises(errors.EmailMissing):
        invitation.issue(email, Status.UNINVITED, NOW, DEFAULT_LIFETIME)


@pytest.mark.parametrize(("email", "goes_to"), [(None, "Ann@Example.com"), ("b@example.com", "b@example.com")])
def test_resend(email: str | None, goes_to: str) -> None:
    later = NOW + timedelta(days=3)
    again = invitation.resend(PENDING, email, later, timedelta(days=1))
    assert again == replace(PENDING, email=goes_to, sent_at=later, expires_at=later + timedelta(days=1))


@pytest.mark.parametrize("email", ["Ann@Example.com", "ann@example.COM"])
def test_accept(email: str) -> None:
    just_in_time = PENDING.expires_at - timedelta(microseconds=1)
    assert invitation.accept(PENDING, email, just_in_time).state is InvitationState.ACCEPTED


@pytest.mark.parametrize("email", ["bea@example.com", "", None])
def test_accept_with_another_account(email: str | None) -> None:
    with pytest.raises(errors.WrongAccount) as refused:
        invitation.accept(PENDING, email, NOW)
    assert "Ann" not in str(refused.value)


def test_accept_too_late() -> None:
    with pytest.raises(errors.InvitationExpired):
        invitation.accept(PENDING, PENDING.email, PENDING.expires_at)


@pytest.mark.parametrize("state", SETTLED)
def test_what_is_settled_stays_settled(state: InvitationState) -> None:
    settled = replace(PENDING, state=state)
    with pytest.raises(errors.InvitationNotPending, match=state):
        invitation.accept(settled, PENDING.email, NOW)
    assert invitation.revoke(settled) is settled
    assert invitation.expire(settled, PENDING.expires_at) is settled


def test_revoke_and_expire() -> None:
    assert invitation.revoke(PENDING).state is InvitationState.REVOKED
    assert invitation.expire(PENDING, NOW) is PENDING
    assert invitation.expire(PENDING, PENDING.expires_at).state is InvitationState.EXPIRED
