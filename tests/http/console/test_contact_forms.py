"""The forms about a contact: a new one, an edit, a role."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.directory.desk import Desk
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import Client, World, new_world

NEW = "/console/contacts/new"


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


def edit_path(contact_id: str) -> str:
    return f"/console/contacts/{contact_id}/edit"


def read(client: Client, contact_id: str) -> Any:
    return client.get(f"/Users/{contact_id}").json


def test_a_new_contact_is_uninvited(client: Client, owner: Browser) -> None:
    values = {
        "userName": "ann@x.test",
        "givenName": " Ann",
        "familyName": "Lee",
        "email": "ann@x.test",
        "role": "client",
    }
    made = owner.send(NEW, NEW, **values)
    assert made.status_code == 303
    user = read(client, made.headers["Location"].rpartition("/")[2])
    assert user["name"]["givenName"] == "Ann"
    assert user["displayName"] == "Ann Lee"
    assert user["roles"] == [{"value": "client"}]
    page = owner.get(made.headers["Location"]).text
    assert "Not invited" in page
    assert "Invite them to let them sign in" in page


def test_what_can_not_be_is_told_and_what_was_typed_kept(client: Client, owner: Browser) -> None:
    client.user("ann@x.test")
    for values, status, told in (
        ({"userName": "ANN@x.test"}, 403, "is already in use"),
        ({"userName": ""}, 403, "The userName is empty"),
        ({"userName": "b@x.test", "email": "no address"}, 403, "is not an e-mail address"),
        ({"userName": "b@x.test", "role": "owner"}, 403, "Transfer ownership"),
        ({"userName": "b@x.test", "licence": "gold"}, 403, "There is no licence type"),
    ):
        answer = owner.send(NEW, NEW, title="Boss <1>", **values)
        assert (answer.status_code, told in answer.text) == (status, True), answer.text
        assert 'value="Boss &lt;1&gt;"' in answer.text


def test_an_edit_changes_what_was_changed(client: Client, owner: Browser) -> None:
    ann = client.user(
        "ann@x.test", title="Boss", emails=[{"value": "a@x.test", "primary": True}, {"value": "b@x.test"}]
    )["id"]
    page = owner.get(edit_path(ann)).text
    assert "1 more address, which stay" in page
    assert owner.send(edit_path(ann), edit_path(ann), title="", email="c@x.test").status_code == 303
    user = read(client, ann)
    assert "title" not in user
    assert [each["value"] for each in user["emails"]] == ["c@x.test", "b@x.test"]
    version = user["meta"]["version"]
    again = owner.send(edit_path(ann), edit_path(ann))
    assert "Nothing was changed." in owner.get(again.headers["Location"]).text
    assert read(client, ann)["meta"]["version"] == version


def test_a_long_name_fits_into_the_cookie_that_says_what_was_done(world: World, client: Client, owner: Browser) -> None:
    name = "".join(chr(0x4E00 + number * 7) for number in range(500))  # not two alike, so that nothing is compressed
    ann = client.user("ann@x.test", displayName=name)["id"]
    said = owner.send(edit_path(ann), edit_path(ann), title="Boss")
    assert all(len(each) < 4093 for each in said.headers.getlist("Set-Cookie"))
    page = owner.get(said.headers["Location"]).text
    assert f"{name[:63]}… is saved." in page
    assert f"{name}</h1>" in page, "the page itself has the whole name"


def test_two_who_edit_at_once(client: Client, owner: Browser) -> None:
    ann = client.user("ann@x.test", title="Boss")["id"]
    form = owner.form(edit_path(ann), edit_path(ann))
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": "Chief"})
    answer = owner.open("POST", edit_path(ann), {**form, "title": "Head"})
    assert (answer.status_code, "Someone changed this contact meanwhile" in answer.text) == (403, True)
    assert read(client, ann)["title"] == "Chief"
    assert 'value="Head"' in answer.text


def test_a_licence_without_a_free_seat(app: Flask) -> None:
    world = new_world(app, seats=1)
    owner, client = visiting(world), world.client()
    ann = client.user("ann@x.test", entitlements=[{"type": "license", "value": "client"}])["id"]
    answer = owner.send(edit_path(ann), edit_path(ann), licence="member")
    assert answer.status_code == 403
    assert 'href="/console/settings/licences/add"' in answer.text


def test_roles_up_to_ones_own(world: World) -> None:
    desk, owner, team = Desk(world), visiting(world), visiting(world, "team")
    ann = desk.person("ann@x.test", roles=[{"value": "client"}])
    path = f"/console/contacts/{ann}/role"
    assert 'value="admin"' not in team.get(path).text
    assert team.send(path, path, role="admin").status_code == 403
    assert team.send(path, path, role="team").status_code == 303
    answer = owner.send(path, path, role="admin")
    assert "is Admin." in owner.get(answer.headers["Location"]).text
    assert team.get(path).status_code == 403, "it ranks above"
    assert owner.get(f"/console/contacts/{world.owner_id}/role").status_code == 403


def test_the_owner_is_edited_without_role(world: World, owner: Browser) -> None:
    path = edit_path(world.owner_id)
    assert 'name="role"' not in owner.get(path).text
    assert owner.send(path, path, displayName="Olivia").status_code == 303
