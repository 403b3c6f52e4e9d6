"""What was acknowledged is still there after the whole server was killed under load, and nothing is half done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import select

from scim_server.domain.events import Kind
from scim_server.opening import open_directory
from scim_server.settings import Settings
from scim_server.storage.db import reading
from scim_server.storage.tables import activity, contacts, members, outbox, seats
from tests.conftest import DATABASES
from tests.support import Served, kill_group, patch_body, serving

WRITERS = 8
ENOUGH = 200


@dataclass
class Log:
    """What the server has acknowledged; `asked` are deactivations whose answer may never have come."""

    created: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    deactivated: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)
    enough: threading.Event = field(default_factory=threading.Event)

    def note(self, acknowledged: set[str], user_id: str) -> None:
        acknowledged.add(user_id)
        if len(self.created) + len(self.deactivated) + len(self.joined) >= ENOUGH:
            self.enough.set()


def _write(server: Served, group: str, writer: int, log: Log) -> None:
    """Create users, put them in the group, and deactivate every other one, until the server is gone."""
    with server.client() as http:
        try:
            for number in range(10_000):
                answer = http.post("/Users", json={"userName": f"{writer}-{number}@x.test"})
                assert answer.status_code == 201, answer.text
                user_id = answer.json()["id"]
                log.note(log.created, user_id)
                _change(http, group, {"op": "add", "path": "members", "value": [{"value": user_id}]})
                log.note(log.joined, user_id)
                if number % 2:
                    log.asked.add(user_id)
                    _change(http, f"/Users/{user_id}", {"op": "replace", "path": "active", "value": False})
                    log.note(log.deactivated, user_id)
        except httpx.TransportError:
            return


def _change(http: httpx.Client, path: str, operation: dict[str, object]) -> None:
    answer = http.patch(path, json=patch_body(operation))
    assert answer.status_code in (200, 204), answer.text


@pytest.mark.parametrize("kind", DATABASES)
def test_kill_under_load(kind: str, new_database: Callable[[str], str]) -> None:
    url, log = new_database(kind), Log()
    with serving(url, workers=2) as server, ThreadPoolExecutor(WRITERS) as pool:
        with server.client() as http:
            group = "/Groups/" + http.post("/Groups", json={"displayName": "G"}).json()["id"]
        writers = [pool.submit(_write, server, group, writer, log) for writer in range(WRITERS)]
        wrote_enough = log.enough.wait(timeout=60)
        kill_group(server.process)
        assert wrote_enough
        for writer in writers:
            writer.result(timeout=60)
    with serving(url, workers=2) as again:
        assert again.token is None, "the database isn't empty"
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=f"{again.url}/scim/v2", headers=headers, timeout=60) as http:
            _check_answers(http, group, log)
            assert http.post("/Users", json={"userName": "after@x.test"}).status_code == 201
    _check_tables(url)


def _check_answers(http: httpx.Client, group: str, log: Log) -> None:
    found = {}
    for start in range(1, 2_000, 1_000):
        page = http.get(f"/Users?startIndex={start}&count=1000").json()["Resources"]
        found.update({user["id"]: user["active"] for user in page})
    assert log.created <= found.keys()
    for user_id in log.created:
        if user_id in log.deactivated:
            assert found[user_id] is False
        elif user_id not in log.asked:
            assert found[user_id] is True
    kept = {member["value"] for member in http.get(group).json()["members"]}
    assert log.joined <= kept


def _check_tables(url: str) -> None:
    """The laws that span tables hold: one seat for each active contact, one record for each creation."""
    directory = open_directory(Settings(database_url=url))
    with reading(directory.engine) as db:
        everyone = set(db.scalars(select(contacts.c.id)))
        active = set(db.scalars(select(contacts.c.id).where(contacts.c.status == "active")))
        holders = list(db.scalars(select(seats.c.holder_id).where(seats.c.holder_id.is_not(None))))
        created = list(db.scalars(select(activity.c.subject_id).where(activity.c.act == "contact.provisioned")))
        recorded = set(db.scalars(select(activity.c.id).where(activity.c.act.in_([kind.value for kind in Kind]))))
        sent = set(db.scalars(select(outbox.c.id)))
        joined = set(db.scalars(select(members.c.contact_id)))
    directory.engine.dispose()
    assert len(holders) == len(active)
    assert set(holders) == active
    assert len(created) == len(everyone)
    assert set(created) == everyone
    assert recorded == sent
    assert joined <= everyone
