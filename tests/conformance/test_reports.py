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
from conformance.report.terminal import Terminal
from conformance.runner import Result, run
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
    assert page.links == ["#rfc7643/2.1"]
    assert not re.search(r"@import|url\(", text)
    assert "default-src 'none'" in text
    assert sorted(page.outcomes) == sorted(told["outcomes"])
    assert "tiny &amp; co" in text
    assert "1 of 3" in text, "requirements of the section"


def test_the_summary_is_readable_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Terminal(1, quiet=True).summary(results(), seconds=2.0)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[:-1])) <= 80
    assert lines[1].split() == ["rfc7643/2.1", *["1"] * 8]
    assert lines[-1].startswith("8 cases, 5 requests, 2.0 s: 1 pass, 1 fail, 1 warn")


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
