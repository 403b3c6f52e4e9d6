"""The request log: every request of a connection, and nothing of what was sent with it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from scim_server.app import close, create_app
from scim_server.directory import access, requests
from scim_server.directory.requests import Row, Wanted
from scim_server.domain.actor import system
from scim_server.http.audit import MOST_WAITING, Noted, RequestLog
from scim_server.http.leave_out import detail_reader, reader_of
from scim_server.scim.schema import CORE
from scim_server.settings import Settings
from scim_server.storage.db import Busy, reading
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.support import Client, World, new_world, serving

TRACES = ("zerafina", "quillmark", "5550987")


def rows(world: World, **wanted: Any) -> list[Row]:
    """The workspace's requests, oldest first."""
    world.app.extensions["guard"].log.flush()
    found = requests.newest(world.directory, system(world.workspace_id), Wanted(**wanted))
    return [row for row, _ in reversed(found)]


def test_each_request_is_a_row(world: World, client: Client) -> None:
    made = client.post("/Users", {"userName": "kim@x.test"})
    person = made.json["id"]
    client.get(f"/Users/{person}")
    client.get("/Users?filter=title eq 5 and")
    first, second, third = rows(world)
    assert first.id == made.headers["X-Request-Id"]
    assert (first.method, first.path, first.status, first.resource_id) == ("POST", "/scim/v2/Users", 201, person)
    assert (second.method, second.path, second.resource_id) == ("GET", f"/scim/v2/Users/{person}", person)
    assert first.duration > 0
    assert first.at <= second.at
    assert (third.status, third.path) == (400, "/scim/v2/Users?filter=title eq … and")
    assert (third.error or "").startswith("invalidFilter: ")
    assert rows(world, errors=True) == [third]
    assert rows(world, status=201) == [first]
    world.app.test_client().get("/api/items?owner=x", headers={"Authorization": f"Bearer {client.token}"})
    assert rows(world)[-1].path == "/api/items?…=…"


def test_nothing_that_was_sent_is_kept(world: World, client: Client) -> None:
    client.post("/Users", {"userName": "zerafina@quillmark.test", "password": "Quillmark-1", "name": "Zerafina"})
    for path in (
        '/Users?filter=userName eq "zerafina@quillmark.test"',
        '/Users?filter=userName eq "zerafina \\" quillmark',
        "/Users?filter=zerafina eq quillmark&zerafina=quillmark&count=5550987",
        "/Users?filter=userName eq zerafina and",
        "/Users?filter=emails[value eq 'zerafina quillmark']",
        "/Users/zerafina@quillmark.test",
        "/zerafina/quillmark?attributes=quillmark&sortBy=zerafina",
        "/v5550987/Users",
        "/Schemas/urn:zerafina",
        "/Users?startIndex=zerafina",
    ):
        client.get(path)
    client.request("ZERAFINA", "/Users")
    client.post("/Users", {"userName": 5, "zerafina": "quillmark"})
    kept = rows(world)
    assert len(kept) == 13
    with reading(world.directory.engine) as db:
        stored = str(db.execute(text("SELECT * FROM requests")).all()).lower()
    assert [trace for trace in TRACES if trace in stored] == []
    assert client.token not in stored


def test_what_no_database_keeps_costs_no_row(world: World, client: Client) -> None:
    """PostgreSQL's text holds no NUL: one such row would take all that are written with it along."""
    sent = (
        client.get("/Users?filter=title%00 eq 5"),
        client.get("/Users?filter=title eq %00"),
        client.get("/Users?filter=%00"),
        client.get("/Users?sortBy=%00&count=%00&%00=1"),
        client.get("/Users/%00"),
        client.get("/%00/x"),
        client.post("/Users", {"userName": "a\0b"}),
        client.post("/Users", {"userName": "ab", "a\0b": 1, "schemas": ["\0"]}),
        client.patch("/Users/x", {"op": "\0", "path": "\0", "value": "\0"}),
        client.request("POST", "/Users", data=b'{"userName": "\0"}'),
    )
    assert [row.id for row in rows(world)] == [answer.headers["X-Request-Id"] for answer in sent]
    log: RequestLog = world.app.extensions["guard"].log
    body = b'{"scimType": "invalidValue", "detail": "a \\u0000 b"}'
    connection = access.list_connections(world.directory, world.name)[0]
    log.note(Noted(connection, world.directory.new_id(), log.now(), 1, "GET", "/scim/v2/Users", "", 400, "", body))
    assert rows(world)[-1].error == "invalidValue: a … b"


def test_what_is_left_out_of_a_path() -> None:
    read = reader_of(CORE)
    assert (
        read("/scim/v2/Users", "filter=userName+eq+%22kim%22&count=2") == "/scim/v2/Users?filter=userName eq …&count=…"
    )
    assert read("/scim/v2/Users", 'filter=emails[type eq "work" and primary eq true]') == (
        "/scim/v2/Users?filter=emails[type eq … and primary eq …]"
    )
    assert read("/scim/v2/Groups", "filter=members.value pr&excludedAttributes=members") == (
        "/scim/v2/Groups?filter=members.value pr&excludedAttributes=…"
    )


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("The userName 'it''s' is in use, can't go.", "The userName … is in use, can't go."),
        ("Unknown at position 3: kim▶x", "Unknown at position 3: …"),
        ("'Operations' must be a list.", "'Operations' must be a list."),
        ("Operation 2: 'path' must be a string.", "Operation 2: 'path' must be a string."),
        ("A User has no attribute 'zerafina'.", "A User has no attribute …."),
        ("'name.familyName' can't be that.", "'name.familyName' can't be that."),
        (
            "Operation 1: without a 'path', 'value' must be a JSON object.",
            "Operation 1: without a 'path' … must be a JSON object.",
        ),
        ("'emails' is zerafina' is wrong", "'emails' … is wrong"),
    ],
)
def test_what_is_left_out_of_a_refusal(said: str, kept: str) -> None:
    assert detail_reader(CORE)(said) == kept


def test_a_bulk_request_is_one_row(world: World, client: Client) -> None:
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": {"userName": f"k{n}@x.test"}} for n in "12"
    ]
    client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
    assert [row.path for row in rows(world)] == ["/scim/v2/Bulk"]


def test_what_the_database_does_not_take_is_dropped_and_told(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any) -> None:
        raise Busy("the database can't be written to now")

    rows(world)
    monkeypatch.setattr("scim_server.http.audit.requests.keep", away)
    assert client.get("/Users").status == 200
    assert rows(world) == []
    told = capsys.readouterr().err
    assert "requests dropped" in told
    assert '"count": 1' in told
    monkeypatch.setattr("scim_server.http.audit.MOST_WAITING", 0)
    client.get("/Users")
    rows(world)
    assert "more came than could be written" in capsys.readouterr().err
    assert MOST_WAITING


def test_old_requests_are_swept(world: World, client: Client) -> None:
    client.get("/Users")
    assert len(rows(world)) == 1
    requests.sweep(world.directory, 1)
    assert len(rows(world)) == 1
    requests.sweep(world.directory, 0)
    assert rows(world) == []


def test_what_waits_is_written_when_an_application_is_closed(new_database: Callable[[str], str]) -> None:
    app = create_app(Settings(database_url=new_database("sqlite")))
    engine = app.extensions["directory"].engine
    upgrade(engine)
    assert new_world(app).client().get("/Users").status == 200
    close(app)
    assert engine.pool.checkedin() == 0
    with reading(engine) as db:
        assert db.scalar(text("SELECT count(*) FROM requests")) == 1
    engine.dispose()


def test_without_days_there_is_no_log(new_database: Callable[[str], str]) -> None:
    app = create_app(Settings(database_url=new_database("sqlite"), request_log_days=0))
    upgrade(app.extensions["directory"].engine)
    assert not app.extensions["guard"].log.is_kept
    close(app)


@pytest.mark.parametrize("kind", DATABASES)
def test_a_worker_writes_what_waits_when_it_ends(kind: str, new_database: Callable[[str], str]) -> None:
    with serving(new_database(kind), workers=2) as served:
        with served.client() as http:
            for _ in range(20):
                assert http.get("/Users").status_code == 200
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(60)
        app = create_app(Settings(database_url=served.database_url))
        engine = app.extensions["directory"].engine
        with reading(engine) as db:
            assert db.scalar(text("SELECT count(*) FROM requests")) == 20
        engine.dispose()
