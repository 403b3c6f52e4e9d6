"""Nobody becomes, or keeps out, somebody else by what they may write about them: addresses, names and licence types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scim_server.directory import access, life, owner_link, signin
from scim_server.directory.signin import SignInRefused
from scim_server.domain.actor import Actor, system
from scim_server.domain.contact import Event
from scim_server.domain.errors import MissingPermission, SignInOfAnother
from scim_server.domain.roles import Role
from tests.directory.desk import PASSWORD, TWINS, Desk, address, written_alike
from tests.directory.test_life import person
from tests.support import WORKSPACE_URN, World, new_world

INVITED_AT = f"{WORKSPACE_URN}:invitation.email"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def replaced(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def proven(desk: Desk) -> str:
    """The e-mail of somebody who has an account by another workspace of this server."""
    mail, there = address(), Desk(new_world(desk.world.app))
    there.accept(there.invite(there.person(mail)))
    return mail


def colleague(desk: Desk, mail: str, role: Role = Role.TEAM) -> Actor:
    return person(desk.world, desk.person(mail, active=True, roles=[{"value": role.value}]), role)


@pytest.mark.parametrize("path", ["userName", "emails"])
@pytest.mark.parametrize("transferred", [False, True])
def test_no_account_is_taken_for_the_owners(desk: Desk, path: str, transferred: bool) -> None:
    mail, owner_id = proven(desk), desk.world.owner_id
    if transferred:
        owner_id = desk.person(address(), active=True)
        life.transfer(desk.directory, desk.call.actor, owner_id)
    value = mail if path == "userName" else [{"value": mail}]
    assert desk.world.client().patch(f"/Users/{owner_id}", replaced(path, value)).status == 200
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)
    made = owner_link.issue(desk.directory, desk.call.actor)
    desk.accept(made.link.rpartition("/")[2])
    assert desk.sign_in(made.email).contact_id == owner_id, "an operator's link lets them in"


def test_few_scopes_lead_no_invitation_of_an_admin_elsewhere(desk: Desk) -> None:
    low = desk.world.client(scopes="contacts:view contacts:edit")
    mail = address()
    admin = desk.person(mail, roles=[{"value": "admin"}])
    member = desk.person(address())
    for who in (admin, desk.world.owner_id):
        answer = low.patch(f"/Users/{who}", {**replaced(INVITED_AT, "evil@x.test"), "op": "add"})
        assert (answer.status, "ranks above" in answer.text) == (403, True)
    assert low.patch(f"/Users/{member}", replaced(INVITED_AT, "new@x.test")).status == 200
    desk.invite(admin)
    assert desk.mails[-1].to == mail


def test_the_owners_link_goes_by_no_address_of_invitations(desk: Desk) -> None:
    operation = replaced(INVITED_AT, "evil@x.test")
    assert desk.world.client().patch(f"/Users/{desk.world.owner_id}", operation).status == 200
    assert owner_link.issue(desk.directory, desk.call.actor).email == f"owner@{desk.world.name}.test"


def test_only_who_looks_after_seats_chooses_a_licence_type(desk: Desk) -> None:
    ann, other = colleague(desk, "ann@x.test"), desk.person("bob@x.test")
    writes: list[Callable[[], object]] = [
        lambda: life.create(desk.directory, ann, {"userName": "new@x.test", "licence": "client"}),
        lambda: life.edit(desk.directory, ann, other, {"licence": "client"}),
        lambda: life.set_licence(desk.directory, ann, desk.world.owner_id, "client"),
    ]
    for write in writes:
        with pytest.raises(MissingPermission, match="seats:manage"):
            write()
    made = life.create(desk.directory, ann, {"userName": "new@x.test", "licence": "member"})
    assert made.licence == "member"
    assert life.edit(desk.directory, ann, made.id, {"licence": "member", "title": "Cook"}).changed
    boss = person(desk.world, desk.world.owner_id, Role.OWNER)
    assert life.set_licence(desk.directory, boss, made.id, "client").contact.licence == "client"


@pytest.mark.parametrize("twins", TWINS)
def test_an_account_that_is_only_written_alike_opens_nothing(desk: Desk, twins: tuple[str, str]) -> None:
    mine, theirs = written_alike(*twins)
    there = Desk(new_world(desk.world.app))
    there.accept(there.invite(there.person(theirs)))
    desk.person(mine, active=True)
    for typed in (mine, theirs):
        with pytest.raises(SignInRefused):
            desk.sign_in(typed)


def test_an_account_that_is_handed_over_has_the_address_that_was_mailed_to(desk: Desk) -> None:
    mine, theirs = written_alike(*TWINS[0])
    there = access.create_workspace(desk.directory, f"workspace of {theirs}", theirs)
    link = owner_link.issue(desk.directory, system(there.workspace.id)).link
    desk.accept(link.rpartition("/")[2], "an operator vouched for it")
    ann = desk.accept(desk.invite(desk.person(mine)))
    session = signin.session_of(desk.directory, desk.sign_in(mine).text)
    assert session is not None
    assert (session.contact.id, session.account_email) == (ann.contact_id, mine)


def test_the_case_of_ascii_letters_tells_no_mailboxes_apart(desk: Desk) -> None:
    mail, there = address(), Desk(new_world(desk.world.app))
    there.accept(there.invite(there.person(mail.upper())))
    ann = desk.person(mail, active=True)
    assert desk.sign_in(mail).contact_id == ann


@pytest.mark.parametrize("by", ["userName", "emails"])
@pytest.mark.parametrize("inactive", [False, True])
def test_nobody_is_kept_out_by_a_contact_who_may_not_sign_in(desk: Desk, by: str, inactive: bool) -> None:
    mail, own = proven(desk), address()
    ann = desk.person(address(), active=True, emails=[{"value": mail}, {"value": own}], password="the provider's")
    for each in (mail, own):
        other = desk.person(each if by == "userName" else address(), active=inactive, emails=[{"value": each}])
        if inactive:
            life.act(desk.directory, desk.call.actor, other, Event.DEACTIVATE)
    assert desk.sign_in(own, "the provider's").contact_id == ann
    assert desk.sign_in(mail).contact_id == ann


def test_of_several_who_may_sign_in_a_user_name_counts_and_no_shared_address(desk: Desk) -> None:
    mail = proven(desk)
    for _ in range(2):
        desk.person(address(), active=True, emails=[{"value": mail}])
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)
    ann = desk.person(mail, active=True)
    assert desk.sign_in(mail, PASSWORD).contact_id == ann


@pytest.mark.parametrize("field", ["userName", "email"])
def test_a_team_member_changes_no_colleagues_sign_in(desk: Desk, field: str) -> None:
    ann, bob = colleague(desk, "ann@x.test"), colleague(desk, "bob@x.test")
    adm, cleo = colleague(desk, "adm@x.test", Role.ADMIN), colleague(desk, "cleo@x.test", Role.CLIENT)
    mail = proven(desk)
    with pytest.raises(SignInOfAnother, match="Only an administrator"):
        life.edit(desk.directory, ann, bob.id or "", {field: mail})
    with pytest.raises(SignInRefused):
        desk.sign_in(mail)
    assert life.edit(desk.directory, ann, bob.id or "", {"title": "Cook"}).changed
    uninvited = desk.person("new@x.test")
    for actor, who in ((ann, ann.id), (ann, cleo.id), (ann, uninvited), (adm, bob.id)):
        assert life.edit(desk.directory, actor, who or "", {field: address()}).changed
