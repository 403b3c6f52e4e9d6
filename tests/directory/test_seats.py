"""Seats as an administrator buys, gives up and watches them: T11, T12, T16, R47, R52 to R54, laws 1, 2 and 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from sqlalchemy import select

from scim_server.directory import access, seats
from scim_server.directory import contacts as directory_contacts
from scim_server.directory.access import NotAllowed, Taken, Unknown
from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor
from scim_server.domain.errors import MissingPermission, ReductionNotPossible, UnknownLicence
from scim_server.domain.roles import ROLE_PERMISSIONS, Role
from scim_server.domain.seats import Policy, Pool, Reduction, ReductionState, SeatState
from scim_server.storage.db import reading
from scim_server.storage.seats import Change
from scim_server.storage.tables import activity, contacts
from scim_server.storage.tables import seats as seat_table
from tests.directory.desk import Desk
from tests.support import Client, new_world

DAY = timedelta(days=1)


class Shop:
    """A workspace with three `member` seats, one held by the owner, and an administrator two months ago.

    SCIM has the real clock, so whatever the administrator schedules is due by then.
    """

    def __init__(self, app: Flask) -> None:
        self.world = new_world(app, seats=3)
        self.now = datetime.now(UTC) - 62 * DAY
        self.directory = replace(self.world.directory, now=lambda: self.now)
        self.actor = access.operator(self.directory, self.world.name)

    def pool(self, licence: str = "member") -> Pool:
        return next(each.pool for each in seats.show(self.directory, self.actor) if each.licence.name == licence)

    def add(self, quantity: int) -> Pool:
        return seats.add(self.directory, self.actor, "member", quantity).pool

    def reduce(self, quantity: int) -> Reduction:
        return seats.reduce(self.directory, self.actor, "member", quantity)

    def allow(self) -> None:
        seats.set_policy(self.directory, self.actor, "member", Policy.ALLOW)

    def come_due(self) -> list[ReductionState]:
        """Move on to the next cycle and let the timer ring."""
        self.now += 31 * DAY
        found = seats.apply_due(self.directory)
        return [each.reduction.state for each in found if each.workspace_id == self.actor.workspace_id]

    def changes(self) -> list[tuple[Change, int, int, int, int]]:
        found = seats.entries(self.directory, self.actor, "member")
        return [(each.change, each.purchased, each.assigned, each.reserved, each.over) for each in found]

    def acts(self) -> list[str]:
        rows = select(activity.c.act).where(
            activity.c.workspace_id == self.actor.workspace_id, activity.c.act.like("seats.%")
        )
        with reading(self.directory.engine) as db:
            return list(db.scalars(rows.order_by(activity.c.id)))


@pytest.fixture
def shop(app: Flask) -> Shop:
    return Shop(app)


@pytest.fixture
def scim(shop: Shop) -> Client:
    return shop.world.client()


def switch(scim: Client, user: Any, active: bool) -> int:
    return scim.patch(f"/Users/{user['id']}", {"op": "replace", "path": "active", "value": active}).status


def post(scim: Client, name: str) -> Any:
    return scim.post("/Users", {"userName": name})


def test_seats_are_added_at_once(shop: Shop, scim: Client) -> None:
    for number in range(2):
        scim.user(f"u{number}")
    assert post(scim, "late").status == 403
    assert shop.add(2) == Pool(licence="member", purchased=5, assigned=3)
    assert post(scim, "late").status == 201
    assert shop.changes()[0] == (Change.ADDED, 3, 0, 0, 0)
    assert shop.changes()[-2:] == [(Change.ADDED, 2, 0, 0, 0), (Change.ASSIGNED, 0, 1, 0, 0)]
    assert shop.acts() == ["seats.added"]


def test_r47_fewer_seats_from_the_next_cycle_on(shop: Shop, scim: Client) -> None:
    """Neither deactivating nor deleting buys less; a reduction does, when its day comes."""
    ann = scim.user("ann")
    switch(scim, ann, False)
    assert scim.delete(f"/Users/{ann['id']}").status == 204
    assert shop.pool().purchased == 3
    reduction = shop.reduce(2)
    day = shop.now.date()
    assert reduction.effective == date(day.year + day.month // 12, day.month % 12 + 1, 1)
    assert shop.pool() == Pool(licence="member", purchased=3, assigned=1)
    seats.apply_due(shop.directory)
    assert shop.pool().purchased == 3, "not before its day"
    assert shop.come_due() == [ReductionState.APPLIED]
    assert shop.pool() == Pool(licence="member", purchased=1, assigned=1)
    assert shop.changes()[-1] == (Change.REDUCED, -2, 0, 0, 0)
    assert shop.acts() == ["seats.reduction_scheduled", "seats.reduction_applied"]
    assert shop.come_due() == []


def test_a_reduction_can_be_cancelled_until_its_day(shop: Shop) -> None:
    first, second = shop.reduce(1), shop.reduce(1)
    assert seats.cancel_reduction(shop.directory, shop.actor, first.id).state is ReductionState.CANCELLED
    with pytest.raises(ReductionNotPossible):
        seats.cancel_reduction(shop.directory, shop.actor, first.id)
    shop.now += 31 * DAY
    with pytest.raises(ReductionNotPossible):
        seats.cancel_reduction(shop.directory, shop.actor, second.id)
    with pytest.raises(Unknown):
        seats.cancel_reduction(shop.directory, shop.actor, "none")
    assert shop.acts() == ["seats.reduction_scheduled"] * 2 + ["seats.reduction_cancelled"]


def test_t16_a_reduction_below_the_seats_in_use_waits_and_blocks_growth(shop: Shop, scim: Client) -> None:
    people = [scim.user(f"u{number}") for number in range(2)]
    shop.reduce(2)
    assert shop.come_due() == [ReductionState.WAITING]
    stock = next(each for each in seats.show(shop.directory, shop.actor) if each.licence.name == "member")
    assert stock.pool == Pool(licence="member", purchased=3, assigned=3, withheld=2)
    assert "is waiting: 3 are in use and 1 would remain" in stock.notes[0]
    assert all(scim.get(f"/Users/{each['id']}").json["active"] for each in people), "nobody is deactivated"
    assert switch(scim, people[0], False) == 200
    assert shop.pool() == Pool(licence="member", purchased=3, assigned=2, withheld=2)
    refused = post(scim, "late")
    assert refused.status == 403
    assert "2 to go by a reduction that is due" in refused.json["detail"]
    assert switch(scim, people[0], True) == 403
    assert switch(scim, people[1], False) == 200
    assert shop.pool() == Pool(licence="member", purchased=1, assigned=1), "with the last one the reduction is covered"
    assert post(scim, "late").status == 403
    assert shop.acts() == ["seats.reduction_scheduled", "seats.reduction_waiting", "seats.reduction_applied"]


def test_a_due_reduction_counts_before_any_timer(shop: Shop, scim: Client) -> None:
    ann = scim.user("ann")
    shop.reduce(1)
    assert post(scim, "bea").status == 403
    assert shop.pool().purchased == 3, "a refusal changes nothing"
    switch(scim, ann, False)
    assert shop.pool() == Pool(licence="member", purchased=2, assigned=1)
    assert shop.acts() == ["seats.reduction_scheduled", "seats.reduction_applied"]


def test_added_seats_can_cover_a_waiting_reduction(shop: Shop, scim: Client) -> None:
    for number in range(2):
        scim.user(f"u{number}")
    reduction = shop.reduce(1)
    shop.come_due()
    assert shop.pool().withheld == 1
    with pytest.raises(ReductionNotPossible, match=r"Its day has come; .* Add seats instead"):
        seats.cancel_reduction(shop.directory, shop.actor, reduction.id)
    stock = seats.add(shop.directory, shop.actor, "member", 1)
    assert stock.pool == Pool(licence="member", purchased=3, assigned=3)
    assert (stock.reductions, stock.notes) == ((), ("The reduction by 1 'member' seats is in effect.",))
    assert shop.changes()[-2:] == [(Change.ADDED, 1, 0, 0, 0), (Change.REDUCED, -1, 0, 0, 0)]


def test_what_is_shown_is_what_a_claim_finds_before_any_timer(shop: Shop, scim: Client) -> None:
    scim.user("ann")
    shop.reduce(2)
    shop.now += 62 * DAY
    assert "2 to go by a reduction that is due" in post(scim, "bea").json["detail"]
    acts = shop.acts()
    (stock,) = seats.show(shop.directory, shop.actor, "member")
    assert (stock.pool.available, stock.pool.withheld, stock.pool.purchased) == (0, 2, 3)
    assert [each.state for each in stock.reductions] == [ReductionState.WAITING]
    assert "is waiting: 2 are in use and 1 would remain" in stock.notes[0]
    seats.add(shop.directory, shop.actor, "member", 3)
    shop.reduce(2)
    shop.now += 31 * DAY
    assert shop.pool() == Pool(licence="member", purchased=2, assigned=2), "applied as a claim would"
    assert "seats.reduction_applied" not in acts


def test_reductions_together_leave_nothing_below_zero(shop: Shop) -> None:
    shop.reduce(2)
    with pytest.raises(ReductionNotPossible, match="at most 1 more can go"):
        shop.reduce(2)
    shop.reduce(1)
    with pytest.raises(ReductionNotPossible, match="no more can go"):
        shop.reduce(1)
    with pytest.raises(ReductionNotPossible):
        seats.reduce(shop.directory, shop.actor, "member", 0)


def test_t12_beyond_the_purchased_and_back(shop: Shop, scim: Client) -> None:
    shop.allow()
    people = [scim.user(f"u{number}") for number in range(5)]
    assert shop.pool() == Pool(licence="member", purchased=3, assigned=6, over=3)
    with pytest.raises(NotAllowed, match="3 'member' seats in use are beyond"):
        seats.set_policy(shop.directory, shop.actor, "member", Policy.BLOCK)
    switch(scim, people[0], False)  # a regular one: the longest over takes its place
    assert shop.pool() == Pool(licence="member", purchased=3, assigned=5, over=2)
    assert shop.changes()[-2:] == [(Change.RELEASED, 0, -1, 0, 0), (Change.SETTLED, 0, 0, 0, -1)]
    settled = seats.entries(shop.directory, shop.actor, "member")[-1].contact_id
    assert settled == people[2]["id"]
    switch(scim, people[4], False)  # one that is over ceases to be
    assert shop.changes()[-1] == (Change.RELEASED, 0, -1, 0, -1)
    assert shop.add(3) == Pool(licence="member", purchased=6, assigned=4)
    seats.set_policy(shop.directory, shop.actor, "member", Policy.BLOCK)
    seats.set_policy(shop.directory, shop.actor, "member", Policy.BLOCK)
    assert shop.acts() == ["seats.policy_changed", "seats.added", "seats.policy_changed"]


def test_under_allow_a_waiting_reduction_keeps_purchased_seats_from_new_ones(shop: Shop, scim: Client) -> None:
    people = [scim.user(f"u{number}") for number in range(2)]
    shop.reduce(2)
    shop.come_due()
    shop.allow()
    switch(scim, people[0], False)
    scim.user("late")
    assert shop.pool() == Pool(licence="member", purchased=3, assigned=3, over=1, withheld=2)
    shop.add(2)
    assert shop.pool() == Pool(licence="member", purchased=3, assigned=3)


def test_r52_a_freed_seat_is_for_anyone_and_r54_a_deleted_id_never_gets_one(shop: Shop, scim: Client) -> None:
    ann, _ = scim.user("ann"), scim.user("bea")
    assert post(scim, "cem").status == 403
    switch(scim, ann, False)
    assert post(scim, "cem").status == 201
    assert scim.delete(f"/Users/{ann['id']}").status == 204
    assert switch(scim, ann, True) == 404
    rows = seats.entries(shop.directory, shop.actor)
    assert [each.change for each in rows if each.contact_id == ann["id"]] == [Change.ASSIGNED, Change.RELEASED]
    with reading(shop.directory.engine) as db:
        held = db.scalars(select(seat_table.c.holder_id).where(seat_table.c.workspace_id == shop.actor.workspace_id))
        assert ann["id"] not in held.all()


def test_licence_types(shop: Shop, scim: Client) -> None:
    made = seats.add_licence(shop.directory, shop.actor, "support", counted=True)
    assert (made.pool.purchased, made.licence.policy) == (0, Policy.BLOCK)
    seats.add_licence(shop.directory, shop.actor, "guest", counted=False)
    with pytest.raises(Taken):
        seats.add_licence(shop.directory, shop.actor, "Support", counted=True)
    for name in ("", "x" * 65, "a\nb"):
        with pytest.raises(NotAllowed):
            seats.add_licence(shop.directory, shop.actor, name, counted=True)
    seats.add(shop.directory, shop.actor, "support", 1)
    ann = scim.user("ann", entitlements=[{"type": "license", "value": "support"}])
    scim.user("bea", entitlements=[{"type": "license", "value": "guest"}])
    assert shop.pool("support") == Pool(licence="support", purchased=1, assigned=1)
    assert shop.pool("guest") == Pool(licence="guest", purchased=0, assigned=1)
    value = [{"type": "license", "value": "member"}]
    assert scim.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "entitlements", "value": value}).status == 200
    changes = [(each.licence, each.change) for each in seats.entries(shop.directory, shop.actor)]
    assert changes[-2:] == [("support", Change.RELEASED), ("member", Change.ASSIGNED)]


@pytest.mark.parametrize("act", ["add", "reduce", "policy"])
def test_what_is_not_counted_is_not_bought(shop: Shop, act: str) -> None:
    acts: dict[str, Callable[[], object]] = {
        "add": lambda: seats.add(shop.directory, shop.actor, "client", 1),
        "reduce": lambda: seats.reduce(shop.directory, shop.actor, "client", 1),
        "policy": lambda: seats.set_policy(shop.directory, shop.actor, "client", Policy.ALLOW),
    }
    with pytest.raises(NotAllowed, match="'client' seats aren't counted"):
        acts[act]()
    assert shop.acts() == []


def test_bad_numbers_and_names(shop: Shop) -> None:
    for number in (0, -1, 10_000_001, 10_000_000):
        with pytest.raises(NotAllowed):
            shop.add(number)
    for call in (seats.add, seats.reduce):
        with pytest.raises(UnknownLicence):
            call(shop.directory, shop.actor, "gold", 1)
    with pytest.raises(UnknownLicence):
        seats.usage(shop.directory, shop.actor, "gold")
    with pytest.raises(Unknown):
        access.operator(shop.directory, "no such workspace")
    assert shop.changes() == [(Change.ADDED, 3, 0, 0, 0), (Change.ASSIGNED, 0, 1, 0, 0)]


def test_seats_need_their_permission(shop: Shop) -> None:
    directory = shop.directory
    team = Actor(
        workspace_id=shop.actor.workspace_id, kind="contact", door="console", permissions=ROLE_PERMISSIONS[Role.TEAM]
    )
    reduction = shop.reduce(1)
    acts: list[Callable[[], object]] = [
        lambda: seats.show(directory, team),
        lambda: seats.holders(directory, team),
        lambda: seats.entries(directory, team),
        lambda: seats.usage(directory, team),
        lambda: seats.add(directory, team, "member", 1),
        lambda: seats.reduce(directory, team, "member", 1),
        lambda: seats.cancel_reduction(directory, team, reduction.id),
        lambda: seats.set_policy(directory, team, "member", Policy.ALLOW),
        lambda: seats.add_licence(directory, team, "x", counted=True),
    ]
    for act in acts:
        with pytest.raises(MissingPermission, match="seats:manage"):
            act()
    assert shop.acts() == ["seats.reduction_scheduled"]


def test_activity_says_what_was_before_and_after(shop: Shop) -> None:
    shop.allow()
    with reading(shop.directory.engine) as db:
        row = db.execute(
            select(activity).where(
                activity.c.workspace_id == shop.actor.workspace_id, activity.c.act == "seats.policy_changed"
            )
        ).one()
    assert (row.actor_kind, row.door) == ("system", "cli")
    assert orjson.loads(row.facts)["policy"] == ["block", "allow"]


def test_holders_and_the_ledger_page_by_page(shop: Shop, scim: Client) -> None:
    shop.add(3)
    names = {scim.user(f"u{number}")["userName"] for number in range(4)}
    pages, after = [], None
    while page := seats.holders(shop.directory, shop.actor, after=after, count=2):
        pages.append([each.user_name for each in page])
        after = page[-1].contact_id
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {name for page in pages for name in page} - names == {f"owner@{shop.world.name}.test"}
    whole = seats.entries(shop.directory, shop.actor)
    first = seats.entries(shop.directory, shop.actor, count=3)
    assert [*first, *seats.entries(shop.directory, shop.actor, after=first[-1].id)] == whole
    assert seats.holders(shop.directory, shop.actor, "client") == []


def test_holders_by_how_they_hold_their_seat(shop: Shop, scim: Client) -> None:
    people = Desk(shop.world)
    people.invite(people.person("ann", emails=[{"value": "ann@x.test"}]))
    scim.user("bob", displayName="Bob Ray")
    shop.allow()
    scim.user("eve")

    def held(**wanted: Any) -> list[str]:
        return [each.label for each in seats.holders(shop.directory, shop.actor, **wanted)]

    assert held(state=SeatState.RESERVED) == ["ann"]
    assert held(state=SeatState.ASSIGNED) == ["Workspace Owner", "Bob Ray", "eve"]
    assert held(over=True) == ["eve"]
    assert held(over=True, state=SeatState.RESERVED) == []


def test_the_ledger_and_the_log_tell_of_one_another(shop: Shop, scim: Client) -> None:
    ann = scim.user("ann", displayName="Ann")
    shop.allow()
    for name in ("bob", "eve"):
        scim.user(name)
    shop.now = datetime.now(UTC)
    shop.add(2)
    switch(scim, ann, False)
    found = seats.newest_entries(shop.directory, shop.actor, "member")
    causes = seats.causes(shop.directory, shop.actor, found)
    told = [(each.change, causes[each.id].words if each.id in causes else None) for each in found]
    assert told[:3] == [
        (Change.RELEASED, "deactivated"),
        (Change.SETTLED, "added seats"),
        (Change.ADDED, "added seats"),
    ]
    assert causes[found[0].id].subject == "Ann"
    assert causes[found[0].id].actor.startswith("generic-")
    assert {words for change, words in told if change is Change.ASSIGNED} == {"provisioned"}
    other = Shop(shop.world.app)
    assert seats.causes(other.directory, other.actor, found) == {}
    team = replace(shop.actor, permissions=ROLE_PERMISSIONS[Role.TEAM])
    with pytest.raises(MissingPermission):
        seats.causes(shop.directory, team, found)


def test_usage_adds_up_day_by_day(shop: Shop, scim: Client) -> None:
    first = datetime.now(UTC).date() - DAY
    scim.user("ann")
    shop.now += 60 * DAY
    shop.add(2)
    found = seats.usage(shop.directory, shop.actor, "member")
    assert [(each.purchased, each.assigned) for each in found] == [(2, 0), (5, 2)]
    assert [each.licence for each in found] == ["member"] * 2
    assert all(each.day < datetime.now(UTC).date().isoformat() for each in found[:1])
    assert found[-1].day >= first.isoformat()


def test_another_workspace_is_left_alone(app: Flask, shop: Shop) -> None:
    other = Shop(app)
    reduction = other.reduce(1)
    with pytest.raises(Unknown):
        seats.cancel_reduction(shop.directory, shop.actor, reduction.id)
    shop.reduce(1)
    assert shop.come_due() == [ReductionState.APPLIED]
    assert other.acts() == ["seats.reduction_scheduled", "seats.reduction_applied"], "the timer is for all"
    assert other.pool().purchased == shop.pool().purchased == 2
    with reading(shop.directory.engine) as db:
        assert db.scalars(select(contacts.c.id).where(contacts.c.workspace_id == shop.actor.workspace_id)).all()


def test_the_billing_day_decides_when_a_reduction_comes(app: Flask) -> None:
    shop = Shop(app)
    shop.now = datetime(2026, 1, 10, tzinfo=UTC)
    before = shop.reduce(1)
    assert seats.set_billing_day(shop.directory, shop.actor, 15) == 15
    assert seats.set_billing_day(shop.directory, shop.actor, 15) == 15, "the same again changes nothing"
    assert seats.billing_day(shop.directory, shop.actor) == 15
    assert (before.effective, shop.reduce(1).effective) == (date(2026, 2, 1), date(2026, 1, 15))
    with reading(shop.directory.engine) as db:
        changed = (activity.c.workspace_id == shop.actor.workspace_id, activity.c.act == "seats.billing_day_changed")
        (facts,) = db.scalars(select(activity.c.facts).where(*changed))
    assert orjson.loads(facts) == {"billing_day": [1, 15]}


@pytest.mark.parametrize("day", [0, 29, -1])
def test_a_billing_day_is_one_that_every_month_has(app: Flask, day: int) -> None:
    shop = Shop(app)
    with pytest.raises(NotAllowed, match="1 to 28"):
        seats.set_billing_day(shop.directory, shop.actor, day)
    client = replace(shop.actor, permissions=ROLE_PERMISSIONS[Role.CLIENT])
    with pytest.raises(MissingPermission):
        seats.set_billing_day(shop.directory, client, 2)
    assert seats.billing_day(shop.directory, shop.actor) == 1


def test_the_ledger_from_its_end(shop: Shop, scim: Client) -> None:
    shop.add(3)
    for number in range(3):
        scim.user(f"u{number}")
    seats.add_licence(shop.directory, shop.actor, "guest", counted=True)
    seats.add(shop.directory, shop.actor, "guest", 2)
    for licence in (None, "member", "guest"):
        whole = list(reversed(seats.entries(shop.directory, shop.actor, licence)))
        assert seats.newest_entries(shop.directory, shop.actor, licence) == whole
        rows: list[seats.Entry] = []
        while page := seats.newest_entries(
            shop.directory, shop.actor, licence, before=rows[-1].id if rows else None, count=2
        ):
            assert len(page) <= 2
            rows += page
        assert rows == whole
    with pytest.raises(UnknownLicence):
        seats.newest_entries(shop.directory, shop.actor, "gold")
    with pytest.raises(NotAllowed):
        seats.newest_entries(shop.directory, shop.actor, before="\x00")
    with pytest.raises(MissingPermission, match="seats:manage"):
        seats.newest_entries(shop.directory, replace(shop.actor, permissions=ROLE_PERMISSIONS[Role.TEAM]))


def test_holders_are_named(shop: Shop, scim: Client) -> None:
    scim.user("ann", displayName="Ann Lee")
    scim.user("bob")
    held = seats.holders(shop.directory, shop.actor)
    assert [(each.user_name, each.label) for each in held[1:]] == [("ann", "Ann Lee"), ("bob", "bob")]


def test_usage_of_a_span_is_the_end_of_the_whole(app: Flask) -> None:
    shop = Shop(app)
    start = shop.now.date()
    seats.add_licence(shop.directory, shop.actor, "guest", counted=True)
    for days in (0, 3, 3, 10):
        shop.now = datetime.combine(start, datetime.min.time(), UTC) + days * DAY
        shop.add(2)
        seats.add(shop.directory, shop.actor, "guest", 1)
    shop.now += 5 * DAY
    call = Call(shop.actor, None, "")
    directory_contacts.create(shop.directory, call, {"userName": "ann", "active": True})
    whole = seats.usage(shop.directory, shop.actor)
    # the owner's seat was taken today, by the real clock
    for since in (start + days * DAY for days in (-5, 0, 1, 3, 4, 10, 12, 40)):
        for licence in ("member", "guest", "client"):
            of_type = [each for each in whole if each.licence == licence]
            before = [each for each in of_type if each.day < since.isoformat()][-1:]
            eve = [replace(each, day=(since - DAY).isoformat()) for each in before]
            expected = [*eve, *(each for each in of_type if each.day >= since.isoformat())]
            assert seats.usage(shop.directory, shop.actor, licence, since=since) == expected, (licence, since)
    both = seats.usage(shop.directory, shop.actor, since=start + 4 * DAY)
    assert [each.licence for each in both] == sorted(each.licence for each in both)
    with pytest.raises(UnknownLicence):
        seats.usage(shop.directory, shop.actor, "gold", since=start)
