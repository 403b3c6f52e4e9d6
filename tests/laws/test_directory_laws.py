"""The laws of docs/lifecycle.md on both databases: all events in any order through the one door, alone and at once.

The machine of test_lifecycle_laws shows the rules; this one shows that what is stored keeps them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from scim_server.directory import contacts, invitations, life, seats
from scim_server.domain.actor import Actor, system
from scim_server.domain.errors import MissingPermission, Refused
from scim_server.domain.events import Kind
from scim_server.domain.roles import ROLE_PERMISSIONS, Role
from scim_server.domain.seats import Policy
from scim_server.domain.transitions import Event
from scim_server.scim.errors import ScimError
from scim_server.storage import counts, ledger, tables
from scim_server.storage.db import reading
from tests.directory.desk import Desk, address
from tests.support import new_world

ACTS: Final = st.sampled_from([Event.DEACTIVATE, Event.ACTIVATE, Event.ARCHIVE, Event.UNARCHIVE])
HOLDING: Final = {"active": "assigned", "invited": "reserved"}
SEATS: Final = 4


def rows_of(desk: Desk, table: Any) -> list[Any]:
    with reading(desk.directory.engine) as db:
        return list(db.execute(select(table).where(table.c.workspace_id == desk.world.workspace_id)))


def records(desk: Desk) -> tuple[int, int]:
    """How many activity rows of contacts and how many events there are."""
    kinds = [kind.value for kind in Kind]
    with reading(desk.directory.engine) as db:
        log = select(func.count()).where(tables.activity.c.workspace_id == desk.world.workspace_id)
        events = select(func.count()).where(tables.outbox.c.workspace_id == desk.world.workspace_id)
        return db.scalar(log.where(tables.activity.c.act.in_(kinds))) or 0, db.scalar(events) or 0


def check_stored(desk: Desk, policy: Policy) -> None:
    """Laws 1, 2 and 4 on what is stored, and the counters beside it."""
    people, held = rows_of(desk, tables.contacts), rows_of(desk, tables.seats)
    with reading(desk.directory.engine) as db:
        pool = ledger.pool(db, desk.world.workspace_id, "member")
        listed = counts.total(db, desk.world.workspace_id, with_archived=False)
    taken = {seat.holder_id: seat.state for seat in held if seat.holder_id is not None}
    assert pool.in_use <= pool.purchased or policy is Policy.ALLOW, "law 1"
    assert taken == {each.id: HOLDING[each.status] for each in people if each.status in HOLDING}, "law 2"
    assert [each.status for each in people if each.role == "owner"] == ["active"], "law 4"
    assert listed == sum(not each.archived for each in people)


class Life(RuleBasedStateMachine):
    """A workspace of a few contacts on one database; `app` is set by the test."""

    app: Flask

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(new_world(self.app, seats=SEATS))
        self.people = [self.desk.world.owner_id]
        self.gone: set[str] = set()
        self.policy = Policy.BLOCK
        self.actor = system(self.desk.world.workspace_id)

    def attempt(self, act: Callable[[], Any]) -> Any:
        """What `act` gives, or None where it is refused; a refused one leaves no trace (law 5)."""
        before = records(self.desk)
        try:
            done = act()
        except (Refused, ScimError):
            assert records(self.desk) == before, "law 5"
            return None
        log, events = records(self.desk)
        assert log - before[0] == events - before[1], "law 5"
        return done

    def pick(self, number: int) -> str:
        return self.people[number % len(self.people)]

    @rule(active=st.booleans())
    def provision(self, active: bool) -> None:
        if len(self.people) < 7:
            made = self.attempt(lambda: self.desk.person(address(), active=active))
            self.people += [made] if made else []

    @rule()
    def create(self) -> None:
        if len(self.people) < 7:
            made = self.attempt(lambda: life.create(self.desk.directory, self.actor, {"userName": address()}))
            self.people += [made.id] if made else []

    @rule(number=st.integers(0, 6), event=ACTS)
    def act(self, number: int, event: Event) -> None:
        who, before = self.pick(number), records(self.desk)
        done = self.attempt(lambda: life.act(self.desk.directory, self.actor, who, event))
        if done is not None:
            assert (records(self.desk) != before) is done.changed, "a repeat changes nothing (T17)"

    @rule(number=st.integers(0, 6))
    def archive_alone(self, number: int) -> None:
        who = self.pick(number)
        before = {**self.desk.part(who)}
        self.attempt(lambda: life.act(self.desk.directory, self.actor, who, Event.ARCHIVE))
        after = {**self.desk.part(who)}
        for part in (before, after):
            part.pop("archived", None)
            part.pop("archivedAt", None)
        assert before == after, "law 3"

    @rule(number=st.integers(0, 6))
    def give_access_back_without_the_right_to_take_it(self, number: int) -> None:
        team = Actor(
            workspace_id=self.actor.workspace_id,
            kind="contact",
            door="console",
            permissions=ROLE_PERMISSIONS[Role.TEAM],
            role=Role.TEAM,
        )
        who = self.pick(number)
        if self.desk.part(who)["status"] == "inactive":
            with pytest.raises(MissingPermission):
                life.act(self.desk.directory, team, who, Event.ACTIVATE)  # law 8

    @rule(number=st.integers(0, 6), again=st.booleans())
    def invite(self, number: int, again: bool) -> None:
        send = invitations.resend if again else invitations.invite
        who = self.pick(number)
        self.attempt(lambda: send(self.desk.directory, self.desk.call, who, address()))

    @rule(number=st.integers(0, 6))
    def revoke(self, number: int) -> None:
        self.attempt(lambda: invitations.revoke(self.desk.directory, self.desk.call, self.pick(number)))

    @rule(number=st.integers(0, 20))
    def accept(self, number: int) -> None:
        if self.desk.mails:
            text = self.desk.mails[-1 - number % min(3, len(self.desk.mails))].link.rpartition("/")[2]
            # as the account that is signed in: hashing a password would take most of the time
            self.attempt(lambda: invitations.accept(self.desk.directory, text, account_email="nobody@x.test"))
            self.try_password(text)

    def try_password(self, text: str) -> None:
        try:
            invitations.accept(self.desk.directory, text, password="correct horse")
        except (Refused, ScimError):
            return

    @rule(number=st.integers(0, 6))
    def delete(self, number: int) -> None:
        who = self.pick(number)
        if self.attempt(lambda: life.delete(self.desk.directory, self.actor, who)):
            self.people.remove(who)
            self.gone.add(who)

    @rule(number=st.integers(0, 6))
    def transfer(self, number: int) -> None:
        self.attempt(lambda: life.transfer(self.desk.directory, self.actor, self.pick(number)))

    @rule(quantity=st.integers(1, 2), more=st.booleans())
    def change_the_pool(self, quantity: int, more: bool) -> None:
        change = seats.add if more else seats.reduce
        self.attempt(lambda: change(self.desk.directory, self.actor, "member", quantity))

    @rule(policy=st.sampled_from(Policy))
    def set_policy(self, policy: Policy) -> None:
        if self.attempt(lambda: seats.set_policy(self.desk.directory, self.actor, "member", policy)):
            self.policy = policy

    @rule(days=st.integers(1, 40))
    def time_passes(self, days: int) -> None:
        self.desk.now += timedelta(days=days)
        self.attempt(lambda: invitations.expire_due(self.desk.directory))
        self.attempt(lambda: seats.apply_due(self.desk.directory))

    @invariant()
    def what_is_stored_keeps_the_laws(self) -> None:
        check_stored(self.desk, self.policy)
        ids = {each.id for each in rows_of(self.desk, tables.contacts)}
        assert ids == set(self.people), "law 7"
        assert not ids & self.gone, "law 7"


def run(app: Flask, examples: int, steps: int) -> None:
    machine = type("LifeOnOneDatabase", (Life,), {"app": app})
    health = list(HealthCheck)
    options = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=health)
    run_state_machine_as_test(machine, settings=options)


def test_what_is_stored_keeps_the_laws(app: Flask) -> None:
    run(app, 8, 20)


@pytest.mark.laws
def test_what_is_stored_keeps_the_laws_for_long(app: Flask) -> None:
    run(app, 120, 50)


class Crowd:
    """Twenty threads that act at random on the same few contacts until their time is up."""

    def __init__(self, desk: Desk, seconds: float) -> None:
        self.desk = desk
        self.until = time.monotonic() + seconds
        self.people = [desk.world.owner_id]
        self.accepted = 0
        self.lock = threading.Lock()

    def work(self, seed: int) -> None:
        random, desk, actor = Random(seed), self.desk, system(self.desk.world.workspace_id)
        events = (Event.DEACTIVATE, Event.ACTIVATE, Event.ARCHIVE, Event.UNARCHIVE)
        acts: list[Callable[[str], Any]] = [
            lambda _: self.people.append(desk.person(address(), active=random.random() < 0.5)),
            lambda who: life.act(desk.directory, actor, who, random.choice(events)),
            lambda who: invitations.invite(desk.directory, desk.call, who, address()),
            lambda _: invitations.accept(desk.directory, desk.text, password="correct horse"),
            lambda who: contacts.delete(desk.directory, desk.call, who),
            lambda who: life.transfer(desk.directory, actor, who),
            lambda _: seats.add(desk.directory, actor, "member", 1),
            lambda _: seats.reduce(desk.directory, actor, "member", 1),
            lambda _: seats.apply_due(desk.directory),
        ]
        while time.monotonic() < self.until:
            act = random.choices(acts, (6, 10, 6, 3, 3, 2, 1, 1, 1))[0]
            try:
                act(random.choice(self.people))
            except (Refused, ScimError, IndexError):
                continue
            with self.lock:
                self.accepted += 1


def check_crowd(app: Flask, seconds: float) -> None:
    world = new_world(app, seats=10)
    desk = Desk(world)
    crowd = Crowd(desk, seconds)
    with ThreadPoolExecutor(20) as threads:
        for done in [threads.submit(crowd.work, seed) for seed in range(20)]:
            done.result()
    assert crowd.accepted > 20
    check_stored(desk, Policy.BLOCK)
    log, events = records(desk)
    assert log == events, "one activity row for each event"
    last: dict[str, Any] = {}
    for row in sorted(rows_of(desk, tables.activity), key=lambda row: str(row.id)):
        last[row.subject_id] = row.act
    stored = {each.id for each in rows_of(desk, tables.contacts)}
    deleted = {subject for subject, act in last.items() if act == Kind.DELETED.value}
    assert not stored & deleted
    assert stored <= set(last), "who is there was recorded"


def test_many_threads_end_with_the_laws_kept(app: Flask) -> None:
    check_crowd(app, 3)


@pytest.mark.laws
@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_twenty_threads_for_a_minute(app: Flask) -> None:
    check_crowd(app, 60)
