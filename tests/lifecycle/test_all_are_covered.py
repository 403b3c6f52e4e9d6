"""Each sentence that the lifecycle numbers has a test named after it, or a reason why it has none here."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
SPLIT = {4, 20, 41, 44, 45}
ALL = {name for number in range(1, 63) for name in ([f"{number}a", f"{number}b"] if number in SPLIT else [str(number)])}

_STEP = "a step in the console: the browser tests take it"
_RATIONALE = "says why, and nothing to be seen beyond R22"
ELSEWHERE = {
    **dict.fromkeys(("6", "7", "8", "9"), _STEP),
    **dict.fromkeys(("16", "17", "18"), _STEP),
    "23": _RATIONALE,
    **dict.fromkeys(("24", "25", "26", "27"), _STEP),
    **dict.fromkeys(("33", "34", "35", "36"), _STEP),
    **dict.fromkeys(("48", "49", "53"), _STEP),
}


def _tested() -> set[str]:
    names = [name for path in HERE.glob("test_*.py") for name in re.findall(r"^def test(_\w+)", path.read_text(), re.M)]
    return {number for name in names for number in re.findall(r"_[rR]0*(\d+[ab]?)(?=_)", name)}


def test_each_requirement_is_tested_or_said_to_be_elsewhere() -> None:
    tested = _tested()
    assert ALL - tested - ELSEWHERE.keys() == set(), "neither tested nor listed"
    assert tested - ALL == set(), "no such requirement"
    assert tested & ELSEWHERE.keys() == set(), "listed as elsewhere, and tested"
