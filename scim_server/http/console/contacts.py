"""The list of contacts: search, filters, sort, the Archived toggle and pages, all of it in the URL.

Knows no rules and no SQL: directory.roster finds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, request

from scim_server.directory import roster
from scim_server.directory.contacts import shortened
from scim_server.directory.roster import Named, Page, Wanted
from scim_server.domain.contact import Status
from scim_server.domain.errors import Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.frame import Visitor, console, directory, show, told, visitor
from scim_server.http.console.profile import ROLES
from scim_server.http.pages import CONSOLE, at

ROWS: Final = 50
STATUSES: Final = (
    ("", "Any"),
    (Status.ACTIVE.value, "Active"),
    (Status.INVITED.value, "Invited"),
    (Status.INACTIVE.value, "Inactive"),
    (Status.UNINVITED.value, "Not invited"),
)
SORTS: Final = (
    ("name", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("-created", "Newest first"),
    ("created", "Oldest first"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The list as its URL says it; "" where it says nothing. `group` is a name, `connection` an id."""

    q: str = ""
    status: str = ""
    group: str = ""
    connection: str = ""
    archived: str = ""
    sort: str = ""
    page: str = ""

    def path(self, **others: str) -> str:
        """The path of this list with other parts; on its first page, unless `page` is among them."""
        query = {name: value for name, value in asdict(replace(self, **{"page": "", **others})).items() if value}
        return at(f"{CONSOLE}/contacts") + (f"?{urlencode(query)}" if query else "")

    @property
    def filtered(self) -> bool:
        """Whether anything is asked beside the order, the page and archived ones."""
        return bool(self.q or self.status or self.group or self.connection)


@console.get("/contacts")
def contacts() -> Response:
    """A page of the list."""
    found, asked = visitor(Permission.CONTACTS_VIEW), _asked()
    try:
        page = _page(found, asked)
    except Refused as error:
        problem, status = told(error)
        return _show(found, replace(asked, page=""), Page(lines=()), problem, status)
    no_group = asked.group and not page.lines and _group(found, asked.group) is None
    return _show(found, asked, page, f"There is no group named {shortened(asked.group)!r}." if no_group else "")


def _asked() -> Asked:
    """What the URL asks; a status or an order that there isn't is none."""
    names = asdict(Asked())
    given = {name: request.args.get(name, "").strip() for name in names}
    given["status"] = given["status"] if given["status"] in dict(STATUSES) else ""
    given["sort"] = given["sort"] if given["sort"] in dict(SORTS[1:]) else ""
    given["archived"] = "1" if given["archived"] == "1" else ""
    return Asked(**given)


def _page(found: Visitor, asked: Asked) -> Page:
    group = _group(found, asked.group)
    if asked.group and group is None:
        return Page(lines=(), total=0)
    wanted = Wanted(
        text=asked.q,
        status=Status(asked.status) if asked.status else None,
        with_archived=bool(asked.archived),
        group_id=group.id if group else None,
        connection_id=asked.connection or None,
        sort=asked.sort or "name",  # type: ignore[arg-type]  # one of SORTS, which are those that there are
    )
    return roster.page(directory(), found.actor, wanted, position=asked.page or None, count=ROWS)


def _group(found: Visitor, name: str) -> Named | None:
    return roster.group_with_name(directory(), found.actor, name) if name else None


def _show(found: Visitor, asked: Asked, page: Page, problem: str = "", status: int = 200) -> Response:
    groups = roster.groups_named(directory(), found.actor) if found.may(Permission.GROUPS_VIEW) else ()
    values: dict[str, Any] = {
        "asked": asked,
        "page": page,
        "problem": problem,
        "statuses": STATUSES,
        "sorts": SORTS,
        "groups": groups,
        "connections": [("", "Any"), *((each.id, each.name) for each in _connections(found))],
        "role_words": ROLES,
        "previous": asked.path(page=page.previous) if page.previous else "",
        "next": asked.path(page=page.next) if page.next else "",
        "alone": not asked.filtered and page.total == 1,
    }
    return show(found, "contacts.html", status, **values)


def _connections(found: Visitor) -> Any:
    return roster.connections(directory(), found.actor)
