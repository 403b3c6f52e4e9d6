"""The command: `python -m conformance --url https://host/scim/v2 --token …`. Chooses cases, runs them, reports."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx

from conformance.case import DEFAULT_PROFILES, LEVELS, Case, all_cases, with_dependencies
from conformance.compare import KINDS, changes
from conformance.discovery import discover
from conformance.exchange import Target, Unreachable
from conformance.procedures import PROCEDURES
from conformance.report.html import html
from conformance.report.json_report import About, Document, document
from conformance.report.junit import junit
from conformance.report.terminal import Terminal, list_cases
from conformance.runner import Outcome, run

KEPT_OPEN = 2.0  # seconds that an idle connection is used again after: less than servers keep one open
FAILED, UNREACHABLE, BAD_USE, INTERRUPTED = 1, 3, 2, 130


def chosen(
    cases: Sequence[Case], *, only: Sequence[str], levels: Sequence[str], profiles: Sequence[str], read_only: bool
) -> list[Case]:
    """The cases that are asked for, with those they depend on. Raises click.UsageError where there are none."""
    known = {case.profile for case in cases}
    wanted = known if "all" in profiles or (only and not profiles) else set(profiles) or known & set(DEFAULT_PROFILES)
    if unknown := wanted - known:
        raise click.UsageError(f"There is no profile {min(unknown)!r}. There are: {', '.join(sorted(known))}, all.")
    found = [
        case
        for case in cases
        if case.profile in wanted
        and (not levels or case.level in levels)
        and (not only or any(_within(case, each.rstrip("/")) for each in only))
    ]
    whole = with_dependencies(found, cases)
    if read_only:
        whole = [case for case in whole if not case.writes]
    if not whole:
        raise click.UsageError("No case is like that; --list shows them all.")
    return whole


def _within(case: Case, place: str) -> bool:
    """Whether the case is that one, or of that section or one below it: `rfc7644/3.4` has `rfc7644/3.4.2` in it."""
    return case.id == place or case.id.startswith(f"{place}/") or case.section.startswith(f"{place}.")


@click.group(invoke_without_command=True, context_settings={"max_content_width": 100})
@click.option("--url", envvar="SCIM_URL", metavar="URL", help="The SCIM base URL, as https://host/scim/v2.")
@click.option("--token", envvar="SCIM_TOKEN", metavar="TOKEN", help="A bearer token; better by SCIM_TOKEN.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of every request.")
@click.option("--only", multiple=True, metavar="ID", help="Cases of a section or by id: rfc7644/3.5.2. Repeatable.")
@click.option(
    "--level", "levels", multiple=True, type=click.Choice(LEVELS, case_sensitive=False), help="Of that level."
)
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="rfc and cursor unless named; or all.")
@click.option("--read-only", is_flag=True, help="Only what changes nothing on the server.")
@click.option("--list", "listing", is_flag=True, help="List the cases and ask no server.")
@click.option("--user", "extra", metavar="JSON", default="{}", help="What every User that is made has besides.")
@click.option("--name", default="", metavar="TEXT", help="What reports call the server: its product and version.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all results there.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML there.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one self-contained page there.")
@click.option("--insecure", is_flag=True, help="Don't check the server's certificate.")
@click.option("--timeout", default=30.0, show_default=True, metavar="SECONDS", help="For each request.")
@click.option("--quiet", is_flag=True, help="Only the summary and what failed.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Tell what a SCIM server does right and wrong, requirement by requirement.

    Ends with 0 if nothing failed, 1 if something did, 2 for a wrong command, 3 for a server that can't be reached.
    """
    if context.invoked_subcommand is not None:
        return
    cases = chosen(
        all_cases(),
        only=options["only"],
        levels=[each.upper() for each in options["levels"]],
        profiles=options["profiles"],
        read_only=options["read_only"],
    )
    if options["listing"]:
        list_cases(cases)
        return
    if not options["url"]:
        raise click.UsageError("Which server? Name it with --url https://host/scim/v2, and its --token.")
    context.exit(_examined(cases, options))


def _examined(cases: Sequence[Case], options: dict[str, Any]) -> int:
    extra = _extra(options["extra"])
    limits = httpx.Limits(keepalive_expiry=KEPT_OPEN)
    with httpx.Client(verify=not options["insecure"], timeout=options["timeout"], limits=limits) as client:
        target = Target(client, options["url"].rstrip("/"), options["token"], headers=_headers(options["headers"]))
        terminal = Terminal(len(cases), quiet=options["quiet"])
        begun = time.perf_counter()
        try:
            discovered = discover(target)
            with terminal:
                results = run(cases, target, discovered, PROCEDURES, extra=extra, tell=terminal.tell)
        except Unreachable as error:
            click.echo(f"The server can't be reached: {error}", err=True)
            return UNREACHABLE
        except KeyboardInterrupt:
            click.echo("Interrupted; what was made is removed.", err=True)
            return INTERRUPTED
    seconds = time.perf_counter() - begun
    terminal.summary(results, seconds)
    url = target.hidden(target.url, shortest=12)
    about = About(date=datetime.now(UTC), url=url, name=options["name"], seconds=seconds)
    _write(document(results, discovered, about), options)
    bad = (Outcome.FAIL, Outcome.BROKEN)
    return FAILED if any(result.outcome in bad for result in results) else 0


def _extra(text: str) -> dict[str, Any]:
    try:
        extra = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--user is not JSON: {error}.") from error
    if not isinstance(extra, dict):
        raise click.UsageError("--user is not a JSON object.")
    return extra


def _headers(given: Sequence[str]) -> dict[str, str]:
    pairs = [header.partition(":") for header in given]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _write(run_document: Document, options: dict[str, Any]) -> None:
    """The reports that are asked for."""
    if options["json_file"]:
        options["json_file"].write_text(json.dumps(run_document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options["junit"]:
        options["junit"].write_text(junit(run_document), encoding="utf-8")
    if options["html"]:
        options["html"].write_text(html(run_document), encoding="utf-8")


_REPORT = click.Path(exists=True, dir_okay=False, path_type=Path)


@command.command("compare")
@click.argument("one", type=_REPORT)
@click.argument("other", type=_REPORT)
@click.pass_context
def compare(context: click.Context, one: Path, other: Path) -> None:
    """Tell what differs between two JSON reports. Ends with 1 if anything got worse."""
    try:
        found = changes(json.loads(one.read_text(encoding="utf-8")), json.loads(other.read_text(encoding="utf-8")))
        by_kind = {kind: [change for change in found if change.kind == kind] for kind in KINDS}
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError("Both files must be reports that --json wrote.") from error
    for kind, of_kind in by_kind.items():
        click.echo(f"{kind}: {len(of_kind)}")
        for change in of_kind:
            said = " → ".join(filter(None, (change.before, change.after)))
            click.echo(f"  {change.id}: {said}" + (f" ({change.message})" if change.message else ""))
    context.exit(FAILED if by_kind["worse"] else 0)


def main() -> None:
    """Run the command and end the process."""
    command(prog_name="scim-conformance")
