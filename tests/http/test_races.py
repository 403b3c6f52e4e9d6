"""Simultaneous requests against two worker processes: nothing is granted twice, lost or refused for nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from scim_server.storage import ledger
from scim_server.storage.db import reading
from tests.http.conftest import Site
from tests.support import PATCH_URN, USER_URN, Client, World

CONNECTIONS = 16
Send = Callable[[httpx.Client], httpx.Response]


def _at_once(site: Site, client: Client, sends: Sequence[Send]) -> list[httpx.Response]:
    """The answers to all requests, begun together on up to CONNECTIONS connections."""
    threads = min(CONNECTIONS, len(sends))
    start = threading.Barrier(threads)
    with site.http(client) as http, ThreadPoolExecutor(threads, initializer=start.wait) as pool:
        return list(pool.map(lambda send: send(http), sends))


def _counted(answers: Sequence[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def _post(user_name: str) -> Send:
    return lambda http: http.post("/Users", json={"schemas": [USER_URN], "userName": user_name})


def _patch(path: str, op: str, target: str, value: Any, **headers: str) -> Send:
    body = {"schemas": [PATCH_URN], "Operations": [{"op": op, "path": target, "value": value}]}
    return lambda http: http.patch(path, json=body, headers=headers)


def _seats(world: World) -> tuple[int, int]:
    """(purchased, assigned)"""
    with reading(world.directory.engine) as db:
        pool = ledger.pool(db, world.workspace_id, "member")
    return pool.purchased, pool.assigned


def test_the_last_seats_have_as_many_winners(site: Site) -> None:
    world = site.world(seats=6)
    client = world.client()
    answers = _at_once(site, client, [_post(f"user-{number}@x.test") for number in range(40)])
    assert _counted(answers) == {201: 5, 403: 35}, [answer.text for answer in answers]
    assert _seats(world) == (6, 6)
    assert client.get("/Users?count=0").json["totalResults"] == 6


def test_one_user_name_has_one_winner(site: Site) -> None:
    client = site.world().client()
    spelt = ("one@x.test", "ONE@x.test", "One@X.test")
    answers = _at_once(site, client, [_post(spelt[number % 3]) for number in range(12)])
    assert _counted(answers) == {201: 1, 409: 11}
    assert {answer.json()["scimType"] for answer in answers if answer.status_code == 409} == {"uniqueness"}
    assert client.get('/Users?filter=userName eq "one@x.test"').json["totalResults"] == 1


def test_one_group_name_has_one_winner(site: Site) -> None:
    client = site.world().client()
    answers = _at_once(site, client, [lambda http: http.post("/Groups", json={"displayName": "G"})] * 12)
    assert _counted(answers) == {201: 1, 409: 11}


def test_no_member_is_lost(site: Site) -> None:
    client = site.world().client()
    people = [client.user(f"member-{number}@x.test")["id"] for number in range(20)]
    path = f"/Groups/{client.group('Everyone')['id']}"
    answers = _at_once(site, client, [_patch(path, "add", "members", [{"value": person}]) for person in people])
    assert _counted(answers) == {204: 20}
    group = client.get(path).json
    assert {member["value"] for member in group["members"]} == set(people)
    assert group["meta"]["version"] == 'W/"21"'
    removals = [_patch(path, "remove", f'members[value eq "{person}"]', None) for person in people[1:]]
    assert _counted(_at_once(site, client, removals)) == {204: 19}
    assert [member["value"] for member in client.get(path).json["members"]] == people[:1]


def test_of_two_writers_with_one_version_one_wins(site: Site) -> None:
    client = site.world().client()
    for path, status in ((f"/Users/{client.user('a@x.test')['id']}", 200), (f"/Groups/{client.group('G')['id']}", 204)):
        for turn in range(5):
            version = client.get(path).json["meta"]["version"]
            names = (f"first {turn}", f"second {turn}")
            sends = [_patch(path, "replace", "displayName", name, **{"If-Match": version}) for name in names]
            answers = _at_once(site, client, sends)
            assert _counted(answers) == {status: 1, 412: 1}
            won = names[[answer.status_code for answer in answers].index(status)]
            assert client.get(path).json["displayName"] == won


def test_reactivations_share_the_last_seats(site: Site) -> None:
    world = site.world(seats=4)
    client = world.client()
    people = [client.user(f"user-{number}@x.test", active=False)["id"] for number in range(10)]
    sends = [_patch(f"/Users/{person}", "replace", "active", True) for person in people * 4]
    answers = _at_once(site, client, sends)
    # a winner's other three requests find it active already
    assert _counted(answers) == {200: 12, 403: 28}, [answer.text for answer in answers]
    active = client.get("/Users?filter=active eq true").json
    assert active["totalResults"] == 1 + 3
    assert _seats(world) == (4, 4)


def test_freed_and_claimed_at_once_no_seat_is_lost(site: Site) -> None:
    """Deactivations and creations together: whatever the order, a seat has one holder and a holder one seat."""
    world = site.world(seats=6)
    client = world.client()
    people = [client.user(f"old-{number}@x.test")["id"] for number in range(5)]
    sends = [_patch(f"/Users/{person}", "replace", "active", False) for person in people]
    creations = [_post(f"new-{number}@x.test") for number in range(15)]
    mixed = [send for number, each in enumerate(creations) for send in (each, *sends[number : number + 1])]
    answers = _counted(_at_once(site, client, mixed))
    assert answers[200] == 5
    assert answers[201] + answers[403] == 15
    assert answers[201] <= 5
    assert _seats(world) == (6, 1 + answers[201])
    assert client.get("/Users?filter=active eq true").json["totalResults"] == 1 + answers[201]
