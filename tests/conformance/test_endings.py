"""Runs that don't go as they should: a server that lets nobody in, is lost, or keeps what it was to delete."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from conformance.case import Case, Step, all_cases, in_order
from conformance.cli import chosen, command
from conformance.discovery import discover, why_not
from conformance.procedures import PROCEDURES
from conformance.runner import Outcome, run
from tests.conformance.tiny import TOKEN, Tiny, listening


def called(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env={"COLUMNS": "80"})


def against(tiny: Tiny, *arguments: str) -> Result:
    with listening(tiny) as url:
        return called("--url", url, "--token", TOKEN, *arguments)


def always(status: int) -> Tiny:
    return Tiny(instead=lambda *_: (status, {"status": str(status)}))


@pytest.mark.parametrize(
    ("tiny", "said"),
    [
        (always(401), "The token was refused: 401 to GET http"),
        (always(403), "The token was refused: 403 to GET http"),
        (always(404), "No discovery endpoint is there: 404 to GET http"),
    ],
)
def test_a_server_that_lets_nobody_in_is_asked_no_case(tiny: Tiny, said: str) -> None:
    done = against(tiny)
    assert done.exit_code == 3
    assert done.output.startswith(said)
    assert len(done.output.splitlines()) == 1
    assert len(tiny.asked) == 3


def test_a_server_that_wants_a_token_says_so() -> None:
    assert str(why_not(discover(always(401).target(token=None)))).startswith("A token is wanted: 401")


def test_a_login_page_is_no_scim_server() -> None:
    page = httpx.Response(200, html="<p>Sign in</p>")
    client = httpx.Client(transport=httpx.MockTransport(lambda _: page))
    reason = why_not(discover(Tiny().target(client=client)))
    assert reason is not None
    assert reason.startswith("No discovery endpoint answers with JSON: 200 and text/html")


def test_a_server_that_answers_one_of_the_three_is_tried() -> None:
    assert why_not(discover(Tiny().target())) is None


def test_a_server_that_is_lost_in_the_middle_costs_no_result(tmp_path: Path) -> None:
    tiny = Tiny()

    def go(method: str, path: str) -> None:
        if method == "DELETE" or "gone" in tiny.kept:
            tiny.kept["gone"] = True
            raise ConnectionResetError

    tiny.instead = go
    report, page = tmp_path / "report.json", tmp_path / "report.html"
    done = against(tiny, "--only", "rfc7644/3.3", "--json", str(report), "--html", str(page))
    assert done.exit_code == 3, done.output
    told = json.loads(report.read_text())
    assert told["incomplete"].startswith("The server can't be reached any more: ")
    assert len(told["left"]) == 1
    assert told["left"][0].startswith("http://127.0.0.1:")
    assert told["cases"]
    assert "Incomplete." in page.read_text()
    assert told["left"][0] in page.read_text()


def test_what_could_not_be_removed_is_told(tmp_path: Path) -> None:
    tiny = Tiny(instead=lambda method, _: (501, {}) if method == "DELETE" else None)
    report = tmp_path / "report.json"
    done = against(tiny, "--only", "rfc7644/3.4.1/get", "--json", str(report))
    left = json.loads(report.read_text())["left"]
    assert {url.partition("/v2")[2] for url in left} == set(tiny.kept)
    assert f"{len(left)} resource" in done.output
    assert all(url in done.output for url in left)


def test_what_is_made_without_a_location_is_removed_too() -> None:
    tiny = Tiny(instead=lambda method, path: (201, {"id": "7"}) if method == "POST" else None)
    target = tiny.target()
    run([case(Step(send="POST /Users", body={}))], target, discover(target), {})
    assert tiny.asked[-1] == "DELETE /Users/7"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--header", "foo"),
        ("--header", ": foo"),
        ("--header", "x-key: geheim\r\nx: y"),
        ("--timeout", "-1"),
        ("--timeout", "0"),
        ("--url", "host/scim/v2"),
        ("--url", "ftp://host/scim/v2"),
        ("--url", "http://host:x/scim/v2"),
        ("--url", "http://host/scim/v2?key=geheim"),
        ("--json", "/nonexistent/report.json"),
        ("--junit", "/nonexistent/report.xml"),
        ("--html", "/nonexistent/report.html"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_asked(arguments: tuple[str, ...]) -> None:
    tiny = Tiny()
    with listening(tiny) as url:
        done = called("--url", url, *arguments)
    assert done.exit_code == 2
    assert "geheim" not in done.output
    assert tiny.asked == []


def test_no_report_has_a_header_in_it_whatever_its_name_and_length(tmp_path: Path) -> None:
    tiny = Tiny(instead=lambda _, path: (200, {"id": "zq8", "echo": "it is zq8"}) if "Users" in path else None)
    files = [tmp_path / name for name in ("report.json", "report.html", "report.xml")]
    options = [
        part for kind, file in zip(("json", "html", "junit"), files, strict=True) for part in (f"--{kind}", str(file))
    ]
    done = against(tiny, "--header", "X-Door: zq8", "--only", "rfc7644/3.4.1", *options)
    texts = [done.output, *(file.read_text() for file in files)]
    assert not any("zq8" in text for text in texts)
    assert all("$X_DOOR" in text for text in texts)
    assert tiny.asked


def case(*steps: Step, section: str = "rfc0/1") -> Case:
    return Case(id=f"{section}/a", requirement="It does.", level="MUST", profile="rfc", steps=steps)


def ended(status: int, *steps: Step, section: str = "rfc0/1") -> Outcome:
    tiny = Tiny(instead=lambda _, path: (status, {"status": status}) if path == "/Users" else None)
    target = tiny.target(wait=lambda _: None)
    return run([case(*steps, section=section)], target, discover(target), {})[0].outcome


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_case_that_is_refused_at_once_says_nothing_of_its_requirement(status: int) -> None:
    step = Step(send="GET /Users", expect=(["status", "is", 200],))
    assert ended(status, step) is Outcome.SETUP_FAILED
    # whoever is asked too much says nothing of any requirement
    otherwise = Outcome.SETUP_FAILED if status == 429 else Outcome.FAIL
    assert ended(status, step, section="rfc7644/3.12") is otherwise
    assert ended(status, Step(send="GET /Users", expect=("error 400 invalidFilter",))) is otherwise
    assert ended(status, Step(send="GET /ServiceProviderConfig"), step) is otherwise


def plain(found: int) -> Callable[[str, str], tuple[int, Any] | None]:
    return lambda _, path: (found, {"status": str(found)}) if path == "/ServiceProviderConfig" else None


@pytest.mark.parametrize("status", [401, 404])
def test_a_missing_service_provider_config_is_one_failure_and_no_fault_of_the_suite(status: int) -> None:
    target = Tiny(instead=plain(status)).target()
    wanted = ("rfc7643/5", "rfc7644/4")
    cases = in_order(each for each in all_cases() if each.section in wanted)
    results = run(cases, target, discover(target), PROCEDURES)
    assert [result.case.id for result in results if result.outcome is Outcome.BROKEN] == []
    by_id = {result.case.id: result.outcome for result in results}
    assert by_id["rfc7644/4/config"] in (Outcome.FAIL, Outcome.SETUP_FAILED)
    told = {outcome for name, outcome in by_id.items() if name.startswith("rfc7643/5/")}
    assert told <= {Outcome.BLOCKED, Outcome.UNSUPPORTED}


@pytest.mark.parametrize("place", ["RFC7644/3.10", "7644/3.10", "rfc7644/3.4.2.5"])
def test_a_section_that_cases_only_cover_is_chosen_too(place: str) -> None:
    assert chosen(all_cases(), only=[place], levels=[], profiles=[], read_only=False)


def test_a_place_without_a_case_is_named() -> None:
    done = called("--list", "--only", "rfc7644/3.4.1", "--only", "rfc7644/99")
    assert done.exit_code == 2
    assert "rfc7644/99" in done.output
    assert "3.4.1" not in done.output
