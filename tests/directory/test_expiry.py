"""Invitations past their time are noticed by whoever lists people or needs a seat (T5, T11, law 6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from scim_server.directory import invitations, life, seats
from scim_server.directory.transport import Outcome, Row, import_rows
from scim_server.domain.contact import Event, Status
from scim_server.domain.seats import Policy
from scim_server.storage import batch, ledger, tables
from scim_server.storage.db import Busy, LostRace, reading
from tests.directory.desk import Desk
from tests.support import WORKSPACE_URN, World, new_world


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def acts(desk: Desk, contact_id: str) -> list[str]:
    with reading(desk.directory.engine) as db:
        of_contact = tables.activity.c.subject_id == contact_id
        return list(db.scalars(select(tables.activity.c.act).where(of_contact).order_by(tables.activity.c.id)))


def ledger_pool(desk: Desk) -> tuple[int, int]:
    with reading(desk.directory.engine) as db:
        pool = ledger.pool(db, desk.world.workspace_id, "member")
    return pool.assigned, pool.reserved


def invited_and_late(desk: Desk, *names: str) -> list[str]:
    """People whose invitations were over as soon as they were sent, which nobody has noticed."""
    earlier = replace(desk.world.directory, lifetime=timedelta(seconds=0), post=desk.mails.append)
    found = [desk.person(name) for name in names]
    for each in found:
        invitations.invite(earlier, desk.call, each, None)
    desk.now += timedelta(minutes=1)  # SCIM has the real clock, and the desk's was read a little earlier
    return found


@pytest.mark.parametrize("root", [False, True])
def test_a_filter_on_the_status_finds_the_truth(desk: Desk, root: bool) -> None:
    (ann,) = invited_and_late(desk, "ann@x.test")
    client, status = desk.world.client(), f"{WORKSPACE_URN}:status"
    path = "/?filter=" if root else "/Users?filter="
    assert client.get(f'{path}{status} eq "invited"').json["totalResults"] == 0
    found = client.get(f'{path}{status} eq "inactive"').json["Resources"]
    assert [each["id"] for each in found] == [ann]
    assert acts(desk, ann)[-1] == "contact.invitation_expired"
    assert ledger_pool(desk) == (1, 0)


def test_the_count_alone_is_the_truth_too(desk: Desk) -> None:
    invited_and_late(desk, "ann@x.test")
    query = f'/Users?count=0&filter={WORKSPACE_URN}:status eq "invited"'
    assert desk.world.client().get(query).json["totalResults"] == 0


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("door", ["post", "patch", "put", "invite", "act"])
def test_an_expired_invitation_gives_its_seat_to_the_next(desk: Desk, door: str, policy: Policy) -> None:
    full = Desk(new_world(desk.world.app, seats=2))
    seats.set_policy(full.directory, full.call.actor, "member", policy)
    bob = full.person("bob@x.test")
    (ann,) = invited_and_late(full, "ann@x.test")
    client = full.world.client()
    if door == "post":
        bob = str(client.user("cat@x.test")["id"])
    elif door == "patch":
        assert client.patch(f"/Users/{bob}", {"op": "replace", "path": "active", "value": True}).status == 200
    elif door == "put":
        assert client.put(f"/Users/{bob}", {"userName": "bob@x.test", "active": True}).status == 200
    elif door == "invite":
        full.invite(bob, "bob@x.test")
    else:
        life.act(full.directory, full.call.actor, bob, Event.ACTIVATE)
    assert full.part(bob)["seat"]["over"] is False
    assert acts(full, ann)[-1] == "contact.invitation_expired"
    assert sum(ledger_pool(full)) == 2


def test_an_import_takes_the_seats_of_expired_invitations(desk: Desk) -> None:
    full = Desk(new_world(desk.world.app, seats=2))
    invited_and_late(full, "ann@x.test")
    rows = [Row(2, {"userName": "bob@x.test", "active": "true"}), Row(3, {"userName": "cat@x.test", "active": "true"})]
    for dry_run in (True, False):
        (results,) = import_rows(full.directory, full.call, rows, dry_run=dry_run)
        assert [each.outcome for each in results] == [Outcome.CREATED, Outcome.REJECTED]


def test_the_seats_of_expired_invitations_have_one_winner_each(desk: Desk) -> None:
    full = Desk(new_world(desk.world.app, seats=3))
    late = invited_and_late(full, "ann@x.test", "bob@x.test")
    client = full.world.client()

    def post(number: int) -> int:
        return client.post("/Users", {"userName": f"new{number}@x.test"}).status

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(post, range(8)))
    assert answers == [201, 201, *[403] * 6]
    assert ledger_pool(full) == (3, 0)
    assert all(acts(full, each).count("contact.invitation_expired") == 1 for each in late)


def test_a_look_changes_nothing_where_no_invitation_is_past_its_time(desk: Desk) -> None:
    ann = desk.person("ann@x.test")
    desk.invite(ann)
    before = acts(desk, ann)
    assert desk.world.client().get("/Users").json["totalResults"] == 2
    assert acts(desk, ann) == before


def test_a_dry_run_writes_no_expiry(desk: Desk) -> None:
    full = Desk(new_world(desk.world.app, seats=2))
    (ann,) = invited_and_late(full, "ann@x.test")
    rows = [Row(1, {"userName": "bob@x.test", "active": "true"})]
    (results,) = import_rows(full.directory, full.call, rows, dry_run=True)
    assert [each.outcome for each in results] == [Outcome.CREATED]
    assert acts(full, ann)[-1] == "contact.reinvited"
    assert ledger_pool(full) == (1, 1)


def test_a_dry_run_that_loses_a_race_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise LostRace

    monkeypatch.setattr(batch, "by_user_names", lost)
    with pytest.raises(Busy, match="try again when they are done"):
        list(import_rows(desk.directory, desk.call, [Row(1, {"userName": "bob@x.test"})], dry_run=True))


def test_who_looks_at_a_contact_or_the_seats_sees_the_truth(desk: Desk) -> None:
    (ann,) = invited_and_late(desk, "ann@x.test")
    assert life.show(desk.directory, desk.call.actor, ann).contact.status is Status.INACTIVE
    for look in (seats.show, seats.holders):
        (bob,) = invited_and_late(desk, f"{look.__name__}@x.test")
        look(desk.directory, desk.call.actor, "member")
        assert acts(desk, bob)[-1] == "contact.invitation_expired"
    assert ledger_pool(desk) == (1, 0)
