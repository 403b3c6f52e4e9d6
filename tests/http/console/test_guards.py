"""What guards every page of the console: who may see it, forms of our own alone, headers, and refusals in the frame.

Every page there is, by tests/http/doors.py, in which each route has a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from scim_server.domain.roles import ROLE_PERMISSIONS, Role
from scim_server.http.console.frame import SETTINGS
from scim_server.http.pages import CONSOLE, MOST_BODY
from scim_server.storage import access_tables
from scim_server.storage.db import Busy, reading
from tests.http.browser import ACCOUNT, Browser
from tests.http.console.visits import visiting
from tests.http.doors import FLASK, NOBODYS, Caller, Line, Target, new_target
from tests.support import Answer, World

# What lists are asked by: path → the parameters of its query
QUERIES: Mapping[str, tuple[str, ...]] = {
    "/console/contacts": ("q", "status", "archived", "group", "connection", "sort", "page"),
    "/console/activity": ("person", "act", "since", "until", "before"),
    "/console/activity.csv": ("person", "act", "since", "until"),
    "/console/settings/users": ("user", "q", "page"),
    "/console/settings/licences/holders": ("type", "state", "after"),
    "/console/settings/licences/ledger": ("type", "before"),
    "/console/settings/requests": ("connection", "status", "method", "path", "since", "before"),
    "/console/settings/workspace/transfer": ("q", "to"),
}
GARBAGE = ("garbage", "\x00", "9999-99-99", "-1", "9" * 400, "%' OR 1=1 --", "\U0001f4a5", "x" * 10_000)


@pytest.fixture
def target(app: Flask) -> Target:
    return new_target(app)


def lines(method: str) -> Iterator[tuple[str, Line]]:
    """(rule, line) of each route of the console that takes the method."""
    found = [(rule, line) for (rule, taken), line in FLASK.items() if rule.startswith("/console") and taken == method]
    assert len(found) > 10
    yield from found


def token(browser: Browser) -> dict[str, str]:
    """A form's secret of whoever is signed in."""
    return {"csrf_token": browser.form(ACCOUNT, "/signout")["csrf_token"]}


def stored(world: World) -> dict[str, list[Any]]:
    """Every row of the workspace, and all accounts."""
    tables = access_tables.tokens.metadata.sorted_tables
    with reading(world.directory.engine) as db:
        found = {}
        for table in tables:
            query = select(table)
            if "workspace_id" in table.c:
                query = query.where(table.c.workspace_id == world.workspace_id)
            elif table.name != "accounts":
                continue
            found[table.name] = sorted(map(repr, db.execute(query)))
        return found


class Reader(HTMLParser):
    """What a page holds that could run, be styled or be sent."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.count = dict.fromkeys(("title", "h1", "main"), 0)
        self.posts = self.tokens = 0
        self._in_script = self._in_drawing = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._in_script = tag == "script"
        self._in_drawing = self._in_drawing or tag == "svg"
        if tag in self.count and not self._in_drawing:
            self.count[tag] += 1
        if tag == "style" or (tag == "script" and not values.get("src", "").startswith("/static/")):
            self.inline.append(tag)
        for name, value in values.items():
            if name == "style" or name.startswith("on") or value.lower().lstrip().startswith(("javascript:", "data:")):
                self.inline.append(f"{tag} {name}={value}")
        self.posts += tag == "form" and values.get("method", "").lower() == "post"
        self.tokens += values.get("name") == "csrf_token" and bool(values.get("value"))

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False
        self._in_drawing = self._in_drawing and tag != "svg"

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.inline.append(data)


def assert_sound(answer: Answer, where: object) -> None:
    """A page with all of its headers, nothing in it that could run, and a secret in each form that is posted."""
    headers = answer.headers
    policy = {part.split()[0]: set(part.split()[1:]) for part in headers["Content-Security-Policy"].split("; ")}
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == {"'none'"}, where
    assert policy["style-src"] == policy["img-src"] == policy["form-action"] == {"'self'"}, where
    assert policy.get("script-src", {"'self'"}) == policy.get("connect-src", {"'self'"}) == {"'self'"}, where
    expected = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert {name: headers.get(name) for name in expected} == expected, where
    if headers["Content-Type"].startswith("text/html") and answer.status != 303:
        reader = Reader(answer.text)
        assert reader.inline == [], where
        assert reader.count == {"title": 1, "h1": 1, "main": 1}, where
        assert reader.posts == reader.tokens, where


def test_every_page_is_sound_and_a_look_changes_nothing(target: Target) -> None:
    owner = visiting(target.world)
    before, answered = stored(target.world), set()
    for rule, line in lines("GET"):
        answer = Caller(owner, {}).ask("GET", line, target.named)
        answered.add(answer.status)
        assert answer.status in (200, 303, 403), (rule, answer.text)
        assert_sound(answer, rule)
        assert Caller(owner, {}).ask("HEAD", line, target.named).status == answer.status, rule
        assert stored(target.world) == before, rule
    assert 200 in answered


def test_a_form_that_is_not_ours_changes_nothing(target: Target) -> None:
    owner, other = visiting(target.world), visiting(target.world, "admin")
    own, theirs = token(owner), token(other)
    before = stored(target.world)
    for rule, line in lines("POST"):
        for form in ({}, {"csrf_token": "x"}, theirs):
            answer = Caller(owner, {}, form).ask("POST", line, target.named)
            assert (answer.status, "cookies are switched off" in answer.text) == (400, True), rule
            assert 'class="bar__nav"' in answer.text, rule
            assert_sound(answer, rule)
        for place in ("cross-site", "same-site"):
            headers = {"Sec-Fetch-Site": place}
            assert Caller(owner, headers, own).ask("POST", line, target.named).status == 400, rule
    assert stored(target.world) == before


def test_nobody_is_led_to_the_sign_in_page_and_back(target: Target) -> None:
    stranger = Browser(target.world.app)
    form = {"csrf_token": stranger.form("/signin", "/signin")["csrf_token"]}
    for rule, line in lines("GET"):
        answer = Caller(stranger, {}).ask("GET", line, target.named)
        assert answer.status == 303, rule
        path, _, query = answer.headers["Location"].partition("?next=")
        assert path == "/signin", rule
        assert query.startswith(quote(urlsplit(line.path.partition("{")[0]).path, safe="")), rule
    before = stored(target.world)
    for rule, line in lines("POST"):
        answer = Caller(stranger, {}, form).ask("POST", line, target.named)
        assert (answer.status, answer.headers.get("Location")) == (303, "/signin"), rule
    assert stored(target.world) == before


def test_a_client_sees_their_account_alone(target: Target) -> None:
    browser = visiting(target.world, "client")
    form, before = token(browser), stored(target.world)
    for method in ("GET", "POST"):
        for rule, line in lines(method):
            if rule == "/console/" or rule.startswith(ACCOUNT):
                continue
            answer = Caller(browser, {}, form).ask(method, line, target.named)
            assert answer.status == 403, (method, rule, answer.text)
            assert target.mark not in answer.text, rule
            assert_sound(answer, rule)
    assert browser.get(ACCOUNT).status_code == 200
    assert stored(target.world) == before


def test_r41_a_team_member_gets_no_further_than_their_permissions(target: Target) -> None:
    browser = visiting(target.world, "team")
    form, before = token(browser), stored(target.world)
    closed = tuple(
        f"{CONSOLE}{path}" for path, _, permission in SETTINGS if permission not in ROLE_PERMISSIONS[Role.TEAM]
    )
    assert len(closed) == 4
    ends = ("/deactivate", "/delete", "/activate")
    asked = 0
    for method in ("GET", "POST"):
        for rule, line in lines(method):
            if rule.startswith(closed) or line.path.endswith(ends):
                answer = Caller(browser, {}, form).ask(method, line, target.named)
                assert answer.status == 403, (method, rule, answer.text)
                asked += 1
    assert asked > 20
    for act in ("deactivate", "activate"):
        line = Line(f"/console/contacts/{{user}}/{act}", {})
        assert Caller(browser, {}, form).ask("POST", line, target.named).status == 403, act
    assert stored(target.world) == before


def test_a_missing_permission_says_who_can_help(target: Target) -> None:
    page = visiting(target.world, "team").get("/console/settings/workspace").text
    assert "This needs the permission &#39;workspace:manage&#39;" in page
    assert "The owner or an administrator of the workspace can change what you may do" in page


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/console/nothing", 404, "Not found"),
        ("GET", "/console/contacts/nobody", 404, "Not found"),
        ("GET", "/console/contacts/a/b/c/d", 404, "Not found"),
        ("POST", "/console/nothing", 404, "Not found"),
        ("DELETE", "/console/contacts", 405, "Not possible"),
        ("POST", "/console/activity", 405, "Not possible"),
        ("PUT", "/console/account", 405, "Not possible"),
    ],
)
def test_refusals_keep_the_bar(world: World, method: str, path: str, status: int, title: str) -> None:
    owner = visiting(world)
    answer = owner.open(method, path)
    assert (answer.status_code, f"<h1>{title}</h1>" in answer.text) == (status, True)
    assert 'href="/console/contacts"' in answer.text
    assert world.name in answer.text
    if status == 405:
        assert answer.headers["Allow"]
    assert_sound(Answer(answer.status_code, dict(answer.headers), answer.text), path)
    stranger = Browser(world.app).open(method, path)
    assert stranger.status_code in (status, 303)
    assert 'class="bar"' not in stranger.text


def test_a_form_that_is_too_long_is_refused_in_the_frame(world: World) -> None:
    owner = visiting(world)
    form = {**token(owner), "name": "x" * (MOST_BODY + 1)}
    answer = owner.open("POST", "/console/settings/workspace/rename", form)
    assert (answer.status_code, "Too large" in answer.text, 'class="bar__nav"' in answer.text) == (413, True, True)


def test_a_fault_keeps_the_bar_and_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, secret = visiting(world), "the inside"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr("scim_server.directory.activity.newest", broken)
    answer = owner.get("/console/activity")
    assert (answer.status_code, "Something went wrong" in answer.text) == (500, True)
    assert "The log has it under" in answer.text
    assert 'class="bar__nav"' in answer.text
    assert secret not in answer.text


def test_a_database_that_is_away_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = visiting(world)

    def away(*_: object, **__: object) -> None:
        raise Busy("The database is away")

    monkeypatch.setattr("scim_server.directory.activity.newest", away)
    late = owner.get("/console/activity")
    assert (late.status_code, late.headers["Retry-After"], 'class="bar__nav"' in late.text) == (503, "1", True)
    monkeypatch.setattr("scim_server.directory.signin.session_of", away)
    for path, status in (("/console/activity", 503), ("/console/nothing", 404)):
        answer = owner.get(path)
        assert (answer.status_code, 'class="bar"' in answer.text) == (status, False), "nobody knows who looks"


@pytest.mark.parametrize("path", QUERIES)
def test_any_query_gets_a_proper_answer(world: World, path: str) -> None:
    owner = visiting(world)
    for value in GARBAGE:
        for name in QUERIES[path]:
            answer = owner.get(f"{path}?{urlencode({name: value})}")
            assert answer.status_code in (200, 400, 403, 404), (name, value[:20])
    raw = "&".join(f"{name}=%ED%A0%80%FF" for name in QUERIES[path])
    assert owner.get(f"{path}?{raw}").status_code < 500
    assert owner.get(f"{path}?{'&'.join(f'{name}=' for name in QUERIES[path])}").status_code == 200


def test_any_id_and_any_form_gets_a_proper_answer(target: Target) -> None:
    owner = visiting(target.world)
    form = token(owner)
    for value in ("garbage", "\x00", "x" * 3000, "\U0001f4a5"):
        named = dict.fromkeys(NOBODYS, quote(value))
        for rule, line in lines("GET"):
            assert Caller(owner, {}).ask("GET", line, named).status < 500, (rule, value[:20])
    for value in ("", "garbage", "\x00", "9" * 400, "x" * 10_000):
        for rule, line in lines("POST"):
            body = dict.fromkeys(line.body or {}, value)
            answer = Caller(owner, {}, form).ask("POST", Line(line.path, body), target.named)
            assert answer.status < 500, (rule, value[:20])
            if rule.startswith(ACCOUNT):
                assert answer.status in (400, 403, 429), rule
