"""Two reports beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from conformance.cli import command
from conformance.compare import changes
from conformance.runner import Outcome


def report(**outcomes: str) -> dict[str, Any]:
    return {"cases": [{"id": name, "outcome": outcome, "message": f"{name}!"} for name, outcome in outcomes.items()]}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("fail", "pass", "better"),
        ("warn", "pass", "better"),
        ("fail", "warn", "better"),
        ("pass", "fail", "worse"),
        ("pass", "warn", "worse"),
        ("pass", "unsupported", "worse"),
        ("pass", "setup-failed", "worse"),
        ("warn", "blocked", "worse"),
        ("pass", "seen", "otherwise"),
        ("fail", "blocked", "otherwise"),
    ],
)
def test_what_a_change_is(before: str, after: str, kind: str) -> None:
    (change,) = changes(report(a=before, b="pass"), report(a=after, b="pass"))
    assert (change.id, change.kind, change.message) == ("a", kind, "a!")


def test_every_outcome_can_be_compared() -> None:
    for one in Outcome:
        for other in Outcome:
            assert len([each.kind for each in changes(report(a=one), report(a=other))]) == (one is not other)


def test_cases_that_only_one_has_are_new_or_gone() -> None:
    assert [(each.id, each.kind) for each in changes(report(a="fail"), report(b="fail"))] == [
        ("a", "gone"),
        ("b", "new"),
    ]


def compared(folder: Path, one: Any, other: Any) -> tuple[int, str]:
    for name, content in (("a.json", one), ("b.json", other)):
        (folder / name).write_text(json.dumps(content))
    done = CliRunner().invoke(command, ["compare", str(folder / "a.json"), str(folder / "b.json")])
    return done.exit_code, done.output


def test_the_command_ends_with_1_if_anything_got_worse(tmp_path: Path) -> None:
    before = report(a="pass", b="fail", c="pass")
    assert compared(tmp_path, before, report(a="pass", b="pass", d="fail"))[0] == 0
    code, said = compared(tmp_path, before, report(a="fail", b="pass", d="fail"))
    assert code == 1
    assert said.splitlines() == [
        "worse: 1",
        "  a: pass → fail (a!)",
        "better: 1",
        "  b: fail → pass (b!)",
        "otherwise: 0",
        "new: 1",
        "  d: fail (d!)",
        "gone: 1",
        "  c: pass",
    ]


@pytest.mark.parametrize("other", [[], {}, {"cases": [{}]}, {"cases": [{"id": "a", "outcome": "odd"}]}])
def test_what_is_no_report_is_refused(tmp_path: Path, other: Any) -> None:
    assert compared(tmp_path, report(a="pass"), other)[0] == 2
