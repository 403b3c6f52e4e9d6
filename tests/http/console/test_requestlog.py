"""Settings → Request log: what it shows, its filters and pages, and what one request's page says of it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from scim_server.directory import access
from scim_server.directory.requests import Row, Wanted, newest
from scim_server.domain.actor import system
from scim_server.http.console import requestlog
from scim_server.http.console.meanings import MEANINGS, meaning_of
from scim_server.scim.errors import KINDS
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import Client, World, new_world

HOME = "/console/settings/requests"


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def rows(world: World, owner: Browser, query: str = "") -> list[str]:
    """Each row's text, newest first."""
    world.app.extensions["guard"].log.flush()
    answer = owner.get(HOME + query)
    assert answer.status_code == 200, answer.text
    body = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [words(row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)]


def logged(world: World) -> list[Row]:
    world.app.extensions["guard"].log.flush()
    return [row for row, _ in newest(world.directory, system(world.workspace_id), Wanted())]


def one(world: World, owner: Browser) -> str:
    """What the newest request's page says."""
    answer = owner.get(f"{HOME}/{logged(world)[0].id}")
    assert answer.status_code == 200, answer.text
    return words(answer.text)


def test_without_requests_it_says_what_to_do(world: World, owner: Browser) -> None:
    assert rows(world, owner) == []
    assert "No requests yet" in owner.get(HOME).text


def test_the_log_and_its_filters(world: World, client: Client, owner: Browser) -> None:
    kim = client.user("kim@x.test")["id"]
    client.get(f"/Users/{kim}")
    client.get("/Users?filter=nothing")
    other = world.client(preset="okta")
    other.get("/Groups?count=1")
    groups, filtered, read, made = rows(world, owner)
    assert "200 GET /scim/v2/Groups" in groups
    assert "okta-" in groups
    assert "400 GET /scim/v2/Users?filter=… invalidFilter" in filtered
    assert made.count("201 POST /scim/v2/Users") == 1
    assert re.search(r"\d+\.\d ms$", made)
    (okta,) = (each for each in access.list_connections(world.directory, world.name) if each.preset == "okta")
    assert rows(world, owner, f"?connection={okta.id}") == [groups]
    assert rows(world, owner, "?status=errors") == [filtered]
    assert rows(world, owner, "?status=4xx") == [filtered]
    assert rows(world, owner, "?status=2xx&text=Users") == [read, made]
    assert rows(world, owner, "?status=201") == [made]
    assert rows(world, owner, f"?text={kim}") == [read]
    assert rows(world, owner, "?since=2999-01-01") == []
    assert len(rows(world, owner, "?since=2020-01-01")) == 4
    assert "No request fits" in owner.get(f"{HOME}?status=503").text


@pytest.mark.parametrize("query", ["?status=soon", "?status=9xx", "?since=today", f"?text={'x' * 201}", "?status=٤٠٤"])
def test_filters_that_can_not_be_are_told(owner: Browser, query: str) -> None:
    answer = owner.get(HOME + query)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_pages(world: World, client: Client, owner: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestlog, "ROWS", 2)
    for count in range(5):
        client.get(f"/Users?count={count}")
    everything = [row.id for row in logged(world)]
    seen, path = [], f"{HOME}?text=Users"
    for _ in range(3):
        page = owner.get(path).text
        seen += re.findall(rf'href="{HOME}/([\w-]+)"', page)
        older = re.search(r'rel="next" href="([^"]*)"', page)
        path = unescape(older[1]) if older else ""
    assert seen == everything
    assert not path
    assert "Newest" in page


def test_one_request_leads_to_its_contact(world: World, client: Client, owner: Browser) -> None:
    kim = client.user("kim@x.test")["id"]
    client.patch(f"/Users/{kim}", {"op": "replace", "path": "title", "value": "Chef"})
    page = owner.get(f"{HOME}/{logged(world)[0].id}").text
    assert f'href="/console/contacts/{kim}"' in page
    assert "POST /scim/v2/Users" in words(page), "what else was about the same"
    client.delete(f"/Users/{kim}")
    client.get(f"/Users/{kim}")
    said = one(world, owner)
    assert "There is no such user or group" in said
    assert "There is no such user any more" in said
    assert "kim@x.test" not in said


def test_it_says_why_a_sync_fails(world: World, owner: Browser) -> None:
    client = world.client()
    kim = client.user("kim@x.test")["id"]
    client.post("/Users", {"userName": "KIM@x.test"})
    assert "The userName is in use" in one(world, owner)
    client.patch(f"/Users/{kim}", {"op": "replace", "path": "active", "value": False})
    client.post("/Users", {"userName": "kim@x.test"})
    said = one(world, owner)
    assert "The person is here already, deactivated" in said
    assert f"PATCH active to true on {kim}" in said, "the id isn't left out"
    client.patch(f"/Users/{world.owner_id}", {"op": "replace", "path": "active", "value": False})
    assert "The owner is protected" in one(world, owner)
    client.post("/Groups", {"displayName": "Staff"})
    client.post("/Groups", {"displayName": "Staff"})
    assert "There is a group of that name" in one(world, owner)
    client.get("/Users?filter=userName")
    assert "The search can't be carried out" in one(world, owner)
    client.post("/Users", {"userName": ""})
    assert "A value doesn't fit" in one(world, owner)
    world.client(scopes="contacts:view").post("/Users", {"userName": "lee@x.test"})
    assert "The token isn't allowed to do this" in one(world, owner)
    client.patch(f"/Users/{kim}", {"op": "replace", "path": "roles", "value": [{"value": "owner"}]})
    assert "The owner's role can't be given" in one(world, owner)


def test_it_says_that_no_seat_is_free(world: World) -> None:
    full = new_world(world.app, seats=1)
    full.client().post("/Users", {"userName": "kim@x.test"})
    owner = visiting(full)
    said = one(full, owner)
    assert "No free seat" in said
    assert "1 purchased, 1 assigned" in said
    assert 'href="/console/settings/licences"' in owner.get(f"{HOME}/{logged(full)[0].id}").text


def test_it_says_that_deleting_is_switched_off(world: World, owner: Browser) -> None:
    client = world.client()
    (connection,) = access.list_connections(world.directory, world.name)
    access.set_connection(world.directory, world.name, connection.name, {"allow_delete": False})
    client.delete(f"/Users/{client.user('kim@x.test')['id']}")
    assert "Deleting is switched off" in one(world, owner)
    page = owner.get(f"{HOME}/{logged(world)[0].id}").text
    assert f'href="/console/settings/provisioning/{connection.id}/settings"' in page


def test_what_is_another_workspaces_is_not_there(world: World, client: Client, owner: Browser) -> None:
    other = new_world(world.app)
    theirs = other.client()
    theirs.get("/Users")
    client.get("/Groups")
    (row,) = logged(other)
    assert owner.get(f"{HOME}/{row.id}").status_code == 404
    assert owner.get(f"{HOME}/nothing").status_code == 404
    assert owner.get(f"{HOME}/%00").status_code == 404
    assert rows(world, owner, f"?connection={row.connection_id}") == []
    assert len(rows(world, owner)) == 1
    assert rows(world, owner, f"?before={row.id}") == []
    assert visiting(world, "team").get(f"{HOME}/{row.id}").status_code == 403


def test_every_error_of_the_protocol_has_its_words() -> None:
    for name, kind in KINDS.items():
        meaning = meaning_of(kind.status, f"{kind.scim_type}: {kind.detail}" if kind.scim_type else kind.detail)
        assert meaning.status == kind.status, name
    for each in MEANINGS:
        assert meaning_of(each.status, each.has) is each, "no row stands in another's way"
    assert meaning_of(418, None).status == 400
    assert meaning_of(502, "odd").status == 500
