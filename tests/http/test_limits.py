"""Requests of a connection and failures to authenticate are limited, and slow clients hold nobody up."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from flask import Flask

from scim_server.app import close, create_app
from scim_server.directory import Directory
from scim_server.http.limits import FAILURES, Throttle, open_storage
from scim_server.settings import Settings
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.support import MEDIA_TYPE, Client, Served, new_world, serving


@pytest.fixture(params=DATABASES)
def limited(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Flask]:
    """An application in which a connection has three requests an hour's worth of seconds, so that no window ends."""
    app = create_app(Settings(database_url=new_database(request.param), rate_limit="1/3600"))
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    yield app
    close(app)


def spend(client: Client, times: int) -> None:
    for _ in range(times):
        assert client.get("/ServiceProviderConfig").status == 200


def test_a_request_beyond_the_limit_is_refused_before_any_work(limited: Flask) -> None:
    world = new_world(limited)
    client, other = world.client(), world.client()
    spend(client, 3600)
    refused = client.post("/Users", {"userName": "kim@x.test"})
    assert refused.status == 429
    assert refused.json["status"] == "429"
    assert refused.headers["Content-Type"].startswith(MEDIA_TYPE)
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    assert other.get('/Users?filter=userName eq "kim@x.test"').json["totalResults"] == 0
    by_api = world.app.test_client().get("/api/items", headers={"Authorization": f"Bearer {client.token}"})
    assert by_api.status_code == 429
    assert int(by_api.headers["Retry-After"]) >= 1
    assert by_api.json is not None
    assert by_api.json["error"]["code"] == "tooManyRequests"
    assert world.app.test_client().get("/healthz").status_code == 200


def test_a_bulk_request_is_one_request(new_database: Callable[[str], str]) -> None:
    app = create_app(Settings(database_url=new_database("sqlite"), rate_limit="2"))
    upgrade(app.extensions["directory"].engine)
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": {"userName": f"k{n}@x.test"}} for n in range(20)
    ]
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = new_world(app).client().post("/Bulk", body)
    assert [each["status"] for each in answer.json["Operations"]] == ["201"] * 20
    close(app)


@pytest.mark.parametrize("value", ["", "0", "fast", "5/0", "500/1200", "1/-1", "1.5"])
def test_a_rate_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="rate_limit"):
        Settings(rate_limit=value)


def test_rates() -> None:
    assert [Settings(rate_limit=each).rate() for each in ("500/2000", "50", "off")] == [(500, 2000), (50, 50), None]


def test_a_storage_that_is_none_is_refused(new_database: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="can't be kept there"):
        create_app(Settings(database_url=new_database("sqlite"), limit_storage="nowhere://"))


def test_unknown_tokens_are_throttled_and_valid_ones_behind_the_same_address_are_not(limited: Flask) -> None:
    client = new_world(limited).client()
    stranger = Client(limited, "scim_unknown")
    answers = Counter(stranger.get("/Users").status for _ in range(FAILURES["token"].by_address.amount))
    assert set(answers) == {401}
    refused = stranger.get("/Users")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "WWW-Authenticate" not in refused.headers
    api = limited.test_client().get("/api/items", headers={"Authorization": "Bearer scim_unknown"})
    assert (api.status_code, int(api.headers["Retry-After"]) >= 1) == (429, True)
    assert client.get("/ServiceProviderConfig").status == 200
    assert limited.test_client().get("/scim/v2/Users").status_code == 401, "who tries nothing isn't counted"


def test_failures_count_by_address_and_by_name() -> None:
    throttle = Throttle(open_storage("memory://"))
    row = FAILURES["sign-in"]
    for number in range(row.by_name.amount):
        assert throttle.check("sign-in", f"192.0.2.{number}", "kim@x.test") is None
        throttle.failed("sign-in", f"192.0.2.{number}", "kim@x.test")
    wait = throttle.check("sign-in", "198.51.100.1", "kim@x.test")
    assert wait is not None
    assert 1 <= wait <= row.by_name.get_expiry()
    assert throttle.check("sign-in", "198.51.100.1", "lee@x.test") is None
    assert throttle.check("client", "198.51.100.1", "kim@x.test") is None, "each kind has its own counts"
    for number in range(row.by_address.amount):
        throttle.failed("sign-in", "203.0.113.5", f"{number}@x.test")
    assert throttle.check("sign-in", "203.0.113.5", "new@x.test") is not None
    assert throttle.check("sign-in", "203.0.113.6", "new@x.test") is None
    assert throttle.check("sign-in", "::ffff:203.0.113.5", "new@x.test") is not None
    assert throttle.check("sign-in", "", "\udc80" * 10_000) is None


def test_an_ipv6_address_counts_by_its_64_bits_of_network() -> None:
    throttle = Throttle(open_storage("memory://"))
    for number in range(FAILURES["token"].by_address.amount):
        throttle.failed("token", f"2001:db8:0:1::{number:x}")
    assert throttle.check("token", "2001:db8:0:1:ffff::1%eth0") is not None
    assert throttle.check("token", "2001:db8:0:2::1") is None


@pytest.mark.parametrize("kind", DATABASES)
def test_a_load_beyond_the_limit_gets_429_and_others_are_unharmed(
    kind: str, new_database: Callable[[str], str]
) -> None:
    """The limit is 50 a second: 400 requests as fast as they go, more than 200 a second, and another connection's."""
    with serving(new_database(kind), environment={"SCIM_SERVER_RATE_LIMIT": "50"}) as served:
        app = create_app(Settings(database_url=served.database_url))
        quiet = new_world(app).client().token
        with served.client() as loud, served.client(quiet) as other, ThreadPoolExecutor(8) as pool:
            load = [pool.submit(loud.get, "/Users?count=1") for _ in range(400)]
            calm = [other.get("/Users?count=1").status_code for _ in range(40)]
            answers = [each.result() for each in load]
        close(app)
    assert calm == [200] * 40
    statuses = Counter(each.status_code for each in answers)
    assert set(statuses) == {200, 429}
    refused = [each for each in answers if each.status_code == 429]
    assert all(int(each.headers["Retry-After"]) >= 1 for each in refused)
    assert all(each.json()["status"] == "429" for each in refused)


def opened_to(served: Served, said: bytes) -> socket.socket:
    """A connection on which this much was said, and then nothing."""
    address = urlsplit(served.url)
    client = socket.create_connection((address.hostname or "", address.port or 0), timeout=60)
    client.sendall(said)
    return client


def unfinished(token: str | None, *, length: int = 100) -> bytes:
    """A request whose body doesn't come."""
    lines = ("POST /scim/v2/Users HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", f"Content-Length: {length}")
    return "\r\n".join((*lines, f"Content-Type: {MEDIA_TYPE}", "", '{"userName": ')).encode()


def make_user(http: httpx.Client, name: str) -> int:
    return http.post("/Users", content=json.dumps({"userName": name})).status_code


@pytest.mark.parametrize("kind", DATABASES)
def test_slow_clients_hold_nobody_up(kind: str, new_database: Callable[[str], str]) -> None:
    """Two hundred of them, many more than may work at a time, and reads and writes go on."""
    with serving(new_database(kind)) as served, ExitStack() as kept, served.client() as http:
        half = b"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nX-Slow: "
        slow = [kept.enter_context(opened_to(served, unfinished(served.token))) for _ in range(100)]
        slow += [kept.enter_context(opened_to(served, half)) for _ in range(100)]
        for number in range(20):
            assert http.get("/Users?count=1").status_code == 200
            assert make_user(http, f"k{number}@x.test") == 201
            for each in slow[-100:]:
                each.sendall(b"a")


def test_slow_headers_and_silence_are_cut_off(new_database: Callable[[str], str]) -> None:
    with serving(new_database("sqlite"), environment={"SCIM_SERVER_CLIENT_SECONDS": "1"}) as served:
        for said in (b"GET /healthz HTTP/1.1\r\nHost", b""):
            with opened_to(served, said) as headers:
                assert headers.recv(4096) == b"", "closed without a word"
        with served.client() as http:
            assert make_user(http, "kim@x.test") == 201


def test_a_body_in_pieces_is_whole(new_database: Callable[[str], str]) -> None:
    """Beyond the 64 KiB that are read at once, and without a length."""

    def pieces(body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    with serving(new_database("sqlite")) as served, served.client() as http:
        for length in (10, 65_535 - 45, 65_536 - 45, 300_000):
            sent = {"userName": f"k{length}@x.test", "title": "x" * length}
            answer = http.post("/Users", content=pieces(json.dumps(sent).encode()))
            assert answer.status_code == 201, answer.text
            assert answer.json()["title"] == sent["title"]
