"""Results on a terminal: progress while they come, failures with their exchange as `curl`, a summary by section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from conformance.case import Case
from conformance.report.sections import natural
from conformance.runner import Outcome, Result

COLOURS: Final = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.WARN: "yellow",
    Outcome.SEEN: "cyan",
    Outcome.UNSUPPORTED: "dim",
    Outcome.BLOCKED: "dim",
    Outcome.SETUP_FAILED: "magenta",
    Outcome.BROKEN: "bold magenta",
}
_SILENT: Final = (Outcome.PASS, Outcome.UNSUPPORTED)
_TELLING: Final = (Outcome.FAIL, Outcome.SETUP_FAILED, Outcome.BROKEN)
# What heads a narrow column; the others are short enough.
_HEADS: Final = {Outcome.UNSUPPORTED: "unsup.", Outcome.BLOCKED: "block.", Outcome.SETUP_FAILED: "setup"}
_INDENT: Final = " " * 13
_SHOWN: Final = 800


class Terminal:
    """Tells results as they come, under a bar."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=self._console, transient=True, disable=quiet)
        self._silent = [each for each in Outcome if each not in _TELLING] if quiet else _SILENT
        self._task = self._progress.add_task("cases", total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()

    def tell(self, result: Result) -> None:
        """Show a result, unless it needs no words."""
        self._progress.update(self._task, advance=1, description=result.case.section)
        if result.outcome in self._silent:
            return
        colour = COLOURS[result.outcome]
        case = result.case
        head = f"[{colour}]{result.outcome:<12}[/] {case.id} [dim]{case.level}[/]"
        self._console.print(f"{head} {escape(case.requirement)}")
        if result.message:
            self._console.print(f"{_INDENT}{escape(result.message)}")
        if result.outcome in _TELLING and result.exchanges:
            last = result.exchanges[-1]
            text = last.text if len(last.text) <= _SHOWN else f"{last.text[:_SHOWN]}…"
            self._console.print(f"{_INDENT}[dim]{escape(last.curl())}[/]")
            self._console.print(f"{_INDENT}[dim]{last.status} {escape(text)}[/]")

    def summary(self, results: Sequence[Result], seconds: float) -> None:
        """How many cases of each section ended how, and what that comes to."""
        sections: dict[str, Counter[Outcome]] = {}
        for result in results:
            sections.setdefault(result.case.section, Counter())[result.outcome] += 1
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("section", no_wrap=True, min_width=max(map(len, sections), default=0))
        for outcome in Outcome:
            table.add_column(_HEADS.get(outcome, outcome.value), justify="right", style=COLOURS[outcome], no_wrap=True)
        for section in sorted(sections, key=natural):
            counts = sections[section]
            table.add_row(section, *(str(counts[outcome] or "") for outcome in Outcome))
        whole = Counter(result.outcome for result in results)
        table.add_row("all", *(str(whole[outcome] or "") for outcome in Outcome), style="bold")
        self._console.print(table, soft_wrap=False)
        said = ", ".join(f"[{COLOURS[each]}]{whole[each]} {each}[/]" for each in Outcome if whole[each])
        asked = sum(len(result.exchanges) for result in results)
        self._console.print(f"\n{len(results)} cases, {asked} requests, {seconds:.1f} s: {said}")


def list_cases(cases: Sequence[Case]) -> None:
    """The cases, one a line: id, level, requirement."""
    console = Console(highlight=False, soft_wrap=True)
    for case in cases:
        console.print(f"{case.id}  [dim]{case.level}[/]  {escape(case.requirement)}")
    console.print(f"[dim]{len(cases)} cases[/]")
