"""One's own account: what it shows, and another password."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from scim_server.directory import activity as log
from scim_server.domain.actor import system
from scim_server.storage import tables
from scim_server.storage.db import reading
from tests.directory.desk import PASSWORD, Desk, address
from tests.http.browser import ACCOUNT, Browser
from tests.http.console.visits import visiting
from tests.http.test_signin_pages import location, member
from tests.support import World, new_world

PAGE = f"{ACCOUNT}/password"
NEW = "a longer horse"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def change(browser: Browser, **fields: Any) -> TestResponse:
    return browser.send(PAGE, PAGE, **{"old": PASSWORD, "password": NEW, "again": NEW, **fields})


def test_what_is_shown(desk: Desk, app: Flask) -> None:
    mail = address()
    member(desk, mail, displayName="Ann Lee", roles=[{"value": "client"}])
    browser = Browser(app)
    browser.sign_in(desk.world.name, mail, PASSWORD)
    assert location(browser.get("/console/")) == ACCOUNT, "who may see no contacts begins here"
    page = browser.get(ACCOUNT).text
    for words in ("Ann Lee", mail, desk.world.name, "Client", "Change password", "Sign out everywhere"):
        assert words in page
    assert 'class="bar__link"' not in page, "there is nowhere else to go"


def test_another_password_ends_the_other_sessions(desk: Desk, app: Flask) -> None:
    mail, there = address(), Desk(new_world(app))
    member(desk, mail)
    there.accept(there.invite(there.person(mail)))
    here, other, elsewhere = Browser(app), Browser(app), Browser(app)
    here.sign_in(desk.world.name, mail, PASSWORD)
    other.sign_in(desk.world.name, mail, PASSWORD)
    elsewhere.sign_in(there.world.name, mail, PASSWORD)
    assert location(change(here)) == ACCOUNT
    assert "Your password is changed." in here.get(ACCOUNT).text
    assert (here.is_signed_in, other.is_signed_in, elsewhere.is_signed_in) == (True, False, False)
    assert other.sign_in(desk.world.name, mail, PASSWORD).status_code == 403
    assert location(other.sign_in(desk.world.name, mail, NEW)) == "/"
    newest = log.newest(desk.directory, system(desk.world.workspace_id), log.Wanted())[0]
    assert (newest.act, newest.door, NEW in str(newest)) == ("contact.password_set", "console", False)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"old": "wrong horse"}, 403, "The present password is wrong."),
        ({"again": "another horse"}, 400, "The two new passwords are not the same."),
        ({"password": "short", "again": "short"}, 400, "Password must have at least 8 characters."),
        ({"password": "x" * 1025, "again": "x" * 1025}, 400, "Password must have at most 1024 characters."),
        ({"old": ""}, 403, "The present password is wrong."),
    ],
)
def test_what_is_refused_changes_nothing(world: World, fields: dict[str, str], status: int, said: str) -> None:
    browser = visiting(world, "team")
    refused = change(browser, **fields)
    assert (refused.status_code, said in refused.text) == (status, True)
    for text in (PASSWORD, NEW, *fields.values()):
        assert not text or f'value="{text}"' not in refused.text
    assert location(change(browser)) == ACCOUNT, "the old password still counts"


def test_a_password_is_not_guessed_by_whoever_holds_a_session(world: World) -> None:
    browser = visiting(world, "team")
    answers = [change(browser, old=f"guess {number}") for number in range(30)]
    assert {each.status_code for each in answers} == {403, 429}
    last = answers[-1]
    assert (last.status_code, "too many tries" in last.text) == (429, True)
    assert int(last.headers["Retry-After"]) > 0
    assert 'class="bar__nav"' in last.text
    assert change(browser).status_code == 429, "not even the right one is looked at"


def test_another_name_gives_no_more_tries(world: World) -> None:
    browser = visiting(world, "team")
    while change(browser, old="a guess").status_code != 429:
        pass
    path = f"/console/contacts/{newest_id(world)}/edit"
    assert browser.send(path, path, userName="another@x.test").status_code == 303
    assert change(browser).status_code == 429


def newest_id(world: World) -> str:
    """The id of the workspace's newest contact."""
    with reading(world.directory.engine) as db:
        of_workspace = tables.contacts.c.workspace_id == world.workspace_id
        return str(db.scalar(select(func.max(tables.contacts.c.id)).where(of_workspace)))


def test_a_password_that_the_workspace_keeps_is_changed_there(world: World, app: Flask) -> None:
    client = world.client()
    client.user("own@x.test", password=PASSWORD)
    browser = Browser(app)
    browser.sign_in(world.name, "own@x.test", PASSWORD)
    refused = change(browser)
    assert (refused.status_code, "this workspace keeps for you" in refused.text) == (403, True)
    assert browser.is_signed_in
