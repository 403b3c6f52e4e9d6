"""`scim-server import` and `export`: people from and to files. Knows no rules: it asks the directory."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scim_server.cli import database_option, json_option, main, opened, show
from scim_server.cli.files import FORMATS, check_file, check_place, format_of, read_file, write_rows
from scim_server.directory import access, transport
from scim_server.directory.columns import COLUMNS, EXTERNAL_ID
from scim_server.directory.transport import Outcome, Result

_workspace_option = click.option("--workspace", required=True, metavar="NAME", help="The workspace's name.")
_connection_option = click.option(
    "--connection", metavar="NAME", help="The connection that the column externalId belongs to."
)
_SHOWN = 10


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_workspace_option
@_connection_option
@click.option("--update", is_flag=True, help="Give contacts that are there already the file's values.")
@click.option("--dry-run", is_flag=True, help="Write nothing and report the same.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="A CSV of the rows not brought in.")
@database_option
@json_option
def import_people(
    file: Path, workspace: str, connection: str | None, update: bool, dry_run: bool, report: Path | None, as_json: bool
) -> None:
    """Bring in people from FILE.csv or FILE.jsonl. Run again, it goes on where it was interrupted."""
    format_of(file)
    if report is not None:
        check_place(report)
    external_id = connection is not None
    total = check_file(file, external_id=external_id)
    directory = opened()
    call = access.operators_call(directory, workspace, connection)
    rows = read_file(file, external_id=external_id)
    batches = transport.import_rows(directory, call, rows, update=update, dry_run=dry_run)
    counted: Counter[Outcome] = Counter()
    left: list[Result] = []
    try:
        for result in _followed(batches, total):
            counted[result.outcome] += 1
            if result.reason:
                left.append(result)
    except KeyboardInterrupt:
        raise click.ClickException(_interrupted(counted, dry_run=dry_run)) from None
    if report is not None:
        header = ("line", "userName", "outcome", "reason")
        write_rows(report, (_reported(each) for each in left), "csv", header)
    show({"dry_run": dry_run, **{each.value: counted[each] for each in Outcome}}, as_json=as_json)
    _tell(left, dry_run=dry_run)


def _reported(result: Result) -> dict[str, Any]:
    return {
        "line": result.line,
        "userName": result.user_name,
        "outcome": result.outcome.value,
        "reason": result.reason,
    }


def _interrupted(counted: Counter[Outcome], *, dry_run: bool) -> str:
    """What to say of a run that was stopped between two batches, or in one, which is rolled back."""
    if dry_run:
        return "Interrupted. Nothing was written."
    count = sum(counted[each] for each in (Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED))
    return f"{_rows(count)} {'is' if count == 1 else 'are'} in; run the same command again to go on."


def _tell(left: list[Result], *, dry_run: bool) -> None:
    """Say on standard error what wasn't brought in, the first reasons with it; exit code 1 where rows were rejected."""
    rejected = [each for each in left if each.outcome is Outcome.REJECTED]
    skipped, count = len(left) - len(rejected), len(rejected)
    if skipped == 1:
        click.echo("1 was there already with other values; --update gives it the file's.", err=True)
    elif skipped:
        click.echo(f"{skipped} were there already with other values; --update gives them the file's.", err=True)
    for each in rejected[:_SHOWN]:
        click.echo(f"Line {each.line}: {each.reason}", err=True)
    if rejected and dry_run:
        raise click.ClickException(f"{_rows(count)} would be rejected. Nothing was written.")
    if rejected:
        raise click.ClickException(f"{_rows(count)} {'was' if count == 1 else 'were'} rejected; the others are in.")


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _followed(batches: Iterable[list[Result]], total: int) -> Iterator[Result]:
    """The results one by one; on a terminal, with a bar of how far the file has come."""
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=not shown, transient=True) as progress:
        bar = progress.add_task("", total=total)
        for results in batches:
            progress.advance(bar, len(results))
            yield from results


@main.command("export", short_help="Write every contact to FILE, archived ones too.")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@_workspace_option
@_connection_option
@click.option("--format", "kind", type=click.Choice(FORMATS), help="CSV or JSON lines.  [default: as FILE ends]")
@database_option
@json_option
def export_people(file: Path, workspace: str, connection: str | None, kind: str | None, as_json: bool) -> None:
    """Write every contact to FILE, archived ones too, in columns that import reads."""
    kind = format_of(file, kind)
    directory = opened()
    call = access.operators_call(directory, workspace, connection)
    header = (*COLUMNS, EXTERNAL_ID) if connection is not None else COLUMNS
    count = write_rows(file, transport.export_rows(directory, call), kind, header)
    show({"file": str(file), "contacts": count}, as_json=as_json)
