"""The pages to sign in by, to accept an invitation and to sign out, as a browser without scripts sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from scim_server.directory import owner_link, signin
from scim_server.http.pages import own_path
from scim_server.storage import tables
from tests.directory.desk import PASSWORD, Desk, address
from tests.http.browser import ACCOUNT, Browser
from tests.support import World, new_world

# full-width letters, which count as the plain ones
WIDE = {ord(each): ord(each) + 0xFEE0 for each in "abcdefghijklmnopqrstuvwxyz"}
ELSEWHERE = (
    "https://evil.test/",
    "//evil.test/",
    "///evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/ok\n",
    "/\r\nSet-Cookie: a=b",
    "http:evil.test",
    "javascript:alert(1)",
    "evil.test",
    "/é",
    " /",
    "",
)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def member(desk: Desk, mail: str, **attributes: Any) -> str:
    """A contact who has accepted."""
    return desk.accept(desk.invite(desk.person(mail, **attributes))).contact_id


def location(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


# Signing in


def test_signing_in_and_out(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(desk, mail, displayName="Ann Lee")
    assert location(browser.get("/")) == "/signin"
    assert location(browser.sign_in(desk.world.name, mail, PASSWORD)) == "/"
    home = browser.get(ACCOUNT)
    assert home.status_code == 200
    assert home.text.count("Ann Lee") == 2, "in the bar, and as whose account it is"
    assert "Signed in as" in home.text
    assert desk.world.name in home.text
    assert re.search(
        r'<time datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ">\d{4}-\d\d-\d\d \d\d:\d\d UTC</time>', home.text
    )
    assert location(browser.get("/signin")) == "/", "who is signed in is sent on"
    assert location(browser.send(ACCOUNT, "/signout")) == "/signin"
    assert "You are signed out." in browser.get("/signin").text
    assert not browser.is_signed_in
    assert desk.rows(tables.sessions) == 0


def test_signing_out_everywhere(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(desk, mail)
    other = Browser(browser.app)
    for each in (browser, other):
        each.sign_in(desk.world.name, mail, PASSWORD)
        assert each.is_signed_in
    browser.send(ACCOUNT, "/signout/everywhere")
    assert not browser.is_signed_in
    assert location(other.get("/")) == "/signin"
    assert "Your session has ended" in other.get("/signin").text
    assert "Your session has ended" not in other.get("/signin").text


def test_every_refusal_is_the_same(desk: Desk, browser: Browser) -> None:
    mail, off = address(), address()
    member(desk, mail)
    desk.set_active(member(desk, off), False)
    there = new_world(browser.app)
    pages = set()
    for workspace, email, password in (
        (desk.world.name, mail, "wrong password"),
        (desk.world.name, off, PASSWORD),
        (desk.world.name, address(), PASSWORD),
        (there.name, mail, PASSWORD),
        ("no such workspace", mail, PASSWORD),
        (desk.world.name, mail, "\x00"),
        ("\x00", mail, PASSWORD),
        ("", "", ""),
    ):
        answer = browser.sign_in(workspace, email, password)
        assert answer.status_code == 403
        assert not password or password == "\x00" or password not in answer.text
        pages.add(re.search(r'role="alert"[^>]*>(.*?)</p>', answer.text, re.S).group(1))  # type: ignore[union-attr]
    assert pages == {"The e-mail or the password is wrong, or there is no access to this workspace."}
    assert not browser.is_signed_in


def test_deactivation_by_scim_ends_the_session_at_the_next_click(desk: Desk, browser: Browser) -> None:
    mail = address()
    ann = member(desk, mail)
    browser.sign_in(desk.world.name, mail, PASSWORD)
    assert browser.is_signed_in
    client = desk.world.client()
    assert client.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": False}).status == 200
    assert location(browser.get("/")) == "/signin"
    assert browser.sign_in(desk.world.name, mail, PASSWORD).status_code == 403
    assert client.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": True}).status == 200
    assert not browser.is_signed_in, "what ended stays so"
    browser.sign_in(desk.world.name, mail, PASSWORD)
    assert browser.is_signed_in
    assert client.delete(f"/Users/{ann}").status == 204
    assert not browser.is_signed_in


def test_signing_in_again_ends_the_session_before(desk: Desk, browser: Browser) -> None:
    """And takes over nothing that someone else may have put into the cookie."""
    mail, other = address(), address()
    member(desk, mail)
    member(desk, other)
    form = browser.form("/signin", "/signin")
    browser.sign_in(desk.world.name, mail, PASSWORD)
    before = browser.cookie.value
    fields = {"workspace": desk.world.name, "email": other, "password": PASSWORD}
    stale = browser.open("POST", "/signin", {**form, **fields})
    assert (stale.status_code, "too old" in stale.text) == (400, True)
    token = browser.form(ACCOUNT, "/signout")["csrf_token"]
    assert location(browser.open("POST", "/signin", {**fields, "csrf_token": token})) == "/"
    assert other in browser.get(ACCOUNT).text
    assert desk.rows(tables.sessions) == 1
    browser.client.set_cookie(browser.cookie.key, before)
    assert not browser.is_signed_in


def test_next_leads_to_paths_of_our_own(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(desk, mail)
    assert browser.form("/signin?next=/invitation/x%3Fa%3D1%26b", "/signin")["next"] == "/invitation/x?a=1&b"
    answer = browser.sign_in(desk.world.name, mail, PASSWORD, next="/invitation/x?a=1&b")
    assert location(answer) == "/invitation/x?a=1&b"
    assert location(browser.get("/signin?next=/invitation/y")) == "/invitation/y"


@pytest.mark.parametrize("target", ELSEWHERE)
def test_next_leads_nowhere_else(desk: Desk, browser: Browser, target: str) -> None:
    mail = address()
    member(desk, mail)
    assert own_path(target) is None
    page = browser.client.get("/signin", query_string={"next": target})
    assert 'name="next"' not in page.text
    assert location(browser.sign_in(desk.world.name, mail, PASSWORD, next=target)) == "/"
    assert location(browser.client.get("/signin", query_string={"next": target})) == "/"
    answer = browser.open("POST", "/signout", {**browser.form(ACCOUNT, "/signout"), "next": target})
    assert location(answer) == "/signin"


def test_too_many_tries_have_to_wait(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(desk, mail)
    for _ in range(10):
        assert browser.sign_in(desk.world.name, mail, "wrong password").status_code == 403
    answer = Browser(browser.app).sign_in(desk.world.name, mail.upper(), PASSWORD)
    assert answer.status_code == 429, "from wherever, and also with the right password"
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert "min" in answer.text
    text = desk.invite(desk.person(address()), mail)
    assert browser.send(f"/invitation/{text}", password=PASSWORD).status_code == 429
    other = address()
    member(desk, other)
    assert location(browser.sign_in(desk.world.name, other, PASSWORD)) == "/"


@pytest.mark.parametrize("spelling", [str.upper, lambda mail: f" {mail} ", lambda mail: mail.translate(WIDE)])
def test_no_spelling_of_an_e_mail_has_tries_of_its_own(
    desk: Desk, browser: Browser, spelling: Callable[[str], str]
) -> None:
    mail = address()
    member(desk, mail)
    assert location(browser.sign_in(desk.world.name, spelling(mail), PASSWORD)) == "/", "it means the same person"
    for _ in range(10):
        assert Browser(browser.app).sign_in(desk.world.name, mail, "wrong password").status_code == 403
    other = f" {desk.world.name.upper()}"
    assert Browser(browser.app).sign_in(other, spelling(mail), PASSWORD).status_code == 429


def test_tries_in_another_workspace_lock_nobody_out(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(desk, mail)
    for workspace in ("nowhere", new_world(browser.app).name):
        for _ in range(10):
            assert Browser(browser.app).sign_in(workspace, mail, "wrong password").status_code == 403
        assert Browser(browser.app).sign_in(workspace, mail, "wrong password").status_code == 429
    assert location(browser.sign_in(desk.world.name, mail, PASSWORD)) == "/"


# Accepting


def test_accepting_signs_in(desk: Desk, browser: Browser) -> None:
    mail = address()
    ann = desk.person(mail)
    text = desk.invite(ann)
    path = f"/invitation/{text}"
    for _ in range(2):
        page = browser.get(path)
        assert page.status_code == 200
        assert all(each in page.text for each in (mail, desk.world.name, f"{desk.now + timedelta(days=7):%Y-%m-%d}"))
    assert desk.part(ann)["status"] == "invited", "a look changes nothing"
    for fields, said in (
        ({"password": "short", "again": "short"}, "Password must have at least 8 characters."),
        ({"password": PASSWORD, "again": PASSWORD + "x"}, "The two passwords are not the same."),
        ({"password": PASSWORD}, "The two passwords are not the same."),
        ({}, "Password must have at least 8 characters."),
    ):
        answer = browser.open("POST", path, {"csrf_token": browser.form(path)["csrf_token"], **fields})
        assert (answer.status_code, said in answer.text, PASSWORD in answer.text) == (400, True, False)
    assert desk.part(ann)["status"] == "invited"
    assert location(browser.send(path, password=PASSWORD, again=PASSWORD)) == "/"
    home = browser.get(ACCOUNT).text
    assert f"Welcome to {desk.world.name}." in home
    assert mail in home
    assert desk.part(ann)["status"] == "active"
    other = Browser(browser.app)
    assert location(other.sign_in(desk.world.name, mail, PASSWORD)) == "/"


def test_a_link_works_once(desk: Desk, browser: Browser) -> None:
    text = desk.invite(desk.person(address()))
    path = f"/invitation/{text}"
    form = browser.form(path)
    browser.open("POST", path, {**form, "password": PASSWORD, "again": PASSWORD})
    thief = Browser(browser.app)
    page = thief.get(path)
    assert (page.status_code, "used, replaced or taken back" in page.text) == (410, True)
    assert "An administrator of the workspace" in page.text
    assert "scim-server workspace owner-link" in page.text, "it may have been the owner's"
    token = thief.form("/signin", "/signin")["csrf_token"]
    again = thief.open("POST", path, {"csrf_token": token, "password": "another horse", "again": "another horse"})
    assert again.status_code == 410
    assert not thief.is_signed_in


def test_dead_links_say_why(desk: Desk, browser: Browser) -> None:
    late = replace(desk, now=desk.now - timedelta(days=8))
    expired = late.invite(desk.person(address()))
    assert "It has expired." in browser.get(f"/invitation/{expired}").text
    token = browser.form("/signin", "/signin")["csrf_token"]
    fields = {"csrf_token": token, "password": PASSWORD, "again": PASSWORD}
    for text in (expired, "never-was", "x" * 3000, "%00", "%ED%A0%80"):
        for answer in (browser.get(f"/invitation/{text}"), browser.open("POST", f"/invitation/{text}", fields)):
            assert answer.status_code == 410, text
            assert "no longer good" in answer.text


def test_accepting_with_an_account_that_is_there(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(Desk(new_world(browser.app)), mail)
    text = desk.invite(desk.person(mail))
    page = browser.get(f"/invitation/{text}").text
    assert 'autocomplete="current-password"' in page
    assert 'name="again"' not in page
    answer = browser.send(f"/invitation/{text}", password="another horse")
    assert (answer.status_code, "There is an account under this e-mail" in answer.text) == (403, True)
    click = browser.send(f"/invitation/{text}", signed_in="yes", password="")
    assert click.status_code == 403, "nobody is signed in"
    assert location(browser.send(f"/invitation/{text}", password=PASSWORD)) == "/"
    assert desk.world.name in browser.get(ACCOUNT).text


def test_accepting_by_one_click(desk: Desk, browser: Browser) -> None:
    mail, there = address(), Desk(new_world(browser.app))
    member(there, mail)
    browser.sign_in(there.world.name, mail, PASSWORD)
    text = desk.invite(desk.person(mail))
    page = browser.get(f"/invitation/{text}").text
    assert 'type="password"' not in page
    assert location(browser.send(f"/invitation/{text}")) == "/"
    assert desk.world.name in browser.get(ACCOUNT).text
    assert (desk.rows(tables.sessions), there.rows(tables.sessions)) == (1, 0), "the new one is instead of the old"


def test_someone_else_who_is_signed_in_is_told(desk: Desk, browser: Browser) -> None:
    mine, theirs = address(), address()
    member(desk, mine, displayName="Somebody Else")
    browser.sign_in(desk.world.name, mine, PASSWORD)
    text = desk.invite(desk.person(theirs))
    page = browser.get(f"/invitation/{text}").text
    assert "You are signed in as Somebody Else" in page
    assert 'name="signed_in"' not in page
    token = browser.form(f"/invitation/{text}")["csrf_token"]
    refused = browser.open("POST", f"/invitation/{text}", {"csrf_token": token, "signed_in": "yes"})
    assert refused.status_code == 400
    assert location(browser.send(f"/invitation/{text}", password=PASSWORD, again=PASSWORD)) == "/"
    assert theirs in browser.get(ACCOUNT).text


def test_a_workspaces_own_password_is_no_click(desk: Desk, browser: Browser) -> None:
    mail, there = address(), Desk(new_world(browser.app))
    ann = member(there, mail)
    operation = {"op": "replace", "path": "password", "value": "set by the provider"}
    assert there.world.client().patch(f"/Users/{ann}", operation).status == 200
    browser.sign_in(there.world.name, mail, "set by the provider")
    assert browser.is_signed_in
    text = desk.invite(desk.person(mail))
    assert 'autocomplete="current-password"' in browser.get(f"/invitation/{text}").text
    assert browser.send(f"/invitation/{text}", signed_in="yes", password="").status_code == 403


def test_the_owners_link_sets_a_password(desk: Desk, browser: Browser) -> None:
    for password in (PASSWORD, "another horse"):
        text = owner_link.issue(desk.directory, desk.call.actor).link.rpartition("/")[2]
        page = browser.get(f"/invitation/{text}").text
        assert "Set your password" in page
        assert "Join" not in page
        assert location(browser.send(f"/invitation/{text}", password=password, again=password)) == "/"
        assert f"owner@{desk.world.name}.test" in browser.get(ACCOUNT).text
        assert browser.get(f"/invitation/{text}").status_code == 410
    assert desk.rows(tables.sessions) == 1
    other = Browser(browser.app)
    assert other.sign_in(desk.world.name, f"owner@{desk.world.name}.test", PASSWORD).status_code == 403
    assert location(other.sign_in(desk.world.name, f"owner@{desk.world.name}.test", "another horse")) == "/"


def test_entering_needs_an_account_that_opens(desk: Desk) -> None:
    """What acceptance proved is looked at again: somebody may have been deactivated in between."""
    accepted = desk.accept(desk.invite(desk.person(address())))
    desk.set_active(accepted.contact_id, False)
    with pytest.raises(signin.SignInRefused):
        signin.enter(desk.directory, accepted.workspace_id, accepted.contact_id, accepted.account_id)
    desk.set_active(accepted.contact_id, True)
    with pytest.raises(signin.SignInRefused):
        signin.enter(desk.directory, accepted.workspace_id, accepted.contact_id, "another account")
    assert desk.rows(tables.sessions) == 0
