"""Which requirements have cases: `python -m conformance.coverage > conformance/coverage.md`. Asks no server."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import click

from conformance.case import Case, all_cases

LIST: Final = Path(__file__).parent / "requirements.csv"
UNCOVERED: Final = Path(__file__).parent / "uncovered.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row of requirements.csv; `rfc` is as `RFC 7644`."""

    id: str
    rfc: str
    section: str
    level: str
    text: str

    @property
    def said(self) -> str:
        """The requirement with its place: `RFC 7643 §2.1 (7643-2.1-01): Attribute names are case-insensitive`."""
        return f"{self.rfc} §{self.section} ({self.id}): {self.text}"

    @property
    def link(self) -> str:
        """Where its section stands."""
        return f"https://www.rfc-editor.org/rfc/{self.rfc.replace(' ', '').lower()}#section-{self.section}"


@cache
def requirements() -> tuple[Requirement, ...]:
    """Every requirement of the RFCs, in their order."""
    with LIST.open(newline="", encoding="utf-8") as rows:
        return tuple(
            Requirement(
                id=row["id"], rfc=row["rfc"], section=row["section"], level=row["level"], text=row["requirement"]
            )
            for row in csv.DictReader(rows)
        )


def covered_by(case: Case) -> list[Requirement]:
    """The requirements that the case shows, in the order it names them. Leaves out what isn't in the list."""
    known = {row.id: row for row in requirements()}
    return [known[each] for each in case.covers if each in known]


def section_of(requirement: Requirement) -> str:
    """The section as cases name it: `rfc7644/3.5.2`."""
    return f"{requirement.rfc.replace(' ', '').lower()}/{requirement.section}"


def covering(cases: Sequence[Case]) -> dict[str, list[str]]:
    """The ids of the cases that show each requirement, by its id. Raises KeyError for one that isn't in the list."""
    found: dict[str, list[str]] = {row.id: [] for row in requirements()}
    for case in cases:
        for each in case.covers:
            found[each].append(case.id)
    return found


@cache
def uncovered() -> dict[str, str]:
    """Why a requirement has no case, by its id."""
    with UNCOVERED.open(newline="", encoding="utf-8") as rows:
        return {row["id"]: row["why"] for row in csv.DictReader(rows)}


def page(cases: Sequence[Case]) -> str:
    """The map as Markdown."""
    return "\n".join(_lines(cases, covering(cases))) + "\n"


def _lines(cases: Sequence[Case], found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    rows = requirements()
    with_cases = [row for row in rows if found[row.id]]
    profiles = Counter(case.profile for case in cases)
    yield "# Requirements and cases"
    yield ""
    yield "Made by `python -m conformance.coverage`; a test keeps it up to date."
    yield ""
    yield f"{len(cases)} cases: " + ", ".join(f"{count} {name}" for name, count in sorted(profiles.items())) + "."
    yield f"{len(with_cases)} of {len(rows)} requirements have a case; the others are listed [below](#without-a-case)."
    yield ""
    yield "| section | requirements | with a case | cases |"
    yield "|---|--:|--:|--:|"
    sections = list(dict.fromkeys(section_of(row) for row in rows))
    for section in sections:
        own = [row for row in rows if section_of(row) == section]
        showing = {case for row in own for case in found[row.id]}
        covered = sum(bool(found[row.id]) for row in own)
        yield f"| {_shown(section)} | {len(own)} | {covered} | {len(showing)} |"
    yield from _without([row for row in rows if not found[row.id]])
    for section in sections:
        yield from ("", f"## {_shown(section)}", "", "| id | level | requirement | cases |", "|---|---|---|---|")
        for row in rows:
            if section_of(row) == section:
                named = "<br>".join(f"`{case}`" for case in found[row.id]) or "none"
                yield f"| {row.id} | {row.level} | {_cell(row.text)} | {named} |"


def _without(rows: Sequence[Requirement]) -> Iterator[str]:
    yield from ("", "## Without a case", "", "| id | level | requirement | why |", "|---|---|---|---|")
    for row in rows:
        yield f"| {row.id} | {row.level} | {_cell(row.text)} | {_cell(uncovered()[row.id])} |"


def _shown(section: str) -> str:
    rfc, _, number = section.partition("/")
    return f"RFC {rfc.removeprefix('rfc')} §{number}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    click.echo(page(all_cases()), nl=False)
