"""The tools of these tests find what they are there to find. On pages made here, so they need no server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser import chromium as finding
from tests.browser.chromium import Watch
from tests.browser.look import NARROW, assert_accessible, assert_fits, tab_through

HERE = "http://127.0.0.1:9/"
POLICY = "default-src 'none'; script-src 'self'"


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def window(chromium: Browser, watch: Watch) -> Iterator[Page]:
    context = chromium.new_context()
    watch.over(context)
    yield context.new_page()
    context.close()


def opened(page: Page, body: str, scripts: str = "", status: int = 200) -> None:
    """Open a page of that body, and with that for its script, under a policy as strict as ours."""

    def answer(route: Route) -> None:
        headers = {"Content-Security-Policy": POLICY}
        if route.request.url == HERE:
            text = f"<!doctype html><html lang=en><title>x</title>{body}"
            route.fulfill(status=status, content_type="text/html", body=text, headers=headers)
        elif route.request.url.endswith(".js"):
            route.fulfill(content_type="text/javascript", body=scripts)
        else:
            route.fulfill(status=404, body="")

    page.route("**/*", answer)
    page.goto(HERE)


@pytest.mark.parametrize(
    ("body", "scripts", "told"),
    [
        ("<script>1</script>", "", "Content Security Policy"),
        ("<p style='color: red'>", "", "Content Security Policy"),
        ("<script src=a.js></script>", "throw new Error('boom')", "not caught: boom"),
        ("<script src=a.js></script>", "Promise.reject(new Error('later'))", "later"),
        ("<script src=a.js></script>", "console.error('alas')", "console: alas"),
        ("<script src=//elsewhere.test/a.js></script>", "", "beyond this machine: http://elsewhere.test/a.js"),
        ("<script src=none></script>", "", f"404: {HERE}none"),
    ],
)
def test_the_watch_sees(window: Page, watch: Watch, body: str, scripts: str, told: str) -> None:
    opened(window, body, scripts)
    assert any(told in fault for fault in watch.faults), watch.faults


def test_the_watch_lets_a_sound_page_be(window: Page, watch: Watch) -> None:
    opened(window, "<h1>Not allowed</h1><script src=a.js></script>", "console.log('fine')", status=403)
    assert not watch.faults


def test_the_browser_looks_no_name_up(window: Page) -> None:
    with pytest.raises(Exception, match="ERR_NAME_NOT_RESOLVED"):
        window.goto("http://elsewhere.test/")


def test_without_chromium_tests_are_skipped_but_fail_in_ci(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(finding.VARIABLE, raising=False)
    for ci, outcome in (("", pytest.skip.Exception), ("true", pytest.fail.Exception)):
        monkeypatch.setenv("CI", ci)
        with pytest.raises(outcome, match="There is no Chromium"), finding.launched():
            raise AssertionError("nothing was launched")
    monkeypatch.setenv(finding.VARIABLE, "/here/chromium")
    assert finding.executable() == "/here/chromium"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<main><h1>x</h1><img src=a.png></main>", "image-alt"),
        ("<main><h1>x</h1><p style='color: #999'>faint</p></main>", "color-contrast"),
        (
            "<main><h1>x</h1><button style='height: 9px'>a</button><button style='height: 9px'>b</button></main>",
            "target",
        ),
        ("<main><h2>x</h2><h4>y</h4></main>", "heading-order"),
    ],
)
def test_axe_finds(window: Page, body: str, told: str) -> None:
    window.set_content(f"<!doctype html><html lang=en><title>x</title>{body}")
    with pytest.raises(AssertionError, match=told):
        assert_accessible(window)


def test_axe_runs_under_the_policy(window: Page, watch: Watch) -> None:
    opened(window, "<main><h1>x</h1></main>")
    assert_accessible(window)
    assert not watch.faults


def test_what_is_too_wide_is_found(window: Page) -> None:
    window.set_viewport_size({"width": NARROW, "height": 600})
    window.set_content("<div style='overflow: auto'><div style='width: 900px'>x</div></div>")
    assert_fits(window)
    for body in ("<div style='width: 900px'>x</div>", "<p style='position: relative; left: -20px'>x</p>"):
        window.set_content(body)
        with pytest.raises(AssertionError):
            assert_fits(window)


GOOD = "<style>:focus { outline: 3px solid blue }</style>"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<a href=/>a</a><button>b</button><style>button:focus { outline: none }</style>", "no outline"),
        ("<a href=/>a</a><button tabindex=2>b</button>", "in place of"),
        ("<button>b</button><p style='position: fixed; inset: 0; background: white'>over", "covers"),
        ("<button onkeydown='event.preventDefault()'>a</button><button>b</button>", "in place of"),
    ],
)
def test_keyboards_that_get_stuck_are_found(window: Page, body: str, told: str) -> None:
    window.set_content(GOOD + body)
    with pytest.raises(AssertionError, match=told):
        tab_through(window)


def test_a_keyboard_comes_by_all_that_there_is(window: Page) -> None:
    window.set_content(
        GOOD
        + "<input type=hidden><button disabled>no</button><a>no</a><div tabindex=-1>no</div><button hidden>no</button>"
        "<details><summary>1</summary><button>no</button></details><details open><summary>2</summary>"
        "<button>3</button></details><input type=radio name=r><input type=radio name=r checked>"
        "<select><option>5</select><input autofocus>"
    )
    assert len(tab_through(window)) == 6
    window.set_content(GOOD + "<button>no</button><dialog><button>1</button><button>2</button></dialog>")
    window.evaluate("document.querySelector('dialog').showModal()")
    assert len(tab_through(window)) == 2
