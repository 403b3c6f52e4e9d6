"""Rows about seats other than the seats: reductions, the ledger of changes, policies, who holds what, use by day.

Decides nothing and takes no seat: storage.ledger does, and writes its rows by way of here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, insert, or_, select, type_coerce, update
from sqlalchemy import Connection as Db

from scim_server.domain.seats import LicenceType, Policy, Reduction, ReductionState, SeatState
from scim_server.storage.tables import String, contacts, licence_types, reductions, seat_changes, seats, workspaces


class Change(StrEnum):
    """Why a counter changed. OPENING is what an older version had counted before there was a ledger."""

    OPENING = "opening"
    ADDED = "added"
    ASSIGNED = "assigned"
    RESERVED = "reserved"
    PROMOTED = "promoted"
    RELEASED = "released"
    SETTLED = "settled"  # a seat beyond the purchased became a purchased one
    REDUCED = "reduced"


COUNTERS: Final = ("purchased", "assigned", "reserved", "over")
CLAIMED: Final = {SeatState.ASSIGNED: Change.ASSIGNED, SeatState.RESERVED: Change.RESERVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the ledger: by how much each counter of `licence` changed, and for which contact if for one."""

    id: str
    at: datetime
    licence: str
    change: Change
    purchased: int = 0
    assigned: int = 0
    reserved: int = 0
    over: int = 0
    contact_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A seat in use and the contact that holds it."""

    licence: str
    state: SeatState
    since: datetime
    over: bool
    contact_id: str
    user_name: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The counters of a licence type at the end of a day (UTC), or by how much they changed on it."""

    day: str
    licence: str
    purchased: int
    assigned: int
    reserved: int
    over: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides how a pool's seats are given: its type, and whether a reduction is due and not applied yet."""

    licence: LicenceType
    due: bool

    @property
    def quiet(self) -> bool:
        """Whether a free seat may be taken or left without a look at the others."""
        return not self.licence.counted or (self.licence.policy is Policy.BLOCK and not self.due)


def note(db: Db, workspace_id: str, *entries: Entry) -> None:
    """Write rows of the ledger."""
    names = ("id", "at", "licence", "purchased", "assigned", "reserved", "over", "contact_id")
    rows = [
        {"workspace_id": workspace_id, "change": entry.change.value, **{name: getattr(entry, name) for name in names}}
        for entry in entries
    ]
    if rows:
        db.execute(insert(seat_changes), rows)


def terms(db: Db, workspace_id: str, licence: str, today: date) -> Terms | None:
    """How seats of the type are given today; None where there is no such type."""
    due = exists().where(_due(workspace_id, today), reductions.c.licence == licence)
    query = select(licence_types.c.counted, licence_types.c.policy, due.label("due")).where(
        _type(workspace_id, licence)
    )
    row = db.execute(query).one_or_none()
    return None if row is None else Terms(LicenceType(licence, row.counted, Policy(row.policy)), bool(row.due))


def any_due(db: Db, workspace_id: str, licence: str, today: date) -> bool:
    """Whether a reduction of the type is due and not applied yet."""
    found = terms(db, workspace_id, licence, today)
    return found is not None and found.due


def lock(db: Db, workspace_id: str, licence: str, *, alone: bool) -> None:
    """Stand in line for a licence type until the transaction ends: `alone`, or beside others who aren't either.

    SQLite's one writer at a time needs no line. References to the row stay possible: FOR NO KEY UPDATE.
    """
    if db.dialect.name == "postgresql":
        row = select(licence_types.c.name).where(_type(workspace_id, licence))
        db.execute(row.with_for_update(key_share=True) if alone else row.with_for_update(read=True))


def set_policy(db: Db, workspace_id: str, licence: str, policy: Policy) -> None:
    """Change what happens when no seat is left."""
    db.execute(update(licence_types).where(_type(workspace_id, licence)).values(policy=policy.value))


def billing_day(db: Db, workspace_id: str, *, to_change: bool = False) -> int:
    """The day of the month on which the workspace's billing cycles begin; locked where it is to be changed.

    References to the row stay possible: FOR NO KEY UPDATE.
    """
    query = select(workspaces.c.billing_day).where(workspaces.c.workspace_id == workspace_id)
    return int(db.scalars(query.with_for_update(key_share=True) if to_change else query).one())


def set_billing_day(db: Db, workspace_id: str, day: int) -> None:
    """Begin the workspace's billing cycles on another day of the month, 1 to 28."""
    db.execute(update(workspaces).where(workspaces.c.workspace_id == workspace_id).values(billing_day=day))


def add_reduction(db: Db, workspace_id: str, reduction: Reduction, now: datetime) -> None:
    """Insert a reduction."""
    row = {
        "workspace_id": workspace_id,
        "id": reduction.id,
        "licence": reduction.licence,
        "quantity": reduction.quantity,
        "effective": reduction.effective.isoformat(),
        "state": reduction.state.value,
        "created": now,
    }
    db.execute(insert(reductions), row)


def set_state(db: Db, workspace_id: str, reduction: Reduction) -> None:
    """Keep the state that a reduction has come to."""
    key = and_(reductions.c.workspace_id == workspace_id, reductions.c.id == reduction.id)
    db.execute(update(reductions).where(key).values(state=reduction.state.value))


def reduction(db: Db, workspace_id: str, reduction_id: str) -> Reduction | None:
    """The reduction of that id."""
    key = and_(reductions.c.workspace_id == workspace_id, reductions.c.id == reduction_id)
    row = db.execute(select(reductions).where(key)).one_or_none()
    return None if row is None else _reduction(row)


def open_reductions(db: Db, workspace_id: str, licence: str | None = None) -> Sequence[Reduction]:
    """Those that are scheduled or waiting, the earliest first."""
    query = select(reductions).where(
        reductions.c.workspace_id == workspace_id,
        reductions.c.state.in_((ReductionState.SCHEDULED.value, ReductionState.WAITING.value)),
    )
    if licence is not None:
        query = query.where(reductions.c.licence == licence)
    return [_reduction(row) for row in db.execute(query.order_by(reductions.c.effective, reductions.c.id))]


def due_pools(db: Db, today: date) -> Sequence[tuple[str, str]]:
    """(workspace id, licence) of every pool with a reduction that is due and not applied."""
    pools = (reductions.c.workspace_id, reductions.c.licence)
    query = select(*pools).where(_due(None, today)).distinct().order_by(*pools)
    return [(row.workspace_id, row.licence) for row in db.execute(query)]


def entries(db: Db, workspace_id: str, licence: str | None, after: str | None, count: int) -> Sequence[Entry]:
    """At most `count` rows of the ledger, oldest first, those behind the row with the id `after`."""
    query = _changes(workspace_id, licence).order_by(seat_changes.c.id).limit(count)
    return _entries(db, query if after is None else query.where(seat_changes.c.id > after))


def newest(db: Db, workspace_id: str, licence: str | None, before: str | None, count: int) -> Sequence[Entry]:
    """At most `count` rows of the ledger, newest first, those before the row with the id `before`."""
    query = _changes(workspace_id, licence).order_by(seat_changes.c.id.desc()).limit(count)
    # any id is beyond "": with an end to begin at, SQLite walks the ids and sorts nothing
    return _entries(db, query.where(seat_changes.c.id > "" if before is None else seat_changes.c.id < before))


def _changes(workspace_id: str, licence: str | None) -> Select[Any]:
    query = select(seat_changes).where(seat_changes.c.workspace_id == workspace_id)
    return query if licence is None else query.where(seat_changes.c.licence == licence)


def _entries(db: Db, query: Select[Any]) -> Sequence[Entry]:
    found = db.execute(query)
    names = ("id", "at", "licence", "purchased", "assigned", "reserved", "over", "contact_id")
    return [Entry(change=Change(row.change), **{name: getattr(row, name) for name in names}) for row in found]


def holders(
    db: Db,
    workspace_id: str,
    licence: str | None,
    after: str | None,
    count: int,
    *,
    state: SeatState | None = None,
    over: bool = False,
) -> Sequence[Held]:
    """At most `count` seats in use by the id of who holds them, those behind the contact with the id `after`.

    With `state` those in it alone, with `over` those beyond the purchased alone.
    """
    both = and_(contacts.c.workspace_id == seats.c.workspace_id, contacts.c.id == seats.c.holder_id)
    query = (
        select(
            seats.c.licence,
            seats.c.state,
            seats.c.since,
            seats.c.over,
            contacts.c.id,
            contacts.c.user_name,
            contacts.c.label,
        )
        .join_from(seats, contacts, both)
        .where(seats.c.workspace_id == workspace_id)
    )
    if licence is not None:
        query = query.where(seats.c.licence == licence)
    if state is not None:
        query = query.where(seats.c.state == state.value)
    if over:
        query = query.where(seats.c.over.is_(True))
    if after is not None:
        query = query.where(seats.c.holder_id > after)
    return [
        Held(
            licence=row.licence,
            state=SeatState(row.state),
            since=row.since,
            over=row.over,
            contact_id=row.id,
            user_name=row.user_name,
            label=row.label,
        )
        for row in db.execute(query.order_by(seats.c.holder_id).limit(count))
    ]


def changes_by_day(db: Db, workspace_id: str, licence: str, since: datetime | None = None) -> Sequence[Usage]:
    """By how much each counter of a licence type changed on a day, for each day on which one did, from `since` on."""
    day = func.substr(type_coerce(seat_changes.c.at, String), 1, 10)
    sums = [func.sum(seat_changes.c[name]).label(name) for name in COUNTERS]
    query = select(day.label("day"), *sums).where(
        seat_changes.c.workspace_id == workspace_id, seat_changes.c.licence == licence
    )
    if since is not None:
        query = query.where(seat_changes.c.at >= since)
    # PostgreSQL's sums are decimals
    return [
        Usage(day=row.day, licence=licence, **{name: int(getattr(row, name)) for name in COUNTERS})
        for row in db.execute(query.group_by(day).order_by(day))
    ]


def _type(workspace_id: str, licence: str) -> ColumnElement[bool]:
    return and_(licence_types.c.workspace_id == workspace_id, licence_types.c.name == licence)


def _due(workspace_id: str | None, today: date) -> ColumnElement[bool]:
    """Reductions whose day has come and that aren't applied yet."""
    scheduled = and_(reductions.c.state == ReductionState.SCHEDULED.value, reductions.c.effective <= today.isoformat())
    due = or_(reductions.c.state == ReductionState.WAITING.value, scheduled)
    return due if workspace_id is None else and_(reductions.c.workspace_id == workspace_id, due)


def _reduction(row: Any) -> Reduction:
    return Reduction(
        id=row.id,
        licence=row.licence,
        quantity=row.quantity,
        effective=date.fromisoformat(row.effective),
        state=ReductionState(row.state),
    )
