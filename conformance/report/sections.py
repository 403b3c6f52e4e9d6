"""The order of sections: by their numbers, 3.5.2 before 3.12."""

from __future__ import annotations


def natural(section: str) -> list[tuple[bool, int, str]]:
    """The key to sort sections by: `rfc7644/3.5.2` comes before `rfc7644/3.12`."""
    parts = section.replace("/", ".").split(".")
    return [(True, int(part), "") if part.isdecimal() else (False, 0, part) for part in parts]
