"""Servers that answer what nobody expects, or are asked too much: nothing leaks, ends early or never, or is blamed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from conformance import exchange as exchanges
from conformance.case import Case, Step, all_cases
from conformance.cli import command
from conformance.discovery import discover
from conformance.exchange import Elsewhere, Target, Throttled, Unreachable, Unsendable
from conformance.procedures import PROCEDURES
from conformance.runner import Outcome, Result, path_of, remove, run
from tests.conformance.tiny import TOKEN, URL, Tiny

Answering = Callable[[httpx.Request], httpx.Response]


def answered_by(answer: Answering, **parts: Any) -> Target:
    return Tiny().target(client=httpx.Client(transport=httpx.MockTransport(answer)), **parts)


def ended(target: Target, *steps: Step) -> Result:
    case = Case(id="rfc0/1/a", requirement="It does.", level="MUST", profile="rfc", steps=steps)
    return run([case], target, discover(target), PROCEDURES)[0]


@pytest.mark.parametrize(
    "place",
    [
        "http://other.example/v2/Users/1",
        "https://tiny.example/v2/Users/1",
        "http://tiny.example:81/v2/Users/1",
        "http://tiny.example@other.example/",
    ],
)
def test_no_other_host_is_asked(place: str) -> None:
    tiny = Tiny()
    with pytest.raises(Elsewhere):
        tiny.target().send("GET", place)
    assert tiny.asked == []
    assert tiny.target().send("GET", "http://TINY.example:80/v2/Users/1").status == 404


def test_a_path_does_not_become_part_of_the_host() -> None:
    tiny = Tiny()
    with pytest.raises(Elsewhere):
        tiny.target(url="http://tiny.example").send("GET", "@other.example/")
    assert tiny.asked == []


def test_a_location_on_another_host_is_no_failure() -> None:
    assert ended(Tiny().target(), Step(send="GET http://other.example/Users/1")).outcome is Outcome.UNSUPPORTED


@pytest.mark.parametrize("token", ["a-token\x01of-tests", "a-tokén-of-tests"])
def test_a_token_that_no_header_can_have_is_not_shown(token: str) -> None:
    for options in (["--token", token], ["--header", f"X-Key: {token}"]):
        done = CliRunner().invoke(command, ["--url", URL, *options])
        assert done.exit_code == 2
        assert "of-tests" not in done.output


@pytest.mark.parametrize(
    "options",
    [("--url", "http://[::1"), ("--url", URL, "--user", '{"a": NaN}'), ("--url", URL, "--user", '{"a": "\\ud800"}')],
)
def test_what_cannot_be_sent_is_a_wrong_command(options: tuple[str, ...]) -> None:
    assert CliRunner().invoke(command, options).exit_code == 2


def test_whoever_is_asked_too_much_is_left_alone_for_a_while() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    told = iter([{"retry-after": later}, {}, {"retry-after": "0"}, None])

    def answer(_: httpx.Request) -> httpx.Response:
        headers = next(told)
        return httpx.Response(200 if headers is None else 429, headers=headers, json={})

    waited: list[float] = []
    assert answered_by(answer, wait=waited.append).send("GET", "/Users").status == 200
    assert waited == [30, 2, 0]


def test_whoever_is_always_asked_too_much_is_not_judged() -> None:
    waited: list[float] = []
    throttled = answered_by(lambda _: httpx.Response(429), wait=waited.append)
    with pytest.raises(Throttled):
        throttled.send("GET", "/Users")
    assert waited == [1, 2, 4]
    with pytest.raises(Throttled):
        answered_by(lambda _: httpx.Response(503, headers={"retry-after": "1"})).send("GET", "/Users")
    assert answered_by(lambda _: httpx.Response(503)).send("GET", "/Users").status == 503
    tiny = Tiny(instead=lambda _, path: (429, {}) if path == "/Users" else None)
    assert ended(tiny.target(), Step(send="GET /Users")).outcome is Outcome.SETUP_FAILED


def test_a_run_waits_two_minutes_at_most() -> None:
    waited: list[float] = []
    target = answered_by(lambda _: httpx.Response(429, headers={"retry-after": "99"}), wait=waited.append)
    for _ in range(4):
        with pytest.raises(Throttled):
            target.send("GET", "/Users")
    assert sum(waited) == 120


def endless() -> Iterator[bytes]:
    while True:
        yield b" " * 1000


@pytest.mark.parametrize(("limit", "said"), [("LARGEST", "5000 bytes"), ("deadline", "-1 seconds")])
def test_an_answer_without_end_is_left(limit: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "LARGEST", 5000)
    target = answered_by(lambda _: httpx.Response(200, content=endless()), deadline=-1 if limit == "deadline" else 60)
    with pytest.raises(Unreachable, match=said):
        target.send("GET", "/Users")


def test_answers_are_read_whatever_charset_they_name() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        headers = {"content-type": "application/json; charset=base64", "content-encoding": "gzip"}
        return httpx.Response(200, headers=headers, content=gzip.compress('{"a": "é"}'.encode()))

    assert answered_by(answer).send("GET", "/Users").body == {"a": "é"}


def test_json_that_is_nested_too_deep_is_no_json() -> None:
    deep = "[" * 200_000
    assert answered_by(lambda _: httpx.Response(200, text=deep)).send("GET", "/Users").body is None


def test_half_of_a_surrogate_pair_is_sent_back_or_not_at_all() -> None:
    target = Tiny().target()
    sent = target.send("POST", "/Users", body={"displayName": "\ud800"})
    assert sent.body["displayName"] == "\ud800"
    sent.request_body.encode()
    with pytest.raises(Unsendable):
        target.send("GET", "/Users/\ud800")
    with pytest.raises(Unsendable):
        target.send("GET", "/Users", headers={"if-match": "\ud800"})
    result = ended(target, Step(send="GET /Users/\ud800"))
    assert result.outcome is Outcome.SETUP_FAILED
    result.message.encode()


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("http://tiny.example/v2/Users/a%20b", "/Users/a%20b"),
        ("Users/a b?c=d#e", "/Users/a%20b"),
        ("/v2/Groups/\ud800/", "/Groups/%ED%A0%80"),
        ("Users/%2e%2e", "/Users/.."),
    ],
)
def test_a_path_to_remove_is_quoted(location: str, path: str) -> None:
    assert path_of(location) == path


def test_nothing_but_a_user_or_group_is_removed() -> None:
    tiny, left = Tiny(kept={"/Users/1": {}}), list[str]()
    odd = ["/Users/..", "/Users/.", "/Users/", "/v2/Users", "//", "/Things/1"]
    remove(tiny.target(), ["/Users/1", *odd], left.append)
    assert (tiny.asked, left) == (["DELETE /Users/1"], odd[::-1])


def test_what_the_server_names_is_removed_by_a_quoted_id() -> None:
    made = {"id": "a/b \ud800"}
    tiny = Tiny(instead=lambda method, path: (201, made) if (method, path) == ("POST", "/Users") else None)
    assert ended(tiny.target(), Step(send="POST /Users", body={})).outcome is Outcome.PASS
    assert tiny.asked[-1].startswith("DELETE /Users/a/b ")  # as the path reads once it is unquoted


RESOURCE: Any = {"id": 5, "schemas": None, "meta": None, "userName": 7, "emails": [None], "members": {}}
PAGE: Any = {"totalResults": "1", "Resources": [None, [], "x", {}], "Operations": [None, 1, {}], "attributes": [None]}
CONFIG: Any = {
    "patch": [], "bulk": {"supported": True, "maxOperations": 2, "maxPayloadSize": 99}, "filter": {"maxResults": 1},
    "authenticationSchemes": [None], "securityEvents": {"eventUris": [None], "asyncRequest": []}, "sort": True,
}  # fmt: skip
TYPES: Any = [
    {"name": name, "id": 1, "schema": 5, "endpoint": None, "schemaExtensions": [None, {}]} for name in ("User", 5)
]
SCHEMAS: Any = [{"id": "5", "attributes": [None, {"name": None, "subAttributes": [None]}, {"type": []}]}]


def nulls(method: str, path: str) -> tuple[int, Any]:
    listed: dict[str, Any] = {"/ServiceProviderConfig": CONFIG, "/ResourceTypes": {"Resources": TYPES}}
    listed["/Schemas"] = {"Resources": SCHEMAS}
    if path in listed:
        return 200, listed[path]
    return (201, RESOURCE) if method == "POST" and path != "/Bulk" else (200, {**RESOURCE, **PAGE})


@pytest.mark.parametrize(
    "instead",
    [
        nulls,
        lambda *_: (200, {}),
        lambda *_: (200, [None]),
        lambda *_: (200, "text"),
        lambda *_: (404, {"status": "404"}),
        lambda method, _: (201 if method == "POST" else 200, {"id": [1], "Resources": [None], "meta": 5}),
        lambda method, path: (201 if method == "POST" else 200, {"id": "a", "Resources": {}, "schemas": [None, {}]}),
    ],
    ids=["nulls", "objects", "lists", "texts", "nothing", "odd-ids", "odd-lists"],
)
def test_no_answer_breaks_the_suite(instead: Callable[[str, str], tuple[int, Any]]) -> None:
    target = Tiny(instead=instead).target()
    results = run(all_cases(), target, discover(target), PROCEDURES)
    assert [f"{each.case.id}: {each.message}" for each in results if each.outcome is Outcome.BROKEN] == []


def test_reports_that_are_none_are_not_compared(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    for content in (
        json.dumps({"cases": [{"id": "a", "outcome": "splendid"}]}),
        json.dumps({"cases": [5]}),
        "[" * 200_000,
    ):
        report.write_text(content)
        assert CliRunner().invoke(command, ["compare", str(report), str(report)]).exit_code == 2


def test_the_token_is_sent_without_blanks_around_it() -> None:
    done = CliRunner().invoke(command, ["--url", "http://127.0.0.1:9/v2", "--token", f" {TOKEN}\n"])
    assert done.exit_code == 3
