"""Seats through the one door: what is bought, given, withheld and over, and how an administrator changes it (T16).

Knows no HTTP, pages or exit codes. Every change stands alone in the pool's line, and is recorded where it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection as Db
from sqlalchemy.exc import IntegrityError

from scim_server.directory import Directory, activity
from scim_server.directory.access import NotAllowed, Taken, Unknown, check_ids
from scim_server.directory.activity import Entry as Cause
from scim_server.directory.contacts import lapse_due
from scim_server.domain.actor import Actor
from scim_server.domain.errors import ReductionNotPossible
from scim_server.domain.roles import Permission
from scim_server.domain.seats import (
    LicenceType,
    Policy,
    Pool,
    Reduction,
    ReductionState,
    SeatState,
    applied_note,
    cancel,
    licence_named,
    next_cycle,
    reckoned,
    schedule,
    waiting_note,
)
from scim_server.scim.values import is_sound
from scim_server.storage import contacts, ledger, seats
from scim_server.storage.db import Busy, LostRace, reading, writing
from scim_server.storage.seats import COUNTERS, Held
from scim_server.storage.seats import Entry as Entry  # callers show it
from scim_server.storage.seats import Usage as Usage

T = TypeVar("T")

MOST: Final = 10_000_000
LAST_DAY: Final = 28  # every month has it
PAGE: Final = 100
_SEAT_ACTS: Final = ("seats.added", "seats.reduction_applied")  # what changes counters for nobody in particular


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """One licence type as claims find it: its counters, the reductions that are open, and notes on them.

    There is a sentence for each reduction that waits, and for each that took effect by what was just done. One whose
    day has come is reckoned in, whether or not a timer has looked at it. Of a type that isn't counted nothing is
    purchased, and as many as anyone asks for are available.
    """

    licence: LicenceType
    pool: Pool
    reductions: tuple[Reduction, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reduction that was due, after it was looked at: applied, or waiting."""

    workspace_id: str
    reduction: Reduction


def show(directory: Directory, actor: Actor, licence: str | None = None) -> Sequence[Stock]:
    """Every licence type of the workspace by name, or one. Raises UnknownLicence.

    As all of this module that take an actor, it raises MissingPermission without seats:manage.
    """
    actor.require(Permission.SEATS_MANAGE)
    _lapse(directory, actor)
    with reading(directory.engine) as db:
        found = ledger.licences(db, actor.workspace_id)
        wanted = sorted(found) if licence is None else [licence_named(licence, found).name]
        return [_stock(directory, db, actor.workspace_id, found[name]) for name in wanted]


def holders(
    directory: Directory,
    actor: Actor,
    licence: str | None = None,
    *,
    state: SeatState | None = None,
    over: bool = False,
    after: str | None = None,
    count: int = PAGE,
) -> Sequence[Held]:
    """Who holds a seat, in the order of their ids: a page of at most `count`, behind the contact `after`.

    With `state` only those who hold one so, with `over` only those whose seat is beyond the purchased.
    """
    actor.require(Permission.SEATS_MANAGE, Permission.CONTACTS_VIEW)
    check_ids(after)
    _lapse(directory, actor)

    def read(db: Db) -> Sequence[Held]:
        return seats.holders(db, actor.workspace_id, licence, after, count, state=state, over=over)

    return _page(directory, actor, licence, read)


def entries(
    directory: Directory, actor: Actor, licence: str | None = None, *, after: str | None = None, count: int = PAGE
) -> Sequence[Entry]:
    """The ledger, oldest first: a page of at most `count` rows, behind the row `after`. Raises UnknownLicence."""
    actor.require(Permission.SEATS_MANAGE)
    check_ids(after)
    return _page(directory, actor, licence, lambda db: seats.entries(db, actor.workspace_id, licence, after, count))


def newest_entries(
    directory: Directory, actor: Actor, licence: str | None = None, *, before: str | None = None, count: int = PAGE
) -> Sequence[Entry]:
    """The ledger, newest first: a page of at most `count` rows, before the row `before`. Raises UnknownLicence."""
    actor.require(Permission.SEATS_MANAGE)
    check_ids(before)
    return _page(directory, actor, licence, lambda db: seats.newest(db, actor.workspace_id, licence, before, count))


def user_names(directory: Directory, actor: Actor, found: Sequence[Entry]) -> Mapping[str, str]:
    """Contact id → userName, of the contacts in rows of the ledger that aren't deleted."""
    actor.require(Permission.SEATS_MANAGE, Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        ids = {each.contact_id for each in found if each.contact_id is not None}
        return contacts.user_names(db, actor.workspace_id, sorted(ids))


def causes(directory: Directory, actor: Actor, found: Sequence[Entry]) -> Mapping[str, Cause]:
    """Id of a row of the ledger → the row of the activity log that says who changed the counters, and by what.

    Both are written in one transaction and have its time. What was there before a log is in neither.
    """
    actor.require(Permission.SEATS_MANAGE, Permission.CONTACTS_VIEW)
    ids = sorted({each.contact_id for each in found if each.contact_id is not None})
    rows = activity.at_times(directory, actor, ids, _SEAT_ACTS, sorted({each.at for each in found}))
    # of several about one contact the one that asked for the seat is the cause, and so is written last
    ordered = sorted(rows, key=lambda each: bool({"seat", "licence"} & each.facts.keys()))
    exact = {(each.at, each.subject_id): each for each in ordered}
    about = {each.at: each for each in ordered}
    causes = {each.id: exact.get((each.at, each.contact_id)) or about.get(each.at) for each in found}
    return {entry_id: cause for entry_id, cause in causes.items() if cause is not None}


def usage(
    directory: Directory, actor: Actor, licence: str | None = None, *, since: date | None = None
) -> Sequence[Usage]:
    """The counters at the end of each day (UTC) on which one changed, by licence type. Raises UnknownLicence.

    With `since`, of that day and later ones alone, and none older are read: what there was before stands first, as of
    the day before, unless there was nothing.
    """
    actor.require(Permission.SEATS_MANAGE)
    _lapse(directory, actor)

    def read(db: Db) -> Sequence[Usage]:
        wanted = sorted(ledger.licences(db, actor.workspace_id)) if licence is None else [licence]
        return [each for name in wanted for each in _usage(db, actor.workspace_id, name, since)]

    return _page(directory, actor, licence, read)


def _usage(db: Db, workspace_id: str, licence: str, since: date | None) -> Sequence[Usage]:
    if since is None:
        return _totals(None, seats.changes_by_day(db, workspace_id, licence))
    changes = seats.changes_by_day(db, workspace_id, licence, datetime.combine(since, time(), UTC))
    pool = ledger.pool(db, workspace_id, licence)
    counters = {name: getattr(pool, name) - sum(getattr(each, name) for each in changes) for name in COUNTERS}
    before = Usage(day=(since - timedelta(days=1)).isoformat(), licence=licence, **counters)
    return _totals(before if any(counters.values()) else None, changes)


def _totals(before: Usage | None, changes: Sequence[Usage]) -> Sequence[Usage]:
    """The counters at the end of each day, from what there was before and what changed on it."""
    found = [] if before is None else [before]
    for each in changes:
        last = found[-1] if found else None
        counters = {name: getattr(each, name) + (getattr(last, name) if last else 0) for name in COUNTERS}
        found.append(replace(each, **counters))
    return found


def add(directory: Directory, actor: Actor, licence: str, quantity: int) -> Stock:
    """Buy `quantity` more seats at once; a reduction that waits and seats that are over get theirs first.

    A note says which reduction took effect by it. Raises UnknownLicence, and NotAllowed for a type that isn't counted
    or a number that can't be.
    """
    if not 1 <= quantity <= MOST:
        raise NotAllowed(f"Between 1 and {MOST:,} seats can be added, not {quantity}.")

    def work(db: Db, licence_type: LicenceType, before: Pool) -> Stock:
        _require_counted(licence_type)
        if before.purchased + quantity > MOST:
            raise NotAllowed(f"A licence type has at most {MOST:,} seats; {before.purchased:,} are purchased.")
        waiting = seats.open_reductions(db, actor.workspace_id, licence)
        ids, now = [directory.new_id() for _ in range(quantity)], directory.now()
        ledger.add_seats(db, actor.workspace_id, licence, ids, now, directory.new_id)
        stock = _stock(directory, db, actor.workspace_id, licence_type)
        facts = {"licence": (None, licence), "added": (None, quantity)}
        _record(directory, db, actor, "seats.added", None, facts, now)
        left = {each.id for each in stock.reductions}
        return replace(stock, notes=(*stock.notes, *(applied_note(each) for each in waiting if each.id not in left)))

    return _changing(directory, actor, licence, work)


def reduce(directory: Directory, actor: Actor, licence: str, quantity: int) -> Reduction:
    """Buy `quantity` fewer seats from the next billing cycle on; until then it can be cancelled (T16, R47).

    Raises UnknownLicence, NotAllowed for a type that isn't counted, ReductionNotPossible for more than there will be.
    """

    def work(db: Db, licence_type: LicenceType, before: Pool) -> Reduction:
        _require_counted(licence_type)
        now, workspace_id = directory.now(), actor.workspace_id
        going = seats.open_reductions(db, workspace_id, licence)
        if not before.purchased:
            raise ReductionNotPossible(f"No '{licence}' seats are purchased, so none can go.")
        today = now.astimezone(UTC).date()
        effective = next_cycle(today, seats.billing_day(db, workspace_id))
        new_id = directory.new_id()
        reduction = schedule(before, quantity, effective=effective, today=today, new_id=new_id, going=going)
        seats.add_reduction(db, workspace_id, reduction, now)
        facts = {"licence": (None, licence), "quantity": (None, quantity), "effective": (None, effective.isoformat())}
        _record(directory, db, actor, "seats.reduction_scheduled", reduction.id, facts)
        return reduction

    return _changing(directory, actor, licence, work)


def cancel_reduction(directory: Directory, actor: Actor, reduction_id: str) -> Reduction:
    """Call a reduction off before its day. Raises Unknown, ReductionNotPossible."""
    actor.require(Permission.SEATS_MANAGE)
    with reading(directory.engine) as db:
        licence = _reduction(db, actor, reduction_id).licence

    def work(db: Db, _: LicenceType, __: Pool) -> Reduction:
        cancelled = cancel(_reduction(db, actor, reduction_id), _today(directory))
        seats.set_state(db, actor.workspace_id, cancelled)
        _record(directory, db, actor, "seats.reduction_cancelled", reduction_id, {})
        return cancelled

    return _changing(directory, actor, licence, work)


def apply_due(directory: Directory) -> Sequence[Outcome]:
    """Look at every reduction whose day has come, in all workspaces; for a timer. Each pool is a transaction."""
    with reading(directory.engine) as db:
        pools = seats.due_pools(db, _today(directory))
    return [outcome for pool in pools for outcome in _apply(directory, *pool)]


def set_policy(directory: Directory, actor: Actor, licence: str, policy: Policy) -> Stock:
    """Say what happens when no seat is left: `block` or `allow` (T11, T12). The same again changes nothing.

    Raises UnknownLicence, and NotAllowed for a type that isn't counted, or for `block` while seats are over: law 1
    would be broken until they were bought or given back.
    """

    def work(db: Db, licence_type: LicenceType, before: Pool) -> Stock:
        _require_counted(licence_type)
        if policy is Policy.BLOCK and before.over:
            raise NotAllowed(
                f"{before.over} '{licence}' seats in use are beyond the {before.purchased} purchased. "
                "Add seats or deactivate users, then block."
            )
        if policy is not licence_type.policy:
            seats.set_policy(db, actor.workspace_id, licence, policy)
            facts = {"licence": (licence, licence), "policy": (licence_type.policy.value, policy.value)}
            _record(directory, db, actor, "seats.policy_changed", None, facts)
        return _stock(directory, db, actor.workspace_id, replace(licence_type, policy=policy))

    return _changing(directory, actor, licence, work)


def billing_day(directory: Directory, actor: Actor) -> int:
    """The day of the month (UTC) on which the workspace's billing cycles begin."""
    actor.require(Permission.SEATS_MANAGE)
    with reading(directory.engine) as db:
        return seats.billing_day(db, actor.workspace_id)


def set_billing_day(directory: Directory, actor: Actor, day: int) -> int:
    """Begin billing cycles on that day of the month; return it. Reductions that are scheduled keep their day (T16).

    The same again changes nothing. Raises NotAllowed for a day that some months don't have.
    """
    actor.require(Permission.SEATS_MANAGE)
    if not 1 <= day <= LAST_DAY:
        raise NotAllowed(f"A billing cycle begins on a day from 1 to {LAST_DAY}, which every month has, not {day}.")

    def work(db: Db) -> int:
        before = seats.billing_day(db, actor.workspace_id, to_change=True)
        if before != day:
            seats.set_billing_day(db, actor.workspace_id, day)
            _record(directory, db, actor, "seats.billing_day_changed", None, {"billing_day": (before, day)})
        return day

    return writing(directory.engine, work)


def add_licence(directory: Directory, actor: Actor, name: str, *, counted: bool) -> Stock:
    """Make a licence type, without a seat yet if it is counted. Raises Taken, NotAllowed."""
    actor.require(Permission.SEATS_MANAGE)
    name = name.strip()
    if not name or len(name) > 64 or not name.isprintable():
        raise NotAllowed("A licence type needs a name of at most 64 characters, all of them printable.")

    def work(db: Db) -> Stock:
        known = {each.casefold() for each in ledger.licences(db, actor.workspace_id)}
        if name.casefold() in known:
            raise Taken(f"There is a licence type named {name!r} already.")
        made = LicenceType(name, counted)
        try:
            ledger.add_licence(db, actor.workspace_id, made)
        except IntegrityError as error:
            raise LostRace from error
        _record(
            directory, db, actor, "seats.licence_added", None, {"licence": (None, name), "counted": (None, counted)}
        )
        return _stock(directory, db, actor.workspace_id, made)

    return writing(directory.engine, work)


def _changing(directory: Directory, actor: Actor, licence: str, act: Callable[[Db, LicenceType, Pool], T]) -> T:
    """`act` in a transaction that is alone in the pool's line, once reductions that are due have been looked at."""
    actor.require(Permission.SEATS_MANAGE)

    def work(db: Db) -> T:
        licence_named(licence, ledger.licences(db, actor.workspace_id))  # what can't be a name mustn't be asked for
        seats.lock(db, actor.workspace_id, licence, alone=True)
        licence_type = licence_named(licence, ledger.licences(db, actor.workspace_id))
        ledger.settle(db, actor.workspace_id, licence, directory.now(), directory.new_id)
        return act(db, licence_type, ledger.pool(db, actor.workspace_id, licence))

    return writing(directory.engine, work)


def _apply(directory: Directory, workspace_id: str, licence: str) -> Sequence[Outcome]:
    def work(db: Db) -> Sequence[Outcome]:
        now = directory.now()
        seats.lock(db, workspace_id, licence, alone=True)
        due = [each for each in seats.open_reductions(db, workspace_id, licence) if each.effective <= _today(directory)]
        ledger.settle(db, workspace_id, licence, now, directory.new_id)
        after = [seats.reduction(db, workspace_id, each.id) for each in due]
        return [Outcome(workspace_id=workspace_id, reduction=each) for each in after if each is not None]

    return writing(directory.engine, work)


def _lapse(directory: Directory, actor: Actor) -> None:
    """Expire invitations first that hold seats past their time; a database that can only be read shows what it has."""
    with suppress(Busy):
        lapse_due(directory, actor.workspace_id)


def _page(directory: Directory, actor: Actor, licence: str | None, read: Callable[[Db], T]) -> T:
    with reading(directory.engine) as db:
        if licence is not None:
            licence_named(licence, ledger.licences(db, actor.workspace_id))
        return read(db)


def _stock(directory: Directory, db: Db, workspace_id: str, licence: LicenceType) -> Stock:
    stored = seats.open_reductions(db, workspace_id, licence.name)
    pool, after = reckoned(ledger.pool(db, workspace_id, licence.name), stored, _today(directory))
    found = tuple(each for each in after if each.state is not ReductionState.APPLIED)
    notes = tuple(waiting_note(pool, each) for each in found if each.state is ReductionState.WAITING)
    return Stock(licence=licence, pool=pool, reductions=found, notes=notes)


def _reduction(db: Db, actor: Actor, reduction_id: str) -> Reduction:
    found = seats.reduction(db, actor.workspace_id, reduction_id) if is_sound(reduction_id) else None
    if found is None:
        raise Unknown(f"There is no reduction {reduction_id[:64]!r}.")
    return found


def _require_counted(licence: LicenceType) -> None:
    if not licence.counted:
        raise NotAllowed(f"'{licence.name}' seats aren't counted: there are as many as anyone asks for.")


def _today(directory: Directory) -> date:
    return directory.now().astimezone(UTC).date()


def _record(
    directory: Directory,
    db: Db,
    actor: Actor,
    act: str,
    subject_id: str | None,
    facts: dict[str, tuple[Any, Any]],
    at: datetime | None = None,
) -> None:
    ledger.record_act(db, actor, act, subject_id, at or directory.now(), directory.new_id(), facts)
