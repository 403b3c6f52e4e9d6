"""Another password, chosen by whoever is signed in: which sessions end, and when it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from scim_server.directory import life, owner_link, signin
from scim_server.directory.access import NotAllowed
from scim_server.directory.signin import OldPasswordWrong, SignInRefused
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Event
from scim_server.domain.roles import Role
from scim_server.scim.errors import ScimError
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.directory.desk import PASSWORD, Desk, address
from tests.directory.test_life import person
from tests.directory.test_signin import member
from tests.http.test_lifecycle import acts
from tests.support import World, new_world

NEW = "another good one"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def living(desk: Desk, *texts: str) -> list[bool]:
    return [signin.session_of(desk.directory, text) is not None for text in texts]


def proven(mail: str, desk: Desk) -> bool:
    with reading(desk.directory.engine) as db:
        found: bool = db.scalars(select(tables.accounts.c.proven).where(tables.accounts.c.email == mail)).one()
    return found


def test_the_account_has_it_and_its_other_sessions_end(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    there = Desk(new_world(desk.world.app))
    there.person(mail, active=True)
    text, *others = [each.sign_in(mail).text for each in (desk, desk, there)]
    actor = person(desk.world, ann, Role.TEAM)
    signin.change_password(desk.directory, actor, text, old=PASSWORD, new=NEW)
    assert living(desk, text, *others) == [True, False, False]
    for each in (desk, there):
        assert each.sign_in(mail, NEW)
        with pytest.raises(SignInRefused):
            each.sign_in(mail)
    assert proven(mail, desk)
    assert acts(desk.world, ann)[-1] == "contact.password_set"
    with reading(desk.directory.engine) as db:
        query = select(tables.activity).where(tables.activity.c.act == "contact.password_set")
        (row,) = db.execute(query.where(tables.activity.c.subject_id == ann))
        stored = db.scalars(select(tables.accounts.c.password).where(tables.accounts.c.email == mail)).one()
    assert (row.actor_id, row.door, row.facts) == (ann, "console", "{}")
    assert stored is not None
    assert stored.startswith("$argon2id$")


def test_a_wrong_old_one_or_a_bad_new_one_changes_nothing(desk: Desk) -> None:
    mail = address()
    ann = member(desk, mail)
    text, other = desk.sign_in(mail).text, desk.sign_in(mail).text
    actor = person(desk.world, ann, Role.TEAM)
    for old in ("wrong password", "", "\ud800", NEW):
        with pytest.raises(OldPasswordWrong, match="present password"):
            signin.change_password(desk.directory, actor, text, old=old, new=NEW)
    for new in ("short", "", "x" * 2000, "a tab\tin it", "half \ud800 pair"):
        with pytest.raises(ScimError):
            signin.change_password(desk.directory, actor, text, old=PASSWORD, new=new)
    assert living(desk, text, other) == [True, True]
    assert desk.sign_in(mail)
    assert "contact.password_set" not in acts(desk.world, ann)


def test_who_signed_in_by_the_contacts_own_password_has_none_to_change(desk: Desk) -> None:
    mail = address()
    ann = desk.person(mail, active=True, password="from the provider")
    text = desk.sign_in(mail, "from the provider").text
    actor = person(desk.world, ann, Role.TEAM)
    with pytest.raises(NotAllowed, match="keeps for you"):
        signin.change_password(desk.directory, actor, text, old="from the provider", new=NEW)
    assert desk.sign_in(mail, "from the provider")


def test_the_session_must_be_alive_and_the_actors_own(desk: Desk) -> None:
    mail, other = address(), address()
    ann, bob = member(desk, mail), member(desk, other)
    text, bobs = desk.sign_in(mail).text, desk.sign_in(other).text
    actor = person(desk.world, ann, Role.TEAM)
    elsewhere = new_world(desk.world.app)
    wrong: list[tuple[Actor, str]] = [
        (actor, bobs),
        (actor, "no session"),
        (actor, ""),
        (person(desk.world, bob, Role.TEAM), text),
        (replace(actor, workspace_id=elsewhere.workspace_id), text),
    ]
    for by, session in wrong:
        with pytest.raises(SignInRefused):
            signin.change_password(desk.directory, by, session, old=PASSWORD, new=NEW)
    life.act(desk.directory, desk.call.actor, ann, Event.DEACTIVATE)
    with pytest.raises(SignInRefused):
        signin.change_password(desk.directory, actor, text, old=PASSWORD, new=NEW)
    assert desk.sign_in(other)


def test_an_account_that_is_not_proven_stays_so(desk: Desk) -> None:
    link = owner_link.issue(desk.directory, desk.call.actor)
    accepted = desk.accept(link.link.rpartition("/")[2])
    text = signin.enter(desk.directory, accepted.workspace_id, accepted.contact_id, accepted.account_id).text
    assert not proven(link.email, desk)
    actor = person(desk.world, desk.world.owner_id, Role.OWNER)
    signin.change_password(desk.directory, actor, text, old=PASSWORD, new=NEW)
    assert not proven(link.email, desk)
    assert desk.sign_in(link.email, NEW)
    with reading(desk.directory.engine) as db:
        count = db.scalar(
            select(func.count()).select_from(tables.sessions).where(tables.sessions.c.contact_id == accepted.contact_id)
        )
    assert count == 2
