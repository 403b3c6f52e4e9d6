"""Two workspaces that hold the same names: nothing of one can be seen, named, changed or inferred from the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from scim_server.storage import ledger
from scim_server.storage.db import reading
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
