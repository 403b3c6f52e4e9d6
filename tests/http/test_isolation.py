"""Two workspaces that hold the same names: nothing of one can be seen, named, changed or inferred from the other."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Table, delete, update

from scim_server.directory import access
from scim_server.domain.roles import Permission
from scim_server.http.api import RESOURCES
from scim_server.scim.protocol import ROUTES
from scim_server.storage import ledger
from scim_server.storage.access import hash_of
from scim_server.storage.access_tables import tokens
from scim_server.storage.db import reading, writing
from scim_server.storage.tables import sessions
from tests.directory.desk import PASSWORD, address
from tests.directory.desk import Desk as People
from tests.http.browser import ACCOUNT, Browser
from tests.http.doors import API, FLASK, NOBODYS, SCIM, Caller, Line, Target, new_target, seen, statuses
from tests.http.oauth_desk import new_desk
from tests.support import ENTERPRISE_URN, GROUP_URN, USER_URN, Answer, Client, World, new_world, patch_body


@dataclass(frozen=True)
class Side:
    """A workspace with a user, an inactive and an archived one, and a group inside a group."""

    world: World
    client: Client
    ids: Mapping[str, str]

    def everything(self) -> Any:
        """All there is, as its own client sees it."""
        users = self.client.get('/Users?filter=userName pr or displayName eq "x"&count=1000').json
        with reading(self.world.directory.engine) as db:
            return users, self.client.get("/Groups").json, ledger.pool(db, self.world.workspace_id, "member")


def _side(app: Flask, seats: int = 10) -> Side:
    world = new_world(app, seats)
    client = world.client()
    ann = client.user("ann@x.test", externalId="e-1", emails=[{"value": "ann@x.test"}], displayName="Ann")["id"]
    ids = {
        "owner": world.owner_id,
        "ann": ann,
        "inactive": client.user("bob@x.test", active=False, **{ENTERPRISE_URN: {"manager": {"value": ann}}})["id"],
        "archived": client.user("eve@x.test")["id"],
        "team": client.group("Team", ann)["id"],
    }
    archive = {"op": "add", "path": "urn:ietf:params:scim:schemas:extension:workspace:2.0:User:archived", "value": True}
    assert client.patch(f"/Users/{ids['archived']}", archive).status == 200
    ids["outer"] = client.group("Outer", ids["team"])["id"]
    return Side(world, client, ids)


@pytest.fixture
def mine(app: Flask) -> Side:
    return _side(app)


@pytest.fixture
def theirs(app: Flask) -> Side:
    return _side(app)


def _same_refusal(one: Answer, other: Answer, one_id: str, other_id: str) -> None:
    """Not told apart: status, body and headers but for the id that was asked for and the request's own."""
    assert one.status == other.status == 404
    assert one.text.replace(one_id, "ID") == other.text.replace(other_id, "ID")
    assert one.headers.keys() == other.headers.keys()


UNKNOWN = "01a00000-0000-7000-8000-000000000000"
PUT_USER = {"schemas": [USER_URN], "userName": "stolen@x.test"}
PUT_GROUP = {"schemas": [GROUP_URN], "displayName": "Stolen"}
RENAME = patch_body({"op": "replace", "path": "displayName", "value": "Stolen"})
DEACTIVATE = patch_body({"op": "replace", "path": "active", "value": False})
EMPTY = patch_body({"op": "remove", "path": "members"})
ACTIONS: tuple[tuple[str, str, tuple[str, ...], Any], ...] = (
    ("GET", "/Users/{}", ("owner", "ann", "inactive", "archived", "team"), None),
    ("GET", "/Users/{}?attributes=id", ("ann",), None),
    ("PUT", "/Users/{}", ("ann", "inactive", "archived"), PUT_USER),
    ("PATCH", "/Users/{}", ("ann", "owner"), RENAME),
    ("PATCH", "/Users/{}", ("ann",), DEACTIVATE),
    ("DELETE", "/Users/{}", ("ann", "owner", "archived"), None),
    ("GET", "/Groups/{}", ("team", "outer", "ann"), None),
    ("GET", "/Groups/{}?excludedAttributes=members", ("team",), None),
    ("PUT", "/Groups/{}", ("team",), PUT_GROUP),
    ("PATCH", "/Groups/{}", ("team",), RENAME),
    ("PATCH", "/Groups/{}", ("outer",), EMPTY),
    ("DELETE", "/Groups/{}", ("team", "outer"), None),
)


def test_an_id_of_the_other_workspace_is_unknown(mine: Side, theirs: Side) -> None:
    before = theirs.everything()
    for method, path, names, body in ACTIONS:
        for name in names:
            foreign = theirs.ids[name]
            for headers in ({}, {"If-Match": 'W/"1"'}, {"If-Match": '"9"'}, {"If-None-Match": "*"}):
                answer = mine.client.request(method, path.format(foreign), body, headers)
                unknown = mine.client.request(method, path.format(UNKNOWN), body, headers)
                _same_refusal(answer, unknown, foreign, UNKNOWN)
    assert theirs.everything() == before


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/Users", {"owner", "ann", "inactive"}),
        ("/Users?filter=userName pr", {"owner", "ann", "inactive", "archived"}),
        ('/Users?filter=not (userName eq "x")', {"owner", "ann", "inactive", "archived"}),
        ('/Users?filter=userName eq "ann@x.test"', {"ann"}),
        ('/Users?filter=externalId eq "e-1"', {"ann"}),
        ('/Users?filter=emails.value eq "ann@x.test"', {"ann"}),
        ('/Users?filter=groups.display eq "Team"', {"ann"}),
        ('/Users?filter=groups.display eq "Outer"', {"ann"}),
        ("/Users?filter=active eq false", {"inactive"}),
        ("/Users?sortBy=displayName&sortOrder=descending", {"owner", "ann", "inactive"}),
        ("/Groups", {"team", "outer"}),
        ('/Groups?filter=displayName eq "Team"', {"team"}),
        ("/Groups?filter=members.value pr", {"team", "outer"}),
        ('/Groups?filter=not (displayName eq "x")', {"team", "outer"}),
    ],
)
def test_lists_and_searches_stay_inside(mine: Side, theirs: Side, path: str, found: set[str]) -> None:
    for side, other in ((mine, theirs), (theirs, mine)):
        answer = side.client.get(path)
        assert answer.status == 200, answer.text
        assert {each["id"] for each in answer.json["Resources"]} == {side.ids[name] for name in found}
        assert answer.json["totalResults"] == len(found)
        assert not any(each in answer.text for each in other.ids.values())


@pytest.mark.parametrize(
    "path",
    [
        '/Users?filter=id eq "{ann}"',
        '/Users?filter=id eq "{ann}" or id eq "{archived}" or id eq "{owner}"',
        '/Users?filter=meta.location ew "{ann}"',
        '/Users?filter=groups.value eq "{team}"',
        '/Users?filter=groups[value eq "{outer}"]',
        '/Users?filter=groups.$ref co "{team}"',
        '/Users?filter=manager.value eq "{ann}"',
        '/Groups?filter=id eq "{team}"',
        '/Groups?filter=members.value eq "{ann}"',
        '/Groups?filter=members eq "{team}"',
        '/Groups?filter=members[value eq "{ann}" and type eq "User"]',
        '/Groups?filter=id eq "{outer}" and members eq "{team}"',
    ],
)
def test_a_search_by_a_foreign_id_finds_nothing(mine: Side, theirs: Side, path: str) -> None:
    own = mine.client.get(path.format(**mine.ids))
    assert own.status == 200, own.text
    assert own.json["totalResults"] > 0, "the search itself works"
    assert mine.client.get(path.format(**theirs.ids)).json["totalResults"] == 0


def test_a_foreign_id_can_not_become_a_member(mine: Side, theirs: Side) -> None:
    before = theirs.everything()
    foreign = [{"value": theirs.ids["ann"]}, {"value": theirs.ids["team"]}]
    path = f"/Groups/{mine.ids['team']}"
    group = mine.client.get(path).json
    assert mine.client.patch(path, {"op": "add", "path": "members", "value": foreign}).status == 204
    assert mine.client.patch(path, *_removals(theirs)).status == 204
    assert mine.client.get(path).json == group, "not even a new version"
    made = mine.client.post("/Groups", {"displayName": "New", "members": [*foreign, {"value": mine.ids["ann"]}]})
    assert [member["value"] for member in made.json["members"]] == [mine.ids["ann"]]
    replaced = mine.client.put(path, {"displayName": "Team", "members": foreign})
    assert "members" not in replaced.json
    assert theirs.everything() == before
    assert not any(each in json.dumps(mine.everything()[:2]) for each in theirs.ids.values())


def _removals(side: Side) -> list[dict[str, Any]]:
    return [
        {"op": "remove", "path": f'members[value eq "{side.ids["ann"]}"]'},
        {"op": "remove", "path": "members", "value": [{"value": side.ids["ann"]}]},
    ]


def test_strict_refuses_a_foreign_member_as_an_unknown_one(mine: Side, theirs: Side) -> None:
    strict = mine.world.client(preset="strict")
    path = f"/Groups/{mine.ids['team']}"
    answers = []
    for each in (theirs.ids["ann"], UNKNOWN):
        answer = strict.patch(path, {"op": "add", "path": "members", "value": [{"value": each}]})
        assert answer.status == 400
        answers.append(answer.text.replace(each, "ID"))
    assert answers[0] == answers[1]


def test_names_are_unique_in_their_own_workspace_alone(mine: Side, theirs: Side) -> None:
    created = mine.client.user("new@x.test", externalId="same")
    assert theirs.client.user("new@x.test", externalId="same")["id"] != created["id"]
    assert theirs.client.group("New")["id"] != mine.client.group("New")["id"]
    refused = mine.client.post("/Users", {"userName": "BOB@x.test"})
    assert refused.status == 409
    assert mine.ids["inactive"] in refused.text
    assert theirs.ids["inactive"] not in refused.text


def test_what_ends_here_goes_on_there(mine: Side, theirs: Side) -> None:
    before = theirs.everything()
    for name in ("ann", "inactive", "archived"):
        assert mine.client.delete(f"/Users/{mine.ids[name]}").status == 204
    assert mine.client.delete(f"/Groups/{mine.ids['outer']}").status == 204
    assert mine.client.patch(f"/Groups/{mine.ids['team']}", {"op": "remove", "path": "members"}).status == 204
    assert theirs.everything() == before


def test_seats_are_counted_apart(app: Flask) -> None:
    full, free = _side(app, seats=3), _side(app, seats=4)
    refused = full.client.post("/Users", {"userName": "one@x.test"})
    assert refused.status == 403
    assert free.client.post("/Users", {"userName": "one@x.test"}).status == 201
    assert free.client.post("/Users", {"userName": "two@x.test"}).status == 403
    assert free.client.delete(f"/Users/{free.ids['ann']}").status == 204
    assert full.client.post("/Users", {"userName": "one@x.test"}).status == 403, (
        "a seat that is freed there is not ours"
    )


def test_a_manager_of_the_other_workspace_is_an_opaque_value(mine: Side, theirs: Side) -> None:
    """Managers may be set before they arrive, so any value is stored; it leads nowhere."""
    user = mine.client.user("kim@x.test", **{ENTERPRISE_URN: {"manager": {"value": theirs.ids["ann"]}}})
    manager = user[ENTERPRISE_URN]["manager"]
    assert set(manager) <= {"value", "$ref"}
    assert mine.client.get(f"/Users/{manager['value']}").status == 404


# Every route there is, by tests/http/doors.py


@pytest.fixture
def target(app: Flask) -> Target:
    return new_target(app)


def _bearer(app: Flask, text: str | None) -> Caller:
    return Caller(Browser(app), {} if text is None else {"Authorization": f"Bearer {text}"})


def _past(world: World, table: Table, text: str) -> str:
    """A token or session whose time is up."""
    past = world.directory.now() - timedelta(days=1)
    query = update(table).where(table.c.hash == hash_of(text)).values(expires=past)
    assert writing(world.directory.engine, lambda db: db.execute(query)).rowcount == 1
    return text


def _token(world: World, scopes: str, user_name: str | None = None) -> tuple[str, str, str]:
    """(connection, id, text) of a new token."""
    connection = secrets.token_hex(4)
    access.create_connection(world.directory, world.name, connection)
    token, text = access.create_token(
        world.directory, world.name, connection, secrets.token_bytes, scopes=scopes, user_name=user_name
    )
    return connection, token.id, text


def _dead_tokens(world: World) -> dict[str, str | None]:
    """Tokens of the very workspace that is asked about, which open nothing any more, or never did."""
    connection, token_id, revoked = _token(world, EVERY_SCOPE)
    access.revoke_token(world.directory, world.name, connection, token_id)
    expired = _past(world, tokens, _token(world, EVERY_SCOPE)[2])
    return {"none": None, "unknown": "scim_" + "B" * 43, "revoked": revoked, "expired": expired}


EVERY_SCOPE = " ".join(Permission)


def _bearer_lines() -> Iterator[tuple[str, Line]]:
    """(method, line) of each route that takes bearer tokens."""
    for route in ROUTES:
        for method, operation in route.operations.items():
            line = SCIM[operation]
            yield method, replace(line, path=f"/scim/v2{line.path}")
    yield from ((method, line) for (_, method), line in API.items())
    yield from ((method.replace("*", "GET"), line) for (rule, method), line in FLASK.items() if rule.startswith("/api"))


def _other_lines() -> Iterator[tuple[str, str, Line]]:
    """(rule, method, line) of each route that takes none."""
    for (rule, method), line in FLASK.items():
        if not rule.startswith("/api"):
            yield rule, method.replace("*", "POST"), line


def test_every_route_has_a_line(app: Flask) -> None:
    assert SCIM.keys() == {name for route in ROUTES for name in route.operations.values()}
    assert API.keys() == {(name, method) for name, methods in RESOURCES.items() for method in methods}
    found = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or {"*"}) - {"HEAD", "OPTIONS"}
    }
    assert FLASK.keys() == found


def test_no_route_opens_to_a_token_that_is_none_or_dead(target: Target) -> None:
    before = target.everything()
    for method, line in _bearer_lines():
        bodies = {}
        for name, text in _dead_tokens(target.world).items():
            for named in (target.named, NOBODYS):
                answer = _bearer(target.world.app, text).ask(method, line, named)
                assert answer.status == line.stranger == 401, (name, method, line)
                assert target.mark not in seen(answer, named)
                bodies[name, named is NOBODYS] = answer.text
        assert len(set(bodies.values())) == 1, "the same body, whatever is wrong and whatever there is"
    assert target.everything()[:3] == before[:3]


def test_no_route_opens_to_a_token_of_another_workspace(app: Flask, target: Target) -> None:
    before, of_connection, of_owner = target.everything(), new_world(app), new_world(app)
    me = f"owner@{of_owner.name}.test"
    text = _token(of_owner, EVERY_SCOPE, me)[2]
    for method, line in _bearer_lines():
        _check_foreign(target, _bearer(app, _token(of_connection, EVERY_SCOPE)[2]), method, line)
        if not line.path.endswith("/Me"):
            _check_foreign(target, _bearer(app, text), method, line)
    assert Client(app, text).get("/Me").json["userName"] == me, "which is the caller alone"
    assert target.everything() == before


def _check_foreign(target: Target, caller: Caller, method: str, line: Line) -> None:
    """The status that the line says, and an answer that would be the same if there were no such workspace."""
    answer = caller.ask(method, line, target.named)
    assert statuses(answer) == {line.foreign}, (method, line, answer.text)
    told = seen(answer, target.named)
    for secret in (target.mark, target.world.workspace_id, target.world.owner_id):
        assert secret not in told, (method, line)
    if line.foreign == 201:  # made in the caller's own workspace, of nobody that is elsewhere
        assert "members" not in answer.json
    elif not line.why_told:
        assert told == seen(caller.ask(method, line, NOBODYS), NOBODYS), (method, line)


def test_no_route_opens_to_a_lesser_scope(target: Target) -> None:
    before = target.everything()[:3]
    for method, line in _bearer_lines():
        if not line.needs:
            continue
        scopes = " ".join(each for each in Permission if each not in line.needs)
        person = f"owner@{target.world.name}.test" if line.path.endswith("/Me") else None
        text = _token(target.world, scopes, person)[2]
        answers = set()
        for named in (target.named, NOBODYS):
            answer = _bearer(target.world.app, text).ask(method, line, named)
            assert statuses(answer) == {403}, (method, line, answer.text)
            assert "insufficient_scope" in f"{answer.headers} {answer.text}", (method, line)
            assert target.mark not in answer.text
            answers.add(seen(answer, named))
        assert len(answers) == 1, "what there is, and what there isn't"
    assert target.everything()[:3] == before


def test_pages_and_clients_routes_open_to_no_bearer_token(target: Target) -> None:
    before, live = target.everything(), _token(target.world, EVERY_SCOPE)[2]
    for rule, method, line in _other_lines():
        for text in (*_dead_tokens(target.world).values(), live, target.named["access_token"]):
            for named in (target.named, NOBODYS):
                answer = _bearer(target.world.app, text).ask(method, line, named)
                assert answer.status == line.stranger or line.why_told, (rule, method, answer.text)
                assert target.mark not in seen(answer, named), (rule, method)
    assert target.everything()[:3] == before[:3]


def test_no_page_opens_to_an_administrator_of_another_workspace(app: Flask, target: Target) -> None:
    before, world = target.everything(), new_world(app)
    desk, signed_in = new_desk(world), _administrator(world)
    basic = b64encode(f"{desk.client.id}:{desk.secret}".encode()).decode()
    for rule, method, line in _other_lines():
        by_client = rule.startswith("/oauth/") and "authorize" not in rule
        client = Caller(Browser(app), {"Authorization": f"Basic {basic}"})
        admin = client if by_client else _administrator(world) if rule.startswith("/signout") else signed_in
        if "{" in line.path or "{" in str(line.body or {}).strip("{}"):
            _check_foreign(target, admin, method, line)
        else:
            answer = admin.ask(method, line, target.named)
            assert answer.status == line.foreign, (rule, method, answer.text)
            assert target.mark not in answer.text
            assert target.world.name not in answer.text
            admin.browser.get(ACCOUNT)  # shows what was done, so that no page to be compared does
    assert target.everything() == before
    assert new_desk(target.world).reads(target.named["access_token"]) == 200, "nobody else revoked it"


def _administrator(world: World) -> Caller:
    """A browser in which an administrator is signed in, with the form's secret to go with it."""
    people, mail, browser = People(world), address(), Browser(world.app)
    people.accept(people.invite(people.person(mail, roles=[{"value": "admin"}])))
    assert browser.sign_in(world.name, mail, PASSWORD).status_code == 303
    return Caller(browser, {}, {"csrf_token": browser.form(ACCOUNT, "/signout")["csrf_token"]})


@pytest.mark.parametrize("expire", [False, True])
def test_no_page_opens_to_a_session_that_ended(target: Target, expire: bool) -> None:
    admin = _administrator(target.world)
    assert admin.ask("GET", FLASK["/console/account", "GET"], {}).status == 200
    _end_sessions(target.world, expire=expire)
    for rule, method, line in _other_lines():
        if rule not in ("/", "/oauth/authorize") and not (rule.startswith("/console") and method == "GET"):
            continue
        answer = _copied(admin).ask(method, line, target.named)
        assert answer.status == 303, (rule, method)
        assert answer.headers["Location"].startswith("/signin"), (rule, method)
        assert target.mark not in answer.text


def _copied(caller: Caller) -> Caller:
    """A browser that has the same cookie, and keeps it when the other is told to forget it."""
    browser, cookie = Browser(caller.browser.app), caller.browser.cookie
    browser.client.set_cookie(cookie.key, cookie.value)
    return replace(caller, browser=browser)


def _end_sessions(world: World, *, expire: bool) -> None:
    past = world.directory.now() - timedelta(days=1)
    change = update(sessions).values(expires=past) if expire else delete(sessions)
    query = change.where(sessions.c.workspace_id == world.workspace_id)
    assert writing(world.directory.engine, lambda db: db.execute(query)).rowcount >= 1
