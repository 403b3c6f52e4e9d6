"""Seats, activity and outbox, written in the caller's transaction. Settles races over seats; decides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection as Db
from sqlalchemy import Select, case, delete, func, insert, select, text, update

from scim_server.domain.actor import Actor
from scim_server.domain.events import ContactEvent
from scim_server.domain.seats import LicenceType, Policy, Pool, Seat, SeatState, no_free_seat
from scim_server.storage.tables import activity, licence_types, outbox, seats


def licences(db: Db, workspace_id: str) -> dict[str, LicenceType]:
    """Name → licence type."""
    rows = db.execute(select(licence_types).where(licence_types.c.workspace_id == workspace_id))
    return {row.name: LicenceType(row.name, row.counted, Policy(row.policy)) for row in rows}


def add_licence(db: Db, workspace_id: str, licence: LicenceType) -> None:
    """Insert a licence type."""
    db.execute(
        insert(licence_types),
        {
            "workspace_id": workspace_id,
            "name": licence.name,
            "counted": licence.counted,
            "policy": licence.policy.value,
        },
    )


def add_seats(db: Db, workspace_id: str, licence: str, ids: Sequence[str]) -> None:
    """Insert free seats of a counted type, one for each id."""
    rows = [
        {"workspace_id": workspace_id, "id": seat_id, "licence": licence, "state": "free", "over": False}
        for seat_id in ids
    ]
    if rows:
        db.execute(insert(seats), rows)


def pool(db: Db, workspace_id: str, licence: str) -> Pool:
    """The counters of one licence type."""
    query = select(
        func.count().filter(seats.c.over.is_(False)),
        func.count().filter(seats.c.state == SeatState.ASSIGNED.value),
        func.count().filter(seats.c.state == SeatState.RESERVED.value),
        func.count().filter(seats.c.over.is_(True)),
    ).where(seats.c.workspace_id == workspace_id, seats.c.licence == licence)
    purchased, assigned, reserved, over = db.execute(query).one()
    return Pool(licence=licence, purchased=purchased, assigned=assigned, reserved=reserved, over=over)


def claim(
    db: Db, workspace_id: str, licence: LicenceType, state: SeatState, holder_id: str, now: datetime, new_id: str
) -> Seat:
    """A seat of `licence` for `holder_id`. Raises NoFreeSeat under the policy block when none is left (T11).

    The claim is one conditional update, so that of any number of claims on the last seat one wins (law 6). On
    PostgreSQL free seats that another transaction is about to take are passed over first; only when nothing else is
    left does the claim wait for them, as that transaction may still fail and leave its seat free.
    """
    values = {"holder_id": holder_id, "state": state.value, "since": now}
    if licence.counted:
        if db.dialect.name == "postgresql":
            # where most seats are free the planner would walk the table for one, past all that are held
            db.execute(text("SET LOCAL enable_seqscan = off"))
        free = (
            select(seats.c.id)
            .where(seats.c.workspace_id == workspace_id, seats.c.licence == licence.name, seats.c.holder_id.is_(None))
            .limit(1)
        )
        for attempt in (free.with_for_update(skip_locked=True), free.with_for_update()):
            claimed = _take(db, workspace_id, attempt, values)
            if claimed is not None:
                return Seat(id=claimed, licence=licence.name, state=state, since=now)
        if licence.policy is Policy.BLOCK:
            raise no_free_seat(pool(db, workspace_id, licence.name))
    row = {"workspace_id": workspace_id, "id": new_id, "licence": licence.name, "over": licence.counted, **values}
    db.execute(insert(seats), row)
    return Seat(id=new_id, licence=licence.name, state=state, since=now, over=licence.counted)


def _take(db: Db, workspace_id: str, free: Select[Any], values: Mapping[str, Any]) -> str | None:
    query = (
        update(seats)
        .where(seats.c.workspace_id == workspace_id, seats.c.id == free.scalar_subquery(), seats.c.holder_id.is_(None))
        .values(values)
        .returning(seats.c.id)
    )
    return db.execute(query).scalar_one_or_none()


def promote(db: Db, workspace_id: str, holder_id: str, now: datetime) -> None:
    """Make the seat that was reserved for `holder_id` an assigned one (T4)."""
    db.execute(
        update(seats)
        .where(seats.c.workspace_id == workspace_id, seats.c.holder_id == holder_id)
        .values(state=SeatState.ASSIGNED.value, since=now)
    )


def release(db: Db, workspace_id: str, holder_id: str) -> None:
    """Free the seat of `holder_id`; one that was granted beyond the purchased, or isn't counted, ceases to be."""
    held = (seats.c.workspace_id == workspace_id, seats.c.holder_id == holder_id)
    uncounted = select(licence_types.c.name).where(
        licence_types.c.workspace_id == workspace_id, licence_types.c.counted.is_(False)
    )
    gone = delete(seats).where(*held, case((seats.c.over, True), else_=seats.c.licence.in_(uncounted)))
    if db.execute(gone).rowcount == 0:
        db.execute(update(seats).where(*held).values(holder_id=None, state="free", since=None))


def record(db: Db, actor: Actor, events: Sequence[ContactEvent], new_id: Callable[[], str]) -> None:
    """One activity row and one outbox row for each event (law 5), in the caller's transaction."""
    for event in events:
        facts = {name: list(change) for name, change in event.facts.items()}
        row = {
            "workspace_id": actor.workspace_id,
            "id": new_id(),
            "at": event.at,
            "act": event.kind.value,
            "door": actor.door,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "subject_id": event.contact_id,
            "facts": orjson.dumps({**facts, "attributes": event.attributes}).decode(),
            "request_id": actor.request_id,
        }
        db.execute(insert(activity), row)
        payload = {"id": event.contact_id, "kind": event.kind.value, "facts": facts, "attributes": event.attributes}
        db.execute(
            insert(outbox),
            {
                "workspace_id": actor.workspace_id,
                "id": row["id"],
                "at": event.at,
                "event": event.words.outbox,
                "payload": orjson.dumps(payload).decode(),
            },
        )


def record_act(db: Db, actor: Actor, act: str, subject_id: str | None, at: datetime, new_id: str) -> None:
    """One activity row for an administrative act or a change of a group, which is no contact's transition."""
    row = {
        "workspace_id": actor.workspace_id,
        "id": new_id,
        "at": at,
        "act": act,
        "door": actor.door,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "subject_id": subject_id,
        "facts": "{}",
        "request_id": actor.request_id,
    }
    db.execute(insert(activity), row)
