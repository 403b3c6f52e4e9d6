"""Seats: licence types, pools, what a contact may claim, and scheduled reductions. Knows no contacts and no storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from scim_server.domain.errors import NoFreeSeat, ReductionNotPossible, UnknownLicence


class SeatState(StrEnum):
    """A seat is reserved by an invitation or assigned to an active contact."""

    RESERVED = "reserved"
    ASSIGNED = "assigned"


class Policy(StrEnum):
    """What happens when no seat is left: refuse (T11), or grant one more and flag it `over` (T12)."""

    BLOCK = "block"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class LicenceType:
    """A kind of seat. An uncounted type has as many seats as anyone asks for."""

    name: str
    counted: bool = True
    policy: Policy = Policy.BLOCK


DEFAULT_LICENCE: Final = "member"
DEFAULT_LICENCES: Final[Mapping[str, LicenceType]] = {
    "member": LicenceType("member"),
    "client": LicenceType("client", counted=False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One seat in use: `since` is when it was reserved or assigned, `over` that it is beyond what is purchased."""

    id: str
    licence: str
    state: SeatState
    since: datetime
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The counters of one licence type.

    `over` counts those of the assigned and reserved that are flagged so; `withheld` are seats to go by a reduction
    that is due but would fall below the seats in use.
    """

    licence: str
    purchased: int
    assigned: int = 0
    reserved: int = 0
    over: int = 0
    withheld: int = 0

    @property
    def in_use(self) -> int:
        """Assigned and reserved seats."""
        return self.assigned + self.reserved

    @property
    def available(self) -> int:
        """How many seats can be claimed now."""
        return max(0, self.purchased - self.withheld - self.in_use)


class SeatMove(StrEnum):
    """What storage has to do to a contact's seat."""

    KEEP = "keep"
    CLAIM = "claim"
    PROMOTE = "promote"
    RELEASE = "release"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class SeatChange:
    """A change of seat: CLAIM takes a seat of `licence` in `state`; SWITCH gives the old one back first.

    PROMOTE makes the reserved seat assigned. `licence` and `state` are None for KEEP and RELEASE.
    """

    move: SeatMove
    licence: str | None = None
    state: SeatState | None = None

    @property
    def claims(self) -> bool:
        """Whether a seat must be claimed for the decision to stand."""
        return self.move in (SeatMove.CLAIM, SeatMove.SWITCH)


KEEP: Final = SeatChange(SeatMove.KEEP)
RELEASE: Final = SeatChange(SeatMove.RELEASE)


def change_between(before: Seat | None, after: Seat | None) -> SeatChange:
    """The one move that leads from the seat held to the seat wanted."""
    if after is None:
        return KEEP if before is None else RELEASE
    if before is None:
        return SeatChange(SeatMove.CLAIM, after.licence, after.state)
    if (before.licence, before.state) == (after.licence, after.state):
        return KEEP
    promoted = before.licence == after.licence and after.state is SeatState.ASSIGNED
    return SeatChange(SeatMove.PROMOTE if promoted else SeatMove.SWITCH, after.licence, after.state)


def licence_named(name: str, known: Mapping[str, LicenceType]) -> LicenceType:
    """The licence type of that name. Raises UnknownLicence."""
    if name not in known:
        raise UnknownLicence(name, known)
    return known[name]


def may_claim(pool: Pool) -> bool:
    """Whether a counted type has a seat left."""
    return pool.available > 0


def claim(licence: LicenceType, pool: Pool) -> bool:
    """Whether the next seat of `licence` is beyond what is purchased (T12). Raises NoFreeSeat under `block` (T11).

    Storage settles a race by a conditional update; this is the rule that the update applies.
    """
    if not licence.counted or may_claim(pool):
        return False
    if licence.policy is Policy.ALLOW:
        return True
    raise no_free_seat(pool)


def no_free_seat(pool: Pool) -> NoFreeSeat:
    """The refusal that quotes the pool's counters (D7)."""
    return NoFreeSeat(pool.licence, pool.purchased, pool.assigned, pool.reserved, pool.withheld)


class ReductionState(StrEnum):
    """WAITING: due, but more seats are in use than would remain."""

    SCHEDULED = "scheduled"
    WAITING = "waiting"
    APPLIED = "applied"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """`quantity` fewer seats of `licence` from the billing cycle that begins on `effective` (T16)."""

    licence: str
    quantity: int
    effective: date
    state: ReductionState = ReductionState.SCHEDULED
    id: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a reduction: the pool and the reduction after it, and a sentence about it ("" if not due)."""

    pool: Pool
    reduction: Reduction
    note: str = ""


def next_cycle(today: date, day: int) -> date:
    """When the next billing cycle begins, for cycles that begin on that `day` (1 to 28) of each month."""
    if today.day < day:
        return today.replace(day=day)
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    return date(year, month, day)


def schedule(
    pool: Pool, quantity: int, *, effective: date, today: date, new_id: str = "", going: Sequence[Reduction] = ()
) -> Reduction:
    """A reduction for a later day, beside those that are `going` to take effect; what is in use is looked at then.

    Raises ReductionNotPossible.
    """
    left = max(0, pool.purchased - sum(each.quantity for each in going))
    if going and quantity > left:
        raise ReductionNotPossible(_why_no_more(pool, left, going))
    if not 1 <= quantity <= left:
        raise ReductionNotPossible(f"A reduction is by 1 to {left} '{pool.licence}' seats, not {quantity}.")
    if effective <= today:
        raise ReductionNotPossible("A reduction takes effect at the next billing cycle, not before.")
    return Reduction(licence=pool.licence, quantity=quantity, effective=effective, id=new_id)


def _why_no_more(pool: Pool, left: int, going: Sequence[Reduction]) -> str:
    """Why no more than `left` seats can go."""
    days: dict[date, int] = {}
    for each in going:
        days[each.effective] = days.get(each.effective, 0) + each.quantity
    gone = " and ".join(f"{quantity} go already on {day}" for day, quantity in sorted(days.items()))
    most = f"at most {left} more can go" if left else "no more can go"
    return f"{pool.purchased} '{pool.licence}' seats are purchased and {gone}; {most}."


def cancel(reduction: Reduction, today: date) -> Reduction:
    """The reduction called off, as long as its day hasn't come. Raises ReductionNotPossible."""
    if reduction.state is ReductionState.CANCELLED:
        raise ReductionNotPossible("This reduction is cancelled already.")
    if reduction.state is not ReductionState.SCHEDULED or reduction.effective <= today:
        raise ReductionNotPossible("Its day has come; it can't be cancelled any more. Add seats instead.")
    return replace(reduction, state=ReductionState.CANCELLED)


def waiting_note(pool: Pool, reduction: Reduction) -> str:
    """Why a reduction that is due waits."""
    return (
        f"The reduction by {reduction.quantity} '{pool.licence}' seats has been due since {reduction.effective} and is "
        f"waiting: {pool.in_use} are in use and {pool.purchased - reduction.quantity} would remain. "
        "Until then no purchased seat is given."
    )


def applied_note(reduction: Reduction) -> str:
    """That a reduction has taken effect."""
    return f"The reduction by {reduction.quantity} '{reduction.licence}' seats is in effect."


def reckoned(pool: Pool, reductions: Sequence[Reduction], today: date) -> tuple[Pool, tuple[Reduction, ...]]:
    """The pool and the reductions, in that order, once those that are due have been looked at (T16)."""
    after: list[Reduction] = []
    for each in reductions:
        applied = apply_reduction(pool, each, today)
        pool = applied.pool
        after.append(applied.reduction)
    return pool, tuple(after)


def apply_reduction(pool: Pool, reduction: Reduction, today: date) -> Applied:
    """The reduction applied if it is due, whole or not at all (T16).

    It never falls below the seats in use and so deactivates nobody: it waits, its seats can't be claimed meanwhile,
    and the note says so. Call it again whenever a seat is released.
    """
    open_states = (ReductionState.SCHEDULED, ReductionState.WAITING)
    if reduction.state not in open_states or today < reduction.effective:
        return Applied(pool, reduction)
    waited = reduction.state is ReductionState.WAITING
    withheld = pool.withheld - reduction.quantity if waited else pool.withheld
    remaining = pool.purchased - reduction.quantity
    if remaining < pool.in_use:
        note = waiting_note(pool, reduction)
        waiting = replace(reduction, state=ReductionState.WAITING)
        return Applied(replace(pool, withheld=withheld + reduction.quantity), waiting, note)
    smaller = replace(pool, purchased=remaining, withheld=withheld)
    return Applied(smaller, replace(reduction, state=ReductionState.APPLIED), applied_note(reduction))
