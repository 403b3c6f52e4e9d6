"""Sign-in links: who gets one and where, what it does, what kills it, and what strangers can't do by it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from scim_server.directory import activity, contacts, invitations, life, owner_link, signin, signin_link
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.directory.invitations import MailFailed, WrongPassword
from scim_server.directory.signin import SignInRefused
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Event
from scim_server.domain.errors import InvitationExpired, InvitationNotPending, MissingPermission, Refused
from scim_server.domain.roles import ROLE_PERMISSIONS, Role
from scim_server.mail import Letter
from scim_server.scim.patch import read_operations
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.directory.desk import PASSWORD, TWINS, Desk, address, written_alike
from tests.support import World, new_world, patch_body

NEW = "another horse"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def ask(desk: Desk, email: str) -> list[str]:
    """Where mails went that came of asking."""
    before = len(desk.mails)
    signin_link.ask(desk.directory, desk.world.name, email)
    return [each.to for each in desk.mails[before:]]


def asked(desk: Desk, email: str) -> str:
    """The text of the link that came."""
    assert len(ask(desk, email)) == 1
    return desk.text


def member(desk: Desk, email: str, **attributes: Any) -> str:
    """A contact who accepted an invitation, so that the account is proven."""
    return desk.accept(desk.invite(desk.person(email, **attributes))).contact_id


def change(desk: Desk, contact_id: str, **values: Any) -> None:
    body = patch_body({"op": "replace", "value": values})
    operations = read_operations(desk.directory.types.user, body, frozenset())
    contacts.patch(desk.directory, desk.call, contact_id, operations)


def acts(desk: Desk, contact_id: str) -> list[str]:
    with reading(desk.directory.engine) as db:
        of_contact = tables.activity.c.subject_id == contact_id
        return list(db.scalars(select(tables.activity.c.act).where(of_contact).order_by(tables.activity.c.id)))


def actor_of(desk: Desk, role: Role) -> Actor:
    return replace(desk.call.actor, kind="contact", role=role, permissions=ROLE_PERMISSIONS[role])


# What a link does


def test_who_was_provisioned_sets_a_first_password(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)
    before = desk.part(ann)
    text = asked(desk, email.upper())
    letter = desk.mails[-1]
    assert (letter.to, letter.purpose, letter.expires - letter.sent) == (email, "sign_in", timedelta(hours=1))
    offer = invitations.offer(desk.directory, text)
    assert (offer.email, offer.has_account, offer.joins) == (email, False, False)
    assert desk.accept(text).contact_id == ann
    assert desk.sign_in(email).contact_id == ann
    assert desk.part(ann) == before, "nothing in its life has changed"
    assert acts(desk, ann)[-2:] == ["contact.sign_in_link_mailed", "contact.password_set"]
    with pytest.raises(InvitationNotPending):
        desk.accept(text)


def test_a_stranger_may_have_asked(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)
    ask(desk, email)
    newest, *_ = activity.newest(desk.directory, desk.call.actor, activity.Wanted(contact_id=ann))
    assert (newest.words, newest.actor_kind, newest.actor_id) == ("mailed a sign-in link", "system", None)


def test_a_forgotten_password_is_replaced_and_its_sessions_end(desk: Desk) -> None:
    email, there = address(), Desk(new_world(desk.world.app))
    ann = member(desk, email)
    there.accept(there.invite(there.person(email)))
    sessions = desk.sign_in(email).text, there.sign_in(email).text
    text = asked(desk, email)
    assert all(signin.session_of(desk.directory, each) for each in sessions), "whoever asked may be a stranger"
    assert desk.accept(text, NEW).contact_id == ann
    assert not any(signin.session_of(desk.directory, each) for each in sessions)
    for each in (desk, there):
        with pytest.raises(SignInRefused):
            each.sign_in(email, PASSWORD)
        assert each.sign_in(email, NEW)


def test_a_link_works_once_however_many_use_it(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)
    text = asked(desk, email)

    def accept(_: int) -> str:
        try:
            return desk.accept(text).contact_id
        except Refused as error:
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(accept, range(4)))
    assert answers.count(ann) == 1
    assert acts(desk, ann).count("contact.password_set") == 1


# Who gets one, and where


def test_nobody_else_gets_one(desk: Desk) -> None:
    inactive, uninvited, invited, shared = (address() for _ in range(4))
    desk.set_active(member(desk, inactive), False)
    desk.person(uninvited)
    link = desk.invite(desk.person(invited))
    for _ in range(2):
        desk.person(address(), active=True, emails=[{"value": shared}])
    for typed in (inactive, uninvited, invited, shared, address(), "", "\x00", "\ud800", "%", "x" * 5000):
        assert ask(desk, typed) == []
    assert invitations.offer(desk.directory, link).joins, "who is invited keeps the invitation"
    email = address()
    desk.person(email, active=True)
    for name in ("", "nowhere", "\x00", new_world(desk.world.app).name):
        signin_link.ask(desk.directory, name, email)
    assert [each.to for each in desk.mails].count(email) == 0


def test_who_is_archived_gets_one(desk: Desk) -> None:
    email = address()
    life.act(desk.directory, desk.call.actor, desk.person(email, active=True), Event.ARCHIVE)
    assert ask(desk, email) == [email]


def test_it_goes_to_an_address_as_it_is_stored(desk: Desk) -> None:
    first, second, name = address(), address(), f"ann-{address().partition('@')[0]}"
    desk.person(name, active=True, emails=[{"value": second}, {"value": first, "primary": True}])
    wide = second.translate({ord(each): ord(each) + 0xFEE0 for each in "abcdefghijklmnopqrstuvwxyz"})
    assert wide != second
    assert [ask(desk, typed) for typed in (name, first, second, wide)] == [[first], [first], [second], [second]]


def test_it_goes_to_the_account_that_alone_opens_the_contact(desk: Desk) -> None:
    work, private = address(), address()
    ann = desk.person(work)
    desk.accept(desk.invite(ann, private))
    assert ask(desk, work) == [private]
    desk.accept(desk.text, NEW)
    assert desk.sign_in(private, NEW).contact_id == ann
    assert ask(desk, private) == [private]


def test_an_address_whose_account_is_somebody_elses_here_gets_none(desk: Desk) -> None:
    email = address()
    former = member(desk, email)
    desk.set_active(former, False)
    change(desk, former, userName=address())
    bea = desk.person(email, active=True)
    with reading(desk.directory.engine) as db:
        linked = db.scalar(select(tables.account_links.c.contact_id).where(tables.account_links.c.contact_id == former))
    assert linked == former
    assert ask(desk, email) == []
    with pytest.raises(NotAllowed):
        signin_link.send(desk.directory, desk.call.actor, bea)


@pytest.mark.parametrize("twins", TWINS)
def test_who_reads_a_mailbox_that_is_only_written_alike_gets_nothing(desk: Desk, twins: tuple[str, str]) -> None:
    (mine, alike), there = written_alike(*twins), Desk(new_world(desk.world.app))
    ann, twin = member(desk, mine), there.person(alike, active=True)
    for typed in (mine, alike):
        assert ask(there, typed) == []
    with pytest.raises(NotAllowed):
        signin_link.send(there.directory, there.call.actor, twin)
    assert desk.sign_in(mine).contact_id == ann


@pytest.mark.parametrize("twins", TWINS)
def test_an_account_that_came_after_the_link_is_not_its_holders(desk: Desk, twins: tuple[str, str]) -> None:
    (mine, alike), there = written_alike(*twins), Desk(new_world(desk.world.app))
    there.person(alike, active=True)
    text = asked(there, alike)
    ann = member(desk, mine)
    with pytest.raises(WrongPassword):
        there.accept(text, NEW)
    assert desk.sign_in(mine).contact_id == ann


def test_one_person_gets_so_many_an_hour_by_whatever_name(desk: Desk) -> None:
    mails = [address() for _ in range(signin_link.MOST_AN_HOUR + 2)]
    ann = desk.person(mails[0], active=True, emails=[{"value": each} for each in mails])
    assert [len(ask(desk, each)) for each in mails] == [1] * signin_link.MOST_AN_HOUR + [0, 0]
    assert desk.accept(desk.text).contact_id == ann, "the last one goes on working"
    desk.now += timedelta(hours=1, seconds=1)
    assert len(ask(desk, mails[0])) == 1


# The owner


def test_the_owner_without_a_proven_account_gets_none(desk: Desk) -> None:
    email = f"owner@{desk.world.name}.test"
    assert ask(desk, email) == []
    handed = owner_link.issue(desk.directory, desk.call.actor).link.rpartition("/")[2]
    assert ask(desk, email) == []
    desk.accept(handed)
    assert ask(desk, email) == [], "an operator vouched for the account, no mailbox"
    with pytest.raises(NotAllowed, match="whoever runs the server"):
        signin_link.send(desk.directory, desk.call.actor, desk.world.owner_id)


def test_an_owner_who_once_was_invited_gets_one(desk: Desk) -> None:
    email = address()
    ann = member(desk, email)
    life.transfer(desk.directory, desk.call.actor, ann)
    desk.accept(asked(desk, email), NEW)
    assert desk.sign_in(email, NEW).contact_id == ann
    handed = owner_link.issue(desk.directory, desk.call.actor).link.rpartition("/")[2]
    assert ask(desk, email) == [], "a stranger can't make the operator's link useless"
    assert desk.accept(handed, "a third horse").contact_id == ann


def test_an_operators_link_past_its_time_keeps_no_owner_from_asking(desk: Desk) -> None:
    email = address()
    life.transfer(desk.directory, desk.call.actor, member(desk, email))
    owner_link.issue(desk.directory, desk.call.actor)
    assert ask(desk, email) == []
    desk.now += desk.directory.lifetime
    assert ask(desk, email) == [email]


def test_no_address_makes_an_owner(desk: Desk) -> None:
    """Whoever reads an address that the directory writes isn't the owner by it."""
    email = address()
    ann = desk.person(email, active=True)
    text = asked(desk, email)
    life.transfer(desk.directory, desk.call.actor, ann)
    with pytest.raises(InvitationNotPending):
        desk.accept(text)
    assert ask(desk, email) == []


# What kills a link


def test_a_link_that_was_asked_for_ends_within_the_hour(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)
    text = asked(desk, email)
    desk.now += timedelta(hours=1)
    with pytest.raises(InvitationExpired):
        invitations.offer(desk.directory, text)
    with pytest.raises(InvitationExpired):
        desk.accept(text)
    invitations.expire_due(desk.directory)
    assert (desk.rows(tables.invitation_links), desk.part(ann)["status"]) == (0, "active")


def test_another_link_kills_the_first(desk: Desk) -> None:
    email = address()
    desk.person(email, active=True)
    first, second = asked(desk, email), asked(desk, email)
    with pytest.raises(InvitationNotPending):
        desk.accept(first)
    assert desk.accept(second)


@pytest.mark.parametrize("is_back", [False, True])
def test_deactivation_kills_a_link_for_good(desk: Desk, is_back: bool) -> None:
    email = address()
    ann = desk.person(email, active=True)
    text = asked(desk, email)
    desk.set_active(ann, False)
    if is_back:
        desk.set_active(ann, True)
    with pytest.raises(InvitationNotPending):
        invitations.offer(desk.directory, text)
    with pytest.raises(InvitationNotPending):
        desk.accept(text)


def test_an_address_that_is_no_longer_theirs_opens_nothing(desk: Desk) -> None:
    wrong = address()
    ann = desk.person(wrong, active=True)
    text = asked(desk, wrong)
    right = address()
    change(desk, ann, userName=right, emails=[{"value": right}])
    with pytest.raises(InvitationNotPending):
        desk.accept(text)
    assert ask(desk, wrong) == []
    assert desk.accept(asked(desk, right)).contact_id == ann


def test_an_account_that_came_meanwhile_is_the_one_that_counts(desk: Desk) -> None:
    work, private, there = address(), address(), Desk(new_world(desk.world.app))
    there.accept(there.invite(there.person(private)))
    ann = desk.person(work, active=True, emails=[{"value": work}, {"value": private}])
    text = asked(desk, work)
    assert desk.sign_in(private).contact_id == ann
    with pytest.raises(InvitationNotPending):
        desk.accept(text)


# One that is sent


def test_a_link_is_sent_for_as_long_as_an_invitation_is(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)
    actor = actor_of(desk, Role.TEAM)
    assert signin_link.destination(desk.directory, actor, ann) == email
    sent = signin_link.send(desk.directory, actor, ann)
    assert (sent.email, sent.expires) == (email, desk.now + desk.directory.lifetime)
    desk.now += timedelta(days=6)
    assert desk.accept(desk.text).contact_id == ann


def test_a_stranger_who_asks_shortens_nothing(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)
    sent = signin_link.send(desk.directory, desk.call.actor, ann)
    text = asked(desk, email)
    assert desk.mails[-1].expires == sent.expires
    desk.now += timedelta(days=6)
    assert desk.accept(text).contact_id == ann


def test_it_is_sent_to_none_but_active_contacts_of_the_workspace(desk: Desk) -> None:
    active, inactive, nameless = desk.person(address(), active=True), desk.person(address()), desk.person("ann")
    desk.set_active(nameless, True)
    change(desk, nameless, emails=[])
    invited = desk.person(address())
    desk.invite(invited)
    before = len(desk.mails)
    for each in (signin_link.send, signin_link.destination):
        for contact_id in (inactive, invited, nameless):
            with pytest.raises(NotAllowed):
                each(desk.directory, desk.call.actor, contact_id)
        for actor, contact_id in ((desk.call.actor, "nobody"), (Desk(new_world(desk.world.app)).call.actor, active)):
            with pytest.raises(Unknown):
                each(desk.directory, actor, contact_id)
        with pytest.raises(MissingPermission):
            each(desk.directory, actor_of(desk, Role.CLIENT), active)
    assert len(desk.mails) == before


def test_a_mail_that_fails_leaves_a_link_that_nobody_has(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True)

    def broken(_: Letter) -> None:
        raise MailFailed("no route")

    failing = replace(desk.directory, post=broken)
    with pytest.raises(MailFailed, match="no route"):
        signin_link.send(failing, desk.call.actor, ann)
    signin_link.ask(failing, desk.world.name, email)
    assert acts(desk, ann).count("contact.sign_in_link_mailed") == 2
    assert desk.accept(asked(desk, email)).contact_id == ann
