"""Files of people, CSV or JSON lines: read with the line of each row, and written whole or not at all.

Knows what a row looks like, and nothing of what becomes of it.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson

from scim_server.directory.columns import BadRow, check_columns, joined
from scim_server.directory.transport import Row

FORMATS: Final = ("csv", "jsonl")
_LARGEST_CELL: Final = 1_000_000
_BOM: Final = b"\xef\xbb\xbf"


def format_of(path: Path, chosen: str | None = None) -> str:
    """csv or jsonl: as chosen, or as the file is called. Raises UsageError."""
    found = chosen or path.suffix.lower().removeprefix(".")
    if found not in FORMATS:
        raise click.UsageError(f"{path.name} must end with .csv or .jsonl.")
    return found


def check_file(path: Path, *, external_id: bool) -> int:
    """How many rows the file has, once all of it is known to be readable: nothing is brought in from a broken one.

    Raises ClickException that names the line of what isn't UTF-8, a quote without its end, or an unknown column.
    """
    if not path.is_file():  # it is read more than once
        raise click.ClickException(f"{path} isn't a file.")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise click.ClickException(f"Line {number} isn't UTF-8. Save the file as UTF-8.") from error
    return sum(1 for _ in read_file(path, external_id=external_id))


def read_file(path: Path, *, external_id: bool) -> Iterator[Row]:
    """The rows of the file, each with the number of its first line. Raises ClickException."""
    if format_of(path) == "jsonl":
        yield from _json_rows(path, external_id=external_id)
    else:
        yield from _csv_rows(path, external_id=external_id)


def _csv_rows(path: Path, *, external_id: bool) -> Iterator[Row]:
    csv.field_size_limit(_LARGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, external_id=external_id)
            line = reader.line_num + 1
            for cells in reader:
                if cells:  # not an empty line
                    yield _csv_row(line, header, cells)
                line = reader.line_num + 1
        except csv.Error as error:
            raise click.ClickException(f"The row that begins on line {line} is no CSV: {error}.") from error


def _check_header(header: list[str], *, external_id: bool) -> None:
    if len(header) == 1 and ";" in header[0]:
        raise click.ClickException("Separate columns by commas.")
    try:
        check_columns(header, external_id=external_id)
    except BadRow as error:
        raise click.ClickException(str(error)) from error


def _csv_row(line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        fault = f"There are {len(cells)} cells where the header has {len(header)}."
        return Row(line, dict(zip(header, cells, strict=False)), fault)
    return Row(line, dict(zip(header, cells, strict=True)))


def _json_rows(path: Path, *, external_id: bool) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
            if text:
                yield _json_row(number, text, external_id=external_id)


def _json_row(number: int, text: bytes, *, external_id: bool) -> Row:
    try:
        cells = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Row(number, fault="The line is no JSON.")
    if not isinstance(cells, dict):
        return Row(number, fault="The line is no JSON object.")
    try:
        check_columns(cells, external_id=external_id)
    except BadRow as error:
        return Row(number, cells, str(error))
    return Row(number, cells)


def check_place(path: Path) -> None:
    """Refuse a place that no file can be written to, before any work is done for it. Raises ClickException."""
    with _told(path), tempfile.TemporaryFile(dir=path.absolute().parent):
        pass


@contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """A file to write to: it is there when all of it is, and only its writer can read it. Raises ClickException."""
    with _told(path):
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                yield file
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror or error}.") from error


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], kind: str, header: Iterable[str]) -> int:
    """Write the rows into a file as `written` does. How many there were. Raises ClickException."""
    count = 0
    with written(path) as file:
        writer = csv.writer(file)  # its lines end with CR and LF, so that a cell with either is quoted
        if kind == "csv":
            writer.writerow(header)
        for row in rows:
            if kind == "csv":
                writer.writerow([_cell(value) for value in row.values()])
            else:
                file.write(orjson.dumps(_assigned(row)).decode() + "\n")
            count += 1
    return count


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return joined(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _assigned(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and value != []}
