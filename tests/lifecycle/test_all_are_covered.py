"""Each sentence that the lifecycle numbers has a test named after it, or a reason why it has none here."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
SPLIT = {4, 20, 41, 44, 45}
ALL = {name for number in range(1, 63) for name in ([f"{number}a", f"{number}b"] if number in SPLIT else [str(number)])}

_RATIONALE = "says why, and nothing to be seen beyond R22"
_DEACTIVATE = "tests/browser/test_contacts.py: test_r03_to_r14_r37_r43_r58_deactivate"
_INVITE = "tests/browser/test_contacts.py: test_r15_to_r21_invite_again"
_ARCHIVE = "tests/browser/test_contacts.py: test_r22_to_r30_r38_archive"
_DELETE = "tests/browser/test_contacts.py: test_r31_to_r36_r42_r45_r55_r61_r62_delete"
_SEATS = "tests/browser/test_contacts.py: test_r44_r51_r52_r53_the_last_seat"
_USERS = "tests/browser/test_users.py: test_r48_to_r51_deactivate_and_activate"
ELSEWHERE = {
    **dict.fromkeys(("6", "7", "8", "9"), _DEACTIVATE),
    **dict.fromkeys(("16", "17", "18"), _INVITE),
    "23": _RATIONALE,
    **dict.fromkeys(("24", "25", "26", "27"), _ARCHIVE),
    **dict.fromkeys(("33", "34", "35", "36"), _DELETE),
    **dict.fromkeys(("48", "49"), _USERS),
    "53": _SEATS,
}


def _tested() -> set[str]:
    names = [name for path in HERE.glob("test_*.py") for name in re.findall(r"^def test(_\w+)", path.read_text(), re.M)]
    return {number for name in names for number in re.findall(r"_[rR]0*(\d+[ab]?)(?=_)", name)}


def test_each_requirement_is_tested_or_said_to_be_elsewhere() -> None:
    tested = _tested()
    assert ALL - tested - ELSEWHERE.keys() == set(), "neither tested nor listed"
    assert tested - ALL == set(), "no such requirement"
    assert tested & ELSEWHERE.keys() == set(), "listed as elsewhere, and tested"


def test_what_is_elsewhere_is_there() -> None:
    for place in {each for each in ELSEWHERE.values() if ": test_" in each}:
        file, name = place.split(": ")
        assert f"def {name}(" in (HERE.parent.parent / file).read_text(), place
