"""Pools, claims, changes of seat and scheduled reductions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from scim_server.domain import errors, seats
from scim_server.domain.seats import (
    KEEP,
    RELEASE,
    LicenceType,
    Policy,
    Pool,
    Reduction,
    ReductionState,
    Seat,
    SeatChange,
    SeatMove,
    SeatState,
)

FULL = Pool(licence="member", purchased=10, assigned=8, reserved=2)
ROOM = replace(FULL, reserved=1)
DAY, BEFORE, AFTER = date(2026, 4, 1), date(2026, 3, 31), date(2026, 4, 2)
BY_THREE = Reduction(licence="member", quantity=3, effective=DAY)
RESERVED = Seat(id="s1", licence="member", state=SeatState.RESERVED, since=datetime(2026, 3, 1, tzinfo=UTC))
ASSIGNED = replace(RESERVED, state=SeatState.ASSIGNED)
CLIENT = replace(ASSIGNED, licence="client")


@pytest.mark.parametrize(
    ("pool", "available"),
    [(FULL, 0), (ROOM, 1), (replace(FULL, assigned=9, over=1), 0), (replace(ROOM, withheld=1), 0)],
)
def test_available(pool: Pool, available: int) -> None:
    assert pool.available == available
    assert seats.may_claim(pool) is (available > 0)


@pytest.mark.parametrize(
    ("licence", "pool", "over"),
    [
        (LicenceType("member"), ROOM, False),
        (LicenceType("member", policy=Policy.ALLOW), ROOM, False),
        (LicenceType("member", policy=Policy.ALLOW), FULL, True),
        (LicenceType("client", counted=False), replace(FULL, purchased=0), False),
    ],
)
def test_claim(licence: LicenceType, pool: Pool, *, over: bool) -> None:
    assert seats.claim(licence, pool) is over


def test_no_free_seat_says_what_to_do() -> None:
    with pytest.raises(errors.NoFreeSeat) as refused:
        seats.claim(LicenceType("member"), FULL)
    assert str(refused.value) == (
        "No free 'member' seat: 10 purchased, 8 assigned, 2 reserved by pending invitations. "
        "Deactivate a user or add a seat, then retry."
    )


def test_no_free_seat_tells_of_a_reduction_that_waits() -> None:
    assert "1 reserved by pending invitations, 3 to go by a reduction that is due. Deactivate" in str(
        seats.no_free_seat(replace(ROOM, withheld=3))
    )


def test_licence_named() -> None:
    assert not seats.licence_named("client", seats.DEFAULT_LICENCES).counted
    with pytest.raises(errors.UnknownLicence):
        seats.licence_named("Member", seats.DEFAULT_LICENCES)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (None, None, KEEP),
        (ASSIGNED, ASSIGNED, KEEP),
        (ASSIGNED, None, RELEASE),
        (None, RESERVED, SeatChange(SeatMove.CLAIM, "member", SeatState.RESERVED)),
        (RESERVED, ASSIGNED, SeatChange(SeatMove.PROMOTE, "member", SeatState.ASSIGNED)),
        (ASSIGNED, RESERVED, SeatChange(SeatMove.SWITCH, "member", SeatState.RESERVED)),
        (ASSIGNED, CLIENT, SeatChange(SeatMove.SWITCH, "client", SeatState.ASSIGNED)),
    ],
)
def test_change_between(before: Seat | None, after: Seat | None, change: SeatChange) -> None:
    assert seats.change_between(before, after) == change
    assert change.claims is (change.move in ("claim", "switch"))


@pytest.mark.parametrize(
    ("today", "day", "begins"),
    [
        (date(2026, 3, 10), 15, date(2026, 3, 15)),
        (date(2026, 3, 15), 15, date(2026, 4, 15)),
        (date(2026, 1, 31), 28, date(2026, 2, 28)),
        (date(2026, 12, 2), 1, date(2027, 1, 1)),
    ],
)
def test_next_cycle(today: date, day: int, begins: date) -> None:
    assert seats.next_cycle(today, day) == begins


def test_schedule() -> None:
    assert seats.schedule(FULL, 3, effective=DAY, today=BEFORE) == BY_THREE


@pytest.mark.parametrize(
    ("quantity", "today", "words"), [(0, BEFORE, "1 to 10"), (11, BEFORE, "1 to 10"), (3, DAY, "next billing cycle")]
)
def test_schedule_refuses(quantity: int, today: date, words: str) -> None:
    with pytest.raises(errors.ReductionNotPossible, match=words):
        seats.schedule(FULL, quantity, effective=DAY, today=today)


def test_cancel() -> None:
    assert seats.cancel(BY_THREE, BEFORE).state is ReductionState.CANCELLED


@pytest.mark.parametrize(
    ("reduction", "today"),
    [(BY_THREE, DAY), *[(replace(BY_THREE, state=state), BEFORE) for state in list(ReductionState)[1:]]],
)
def test_cancel_too_late(reduction: Reduction, today: date) -> None:
    with pytest.raises(errors.ReductionNotPossible, match=r"can't be cancelled any more|cancelled already"):
        seats.cancel(reduction, today)


def test_reduction_that_fits() -> None:
    applied = seats.apply_reduction(replace(FULL, assigned=5), BY_THREE, DAY)
    assert (applied.pool.purchased, applied.pool.available) == (7, 0)
    assert applied.reduction.state is ReductionState.APPLIED
    assert applied.note == "The reduction by 3 'member' seats is in effect."


def test_reduction_below_the_seats_in_use_waits_and_blocks_growth() -> None:
    pool = replace(FULL, assigned=7)
    waiting = seats.apply_reduction(pool, BY_THREE, DAY)
    assert waiting.pool == replace(pool, withheld=3)
    assert waiting.reduction.state is ReductionState.WAITING
    assert "9 are in use and 7 would remain" in waiting.note
    assert not seats.may_claim(waiting.pool)
    assert seats.apply_reduction(waiting.pool, waiting.reduction, AFTER) == waiting  # asking again changes nothing
    freed = seats.apply_reduction(replace(waiting.pool, assigned=4), waiting.reduction, AFTER)
    assert freed.pool == replace(pool, purchased=7, assigned=4)
    assert seats.may_claim(freed.pool)


@pytest.mark.parametrize(
    ("reduction", "today"),
    [
        (BY_THREE, BEFORE),
        (replace(BY_THREE, state=ReductionState.CANCELLED), AFTER),
        (replace(BY_THREE, state=ReductionState.APPLIED), AFTER),
    ],
)
def test_reduction_that_is_not_due(reduction: Reduction, today: date) -> None:
    applied = seats.apply_reduction(FULL, reduction, today)
    assert (applied.pool, applied.reduction, applied.note) == (FULL, reduction, "")
