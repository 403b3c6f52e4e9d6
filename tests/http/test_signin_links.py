"""The page at which somebody without a password asks for a link, and the work behind it."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from threading import Barrier, Event, Semaphore
from typing import Any

import pytest
from flask import Flask

from scim_server.http.errands import MOST_WAITING, THREADS, Errands
from scim_server.http.limits import FAILURES
from scim_server.http.pages import site
from scim_server.http.signin_links import PAGE
from scim_server.storage import tables
from tests.directory.desk import PASSWORD, Desk, address
from tests.http.browser import Browser
from tests.support import World


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def ask(browser: Browser, workspace: str, email: str) -> tuple[int, str]:
    """Ask, and have the work done that comes of it; the status, and the page that follows."""
    answer = browser.send(PAGE, PAGE, workspace=workspace, email=email)
    wait_for_errands(browser.app)
    if answer.status_code == 303:
        return 303, browser.get(answer.headers["Location"]).text
    return answer.status_code, answer.text


def wait_for_errands(app: Flask) -> None:
    """Until each thread has done what came before: they meet there."""
    here = Barrier(THREADS + 1)
    for _ in range(THREADS):
        site(app).errands.run(partial(here.wait, 30))
    here.wait(30)


def mailed(app: Flask, to: str) -> list[str]:
    """The links in the mails to an address: the application writes them into a folder."""
    folder = Path(app.extensions["directory"].post.args[0])
    mails = [message_from_bytes(file.read_bytes(), EmailMessage, policy=policy.default) for file in folder.iterdir()]
    texts = [str(mail.get_content()) for mail in mails if mail["To"] == to]
    return [line for text in texts for line in text.splitlines() if "/invitation/" in line]


def test_from_asking_to_being_signed_in(desk: Desk, browser: Browser) -> None:
    email = address()
    desk.person(email, active=True)
    status, page = ask(browser, desk.world.name, email)
    assert (status, "a mail with a link is on its way" in page) == (303, True)
    (link,) = mailed(browser.app, email)
    path = f"/invitation/{link.rpartition('/')[2]}"
    shown = browser.get(path).text
    assert "Set your password" in shown
    assert "Join" not in shown
    assert browser.send(path, password=PASSWORD, again=PASSWORD).status_code == 303
    assert browser.is_signed_in


def test_nobody_learns_who_may_sign_in(desk: Desk, browser: Browser) -> None:
    email = address()
    desk.person(email, active=True)
    there, *others = (ask(browser, desk.world.name, each) for each in (email, address(), "\x00"))
    assert others == [there, there]
    assert ask(browser, "nowhere", email) == there
    assert len(mailed(browser.app, email)) == 1


def test_the_work_is_done_after_the_answer(desk: Desk, browser: Browser) -> None:
    email, go_on = address(), Event()
    desk.person(email, active=True)
    errands = site(browser.app).errands
    for _ in range(THREADS):
        errands.run(partial(go_on.wait, 30))
    assert browser.send(PAGE, PAGE, workspace=desk.world.name, email=email).status_code == 303
    assert desk.rows(tables.invitation_links) == 0
    go_on.set()
    ask(browser, "nowhere", email)
    assert desk.rows(tables.invitation_links) == 1


def test_where_to_go_after_signing_in_is_kept(browser: Browser) -> None:
    page = browser.get(f"{PAGE}?next=/console/activity&workspace=Acme")
    assert 'value="/console/activity"' in page.text
    assert 'value="Acme"' in page.text
    assert "/signin?next=/console/activity" in page.text
    assert "evil" not in browser.get(f"{PAGE}?next=//evil.test/").text
    answer = browser.send(f"{PAGE}?next=/console/activity", PAGE, workspace="x", email="x@x.test")
    assert answer.headers["Location"] == "/signin/link/asked?next=%2Fconsole%2Factivity"


def test_asking_is_limited_by_whom_it_is_for_and_by_address(desk: Desk, app: Flask) -> None:
    email, limit = address(), FAILURES["sign-in link"]
    desk.person(email, active=True)
    for _ in range(limit.by_name.amount):
        assert ask(Browser(app), desk.world.name, email)[0] == 303
    refused = Browser(app).send(PAGE, PAGE, workspace=desk.world.name, email=f" {email.upper()} ")
    assert (refused.status_code, "too many tries" in refused.text) == (429, True)
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert len(mailed(app, email)) == limit.by_name.amount
    busy = Browser(app)
    statuses = [ask(busy, "nowhere", address())[0] for _ in range(limit.by_address.amount + 1)]
    assert statuses == [303] * limit.by_address.amount + [429]


def test_a_form_from_elsewhere_asks_for_nothing(desk: Desk, browser: Browser) -> None:
    email = address()
    desk.person(email, active=True)
    data = {"workspace": desk.world.name, "email": email}
    assert browser.open("POST", PAGE, data).status_code == 400
    ask(browser, "nowhere", email)
    assert mailed(browser.app, email) == []


# Errands


def busy(go_on: Event) -> Errands:
    """All threads are at work until `go_on`."""
    errands, at_work = Errands(), Semaphore(0)

    def work() -> None:
        at_work.release()
        go_on.wait(30)

    for _ in range(THREADS):
        errands.run(work)
    for _ in range(THREADS):
        assert at_work.acquire(timeout=30)
    return errands


def logged(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, Any]]:
    """What errands have said."""
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"errand' in line]
    return [(each["event"], each.get("reason", each.get("count"))) for each in lines]


def test_where_too_much_waits_an_errand_is_dropped_and_nobody_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    go_on, done = Event(), list[int]()
    errands = busy(go_on)
    for number in range(MOST_WAITING + 1):
        errands.run(partial(done.append, number))
    assert logged(capsys) == [("errand dropped", "too many wait")]
    go_on.set()
    errands.end()
    assert sorted(done) == list(range(MOST_WAITING)), "the end waits for what was promised"
    errands.run(partial(done.append, -1))
    assert logged(capsys) == [("errand dropped", "the end has come")]
    assert -1 not in done


def test_the_end_waits_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("scim_server.http.errands.SECONDS_TO_END", 0.01)
    go_on = Event()
    errands = busy(go_on)
    errands.run(lambda: None)
    errands.end()
    assert logged(capsys) == [("errands dropped at the end", THREADS + 1)]
    go_on.set()


def test_an_errand_that_fails_leaves_the_next_alone(capsys: pytest.CaptureFixture[str]) -> None:
    errands, done = Errands(), Event()

    def fails() -> None:
        raise ZeroDivisionError("a secret")

    for _ in range(THREADS):
        errands.run(fails)
    errands.run(done.set)
    errands.end()
    assert done.is_set()
    assert logged(capsys) == [("errand failed", "ZeroDivisionError")] * THREADS


def test_an_end_without_a_beginning() -> None:
    Errands().end()
