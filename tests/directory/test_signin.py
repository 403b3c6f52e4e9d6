"""Signing in, and what ends a session: R3, R4b, T8, T10, T14."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from scim_server.directory import contacts, invitations, owner_link, signin
from scim_server.directory.invitations import WrongPassword
from scim_server.directory.passwords import is_password
from scim_server.directory.signin import SignInRefused
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.directory.desk import PASSWORD, Desk, address
from tests.support import World, new_world


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def member(desk: Desk, mail: str) -> str:
    """A contact who has accepted."""
    return desk.accept(desk.invite(desk.person(mail))).contact_id


def test_a_session_is_its_contacts(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    signed = desk.sign_in(mail.upper())
    session = signin.session_of(desk.directory, signed.text)
    assert session is not None
    assert (session.workspace_id, session.contact.id, session.account_email) == (desk.world.workspace_id, ann, mail)
    assert session.expires == desk.now + timedelta(hours=12)
    assert signed.text not in repr(signed)
    with reading(desk.directory.engine) as db:
        assert not [row for row in db.execute(select(tables.sessions)) if signed.text in str(row)]
    signin.sign_out(desk.directory, signed.text)
    signin.sign_out(desk.directory, signed.text)
    assert signin.session_of(desk.directory, signed.text) is None


def test_a_session_ends(desk: Desk) -> None:
    mail = address()
    member(desk, mail)
    text = desk.sign_in(mail).text
    desk.now += timedelta(hours=12)
    assert signin.session_of(desk.directory, text) is None
    invitations.expire_due(desk.directory)
    assert desk.rows(tables.sessions) == 0


def test_by_the_contacts_own_password(desk: Desk) -> None:
    mail, other = address(), address()
    ann = desk.person(mail, active=True, password="from the provider", emails=[{"value": other}])
    assert desk.sign_in(mail, "from the provider").contact_id == ann
    assert desk.sign_in(other, "from the provider").contact_id == ann
    there = Desk(new_world(desk.world.app))
    there.person(mail, active=True)
    with pytest.raises(SignInRefused):
        there.sign_in(mail, "from the provider")


def test_an_account_opens_what_was_provisioned_under_its_e_mail(desk: Desk) -> None:
    mail = address()
    member(desk, mail)
    there = Desk(new_world(desk.world.app))
    ann = there.person(mail, active=True)
    signed = there.sign_in(mail)
    assert signed.contact_id == ann
    session = signin.session_of(there.directory, signed.text)
    assert session is not None
    assert session.account_email == mail


def test_an_address_of_two_contacts_means_neither(desk: Desk) -> None:
    shared = address()
    for name in ("ann", "bob"):
        desk.person(name, active=True, password="one password", emails=[{"value": shared}])
    with pytest.raises(SignInRefused):
        desk.sign_in(shared, "one password")


def test_refusals_say_the_same_and_take_the_same_work(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    mail, off = address(), address()
    member(desk, mail)
    desk.person(off, password=PASSWORD)
    counted: list[str | None] = []

    def compare(stored: str | None, text: str) -> bool:
        counted.append(stored)
        return is_password(stored, text)

    monkeypatch.setattr(signin, "is_password", compare)
    cases = [
        (desk.world.name, mail, "wrong password"),
        (desk.world.name, off, PASSWORD),
        (desk.world.name, address(), PASSWORD),
        ("no such workspace", mail, PASSWORD),
        (desk.world.name, "\x00", PASSWORD),
        (desk.world.name, mail, "x" * 5000),
        (desk.world.name, mail, ""),
        (desk.world.name, mail, "lone \ud800 surrogate"),
        (desk.world.name, mail, "\x00" * 8),
        (desk.world.name, "\udfff", PASSWORD),
        ("\ud800", mail, PASSWORD),
    ]
    words = set()
    for workspace, email, password in cases:
        counted.clear()
        with pytest.raises(SignInRefused) as refused:
            signin.sign_in(desk.directory, workspace, email, password)
        words.add(str(refused.value))
        assert len(counted) == 2
        assert all(counted), "each against a real hash"
    assert len(words) == 1
    assert desk.rows(tables.sessions) == 0


def test_deactivation_ends_this_workspace_alone(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    there = Desk(new_world(desk.world.app))
    member(there, mail)
    here_text, there_text = desk.sign_in(mail).text, there.sign_in(mail).text
    desk.set_active(ann, False)
    assert desk.rows(tables.sessions) == 0
    assert desk.part(ann)["accountLinked"] is False
    assert signin.session_of(desk.directory, here_text) is None
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)
    assert signin.session_of(there.directory, there_text) is not None
    assert there.sign_in(mail).workspace_id == there.world.workspace_id
    desk.set_active(ann, True)
    assert desk.part(ann)["accountLinked"] is True
    assert signin.session_of(desk.directory, here_text) is None, "what ended stays so"
    assert desk.sign_in(mail).contact_id == ann, "linked again, with nothing asked"


def test_deletion_ends_all(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    text = desk.sign_in(mail).text
    contacts.delete(desk.directory, desk.call, ann)
    assert (desk.rows(tables.sessions), desk.rows(tables.account_links)) == (0, 0)
    assert signin.session_of(desk.directory, text) is None
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)


def test_signing_out_everywhere(desk: Desk) -> None:
    mail, other = address(), address()
    member(desk, mail)
    member(desk, other)
    there = Desk(new_world(desk.world.app))
    member(there, mail)
    mine = [desk.sign_in(mail).text, desk.sign_in(mail).text, there.sign_in(mail).text]
    others = desk.sign_in(other).text
    signin.sign_out_everywhere(desk.directory, mine[0])
    assert [signin.session_of(desk.directory, text) for text in mine] == [None] * 3
    assert signin.session_of(desk.directory, others) is not None
    signin.sign_out_everywhere(desk.directory, mine[0])


@dataclass(frozen=True, slots=True)
class TwoDoors:
    """Someone whose account opens `here` and `there`, and whom `there` has given a password of its own too."""

    here: Desk
    there: Desk
    mail: str

    def own(self) -> str:
        return self.there.sign_in(self.mail, "set by the provider").text


@pytest.fixture
def two_doors(desk: Desk) -> TwoDoors:
    mail = address()
    there = Desk(new_world(desk.world.app))
    member(desk, mail)
    contact_id = member(there, mail)
    operation = {"op": "replace", "path": "password", "value": "set by the provider"}
    assert there.world.client().patch(f"/Users/{contact_id}", operation).status == 200
    return TwoDoors(desk, there, mail)


def test_a_workspaces_own_password_is_not_the_account(two_doors: TwoDoors) -> None:
    there, mail = two_doors.there, two_doors.mail
    own = signin.session_of(there.directory, two_doors.own())
    by_account = signin.session_of(there.directory, there.sign_in(mail).text)
    assert own is not None
    assert by_account is not None
    assert (own.contact, own.account_email) == (by_account.contact, None)
    assert by_account.account_email == mail
    with reading(there.directory.engine) as db:
        kept = db.scalars(
            select(tables.sessions.c.account_id).where(tables.sessions.c.workspace_id == there.world.workspace_id)
        ).all()
    assert sorted(each is None for each in kept) == [False, True]
    third = Desk(new_world(there.world.app))
    text = third.invite(third.person(mail))
    with pytest.raises(WrongPassword):
        invitations.accept(third.directory, text, account_email=own.account_email)
    assert invitations.accept(third.directory, text, account_email=by_account.account_email).email == mail


def test_a_workspaces_own_password_signs_out_in_that_workspace_alone(two_doors: TwoDoors) -> None:
    here, there, mail = two_doors.here, two_doors.there, two_doors.mail
    elsewhere, mine = here.sign_in(mail).text, [there.sign_in(mail).text, two_doors.own()]
    signin.sign_out_everywhere(there.directory, mine[1])
    assert [signin.session_of(there.directory, text) for text in mine] == [None, None]
    assert signin.session_of(here.directory, elsewhere) is not None
    own = two_doors.own()
    signin.sign_out_everywhere(here.directory, elsewhere)
    assert signin.session_of(there.directory, own) is None, "the account's person is there too"


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\udfffb", ""])
def test_a_session_that_never_was(desk: Desk, text: str) -> None:
    assert signin.session_of(desk.directory, text) is None
    signin.sign_out(desk.directory, text)
    signin.sign_out_everywhere(desk.directory, text)


def test_no_session_outlives_a_deactivation_at_the_same_time(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)

    def enter(_: int) -> None:
        with suppress(SignInRefused):
            desk.sign_in(mail)

    with ThreadPoolExecutor(4) as pool:
        entering = [pool.submit(enter, number) for number in range(3)]
        pool.submit(desk.set_active, ann, False).result()
        for each in entering:
            each.result()
    assert desk.rows(tables.sessions) == 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_reset_between_the_password_and_the_session(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    mail = f"owner@{desk.world.name}.test"

    def link() -> str:
        return owner_link.issue(desk.directory, desk.call.actor).link.rpartition("/")[2]

    desk.accept(link())
    there = Desk(new_world(desk.world.app))
    text = there.invite(there.person(mail)) if elsewhere else link()

    def compare(stored: str | None, given: str) -> bool:
        fits = is_password(stored, given)
        monkeypatch.setattr(signin, "is_password", is_password)
        invitations.accept(desk.directory, text, password="another horse")
        return fits

    monkeypatch.setattr(signin, "is_password", compare)
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)
    assert desk.rows(tables.sessions) == 0
    if elsewhere:  # the account was taken over by mail, and is the owner's by another link alone
        desk.accept(link(), "another horse")
    assert desk.sign_in(mail, "another horse").contact_id == desk.world.owner_id


@pytest.mark.parametrize("operation", [{"op": "replace", "value": "a new one, by SCIM"}, {"op": "remove"}])
def test_another_own_password_ends_the_sessions_of_the_former(two_doors: TwoDoors, operation: dict[str, str]) -> None:
    there, own = two_doors.there, two_doors.own()
    by_account = there.sign_in(two_doors.mail).text
    session = signin.session_of(there.directory, own)
    assert session is not None
    client = there.world.client()
    same = {"op": "replace", "path": "password", "value": "set by the provider"}
    assert client.patch(f"/Users/{session.contact.id}", same).status == 200
    assert signin.session_of(there.directory, own) is not None
    assert client.patch(f"/Users/{session.contact.id}", {**operation, "path": "password"}).status == 200
    assert signin.session_of(there.directory, own) is None
    assert signin.session_of(there.directory, by_account) is not None


def test_a_contact_that_another_person_gets(desk: Desk) -> None:
    mail, other = address(), address()
    ann = member(desk, mail)
    desk.set_active(ann, False)
    value = {"userName": other, "emails": [{"value": other}], "active": True}
    assert desk.world.client().patch(f"/Users/{ann}", {"op": "replace", "value": value}).status == 200
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)
    assert desk.rows(tables.account_links) == 0


def test_an_account_at_a_private_address_outlives_a_new_name(desk: Desk) -> None:
    private, other = address(), address()
    ann = desk.accept(desk.invite(desk.person(address()), private)).contact_id
    desk.set_active(ann, False)
    value = {"userName": other, "emails": [{"value": other}]}
    assert desk.world.client().patch(f"/Users/{ann}", {"op": "replace", "value": value}).status == 200
    desk.set_active(ann, True)
    assert desk.sign_in(private).contact_id == ann
