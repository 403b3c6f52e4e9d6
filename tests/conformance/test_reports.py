"""Reports say all results and no secret: the JSON document, JUnit XML, the page, the terminal."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conformance import VERSION
from conformance.case import Case, Step, all_cases
from conformance.discovery import discover
from conformance.report.html import html
from conformance.report.json_report import About, document
from conformance.report.junit import junit
from conformance.report.sections import natural
from conformance.report.terminal import Terminal, told_in_lines
from conformance.runner import Outcome, Result, run
from tests.conformance.tiny import TOKEN, Tiny

CONFORMANCE = Path(__file__).parents[2] / "conformance"
EVIL = "<script>alert(1)</script>\x01"
WRONG = (["status", "is", 418],)


def case(name: str, level: str = "MUST", **parts: Any) -> Case:
    known: dict[str, Any] = {"steps": (Step(send="GET /Users/0"),), "covers": ("7643-2.1-01",), **parts}
    return Case(id=f"rfc7643/2.1/{name}", requirement="It has <b>no</b> case.", level=level, profile="rfc", **known)


CASES = [
    case("passes"),
    case("fails", steps=(Step(send="GET /evil", query={"token": TOKEN}, expect=WRONG),)),
    case("warns", "SHOULD", steps=(Step(send="GET /Users/0", expect=WRONG),)),
    case("sees", "MAY", steps=(Step(send="GET /Users/0", expect=WRONG),)),
    case("has-no-bulk", needs=("bulk",)),
    case("is-blocked", depends_on=("rfc7643/2.1/fails",)),
    case("has-no-ground", steps=(Step(send="GET /Users/0", expect=WRONG, setup=True),)),
    case("is-broken", steps=(Step(run="nothing"),)),
]


def results() -> list[Result]:
    tiny = Tiny(
        config={"patch": {"supported": True}},
        instead=lambda _, path: (200, f"{EVIL} {TOKEN}") if path == "/evil" else None,
    )
    target = tiny.target()
    return run(CASES, target, discover(target), {})


@pytest.fixture
def told() -> dict[str, Any]:
    discovered = discover(Tiny(config={"patch": {"supported": True}}).target())
    about = About(date=datetime(2026, 11, 1, 12, tzinfo=UTC), url="http://x/v2", name="tiny & co", seconds=1.25)
    return document(results(), discovered, about)


def test_the_document_has_every_case_and_the_exchanges_of_those_that_failed(told: dict[str, Any]) -> None:
    assert told["suite"]["version"] == VERSION
    assert told["date"] == "2026-11-01T12:00:00+00:00"
    assert told["target"]["url"] == "http://x/v2"
    assert told["target"]["capabilities"] == ["index", "patch"]
    assert set(told["outcomes"].values()) == {1}
    assert [each["id"] for each in told["cases"]] == [each.id for each in CASES]
    kept = {each["id"].rpartition("/")[2] for each in told["cases"] if "exchanges" in each}
    assert kept == {"fails", "warns", "has-no-ground", "is-broken"}
    failed = told["cases"][1]
    assert failed["message"] == "GET http://tiny.example/v2/evil?token=$TOKEN: expected status is 418, saw 200"
    assert failed["exchanges"][0]["curl"].startswith("curl -sS -i -X GET ")


def test_no_report_has_a_secret_in_it(told: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(1)
    for result in results():
        terminal.tell(result)
    shown = capsys.readouterr().out
    assert "$TOKEN" in shown
    for text in (json.dumps(told), junit(told), html(told), shown):
        assert TOKEN not in text


def test_junit_counts_and_names_every_case(told: dict[str, Any]) -> None:
    root = ElementTree.fromstring(junit(told))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "1",
        "errors": "2",
        "skipped": "2",
    }
    tests = {each.get("name"): each for each in root.iter("testcase")}
    assert tests["fails"][0].tag == "failure"
    assert "curl -sS" in (tests["fails"][0].text or "")
    assert tests["is-blocked"][0].get("message") == "rfc7643/2.1/fails ended with fail"
    assert (tests["warns"][0].text or "").startswith("warn: SHOULD")
    assert len(tests["passes"]) == 0


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.outcomes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.links.append(value or "")
            if name == "data-is":
                self.outcomes.append(value or "")


def test_the_page_needs_nothing_else_and_runs_nothing_that_a_server_answered(told: dict[str, Any]) -> None:
    text = html(told)
    page = Page()
    page.feed(text)
    assert page.tags.count("script") == 1
    assert page.tags.count("b") == 9, "of the filter alone"
    assert set(page.links) == {"#rfc7643/2.1", "https://www.rfc-editor.org/rfc/rfc7643#section-2.1"}
    assert not re.search(r"@import|url\(", text)
    assert "default-src 'none'" in text
    assert sorted(page.outcomes) == sorted(told["outcomes"])
    assert "tiny &amp; co" in text
    assert "1 of 3" in text, "requirements of the section"


def test_the_page_begins_with_what_failed(told: dict[str, Any]) -> None:
    text = html(told)
    words = re.sub("<[^>]+>", "", re.findall(r'<p class="counts">.*?</p>', text)[0])
    assert words.startswith("1 fail, 1 broken, 1 setup-failed, 1 warn")
    assert "1 of 404" in text, "requirements of all"
    page = Page()
    page.feed(text)
    assert (page.outcomes[0], page.outcomes[-1]) == ("fail", "pass")
    assert re.findall(r'<button data-outcome="(\w*)"', text)[:2] == ["", "fail"]
    assert 'show("fail")' in text


def test_sections_with_a_failure_come_first_on_the_page(told: dict[str, Any]) -> None:
    earlier = {**told["cases"][0], "section": "rfc7643/1.1", "id": "rfc7643/1.1/passes"}
    text = html({**told, "cases": [earlier, *told["cases"]]})
    assert re.findall('<section id="(.*?)">', text) == ["rfc7643/2.1", "rfc7643/1.1"]
    assert re.findall('<a href="#(.*?)">', text) == ["rfc7643/1.1", "rfc7643/2.1"], "the table keeps their order"


def test_the_summary_is_readable_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Terminal(1, quiet=True).summary(results(), seconds=2.0)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["rfc7643/2.1", *["1"] * 8]
    assert lines[3] == "unsupported: 1: the server doesn't declare bulk"
    assert lines[-3] == "8 cases, 5 requests, 2.0 s:"
    assert lines[-2].startswith("1 pass, 1 fail, 1 warn")


def test_the_summary_leaves_out_what_passed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    passed = Result(case=case("passes"), outcome=Outcome.PASS)
    unsupported = [Result(case=case(f"a{n}"), outcome=Outcome.UNSUPPORTED, message="no bulk") for n in range(2)]
    Terminal(1, quiet=True).summary([passed], seconds=1.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["section", "all", "1", "1"]
    assert lines[-2] == "1 case, 0 requests, 1.0 s:"
    Terminal(1, quiet=True).summary([passed, *unsupported], seconds=1.0)
    shown = capsys.readouterr().out
    assert "\nrfc7643/2.1" in shown
    assert "\nunsupported: 2: no bulk\n" in shown


LONG = "x" * 700


def long_failure() -> Result:
    tiny = Tiny(instead=lambda _, path: (200, {"userName": LONG}) if path == "/long" else None)
    target = tiny.target()
    wrong = (["userName", "is", f"{LONG}y"],)
    long = case("long", steps=(Step(send="GET /Users/0"), Step(send="GET /long", query={"a": LONG}, expect=wrong)))
    return run([long], target, discover(target), {})[0]


def test_a_failure_fits_80_columns_but_for_its_curl(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Terminal(1).tell(long_failure())
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "fail         rfc7643/2.1/long MUST"
    assert all(line.startswith(" " * 13) for line in lines)
    told = [line[13:] for line in lines]
    assert told[:2] == [
        "It has <b>no</b> case.",
        "RFC 7643 §2.1 (7643-2.1-01): Attribute names are case-insensitive",
    ]
    wide = [line for line in told if len(line) > 80 - 13]
    assert [line[:18] for line in wide] == ["curl -sS -i -X GET"]
    assert sum(line.startswith(("GET", "expected userName", "saw", "200 ")) for line in told) == 4
    assert len(told) < 24, "values are cut"
    assert told[-1] == "all 2 requests of this case are in --html and --json"


def test_every_report_names_what_the_rfc_requires(told: dict[str, Any]) -> None:
    said = "RFC 7643 §2.1 (7643-2.1-01): Attribute names are case-insensitive"
    link = "https://www.rfc-editor.org/rfc/rfc7643#section-2.1"
    by_name = {each["id"].rpartition("/")[2]: each for each in told["cases"]}
    assert by_name["fails"]["rfc"] == [{"id": "7643-2.1-01", "text": said, "link": link}]
    assert "rfc" not in by_name["passes"]
    assert f'<a href="{link}" rel="noreferrer">{said}</a>' in html(told)
    failed = next(each for each in ElementTree.fromstring(junit(told)).iter("failure"))
    assert f"{said} {link}" in (failed.text or "")


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("", []),
        ("no answer: x", ["no answer: x"]),
        (
            "GET http://x/Users: expected a list with status 200, saw 404",
            ["GET http://x/Users", "expected a list with status 200", "saw 404"],
        ),
        (
            "GET http://x/Users: expected Resources, as there are results",
            ["GET http://x/Users", "expected Resources, as there are results"],
        ),
        ("expected the name, saw 'a\nb'", ["expected the name, saw 'a\nb'"]),
    ],
)
def test_a_message_is_told_in_lines(message: str, lines: list[str]) -> None:
    assert list(told_in_lines(message)) == lines


@pytest.mark.parametrize(
    ("quiet", "shown"), [(True, ["fail", "setup-failed", "broken"]), (False, ["fail", "warn", "seen"])]
)
def test_quiet_tells_only_what_failed(capsys: pytest.CaptureFixture[str], quiet: bool, shown: list[str]) -> None:
    terminal = Terminal(1, quiet=quiet)
    for result in results():
        terminal.tell(result)
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[:1].isalpha()]
    assert set(shown) <= set(told)
    assert ({"warn", "seen"} <= set(told)) is not quiet


def test_sections_are_in_the_order_of_their_numbers() -> None:
    sections = ["rfc7644/3.12", "rfc7644/3.5.2", "okta/users", "rfc7644/3.5", "rfc7643/7"]
    assert sorted(sections, key=natural) == ["okta/users", "rfc7643/7", "rfc7644/3.5", "rfc7644/3.5.2", "rfc7644/3.12"]


def test_the_version_is_the_projects() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'version = "{VERSION}"' in project


@pytest.mark.parametrize("path", sorted((CONFORMANCE / "results").glob("*.json")), ids=lambda path: path.stem)
def test_every_failure_of_another_server_is_explained(path: Path) -> None:
    told = json.loads(path.read_text())
    explained = (CONFORMANCE / "results" / "README.md").read_text()
    failed = [each["id"] for each in told["cases"] if each["outcome"] in ("fail", "broken")]
    assert [each for each in failed if f"`{each}`" not in explained] == []
    known = {case.id for case in all_cases()}
    named = set(re.findall(r"`((?:rfc|okta|entra)[\w.]*/[^`]+)`", explained))
    assert named - known == set()
