"""Seats, activity and outbox, written in the caller's transaction. Settles races over seats; decides nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection as Db
from sqlalchemy import Select, bindparam, delete, func, insert, select, text, update

from scim_server.domain.actor import Actor, system
from scim_server.domain.errors import NoFreeSeat, UnknownLicence
from scim_server.domain.events import ContactEvent
from scim_server.domain.seats import (
    LicenceType,
    Policy,
    Pool,
    Reduction,
    ReductionState,
    Seat,
    SeatState,
    no_free_seat,
    reckoned,
)
from scim_server.storage import accounts
from scim_server.storage import seats as seat_rows
from scim_server.storage.db import LostRace
from scim_server.storage.seats import Change, Entry, Terms
from scim_server.storage.tables import activity, licence_types, outbox, reductions, seats


class InvitationsDue(NoFreeSeat):
    """No seat is free, but invitations of the workspace are past their time: expire them, then try again."""


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


def add_seats(
    db: Db, workspace_id: str, licence: str, ids: Sequence[str], now: datetime, new_id: Callable[[], str]
) -> None:
    """Insert free seats of a counted type, one for each id, and settle what waited for them."""
    if not ids:
        return
    rows = [
        {"workspace_id": workspace_id, "id": seat_id, "licence": licence, "state": "free", "over": False}
        for seat_id in ids
    ]
    db.execute(insert(seats), rows)
    entry = Entry(id=new_id(), at=now, licence=licence, change=Change.ADDED, purchased=len(ids))
    seat_rows.note(db, workspace_id, entry)
    settle(db, workspace_id, licence, now, new_id)


def pool(db: Db, workspace_id: str, licence: str) -> Pool:
    """The counters of one licence type; of one that isn't counted nothing is purchased."""
    counted = select(licence_types.c.counted).where(
        licence_types.c.workspace_id == workspace_id, licence_types.c.name == licence
    )
    withheld = select(func.coalesce(func.sum(reductions.c.quantity), 0)).where(
        reductions.c.workspace_id == workspace_id,
        reductions.c.licence == licence,
        reductions.c.state == ReductionState.WAITING.value,
    )
    query = select(
        func.count().filter(seats.c.over.is_(False)),
        func.count().filter(seats.c.state == SeatState.ASSIGNED.value),
        func.count().filter(seats.c.state == SeatState.RESERVED.value),
        func.count().filter(seats.c.over.is_(True)),
        withheld.scalar_subquery(),
        counted.scalar_subquery(),
    ).where(seats.c.workspace_id == workspace_id, seats.c.licence == licence)
    regular, assigned, reserved, over, waiting, is_counted = db.execute(query).one()
    return Pool(
        licence=licence,
        purchased=regular if is_counted else 0,
        assigned=assigned,
        reserved=reserved,
        over=over,
        withheld=int(waiting),
    )


def claim(
    db: Db,
    workspace_id: str,
    licence: LicenceType,
    state: SeatState,
    holder_id: str,
    now: datetime,
    new_id: Callable[[], str],
) -> Seat:
    """A seat of `licence` for `holder_id`. Raises NoFreeSeat under the policy block when none is left (T11).

    The claim is one conditional update, so that of any number of claims on the last seat one wins (law 6). On
    PostgreSQL free seats that another transaction is about to take are passed over first; only when nothing else is
    left does the claim wait for them, as that transaction may still fail and leave its seat free. Seats that a
    reduction withholds are taken by nobody. Raises InvitationsDue, under `allow` too, where none is left and
    invitations past their time may hold some.
    """
    terms = enter(db, workspace_id, licence.name, now)
    if terms.due:
        settle(db, workspace_id, licence.name, now, new_id)
    seat = None
    if terms.licence.counted and (not terms.due or pool(db, workspace_id, licence.name).available):
        seat = _free_seat(db, workspace_id, licence.name, state, holder_id, now)
    if seat is None and terms.licence.counted and accounts.any_invitation_due(db, workspace_id, now):
        full = pool(db, workspace_id, licence.name)
        raise InvitationsDue(full.licence, full.purchased, full.assigned, full.reserved, full.withheld)
    if seat is None:
        seat = _new_seat(db, workspace_id, terms.licence, state, holder_id, now, new_id())
    counters = {state.value: 1, "over": int(seat.over)}
    entry = Entry(
        id=new_id(), at=now, licence=licence.name, change=seat_rows.CLAIMED[state], contact_id=holder_id, **counters
    )
    seat_rows.note(db, workspace_id, entry)
    return seat


def line_up(db: Db, workspace_id: str, licence: str, now: datetime) -> None:
    """Stand in line for a pool before rows are written that somebody in the line may want, such as a new contact's.

    Without it two could wait for each other. Raises LostRace.
    """
    if db.dialect.name == "postgresql":
        enter(db, workspace_id, licence, now)


def enter(db: Db, workspace_id: str, licence: str, now: datetime) -> Terms:
    """Stand in line for the pool, and how its seats are given from now until the transaction ends.

    As long as nothing but free seats is at stake, claims and releases don't wait for each other; under `allow`, or
    with a reduction due, one at a time looks at the whole pool. Raises LostRace where that changed meanwhile.
    """
    before = seat_rows.terms(db, workspace_id, licence, now.date())
    if before is None:
        raise UnknownLicence(licence, licences(db, workspace_id))
    if not before.licence.counted or db.dialect.name != "postgresql":
        return before
    seat_rows.lock(db, workspace_id, licence, alone=not before.quiet)
    after = seat_rows.terms(db, workspace_id, licence, now.date())
    if after is None or (before.quiet and not after.quiet):
        raise LostRace
    return after


def _free_seat(db: Db, workspace_id: str, licence: str, state: SeatState, holder_id: str, now: datetime) -> Seat | None:
    values = {"holder_id": holder_id, "state": state.value, "since": now}
    one = free(db, workspace_id, licence).limit(1)
    for attempt in (one.with_for_update(skip_locked=True), one.with_for_update()):
        claimed = _take(db, workspace_id, attempt, values)
        if claimed is not None:
            return Seat(id=claimed, licence=licence, state=state, since=now)
    return None


def _new_seat(
    db: Db, workspace_id: str, licence: LicenceType, state: SeatState, holder_id: str, now: datetime, new_id: str
) -> Seat:
    """A seat that isn't purchased: uncounted, or over. Raises NoFreeSeat for a counted type under `block`."""
    if licence.counted and licence.policy is Policy.BLOCK:
        raise no_free_seat(pool(db, workspace_id, licence.name))
    seat = Seat(id=new_id, licence=licence.name, state=state, since=now, over=licence.counted)
    row = {
        "workspace_id": workspace_id,
        "id": seat.id,
        "licence": seat.licence,
        "holder_id": holder_id,
        "state": state.value,
        "since": now,
        "over": seat.over,
    }
    db.execute(insert(seats), row)
    return seat


def free(db: Db, workspace_id: str, licence: str) -> Select[Any]:
    """The ids of the free seats of a type, to be looked for in this transaction."""
    if db.dialect.name == "postgresql":
        # where most seats are free the planner would walk the table for one, past all that are held
        db.execute(text("SET LOCAL enable_seqscan = off"))
    return select(seats.c.id).where(
        seats.c.workspace_id == workspace_id, seats.c.licence == licence, seats.c.holder_id.is_(None)
    )


def _take(db: Db, workspace_id: str, free: Select[Any], values: Mapping[str, Any]) -> str | None:
    query = (
        update(seats)
        .where(seats.c.workspace_id == workspace_id, seats.c.id == free.scalar_subquery(), seats.c.holder_id.is_(None))
        .values(values)
        .returning(seats.c.id)
    )
    return db.execute(query).scalar_one_or_none()


def promote(db: Db, workspace_id: str, holder_id: str, now: datetime, new_id: Callable[[], str]) -> None:
    """Make the seat that was reserved for `holder_id` an assigned one (T4)."""
    query = (
        update(seats)
        .where(
            seats.c.workspace_id == workspace_id,
            seats.c.holder_id == holder_id,
            seats.c.state == SeatState.RESERVED.value,
        )
        .values(state=SeatState.ASSIGNED.value, since=now)
        .returning(seats.c.licence)
    )
    licence = db.execute(query).scalar_one_or_none()
    if licence is not None:
        counters = {"assigned": 1, "reserved": -1}
        entry = Entry(id=new_id(), at=now, licence=licence, change=Change.PROMOTED, contact_id=holder_id, **counters)
        seat_rows.note(db, workspace_id, entry)


def release(db: Db, workspace_id: str, holder_id: str, now: datetime, new_id: Callable[[], str]) -> None:
    """Free the seat of `holder_id`; one that was granted beyond the purchased, or isn't counted, ceases to be.

    A freed seat first goes to a reduction that waits for it, then to who holds one beyond the purchased.
    """
    held = (seats.c.workspace_id == workspace_id, seats.c.holder_id == holder_id)
    name = db.scalar(select(seats.c.licence).where(*held))
    if name is None:
        return
    terms = enter(db, workspace_id, name, now)
    # read once more: whether it is over may have been settled by whoever was first in the line
    state, over = db.execute(select(seats.c.state, seats.c.over).where(*held)).one()
    if over or not terms.licence.counted:
        db.execute(delete(seats).where(*held))
    else:
        db.execute(update(seats).where(*held).values(holder_id=None, state="free", since=None))
    counters = {state: -1, "over": -int(over)}
    entry = Entry(id=new_id(), at=now, licence=name, change=Change.RELEASED, contact_id=holder_id, **counters)
    seat_rows.note(db, workspace_id, entry)
    if not terms.quiet:
        settle(db, workspace_id, name, now, new_id)


def settle(db: Db, workspace_id: str, licence: str, now: datetime, new_id: Callable[[], str]) -> None:
    """Apply the reductions that are due and can be, then make seats that are over purchased ones, the oldest first.

    Only for who stands alone in the line for the pool (storage.seats.lock): nobody else claims or releases meanwhile.
    """
    counters = pool(db, workspace_id, licence) if seat_rows.any_due(db, workspace_id, licence, now.date()) else None
    if counters is not None:
        before = seat_rows.open_reductions(db, workspace_id, licence)
        counters, after = reckoned(counters, before, now.date())
        for reduction, outcome in zip(before, after, strict=True):
            if outcome.state is not reduction.state:
                _keep_outcome(db, workspace_id, outcome, now, new_id)
    _settle_over(db, workspace_id, licence, counters.withheld if counters else 0, now, new_id)


def _keep_outcome(db: Db, workspace_id: str, outcome: Reduction, now: datetime, new_id: Callable[[], str]) -> None:
    """Write down that a reduction has taken effect or waits; where it has, its seats are gone."""
    seat_rows.set_state(db, workspace_id, outcome)
    act = f"seats.reduction_{outcome.state.value}"
    record_act(db, system(workspace_id, "timer"), act, outcome.id, now, new_id())
    if outcome.state is ReductionState.APPLIED:
        gone = free(db, workspace_id, outcome.licence).limit(outcome.quantity)
        db.execute(delete(seats).where(seats.c.workspace_id == workspace_id, seats.c.id.in_(gone)))
        entry = Entry(id=new_id(), at=now, licence=outcome.licence, change=Change.REDUCED, purchased=-outcome.quantity)
        seat_rows.note(db, workspace_id, entry)


def _settle_over(
    db: Db, workspace_id: str, licence: str, withheld: int, now: datetime, new_id: Callable[[], str]
) -> None:
    """Give free seats to who holds one that is over. Each keeps its own, which takes the place of the free one."""
    of_type = (seats.c.workspace_id == workspace_id, seats.c.licence == licence)
    over = select(seats.c.id, seats.c.holder_id).where(*of_type, seats.c.over.is_(True))
    waiting = db.execute(over.order_by(seats.c.since, seats.c.id)).all()
    if not waiting:
        return
    found = db.scalars(free(db, workspace_id, licence).limit(len(waiting) + withheld)).all()
    pairs = list(zip(waiting, found[: max(0, len(found) - withheld)], strict=False))
    if not pairs:
        return
    key = (seats.c.workspace_id == workspace_id, seats.c.id == bindparam("seat"))
    db.execute(delete(seats).where(*key), [{"seat": free_id} for _, free_id in pairs])
    db.execute(update(seats).where(*key).values(over=False), [{"seat": held.id} for held, _ in pairs])
    entries = [
        Entry(id=new_id(), at=now, licence=licence, change=Change.SETTLED, over=-1, contact_id=held.holder_id)
        for held, _ in pairs
    ]
    seat_rows.note(db, workspace_id, *entries)


def record(db: Db, actor: Actor, events: Sequence[ContactEvent], new_id: Callable[[], str]) -> None:
    """One activity row and one outbox row for each event (law 5), in the caller's transaction."""
    done: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []
    for event in events:
        facts = {name: list(change) for name, change in event.facts.items()}
        key = {"workspace_id": actor.workspace_id, "id": new_id(), "at": event.at}
        done.append(
            {
                **key,
                "act": event.kind.value,
                "door": actor.door,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "subject_id": event.contact_id,
                "facts": orjson.dumps({**facts, "attributes": event.attributes}).decode(),
                "request_id": actor.request_id,
            }
        )
        payload = {"id": event.contact_id, "kind": event.kind.value, "facts": facts, "attributes": event.attributes}
        sent.append({**key, "event": event.words.outbox, "payload": orjson.dumps(payload).decode()})
    if events:
        db.execute(insert(activity), done)
        db.execute(insert(outbox), sent)


def record_act(
    db: Db,
    actor: Actor,
    act: str,
    subject_id: str | None,
    at: datetime,
    new_id: str,
    facts: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """One activity row for an administrative act or a change of a group, which is no contact's transition.

    `facts` are as in a ContactEvent: what changed → (before, after).
    """
    row = {
        "workspace_id": actor.workspace_id,
        "id": new_id,
        "at": at,
        "act": act,
        "door": actor.door,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "subject_id": subject_id,
        "facts": orjson.dumps({name: list(change) for name, change in (facts or {}).items()}).decode(),
        "request_id": actor.request_id,
    }
    db.execute(insert(activity), row)
