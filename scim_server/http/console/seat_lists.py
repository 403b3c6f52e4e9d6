"""Settings → Licences: who holds which seat, and the ledger of every change. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, request

from scim_server.directory import seats
from scim_server.directory.access import Unknown
from scim_server.directory.seats import Entry
from scim_server.domain.roles import Permission
from scim_server.domain.seats import SeatState
from scim_server.http.console.frame import Visitor, console, directory, show, visitor
from scim_server.http.console.licences import PATH

COUNT: Final = 50
# What the form asks for → its words
STATES: Final[Mapping[str, str]] = {
    "": "All",
    SeatState.ASSIGNED.value: "Assigned",
    SeatState.RESERVED.value: "Reserved by an invitation",
    "over": "Over",
}
# Change → how it reads
CHANGES: Final[Mapping[str, str]] = {
    "opening": "Counted when the ledger began",
    "added": "Added",
    "assigned": "Assigned",
    "reserved": "Reserved",
    "promoted": "Assigned, was reserved",
    "released": "Freed",
    "settled": "Settled, was over",
    "reduced": "Removed",
}


@console.get(f"{PATH}/holders")
def seat_holders() -> Response:
    """Who holds a seat: of a type, in a state."""
    found = visitor(Permission.SEATS_MANAGE, Permission.CONTACTS_VIEW)
    licence, state = _licence(found), request.args.get("state", "")
    if state not in STATES:
        raise Unknown("Seats are in no such state.")
    held = seats.holders(
        directory(),
        found.actor,
        licence,
        state=SeatState(state) if state in tuple(SeatState) else None,
        over=state == "over",
        after=request.args.get("after") or None,
        count=COUNT + 1,
    )
    following = _path("holders", state=state, type=licence, after=held[COUNT - 1].contact_id if held[COUNT:] else "")
    values = {"held": held[:COUNT], "state": state, "states": list(STATES.items()), "next": held[COUNT:] and following}
    return _list(found, "seat_holders.html", licence, first=_path("holders", state=state, type=licence), **values)


@console.get(f"{PATH}/ledger")
def seat_ledger() -> Response:
    """Every change of the counters, newest first: by how much, for whom, and why."""
    found = visitor(Permission.SEATS_MANAGE, Permission.CONTACTS_VIEW)
    licence = _licence(found)
    entries = seats.newest_entries(
        directory(), found.actor, licence, before=request.args.get("before") or None, count=COUNT + 1
    )
    shown = entries[:COUNT]
    values = {
        "entries": shown,
        "causes": seats.causes(directory(), found.actor, shown),
        "names": seats.user_names(directory(), found.actor, shown),
        "counters": {each.id: _counters(each) for each in shown},
        "change_words": CHANGES,
        "next": entries[COUNT:] and _path("ledger", type=licence, before=shown[-1].id),
    }
    return _list(found, "seat_ledger.html", licence, first=_path("ledger", type=licence), **values)


def _list(found: Visitor, template: str, licence: str | None, **values: Any) -> Response:
    types = [each.licence.name for each in seats.show(directory(), found.actor)]
    return show(found, template, licence=licence or "", types=types, **values)


def _licence(found: Visitor) -> str | None:
    """The licence type that is asked for, None for all. Raises Unknown."""
    name = request.args.get("type", "")
    if name and name not in [each.licence.name for each in seats.show(directory(), found.actor)]:
        raise Unknown("There is no licence type of that name.")
    return name or None


def _path(end: str, **asked: str | None) -> str:
    """The address of a list, behind /console."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{PATH}/{end}{f'?{query}' if query else ''}"


def _counters(entry: Entry) -> str:
    """By how much which counters changed: purchased +5, over -1."""
    by = {name: getattr(entry, name) for name in ("purchased", "assigned", "reserved", "over")}
    return ", ".join(f"{name} {change:+,}" for name, change in by.items() if change)
