"""The command: `python -m conformance --url https://host/scim/v2 --token …`. Chooses cases, runs them, reports."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click
import httpx

from conformance import VERSION
from conformance.case import DEFAULT_PROFILES, LEVELS, Case, all_cases, with_dependencies
from conformance.compare import KINDS, changes
from conformance.coverage import requirements, section_of
from conformance.discovery import Discovered, discover, why_not
from conformance.exchange import Target, Unreachable, printable
from conformance.interruption import put_off
from conformance.options import base_url, extra, headers, report, token
from conformance.procedures import PROCEDURES
from conformance.report.html import html
from conformance.report.json_report import About, Document, document
from conformance.report.junit import junit
from conformance.report.terminal import Terminal, list_cases
from conformance.runner import Outcome, Result, run

KEPT_OPEN = 2.0  # seconds that an idle connection is used again after: less than servers keep one open
_WRITTEN = click.Path(dir_okay=False, writable=True, path_type=Path)
FAILED, UNREACHABLE, INTERRUPTED = 1, 3, 130  # and 2, click's own, for a wrong command


def chosen(
    cases: Sequence[Case], *, only: Sequence[str], levels: Sequence[str], profiles: Sequence[str], read_only: bool
) -> list[Case]:
    """The cases that are asked for, with those they depend on. Raises click.UsageError where there are none."""
    known = {case.profile for case in cases}
    wanted = known if "all" in profiles or (only and not profiles) else set(profiles) or known & set(DEFAULT_PROFILES)
    if unknown := wanted - known:
        raise click.UsageError(f"There is no profile {min(unknown)!r}. There are: {', '.join(sorted(known))}, all.")
    of_profiles = [case for case in cases if case.profile in wanted]
    found = [case for case in of_profiles if not levels or case.level in levels]
    if only:
        by_place = {place: [case for case in of_profiles if _within(case, _normal(place))] for place in only}
        if nothing := [place for place, inside in by_place.items() if not inside]:
            raise click.UsageError(f"--only: there is no case of {', '.join(nothing)}; --list shows them all.")
        inside = {case.id for own in by_place.values() for case in own}
        found = [case for case in found if case.id in inside]
    whole = with_dependencies(found, cases)
    if read_only:
        whole = [case for case in whole if not case.writes]
    if not whole:
        raise click.UsageError("No case is like that; --list shows them all.")
    return whole


def _normal(place: str) -> str:
    """The place as cases name it: `rfc7644/3.4` of `RFC7644/3.4/` and `7644/3.4`."""
    plain = place.strip().rstrip("/").lower()
    return f"rfc{plain}" if plain[:1].isdecimal() else plain


def _within(case: Case, place: str) -> bool:
    """Whether the case is that one, or shows a requirement of that section or one below it.

    `rfc7644/3.4` has `rfc7644/3.4.2` in it. A section is the one in the case's id, or that of what the case covers.
    """
    known = _sections()
    sections = (case.section.lower(), *(known[each] for each in case.covers if each in known))
    return case.id.lower() == place or any(f"{each}/".startswith((f"{place}/", f"{place}.")) for each in sections)


@cache
def _sections() -> dict[str, str]:
    """The section of each requirement, by its id."""
    return {row.id: section_of(row) for row in requirements()}


@click.group(invoke_without_command=True, context_settings={"max_content_width": 100})
@click.option(
    "--url", envvar="SCIM_URL", metavar="URL", callback=base_url, help="The SCIM base URL, as https://host/scim/v2."
)
@click.option(
    "--token", envvar="SCIM_TOKEN", metavar="TOKEN", callback=token, help="A bearer token; better by SCIM_TOKEN."
)
@click.option(
    "--header", "headers", multiple=True, callback=headers, metavar="NAME:VALUE", help="A header of every request."
)
@click.option("--only", multiple=True, metavar="ID", help="Cases of a section or by id: rfc7644/3.5.2. Repeatable.")
@click.option(
    "--level", "levels", multiple=True, type=click.Choice(LEVELS, case_sensitive=False), help="Of that level."
)
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="rfc and cursor unless named; or all.")
@click.option("--read-only", is_flag=True, help="Only what changes nothing on the server.")
@click.option("--list", "listing", is_flag=True, help="List the cases and ask no server.")
@click.option(
    "--user", "extra", metavar="JSON", default="{}", callback=extra, help="What every User that is made has besides."
)
@click.option("--name", default="", metavar="TEXT", help="What reports call the server: its product and version.")
@click.option("--json", "json_file", type=_WRITTEN, callback=report, help="Write all results there.")
@click.option("--junit", type=_WRITTEN, callback=report, help="Write JUnit XML there.")
@click.option("--html", type=_WRITTEN, callback=report, help="Write one self-contained page there.")
@click.version_option(VERSION, prog_name="scim-conformance", message="%(prog)s %(version)s")
@click.option("--insecure", is_flag=True, help="Don't check the server's certificate.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For each request.",
)
@click.option("--quiet", is_flag=True, help="Only the summary and what failed.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Tell what a SCIM server does right and wrong, requirement by requirement.

    Ends with 0 if nothing failed, 1 if something did, 2 for a wrong command, 3 for a server that can't be reached
    or lets nobody in, and 130 after Ctrl-C or SIGTERM, which removes what was made.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What was run, without secrets; `left` are URLs that couldn't be removed; `incomplete` says why it ended early."""

    results: Sequence[Result]
    left: Sequence[str]
    incomplete: str
    status: int  # of the command


def _examined(cases: Sequence[Case], options: dict[str, Any]) -> int:
    limits = httpx.Limits(keepalive_expiry=KEPT_OPEN)
    with httpx.Client(verify=not options["insecure"], timeout=options["timeout"], limits=limits) as client:
        target = Target(
            client, options["url"], options["token"], headers=options["headers"], deadline=options["timeout"]
        )
        terminal = Terminal(len(cases), quiet=options["quiet"])
        begun = time.perf_counter()
        try:
            discovered = discover(target)
        except Unreachable as error:
            click.echo(f"The server can't be reached: {target.without_given(str(error))}", err=True)
            return UNREACHABLE
        except KeyboardInterrupt:
            click.echo("Interrupted before anything was made.", err=True)
            return INTERRUPTED
        if reason := why_not(discovered):
            click.echo(target.without_given(reason), err=True)
            return UNREACHABLE
        ran = _ran(cases, target, discovered, options["extra"], terminal)
    seconds = time.perf_counter() - begun
    terminal.summary(ran.results, seconds)
    about = About(
        date=datetime.now(UTC),
        url=target.without_given(target.hidden(target.url, shortest=12)),
        name=options["name"],
        seconds=seconds,
        incomplete=ran.incomplete,
        left=tuple(ran.left),
    )
    _tell_end(ran)
    _write(document(ran.results, discovered, about), options)
    return ran.status


def _ran(
    cases: Sequence[Case], target: Target, discovered: Discovered, extra: dict[str, Any], terminal: Terminal
) -> Ran:
    """Run the cases, as far as that goes."""
    results: list[Result] = []
    left: list[str] = []

    def tell(result: Result) -> None:
        results.append(_shown(result, target))
        terminal.tell(results[-1])

    def leave(path: str) -> None:
        left.append(target.without_given(target.hidden(target.url + path, shortest=12)))

    incomplete, status = "", 0
    try:
        with put_off() as stop, terminal:
            run(cases, target, discovered, PROCEDURES, extra=extra, tell=tell, leave=leave, stop=stop)
        bad = (Outcome.FAIL, Outcome.BROKEN)
        status = FAILED if any(result.outcome in bad for result in results) else 0
    except Unreachable as error:
        incomplete, status = f"The server can't be reached any more: {target.without_given(str(error))}", UNREACHABLE
    except KeyboardInterrupt:
        incomplete, status = "Interrupted", INTERRUPTED
    incomplete = incomplete and f"{incomplete}; {len(results)} of {len(cases)} cases were run."
    return Ran(results=results, left=left, incomplete=incomplete, status=status)


def _shown(result: Result, target: Target) -> Result:
    """The result as reports have it."""
    if not target.headers:
        return result
    exchanges = tuple(map(target.shown, result.exchanges))
    return replace(result, message=target.without_given(result.message), exchanges=exchanges)


def _tell_end(ran: Ran) -> None:
    """Why the run ended early, if it did, and what it left behind."""
    if ran.incomplete:
        click.echo(ran.incomplete, err=True)
    if ran.left:
        what = "1 resource" if len(ran.left) == 1 else f"{len(ran.left)} resources"
        click.echo(f"{what} could not be removed:\n" + "\n".join(f"  {url}" for url in ran.left), err=True)
    elif ran.incomplete:
        click.echo("All that the server said it made is removed.", err=True)


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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise click.UsageError("Both files must be reports that --json wrote.") from error
    for kind, of_kind in by_kind.items():
        click.echo(f"{kind}: {len(of_kind)}")
        for change in of_kind:
            said = " → ".join(filter(None, (change.before, change.after)))
            click.echo(printable(f"  {change.id}: {said}" + (f" ({change.message})" if change.message else "")))
    context.exit(FAILED if by_kind["worse"] else 0)


def main() -> None:
    """Run the command and end the process."""
    command(prog_name="scim-conformance")
