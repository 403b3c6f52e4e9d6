"""The activity log as it is read: rows with what their actors and subjects are called now. Writes nothing.

Rows hold ids alone, so a name that was erased is erased from the log too (R45b); which words stand in its place, the
reader decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    union,
)
from sqlalchemy import Connection as Db

from scim_server.storage.access_tables import clients, tokens, trusts
from scim_server.storage.tables import Instant, String, activity, connections, contacts, groups, items


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
    """Up to `count` rows newer than the one with the id `after`, oldest first; none where there is no such row.

    The order is that of time, then of ids: the times that rows are asked for between are ends of it.
    """
    return _page(db, workspace_id, wanted, beyond=after, count=count, newest_first=False)


def newest(db: Db, workspace_id: str, wanted: Wanted, *, before: str | None, count: int) -> list[Row]:
    """Up to `count` rows older than the one with the id `before`, newest first; otherwise as page."""
    return _page(db, workspace_id, wanted, beyond=before, count=count, newest_first=True)


def _page(
    db: Db, workspace_id: str, wanted: Wanted, *, beyond: str | None, count: int, newest_first: bool
) -> list[Row]:
    of_workspace = select(activity).where(activity.c.workspace_id == workspace_id, *_bounds(wanted))
    if beyond is not None:
        key = (activity.c.workspace_id == workspace_id, activity.c.id == beyond)
        found = db.execute(select(activity.c.at, activity.c.id).where(*key)).one_or_none()
        if found is None:
            return []
        place = tuple_(activity.c.at, activity.c.id)
        last = tuple_(literal(found.at, Instant), literal(found.id, String))
        of_workspace = of_workspace.where(place < last if newest_first else place > last)
    arms = [of_workspace.where(*each) for each in _arms(wanted)]
    query = arms[0]
    if len(arms) > 1:
        # each by an index of its own; as subqueries, since SQLite limits no part of a union
        parts = [arm.order_by(*_order(activity, newest_first)).limit(count).subquery() for arm in arms]
        query = select(union(*(select(part) for part in parts)).subquery())
    query = query.order_by(*_order(query, newest_first)).limit(count)
    return [_row(each) for each in db.execute(_named(query, newest_first=newest_first))]


def _order(of: FromClause | Select[Any], newest_first: bool) -> tuple[ColumnElement[Any], ...]:
    columns: Any = of.selected_columns if isinstance(of, Select) else of.c
    return (columns.at.desc(), columns.id.desc()) if newest_first else (columns.at, columns.id)


def count_since(db: Db, workspace_id: str, subject_id: str, act: str, since: datetime) -> int:
    """How often that was done to the subject from then on."""
    of_subject = activity.c.workspace_id == workspace_id, activity.c.subject_id == subject_id
    query = select(func.count()).where(*of_subject, activity.c.at >= since, activity.c.act == act)
    return db.scalar(query) or 0


def at_times(
    db: Db, workspace_id: str, subject_ids: Sequence[str], acts: Sequence[str], times: Sequence[datetime]
) -> list[Row]:
    """The rows of exactly these times that are about one of the subjects or are one of `acts`, in order."""
    wanted = or_(activity.c.subject_id.in_(subject_ids), activity.c.act.in_(acts))
    query = select(activity).where(activity.c.workspace_id == workspace_id, activity.c.at.in_(times), wanted)
    return [_row(each) for each in db.execute(_named(query))]


def _bounds(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield activity.c.at >= wanted.since
    if wanted.until is not None:
        yield activity.c.at < wanted.until


def _arms(wanted: Wanted) -> Sequence[tuple[ColumnElement[bool], ...]]:
    """The conditions whose rows together are those of a contact and of the acts wanted: what one index finds each."""
    if wanted.contact_id is not None:
        # the acts as an expression, so that no planner looks for them among those of everybody
        kept = (func.coalesce(activity.c.act, "").in_(wanted.acts),) if wanted.acts else ()
        return [(column == wanted.contact_id, *kept) for column in (activity.c.actor_id, activity.c.subject_id)]
    return [(activity.c.act == act,) for act in dict.fromkeys(wanted.acts)] or [()]


def _named(query: Select[Any], *, newest_first: bool = False) -> Select[Any]:
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
    return select(found, actor, subject).select_from(joined).order_by(*_order(found, newest_first))


def _is(table: FromClause, found: FromClause, column: str) -> ColumnElement[bool]:
    return and_(table.c.workspace_id == found.c.workspace_id, table.c.id == found.c[column])


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
