"""One's own account in a browser: another password, and signing out everywhere."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.desk import Desk, assert_signed_in, assert_signed_out
from tests.browser.look import look_over

NEW = "a longer horse"


def fill(page: Page, old: str, new: str, again: str) -> None:
    page.get_by_label("Present password").fill(old)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password, again").fill(again)
    page.get_by_role("button", name="Change password").click()


def test_another_password_ends_the_other_sessions(desk: Desk) -> None:
    person = desk.person("client")
    page, other = desk.signed_in("client"), desk.signed_in("client")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    look_over(page, "account")
    page.get_by_role("link", name="Change password").click()
    look_over(page, "password")
    fill(page, person.password, NEW, "another horse")
    expect(page.get_by_role("alert")).to_have_text("The two new passwords are not the same.")
    look_over(page, "password-refused")
    fill(page, person.password, NEW, NEW)
    expect(page.get_by_role("status")).to_have_text("Your password is changed. Your other sessions have ended.")
    assert_signed_out(other)
    desk.sign_in(other, person, NEW)
    assert_signed_in(other)


def test_signing_out_everywhere(desk: Desk) -> None:
    page, other = desk.signed_in("team"), desk.signed_in("team")
    page.goto("/console/account")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_text("You are signed out everywhere.")).to_be_visible()
    assert_signed_out(page)
    assert_signed_out(other)
