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
from conformance.places import at, objects_at
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
        found += [str(each.get("id")) for each in objects_at(exchange.body, "Resources")]
        following = at(exchange.body, "nextCursor")
        if not isinstance(following, str):
            return found
        cursor = following
    raise NotMet(f"expected the last page to have no nextCursor, saw one on each of {MOST_PAGES} pages")


def walk_by_index(session: Session, path: str, query: Mapping[str, Any]) -> list[str]:
    """Walk a list to its end by startIndex, as many resources further as each page held (RFC 7644 §3.4.2.4); the ids.

    Raises NotMet.
    """
    found: list[str] = []
    for _ in range(MOST_PAGES):
        exchange = session.send("GET", path, query={**query, "startIndex": len(found) + 1})
        if exchange.status != 200:
            raise NotMet(f"expected a page from {len(found) + 1} on, saw status {exchange.status}")
        page = at(exchange.body, "Resources")
        if not isinstance(page, list) or not page:
            return found
        found += [str(at(each, "id")) for each in page]
    raise NotMet(f"expected an empty page behind the last, saw resources on each of {MOST_PAGES} pages")


def items_counted(_: Session, page: Any) -> None:
    """itemsPerPage is the number of resources on the page. Raises NotMet."""
    held = at(page, "Resources")
    count = len(held) if isinstance(held, list) else 0
    if at(page, "itemsPerPage") != count:
        raise NotMet(f"expected itemsPerPage to be {count}, saw {at(page, 'itemsPerPage')!r}")


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
    "walk_by_index": walk_by_index,
    "items_counted": items_counted,
    "same_set": same_set,
    "no_common": no_common,
    **RESOURCE_PROCEDURES,
}
