"""Invitations through the one door: links that work once, accounts, expiry, and what kills a link (T2 to T9)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection as Db
from sqlalchemy import select

from scim_server.directory import contacts, invitations, life
from scim_server.directory.access import NotAllowed, Taken
from scim_server.directory.contacts import Call
from scim_server.directory.invitations import Accepted, WrongPassword
from scim_server.directory.signin import SignInRefused
from scim_server.domain.contact import Context, Event, decide
from scim_server.domain.errors import (
    EmailMissing,
    IllegalTransition,
    InvitationExpired,
    InvitationNotPending,
    MissingPermission,
    NoFreeSeat,
    Refused,
    RoleAboveOwn,
    WrongAccount,
)
from scim_server.domain.roles import Permission, Role
from scim_server.mail import Letter, MailFailed
from scim_server.scim.errors import ScimError
from scim_server.storage import ledger, tables
from scim_server.storage.db import reading, writing
from tests.directory.desk import PASSWORD, Desk, address
from tests.directory.test_life import person
from tests.support import WORKSPACE_URN, World, new_world


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def acts(desk: Desk, contact_id: str) -> list[str]:
    with reading(desk.directory.engine) as db:
        of_contact = tables.activity.c.subject_id == contact_id
        return list(db.scalars(select(tables.activity.c.act).where(of_contact).order_by(tables.activity.c.id)))


def test_invited_accepted_signed_in(desk: Desk) -> None:
    mail, other = address(), address()
    ann = desk.person(mail)
    invited = invitations.invite(desk.directory, desk.call, ann, other)
    assert (invited.email, invited.expires) == (other, desk.now + timedelta(days=7))
    (letter,) = desk.mails
    assert (letter.to, letter.workspace, letter.expires) == (other, desk.world.name, invited.expires)
    assert letter.link.startswith("https://acme.example/invitation/")
    assert (desk.part(ann)["status"], desk.part(ann)["seat"]["state"]) == ("invited", "reserved")
    with pytest.raises(SignInRefused):
        desk.sign_in(other)
    accepted = desk.accept(desk.text)
    world, account_id = desk.world, accepted.account_id
    assert accepted == Accepted(workspace_id=world.workspace_id, contact_id=ann, account_id=account_id, email=other)
    part = desk.part(ann)
    assert (part["status"], part["accountLinked"], part["seat"]["state"]) == ("active", True, "assigned")
    assert part["invitation"]["state"] == "accepted"
    assert desk.sign_in(other).contact_id == ann
    assert acts(desk, ann)[-2:] == ["contact.reinvited", "contact.invitation_accepted"]


def test_only_the_hash_is_stored(desk: Desk) -> None:
    text = desk.invite(desk.person(address()))
    with reading(desk.directory.engine) as db:
        stored = [str(row) for table in tables.metadata.sorted_tables for row in db.execute(select(table))]
    assert not [row for row in stored if text in row]


def test_a_link_works_once(desk: Desk) -> None:
    text = desk.invite(desk.person(address()))
    desk.accept(text)
    for dead in (text, "", "never-made", "\x00"):
        with pytest.raises(InvitationNotPending, match="used, replaced or taken back"):
            desk.accept(dead)
        with pytest.raises(InvitationNotPending):
            invitations.offer(desk.directory, dead)


def test_of_two_who_accept_at_once_one_wins(desk: Desk) -> None:
    ann = desk.person(address())
    text = desk.invite(ann)

    def attempt(_: int) -> str:
        try:
            return desk.accept(text).contact_id
        except Refused as refusal:
            return refusal.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(4)))
    assert outcomes.count(ann) == 1, outcomes
    assert set(outcomes) - {ann} <= {"invitation_not_pending", "wrong_password"}
    assert acts(desk, ann).count("contact.invitation_accepted") == 1


def test_resending_kills_the_old_link(desk: Desk) -> None:
    mail, other = address(), address()
    ann = desk.person(mail)
    old = desk.invite(ann)
    desk.now += timedelta(days=1)
    invitations.resend(desk.directory, desk.call, ann, None)
    desk.now += timedelta(days=1)
    invitations.resend(desk.directory, desk.call, ann, other)
    assert [each.to for each in desk.mails] == [mail, mail, other]
    for dead in (old, desk.mails[1].link.rpartition("/")[2]):
        with pytest.raises(InvitationNotPending):
            desk.accept(dead)
    assert desk.accept(desk.text).email == other
    assert desk.mails[-1].expires == desk.now + timedelta(days=7)


@pytest.mark.parametrize("end", ["revoke", "deactivate", "delete"])
def test_what_kills_a_link(desk: Desk, end: str) -> None:
    ann = desk.person(address())
    text = desk.invite(ann)
    if end == "revoke":
        invitations.revoke(desk.directory, desk.call, ann)
        assert desk.part(ann)["status"] == "inactive"
    elif end == "deactivate":
        desk.set_active(ann, False)
        assert desk.part(ann)["invitation"]["state"] == "revoked"
    else:
        contacts.delete(desk.directory, desk.call, ann)
    assert desk.rows(tables.invitation_links) == 0
    with pytest.raises(InvitationNotPending):
        desk.accept(text)
    assert len(desk.mails) == 1, "nobody is mailed"
    assert ledger_pool(desk) == (1, 0), "the owner's seat alone"


def ledger_pool(desk: Desk) -> tuple[int, int]:
    with reading(desk.directory.engine) as db:
        pool = ledger.pool(db, desk.world.workspace_id, "member")
    return pool.assigned, pool.reserved


def test_expiry_by_a_timer(desk: Desk) -> None:
    ann, bob = desk.person(address()), desk.person(address())
    text = desk.invite(ann)
    desk.now += timedelta(days=6)
    desk.invite(bob)
    invitations.expire_due(desk.directory)  # the database holds other tests' invitations too
    assert acts(desk, ann)[-1] != "contact.invitation_expired"
    desk.now += timedelta(days=1)
    assert invitations.expire_due(desk.directory) >= 1
    assert (acts(desk, ann)[-1], acts(desk, bob)[-1]) == ("contact.invitation_expired", "contact.reinvited")
    assert ledger_pool(desk) == (1, 1)
    assert invitations.expire_due(desk.directory) == 0
    with pytest.raises(InvitationNotPending):
        desk.accept(text)
    desk.invite(ann)
    assert desk.accept(desk.text).contact_id == ann


def test_expiry_when_someone_looks(desk: Desk) -> None:
    ann, bob = desk.person(address()), desk.person(address())
    text = desk.invite(ann)
    desk.invite(bob)
    desk.now += timedelta(days=7)
    with pytest.raises(InvitationExpired):
        invitations.offer(desk.directory, text)
    with pytest.raises(InvitationExpired):
        desk.accept(text)
    assert acts(desk, ann)[-1] == "contact.invitation_expired", "saved, though the answer was no"
    part = desk.part(bob)
    assert (part["status"], part["invitation"]["state"]) == ("inactive", "expired")
    assert ledger_pool(desk) == (1, 0)


@pytest.mark.parametrize("query", ["", '?filter=userName eq "ann@x.test"', "?filter=id pr"])
def test_a_list_shows_no_invitation_past_its_time(desk: Desk, query: str) -> None:
    earlier = replace(desk.world.directory, lifetime=timedelta(seconds=0), post=desk.mails.append)
    ann = desk.person("ann@x.test")
    invitations.invite(earlier, desk.call, ann, None)
    found = desk.world.client().get(f"/Users{query}").json["Resources"]
    (user,) = [each for each in found if each["id"] == ann]
    assert (user[WORKSPACE_URN]["status"], user[WORKSPACE_URN]["invitation"]["state"]) == ("inactive", "expired")
    assert acts(desk, ann)[-1] == "contact.invitation_expired"


def test_a_change_finds_the_invitation_expired(desk: Desk) -> None:
    ann = desk.person(address())
    desk.invite(ann)
    desk.now += timedelta(days=8)
    with pytest.raises(IllegalTransition):
        invitations.resend(desk.directory, desk.call, ann, None)
    desk.set_active(ann, True)
    assert desk.part(ann)["status"] == "active"
    assert acts(desk, ann)[-2:] == ["contact.invitation_expired", "contact.activated"]


def test_who_is_signed_in_accepts_with_that_account(desk: Desk) -> None:
    mail = address()
    desk.accept(desk.invite(desk.person(mail)))
    there = Desk(new_world(desk.world.app))
    bob = there.person("bob@x.test")
    text = there.invite(bob, mail.upper())
    assert invitations.offer(there.directory, text).has_account
    for other in (address(), ""):
        with pytest.raises(WrongAccount):
            invitations.accept(there.directory, text, account_email=other)
    with pytest.raises(WrongPassword):
        there.accept(text, "not the password")
    assert there.part(bob)["status"] == "invited"
    assert invitations.accept(there.directory, text, account_email=mail).contact_id == bob
    assert there.sign_in(mail).contact_id == bob, "the account's password opens both"
    assert desk.sign_in(mail).workspace_id == desk.world.workspace_id


def test_an_account_that_is_there_accepts_by_its_own_password(desk: Desk) -> None:
    mail = address()
    desk.accept(desk.invite(desk.person(mail)))
    there = Desk(new_world(desk.world.app))
    assert there.accept(there.invite(there.person(mail))).email == mail


def test_nobody_accepts_as_an_account_that_is_not_there(desk: Desk) -> None:
    mail = address()
    text = desk.invite(desk.person(mail))
    with pytest.raises(WrongAccount):
        invitations.accept(desk.directory, text, account_email=mail)
    with pytest.raises(ScimError, match="at least 8"):
        desk.accept(text, "short")
    with pytest.raises(ScimError):
        invitations.accept(desk.directory, text)
    assert desk.accept(text).email == mail


def test_an_account_opens_one_contact_of_a_workspace(desk: Desk) -> None:
    mail = address()
    desk.accept(desk.invite(desk.person(mail)))
    with pytest.raises(Taken, match="another contact"):
        desk.accept(desk.invite(desk.person("twin@x.test"), mail))


def test_refusals_leave_nothing(desk: Desk) -> None:
    ann = desk.person("ann@x.test", emails=[])
    cases = [
        (None, EmailMissing),
        ("a@b.c\r\nBcc: d@e.f", NotAllowed),
        ("a@b.c,d@e.f", NotAllowed),
        ("nobody", NotAllowed),
    ]
    for email, kind in cases:
        with pytest.raises(kind):
            invitations.invite(desk.directory, desk.call, ann, email)
    viewer = replace(desk.call, actor=replace(desk.call.actor, permissions=frozenset({Permission.CONTACTS_EDIT})))
    with pytest.raises(MissingPermission):
        invitations.invite(desk.directory, viewer, ann, "ann@x.test")
    with pytest.raises(IllegalTransition):
        invitations.revoke(desk.directory, desk.call, ann)
    with pytest.raises(ScimError):
        invitations.invite(desk.directory, desk.call, "nobody", "ann@x.test")
    assert (desk.mails, desk.rows(tables.invitation_links)) == ([], 0)
    assert acts(desk, ann) == ["contact.provisioned"]


def test_an_invitation_needs_a_seat(desk: Desk) -> None:
    full = Desk(new_world(desk.world.app, seats=1))
    with pytest.raises(NoFreeSeat):
        full.invite(full.person(address()))
    assert (full.mails, full.rows(tables.invitation_links)) == ([], 0)


def test_a_mail_that_fails_leaves_the_invitation(desk: Desk) -> None:
    ann = desk.person(address())

    def broken(_: Letter) -> None:
        raise MailFailed("the mail server can't be reached")

    directory = replace(desk.directory, post=broken)
    with pytest.raises(MailFailed, match=r"The invitation stands.*resend"):
        invitations.invite(directory, desk.call, ann, None)
    assert desk.part(ann)["status"] == "invited"
    assert acts(desk, ann).count("contact.reinvited") == 1
    desk.now += timedelta(minutes=1)
    invitations.resend(desk.directory, desk.call, ann, None)
    assert desk.accept(desk.text).contact_id == ann


def test_nothing_is_mailed_by_a_transaction_that_is_given_up(desk: Desk) -> None:
    ann = desk.person(address())

    class GivenUp(Exception):
        pass

    def work(db: Db) -> None:
        contact = contacts.to_change(desk.directory, db, desk.call, ann)
        context = Context(now=desk.now, permissions=desk.call.actor.permissions, email="ann@x.test")
        decision = decide(contact, Event.REINVITE, context)
        contacts.save_decision(desk.directory, db, desk.call, contact, decision, desk.now)
        raise GivenUp

    with pytest.raises(GivenUp):
        writing(desk.directory.engine, work)
    assert desk.mails == []


def accounts_of(desk: Desk, *mails: str) -> set[str]:
    """Which of the addresses have an account."""
    with reading(desk.directory.engine) as db:
        return set(db.scalars(select(tables.accounts.c.email).where(tables.accounts.c.email.in_(mails))))


def test_deletion_takes_an_account_that_opens_nothing_else(desk: Desk) -> None:
    mail, shared = address(), address()
    ann, bob = desk.person(mail), desk.person(shared)
    there = Desk(new_world(desk.world.app))
    for place, contact_id in ((desk, ann), (desk, bob), (there, there.person(shared))):
        place.accept(place.invite(contact_id))
    for contact_id in (ann, bob):
        contacts.delete(desk.directory, desk.call, contact_id)
    assert accounts_of(desk, mail, shared) == {shared}
    assert there.sign_in(shared, PASSWORD).workspace_id == there.world.workspace_id


def test_the_account_of_an_earlier_address_goes_with_its_link(desk: Desk) -> None:
    """R45b: once another account is linked, nobody would find the first one when the contact is deleted."""
    first, shared, last = address(), address(), address()
    there = Desk(new_world(desk.world.app))
    ann, bob = desk.person(address()), there.person(shared)
    there.accept(there.invite(bob))
    for mail in (first, shared, last):
        desk.accept(desk.invite(ann, mail))
        desk.set_active(ann, False)
    assert accounts_of(desk, first, shared, last) == {shared, last}, "what opens another workspace stays"
    desk.accept(desk.invite(ann, last), PASSWORD)
    assert accounts_of(desk, last) == {last}
    contacts.delete(desk.directory, desk.call, ann)
    assert accounts_of(desk, first, shared, last) == {shared}
    assert there.sign_in(shared).contact_id == bob


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\udfffb", ""])
def test_a_link_that_never_was(desk: Desk, text: str) -> None:
    for work in (invitations.offer, invitations.accept):
        with pytest.raises(InvitationNotPending):
            work(desk.directory, text)


def test_what_no_text_is_accepts_nothing(desk: Desk) -> None:
    mail = address()
    text = desk.invite(desk.person(mail))
    for password in ("\x00" * 8, "lone \ud800 surrogate"):
        with pytest.raises(ScimError, match="must not hold"):
            desk.accept(text, password)
    for email in ("\x00", "\ud800"):
        with pytest.raises(WrongAccount):
            invitations.accept(desk.directory, text, account_email=email)
    desk.accept(text)
    there = Desk(new_world(desk.world.app))
    with pytest.raises(WrongPassword):
        there.accept(there.invite(there.person(mail)), "lone \ud800 surrogate")


def test_a_person_in_the_console_invites_resends_and_takes_back(desk: Desk) -> None:
    boss = Call(person(desk.world, desk.world.owner_id, Role.OWNER), None, "")
    mail, other, third = address(), address(), address()
    ann = life.create(desk.directory, boss.actor, {"userName": mail, "email": mail}).id
    assert invitations.invite(desk.directory, boss, ann, other).email == other, "a new address (R19)"
    assert invitations.resend(desk.directory, boss, ann, third).email == third
    assert [letter.to for letter in desk.mails] == [other, third]
    invitations.revoke(desk.directory, boss, ann)
    assert (desk.part(ann)["status"], len(desk.mails)) == ("uninvited", 2)
    with reading(desk.directory.engine) as db:
        query = select(tables.activity.c.actor_id, tables.activity.c.door).where(tables.activity.c.subject_id == ann)
        assert set(db.execute(query)) == {(desk.world.owner_id, "console")}


def test_a_team_member_invites_whom_they_do_not_give_access_back_to(desk: Desk) -> None:
    tom = desk.person(address(), active=True)
    team = Call(person(desk.world, tom, Role.TEAM), None, "")
    new = life.create(desk.directory, team.actor, {"userName": address()}).id
    assert invitations.invite(desk.directory, team, new, address())
    with pytest.raises(MissingPermission, match="contacts:delete"):
        invitations.invite(desk.directory, team, desk.person(address()), address())
    chief = life.create(desk.directory, desk.call.actor, {"userName": address(), "role": "admin"}).id
    with pytest.raises(RoleAboveOwn):
        invitations.invite(desk.directory, team, chief, address())
    elsewhere = new_world(desk.world.app)
    stranger = Call(person(elsewhere, elsewhere.owner_id, Role.OWNER), None, "")
    for act in (invitations.invite, invitations.resend):
        with pytest.raises(ScimError):
            act(desk.directory, stranger, new, address())
    with pytest.raises(ScimError):
        invitations.revoke(desk.directory, stranger, new)
    assert len(desk.mails) == 1


@pytest.mark.parametrize(
    ("emails", "chosen", "expected"),
    [
        ([], None, ()),
        (["a@x.test", "b@x.test"], None, ("a@x.test", "b@x.test")),
        (["a@x.test", "*b@x.test", "c@x.test"], None, ("b@x.test", "a@x.test", "c@x.test")),
        (["A@x.test", "a@x.test", "no address", "b@x.test"], None, ("A@x.test", "b@x.test")),
        (["a@x.test", "*b@x.test"], "c@x.test", ("c@x.test", "b@x.test", "a@x.test")),
        (["a@x.test", "*b@x.test"], "A@x.test", ("A@x.test", "b@x.test")),
    ],
)
def test_the_addresses_to_choose_from(
    desk: Desk, emails: list[str], chosen: str | None, expected: tuple[str, ...]
) -> None:
    values = [{"value": each.lstrip("*"), "type": each, "primary": each.startswith("*")} for each in emails]
    wanted: dict[str, Any] = {WORKSPACE_URN: {"invitation": {"email": chosen}}} if chosen else {}
    ann = desk.person(address(), emails=values, **wanted)
    contact = life.show(desk.directory, desk.call.actor, ann).contact
    assert invitations.addresses_of(contact) == expected
    if expected:
        assert invitations.invite(desk.directory, desk.call, ann, None).email == expected[0], "the one by itself"
