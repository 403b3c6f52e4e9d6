"""Steps that data would be clumsy for, by the name that cases call them. Each judges by NotMet; knows no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from conformance import (
    procedures_characteristics,
    procedures_declarations,
    procedures_discovery,
    procedures_protocol,
    procedures_schemas,
)
from conformance.expectations import NotMet
from conformance.places import at
from conformance.procedures_resources import RESOURCE_PROCEDURES
from conformance.procedures_writes import WRITES
from conformance.runner import Session

Procedure = Callable[..., Any]
MOST_PAGES: Final = 200


def walk_by_cursor(session: Session, path: str, query: Mapping[str, Any]) -> list[str]:
    """Walk a list to its end by cursors (RFC 9865 §2); the ids in order. Raises NotMet."""
    found: list[str] = []
    cursor = ""
    for _ in range(MOST_PAGES):
        exchange = session.send("GET", path, query={**query, "cursor": cursor})
        if exchange.status != 200:
            raise NotMet(f"expected a page for the cursor {cursor[:40]!r}, saw status {exchange.status}")
        found += [str(each.get("id")) for each in at(exchange.body, "Resources") or []]
        following = at(exchange.body, "nextCursor")
        if not isinstance(following, str):
            return found
        cursor = following
    raise NotMet(f"expected the last page to have no nextCursor, saw one on each of {MOST_PAGES} pages")


def same_set(_: Session, seen: Sequence[Sequence[str]], wanted: Sequence[str]) -> None:
    """The lists in `seen`, joined, hold what is `wanted` and each once. Raises NotMet."""
    joined = [each for part in seen for each in part]
    if sorted(joined) != sorted(wanted):
        raise NotMet(f"expected each of {sorted(wanted)} once, saw {sorted(joined)}")


def no_common(_: Session, one: Sequence[str], other: Sequence[str]) -> None:
    """The two lists have nothing in common. Raises NotMet."""
    if common := set(one) & set(other):
        raise NotMet(f"expected each once, saw twice: {sorted(common)}")


PROCEDURES: Final[Mapping[str, Procedure]] = {
    **WRITES,
    **procedures_protocol.PROCEDURES,
    **procedures_schemas.PROCEDURES,
    **procedures_declarations.PROCEDURES,
    **procedures_discovery.PROCEDURES,
    **procedures_characteristics.PROCEDURES,
    "walk_by_cursor": walk_by_cursor,
    "same_set": same_set,
    "no_common": no_common,
    **RESOURCE_PROCEDURES,
}
