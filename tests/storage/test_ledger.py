"""Seats: who gets one when there are few, and what the ledger keeps of what happened."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, select, text

from scim_server.domain.actor import system
from scim_server.domain.errors import NoFreeSeat
from scim_server.domain.events import ContactEvent, Kind
from scim_server.domain.seats import LicenceType, Policy, Pool, Seat, SeatState
from scim_server.storage import ledger
from scim_server.storage.db import reading, writing
from scim_server.storage.tables import activity, outbox, seats
from tests.support import World, new_world

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MEMBER = LicenceType("member")
CLIENT = LicenceType("client", counted=False)
EXTRA = LicenceType("extra", policy=Policy.ALLOW)


@pytest.fixture
def tight(app: Flask) -> World:
    """A workspace with two seats, of which the owner holds one."""
    world = new_world(app, seats=2)
    writing(world.directory.engine, lambda db: ledger.add_licence(db, world.workspace_id, EXTRA))
    return world


@pytest.fixture
def people(tight: World) -> list[str]:
    """Contacts without a seat."""
    client = tight.client()
    return [client.user(f"user{number}", active=False)["id"] for number in range(16)]


def new_id() -> str:
    return secrets.token_hex(8)


def claim(world: World, holder: str, licence: LicenceType = MEMBER, state: SeatState = SeatState.ASSIGNED) -> Seat:
    return writing(world.directory.engine, lambda db: claimed(db, world, holder, licence, state))


def claimed(
    db: Connection,
    world: World,
    holder: str,
    licence: LicenceType = MEMBER,
    state: SeatState = SeatState.ASSIGNED,
) -> Seat:
    return ledger.claim(db, world.workspace_id, licence, state, holder, NOW, new_id)


def release(world: World, holder: str) -> None:
    writing(world.directory.engine, lambda db: ledger.release(db, world.workspace_id, holder, NOW, new_id))


def pool(world: World, licence: str = "member") -> Pool:
    with reading(world.directory.engine) as db:
        return ledger.pool(db, world.workspace_id, licence)


def test_a_seat_goes_from_hand_to_hand(tight: World, people: list[str]) -> None:
    ann, bea, *_ = people
    first = claim(tight, ann)
    assert (first.licence, first.state, first.since, first.over) == ("member", SeatState.ASSIGNED, NOW, False)
    assert pool(tight) == Pool(licence="member", purchased=2, assigned=2)
    release(tight, ann)
    assert pool(tight) == Pool(licence="member", purchased=2, assigned=1)
    assert claim(tight, bea).id == first.id


def test_the_last_seat_is_the_last(tight: World, people: list[str]) -> None:
    claim(tight, people[0], state=SeatState.RESERVED)
    with pytest.raises(NoFreeSeat) as refusal:
        claim(tight, people[1])
    error = refusal.value
    assert (error.licence, error.purchased, error.assigned, error.reserved) == ("member", 2, 1, 1)
    assert pool(tight) == Pool(licence="member", purchased=2, assigned=1, reserved=1)


def test_a_reserved_seat_is_promoted(tight: World, people: list[str]) -> None:
    reserved = claim(tight, people[0], state=SeatState.RESERVED)
    later = NOW.replace(hour=5)
    writing(tight.directory.engine, lambda db: ledger.promote(db, tight.workspace_id, people[0], later, new_id))
    with reading(tight.directory.engine) as db:
        row = db.execute(select(seats).where(seats.c.holder_id == people[0])).one()
    assert (row.id, row.state, row.since) == (reserved.id, "assigned", later)


def test_beyond_the_purchased(tight: World, people: list[str]) -> None:
    seat = claim(tight, people[0], EXTRA)
    assert seat.over is True
    assert pool(tight, "extra") == Pool(licence="extra", purchased=0, assigned=1, over=1)
    release(tight, people[0])
    assert pool(tight, "extra") == Pool(licence="extra", purchased=0)


def test_purchased_seats_go_first(tight: World, people: list[str]) -> None:
    writing(tight.directory.engine, lambda db: ledger.add_seats(db, tight.workspace_id, "extra", ["e1"], NOW, new_id))
    assert claim(tight, people[0], EXTRA).id == "e1"
    assert claim(tight, people[1], EXTRA).over is True
    assert pool(tight, "extra") == Pool(licence="extra", purchased=1, assigned=2, over=1)


def test_uncounted_seats_come_and_go(tight: World, people: list[str]) -> None:
    for holder in people:
        assert claim(tight, holder, CLIENT).over is False
    for holder in people:
        release(tight, holder)
    with reading(tight.directory.engine) as db:
        rows = db.execute(select(seats).where(seats.c.workspace_id == tight.workspace_id, seats.c.licence == "client"))
        assert rows.all() == []


def test_to_release_nothing_changes_nothing(tight: World, people: list[str]) -> None:
    before = pool(tight)
    release(tight, people[0])
    assert pool(tight) == before


def test_no_seats_to_add_is_no_statement(tight: World) -> None:
    writing(tight.directory.engine, lambda db: ledger.add_seats(db, tight.workspace_id, "member", [], NOW, new_id))
    assert pool(tight).purchased == 2


def test_other_workspaces_have_their_own(app: Flask, tight: World, people: list[str]) -> None:
    other = new_world(app, seats=5)
    claim(tight, people[0])
    assert pool(other) == Pool(licence="member", purchased=5, assigned=1)
    with pytest.raises(NoFreeSeat):
        claim(tight, people[1])


def test_of_many_claims_on_the_last_seat_one_wins(tight: World, people: list[str]) -> None:
    barrier = threading.Barrier(len(people))

    def attempt(holder: str) -> str | None:
        barrier.wait(30)
        try:
            return claim(tight, holder).id
        except NoFreeSeat:
            return None

    with ThreadPoolExecutor(len(people)) as threads:
        won = [seat for seat in threads.map(attempt, people) if seat is not None]
    assert len(won) == 1
    assert pool(tight) == Pool(licence="member", purchased=2, assigned=2)


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
@pytest.mark.parametrize("commits", [False, True])
def test_a_claim_waits_for_one_that_may_fail(tight: World, people: list[str], commits: bool) -> None:
    engine = tight.directory.engine
    with ThreadPoolExecutor(1) as thread:
        with engine.connect() as first:
            ending = first.begin()
            taken = claimed(first, tight, people[0])
            waiting = thread.submit(claim, tight, people[1])
            wait_for_a_lock(engine, waiting)
            (ending.commit if commits else ending.rollback)()
        if commits:
            with pytest.raises(NoFreeSeat):
                waiting.result(30)
        else:
            assert waiting.result(30).id == taken.id


def wait_for_a_lock(engine: Engine, other: Future[Any]) -> None:
    """Until the other stands in line."""
    pause = threading.Event()
    for _ in range(3000):
        with reading(engine) as db:
            waits = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if db.scalar(text(waits)) or other.done():
                return
        pause.wait(0.01)
    raise AssertionError("nobody waits")


def test_what_happened_is_written_down(tight: World, people: list[str]) -> None:
    events = (
        ContactEvent(kind=Kind.DEACTIVATED, contact_id=people[0], at=NOW, facts={"status": ("active", "inactive")}),
        ContactEvent(kind=Kind.EDITED, contact_id=people[0], at=NOW, attributes=("title",)),
    )
    ids = iter(("a1", "a2"))
    actor = system(tight.workspace_id)
    writing(tight.directory.engine, lambda db: ledger.record(db, actor, events, lambda: next(ids)))
    with reading(tight.directory.engine) as db:
        rows, messages = (
            db.execute(
                select(table)
                .where(table.c.workspace_id == tight.workspace_id, table.c.id.in_(["a1", "a2"]))
                .order_by(table.c.id)
            ).all()
            for table in (activity, outbox)
        )
    assert [(row.act, row.actor_kind, row.subject_id, row.at) for row in rows] == [
        (Kind.DEACTIVATED.value, "system", people[0], NOW),
        (Kind.EDITED.value, "system", people[0], NOW),
    ]
    assert orjson.loads(rows[0].facts) == {"status": ["active", "inactive"], "attributes": []}
    assert [row.event for row in messages] == [event.words.outbox for event in events]
    assert orjson.loads(messages[1].payload) == {
        "id": people[0], "kind": Kind.EDITED.value, "facts": {}, "attributes": ["title"],
    }  # fmt: skip


def test_licences(tight: World) -> None:
    with reading(tight.directory.engine) as db:
        assert ledger.licences(db, tight.workspace_id) == {"member": MEMBER, "client": CLIENT, "extra": EXTRA}
