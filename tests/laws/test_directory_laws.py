"""The laws of docs/lifecycle.md on both databases: all events in any order through the one door, alone and at once.

The machine of test_lifecycle_laws shows the rules; this one shows that what is stored keeps them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Table, func, select

from scim_server.directory import contacts, invitations, life, seats
from scim_server.domain.actor import Actor, system
from scim_server.domain.errors import (
    InvitationExpired,
    InvitationNotPending,
    MissingPermission,
    NoFreeSeat,
    Refused,
    WrongAccount,
)
from scim_server.domain.events import Kind
from scim_server.domain.roles import ROLE_PERMISSIONS, Role
from scim_server.domain.seats import Policy
from scim_server.domain.transitions import Event, Status
from scim_server.scim.errors import ScimError
from scim_server.storage import counts, ledger, tables
from scim_server.storage.db import reading
from tests.directory.desk import Desk, address
from tests.support import new_world

ACT_ROWS: Final = (
    (Event.DEACTIVATE, Kind.DEACTIVATED),
    (Event.ACTIVATE, Kind.ACTIVATED),
    (Event.ARCHIVE, Kind.ARCHIVED),
    (Event.UNARCHIVE, Kind.UNARCHIVED),
)
HOLDING: Final = {"active": "assigned", "invited": "reserved"}
SEATS: Final = 4
# What changes where an invitation ends by its time, and nothing else.
EXPIRY: Final = {"contacts", "invitation_links", "seats", "seat_changes", "activity", "outbox"}


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


def everything(desk: Desk) -> dict[str, list[str]]:
    """Table → all its rows of the workspace; of accounts, which belong to none, all rows."""

    def rows(table: Table) -> list[str]:
        mine = table.c.workspace_id == desk.world.workspace_id if "workspace_id" in table.c else None
        return sorted(
            str(tuple(row)) for row in db.execute(select(table) if mine is None else select(table).where(mine))
        )

    with reading(desk.directory.engine) as db:
        return {table.name: rows(table) for table in tables.metadata.sorted_tables}


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


@dataclass(frozen=True)
class Sent:
    """What the model knows of a contact's invitation: the link's text, its end, and the contact's status before it."""

    text: str
    ends: datetime
    before: str


class Life(RuleBasedStateMachine):
    """A workspace of a few contacts on one database; `app` is set by the test."""

    app: Flask

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(new_world(self.app, seats=SEATS))
        self.people = [self.desk.world.owner_id]
        self.gone: set[str] = set()
        self.sent: dict[str, Sent] = {}
        self.policy = Policy.BLOCK
        self.actor = system(self.desk.world.workspace_id)
        self.people.append(self.desk.person(address()))
        self.invite(1, again=False)  # so that most walks come by a link

    def attempt(self, act: Callable[[], Any], who: str | None = None) -> Any:
        """What `act`, on the contact `who`, gives, or None where it is refused.

        A refused one leaves no trace at all (law 5), but for what time had ended: a claim that finds no seat first
        expires all invitations past their time.
        """
        before, noted = everything(self.desk), records(self.desk)
        due = [each for each in self.sent if self.overdue(each)]
        try:
            done = act()
        except (Refused, ScimError) as refusal:
            if due and isinstance(refusal, NoFreeSeat):
                self.check_expired(due, before, noted)
            else:
                assert everything(self.desk) == before, "law 5"
            return None
        log, events = records(self.desk)
        assert log - noted[0] == events - noted[1], "law 5"
        others = [each for each in due if each != who]
        ended = [each for each in others if self.status(each) != "invited"]
        assert ended in ([], others), "all or none"
        for each in ended:
            self.looked_at(each)
        return done

    def check_expired(self, due: Sequence[str], before: dict[str, list[str]], noted: tuple[int, int]) -> None:
        """These invitations ended by their time (T5), and nothing else, but a due reduction may take their seats."""
        assert records(self.desk) == (noted[0] + len(due), noted[1] + len(due)), "law 5"
        after = everything(self.desk)
        assert {name for name in after if after[name] != before[name]} - {"reductions"} == EXPIRY
        log = sorted(rows_of(self.desk, tables.activity), key=lambda row: str(row.id))
        last = [(row.act, row.subject_id) for row in log if row.act.startswith("contact.")][-len(due) :]
        assert sorted(last) == sorted((Kind.EXPIRED.value, each) for each in due)
        for each in due:
            self.looked_at(each)

    def status(self, who: str) -> str:
        """As it is stored: a read by the door would expire what is due."""
        return next(str(each.status) for each in rows_of(self.desk, tables.contacts) if each.id == who)

    def overdue(self, who: str) -> bool:
        return who in self.sent and self.sent[who].ends <= self.desk.now

    def looked_at(self, who: str) -> None:
        """The door has read the contact, so an invitation past its time has ended."""
        if self.overdue(who):
            assert self.status(who) == self.sent.pop(who).before, "T5"

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

    @rule(number=st.integers(0, 6), event=st.sampled_from([event for event, _ in ACT_ROWS]))
    def act(self, number: int, event: Event) -> None:
        who, before = self.pick(number), everything(self.desk)
        overdue = self.overdue(who)
        done = self.attempt(lambda: life.act(self.desk.directory, self.actor, who, event), who)
        if done is None:
            return
        assert (everything(self.desk) != before) is (done.changed or overdue), "a repeat changes nothing (T17)"
        if overdue or done.contact.status is not Status.INVITED:
            self.sent.pop(who, None)

    @rule(number=st.integers(0, 6))
    def archive_alone(self, number: int) -> None:
        who = self.pick(number)
        before = {**self.desk.part(who)}
        self.looked_at(who)
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
        status = self.desk.part(who)["status"]
        self.looked_at(who)
        if status == "inactive":
            with pytest.raises(MissingPermission):
                life.act(self.desk.directory, team, who, Event.ACTIVATE)  # law 8

    @rule(number=st.integers(0, 6), again=st.booleans())
    def invite(self, number: int, again: bool) -> None:
        send = invitations.resend if again else invitations.invite
        who = self.pick(number)
        before = self.sent[who].before if who in self.sent else self.status(who)
        if self.attempt(lambda: send(self.desk.directory, self.desk.call, who, address()), who):
            self.sent[who] = Sent(self.desk.text, self.desk.mails[-1].expires, before)

    @rule()
    def invite_a_new_one(self) -> None:
        if len(self.people) < 7:
            self.create()
            self.invite(len(self.people) - 1, again=False)

    @rule(number=st.integers(0, 6))
    def revoke(self, number: int) -> None:
        who = self.pick(number)
        if self.attempt(lambda: invitations.revoke(self.desk.directory, self.desk.call, who), who):
            assert self.status(who) == self.sent.pop(who).before, "T6"

    @rule(number=st.integers(0, 20), stranger=st.booleans(), late=st.booleans())
    def accept(self, number: int, stranger: bool, late: bool) -> None:
        """By a living link or one of the last, with a password or as somebody else, in time or too late (T4)."""
        self.desk.now += timedelta(days=8 if late else 0)
        links = [sent.text for sent in self.sent.values()]
        links += [mail.link.rpartition("/")[2] for mail in self.desk.mails[-2:]]
        text = links[number % len(links)]
        who = next((each for each, sent in self.sent.items() if sent.text == text), None)
        proof = {"account_email": "nobody@x.test"} if stranger else {"password": "correct horse"}
        accept = partial(invitations.accept, self.desk.directory, text, **proof)
        if who is None:
            self.refused(accept, InvitationNotPending)
        elif self.overdue(who):
            self.refused_as_expired(accept, who)
        elif stranger:
            self.refused(accept, WrongAccount)
        else:
            accepted = self.attempt(accept)
            assert accepted is not None, "T4"
            assert (accepted.contact_id, self.status(who)) == (who, "active"), "T4"
            del self.sent[who]

    def refused(self, act: Callable[[], Any], reason: type[Refused]) -> None:
        before = everything(self.desk)
        with pytest.raises(reason):
            act()
        assert everything(self.desk) == before, "law 5"

    def refused_as_expired(self, accept: Callable[[], Any], who: str) -> None:
        """The one refusal that leaves a trace: the expiry (T5), and nothing beside it."""
        before, noted = everything(self.desk), records(self.desk)
        with pytest.raises(InvitationExpired):
            accept()
        self.check_expired([who], before, noted)

    @rule(number=st.integers(0, 6))
    def delete(self, number: int) -> None:
        who = self.pick(number)
        if self.attempt(lambda: life.delete(self.desk.directory, self.actor, who), who):
            self.people.remove(who)
            self.gone.add(who)
            self.sent.pop(who, None)

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

    @rule(days=st.integers(1, 40), swept=st.booleans())
    def time_passes(self, days: int, swept: bool) -> None:
        """With the timer's commands, or before they come."""
        self.desk.now += timedelta(days=days)
        if swept:
            self.attempt(lambda: invitations.expire_due(self.desk.directory))
            self.attempt(lambda: seats.apply_due(self.desk.directory))
            assert not any(self.overdue(who) for who in self.sent), "T5"

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
    """Twenty threads that act at random on the same few contacts.

    `done` counts the acts that were accepted and changed something, by the rows of activity that each must have.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.people = [desk.world.owner_id]
        self.done: Counter[str] = Counter()
        self.lock = threading.Lock()

    def work(self, seed: int, until: float) -> None:
        random = Random(seed)
        acts = self.acts(random)
        while time.monotonic() < until:
            act = random.choices(acts, (6, 10, 6, 3, 3, 2, 1, 1))[0]
            try:
                rows = act(random.choice(self.people))
            except (Refused, ScimError):
                continue
            with self.lock:
                self.done.update(rows)

    def acts(self, random: Random) -> list[Callable[[str], Iterable[str]]]:
        """Each takes a contact and gives the names of the rows that it must have written."""
        desk, actor = self.desk, system(self.desk.world.workspace_id)
        directory, call = desk.directory, desk.call

        def provision(_: str) -> Iterable[str]:
            self.people.append(desk.person(address(), active=random.random() < 0.5))
            return [Kind.PROVISIONED]

        def act(who: str) -> Iterable[str]:
            event, kind = random.choice(ACT_ROWS)
            return [kind] if life.act(directory, actor, who, event).changed else []

        def accept(_: str) -> Iterable[str]:
            return [Kind.ACCEPTED] if desk.mails and desk.accept(desk.text) else []

        def did(act: Callable[[str], Any], *rows: str) -> Callable[[str], Iterable[str]]:
            return lambda who: (act(who), rows)[1]

        return [
            provision,
            act,
            did(lambda who: invitations.invite(directory, call, who, address()), Kind.REINVITED),
            accept,
            did(lambda who: contacts.delete(directory, call, who), Kind.DELETED),
            did(lambda who: life.transfer(directory, actor, who), Kind.OWNERSHIP_GIVEN, Kind.OWNERSHIP_RECEIVED),
            did(lambda _: seats.add(directory, actor, "member", 1), "seats.added"),
            did(lambda _: seats.reduce(directory, actor, "member", 1), "seats.reduction_scheduled"),
        ]

    def check(self, before: Counter[str]) -> None:
        """At a moment when nobody acts: the laws, and for each accepted act its rows and no others."""
        check_stored(self.desk, Policy.BLOCK)
        with reading(self.desk.directory.engine) as db:
            pool = ledger.pool(db, self.desk.world.workspace_id, "member")
        holders = [seat.holder_id for seat in rows_of(self.desk, tables.seats) if seat.holder_id is not None]
        assert pool.assigned + pool.reserved == len(holders) <= pool.purchased
        assert acts_recorded(self.desk) - before == self.done, "one row for each accepted act"
        log, events = records(self.desk)
        assert log == events, "one activity row for each event"


def acts_recorded(desk: Desk) -> Counter[str]:
    return Counter(row.act for row in rows_of(desk, tables.activity))


def check_crowd(app: Flask, rounds: int, seconds: float) -> None:
    """So many rounds of so many seconds each; between them everybody rests and the laws are looked at."""
    desk = Desk(new_world(app, seats=10))
    crowd, before = Crowd(desk), acts_recorded(desk)
    for turn in range(rounds):
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(20) as threads:
            for done in [threads.submit(crowd.work, 20 * turn + number, until) for number in range(20)]:
                done.result()
        crowd.check(before)
    assert crowd.done.total() > 20
    subjects = {row.subject_id: row.act for row in sorted(rows_of(desk, tables.activity), key=lambda row: str(row.id))}
    stored = {each.id for each in rows_of(desk, tables.contacts)}
    assert not stored & {subject for subject, act in subjects.items() if act == Kind.DELETED.value}
    assert stored <= set(subjects), "who is there was recorded"


def test_many_threads_end_with_the_laws_kept(app: Flask) -> None:
    check_crowd(app, 3, 1)


@pytest.mark.laws
@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_twenty_threads_for_a_minute(app: Flask) -> None:
    check_crowd(app, 12, 5)
