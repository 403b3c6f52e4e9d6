"""The pages to sign in by, to accept an invitation and to let a client in, and refusals: how they look and work."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from scim_server.directory import access, clients, owner_link
from tests.browser.desk import Desk, assert_signed_in, assert_signed_out
from tests.browser.look import look_over, tab_through
from tests.directory.desk import PASSWORD
from tests.http.oauth_desk import VERIFIER, authorization_query


def headed(page: Page, title: str | re.Pattern[str]) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def typed(page: Page, *texts: str) -> None:
    """Type into the field that has the focus and the ones that Tab comes to, then send by Enter."""
    expect(page.locator("input:focus")).to_be_visible()  # autofocus comes after the page
    for index, text in enumerate(texts):
        if index:
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")


# Signing in


def test_the_form(desk: Desk, page: Page) -> None:
    page.goto("/signin")
    look_over(page, "signin", by_keyboard=False)
    assert len(tab_through(page)) == 6, "skip link, three fields, button, link"


def test_the_form_after_a_refusal(desk: Desk, page: Page) -> None:
    desk.sign_in(page, desk.person("team"), "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    look_over(page, "signin-refused", by_keyboard=False)
    expect(page.get_by_label("Password")).to_be_focused()


def test_signing_in_by_keyboard_alone(desk: Desk, page: Page) -> None:
    person = desk.person("team")
    page.goto("/signin")
    typed(page, desk.world.name, person.email, "not the password")
    expect(page.get_by_role("alert")).to_be_visible()
    typed(page, person.password)
    assert_signed_in(page)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_signing_in_and_out(desk: Desk, scripts: bool) -> None:
    page = desk.signed_in("team", scripts=scripts)
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert_signed_out(page)


# Accepting


def test_a_new_person_accepts(desk: Desk, page: Page) -> None:
    name = f"kim@{desk.world.name}.test"
    people = desk.people
    page.goto(f"/invitation/{people.invite(people.person(name))}")
    headed(page, f"Join {desk.world.name}")
    look_over(page, "invitation", by_keyboard=False)
    assert len(tab_through(page)) == 4, "skip link, two fields, button"
    page.get_by_label("New password").focus()
    typed(page, PASSWORD, "another one")
    expect(page.get_by_role("alert")).to_have_text("The two passwords are not the same.")
    look_over(page, "invitation-refused", by_keyboard=False)
    typed(page, PASSWORD, PASSWORD)
    assert_signed_in(page)


def test_whoever_has_an_account_accepts_by_its_password(desk: Desk, page: Page) -> None:
    person = desk.person("team")
    desk.people.set_active(person.id, False)
    page.goto(f"/invitation/{desk.people.invite(person.id)}")
    look_over(page, "invitation-known", by_keyboard=False)
    typed(page, PASSWORD)
    assert_signed_in(page)


def test_the_owner_sets_a_password(desk: Desk, page: Page) -> None:
    people = desk.people
    page.goto(f"/invitation/{owner_link.issue(people.directory, people.call.actor).link.rpartition('/')[2]}")
    headed(page, "Set your password")
    look_over(page, "owner-link", by_keyboard=False)
    typed(page, PASSWORD, PASSWORD)
    assert_signed_in(page)


def test_who_was_provisioned_comes_in_by_a_link(desk: Desk, page: Page) -> None:
    email = f"kim@{desk.world.name}.test"
    desk.people.person(email, active=True)
    page.goto("/signin")
    page.get_by_role("link", name="Get a link by mail").click()
    headed(page, "Get a sign-in link")
    look_over(page, "sign-in-link", by_keyboard=False)
    page.get_by_label("Workspace").focus()
    typed(page, desk.world.name, email)
    headed(page, "Look at your mail")
    look_over(page, "sign-in-link-asked")
    page.goto(desk.mail_that_comes(email).link)
    headed(page, "Set your password")
    typed(page, PASSWORD, PASSWORD)
    assert_signed_in(page)


def test_a_link_that_is_used_up_or_too_old(desk: Desk, page: Page) -> None:
    page.goto("/invitation/never-was")
    headed(page, "This link is no longer good")
    look_over(page, "invitation-dead")
    people = desk.people
    people.now -= timedelta(days=8)
    page.goto(f"/invitation/{people.invite(people.person(f'late@{desk.world.name}.test'))}")
    expect(page.get_by_text("It has expired.")).to_be_visible()


# Letting a client in


def consent_page(desk: Desk) -> str:
    """The path of the page that asks about a new client, which is this server's own neighbour."""
    redirect, directory = f"{desk.site.served.url}/callback", desk.world.directory
    name = f"entra-{secrets.token_hex(2)}"
    access.create_connection(directory, desk.world.name, name, "entra")
    client, _, _ = clients.create_client(directory, desk.world.name, name, "Entra sync", redirect_uris=[redirect])
    return f"/oauth/authorize?{urlencode({**authorization_query(client, VERIFIER), 'redirect_uri': redirect})}"


def test_consent(desk: Desk) -> None:
    page = desk.signed_in("admin")
    page.goto(consent_page(desk))
    headed(page, f"Allow Entra sync access to {desk.world.name}?")
    look_over(page, "consent")
    page.get_by_role("button", name="Allow").press("Enter")
    page.wait_for_url("**/callback?code=*")


def test_consent_is_not_for_everybody(desk: Desk) -> None:
    page = desk.signed_in("team")
    answer = page.goto(consent_page(desk))
    assert answer is not None
    assert answer.status == 403
    headed(page, "You can't allow this")
    look_over(page, "consent-refused")


# Refusals


def test_an_address_with_nothing_there(desk: Desk, page: Page) -> None:
    answer = page.goto("/console/there-is-nothing-here")
    assert answer is not None
    assert answer.status == 404
    look_over(page, "not-found")


def test_a_form_without_its_token(desk: Desk, page: Page) -> None:
    page.goto("/signin")
    page.context.clear_cookies()
    page.get_by_label("Workspace").fill("x")
    page.get_by_label("E-mail").fill("x@x.test")
    page.get_by_label("Password").fill("x")
    page.get_by_role("button", name="Sign in").click()
    headed(page, "That didn't work")
    look_over(page, "form-too-old")
