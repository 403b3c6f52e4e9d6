"""Lists through the one door: filter, sort and page over contacts and groups (RFC 7644 §3.4.2, RFC 9865)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Select, Table, func, select
from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.contacts import Call, lapse_due
from scim_server.directory.links import is_due
from scim_server.domain.contact import Status
from scim_server.domain.roles import Permission
from scim_server.mapping import to_group, to_user
from scim_server.scim.filter import Filter, parse_filter
from scim_server.scim.filter_tree import Compare
from scim_server.scim.paging import Position
from scim_server.scim.schema import GROUP, USER, WORKSPACE_URN, Target
from scim_server.storage import contacts, counts, groups, tables
from scim_server.storage.accounts import any_invitation_due
from scim_server.storage.db import Busy, reading
from scim_server.storage.pages import Order, order_of
from scim_server.storage.query import compile_filter, is_rich
from scim_server.storage.whole import LOOKED_UP, Whole, look_up

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: `count` is the page's size, 0 for the total alone.

    A page begins at the place `start` (from 1), or, `by_cursor`, beyond `position` (None: at the first resource).
    `whole`: also what a list without a filter leaves out.
    """

    filter: Filter | None = None
    sort_by: Target | None = None
    descending: bool = False
    start: int = 1
    count: int = 100
    by_cursor: bool = False
    position: Position | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of complete resources and how many there are in all; `next` and `previous` where a cursor leads on."""

    total: int
    resources: list[dict[str, Any]]
    next: Position | None = None
    previous: Position | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What differs between the resource types; `shown` makes complete resources of rows."""

    table: Table
    rows: Select[Any]
    permission: Permission
    shown: Callable[[Db, Call, Sequence[Any], bool], list[dict[str, Any]]]


def find(directory: Directory, call: Call, kind: str, query: Query, *, with_others: bool = True) -> Page:
    """The Users or Groups (`kind`) that `query` finds; `with_others`: with the groups or members they list.

    Without a filter archived contacts are left out, unless the connection lists them (lifecycle.md D5).
    """
    call.actor.require(_KINDS[kind].permission)
    read = partial(_read, directory, call, kind, query, with_others=with_others)
    return of_today(directory, call.workspace_id, read)


def with_status(
    directory: Directory, call: Call, status: Status | None, *, archived: bool = False, count: int = 100
) -> Page:
    """The first `count` Users in that status (None: in any), archived ones too or left out, the oldest first."""
    terms = [f'{WORKSPACE_URN}:status eq "{status}"'] if status is not None else []
    if terms and not archived:
        terms.append(f"{WORKSPACE_URN}:archived eq false")
    wanted = parse_filter(USER, " and ".join(terms)) if terms else None
    return find(directory, call, USER.name, Query(filter=wanted, count=count, whole=archived), with_others=False)


def of_today(directory: Directory, workspace_id: str, read: Callable[[], tuple[T, bool]]) -> T:
    """The page that `read` finds, once invitations are expired where it says that some are past their time (T5).

    A database that can only be read shows what it has.
    """
    page, due = read()
    if not due:
        return page
    with suppress(Busy):
        lapse_due(directory, workspace_id)
    return read()[0]


def _read(directory: Directory, call: Call, kind: str, query: Query, *, with_others: bool) -> tuple[Page, bool]:
    """A page, and whether invitations that may show in it, or be counted, are past their time."""
    now = directory.now()
    if kind == USER.name and (found := _look_up(directory, call, query)) is not None:
        users = [to_user(each.contact, each.memberships, call.base) for each in found]
        return Page(len(found), users), any(is_due(each.contact, now) for each in found)
    with reading(directory.engine) as db:
        page = _find(db, call, kind, query, with_others=with_others)
        return page, kind == USER.name and any_invitation_due(db, call.workspace_id, now)


def _look_up(directory: Directory, call: Call, query: Query) -> list[Whole] | None:
    """Who is found by a filter for one userName or externalId, which is what most queries are; None for any other."""
    match query:
        case Query(filter=Compare(target, "eq", str(key)), start=1, by_cursor=False, sort_by=None):
            name = str(target)
        case _:
            return None
    if query.count == 0 or name not in LOOKED_UP:
        return None
    # one more than the page holds tells whether these are all
    found = look_up(directory.engine, call.workspace_id, call.connection_id, name, key, query.count + 1)
    return found if len(found) <= query.count else None


def find_all(
    directory: Directory, call: Call, queries: Mapping[str, Query], start: int, count: int, *, with_others: bool = True
) -> Page:
    """The resources of all kinds, the Users first: the page of `count` that begins at `start` (from 1)."""
    call.actor.require(*(kind.permission for kind in _KINDS.values()))
    read = partial(_read_all, directory, call, queries, start, count, with_others=with_others)
    return of_today(directory, call.workspace_id, read)


def _read_all(
    directory: Directory, call: Call, queries: Mapping[str, Query], start: int, count: int, *, with_others: bool
) -> tuple[Page, bool]:
    total, resources, skipped = 0, list[dict[str, Any]](), start - 1
    with reading(directory.engine) as db:
        for kind, query in queries.items():
            page = replace(query, start=skipped + 1, count=count - len(resources))
            found = _find(db, call, kind, page, with_others=with_others)
            total += found.total
            resources += found.resources
            skipped = max(0, skipped - found.total)
        return Page(total, resources), any_invitation_due(db, call.workspace_id, directory.now())


def _find(db: Db, call: Call, name: str, query: Query, *, with_others: bool) -> Page:
    kind = _KINDS[name]
    conditions: list[ColumnElement[bool]] = [kind.table.c.workspace_id == call.workspace_id]
    if query.filter is not None:
        if is_rich(query.filter):
            # compiled, a hundred comparisons are megabytes, and hardly ever sent twice: the statement isn't kept
            db = db.execution_options(compiled_cache=None)
        conditions.append(compile_filter(db, call.workspace_id, call.base, name, query.filter, call.connection_id))
    elif name == USER.name and not query.whole and not _lists_archived(call):
        conditions.append(tables.contacts.c.archived.is_(False))
    back = query.position is not None and query.position.back
    order = order_of(
        db,
        call.base,
        name,
        kind.table,
        query.sort_by,
        connection_id=call.connection_id,
        descending=query.descending,
        back=back,
    )
    rows = _rows(db, call, query, kind.rows.where(*conditions), order) if query.count else []
    total = _total(db, call, name, query, conditions, len(rows))
    more = query.by_cursor and len(rows) > query.count
    rows = rows[: query.count]
    if back:
        rows.reverse()
    page = Page(total, kind.shown(db, call, rows, with_others))
    return _with_cursors(page, rows, query, more=more, back=back) if query.by_cursor and rows else page


def _total(db: Db, call: Call, name: str, query: Query, conditions: Sequence[ColumnElement[bool]], found: int) -> int:
    """How many resources the query finds; counted by the database only where neither the page nor a count says it."""
    if not query.by_cursor and found < query.count and (found or query.start == 1):
        return query.start - 1 + found
    if query.filter is None and name == USER.name:
        return counts.total(db, call.workspace_id, with_archived=query.whole or _lists_archived(call))
    return db.scalar(select(func.count()).select_from(_KINDS[name].table).where(*conditions)) or 0


def _lists_archived(call: Call) -> bool:
    return call.connection is not None and call.connection.settings.list_archived


def _rows(db: Db, call: Call, query: Query, rows: Select[Any], order: Order) -> list[Any]:
    """The page's rows; by cursor one more, which tells whether the page is the last one."""
    if order.key is not None:
        rows = rows.add_columns(order.key.label("sort_value"))
    rows = rows.order_by(*order.columns())
    if not query.by_cursor:
        rows = rows.limit(query.count).offset(query.start - 1)
    else:
        if query.position is not None:
            rows = rows.where(order.beyond(query.position))
        rows = rows.limit(query.count + 1)
    return list(db.execute(rows, {"connection": call.connection_id}))


def _with_cursors(page: Page, rows: Sequence[Any], query: Query, *, more: bool, back: bool) -> Page:
    after, before = (True, more) if back else (more, query.position is not None)
    return replace(
        page,
        next=_position(rows[-1], back=False) if after else None,
        previous=_position(rows[0], back=True) if before else None,
    )


def _position(row: Any, *, back: bool) -> Position:
    return Position(row.id, getattr(row, "sort_value", None), back)


def _users(db: Db, call: Call, rows: Sequence[Any], with_groups: bool) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    around = groups.memberships_of(db, call.workspace_id, ids) if with_groups and ids else {}
    return [to_user(contacts.contact_of(row), around.get(row.id, ()), call.base) for row in rows]


def _groups(db: Db, call: Call, rows: Sequence[Any], with_members: bool) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    inside = groups.members_of(db, call.workspace_id, ids) if with_members and ids else {}
    return [to_group(groups.group_of(row), inside.get(row.id), call.base) for row in rows]


_KINDS: Final[Mapping[str, _Kind]] = {
    USER.name: _Kind(tables.contacts, contacts.SELECT, Permission.CONTACTS_VIEW, _users),
    GROUP.name: _Kind(tables.groups, groups.SELECT, Permission.GROUPS_VIEW, _groups),
}
