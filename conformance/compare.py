"""Two runs beside each other: what got better, worse, otherwise, is new, or gone. Reads JSON reports only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# How far each outcome is from a pass; what wasn't shown is as bad as a failure, and no better.
_RANKS: Final = {
    "pass": 0,
    "seen": 0,
    "unsupported": 1,
    "warn": 2,
    "fail": 3,
    "blocked": 3,
    "setup-failed": 3,
    "broken": 3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One case whose outcome differs; `before` or `after` is empty where the case isn't in that run."""

    id: str
    before: str
    after: str
    message: str

    @property
    def kind(self) -> str:
        """`better`, `worse`, `otherwise`, `new` or `gone`."""
        if not self.before or not self.after:
            return "gone" if self.before else "new"
        before, after = _RANKS[self.before], _RANKS[self.after]
        return "otherwise" if before == after else "worse" if after > before else "better"


KINDS: Final = ("worse", "better", "otherwise", "new", "gone")


def changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Change]:
    """Every case that ended differently in `other`, in the order of its id. Raises KeyError for what is no report."""
    for case in (*one["cases"], *other["cases"]):
        _RANKS[case["outcome"]]  # of no other is it known what is better
    before = {case["id"]: case for case in one["cases"]}
    after = {case["id"]: case for case in other["cases"]}
    found = [
        Change(
            id=each,
            before=before.get(each, {}).get("outcome", ""),
            after=after.get(each, {}).get("outcome", ""),
            message=after.get(each, {}).get("message", ""),
        )
        for each in sorted(before.keys() | after.keys())
    ]
    return [change for change in found if change.before != change.after]
