"""How a page looks and works: for axe, on a narrow screen, by keyboard, and in pictures. Knows no pages of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Page

Scheme = Literal["light", "dark"]
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
WIDE: Final = 1280
NARROW: Final = 360
WIDTHS: Final = (WIDE, NARROW)
HEIGHT: Final = 800
FOLDER: Final = Path(__file__).parent.parent.parent / "screenshots"
AXE: Final = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
AXE_OPTIONS: Final = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# A mark for tests of nothing but looks, which are no matter of the database.
on_one_database: Final = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
_STICKS_OUT: Final = """() => {
  const clips = (each) => each && each !== document.body && each !== document.documentElement &&
    (getComputedStyle(each).overflowX !== 'visible' || clips(each.parentElement));
  return [...document.body.querySelectorAll('*')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && box.height && (box.right > innerWidth + 0.5 || box.left < -0.5) && each.checkVisibility() &&
      !clips(each.parentElement);
  }).map((each) => each.outerHTML.slice(0, 120));
}"""
# Puts the focus before everything, and keeps what Tab must come to: in a modal dialog, what is in it.
_STOPS: Final = """() => {
  const root = document.querySelector('dialog:modal') || document.body;
  const one = (each) => each.type !== 'radio' || each === ([...root.querySelectorAll('input[type=radio]')]
    .filter((other) => other.name === each.name && other.form === each.form)
    .sort((a, b) => b.checked - a.checked)[0]);
  window.stops = [...root.querySelectorAll(
    'a[href], button, input, select, textarea, summary, iframe, [tabindex], [contenteditable]'
  )].filter((each) => each.tabIndex >= 0 && !each.matches(':disabled, [type=hidden]') && !each.closest('[inert]') &&
    each.checkVisibility({visibilityProperty: true}) && one(each));
  const start = document.createElement('span');
  start.tabIndex = -1;
  root.prepend(start);
  start.focus();
  start.remove();
  return window.stops.map((each) => each.outerHTML.slice(0, 120));
}"""
_FOCUSED: Final = """() => {
  const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
  const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return {
    index: window.stops.indexOf(here),
    html: here.outerHTML.slice(0, 120),
    outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 &&
      !/rgba\\(.*, 0\\)|transparent/.test(style.outlineColor),
    seen: !!top && (here.contains(top) || top.contains(here) || [...(here.labels || [])].some((each) =>
      each.contains(top))),
  };
}"""


def assert_accessible(page: Page) -> None:
    """axe-core finds nothing wrong: WCAG 2.2 A and AA, and its best practices.

    The script comes in by the browser's own door for debuggers, which no Content-Security-Policy closes.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options)", AXE_OPTIONS)["violations"]
    told = [
        f"{each['id']} ({each['impact']}): {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]
    assert not told, "\n".join((page.url, *told))


def assert_fits(page: Page) -> None:
    """Nothing is wider than the window but what scrolls by itself."""
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    outside = page.evaluate(_STICKS_OUT)
    assert widths[0] <= widths[1], (page.url, widths, outside)
    assert not outside, (page.url, outside)


def tab_through(page: Page) -> list[str]:
    """Press Tab from the top to the end: it must come to everything that can have the focus, in the document's order.

    Each shows an outline there, is covered by nothing, and the last lets go. Returns the beginnings of their HTML. In
    an open modal dialog it is what the dialog holds.
    """
    stops: list[str] = page.evaluate(_STOPS)
    for index, stop in enumerate(stops):
        here = _tabbed(page, index - 1)
        assert here["index"] == index, f"{page.url}: Tab comes to {here['html']} in place of {stop}"
        assert here["outlined"], f"{page.url}: no outline is seen at {stop}"
        assert here["seen"], f"{page.url}: something covers {stop}"
    here = _tabbed(page, len(stops) - 1)
    assert here["index"] in (-1, 0), f"{page.url}: Tab doesn't leave the page, but comes to {here['html']}"
    return stops


def _tabbed(page: Page, last: int) -> dict[str, Any]:
    """Where Tab leads to from the stop `last`; a field for a date has stops within: its parts, and the calendar."""
    for _ in range(5):
        page.keyboard.press("Tab")
        here: dict[str, Any] = page.evaluate(_FOCUSED)
        if here["index"] != last or 'type="date"' not in here["html"]:
            break
    return here


def shot(page: Page, name: str) -> Path:
    """A picture of the whole page: screenshots/NAME-SCHEME-WIDTH.png."""
    scheme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    path = FOLDER / f"{name}-{scheme}-{page.evaluate('innerWidth')}.png"
    picture = page.screenshot(full_page=True, animations="disabled", caret="initial")
    FOLDER.mkdir(exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")  # other processes may take the same picture
    part.write_bytes(picture)
    part.replace(path)
    return path


def looks(page: Page) -> Iterator[tuple[Scheme, int]]:
    """Give the page each scheme in each width, light and wide last."""
    for width in reversed(WIDTHS):
        for scheme in reversed(SCHEMES):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=scheme)
            yield scheme, width


def look_over(page: Page, name: str, *, by_keyboard: bool = True) -> None:
    """The page as it stands, light and dark, wide and narrow: accessible, fitting, and with pictures called `name`.

    Then by keyboard, unless the page is in a state that the way of the focus would end, such as an open menu.
    """
    for _ in looks(page):
        assert_accessible(page)
        assert_fits(page)
        shot(page, name)
    if by_keyboard:
        tab_through(page)
