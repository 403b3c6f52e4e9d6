"""What all pages share: headers, the cookie, tokens of forms, refusals, and names that are code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text as sql

from scim_server.app import create_app
from scim_server.directory import access
from scim_server.http.pages import KEY_BYTES, Cookies
from scim_server.settings import Settings
from scim_server.storage.db import Busy
from scim_server.storage.upgrade import upgrade
from tests.directory.desk import PASSWORD, Desk, address
from tests.http.browser import ACCOUNT, Browser
from tests.http.test_signin_pages import location, member
from tests.support import World

XSS = "<script>alert(1)</script>\"'&"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def test_names_are_escaped(app: Flask, browser: Browser) -> None:
    name = f"{XSS}{address()[:12]}"
    founded = access.create_workspace(app.extensions["directory"], name, address())
    desk = Desk(World(app, app.extensions["directory"], name, founded.owner_id, founded.workspace.id))
    mail = f'"{XSS}"@{address()[:12]}.test'
    ann = desk.person(address(), displayName=XSS)
    text = desk.invite(ann)
    texts = [browser.get(f"/invitation/{text}").text]
    browser.send(f"/invitation/{text}", password=PASSWORD, again=PASSWORD)
    texts.append(browser.get(ACCOUNT).text)
    texts.append(browser.get(f"/invitation/{desk.invite(desk.person(address()))}").text)
    stranger = Browser(app)
    texts.append(stranger.sign_in(name, mail, "x", next=f"/{XSS}").text)
    texts.append(stranger.client.get("/signin", query_string={"workspace": XSS, "next": f"/{XSS}"}).text)
    for page in texts:
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
        assert "alert(1)</" not in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 303),
        ("GET", "/signin", 200),
        ("HEAD", "/signin", 200),
        ("POST", "/signin", 400),
        ("POST", "/signout", 400),
        ("POST", "/signout/everywhere", 400),
        ("GET", "/signout", 405),
        ("DELETE", "/signin", 405),
        ("GET", "/signin/nothing", 404),
        ("GET", "/console", 303),
        ("GET", "/console/nothing", 404),
        ("GET", "/invitation/never-was", 410),
        ("POST", "/invitation/never-was", 400),
        ("GET", "/static/style.css", 200),
        ("GET", "/static/icon.svg", 200),
        ("GET", "/static/../pages.py", 404),
        ("GET", "/static/nothing", 404),
        ("POST", "/static/style.css", 405),
    ],
)
def test_every_page_has_its_headers(browser: Browser, method: str, path: str, status: int) -> None:
    answer = browser.open(method, path)
    assert answer.status_code == status
    headers = answer.headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["Content-Security-Policy"].split("; ")}
    assert policy == {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    kept = path.startswith("/static/") and status == 200
    assert headers["Cache-Control"] == ("public, max-age=31536000" if kept else "no-store")
    if status >= 400:
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<h1>" in answer.text
    if status == 405:
        assert headers["Allow"]
    for forbidden in ("<script", "style=", "<style", " onclick", "javascript:"):
        assert forbidden not in answer.text


def test_elsewhere_refusals_are_no_pages(browser: Browser) -> None:
    for path, status in (("/nothing", 404), ("/signinx", 404)):
        answer = browser.get(path)
        assert (answer.status_code, answer.content_type) == (status, "text/plain; charset=utf-8")
        assert "Set-Cookie" not in answer.headers


def test_a_form_needs_its_token(desk: Desk, browser: Browser) -> None:
    mail = address()
    member(desk, mail)
    fields = {"workspace": desk.world.name, "email": mail, "password": PASSWORD}
    other = Browser(browser.app)
    tokens = ("", "x", other.form("/signin", "/signin")["csrf_token"])
    for token in tokens:
        answer = browser.open("POST", "/signin", {**fields, "csrf_token": token})
        assert (answer.status_code, "cookies are switched off" in answer.text) == (400, True)
    form = browser.form("/signin", "/signin")
    for place in ("cross-site", "same-site"):
        assert browser.open("POST", "/signin", {**form, **fields}, Sec_Fetch_Site=place).status_code == 400
    assert not browser.is_signed_in
    assert browser.open("POST", "/signin", {**form, **fields}, Sec_Fetch_Site="same-origin").status_code == 303


def test_a_form_is_short(browser: Browser) -> None:
    answer = browser.send("/signin", "/signin", workspace="x" * 70_000, email="a", password="b")
    assert (answer.status_code, "Too large" in answer.text) == (413, True)


def test_the_cookie(desk: Desk, app: Flask) -> None:
    mail = address()
    member(desk, mail)
    plain, safe = Browser(app), Browser(app, "https://scim.example")
    for browser, name in ((plain, "scim_session"), (safe, "__Host-scim_session")):
        assert location(browser.sign_in(desk.world.name, mail, PASSWORD)) == "/"
        cookie = browser.cookie
        assert (cookie.key, cookie.path, cookie.http_only, cookie.same_site) == (name, "/", True, "Lax")
        assert (cookie.secure, cookie.domain) == (browser is safe, browser.site.rpartition("/")[2])
        assert browser.is_signed_in
    assert "Strict-Transport-Security" in safe.get(ACCOUNT).headers
    assert "Strict-Transport-Security" not in plain.get(ACCOUNT).headers


def test_behind_a_proxy_that_ends_tls_and_puts_a_path_before(new_database: Callable[[str], str]) -> None:
    app = create_app(Settings(database_url=new_database("sqlite"), base_url="https://acme.example/people"))
    directory = app.extensions["directory"]
    upgrade(directory.engine)
    browser = Browser(app)
    page = browser.get("/signin")
    assert 'action="/people/signin"' in page.text
    assert 'href="/people/static/style.css?v=' in page.text
    assert page.headers["Set-Cookie"].startswith("__Host-scim_session=")
    assert "; Secure" in page.headers["Set-Cookie"]
    assert location(browser.get("/")) == "/people/signin"
    directory.engine.dispose()


def test_a_cookie_of_another_key_is_nobodys(desk: Desk, app: Flask, browser: Browser) -> None:
    mail = address()
    member(desk, mail)
    browser.sign_in(desk.world.name, mail, PASSWORD)
    values = serializer_of(app).loads(browser.cookie.value)
    forged = Flask("forged")
    forged.secret_key = "x" * KEY_BYTES
    browser.client.set_cookie(browser.cookie.key, str(serializer_of(forged).dumps(values)))
    assert not browser.is_signed_in
    key = app.secret_key
    assert isinstance(key, bytes)
    assert len(key) == KEY_BYTES
    assert access.server_key(desk.directory, "session", KEY_BYTES, lambda size: b"0" * size) == key, (
        "made once, and kept"
    )


def serializer_of(app: Flask) -> Any:
    return Cookies().get_signing_serializer(app)


def test_without_a_database_pages_say_so(new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(database_url=new_database("sqlite")))
    directory = app.extensions["directory"]
    upgrade(directory.engine)
    browser = Browser(app)

    def busy(*_: object) -> bytes:
        raise Busy("The database is away")

    def broken(*_: object) -> bytes:
        raise ValueError("a fault")

    monkeypatch.setattr("scim_server.storage.access.server_secret", busy)
    for path in (ACCOUNT, "/signin", "/nothing", "/static/style.css"):
        answer = browser.get(path)
        page = path in (ACCOUNT, "/signin")
        assert (answer.status_code == 503) is page
        assert (answer.headers.get("Retry-After") == "1") is page
    monkeypatch.setattr("scim_server.storage.access.server_secret", broken)
    answer = browser.get("/signin")
    assert (answer.status_code, "Something went wrong" in answer.text) == (500, True)
    monkeypatch.undo()
    assert browser.get("/signin").status_code == 200
    with directory.engine.begin() as db:
        db.execute(sql("ALTER TABLE sessions RENAME TO away"))
    browser.client.set_cookie("scim_session", str(serializer_of(app).dumps({"_user_id": "x"})))
    answer = browser.get(ACCOUNT)
    assert (answer.status_code, "Something went wrong" in answer.text) == (500, True)
    assert "sessions" not in answer.text
    directory.engine.dispose()
