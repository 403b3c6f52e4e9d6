"""Settings → Request log: what connections asked of the server, how it answered, and what to do where it refused.

Knows no rules: it asks the directory, and `meanings` for the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, request

from scim_server.directory import access, life
from scim_server.directory import requests as log
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.directory.requests import Row, Wanted
from scim_server.domain.contact import Contact
from scim_server.domain.errors import Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.days import day, midnight
from scim_server.http.console.frame import Visitor, console, directory, show, told, visitor
from scim_server.http.console.meanings import meaning_of
from scim_server.http.pages import CONSOLE, at
from scim_server.scim.values import is_sound

HOME: Final = "/settings/requests"
ROWS: Final = 50
AROUND: Final = timedelta(hours=12)
MOST_AROUND: Final = 5
# what the filter by answer offers; beside them any one status
ANSWERS: Final = (
    ("", "All"),
    ("errors", "Errors (400 and above)"),
    ("2xx", "2xx: done"),
    ("4xx", "4xx: refused"),
    ("5xx", "5xx: faults of the server"),
    ("400", "400: not valid"),
    ("401", "401: not let in"),
    ("403", "403: not allowed, no free seat"),
    ("404", "404: not found"),
    ("409", "409: in use already"),
    ("429", "429: too many"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The filters as they stand in the URL; `status` is one of ANSWERS, or any status."""

    connection: str = ""
    status: str = ""
    text: str = ""
    since: str = ""

    def path(self, **more: str) -> str:
        """The path of the page with these filters."""
        query = {name: value for name, value in {**asdict(self), **more}.items() if value}
        return at(f"{CONSOLE}{HOME}") + (f"?{urlencode(query)}" if query else "")


@console.get(HOME)
def requests() -> Response:
    """The log, a page at a time."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    asked = Asked(**{name: request.args.get(name, "").strip() for name in Asked.__slots__})
    before = request.args.get("before", "")
    try:
        rows = log.newest(directory(), found.actor, _wanted(asked), before=before or None, count=ROWS + 1)
    except Refused as error:
        message, status = told(error)
        return _page(found, asked, 400 if isinstance(error, NotAllowed) else status, problem=message)
    older = asked.path(before=rows[ROWS - 1][0].id) if len(rows) > ROWS else ""
    return _page(found, asked, rows=rows[:ROWS], older=older, newest=asked.path() if before else "")


def _page(found: Visitor, asked: Asked, status: int = 200, *, problem: str = "", **values: Any) -> Response:
    connections = access.list_connections(directory(), found.workspace, actor=found.actor)
    answers = ANSWERS if asked.status in dict(ANSWERS) else (*ANSWERS, (asked.status, asked.status))
    return show(
        found,
        "requests.html",
        status,
        asked=asked,
        is_filtered=asked != Asked(),
        connections=[("", "All"), *((each.id, each.name) for each in connections)],
        answers=answers,
        problem=problem,
        **values,
    )


def _wanted(asked: Asked) -> Wanted:
    """What the filters mean. Raises NotAllowed for a status or a day that can't be."""
    since = day(asked.since)
    status = int(asked.status) if asked.status.isascii() and asked.status.isdigit() and len(asked.status) == 3 else None
    group = asked.status[0] if asked.status in ("1xx", "2xx", "3xx", "4xx", "5xx") else None
    if asked.status and asked.status != "errors" and status is None and group is None:
        raise NotAllowed("A status is a number such as 404, a class such as 4xx, or errors.")
    return Wanted(
        connection_id=asked.connection or None,
        status=status,
        status_class=None if group is None else int(group),
        errors=asked.status == "errors",
        text=asked.text or None,
        since=None if since is None else midnight(since),
    )


@console.get(f"{HOME}/<request_id>")
def one_request(request_id: str) -> Response:
    """Everything that is known of one request, and what its answer means."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    rows = log.newest(directory(), found.actor, Wanted(id=request_id), count=1) if is_sound(request_id) else ()
    if not rows:
        raise Unknown(f"The log has no request {request_id[:64]!r}.")
    row, connection = rows[0]
    meaning = meaning_of(row.status, row.error)
    link = None if meaning.link is None else (meaning.link[0].format(connection=row.connection_id), meaning.link[1])
    about = _about(found, row)
    values: dict[str, Any] = {"row": row, "connection": connection, "meaning": meaning, "link": link, "about": about}
    return show(found, "request.html", around=_around(found, row), **values)


def _about(found: Visitor, row: Row) -> Contact | None:
    """The contact that a request was about, if there still is one."""
    if row.resource_id is None or "/Users" not in row.path:
        return None
    try:
        return life.show(directory(), found.actor, row.resource_id).contact
    except Unknown:
        return None


def _around(found: Visitor, row: Row) -> Sequence[tuple[Row, str]]:
    """The newest other requests about the same user or group, of AROUND before and after."""
    if row.resource_id is None:
        return ()
    wanted = Wanted(resource_id=row.resource_id, since=row.at - AROUND, until=row.at + AROUND)
    rows = log.newest(directory(), found.actor, wanted, count=MOST_AROUND + 1)
    return [each for each in rows if each[0].id != row.id][:MOST_AROUND]
