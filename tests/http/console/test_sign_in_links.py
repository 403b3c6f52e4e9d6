"""Sending somebody a sign-in link from their page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from scim_server.mail import post_of
from scim_server.storage import tables
from tests.directory.desk import Desk, address
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import World, free_port

ENTRY = "Send sign-in link"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def path_of(contact_id: str, act: str = "/sign-in-link") -> str:
    return f"/console/contacts/{contact_id}{act}"


def sent(browser: Browser, contact_id: str) -> str:
    """Ask and agree; the page that comes of it."""
    path = path_of(contact_id)
    return browser.get(browser.send(path, path).headers["Location"]).text


def test_a_team_member_sends_a_link_and_nothing_else_changes(desk: Desk) -> None:
    email = address()
    ann = desk.person(email, active=True, displayName="Ann")
    before = desk.part(ann)
    team = visiting(desk.world, "team")
    assert ENTRY in team.get(path_of(ann, "")).text
    question = team.get(path_of(ann)).text
    assert "Send Ann a sign-in link?" in question
    assert email in question
    assert desk.rows(tables.invitation_links) == 0, "a look sends nothing"
    page = sent(team, ann)
    assert "There is a sign-in link for Ann." in page
    assert "Mailed a sign-in link" in page, "the activity tells it"
    assert (desk.rows(tables.invitation_links), desk.part(ann)) == (1, before)


def test_it_is_offered_for_who_may_sign_in_alone(desk: Desk) -> None:
    owner = visiting(desk.world)
    inactive = desk.person(address())
    invited = desk.person(address())
    desk.invite(invited)
    for contact_id in (inactive, invited):
        assert ENTRY not in owner.get(path_of(contact_id, "")).text
        answer = owner.get(path_of(contact_id))
        assert "Only somebody who may sign in" in owner.get(answer.headers["Location"]).text
    nameless = desk.person("nobody-in-particular", active=True, emails=[])
    answer = owner.get(path_of(nameless))
    assert "There is no e-mail address" in owner.get(answer.headers["Location"]).text
    token = owner.form("/console/account", "/signout")["csrf_token"]
    answer = owner.open("POST", path_of(inactive), {"csrf_token": token})
    assert "Only somebody who may sign in" in owner.get(answer.headers["Location"]).text
    assert desk.rows(tables.invitation_links) == 1, "the invitation's"


def test_a_mail_server_that_is_away_is_told(app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, ann = visiting(desk.world), desk.person(address(), active=True)
    away = replace(desk.world.directory, post=post_of(f"smtp://127.0.0.1:{free_port()}", "", "a@x.test"))
    monkeypatch.setattr("scim_server.http.console.sign_in_links.directory", lambda: away)
    page = sent(owner, ann)
    assert "The link wasn't sent" in page.replace("&#39;", "'")
    assert "can't be reached" in page.replace("&#39;", "'")
