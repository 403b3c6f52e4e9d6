"""Seats after any sequence of events: the table, the counters, the contacts and the ledger's sums tell the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from scim_server.directory import Directory, access, contacts, seats
from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor
from scim_server.domain.errors import Refused
from scim_server.domain.roles import ALL_PERMISSIONS
from scim_server.domain.seats import Policy
from scim_server.scim.schema import USER_URN
from scim_server.storage import ledger, tables
from scim_server.storage.db import reading
from tests.support import World, new_world

START = datetime(2026, 1, 10, tzinfo=UTC)
LICENCES = ("member", "support", "client")
COUNTERS = ("purchased", "assigned", "reserved", "over")
EVENTS = (
    "create", "invite", "create inactive", "activate", "deactivate", "change licence", "delete",
    "add", "reduce", "cancel", "apply", "allow", "block", "time passes",
)  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(0, 5), st.sampled_from(LICENCES)), min_size=5, max_size=30
)


@dataclass
class Office:
    """A workspace with a few seats and people, and a clock of its own."""

    world: World
    now: datetime = START
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: int = 0
    reductions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory: Directory = replace(self.world.directory, now=lambda: self.now)
        self.actor = access.operator(self.directory, self.world.name)
        seats.add_licence(self.directory, self.actor, "support", counted=True)
        plain = access.create_connection(self.directory, self.world.name, "plain")
        caller = Actor(
            workspace_id=self.world.workspace_id, kind="connection", door="scim", permissions=ALL_PERMISSIONS
        )
        self.call = Call(caller, plain, "http://x")
        self.inviting = Call(caller, replace(plain, settings=replace(plain.settings, invite=True)), "http://x")

    def step(self, event: str, number: int, licence: str) -> None:
        """One event; what the rules refuse must leave the ledger alone."""
        before = self.rows()
        try:
            self.act(event, number, licence)
        except Refused:
            assert self.rows() == before

    def act(self, event: str, number: int, licence: str) -> None:
        directory, actor = self.directory, self.actor
        match event:
            case "create" | "invite" | "create inactive":
                self.create(event, licence)
            case "activate" | "deactivate" | "change licence" | "delete":
                self.change(event, number, licence)
            case "add":
                seats.add(directory, actor, licence, number)
            case "reduce":
                self.reductions.append(seats.reduce(directory, actor, licence, number).id)
            case "cancel" if self.reductions:
                seats.cancel_reduction(directory, actor, self.reductions[number % len(self.reductions)])
            case "apply":
                seats.apply_due(directory)
            case "allow" | "block":
                seats.set_policy(directory, actor, licence, Policy(event))
            case "time passes":
                self.now += timedelta(days=6 * number)

    def create(self, event: str, licence: str) -> None:
        self.made += 1
        user = {
            "schemas": [USER_URN],
            "userName": f"user{self.made}",
            "emails": [{"value": f"user{self.made}@x.test"}],
            "entitlements": [{"type": "license", "value": licence}],
            "active": event != "create inactive",
        }
        call = self.inviting if event == "invite" else self.call
        made = contacts.create(self.directory, call, user)
        self.people[made["id"]] = user

    def change(self, event: str, number: int, licence: str) -> None:
        if not self.people:
            return
        key = list(self.people)[number % len(self.people)]
        if event == "delete":
            contacts.delete(self.directory, self.call, key)
            del self.people[key]
            return
        changes: dict[str, dict[str, Any]] = {
            "activate": {"active": True},
            "deactivate": {"active": False},
            "change licence": {"entitlements": [{"type": "license", "value": licence}]},
        }
        user = {**self.people[key], **changes[event]}
        contacts.replace(self.directory, self.call, key, user)
        self.people[key] = user

    def rows(self) -> int:
        table = tables.seat_changes
        with reading(self.directory.engine) as db:
            mine = table.c.workspace_id == self.world.workspace_id
            return db.scalar(select(func.count()).select_from(table).where(mine)) or 0


def check(directory: Directory, workspace_id: str) -> None:
    """Laws 1 and 2, and that the ledger's sums are the counters and the counters the rows."""
    with reading(directory.engine) as db:
        licences = ledger.licences(db, workspace_id)
        pools = {name: ledger.pool(db, workspace_id, name) for name in licences}
        rows = db.execute(select(tables.seats).where(tables.seats.c.workspace_id == workspace_id)).all()
        people = select(tables.contacts.c.id, tables.contacts.c.status, tables.contacts.c.licence)
        found = db.execute(people.where(tables.contacts.c.workspace_id == workspace_id)).all()
        change = tables.seat_changes
        sums = select(change.c.licence, *(func.sum(change.c[name]).label(name) for name in COUNTERS))
        told = {
            row.licence: {name: getattr(row, name) for name in COUNTERS}
            for row in db.execute(sums.where(change.c.workspace_id == workspace_id).group_by(change.c.licence))
        }
    for name, licence in licences.items():
        pool, mine = pools[name], [row for row in rows if row.licence == name]
        counted = {
            "purchased": sum(not row.over for row in mine) if licence.counted else 0,
            "assigned": sum(row.state == "assigned" for row in mine),
            "reserved": sum(row.state == "reserved" for row in mine),
            "over": sum(row.over for row in mine),
        }
        assert {each: getattr(pool, each) for each in COUNTERS} == counted
        assert told.get(name, dict.fromkeys(COUNTERS, 0)) == counted, name
        free = sum(row.holder_id is None for row in mine)
        assert not pool.over or free <= pool.withheld, "nobody is over while a seat is free"
        if licence.counted and licence.policy is Policy.BLOCK:
            assert pool.in_use <= pool.purchased
            assert pool.over == 0
    states = {"active": "assigned", "invited": "reserved"}
    holders = sorted((row.holder_id, row.state, row.licence) for row in rows if row.holder_id is not None)
    assert holders == sorted((row.id, states[row.status], row.licence) for row in found if row.status in states)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(
    steps=[("create", 0, "support"), ("create", 0, "member"), ("invite", 0, "member"), ("time passes", 2, "member")]
)
@example(
    steps=[
        ("create", 0, "member"),
        ("create", 0, "support"),
        ("create", 0, "support"),
        ("invite", 0, "member"),
        ("time passes", 2, "member"),
    ]
)
def test_the_ledger_explains_the_counters(app: Flask, steps: list[tuple[str, int, str]]) -> None:
    office = Office(new_world(app, seats=3))
    for step in steps:
        office.step(*step)
        check(office.directory, office.world.workspace_id)
    days = {each.licence: each for each in seats.usage(office.directory, office.actor)}
    for stock in seats.show(office.directory, office.actor):
        last = days.get(stock.licence.name)
        if last is not None:
            assert [getattr(last, name) for name in COUNTERS] == [getattr(stock.pool, name) for name in COUNTERS]
