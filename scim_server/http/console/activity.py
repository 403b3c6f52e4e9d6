"""The activity log: who did what to whom, newest first, by person, act and time, and all of it as CSV.

Knows no rules and no columns: it asks the directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from itertools import chain, islice
from typing import Final
from urllib.parse import urlencode

from flask import Response, request

from scim_server.directory import activity as log
from scim_server.directory import life
from scim_server.directory.access import NotAllowed
from scim_server.directory.activity import Wanted
from scim_server.directory.sheet import csv_lines
from scim_server.domain.contact import Contact
from scim_server.domain.errors import Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.days import day, midnight
from scim_server.http.console.entries import Said, acts_of, choices, said
from scim_server.http.console.frame import Visitor, console, directory, download, show, told, visitor
from scim_server.http.pages import CONSOLE, at

ROWS: Final = 50
_LINES_AT_ONCE: Final = 500
_BOM: Final = "\ufeff"  # by which a spreadsheet knows that names are UTF-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The filters as they stand in the URL: a userName or id, an act or a kind of acts, and days in UTC."""

    person: str = ""
    act: str = ""
    since: str = ""
    until: str = ""

    def path(self, page: str, **more: str) -> str:
        """The path of that page with these filters."""
        query = {name: value for name, value in {**asdict(self), **more}.items() if value}
        return at(f"{CONSOLE}/{page}") + (f"?{urlencode(query)}" if query else "")


@console.get("/activity")
def activity() -> Response:
    """The log, a page at a time."""
    found, asked, before = visitor(Permission.CONTACTS_VIEW), _asked(), request.args.get("before", "")
    try:
        contact = _person(found, asked)
        wanted = _wanted(asked, contact)
        entries = log.newest(directory(), found.actor, wanted, before=before or None, count=ROWS + 1)
    except Refused as error:
        return _refused(found, asked, error)
    rows = said(found, entries[:ROWS])
    return _page(
        found,
        asked,
        person=asked.person if contact is None else contact.user_name,
        rows=rows,
        older=asked.path("activity", before=rows[-1].id) if len(entries) > ROWS else "",
        newest=asked.path("activity") if before else "",
    )


@console.get("/activity.csv")
def activity_csv() -> Response:
    """All that the filters leave, oldest first, as the command line's export writes it."""
    found, asked = visitor(Permission.CONTACTS_VIEW), _asked()
    try:
        wanted = _wanted(asked, _person(found, asked))
    except Refused as error:
        return _refused(found, asked, error)
    pieces = _pieces(csv_lines(log.stream(directory(), found.actor, wanted)))
    first = next(pieces)  # what can't be read is told while there is a page to tell it on
    return download(chain((_BOM + first,), pieces), "activity.csv", "text/csv")


def _pieces(lines: Iterator[str]) -> Iterator[str]:
    while piece := "".join(islice(lines, _LINES_AT_ONCE)):
        yield piece


def _asked() -> Asked:
    return Asked(**{name: request.args.get(name, "").strip() for name in Asked.__slots__})


def _person(found: Visitor, asked: Asked) -> Contact | None:
    """The contact whose activity is wanted. Raises Unknown."""
    return life.show(directory(), found.actor, asked.person).contact if asked.person else None


def _wanted(asked: Asked, contact: Contact | None) -> Wanted:
    """What the filters mean. Raises NotAllowed for an act or a day that can't be."""
    acts = acts_of(asked.act)
    if asked.act and not acts:
        raise NotAllowed("There is no such act. Choose one of the list.")
    since, until = day(asked.since), day(asked.until)
    if since is not None and until is not None and since > until:
        raise NotAllowed("The first day is after the last one.")
    return Wanted(
        contact_id=None if contact is None else contact.id,
        acts=acts,
        since=None if since is None else midnight(since),
        until=None if until is None else _end(until),
    )


def _end(last: date) -> datetime | None:
    """The end of the day; there is none of the last one that can be."""
    return None if last == date.max else midnight(last + timedelta(days=1))


def _refused(found: Visitor, asked: Asked, error: Refused) -> Response:
    message, status = told(error)
    return _page(found, asked, 400 if isinstance(error, NotAllowed) else status, person=asked.person, problem=message)


def _page(
    found: Visitor,
    asked: Asked,
    status: int = 200,
    *,
    person: str,
    rows: Sequence[Said] = (),
    older: str = "",
    newest: str = "",
    problem: str = "",
) -> Response:
    values = {"asked": asked, "is_filtered": asked != Asked(), "choices": choices(), "file": asked.path("activity.csv")}
    more = {"person": person, "rows": rows, "older": older, "newest": newest, "problem": problem}
    return show(found, "activity.html", status, **values, **more)
