"""Law: whatever is sent, wherever to, the answer is one that the protocol knows, and never a fault of the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, partial
from secrets import token_bytes
from typing import Any, Final
from urllib.parse import quote, unquote

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from scim_server.directory import access
from scim_server.scim.bulk import BULK_URN, RESPONSE_URN
from scim_server.scim.protocol import LIST_URN, ROUTES, SEARCH_URN
from scim_server.scim.schema import GROUP, USER
from tests.laws.test_patch_laws import JSON, operations, targets
from tests.support import CORPUS, ERROR_URN, MEDIA_TYPE, PATCH_URN, Answer, Client, new_world

# Ids can't be known when a request is drawn: these stand for them, in paths, queries and bodies.
STANDS_FOR: Final = ("{ann}", "{bob}", "{team}", "{crew}", "{owner}", "{me}", "{cursor}")
CALLERS: Final = ("generic", "strict", "okta", "google", "me", "viewer", "nobody")
RENEWED_EVERY: Final = 300

CASES: Final = {name: json.loads((CORPUS / f"{name}.json").read_text()) for name in ("bodies", "patches", "filters")}
BODIES: Final = [(case["type"], case["body"]) for case in CASES["bodies"]]
FILTERS: Final = [str(case["filter"]) for case in CASES["filters"]]
OPERATIONS: Final = [(case["type"], case["operations"]) for case in CASES["patches"] if "operations" in case]
NAMES: Final = sorted({str(target) for each in (USER, GROUP) for target in targets(each)})
DISCOVERY: Final = ("ServiceProviderConfig", "ResourceTypes", "Schemas")
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW")


@dataclass(frozen=True)
class Sent:
    """One request, with STANDS_FOR in it, and the caller that sends it."""

    caller: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Scene:
    """A workspace that requests are sent to, and what STANDS_FOR means there."""

    clients: dict[str, Client]
    ids: dict[str, str]
    sent: int = 0
    worn: bool = False

    def send(self, request: Sent) -> Answer:
        self.sent += 1
        body = self.filled(request.body.decode("latin-1")).encode("latin-1")
        client = self.clients[request.caller]
        sent = Headers({"Authorization": f"Bearer {client.token}", **request.headers})
        path = f"/scim/v2{self.filled(request.path)}"
        environ = EnvironBuilder(path, method=request.method, headers=sent, data=body or None).get_environ()
        # as it arrives: a test client encodes queries, and refuses some hosts itself
        environ |= {"QUERY_STRING": self.filled(request.query), "HTTP_HOST": request.headers.get("Host", "x.test")}
        chunks, status, headers = run_wsgi_app(client.app, environ)
        answer = Answer(int(status.split()[0]), dict(headers), b"".join(chunks).decode())
        self.note(request, answer)
        return answer

    def filled(self, text: str) -> str:
        for name, value in self.ids.items():
            text = text.replace(name, value).replace(quote(name), value)
        return text

    def note(self, request: Sent, answer: Answer) -> None:
        gone = request.method == "DELETE" and answer.status == 204
        self.worn |= gone or self.sent >= RENEWED_EVERY or (answer.status == 401 and request.caller == "me")
        if request.method != "HEAD" and '"nextCursor"' in answer.text:
            self.ids["{cursor}"] = answer.json.get("nextCursor", "")


def new_scene(app: Flask) -> Scene:
    world = new_world(app, seats=30)
    clients = {preset: world.client(preset=preset) for preset in ("generic", "strict", "okta", "google")}
    client = clients["generic"]
    me = client.user("me@x.test")
    access.create_connection(world.directory, world.name, "own")
    _, text = access.create_token(world.directory, world.name, "own", token_bytes, user_name="me@x.test")
    clients |= {"me": Client(app, text), "viewer": world.client(scopes="contacts:view groups:view")}
    clients["nobody"] = Client(app, "nonsense")
    ann = client.user("ann@x.test", displayName="Ann", emails=[{"value": "ann@x.test", "type": "work"}])["id"]
    bob = client.user("bob@x.test", title="Boss", active=False)["id"]
    team = client.group("Team", ann, bob)["id"]
    ids = {"{ann}": ann, "{bob}": bob, "{team}": team, "{crew}": client.group("Crew", team)["id"]}
    return Scene(clients, {**ids, "{owner}": world.owner_id, "{me}": me["id"], "{cursor}": ""})


@dataclass
class Stage:
    """The scene of an application, a new one when the old one is worn."""

    app: Flask
    scene: Scene | None = field(default=None)

    def current(self) -> Scene:
        if self.scene is None or self.scene.worn:
            self.scene = new_scene(self.app)
        return self.scene


@cache
def stage(app: Flask) -> Stage:
    return Stage(app)


# What is sent

IDS: Final = st.sampled_from(STANDS_FOR)
TEXTS: Final = st.text(max_size=8) | st.text(st.characters(codec="utf-8"), max_size=8)
WORDS: Final = IDS | st.sampled_from(["", "x", "bulkId:a", "bulkId:b", *DISCOVERY, "User", "..", "%00", "é"])


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="{}")


def paths() -> st.SearchStrategy[str]:
    lists = st.sampled_from(["/Users", "/Groups"])
    resources = st.builds("{}/{}".format, lists, IDS)
    known = st.sampled_from(["/", "/Me", "/Bulk", "/.search", "/Users/.search", "/Groups/.search"])
    documents = st.sampled_from([f"/{name}" for name in DISCOVERY] + [f"/Schemas/{USER.schema}", "/ResourceTypes/User"])
    odd = st.lists(WORDS | TEXTS, max_size=4).map(lambda parts: "/" + "/".join(map(encoded, parts)))
    below = st.builds("{}/{}".format, lists | documents, (WORDS | TEXTS).map(encoded))
    return st.one_of(lists, resources, resources, known, documents, below, odd)


@st.composite
def filters(draw: st.DrawFn) -> str:
    """A filter of the corpus, as it is or with a part of it changed."""
    text = draw(st.sampled_from(FILTERS))
    if draw(st.integers(0, 2)):
        return text
    if not draw(st.integers(0, 4)):
        return text.replace("e", "%" + "25" * draw(st.integers(1, 2000)) + "65", 1)
    place = draw(st.integers(0, len(text)))
    end = draw(st.integers(place, min(len(text), place + 6)))
    piece = draw(st.sampled_from(["", " ", '"', "(", "]", " and ", ".", "\\", "\0", "5e999", *NAMES[:30]]) | TEXTS)
    return text[:place] + piece + text[end:]


NUMBERS: Final = st.integers(-3, 2000) | st.sampled_from([10**18, -(10**30), "5", "1" + "0" * 5000])
PARAMETERS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "filter": filters(),
    "sortBy": st.sampled_from(NAMES) | TEXTS,
    "sortOrder": st.sampled_from(["ascending", "descending", "Descending", "up"]),
    "startIndex": NUMBERS,
    "count": NUMBERS,
    "cursor": st.just("{cursor}") | st.just("") | TEXTS,
    "attributes": st.lists(st.sampled_from(NAMES) | TEXTS, max_size=3),
    "excludedAttributes": st.lists(st.sampled_from(NAMES) | TEXTS, max_size=3),
    "unheard": TEXTS,
}


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), max_size=4, unique=True))
    return {name: draw(PARAMETERS[name]) for name in chosen}


def as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def queries() -> st.SearchStrategy[str]:
    proper = parameters().map(lambda row: "&".join(f"{name}={encoded(as_text(each))}" for name, each in row.items()))
    odd = st.text(st.sampled_from("&=%20filterFcount+;?é{}#"), max_size=20).map(
        lambda text: quote(text, safe="&=%+;?é")
    )
    return st.one_of(st.just(""), proper, proper, proper, odd)


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """`document` with one part of it changed, left out, doubled or renamed."""
    document = deepcopy(document)
    holder, part = None, document
    while isinstance(part, dict | list) and part and (holder is None or draw(st.integers(0, 3))):
        holder = part
        key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        part = part[key]
    if holder is None:
        return draw(JSON)
    way = draw(st.integers(0, 3))
    if way == 0:
        holder[key] = draw(JSON)
    elif way == 1:
        del holder[key]
    elif isinstance(holder, list):
        holder.append(part)
    else:
        holder[draw(st.sampled_from([key.upper(), key.lower(), *NAMES])) if way == 2 else draw(TEXTS)] = part
    return document


def resources(kind: str) -> st.SearchStrategy[Any]:
    bodies = [body for name, body in BODIES if name == kind]
    user = {"schemas": [USER.schema], "userName": "new@x.test"}
    group = {"schemas": [GROUP.schema], "displayName": "New", "members": [{"value": "{ann}"}, {"value": "bulkId:a"}]}
    named = [group, {**group, "displayName": "Team"}] if kind == "Group" else [user, {**user, "userName": "ANN@x.test"}]
    return st.sampled_from(bodies + named)


MEMBER_PATHS: Final = ("members", 'members[value eq "{}"]', 'members[type ne "User" or display pr]', "members.value")


def patches(kind: str) -> st.SearchStrategy[Any]:
    known = st.sampled_from([rows for name, rows in OPERATIONS if name == kind])
    drawn = st.lists(operations(GROUP if kind == "Group" else USER), min_size=1, max_size=4)
    of_members = st.builds(
        lambda op, path, who: [{"op": op, "path": path.format(who), "value": [{"value": who}]}],
        st.sampled_from(["add", "remove", "replace"]),
        st.sampled_from(MEMBER_PATHS),
        WORDS,
    )
    rows = st.one_of(known, drawn, of_members if kind == "Group" else drawn)
    return rows.map(lambda each: {"schemas": [PATCH_URN], "Operations": each})


def either(strategy: Callable[[str], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    return strategy("User") | strategy("Group")


def searches() -> st.SearchStrategy[Any]:
    return parameters().map(lambda row: {"schemas": [SEARCH_URN], **row})


def rows_of_bulk() -> st.SearchStrategy[Any]:
    row = {
        "method": st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "post", "GET", ""]),
        "path": st.one_of(st.sampled_from(["/Users", "/Groups", "/Users/bulkId:a", "/Groups/bulkId:b"]), paths()),
        "bulkId": st.sampled_from(["a", "b", "c", ""]),
        "data": st.one_of(either(resources), either(patches), JSON),
    }
    return st.fixed_dictionaries(row, optional={"version": st.sampled_from(['W/"1"', "*", "x"]) | JSON})


def bulks() -> st.SearchStrategy[Any]:
    rows = st.lists(rows_of_bulk(), max_size=4)
    return st.builds(lambda each: {"schemas": [BULK_URN], "failOnErrors": 3, "Operations": each}, rows)


def bodies() -> st.SearchStrategy[bytes]:
    proper = st.one_of(either(resources), either(patches), searches(), bulks())
    documents = st.one_of(proper, proper, proper.flatmap(mutated), JSON)
    texts = documents.map(lambda document: json.dumps(document, default=str).encode())
    cut = st.tuples(texts, st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]])
    return st.one_of(texts, texts, texts, texts, cut, st.binary(max_size=20), st.just(b""))


def headers() -> st.SearchStrategy[dict[str, str]]:
    tags = st.sampled_from(['W/"1"', '"1"', "*", "1", 'W/"2", W/"1"']) | st.text(
        st.characters(min_codepoint=33, max_codepoint=126), max_size=9
    )
    hosts = st.sampled_from(["x.test:8080", "[::1]", "x:0", "xn--a", "x:99999", ".", "a b", ""]) | TEXTS.map(encoded)
    kinds = st.sampled_from(
        ["application/json", "text/plain", "application/scim+json; charset=latin-1", "*/*", ";", "é"]
    )
    row = {
        "If-Match": tags,
        "If-None-Match": tags,
        "Accept": kinds,
        "Content-Type": kinds,
        "Transfer-Encoding": kinds,
        "Host": hosts,
    }
    none: st.SearchStrategy[dict[str, str]] = st.just({})
    return st.one_of(none, none, none, none, st.fixed_dictionaries({}, optional=row))


# Every place and method there is; those that take a body more often, as more can be wrong.
PLACES: Final = [
    (route.path, method, operation)
    for route in ROUTES
    for method, operation in route.operations.items()
    for _ in range(1 if method in ("GET", "DELETE") else 4)
]


@st.composite
def places(draw: st.DrawFn) -> tuple[str, str, st.SearchStrategy[Any]]:
    """A method and a path that go together, and the bodies that are expected there."""
    segments, method, operation = draw(st.sampled_from(PLACES))
    kind = "Group" if operation.startswith("group") else "User"
    own = ["{team}", "{crew}"] if kind == "Group" else ["{ann}", "{bob}", "{owner}", "{me}"]
    ids = st.sampled_from([*own, *own, USER.schema, "User", "unknown"])
    path = "/".join(["", *(draw(ids) if segment == "{id}" else segment for segment in segments)])
    by_operation = {"search": searches(), "bulk": bulks(), "patch": patches(kind)}
    return method, path or "/", by_operation.get(operation.rpartition(".")[2], resources(kind))


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """Mostly requests that make sense with a part that doesn't; at times anything at all."""
    method, path, proper = draw(places())
    if not draw(st.integers(0, 5)):
        method, path = draw(st.sampled_from(METHODS)), draw(paths())
    way = draw(st.integers(0, 5))
    if method in ("GET", "HEAD", "DELETE") and way:
        body = b""
    elif way:
        document = draw(mutated(draw(proper)) if way == 1 else proper)
        body = json.dumps(document, default=str).encode()
    else:
        body = draw(bodies())
    caller = draw(st.sampled_from(["generic"] * 6 + ["strict"] * 3 + ["me"] * 3 * path.startswith("/Me") + [*CALLERS]))
    return Sent(caller, method, path, draw(queries()), {"Content-Type": MEDIA_TYPE, **draw(headers())}, body)


# What is answered


def check(request: Sent, answer: Answer) -> None:
    at_root = unquote(request.path).strip("/") in ("", ".search")
    assert answer.status < 500 or (answer.status == 501 and at_root), answer.text
    assert answer.status < 300 or answer.status in (304, *range(400, 500), 501), "nothing is redirected"
    if request.method == "HEAD" or answer.status in (204, 304):
        assert answer.text == ""
        return
    plain = request.headers.get("Accept") == "application/json"  # nothing else is accepted
    assert answer.headers["Content-Type"] == ("application/json" if plain else MEDIA_TYPE)
    document = answer.json
    if answer.status >= 400:
        check_error(document, answer.status)
        return
    (check_of(document["schemas"][0]))(document)
    meta = document.get("meta", {})  # the client may have asked for a part of it
    assert answer.headers.get("Location") == meta.get("location", answer.headers.get("Location"))
    assert answer.headers.get("ETag") == meta.get("version", answer.headers.get("ETag"))
    assert answer.status != 201 or answer.headers["Location"].endswith(document["id"])


def check_of(urn: str) -> Any:
    return {LIST_URN: check_list, RESPONSE_URN: check_bulk}.get(urn, check_resource)


def check_error(document: Any, status: int) -> None:
    assert document["schemas"][0] == ERROR_URN
    assert document["status"] == str(status)
    assert isinstance(document["detail"], str)
    assert document["detail"]


def check_resource(document: Any) -> None:
    """A resource or a document of discovery; `meta` is there unless the client chose what to see."""
    assert all(urn.startswith("urn:") for urn in document["schemas"])
    kind = document.get("meta", {}).get("resourceType", "User")
    assert kind in ("User", "Group", "Schema", "ResourceType", "ServiceProviderConfig")
    assert kind == "ServiceProviderConfig" or document["id"]
    assert "password" not in document


def check_list(document: Any) -> None:
    assert document["itemsPerPage"] == len(document["Resources"]) <= document["totalResults"]
    for resource in document["Resources"]:
        check_resource(resource)


def check_bulk(document: Any) -> None:
    for row in document["Operations"]:
        status = int(row["status"])
        assert status < 500
        assert isinstance(row["method"], str)
        assert ("response" in row) == (status >= 400)
        if status >= 400:
            check_error(row["response"], status)
        else:
            assert row["location"]


def send_and_check(app: Flask, request: Sent) -> None:
    check(request, stage(app).current().send(request))


# What was answered wrongly once: path, query and headers.
FOUND: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "a line break in a path": ("/%0A", "", {}),
    "a filter encoded over and over": ("/Users", f"filter=userName%20eq%20%22{'%25' + '25' * 3000}41%22", {}),
    "raw bytes in a query": ("/Users", "\xff=\xff", {}),
    **{f"the host {host[:9]}": ("/Users", "", {"Host": host}) for host in ("x:99999", "xn--a", ".", "a" * 99, "é")},
}


@pytest.mark.parametrize("case", FOUND)
def test_found_before(app: Flask, case: str) -> None:
    path, query, sent = FOUND[case]
    send_and_check(app, Sent("generic", "GET", path, query, sent, b""))


@settings(max_examples=300)
@given(st.data())
def test_every_answer_is_proper(app: Flask, data: st.DataObject) -> None:
    send_and_check(app, data.draw(requests()))


@pytest.mark.laws
@given(st.data())
def test_every_answer_is_proper_for_long(app: Flask, data: st.DataObject) -> None:
    send_and_check(app, data.draw(requests()))


def test_a_check_that_is_wrong_fails(app: Flask) -> None:
    """The checks themselves: each is able to fail."""
    scene = new_scene(app)
    asked = partial(Sent, "generic", "GET", query="", headers={}, body=b"")
    right = scene.send(asked("/Users"))
    check(asked("/Users"), right)
    for wrong in (
        Answer(500, right.headers, right.text),
        Answer(404, right.headers, right.text),
        Answer(302, {}, ""),
        Answer(204, {}, right.text),
        Answer(200, {"Content-Type": "text/html"}, right.text),
        Answer(200, right.headers, right.text.replace('"id"', '"no"')),
        Answer(200, right.headers, right.text.replace('"totalResults":', '"totalResults":-')),
    ):
        with pytest.raises((AssertionError, KeyError)):
            check(asked("/Users"), wrong)
