"""Results on a terminal: progress while they come, failures with their exchange as `curl`, a summary by section.

Every line is wrapped to the terminal's width but `curl`, which is there to be pasted. Judges nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from conformance.case import Case
from conformance.coverage import covered_by
from conformance.report.sections import natural
from conformance.runner import NOT_MET, Outcome, Result

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
_NOT_MET: Final = frozenset(NOT_MET.values())
# What heads a narrow column; the others are short enough.
_HEADS: Final = {Outcome.UNSUPPORTED: "unsup.", Outcome.BLOCKED: "block.", Outcome.SETUP_FAILED: "setup"}
_INDENT: Final = 13  # columns that an outcome takes
_BODY: Final = 300  # characters of an answer's body
_VALUE: Final = 80  # characters of a value that was expected or seen
# A message that names a request and what was expected of its answer (runner.py, expectations.py).
_SAID: Final = re.compile(r"(?P<request>[A-Z]+ \S+): (?P<expected>expected .*?)(, saw (?P<saw>.*))?$", re.DOTALL)
_EXPECTED: Final = _VALUE + len("expected emails[type=work]/value is ")


class Terminal:
    """Tells results as they come, under a bar."""

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._console = Console(highlight=False)
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
        case = result.case
        head = f"[{COLOURS[result.outcome]}]{result.outcome:<{_INDENT - 1}}[/] {case.id} [dim]{case.level}[/]"
        self._console.print(head, soft_wrap=True)
        self._indented(case.requirement)
        for row in covered_by(case) if result.outcome in _NOT_MET else ():
            self._indented(row.said, style="dim")
        for line in told_in_lines(result.message):
            self._indented(line)
        if result.outcome in _TELLING and result.exchanges:
            self._exchanges(result)

    def _exchanges(self, result: Result) -> None:
        """The last request as a command, what it was answered, and where those before it are."""
        last = result.exchanges[-1]
        self._console.print(Text(" " * _INDENT + last.curl(), style="dim"), soft_wrap=True)
        self._indented(f"{last.status} {_cut(' '.join(last.text.split()), _BODY)}", style="dim")
        if len(result.exchanges) > 1:
            self._indented(f"all {len(result.exchanges)} requests of this case are in --html and --json", style="dim")

    def _indented(self, text: str, style: str = "") -> None:
        """The text under the case's id, wrapped there."""
        self._console.print(Padding(Text(text, style=style), (0, 0, 0, _INDENT), expand=False))

    def summary(self, results: Sequence[Result], seconds: float) -> None:
        """How the cases ended in each section where not all passed, what isn't supported, and what it comes to."""
        sections: dict[str, Counter[Outcome]] = {}
        for result in results:
            sections.setdefault(result.case.section, Counter())[result.outcome] += 1
        telling = {section: counts for section, counts in sections.items() if set(counts) != {Outcome.PASS}}
        self._console.print(_table(telling, Counter(result.outcome for result in results)))
        for reason, count in _unsupported(results).most_common():
            self._console.print(Text(f"unsupported: {count}: {reason}", style="dim"))
        whole = Counter(result.outcome for result in results)
        said = ", ".join(f"[{COLOURS[each]}]{whole[each]} {each}[/]" for each in Outcome if whole[each])
        asked = _counted(sum(len(result.exchanges) for result in results), "request")
        self._console.print(f"\n{_counted(len(results), 'case')}, {asked}, {seconds:.1f} s:\n{said}")


def told_in_lines(message: str) -> Iterator[str]:
    """The message in lines: the request, what was expected, what was seen."""
    match = _SAID.match(message)
    if match is None:
        if message:
            yield _cut(message, _BODY)
        return
    yield _cut(match["request"], 2 * _VALUE)
    yield _cut(match["expected"], _EXPECTED)
    if match["saw"] is not None:
        yield f"saw {_cut(match['saw'], _VALUE)}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _table(sections: Mapping[str, Counter[Outcome]], whole: Counter[Outcome]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("section", no_wrap=True, min_width=max(map(len, sections), default=0))
    for outcome in Outcome:
        table.add_column(_HEADS.get(outcome, outcome.value), justify="right", style=COLOURS[outcome], no_wrap=True)
    for section in sorted(sections, key=natural):
        table.add_row(section, *(str(sections[section][outcome] or "") for outcome in Outcome))
    table.add_row("all", *(str(whole[outcome] or "") for outcome in Outcome), style="bold")
    return table


def _unsupported(results: Sequence[Result]) -> Counter[str]:
    """Why cases were unsupported, with how many."""
    return Counter(result.message for result in results if result.outcome is Outcome.UNSUPPORTED)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def list_cases(cases: Sequence[Case]) -> None:
    """The cases, one a line: id, level, requirement."""
    console = Console(highlight=False, soft_wrap=True)
    for case in cases:
        console.print(f"{case.id}  [dim]{case.level}[/]  {escape(case.requirement)}")
    console.print(f"[dim]{_counted(len(cases), 'case')}[/]")
