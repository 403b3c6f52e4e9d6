"""Who gets in, as a browser sees it: R3, R8, R12, R20, R31 and R38, with an identity provider at the other end."""

from __future__ import annotations

import secrets

import pytest
from playwright.sync_api import Page, expect

from scim_server.directory import access
from tests.browser.desk import Desk, Person, assert_signed_in, assert_signed_out
from tests.directory.desk import PASSWORD
from tests.support import USER_URN, WORKSPACE_URN, patch_body

WRONG = "The e-mail or the password is wrong, or there is no access to this workspace."


def scim(desk: Desk, person: Person, path: str, value: bool) -> None:
    """What an identity provider says of the person, sent to the server."""
    with desk.scim(desk.world.client()) as client:
        body = patch_body({"op": "replace", "path": path, "value": value})
        answer = client.patch(f"/Users/{person.id}", json=body)
        assert answer.status_code == 200, answer.text


def refused(desk: Desk, page: Page, person: Person) -> None:
    desk.sign_in(page, person)
    expect(page.get_by_role("alert")).to_have_text(WRONG)
    assert_signed_out(page)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_deactivating_closes_the_door_and_accepting_opens_it(desk: Desk, scripts: bool) -> None:
    person, page = desk.person("team"), desk.page(scripts=scripts)
    desk.sign_in(page, person)
    assert_signed_in(page)
    scim(desk, person, "active", False)
    assert_signed_out(page)
    refused(desk, page, person)
    assert not desk.mails(person.email), "nobody is told (R10)"
    text = desk.people.invite(person.id)
    refused(desk, page, person)
    page.goto(f"/invitation/{text}")
    page.get_by_label("Password").fill(person.password)
    page.get_by_role("button", name="Accept and sign in").click()
    assert_signed_in(page)
    again = desk.page(scripts=scripts)
    desk.sign_in(again, person)
    assert_signed_in(again)


def test_a_live_session_dies_on_deactivation(desk: Desk) -> None:
    person, page = desk.person("team"), desk.signed_in("team")
    elsewhere = desk.signed_in("team")
    scim(desk, person, "active", False)
    for each in (page, elsewhere):
        each.reload()
        expect(each.get_by_text("Your session has ended. Sign in again.")).to_be_visible()
        assert_signed_out(each)
    scim(desk, person, "active", True)
    assert_signed_out(page)
    desk.sign_in(page, person)
    assert_signed_in(page)


def test_archiving_changes_nothing_about_signing_in(desk: Desk) -> None:
    person, page = desk.person("team"), desk.signed_in("team")
    path = f"{WORKSPACE_URN}:archived"
    scim(desk, person, path, True)
    page.reload()
    assert_signed_in(page)
    other = desk.page()
    desk.sign_in(other, person)
    assert_signed_in(other)
    scim(desk, person, "active", False)
    assert_signed_out(page)
    refused(desk, other, person)
    scim(desk, person, path, False)
    refused(desk, other, person)


def test_deleting_closes_the_door_for_good(desk: Desk) -> None:
    person, page = desk.person("team"), desk.signed_in("team")
    with desk.scim(desk.world.client()) as client:
        assert client.delete(f"/Users/{person.id}").status_code == 204
    assert_signed_out(page)
    refused(desk, page, person)


def test_an_invitation_by_mail_lets_in(desk: Desk) -> None:
    """On a connection that gives access by invitation (D2), the server itself posts the letter (R19, R20)."""
    name = f"kim@{desk.world.name}.test"
    access.create_connection(desk.world.directory, desk.world.name, "careful", own={"invite": True})
    _, token = access.create_token(desk.world.directory, desk.world.name, "careful", secrets.token_bytes)
    with desk.site.served.client(token) as client:
        answer = client.post("/Users", json={"schemas": [USER_URN], "userName": name, "emails": [{"value": name}]})
        assert answer.status_code == 201, answer.text
    (letter,) = desk.mails(name)
    assert desk.world.name in letter.subject
    page = desk.page()
    page.goto(letter.link)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Accept and sign in").click()
    assert_signed_in(page)
    page.goto(letter.link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is no longer good")
