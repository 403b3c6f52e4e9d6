"""Many at once on PostgreSQL: no seat is given twice, lost, or changed without a row of the ledger (laws 1, 2, 6)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import repeat
from random import Random

import pytest
from flask import Flask

from scim_server.directory import Directory, contacts, seats
from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor, system
from scim_server.domain.errors import Refused
from scim_server.domain.roles import ALL_PERMISSIONS
from scim_server.domain.seats import Policy
from scim_server.scim.errors import ScimError
from scim_server.scim.schema import USER_URN
from tests.laws.test_seat_laws import check
from tests.support import new_world

THREADS, OPERATIONS = 8, 100


@dataclass(frozen=True)
class Worker:
    """One of the threads that share a pool and `people`, so that two may meet at one contact."""

    directory: Directory
    workspace_id: str
    people: list[str]
    seed: int

    def run(self) -> int:
        """How many of the operations weren't refused."""
        randomness, people, done = Random(self.seed), self.people, 0
        actor = system(self.workspace_id)
        caller = Actor(
            workspace_id=self.workspace_id, kind="connection", door="scim", permissions=frozenset(ALL_PERMISSIONS)
        )
        call = Call(caller, None, "http://x")
        acts: list[Callable[[str], object]] = [
            lambda name: people.append(contacts.create(self.directory, call, user(name))["id"]),
            lambda name: contacts.replace(self.directory, call, pick(), {**user(name), "active": False}),
            lambda name: contacts.replace(self.directory, call, pick(), user(name)),
            lambda _: contacts.delete(self.directory, call, pick()),
            lambda _: seats.add(self.directory, actor, "member", 1),
            lambda _: seats.reduce(self.directory, actor, "member", 1),
            lambda _: seats.apply_due(self.directory),
            lambda _: seats.set_policy(self.directory, actor, "member", randomness.choice(list(Policy))),
        ]

        def pick() -> str:
            return randomness.choice(people)

        for number in range(OPERATIONS):
            act = randomness.choices(acts, (8, 6, 6, 3, 1, 1, 1, 1))[0]
            try:
                act(f"user{self.seed}-{number}")
                done += 1
            except (Refused, ScimError, IndexError, ValueError):
                continue
        return done


def user(name: str) -> dict[str, object]:
    return {"schemas": [USER_URN], "userName": name, "active": True}


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_seats_equal_holders_after_many_threads(app: Flask) -> None:
    world = new_world(app, seats=10)
    now = world.directory.now
    # each look at the clock is a day later or so: what one thread schedules, another finds due
    directory = replace(world.directory, now=lambda: now() + timedelta(days=Random().choice((0, 0, 0, 40))))
    people: list[str] = []
    workers = [Worker(directory, world.workspace_id, people, seed) for seed in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as threads:
        done = list(threads.map(Worker.run, workers))
    assert min(done) > 10
    check(world.directory, world.workspace_id)
    changes = {each.change.value for each in seats.entries(directory, system(world.workspace_id), count=10_000)}
    assert {"added", "assigned", "released"} <= changes


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_reduction_and_the_last_claims_at_once(app: Flask) -> None:
    """Either the reduction is first and somebody gets no seat, or it waits; never both have the same seat."""
    for attempt in range(10):
        world = new_world(app, seats=4)
        later = world.directory.now() + timedelta(days=40)
        directory = replace(world.directory, now=partial(next, repeat(later)))
        actor = system(world.workspace_id)
        seats.reduce(world.directory, actor, "member", 2)
        caller = replace(actor, kind="connection", door="scim")

        def claim(number: int) -> bool:
            try:
                contacts.create(directory, Call(caller, None, "http://x"), user(f"u{attempt}-{number}"))  # noqa: B023
            except Refused:
                return False
            return True

        with ThreadPoolExecutor(5) as threads:
            claims = [threads.submit(claim, number) for number in range(4)]
            seats.apply_due(directory)
            won = sum(each.result(60) for each in claims)
        pool = seats.show(directory, actor)[1].pool
        assert (pool.purchased, pool.assigned, won) == (2, 2, 1), "it was due before the first claim"
        check(directory, world.workspace_id)
