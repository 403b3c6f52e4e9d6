"""The activity log as a table for programs and spreadsheets: its columns, and CSV in which no cell is a formula.

The command line's export and the console's download are the same table. Knows no files and no answers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scim_server.directory.activity import Entry

COLUMNS: Final = tuple(field.name for field in fields(Entry))
# What a spreadsheet takes for the beginning of a formula, or may after it has dropped a blank.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide ones count too
# Where one that separates by semicolons or tabs, as in many countries, would begin another cell with a formula.
_SPLIT: Final = re.compile(r"([;\t][\s\"]*)(?=[=+\-@＝＋－＠])")  # noqa: RUF001


class _Passing:
    """A file for csv.writer that keeps nothing: what is written is what writerow returns."""

    def write(self, text: str) -> str:
        return text


def values(entry: Entry) -> dict[str, Any]:
    """Column → value, in the order of COLUMNS."""
    return {name: getattr(entry, name) for name in COLUMNS}


def csv_lines(entries: Iterable[Entry]) -> Iterator[str]:
    """A line with the names of the columns, then one for each entry; each ends with a line feed."""
    writer: Any = csv.writer(_Passing(), lineterminator="\n")
    yield writer.writerow(COLUMNS)
    for entry in entries:
        yield writer.writerow([harmless(_cell(value)) for value in values(entry).values()])


def harmless(cell: str) -> str:
    """The cell with an apostrophe wherever a spreadsheet would find a formula: before it, and inside at a separator."""
    whole = _SPLIT.sub(r"\1'", cell)
    return f"'{whole}" if whole.startswith(_FORMULA) or whole.lstrip().startswith(_FORMULA) else whole


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps(value).decode() if value else ""
