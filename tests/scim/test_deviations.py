"""The committed page of deviations is the one that the rows print, and every row has the case that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scim_server.scim import deviations
from scim_server.scim.tolerance import EVERYTHING, ROWS, Row
from tests.scim.test_tolerance import parses
from tests.support import CORPUS

PAGE = Path(__file__).parents[2] / "docs" / "deviations.md"


def case_of(row: Row) -> dict[str, Any]:
    """The case of the corpus that the row names."""
    file, name = row.case.split("/")
    content = json.loads((CORPUS / f"{file}.json").read_text())
    cases = content["requests"] if isinstance(content, dict) else content
    found: list[dict[str, Any]] = [case for case in cases if case["id"] == name]
    assert len(found) == 1, row.case
    return found[0]


def test_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    deviations.main()
    printed = capsys.readouterr().out
    message = "run: python -m scim_server.scim.deviations > docs/deviations.md"
    assert printed == PAGE.read_text(encoding="utf-8"), message


def test_tables_are_whole() -> None:
    for line in deviations.page().splitlines():
        if line.startswith("|"):
            assert line.count("|") in (5, 7), line
            assert line.endswith(" |")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_says_what_it_bends(row: Row) -> None:
    assert re.fullmatch(r"RFC 764[34] §\d(\.\d+)*", row.bends)
    assert f"| `{row.id}` | {row.bends} |" in deviations.page()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_has_the_case_it_names(row: Row) -> None:
    """A case for bodies and patches forgives that row alone; a filter is read with it alone, and not without it.

    The requests of identity providers carry the row's name; tests/http sends them, test_tolerance.py refuses them.
    """
    case = case_of(row)
    assert "error" not in case
    if row.case.startswith(("patches/", "bodies/")):
        assert case["tolerance"] == [row.id]
    elif row.case.startswith("filters/"):
        assert parses(case, {row.id})
        assert not parses(case, EVERYTHING - {row.id})
    else:
        assert case["id"].removesuffix("-on") == row.id
        assert "check" in case
