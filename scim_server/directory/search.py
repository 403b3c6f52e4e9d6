"""Lists through the one door: filter, sort and page over contacts or groups (RFC 7644 §3.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, func, select
from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.contacts import Call
from scim_server.domain.roles import Permission
from scim_server.mapping import to_group, to_user
from scim_server.scim.filter import Filter
from scim_server.scim.schema import Target
from scim_server.storage import contacts, groups, tables
from scim_server.storage.db import reading
from scim_server.storage.query import compile_filter, order_by


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: `start` counts from 1, `count` is the page's size, 0 for the total alone."""

    filter: Filter | None = None
    sort_by: Target | None = None
    descending: bool = False
    start: int = 1
    count: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of complete resources and how many there are in all."""

    total: int
    resources: list[dict[str, Any]]


def users(directory: Directory, call: Call, query: Query, *, with_groups: bool = True) -> Page:
    """The Users that `query` finds. Without a filter archived ones are left out (lifecycle.md D5)."""
    call.actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        conditions = [tables.contacts.c.workspace_id == call.workspace_id]
        if query.filter is not None:
            conditions.append(compile_filter(db, call.workspace_id, call.base, "User", query.filter))
        elif call.connection is None or not call.connection.settings.list_archived:
            conditions.append(tables.contacts.c.archived.is_(False))
        total, rows = _page(db, call, query, contacts.SELECT.where(*conditions), tables.contacts, conditions)
        found = [contacts.contact_of(row) for row in rows]
        ids = [contact.id for contact in found]
        around = groups.memberships_of(db, call.workspace_id, ids) if with_groups and ids else {}
        return Page(total, [to_user(contact, around.get(contact.id, ()), call.base) for contact in found])


def all_groups(directory: Directory, call: Call, query: Query, *, with_members: bool = True) -> Page:
    """The Groups that `query` finds."""
    call.actor.require(Permission.GROUPS_VIEW)
    with reading(directory.engine) as db:
        conditions = [tables.groups.c.workspace_id == call.workspace_id]
        if query.filter is not None:
            conditions.append(compile_filter(db, call.workspace_id, call.base, "Group", query.filter))
        total, rows = _page(db, call, query, groups.SELECT.where(*conditions), tables.groups, conditions)
        found = [groups.group_of(row) for row in rows]
        inside = groups.members_of(db, call.workspace_id, [g.id for g in found]) if with_members and found else {}
        return Page(total, [to_group(group, inside.get(group.id), call.base) for group in found])


def _page(
    db: Db, call: Call, query: Query, rows: Select[Any], table: Table, conditions: list[Any]
) -> tuple[int, list[Any]]:
    total = db.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
    if query.count == 0 or query.start > total:
        return total, []
    order: list[ColumnElement[Any]] = [table.c.id]
    if query.sort_by is not None:
        kind = "User" if table is tables.contacts else "Group"
        order = order_by(db, call.base, kind, query.sort_by, descending=query.descending)
    page = rows.order_by(*order).limit(query.count).offset(query.start - 1)
    return total, list(db.execute(page))
