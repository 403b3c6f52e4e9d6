"""One event on one contact: every cell of event and status, and what each transition does beside the status."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scim_server.domain import errors
from scim_server.domain.contact import Contact, Context, Decision, Draft, Event, Status, decide, draft_of, seated
from scim_server.domain.events import Kind
from scim_server.domain.invitation import Invitation, InvitationState
from scim_server.domain.roles import ALL_PERMISSIONS, SCOPES, Permission, Role
from scim_server.domain.seats import KEEP, RELEASE, Seat, SeatChange, SeatMove, SeatState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
PERSON = Draft(user_name="ann@example.com", external_id="x1", profile={"title": "Chef"})
CONTEXT = Context(
    now=LATER, permissions=ALL_PERMISSIONS, email="ann@example.com", account_email="Ann@Example.com", draft=PERSON
)
CLAIM_RESERVED = SeatChange(SeatMove.CLAIM, "member", SeatState.RESERVED)
CLAIM_ASSIGNED = SeatChange(SeatMove.CLAIM, "member", SeatState.ASSIGNED)
PROMOTE = SeatChange(SeatMove.PROMOTE, "member", SeatState.ASSIGNED)
RESERVED = Seat(id="s1", licence="member", state=SeatState.RESERVED, since=NOW)
ASSIGNED = replace(RESERVED, state=SeatState.ASSIGNED)
PENDING = Invitation(email="ann@example.com", sent_at=NOW, expires_at=NOW + timedelta(days=7))


def given(status: Status) -> Contact:
    contact = Contact(
        id="c1",
        user_name=PERSON.user_name,
        external_id=PERSON.external_id,
        profile=PERSON.profile,
        status=status,
        status_changed_at=NOW,
        created=NOW,
        modified=NOW,
    )
    if status is Status.INVITED:
        return replace(contact, seat=RESERVED, invitation=PENDING)
    if status is Status.ACTIVE:
        accepted = replace(PENDING, state=InvitationState.ACCEPTED)
        return replace(contact, seat=ASSIGNED, invitation=accepted, account_linked=True)
    return contact


# (event, status, by invitation, status after, seat change, record); what isn't here is in REPEATS or refused.
CHANGES = [
    (Event.INVITE, "uninvited", False, "invited", CLAIM_RESERVED, Kind.INVITED),
    (Event.ACTIVATE, "uninvited", True, "invited", CLAIM_RESERVED, Kind.INVITED),
    (Event.ACTIVATE, "uninvited", False, "active", CLAIM_ASSIGNED, Kind.ACTIVATED),
    (Event.RESEND, "invited", False, "invited", KEEP, Kind.RESENT),
    (Event.ACCEPT, "invited", False, "active", PROMOTE, Kind.ACCEPTED),
    (Event.REVOKE, "invited", False, "uninvited", RELEASE, Kind.REVOKED),
    (Event.DEACTIVATE, "invited", False, "inactive", RELEASE, Kind.DEACTIVATED),
    (Event.DEACTIVATE, "active", False, "inactive", RELEASE, Kind.DEACTIVATED),
    (Event.REINVITE, "inactive", False, "invited", CLAIM_RESERVED, Kind.REINVITED),
    (Event.ACTIVATE, "inactive", True, "invited", CLAIM_RESERVED, Kind.REINVITED),
    (Event.ACTIVATE, "inactive", False, "active", CLAIM_ASSIGNED, Kind.ACTIVATED),
    *[(Event.ARCHIVE, status, False, status, KEEP, Kind.ARCHIVED) for status in Status],
]
REPEATS = [
    (Event.DEACTIVATE, "uninvited"),
    (Event.DEACTIVATE, "inactive"),
    (Event.ACTIVATE, "invited"),
    (Event.ACTIVATE, "active"),
    *[(event, status) for status in Status for event in (Event.UNARCHIVE, Event.EDIT, Event.CHANGE_LICENCE)],
    *[(Event.EXPIRE, status) for status in Status],
]
DELETIONS = [(Event.DELETE, status) for status in Status]
CREATIONS = (Event.CREATE, Event.PROVISION, Event.PROVISION_INACTIVE)
DEALT_WITH = {(row[0], row[1]) for row in (*CHANGES, *REPEATS, *DELETIONS)}
REFUSED = [
    (event, status)
    for event in Event
    for status in Status
    if (event, status) not in DEALT_WITH and event not in (Event.TRANSFER,)
]


@pytest.mark.parametrize(("event", "status", "invite", "after", "seat", "kind"), CHANGES)
def test_change(event: Event, status: str, *, invite: bool, after: str, seat: SeatChange, kind: Kind) -> None:
    contact = given(Status(status))
    decision = decide(contact, event, replace(CONTEXT, invite=invite))
    assert decision.changed
    assert (decision.contact.status, decision.seat) == (after, seat)
    assert [record.kind for record in decision.events] == [kind]
    assert (decision.contact.version, decision.contact.modified) == (2, LATER)
    assert decision.contact.status_changed_at == (NOW if after == status else LATER)
    assert decision.contact.id == contact.id


@pytest.mark.parametrize(("event", "status"), REPEATS)
def test_repeat_is_the_same_object_and_records_nothing(event: Event, status: Status) -> None:
    contact = given(Status(status))
    decision = decide(contact, event, CONTEXT)
    assert decision == Decision(contact=contact)
    assert decision.contact is contact


@pytest.mark.parametrize(("event", "status"), REFUSED)
def test_anything_else_is_refused(event: Event, status: Status) -> None:
    expected = errors.InvitationNotPending if (event, status) == (Event.ACCEPT, "active") else errors.IllegalTransition
    with pytest.raises(expected):
        decide(given(status), event, CONTEXT)


@pytest.mark.parametrize("event", [event for event in Event if event not in (*CREATIONS, Event.TRANSFER)])
def test_nothing_happens_to_nobody(event: Event) -> None:
    with pytest.raises(errors.IllegalTransition, match="this one is not there yet"):
        decide(None, event, CONTEXT)


@pytest.mark.parametrize("status", Status)
def test_delete_releases_everything(status: Status) -> None:
    decision = decide(given(status), Event.DELETE, CONTEXT)
    assert decision.deleted
    assert decision.end_sessions
    assert decision.changed
    assert decision.seat == (RELEASE if status in ("invited", "active") else KEEP)
    assert decision.contact.seat is None
    assert not decision.contact.account_linked
    assert not decision.send_invitation
    assert decision.events[0].kind is Kind.DELETED
    assert decision.events[0].facts["status"] == (status, "deleted")


# (event, by invitation, status, seat change, account linked, record)
CREATED = [
    (Event.CREATE, False, "uninvited", KEEP, False, Kind.CREATED),
    (Event.PROVISION, False, "active", CLAIM_ASSIGNED, True, Kind.PROVISIONED),
    (Event.PROVISION, True, "invited", CLAIM_RESERVED, False, Kind.PROVISIONED),
    (Event.PROVISION_INACTIVE, False, "inactive", KEEP, False, Kind.PROVISIONED),
]


@pytest.mark.parametrize(("event", "invite", "status", "seat", "linked", "kind"), CREATED)
def test_new_contact(event: Event, *, invite: bool, status: str, seat: SeatChange, linked: bool, kind: Kind) -> None:
    decision = decide(None, event, replace(CONTEXT, new_id="n1", invite=invite))
    contact = decision.contact
    assert (contact.id, contact.status, decision.seat, contact.account_linked) == ("n1", status, seat, linked)
    assert (contact.version, contact.created, contact.modified, contact.status_changed_at) == (1, LATER, LATER, LATER)
    assert draft_of(contact) == PERSON
    assert decision.send_invitation is invite
    assert [record.kind for record in decision.events] == [kind]
    assert decision.events[0].facts["status"] == (None, status)


@pytest.mark.parametrize("context", [replace(CONTEXT, new_id="n1", draft=None), CONTEXT])
def test_new_contact_needs_draft_and_id(context: Context) -> None:
    with pytest.raises(ValueError, match="a draft and an id"):
        decide(None, Event.CREATE, context)


def test_deactivation_changes_exactly_this() -> None:
    before = replace(given(Status.ACTIVE), archived=True, archived_at=NOW)
    decision = decide(before, Event.DEACTIVATE, CONTEXT)
    assert decision.contact == replace(
        before,
        status=Status.INACTIVE,
        status_changed_at=LATER,
        seat=None,
        account_linked=False,
        modified=LATER,
        version=2,
    )
    assert decision.end_sessions
    assert not decision.send_invitation
    assert decision.events[0].facts == {
        "status": ("active", "inactive"),
        "seat": ("assigned", "none"),
        "account_linked": (True, False),
    }


def test_deactivating_the_invited_revokes_the_invitation() -> None:
    contact = decide(given(Status.INVITED), Event.DEACTIVATE, CONTEXT).contact
    assert contact.invitation == replace(PENDING, state=InvitationState.REVOKED)


@pytest.mark.parametrize("event", [Event.REVOKE, Event.EXPIRE])
@pytest.mark.parametrize("before", [Status.UNINVITED, Status.INACTIVE])
def test_without_an_answer_the_contact_falls_back(event: Event, before: Status) -> None:
    context = replace(CONTEXT, now=PENDING.expires_at)
    contact = replace(given(Status.INVITED), invitation=replace(PENDING, status_before=before))
    decision = decide(contact, event, context)
    assert (decision.contact.status, decision.contact.seat, decision.seat) == (before, None, RELEASE)
    assert decision.contact.invitation
    assert decision.contact.invitation.state == ("revoked" if event is Event.REVOKE else "expired")


def test_a_lost_invitation_falls_back_to_uninvited() -> None:
    contact = replace(given(Status.INVITED), invitation=None)
    assert decide(contact, Event.REVOKE, CONTEXT).contact.status == "uninvited"


def test_a_lost_invitation_is_not_accepted() -> None:
    with pytest.raises(errors.InvitationNotPending, match="gone"):
        decide(replace(given(Status.INVITED), invitation=None), Event.ACCEPT, CONTEXT)


def test_reinvitation_remembers_where_it_came_from() -> None:
    contact = decide(given(Status.INACTIVE), Event.REINVITE, CONTEXT).contact
    assert contact.invitation
    assert contact.invitation.status_before is Status.INACTIVE
    assert not contact.account_linked
    assert not contact.sign_in_allowed
    assert contact.active


@pytest.mark.parametrize("event", [Event.INVITE, Event.REINVITE])
def test_invitation_needs_an_address(event: Event) -> None:
    status = Status.UNINVITED if event is Event.INVITE else Status.INACTIVE
    with pytest.raises(errors.EmailMissing):
        decide(given(status), event, replace(CONTEXT, email=None))


def test_resend_is_mailed_and_keeps_the_seat() -> None:
    decision = decide(given(Status.INVITED), Event.RESEND, replace(CONTEXT, email="new@example.com"))
    assert decision.send_invitation
    assert decision.contact.seat == RESERVED
    assert decision.contact.invitation
    assert (decision.contact.invitation.email, decision.contact.invitation.sent_at) == ("new@example.com", LATER)


def test_acceptance_promotes_the_reserved_seat() -> None:
    contact = decide(given(Status.INVITED), Event.ACCEPT, replace(CONTEXT, permissions=frozenset())).contact
    assert contact.seat == replace(RESERVED, state=SeatState.ASSIGNED, since=LATER)
    assert contact.account_linked
    assert contact.sign_in_allowed


def test_archive_changes_nothing_but_the_flag() -> None:
    before = given(Status.ACTIVE)
    context = replace(CONTEXT, permissions=frozenset({"contacts:edit"}))
    archived = decide(before, Event.ARCHIVE, context).contact
    assert archived == replace(before, archived=True, archived_at=LATER, modified=LATER, version=2)
    again = decide(archived, Event.ARCHIVE, replace(context, now=LATER + timedelta(hours=1)))
    assert again == Decision(contact=archived)
    assert decide(archived, Event.UNARCHIVE, context).contact == replace(before, modified=LATER, version=3)


# What must not be allowed without exactly this permission, and what it needs on a contact it repeats on.
PERMISSIONS = [
    (Event.INVITE, "uninvited", Permission.CONTACTS_EDIT),
    (Event.RESEND, "invited", Permission.CONTACTS_EDIT),
    (Event.REVOKE, "invited", Permission.CONTACTS_EDIT),
    (Event.ACTIVATE, "uninvited", Permission.CONTACTS_EDIT),
    (Event.ACTIVATE, "active", Permission.CONTACTS_EDIT),
    (Event.ACTIVATE, "inactive", Permission.CONTACTS_DELETE),
    (Event.REINVITE, "inactive", Permission.CONTACTS_DELETE),
    (Event.DEACTIVATE, "active", Permission.CONTACTS_DELETE),
    (Event.DEACTIVATE, "invited", Permission.CONTACTS_DELETE),
    (Event.DEACTIVATE, "inactive", Permission.CONTACTS_DELETE),
    (Event.DELETE, "inactive", Permission.CONTACTS_DELETE),
    (Event.ARCHIVE, "active", Permission.CONTACTS_EDIT),
    (Event.UNARCHIVE, "active", Permission.CONTACTS_EDIT),
    (Event.EDIT, "active", Permission.CONTACTS_EDIT),
    (Event.CHANGE_LICENCE, "active", Permission.CONTACTS_EDIT),
    (Event.REINVITE, "active", Permission.CONTACTS_DELETE),  # not possible either: the permission is told first
]


@pytest.mark.parametrize(("event", "status", "permission"), PERMISSIONS)
def test_permission(event: Event, status: str, permission: Permission) -> None:
    context = replace(CONTEXT, permissions=ALL_PERMISSIONS - {permission})
    with pytest.raises(errors.MissingPermission, match=f"'{permission}'") as refused:
        decide(given(Status(status)), event, context)
    assert refused.value.permission == permission


@pytest.mark.parametrize("event", CREATIONS)
def test_creating_needs_edit(event: Event) -> None:
    with pytest.raises(errors.MissingPermission, match="contacts:edit"):
        decide(None, event, replace(CONTEXT, permissions=frozenset({"contacts:delete"}), new_id="n1"))


@pytest.mark.parametrize("event", [Event.DEACTIVATE, Event.DELETE])
def test_owner_is_protected_after_the_permission(event: Event) -> None:
    owner = replace(given(Status.ACTIVE), role=Role.OWNER)
    assert owner.owner
    with pytest.raises(errors.OwnerProtected) as refused:
        decide(owner, event, CONTEXT)
    assert str(refused.value) == ("The workspace owner can't be deactivated or deleted. Transfer ownership first.")
    with pytest.raises(errors.MissingPermission):
        decide(owner, event, replace(CONTEXT, permissions=frozenset()))


def test_owner_can_be_archived() -> None:
    assert decide(replace(given(Status.ACTIVE), role=Role.OWNER), Event.ARCHIVE, CONTEXT).contact.archived


def test_edit_names_what_changed_and_never_the_values() -> None:
    draft = replace(PERSON, user_name="bea@example.com", role=Role.ADMIN, profile={"title": "Chef", "nickName": "B"})
    decision = decide(given(Status.ACTIVE), Event.EDIT, replace(CONTEXT, draft=draft))
    assert draft_of(decision.contact) == draft
    assert decision.events[0].attributes == ("user_name", "nickName")
    assert decision.events[0].facts == {"role": ("team", "admin")}
    assert "bea" not in repr(decision.events)


def test_edit_needs_a_draft() -> None:
    with pytest.raises(ValueError, match="needs a draft"):
        decide(given(Status.ACTIVE), Event.EDIT, replace(CONTEXT, draft=None))


@pytest.mark.parametrize(("has", "wants"), [(Role.OWNER, Role.ADMIN), (Role.TEAM, Role.OWNER)])
def test_owner_role_is_not_settable(has: Role, wants: Role) -> None:
    contact = replace(given(Status.ACTIVE), role=has)
    with pytest.raises(errors.OwnerRoleNotSettable):
        decide(contact, Event.EDIT, replace(CONTEXT, draft=replace(PERSON, role=wants)))


def test_nobody_is_created_as_owner() -> None:
    with pytest.raises(errors.OwnerRoleNotSettable):
        decide(None, Event.CREATE, replace(CONTEXT, new_id="n1", draft=replace(PERSON, role=Role.OWNER)))


@pytest.mark.parametrize(("has", "wants"), [(Role.TEAM, Role.ADMIN), (Role.ADMIN, Role.TEAM)])
def test_nobody_deals_in_roles_above_their_own(has: Role, wants: Role) -> None:
    context = replace(CONTEXT, draft=replace(PERSON, role=wants), actor_role=Role.TEAM)
    with pytest.raises(errors.RoleAboveOwn, match="'admin'"):
        decide(replace(given(Status.ACTIVE), role=has), Event.EDIT, context)
    assert decide(replace(given(Status.ACTIVE), role=has), Event.EDIT, replace(context, actor_role=Role.ADMIN)).changed


_FEW = frozenset({Permission.CONTACTS_VIEW, Permission.CONTACTS_EDIT})


@pytest.mark.parametrize(
    ("holder", "draft", "permissions", "refused"),
    [
        (Role.TEAM, replace(PERSON, role=Role.ADMIN), _FEW, True),
        (Role.TEAM, replace(PERSON, role=Role.ADMIN), SCOPES["scim"], False),
        (Role.ADMIN, replace(PERSON, role=Role.ADMIN, password="hash"), _FEW, True),
        (Role.ADMIN, replace(PERSON, role=Role.ADMIN, user_name="bea@example.com"), _FEW, True),
        (Role.ADMIN, replace(PERSON, role=Role.ADMIN, password="hash"), SCOPES["scim"], False),
        (Role.OWNER, replace(PERSON, role=Role.OWNER, password="hash"), SCOPES["scim"], True),
        (Role.OWNER, replace(PERSON, role=Role.OWNER, user_name="bea@example.com"), _FEW, True),
        (Role.OWNER, replace(PERSON, role=Role.OWNER, user_name="bea@example.com"), SCOPES["scim"], False),
        (Role.OWNER, replace(PERSON, role=Role.OWNER, profile={"title": "Boss"}), _FEW, False),
        (Role.OWNER, replace(PERSON, role=Role.OWNER, password="hash"), ALL_PERMISSIONS, False),
    ],
)
def test_a_token_makes_no_admin_by_few_scopes_and_signs_in_as_no_owner(
    holder: Role, draft: Draft, permissions: frozenset[Permission], refused: bool
) -> None:
    contact = replace(given(Status.ACTIVE), role=holder)
    context = replace(CONTEXT, draft=draft, permissions=permissions)
    with pytest.raises(errors.RoleAboveOwn) if refused else nullcontext():
        assert decide(contact, Event.EDIT, context).changed


def test_holder_switches_to_another_licence() -> None:
    decision = decide(given(Status.INVITED), Event.CHANGE_LICENCE, replace(CONTEXT, licence="client"))
    assert decision.seat == SeatChange(SeatMove.SWITCH, "client", SeatState.RESERVED)
    assert decision.contact.seat is None
    assert decision.contact.licence == "client"
    assert decision.events[0].facts == {"licence": ("member", "client")}


def test_without_a_seat_the_licence_is_remembered() -> None:
    decision = decide(given(Status.INACTIVE), Event.CHANGE_LICENCE, replace(CONTEXT, licence="client"))
    assert (decision.seat, decision.contact.licence) == (KEEP, "client")
    back = decide(decision.contact, Event.ACTIVATE, CONTEXT)
    assert back.seat == SeatChange(SeatMove.CLAIM, "client", SeatState.ASSIGNED)


@pytest.mark.parametrize("event", [Event.CHANGE_LICENCE, Event.PROVISION])
def test_unknown_licence(event: Event) -> None:
    contact = None if event is Event.PROVISION else given(Status.ACTIVE)
    with pytest.raises(errors.UnknownLicence, match=r"'gold'\. This workspace has: 'client', 'member'"):
        decide(contact, event, replace(CONTEXT, licence="gold", new_id="n1"))


def test_a_licence_type_that_is_gone_is_not_claimed() -> None:
    with pytest.raises(errors.UnknownLicence):
        decide(replace(given(Status.INACTIVE), licence="gold"), Event.ACTIVATE, CONTEXT)


@pytest.mark.parametrize("over", [False, True])
def test_seated(*, over: bool) -> None:
    decision = decide(given(Status.INACTIVE), Event.ACTIVATE, CONTEXT)
    seat = replace(ASSIGNED, id="s9", over=over)
    done = seated(decision, seat)
    assert done.contact == replace(decision.contact, seat=seat)
    assert done.events[0].facts.get("over") == ((False, True) if over else None)


def test_transfer_is_not_about_one_contact() -> None:
    with pytest.raises(ValueError, match=r"workspace\.transfer"):
        decide(given(Status.ACTIVE), Event.TRANSFER, CONTEXT)
