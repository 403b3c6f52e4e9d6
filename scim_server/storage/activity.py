"""The activity log as it is read: rows with what their actors and subjects are called now. Writes nothing.

Rows hold ids alone, so a name that was erased is erased from the log too (R45b); which words stand in its place, the
reader decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select, and_, func, select, union
from sqlalchemy import Connection as Db

from scim_server.storage.access_tables import clients, tokens, trusts
from scim_server.storage.tables import activity, connections, contacts, groups, items


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. `actor` and `subject` are present names, None where there is none (any more)."""

    id: str
    at: datetime
    act: str
    door: str
    actor_kind: str
    actor_id: str | None
    actor: str | None
    subject_id: str | None
    subject: str | None
    facts: dict[str, Any]
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows: those a contact did or that are about it, of any of `acts`, from `since` on, before `until`."""

    contact_id: str | None = None
    acts: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


_ACTORS: Final = contacts.alias("actors"), connections.alias("actor_connections")
# Ids are unique over all tables, so that at most one of these has the subject.
_SUBJECTS: Final = tuple(
    (each.alias(f"subject_{each.name}"), name)
    for each, name in (
        (contacts, "label"),
        (groups, "display_name"),
        (connections, "name"),
        (items, "title"),
        (clients, "name"),
        (trusts, "issuer"),
    )
)
_TOKENS: Final = tokens.alias("subject_tokens")


def page(db: Db, workspace_id: str, wanted: Wanted, *, after: str | None, count: int) -> list[Row]:
    """Up to `count` rows beyond the id `after`, oldest first."""
    query = select(activity).where(activity.c.workspace_id == workspace_id).order_by(activity.c.id).limit(count)
    if wanted.contact_id is not None:
        query = query.where(activity.c.id.in_(_of_contact(workspace_id, wanted.contact_id, after or "")))
    if wanted.acts:
        query = query.where(activity.c.act.in_(wanted.acts))
    if wanted.since is not None:
        query = query.where(activity.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(activity.c.at < wanted.until)
    if after is not None:
        query = query.where(activity.c.id > after)
    return [_row(each) for each in db.execute(_named(query))]


def _named(query: Select[Any]) -> Select[Any]:
    """The rows that `query` gives, with names: found first, as a join of so many tables is carried out as written."""
    found = query.subquery("found")
    people, links = _ACTORS
    joined: Any = found.outerjoin(people, _is(people, found, "actor_id"))
    joined = joined.outerjoin(links, _is(links, found, "actor_id"))
    for table in (*(table for table, _ in _SUBJECTS), _TOKENS):
        joined = joined.outerjoin(table, _is(table, found, "subject_id"))
    actor = func.coalesce(people.c.label, links.c.name).label("actor")
    names = [table.c[name] for table, name in _SUBJECTS]
    subject = func.coalesce(*names, "…" + _TOKENS.c.hint).label("subject")
    return select(found, actor, subject).select_from(joined).order_by(found.c.id)


def _is(table: FromClause, found: FromClause, column: str) -> ColumnElement[bool]:
    return and_(table.c.workspace_id == found.c.workspace_id, table.c.id == found.c[column])


def _of_contact(workspace_id: str, contact_id: str, after: str) -> CompoundSelect[Any]:
    """The ids of the rows that a contact did or that are about it: a union, as each half has an index of its own."""
    halves = (
        select(activity.c.id).where(
            activity.c.workspace_id == workspace_id, column == contact_id, activity.c.id > after
        )
        for column in (activity.c.actor_id, activity.c.subject_id)
    )
    return union(*halves)


def _row(row: Any) -> Row:
    return Row(
        id=row.id,
        at=row.at,
        act=row.act,
        door=row.door,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor=row.actor,
        subject_id=row.subject_id,
        subject=row.subject,
        facts=orjson.loads(row.facts),
        request_id=row.request_id,
    )
