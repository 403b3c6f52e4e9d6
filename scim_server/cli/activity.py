"""`scim-server activity export`: the activity log as CSV or JSON lines, with the names that people have now.

Knows no rules: it asks the directory.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson

from scim_server.cli import database_option, main, opened
from scim_server.cli.files import written
from scim_server.directory import access, life
from scim_server.directory import activity as log
from scim_server.directory.activity import Entry
from scim_server.directory.sheet import csv_lines, values


class Time(click.ParamType[datetime]):
    """A day or a point in time, in UTC where it names no other zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(value)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-01-31 or 2026-01-31T12:00:00Z.", param, ctx)


@main.group()
def activity() -> None:
    """Who did what to whom."""


@activity.command("export", short_help="Write the activity of a workspace, oldest first.")
@click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True, help="How.")
@click.option("--person", metavar="WHO", help="Only what this contact (userName or id) did or underwent.")
@click.option(
    "--act",
    "acts",
    multiple=True,
    metavar="ACT",
    type=click.Choice(sorted(log.WORDS_OF)),
    help="Only this act, such as contact.deleted; repeatable.",
)
@click.option("--since", type=Time(), metavar="TIME", help="Only from this time on.")
@click.option("--until", type=Time(), metavar="TIME", help="Only before this time.")
@click.argument("file", required=False, metavar="[FILE]", type=click.Path(dir_okay=False, path_type=Path))
@database_option
def export(
    workspace: str,
    kind: str,
    person: str | None,
    acts: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    file: Path | None,
) -> None:
    """Write the activity of a workspace, oldest first, to FILE or to standard output."""
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since must be before --until.")
    directory = opened()
    actor = access.operator(directory, workspace)
    contact_id = None if person is None else life.show(directory, actor, person).contact.id
    entries = log.stream(directory, actor, log.Wanted(contact_id=contact_id, acts=acts, since=since, until=until))
    with nullcontext(sys.stdout) if file is None else written(file) as to:
        count = _WRITERS[kind](to, entries)
    if file is not None:
        click.echo(f"{file}: {count} row{'' if count == 1 else 's'}", err=True)


def _write_csv(to: IO[str], entries: Iterator[Entry]) -> int:
    count = -1  # the header is a line too
    for line in csv_lines(entries):
        to.write(line)
        count += 1
    return count


def _write_lines(to: IO[str], entries: Iterator[Entry]) -> int:
    count = 0
    for entry in entries:
        to.write(orjson.dumps(values(entry), option=orjson.OPT_UTC_Z).decode() + "\n")
        count += 1
    return count


# Each returns how many rows it wrote.
_WRITERS: Final[Mapping[str, Callable[[IO[str], Iterator[Entry]], int]]] = {"csv": _write_csv, "jsonl": _write_lines}
