"""The consent page: who sees it, what it says, and where each answer leads."""

from __future__ import annotations

import re
import secrets
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from scim_server.directory import access, clients, life, owner_link
from scim_server.domain.roles import ALL_PERMISSIONS, SCOPES, expand_scopes
from scim_server.http.consent import WORDS
from scim_server.storage import tables
from scim_server.storage.access_tables import authorization_codes
from scim_server.storage.db import reading
from tests.directory.desk import PASSWORD, address
from tests.directory.desk import Desk as People
from tests.http.browser import ACCOUNT, Browser
from tests.http.oauth_desk import REDIRECT, Desk, authorization_query, new_desk, parameters
from tests.support import World, new_world

VERIFIER = secrets.token_urlsafe(48)


@pytest.fixture
def desk(world: World) -> Desk:
    return new_desk(world, redirect_uris=[REDIRECT])


@pytest.fixture
def owner(desk: Desk) -> Browser:
    return signed_in_owner(desk.world)


def signed_in_owner(world: World) -> Browser:
    """The browser of the workspace's owner."""
    people, browser = People(world), Browser(world.app)
    link = owner_link.issue(people.directory, people.call.actor).link
    browser.send(urlsplit(link).path, password=PASSWORD, again=PASSWORD)
    assert browser.is_signed_in
    return browser


def member(world: World, **attributes: Any) -> tuple[str, str]:
    """The id and e-mail of somebody with a password."""
    people, mail = People(world), address()
    return people.accept(people.invite(people.person(mail, **attributes))).contact_id, mail


def page_of(desk: Desk, **other: str | None) -> str:
    asked = {**authorization_query(desk.client, VERIFIER), **other}
    return "/oauth/authorize?" + urlencode({name: value for name, value in asked.items() if value is not None})


def led_to(answer: TestResponse) -> dict[str, str]:
    """What the client is told."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith(f"{REDIRECT}?")
    return parameters(answer.headers["Location"])


def codes(desk: Desk) -> int:
    with reading(desk.world.directory.engine) as db:
        of_workspace = authorization_codes.c.workspace_id == desk.world.workspace_id
        return len(db.execute(select(authorization_codes).where(of_workspace)).all())


def test_an_administrator_allows(desk: Desk, owner: Browser) -> None:
    page = owner.get(page_of(desk))
    assert page.status_code == 200
    for shown in (
        f"/console/settings/provisioning/{desk.client.connection_id}",
        "Acme IdP",
        desk.client.id,
        desk.connection,
        desk.world.name,
        REDIRECT,
    ):
        assert shown in page.text
    for permission, words in WORDS.items():
        assert (words in unescape(page.text)) is (permission in expand_scopes("scim"))
    assert codes(desk) == 0, "a look allows nothing"
    told = led_to(owner.send(page_of(desk), decision="allow"))
    assert told.keys() == {"code", "state", "iss"}
    assert told["state"] == "xyz"
    answer = desk.token("authorization_code", code=told["code"], redirect_uri=REDIRECT, code_verifier=VERIFIER)
    assert answer.status == 200, answer.text
    assert desk.reads(answer.json["access_token"]) == 200
    with reading(desk.world.directory.engine) as db:
        row = db.execute(select(tables.activity).where(tables.activity.c.act == "client.consented")).all()[-1]
    assert (row.actor_id, row.subject_id, row.door) == (desk.world.owner_id, desk.client.id, "console")


@pytest.mark.parametrize("decision", ["deny", "", "ALLOW", None])
def test_whatever_is_no_allowing_denies(desk: Desk, owner: Browser, decision: str | None) -> None:
    fields = {} if decision is None else {"decision": decision}
    told = led_to(owner.send(page_of(desk), **fields))
    assert (told["error"], told["state"]) == ("access_denied", "xyz")
    assert "code" not in told
    assert codes(desk) == 0


def test_signing_in_comes_first_and_leads_back(desk: Desk) -> None:
    _, mail = member(desk.world, roles=[{"value": "admin"}])
    browser = Browser(desk.app)
    answer = browser.get(page_of(desk))
    assert answer.status_code == 303
    sign_in = answer.headers["Location"]
    assert sign_in.startswith("/signin?next=")
    assert "as its owner or an administrator" in browser.get(sign_in).text
    for other in ("/signin", "/signin?next=/", "/signin?next=/elsewhere"):
        assert "identity provider" not in browser.get(other).text
    fields = {"workspace": desk.world.name, "email": mail, "password": PASSWORD}
    back = browser.send(sign_in, "/signin", **fields).headers["Location"]
    assert parameters(f"http://x{back}") == authorization_query(desk.client, VERIFIER)
    assert "code" in led_to(browser.send(back, decision="allow"))


def test_only_what_was_asked_for_is_shown_and_given(desk: Desk, owner: Browser) -> None:
    page = unescape(owner.get(page_of(desk, scope="contacts:view groups:view")).text)
    assert [words for words in WORDS.values() if words in page] == [WORDS[p] for p in WORDS if p.endswith(":view")]
    code = led_to(owner.send(page_of(desk, scope="contacts:view"), decision="allow"))["code"]
    answer = desk.token("authorization_code", code=code, redirect_uri=REDIRECT, code_verifier=VERIFIER)
    assert answer.json["scope"] == "contacts:view"


def test_every_scope_has_words() -> None:
    assert set(WORDS) == ALL_PERMISSIONS
    assert all(expand_scopes(scope) <= set(WORDS) for scope in SCOPES)


@pytest.mark.parametrize("role", ["team", "client"])
def test_others_are_told_why_not(desk: Desk, role: str) -> None:
    _, mail = member(desk.world, roles=[{"value": role}])
    browser = Browser(desk.app)
    browser.sign_in(desk.world.name, mail, PASSWORD)
    page = browser.get(page_of(desk))
    assert page.status_code == 403
    assert "Only an administrator or the owner" in page.text
    assert "Ask one of them to open this page" in page.text
    token = browser.form(ACCOUNT, "/signout")["csrf_token"]
    answer = browser.open("POST", page_of(desk), {"csrf_token": token, "decision": "allow"})
    assert answer.status_code == 403
    assert codes(desk) == 0
    out = browser.send(page_of(desk), "/signout").headers["Location"]
    assert parameters(f"http://x{out}")["next"].startswith("/oauth/authorize?")


def test_an_owner_of_another_workspace_is_told_why_not(desk: Desk) -> None:
    browser = signed_in_owner(new_world(desk.app))
    page = browser.get(page_of(desk))
    assert (page.status_code, "belongs to another workspace" in page.text) == (403, True)
    assert "Sign in to the workspace that it is for" in page.text
    for secret in (desk.world.name, desk.connection, "Acme IdP", 'name="decision"'):
        assert secret not in page.text
    token = browser.form(ACCOUNT, "/signout")["csrf_token"]
    answer = browser.open("POST", page_of(desk), {"csrf_token": token, "decision": "allow"})
    assert (answer.status_code, codes(desk)) == (403, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "client_unknown"},
        {"client_id": None},
        {"client_id": "\x00"},
        {"client_id": '"><script>alert(1)</script>'},
        {"redirect_uri": "https://evil.test/callback"},
        {"redirect_uri": f"{REDIRECT}/"},
        {"redirect_uri": f"{REDIRECT}?a=b"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": '"><script>alert(1)</script>'},
        {"redirect_uri": "https://evil.test", "response_type": "token"},
        {"redirect_uri": "https://evil.test", "scope": "everything"},
    ],
)
def test_a_bad_client_or_address_leads_nowhere(desk: Desk, owner: Browser, wrong: dict[str, str | None]) -> None:
    token = owner.form(ACCOUNT, "/signout")["csrf_token"]
    path = page_of(desk, **wrong)
    for browser, method, fields in (
        (Browser(desk.app), "GET", None),
        (owner, "GET", None),
        (owner, "POST", {"csrf_token": token, "decision": "allow"}),
    ):
        answer = browser.open(method, path, fields)
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
        assert "This request can&#39;t be carried out" in answer.text
        assert "To the start" not in answer.text, "which isn't where they came from"
        assert "<script" not in answer.text
        assert "evil.test" not in re.sub(r">[^<]*<", "><", answer.text), "in no attribute"
    assert codes(desk) == 0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "workspace:manage"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_other_errors_go_back_once_somebody_is_signed_in(
    desk: Desk, owner: Browser, wrong: dict[str, str | None], error: str
) -> None:
    path = page_of(desk, **wrong)
    stranger = Browser(desk.app).get(path)
    assert stranger.headers["Location"].startswith("/signin?next=")
    told = led_to(owner.get(path))
    assert (told["error"], told["state"]) == (error, "xyz")
    clicked = owner.get(path, Sec_Fetch_Site="same-origin")
    assert (clicked.status_code, "Location" in clicked.headers) == (400, False)
    (link,) = re.findall(r'<a href="(https:[^"]*)"', clicked.text)
    assert parameters(unescape(link))["error"] == error
    assert codes(desk) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"client_id": None}, "it has no client_id"),
        ({"client_id": "client_unknown"}, "There is no client with this client_id here"),
        ({"redirect_uri": f"{REDIRECT}/"}, f"no such redirect URI, to the letter: {REDIRECT}/"),
        ({"redirect_uri": f"{REDIRECT}/{'x' * 300}"}, "xxx..."),
        ({"response_type": "token"}, "response_type must be 'code'"),
        ({"scope": "everything"}, "asks for a scope"),
        ({"code_challenge": None}, "this client needs PKCE"),
        ({"code_challenge": "short"}, "no PKCE challenge"),
        ({"code_challenge_method": "plain"}, "must be S256"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    desk: Desk, owner: Browser, wrong: dict[str, str | None], said: str
) -> None:
    page = owner.get(page_of(desk, **wrong), Sec_Fetch_Site="same-origin")
    assert page.status_code == 400
    assert said in unescape(page.text)
    led = owner.get(page_of(desk, **wrong)).headers.get("Location")
    assert led is None or said in parameters(led)["error_description"]


def test_without_https_nobody_is_let_in(desk: Desk, owner: Browser) -> None:
    page = Browser(desk.app, site="http://scim.example.com").get(page_of(desk))
    assert (page.status_code, "over https alone" in page.text) == (400, True)
    assert "Whoever runs the server can mend it" in page.text


def test_an_error_leads_nobody_of_another_workspace_away_by_itself(desk: Desk) -> None:
    """Else whoever has a client here had a link that leads from here to wherever that client's people go."""
    browser = signed_in_owner(new_world(desk.app))
    for wrong in ({"scope": "everything"}, {"response_type": "token"}, {"code_challenge": None}):
        page = browser.get(page_of(desk, **wrong))
        assert (page.status_code, "Location" in page.headers) == (400, False)
        (link,) = re.findall(r'<a href="(https:[^"]*)"', page.text)
        assert unescape(link).startswith(f"{REDIRECT}?")


def test_a_decision_needs_the_forms_token(desk: Desk, owner: Browser) -> None:
    form = owner.form(page_of(desk))
    for fields in ({"decision": "allow"}, {"decision": "allow", "csrf_token": "x"}):
        assert owner.open("POST", page_of(desk), fields).status_code == 400
    cross = owner.open("POST", page_of(desk), {**form, "decision": "allow"}, Sec_Fetch_Site="cross-site")
    assert (cross.status_code, codes(desk)) == (400, 0)


def test_what_ended_meanwhile(desk: Desk) -> None:
    ann, mail = member(desk.world, roles=[{"value": "admin"}])
    browser = Browser(desk.app)
    browser.sign_in(desk.world.name, mail, PASSWORD)
    form = {**browser.form(page_of(desk)), "decision": "allow"}
    operation = {"op": "replace", "path": "active", "value": False}
    assert desk.world.client().patch(f"/Users/{ann}", operation).status == 200
    answer = browser.open("POST", page_of(desk), form)
    assert parameters(f"http://x{answer.headers['Location']}")["next"] == page_of(desk)
    owner = signed_in_owner(desk.world)
    form = {**owner.form(page_of(desk)), "decision": "allow"}
    clients.revoke_client(desk.world.directory, desk.world.name, desk.client.id)
    answer = owner.open("POST", page_of(desk), form)
    assert (answer.status_code, "Location" in answer.headers, codes(desk)) == (400, False, 0)


def test_a_former_owner_who_is_no_administrator_any_more(desk: Desk, owner: Browser) -> None:
    """Rights are those of the moment of the click."""
    form = {**owner.form(page_of(desk)), "decision": "allow"}
    heir, _ = member(desk.world)
    life.transfer(desk.world.directory, desk.admin(), heir)
    answer = owner.open("POST", page_of(desk), form)
    assert (answer.status_code, codes(desk)) == (403, 0)


def test_the_page_is_in_no_frame_and_its_form_leads_to_the_client_alone(desk: Desk, owner: Browser) -> None:
    headers = owner.get(page_of(desk)).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["form-action"] == "'self' https://idp.example"
    assert policy["frame-ancestors"] == policy["default-src"] == "'none'"
    assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")
    assert owner.get(ACCOUNT).headers["Content-Security-Policy"].endswith("form-action 'self'")


def test_names_are_escaped(app: Flask, world: World) -> None:
    name = "<script>alert(1)</script>"
    access.create_connection(world.directory, world.name, name)
    odd = "https://idp.example/callback?a=1&b=';script-src"
    client, _, secret = clients.create_client(
        world.directory, world.name, name, name, redirect_uris=[odd, "https://idp.example;x/"]
    )
    desk = Desk(app, world, name, client, secret or "")
    owner = signed_in_owner(world)
    page = owner.get(page_of(desk, redirect_uri=odd))
    assert page.status_code == 200
    assert page.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].endswith("form-action 'self' https://idp.example")
    page = owner.get(page_of(desk, redirect_uri="https://idp.example;x/"))
    assert page.headers["Content-Security-Policy"].endswith("form-action 'self' https:")


def test_every_answer_names_its_request(desk: Desk, owner: Browser) -> None:
    for wrong in ({}, {"client_id": None}, {"scope": "everything"}):
        assert owner.get(page_of(desk, **wrong)).headers["X-Request-Id"]
