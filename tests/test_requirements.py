"""requirements.csv: each numbered requirement of RFC 7643, 7644, 9865 and 9967, and the test that shows it.

`section` names the RFC. `test` lists pytest's names of functions, or `corpus.json#case`; `reason` says why a row isn't
covered, or what a covered one leaves out.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parent.parent
ROWS: Final = list(csv.DictReader((Path(__file__).parent / "requirements.csv").read_text().splitlines()))
COUNTS: Final = {"RFC 7643": 124, "RFC 7644": 239, "RFC 9865": 21, "RFC 9967": 20}
STATUSES: Final = {"covered", "not-applicable", "open"}
MOST_OPEN: Final = 404 - 380


@cache
def functions(path: str) -> frozenset[str]:
    """The test functions of a file, which it need not import."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@cache
def cases(path: str) -> frozenset[str]:
    """The ids of a corpus."""
    corpus: Any = json.loads((ROOT / path).read_text())
    return frozenset(case["id"] for case in (corpus if isinstance(corpus, list) else corpus["requests"]))


def exists(test: str) -> bool:
    """Whether a test of that name, or a case of that id, is there."""
    path, separator, name = test.partition("::") if "::" in test else test.partition("#")
    if not separator or not (ROOT / path).is_file():
        return False
    return name in (functions(path) if separator == "::" else cases(path))


def test_every_requirement_has_one_row() -> None:
    assert list(ROWS[0]) == ["id", "section", "status", "test", "reason"]
    assert len({row["id"] for row in ROWS}) == len(ROWS) == sum(COUNTS.values()) == 404
    assert Counter(row["section"].rpartition(" ")[0] for row in ROWS) == COUNTS
    for row in ROWS:
        number, _, section = row["section"].removeprefix("RFC ").partition(" ")
        assert re.fullmatch(rf"{number}-{re.escape(section)}-\d\d", row["id"]), row


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_row_is_what_its_status_says(row: dict[str, str]) -> None:
    assert row["status"] in STATUSES
    tests = row["test"].split()
    assert bool(tests) is (row["status"] == "covered"), "a covered row names its tests, and no other does"
    assert row["reason"].strip() or row["status"] == "covered", "a row that isn't covered says why"
    assert len(set(tests)) == len(tests)
    missing = [test for test in tests if not exists(test)]
    assert not missing


def test_what_is_named_and_is_not_there_is_found() -> None:
    here = "tests/test_requirements.py"
    assert exists(f"{here}::test_every_requirement_has_one_row")
    assert exists("tests/corpus/filters.json#eq-id")
    for name in (f"{here}::test_nothing", here, "tests/corpus/filters.json#nothing", "tests/none.py::test_x", ""):
        assert not exists(name)


def test_few_requirements_are_open() -> None:
    assert sum(row["status"] == "open" for row in ROWS) <= MOST_OPEN
