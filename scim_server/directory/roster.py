"""The list of contacts through the one door: pages by name or creation, search and filters, and what to filter by.

Knows no HTML and no URL; where a page begins is text that a URL can carry.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from scim_server.directory import Directory
from scim_server.directory.access import NotAllowed, check_ids
from scim_server.directory.search import of_today
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Status
from scim_server.domain.roles import Permission, Role
from scim_server.domain.seats import SeatState
from scim_server.mapping import first_value
from scim_server.scim.paging import Position
from scim_server.scim.schema import GROUP, fold
from scim_server.scim.values import is_sound
from scim_server.storage import access, accounts, groups, roster
from scim_server.storage.db import reading
from scim_server.storage.roster import Wanted as Wanted  # callers say what they want by it

MOST: Final = 500
_DISPLAY_NAME: Final = GROUP.attributes["displayname"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A contact in the list. `name` is what to call it, `email` the primary or first address.

    `seat` is None where it holds none; `licence` is the type that it holds or would ask for.
    """

    id: str
    name: str
    user_name: str
    email: str | None
    status: Status
    archived: bool
    role: Role
    seat: SeatState | None
    over: bool
    licence: str
    created: datetime
    status_changed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the contacts that are wanted. `next` and `previous` are where further pages begin, None at the ends.

    `total` is how many are wanted in all, None where only counting would tell. `capped`: a search found more than it
    shows.
    """

    lines: Sequence[Line]
    next: str | None = None
    previous: str | None = None
    total: int | None = None
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """Something to filter by."""

    id: str
    name: str


def page(directory: Directory, actor: Actor, wanted: Wanted, *, position: str | None = None, count: int = 50) -> Page:
    """A page of `count` contacts (1 to MOST), the first or the one at `position`, which another page gave.

    Raises MissingPermission without contacts:view, NotAllowed for text that can't be stored and for a position that
    isn't one of this order.
    """
    actor.require(Permission.CONTACTS_VIEW)
    check_ids(wanted.text, wanted.group_id, wanted.connection_id)
    place = None if position is None else _read(position, wanted)
    count = max(1, min(count, MOST))

    def read() -> tuple[Page, bool]:
        with reading(directory.engine) as db:
            found = roster.find(db, actor.workspace_id, wanted, place, count)
            keys = list(found.keys[:count])
            more = len(found.keys) > count
            back = place is not None and place.back
            if back:
                keys.reverse()
            rows = roster.rows_of(db, actor.workspace_id, [contact_id for _, contact_id in keys])
            made = Page(
                lines=[_line(row) for row in rows],
                next=_text(wanted, keys[-1], back=False) if keys and (back or more) else None,
                previous=_text(wanted, keys[0], back=True) if keys and (more if back else place is not None) else None,
                total=found.total,
                capped=found.capped,
            )
            return made, accounts.any_invitation_due(db, actor.workspace_id, directory.now())

    return of_today(directory, actor.workspace_id, read)


def groups_named(directory: Directory, actor: Actor, prefix: str = "", count: int = 100) -> Sequence[Named]:
    """Up to `count` groups (MOST at most) whose names begin with `prefix`, in any case, in the order of names.

    Raises MissingPermission without groups:view, NotAllowed for text that can't be stored.
    """
    actor.require(Permission.GROUPS_VIEW)
    check_ids(prefix)
    with reading(directory.engine) as db:
        key = fold(_DISPLAY_NAME, prefix.strip())
        return [Named(*each) for each in roster.groups_by_name(db, actor.workspace_id, key, max(1, min(count, MOST)))]


def group_with_name(directory: Directory, actor: Actor, name: str) -> Named | None:
    """The group of that name, in any case; None where there is none. Raises MissingPermission without groups:view."""
    actor.require(Permission.GROUPS_VIEW)
    if not is_sound(name):  # nothing is stored under such a name
        return None
    with reading(directory.engine) as db:
        group_id = groups.id_of_name(db, actor.workspace_id, fold(_DISPLAY_NAME, name))
        group = None if group_id is None else groups.load(db, actor.workspace_id, group_id, None)
        return None if group is None else Named(group.id, group.display_name)


def connections(directory: Directory, actor: Actor) -> Sequence[Named]:
    """The workspace's connections, by name alone. Raises MissingPermission without contacts:view."""
    actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        found = access.connections_of(db, actor.workspace_id)
        return [Named(each.id, each.name) for each in sorted(found, key=lambda each: (each.name.lower(), each.id))]


def _line(row: roster.Row) -> Line:
    email = first_value(orjson.loads(row.profile).get("emails") or ())
    return Line(
        id=row.id,
        name=row.label,
        user_name=row.user_name,
        email=None if email is None else str(email["value"]),
        status=row.status,
        archived=row.archived,
        role=row.role,
        seat=row.seat,
        over=row.over,
        licence=row.licence,
        created=row.created,
        status_changed_at=row.status_changed_at,
    )


def _text(wanted: Wanted, key: roster.Key, *, back: bool) -> str:
    """A position as text: neither secret nor sealed, as it says nothing that the page didn't."""
    return base64.urlsafe_b64encode(orjson.dumps([wanted.sort, *key, back])).rstrip(b"=").decode()


def _read(text: str, wanted: Wanted) -> Position:
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        match orjson.loads(sealed):
            case [wanted.sort, str(key), str(contact_id), bool(back)] if is_sound(key + contact_id):
                return Position(contact_id, key, back)
    except (binascii.Error, ValueError) as error:  # orjson's error is one of value
        raise _misplaced() from error
    raise _misplaced()


def _misplaced() -> NotAllowed:
    return NotAllowed("That page isn't one of this list in this order. Begin with the first one.")
