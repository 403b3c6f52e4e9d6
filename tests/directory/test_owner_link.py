"""The owner's one-time link: a first password, another one, and what the link can't do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from scim_server.directory import invitations, life, owner_link, signin
from scim_server.directory.access import Taken
from scim_server.directory.invitations import WrongPassword
from scim_server.directory.signin import SignInRefused
from scim_server.domain.errors import (
    InvitationExpired,
    InvitationNotPending,
    MissingPermission,
    Refused,
    WrongAccount,
)
from scim_server.domain.roles import ROLE_PERMISSIONS, Role
from scim_server.scim.errors import ScimError
from scim_server.storage import tables
from scim_server.storage.access import hash_of
from scim_server.storage.db import reading
from tests.directory.desk import PASSWORD, Desk, address
from tests.support import World, new_world


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def email_of(desk: Desk) -> str:
    return f"owner@{desk.world.name}.test"


def new_link(desk: Desk) -> str:
    """The text of a new link."""
    made = owner_link.issue(desk.directory, desk.call.actor)
    assert made.link.startswith("https://acme.example/invitation/")
    assert (made.email, made.owner_id) == (email_of(desk), desk.world.owner_id)
    text = made.link.rpartition("/")[2]
    assert text not in repr(made)
    return text


def acts(desk: Desk) -> list[str]:
    with reading(desk.directory.engine) as db:
        of_owner = tables.activity.c.subject_id == desk.world.owner_id
        return list(db.scalars(select(tables.activity.c.act).where(of_owner).order_by(tables.activity.c.id)))


def test_the_owner_sets_a_first_password(desk: Desk) -> None:
    with pytest.raises(SignInRefused):
        desk.sign_in(email_of(desk))
    before = desk.part(desk.world.owner_id)
    text = new_link(desk)
    with reading(desk.directory.engine) as db:
        links = tables.invitation_links.c
        assert db.scalars(select(links.hash).where(links.workspace_id == desk.world.workspace_id)).all() == [
            hash_of(text)
        ]
    offer = invitations.offer(desk.directory, text)
    assert (offer.workspace, offer.email, offer.has_account) == (desk.world.name, email_of(desk), False)
    with pytest.raises(ScimError, match="at least 8"):
        desk.accept(text, "short")
    assert desk.accept(text).contact_id == desk.world.owner_id
    assert desk.sign_in(email_of(desk)).contact_id == desk.world.owner_id
    assert desk.part(desk.world.owner_id) == before, "nothing in its life has changed"
    assert acts(desk)[-2:] == ["contact.owner_link_made", "contact.password_set"]
    assert desk.mails == []
    with pytest.raises(InvitationNotPending):
        desk.accept(text)


def test_another_password_ends_the_sessions_of_the_first(desk: Desk) -> None:
    desk.accept(new_link(desk))
    session = desk.sign_in(email_of(desk))
    old = new_link(desk)
    text = new_link(desk)
    with pytest.raises(InvitationNotPending):
        desk.accept(old, "another horse")
    assert signin.session_of(desk.directory, session.text) is not None
    desk.accept(text, "another horse")
    assert signin.session_of(desk.directory, session.text) is None
    with pytest.raises(SignInRefused):
        desk.sign_in(email_of(desk), PASSWORD)
    assert desk.sign_in(email_of(desk), "another horse").contact_id == desk.world.owner_id


def test_a_link_past_its_time_is_dead_and_swept_out(desk: Desk) -> None:
    text = new_link(desk)
    desk.now += timedelta(days=7)
    with pytest.raises(InvitationExpired):
        invitations.offer(desk.directory, text)
    with pytest.raises(InvitationExpired):
        desk.accept(text)
    assert desk.rows(tables.invitation_links) == 1
    invitations.expire_due(desk.directory)
    assert desk.rows(tables.invitation_links) == 0
    assert desk.part(desk.world.owner_id)["status"] == "active"
    with pytest.raises(InvitationNotPending):
        desk.accept(text)


def test_a_link_works_once_however_many_use_it(desk: Desk) -> None:
    text = new_link(desk)

    def accept(_: int) -> str:
        try:
            return desk.accept(text).contact_id
        except Refused as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(accept, range(4)))
    assert answers.count(desk.world.owner_id) == 1
    assert acts(desk).count("contact.password_set") == 1


def test_a_link_is_the_owners_alone(desk: Desk) -> None:
    text = new_link(desk)
    ann = desk.person(address(), active=True)
    life.transfer(desk.directory, desk.call.actor, ann)
    with pytest.raises(InvitationNotPending):
        desk.accept(text)
    member = replace(desk.call.actor, permissions=ROLE_PERMISSIONS[Role.CLIENT])
    with pytest.raises(MissingPermission):
        owner_link.issue(desk.directory, member)


def test_the_account_of_another_workspace_is_linked_by_its_own_password(desk: Desk) -> None:
    there = Desk(new_world(desk.world.app))
    there.accept(there.invite(there.person(email_of(desk))))
    text = new_link(desk)
    assert invitations.offer(desk.directory, text).has_account
    with pytest.raises(WrongPassword):
        desk.accept(text, "another horse")
    for other in (address(), ""):
        with pytest.raises(WrongAccount):
            invitations.accept(desk.directory, text, account_email=other)
    session = there.sign_in(email_of(desk))
    invitations.accept(desk.directory, text, account_email=email_of(desk))
    assert desk.sign_in(email_of(desk)).contact_id == desk.world.owner_id
    assert there.sign_in(email_of(desk)).workspace_id == there.world.workspace_id
    assert session.workspace_id == there.world.workspace_id


def set_email(desk: Desk, contact_id: str, mail: str) -> None:
    """What the workspace's identity provider may write at any time."""
    value = [{"value": mail, "primary": True}]
    operation = {"op": "replace", "path": "emails", "value": value}
    assert desk.world.client().patch(f"/Users/{contact_id}", operation).status == 200


def test_the_link_is_bound_to_the_address_at_its_issue(desk: Desk) -> None:
    victim, there = address(), Desk(new_world(desk.world.app))
    there.person(victim, active=True)
    text = new_link(desk)
    set_email(desk, desk.world.owner_id, victim)
    assert invitations.offer(desk.directory, text).email == email_of(desk)
    assert desk.accept(text).email == email_of(desk)
    with pytest.raises(SignInRefused):
        there.sign_in(victim)


def unproven(desk: Desk, mail: str) -> signin.SignedIn:
    """The owner, whose address is `mail`, has used an operator's link and signed in."""
    set_email(desk, desk.world.owner_id, mail)
    made = owner_link.issue(desk.directory, desk.call.actor)
    assert made.email == mail
    desk.accept(made.link.rpartition("/")[2])
    return desk.sign_in(mail)


def test_an_account_that_an_owners_link_made_opens_no_other_workspace(desk: Desk) -> None:
    victim, there = address(), Desk(new_world(desk.world.app))
    there.person(victim, active=True)
    session = signin.session_of(desk.directory, unproven(desk, victim).text)
    assert session is not None
    assert session.account_email is None, "nor is it the person elsewhere"
    with pytest.raises(SignInRefused):
        there.sign_in(victim)
    third = Desk(new_world(desk.world.app))
    text = third.invite(third.person(victim))
    with pytest.raises(WrongAccount):
        invitations.accept(third.directory, text, account_email=victim)


def test_who_reads_the_mail_takes_over_an_unproven_account(desk: Desk) -> None:
    victim, there = address(), Desk(new_world(desk.world.app))
    provisioned = there.person(victim, active=True)
    session = unproven(desk, victim)
    third = Desk(new_world(desk.world.app))
    text = third.invite(third.person(victim))
    assert not invitations.offer(third.directory, text).has_account
    third.accept(text, "the person's own")
    assert signin.session_of(desk.directory, session.text) is None
    for each in (desk, there, third):
        with pytest.raises(SignInRefused):
            each.sign_in(victim)
    assert desk.rows(tables.account_links) == 0
    assert third.sign_in(victim, "the person's own").workspace_id == third.world.workspace_id
    assert there.sign_in(victim, "the person's own").contact_id == provisioned
    with pytest.raises(SignInRefused):  # the address is the owner's too, but it is their link that lets them in
        desk.sign_in(victim, "the person's own")
    desk.accept(owner_link.issue(desk.directory, desk.call.actor).link.rpartition("/")[2], "the person's own")
    assert desk.sign_in(victim, "the person's own").contact_id == desk.world.owner_id


def test_in_the_same_workspace_the_owners_account_stays_the_owners(desk: Desk) -> None:
    mail = address()
    unproven(desk, mail)
    with pytest.raises(Taken):
        desk.accept(desk.invite(desk.person(address()), mail), "another horse")
    assert desk.sign_in(mail).contact_id == desk.world.owner_id


def owns_by_mail(desk: Desk, mail: str) -> str:
    """The text of an owner's link of someone who was invited by mail and became the owner."""
    contact_id = desk.accept(desk.invite(desk.person(mail))).contact_id
    life.transfer(desk.directory, desk.call.actor, contact_id)
    return owner_link.issue(desk.directory, desk.call.actor).link.rpartition("/")[2]


def test_a_person_who_opens_other_workspaces_keeps_their_password(desk: Desk) -> None:
    mail, there = address(), Desk(new_world(desk.world.app))
    there.accept(there.invite(there.person(mail)))
    text = owns_by_mail(desk, mail)
    assert invitations.offer(desk.directory, text).has_account
    with pytest.raises(WrongPassword):
        desk.accept(text, "another horse")
    with pytest.raises(SignInRefused):
        there.sign_in(mail, "another horse")
    desk.accept(text)
    assert there.sign_in(mail).workspace_id == there.world.workspace_id


def test_a_password_by_an_owners_link_proves_nothing(desk: Desk) -> None:
    mail, there = address(), Desk(new_world(desk.world.app))
    there.person(mail, active=True)
    text = owns_by_mail(desk, mail)
    desk.accept(text, "another horse")
    assert desk.sign_in(mail, "another horse").workspace_id == desk.world.workspace_id
    with pytest.raises(SignInRefused):
        there.sign_in(mail, "another horse")


def test_a_link_dies_with_the_ownership(desk: Desk) -> None:
    text = new_link(desk)
    ann = desk.person(address(), active=True)
    life.transfer(desk.directory, desk.call.actor, ann)
    life.transfer(desk.directory, desk.call.actor, desk.world.owner_id)
    with pytest.raises(InvitationNotPending):
        desk.accept(text)
