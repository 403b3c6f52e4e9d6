"""The command: what it chooses, lists, writes, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result

from conformance import VERSION
from conformance.case import Case, Step, all_cases
from conformance.cli import chosen, command
from conformance.coverage import page
from tests.conformance.tiny import TOKEN, Tiny, listening

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url() -> Iterator[str]:
    with listening(Tiny()) as url:
        yield url


def called(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env={"COLUMNS": "80"})


def case(name: str, profile: str = "rfc", level: str = "MUST", writes: bool = False, needs: str = "") -> Case:
    step = Step(send="POST /Users" if writes else "GET /Users")
    dependencies = (needs,) if needs else ()
    return Case(id=name, requirement="", level=level, profile=profile, steps=(step,), depends_on=dependencies)


CASES = [
    case("rfc7644/3.4/a"),
    case("rfc7644/3.4.2/a", needs="rfc7644/3.5/a"),
    case("rfc7644/3.41/a"),
    case("rfc7644/3.5/a", writes=True, level="SHOULD"),
    case("rfc9865/2/a", profile="cursor"),
    case("okta/users/a", profile="okta"),
]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, {"rfc7644/3.4/a", "rfc7644/3.4.2/a", "rfc7644/3.41/a", "rfc7644/3.5/a", "rfc9865/2/a"}),
        ({"only": ["rfc7644/3.4"]}, {"rfc7644/3.4/a", "rfc7644/3.4.2/a", "rfc7644/3.5/a"}),
        ({"only": ["rfc7644/3.4/"]}, {"rfc7644/3.4/a", "rfc7644/3.4.2/a", "rfc7644/3.5/a"}),
        ({"only": ["rfc7644/3.4/a", "rfc9865"]}, {"rfc7644/3.4/a", "rfc9865/2/a"}),
        ({"only": ["okta"]}, {"okta/users/a"}),
        ({"levels": ["SHOULD"]}, {"rfc7644/3.5/a"}),
        ({"profiles": ["okta"]}, {"okta/users/a"}),
        ({"profiles": ["all"]}, {each.id for each in CASES}),
        ({"read_only": True}, {"rfc7644/3.4/a", "rfc7644/3.4.2/a", "rfc7644/3.41/a", "rfc9865/2/a"}),
    ],
)
def test_cases_are_chosen(options: dict[str, object], found: set[str]) -> None:
    whole = {"only": [], "levels": [], "profiles": [], "read_only": False, **options}
    assert {each.id for each in chosen(CASES, **whole)} == found  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"only": ["rfc7644/9"]}, {"profiles": ["nobody"]}])
def test_a_choice_of_nothing_is_refused(options: dict[str, object]) -> None:
    whole = {"only": [], "levels": [], "profiles": [], "read_only": False, **options}
    with pytest.raises(click.UsageError):
        chosen(CASES, **whole)  # type: ignore[arg-type]


def test_the_command_says_its_version_and_how_it_ends() -> None:
    assert called("--version").output == f"scim-conformance {VERSION}\n"
    assert "130" in called("--help").output


def test_one_case_is_one_case(url: str) -> None:
    assert called("--list", "--only", "rfc7644/3.4.1/get").output.splitlines()[-1] == "1 case"
    done = called("--url", url, "--token", TOKEN, "--only", "rfc7644/3.4.1/get", "--quiet")
    assert "\n1 case, 2 requests, " in done.output


def test_the_list_asks_no_server() -> None:
    done = called("--list", "--only", "rfc7644/3.4.2.2", "--level", "must")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[-1] == f"{len(lines) - 1} cases"
    assert any(line.startswith("rfc7644/3.4.2.2/eq  MUST  eq finds") for line in lines)


def test_a_run_ends_with_1_and_writes_every_report(url: str, tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "junit", "html")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    done = called("--url", url, "--token", TOKEN, "--only", "rfc7644/3.4.1", "--name", "tiny 1", *options)
    assert done.exit_code == 1, done.output
    assert "fail         rfc7644/3.4.1/unknown MUST" in done.output
    assert "curl -sS -i -X GET" in done.output
    told = json.loads(files["json"].read_text())
    assert (told["target"]["name"], told["target"]["url"]) == ("tiny 1", url)
    assert told["outcomes"]["fail"] >= 1
    assert len(list(ElementTree.parse(files["junit"]).getroot().iter("testcase"))) == len(told["cases"])
    assert "rfc7644/3.4.1/unknown" in files["html"].read_text()
    assert not any(TOKEN in path.read_text() for path in files.values())


def test_a_run_without_a_failure_ends_with_0(url: str) -> None:
    assert called("--url", url, "--token", TOKEN, "--only", "rfc7644/3.4.1/get").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("--url", "http://x", "--user", "{"), ("--url", "http://x", "--user", "[]")])
def test_a_wrong_command_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert called(*arguments).exit_code == 2


def test_a_server_that_is_not_there_ends_with_3() -> None:
    done = called("--url", "http://127.0.0.1:9/v2", "--token", TOKEN)
    assert done.exit_code == 3
    assert "can't be reached" in done.output


@pytest.mark.parametrize("during", ["GET", "POST"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_removes_what_was_made(tmp_path: Path, sent: signal.Signals, during: str) -> None:
    tiny = Tiny()

    def interrupt(method: str, _: str) -> None:
        # once there is something to remove, or while it is being made
        if method == during and (tiny.kept or during == "POST") and not any(each[0] == "D" for each in tiny.asked):
            process.send_signal(sent)

    tiny.instead = interrupt
    report = tmp_path / "report.json"
    with listening(tiny) as url:
        process = subprocess.Popen(
            [sys.executable, "-m", "conformance", "--url", url, "--only", "rfc7644/3.4", "--json", str(report)],
            cwd=ROOT,
            env={**os.environ, "SCIM_TOKEN": TOKEN},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        _, said = process.communicate()
    assert process.returncode == 130
    why, removed = said.splitlines()
    assert re.fullmatch(r"Interrupted; \d+ of \d+ cases were run\.", why)
    assert removed == "All that the server said it made is removed."
    assert any(each.startswith("DELETE") for each in tiny.asked)
    assert tiny.kept == {}
    assert json.loads(report.read_text())["incomplete"] == why


def test_the_map_of_requirements_is_up_to_date() -> None:
    assert (ROOT / "conformance" / "coverage.md").read_text() == page(all_cases()), (
        "python -m conformance.coverage > conformance/coverage.md"
    )
