"""Cases as data: what a server is asked, and what it must answer. Reads the files in `cases/`; sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "cases"
LEVELS: Final = ("MUST", "SHOULD", "MAY", "OBSERVE")
# What is run unless other profiles are named: the RFCs, each as far as the server declares it.
DEFAULT_PROFILES: Final = ("rfc", "cursor")


class BadCase(Exception):
    """A case that can't be one; the message names file, case and fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request with what is expected of its answer, several at once (`parallel`), or a procedure by name (`run`).

    `send` is "METHOD /path"; `expect` holds expectations (expectations.py); `save` is the name that later steps find
    the answer's body under. `setup`: a failure isn't the requirement's but the ground it stands on.
    """

    send: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    raw: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    save: str = ""
    expect: tuple[Any, ...] = ()
    setup: bool = False
    parallel: tuple[Step, ...] = ()
    run: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One requirement and how it shows. `id` is its RFC section and a name of its own: `rfc7644/3.5.2/atomic`.

    `covers`: requirements of requirements.csv. `needs`: capabilities (discovery.py). `given`: resources that are made
    first and removed at the end, by the name that steps use.
    """

    id: str
    requirement: str
    level: str
    profile: str
    covers: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    @property
    def section(self) -> str:
        """The section that the requirement stands in: `rfc7644/3.5.2`."""
        return self.id.rpartition("/")[0]

    @property
    def writes(self) -> bool:
        """Whether the case changes anything on the server: what `--read-only` leaves out."""
        return bool(self.given) or any(_writes(step) for step in self.steps)


def _writes(step: Step) -> bool:
    reading = step.send.startswith(("GET ", "HEAD ", "OPTIONS ")) or step.send.endswith("/.search")
    return bool(step.run) or bool(step.parallel) or not reading


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case, in the order of the files' names. Raises BadCase."""
    found = [case for path in sorted(FOLDER.glob("*.json")) for case in _read(path)]
    _check(found)
    return tuple(found)


def _read(path: Path) -> Iterable[Case]:
    document = json.loads(path.read_text())
    for raw in document["cases"]:
        try:
            yield _case(raw, document["profile"])
        except (TypeError, KeyError, ValueError) as error:
            raise BadCase(f"{path.name}: {raw.get('id', raw)}: {error}") from error


def _case(raw: Mapping[str, Any], profile: str) -> Case:
    known = {**raw, "steps": tuple(_step(each) for each in raw["steps"])}
    for name in ("covers", "needs", "depends_on"):
        known[name] = tuple(raw.get(name, ()))
    case = Case(profile=profile, **known)
    if case.level not in LEVELS:
        raise ValueError(f"there is no level {case.level!r}")
    return case


def _step(raw: Mapping[str, Any]) -> Step:
    known = dict(raw)
    if "parallel" in raw:
        known["parallel"] = tuple(_step(each) for each in raw["parallel"])
    known["expect"] = tuple(raw.get("expect", ()))
    step = Step(**known)
    if sum(map(bool, (step.send, step.parallel, step.run))) != 1:
        raise ValueError("a step sends one request, or several at once, or runs a procedure")
    return step


def _check(cases: Sequence[Case]) -> None:
    known: set[str] = set()
    for case in cases:
        if case.id in known:
            raise BadCase(f"{case.id} is there twice")
        known.add(case.id)
    for case in cases:
        if missing := set(case.depends_on) - known:
            raise BadCase(f"{case.id} depends on {', '.join(sorted(missing))}, which isn't there")


def in_order(cases: Iterable[Case]) -> list[Case]:
    """The cases, each after those it depends on. Raises BadCase for a circle."""
    waiting = {case.id: case for case in cases}
    done: list[Case] = []
    settled: set[str] = set()
    while waiting:
        ready = [case for case in waiting.values() if not (set(case.depends_on) & waiting.keys() - settled)]
        if not ready:
            raise BadCase(f"these depend on each other: {', '.join(sorted(waiting))}")
        for case in ready:
            done.append(waiting.pop(case.id))
            settled.add(case.id)
    return done


def with_dependencies(chosen: Iterable[Case], cases: Iterable[Case]) -> list[Case]:
    """The chosen cases and all that they depend on."""
    by_id = {case.id: case for case in cases}
    found: dict[str, Case] = {}
    todo = [case.id for case in chosen]
    while todo:
        case = by_id[todo.pop()]
        if case.id not in found:
            found[case.id] = case
            todo.extend(case.depends_on)
    return in_order(case for case in by_id.values() if case.id in found)
