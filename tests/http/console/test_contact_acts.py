"""The questions that a contact's menu leads to: what they say, what they do, and whom they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from scim_server.directory import access, items
from scim_server.directory.items import NewItem
from scim_server.directory.items import Wanted as WantedItems
from scim_server.mail import post_of
from tests.directory.desk import Desk
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import World, free_port, new_world


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def path_of(contact_id: str, act: str = "") -> str:
    return f"/console/contacts/{contact_id}{act and '/'}{act}"


def do(browser: Browser, contact_id: str, act: str, **fields: str) -> tuple[int, str]:
    """Ask for an act and agree; the status, and the page that comes of it."""
    path = path_of(contact_id, act)
    answer = browser.send(path, path, **fields)
    if answer.status_code == 303:
        return 303, browser.get(answer.headers["Location"]).text
    return answer.status_code, answer.text


def test_r08_r09_deactivate_and_r51_activate(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True, displayName="Ann")
    question = owner.get(path_of(ann, "deactivate")).text
    assert "Deactivate Ann?" in question
    assert "They aren&#39;t notified" in question or "They aren't notified" in question
    assert desk.part(ann)["status"] == "active", "a look changes nothing"
    assert "Ann is deactivated." in do(owner, ann, "deactivate")[1]
    assert desk.part(ann)["status"] == "inactive"
    assert desk.mails == []
    assert owner.get(path_of(ann, "deactivate")).status_code == 303, "there is nothing to ask"
    assert "Ann is active" in do(owner, ann, "activate")[1]
    assert desk.part(ann)["status"] == "active"


def test_r24_r30_archive_and_unarchive_leave_the_rest(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True)
    before = desk.part(ann)
    assert "is archived." in do(owner, ann, "archive")[1]
    archived = desk.part(ann)
    assert (archived["archived"], archived["status"], archived["seat"]) == (True, "active", before["seat"])
    assert "is back in the list." in do(owner, ann, "unarchive")[1]
    assert desk.part(ann)["archived"] is False


def test_r42_r55_r62_delete(desk: Desk, owner: Browser) -> None:
    world = desk.world
    ann, bob = desk.person("ann@x.test", active=True), desk.person("bob@x.test", emails=[{"value": "b@x.test"}])
    actor = access.operator(world.directory, world.name)
    items.add(world.directory, actor, NewItem(kind="project", title="Mine", owner_id=ann))
    question = owner.get(path_of(ann, "delete")).text
    assert "Deactivating is recommended" in question
    assert path_of(ann, "deactivate") in question
    status, page = do(owner, ann, "delete", reassign_to="nobody@x.test")
    assert (status, "There is no contact with the userName or e-mail" in page) == (404, True)
    assert 'value="nobody@x.test"' in page, "what was typed is kept"
    assert do(owner, ann, "delete", reassign_to="ann@x.test")[0] == 403
    assert "deleted for good" in do(owner, ann, "delete", reassign_to="b@x.test")[1]
    assert owner.get(path_of(ann)).status_code == 404
    found = items.find(world.directory, actor, WantedItems(owner_id=bob)).items
    assert [each.item.title for each in found] == ["Mine"]
    assert found[0].author == "Deleted contact"


def test_an_email_of_several_is_nobodys(desk: Desk, owner: Browser) -> None:
    world = desk.world
    ann, *_ = (desk.person(f"{name}@x.test", emails=[{"value": "same@x.test"}]) for name in ("ann", "bob", "eve"))
    actor = access.operator(world.directory, world.name)
    items.add(world.directory, actor, NewItem(kind="project", title="Mine", owner_id=ann))
    status, page = do(owner, ann, "delete", reassign_to="same@x.test")
    assert (status, "Several contacts" in page) == (403, True)


def test_deleting_without_an_heir_leaves_items_to_nobody(desk: Desk, owner: Browser) -> None:
    world, ann = desk.world, desk.person("ann@x.test")
    actor = access.operator(world.directory, world.name)
    items.add(world.directory, actor, NewItem(kind="project", title="Mine", owner_id=ann))
    assert do(owner, ann, "delete")[0] == 303
    (left,) = items.find(world.directory, actor).items
    assert left.owner == "Deleted contact"


@pytest.mark.parametrize("act", ["deactivate", "delete"])
def test_r40_the_owner_is_safe_from_forms_too(world: World, act: str) -> None:
    admin = visiting(world, "admin")
    token = admin.form("/console/account", "/signout")["csrf_token"]
    for method, data in (("GET", None), ("POST", {"csrf_token": token})):
        answer = admin.open(method, path_of(world.owner_id, act), data)
        assert answer.status_code == 403
        assert "Transfer ownership first" in answer.text


@pytest.mark.parametrize("act", ["deactivate", "activate", "delete", "invite"])
def test_r41a_a_forged_form_of_a_team_member_gets_403(world: World, act: str) -> None:
    desk, team = Desk(world), visiting(world, "team")
    ann = desk.person("ann@x.test", active=act in ("deactivate", "delete"))
    before = desk.part(ann)
    token = team.form("/console/account", "/signout")["csrf_token"]
    assert team.open("GET", path_of(ann, act)).status_code == 403
    answer = team.open("POST", path_of(ann, act), {"csrf_token": token, "email": "ann@x.test"})
    assert answer.status_code == 403
    assert "contacts:delete" in answer.text
    assert desk.part(ann) == before


def test_r41b_a_team_member_archives(world: World) -> None:
    desk, team = Desk(world), visiting(world, "team")
    ann = desk.person("ann@x.test", active=True)
    assert do(team, ann, "archive")[0] == 303
    assert do(team, ann, "unarchive")[0] == 303


def test_r53_without_a_free_seat_the_way_to_more_is_told(app: Flask) -> None:
    world = new_world(app, seats=2)
    desk, owner = Desk(world), visiting(world)
    desk.person("one@x.test", active=True)
    ann = desk.person("ann@x.test")
    for act, fields in (("activate", {}), ("invite", {"email": "ann@x.test"})):
        status, page = do(owner, ann, act, **fields)
        assert status == 403
        assert "No free &#39;member&#39; seat" in page
        assert 'href="/console/settings/licences/add"' in page
    assert desk.part(ann)["status"] == "inactive"


def test_a_form_without_its_secret_changes_nothing(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True)
    assert owner.open("POST", path_of(ann, "deactivate"), {}).status_code == 400
    assert desk.part(ann)["status"] == "active"


# Invitations: the pages post by the application's own mail


def test_r19_invite_picks_an_address(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", emails=[{"value": "one@x.test"}, {"value": "two@x.test"}, {"value": "ONE@x.test"}])
    question = owner.get(path_of(ann, "invite")).text
    assert question.count('type="radio"') == 3, "each address once, and another"
    assert "the mail to two@x.test is a file" in do(owner, ann, "invite", email="two@x.test")[1]
    part = desk.part(ann)
    assert (part["status"], part["invitation"]["email"]) == ("invited", "two@x.test")
    assert owner.get(path_of(ann, "invite")).status_code == 303, "there is nothing to ask"


def test_an_address_that_is_new_or_wrong(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test")
    for fields, told in (
        ({"email": "other", "other": ""}, "Choose an e-mail address"),
        ({"email": "other", "other": "no address"}, "is not an e-mail address"),
        ({"email": "ann@x.test", "other": "b@x.test"}, "Choose “Another address”"),
    ):
        status, page = do(owner, ann, "invite", **fields)
        assert (status, told in page) == (403, True), page
    assert "the mail to new@x.test is a file" in do(owner, ann, "invite", email="other", other="new@x.test")[1]


def test_resend_to_another_and_take_back(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", emails=[{"value": "ann@x.test"}, {"value": "two@x.test"}])
    assert do(owner, ann, "invite", email="ann@x.test")[0] == 303
    assert do(owner, ann, "resend", email="two@x.test")[0] == 303
    assert desk.part(ann)["invitation"]["email"] == "two@x.test"
    assert "is taken back" in do(owner, ann, "revoke-invitation")[1]
    assert desk.part(ann)["status"] == "inactive"
    for act in ("resend", "revoke-invitation"):
        assert owner.get(path_of(ann, act)).status_code == 303


def test_a_mail_that_fails_is_told_and_the_invitation_stands(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    app, owner, ann = desk.world.app, visiting(desk.world), desk.person("ann@x.test")
    post = post_of(f"smtp://127.0.0.1:{free_port()}", "", "server@x.test")
    site = app.extensions["pages"]
    failing = replace(site, directory=replace(site.directory, post=post))
    monkeypatch.setitem(app.extensions, "pages", failing)
    page = do(owner, ann, "invite", email="ann@x.test")[1]
    assert "The invitation stands, but its mail was not sent" in page
    assert desk.part(ann)["status"] == "invited"
