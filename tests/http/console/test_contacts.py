"""The list of contacts: what it shows, how it is searched, filtered, sorted and paged, and what it keeps to itself."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from flask import Flask

from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import WORKSPACE_URN, Client, World, new_world

LIST = "/console/contacts"


def names(browser: Browser, query: str = "") -> list[str]:
    """What the list calls its contacts, in its order."""
    answer = browser.get(LIST + query)
    assert answer.status_code == 200, answer.text
    return re.findall(r'<th scope="row">\s*<a [^>]*>([^<]*)</a>', answer.text)


def user(client: Client, name: str, **attributes: object) -> str:
    made = client.user(f"{name.lower()}@x.test", displayName=name, **attributes)
    return str(made["id"])


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


def test_badges_say_how_each_stands(world: World, client: Client, owner: Browser) -> None:
    user(client, "Ann")
    user(client, "Bob", active=False)
    page = owner.get(LIST).text
    assert "3 contacts" in page
    assert ">Active</span>" in page
    assert ">Inactive</span>" in page
    assert "New contact" in page


def test_archived_ones_are_shown_by_the_toggle_alone(client: Client, owner: Browser) -> None:
    user(client, "Ann")
    user(client, "Old", **{WORKSPACE_URN: {"archived": True}})
    assert names(owner) == ["Ann", "Workspace Owner"]
    assert 'aria-pressed="false"' in owner.get(LIST).text
    assert names(owner, "?archived=1") == ["Ann", "Old", "Workspace Owner"]
    page = owner.get(f"{LIST}?archived=1&q=o").text
    assert 'aria-pressed="true"' in page
    assert ">Archived</span>" in page


def test_search_filters_and_order_keep_each_other(client: Client, owner: Browser) -> None:
    ann, amy, abe = (user(client, name) for name in ("Ann", "Amy", "Abe"))
    user(client, "Bob")
    client.group("Sales & Co", ann, amy)
    assert client.patch(f"/Users/{abe}", {"op": "replace", "path": "active", "value": False}).status == 200
    assert names(owner, "?q=a&sort=-name") == ["Ann", "Amy", "Abe"]
    assert names(owner, "?q=a&status=inactive") == ["Abe"]
    assert names(owner, f"?group={quote('sales & co')}&sort=-name") == ["Ann", "Amy"]
    assert names(owner, "?sort=-created")[0] == "Bob"
    page = owner.get(f"{LIST}?q=a&group={quote('Sales & Co')}&sort=-name").text
    assert '<input type="hidden" name="group" value="Sales &amp; Co">' in page, "the toggle keeps the filters"
    assert '<option value="-name" selected>' in page


def test_a_connections_contacts(world: World, owner: Browser) -> None:
    okta, entra = world.client(preset="okta"), world.client(preset="entra")
    user(okta, "Ann", externalId="1")
    user(entra, "Bob", externalId="1")
    found = re.findall(r'<option value="([^"]+)">(?:okta|entra)-', owner.get(LIST).text)
    assert sorted(names(owner, f"?connection={each}") for each in found) == [["Ann"], ["Bob"]]


def test_pages_lead_on_and_back(client: Client, owner: Browser) -> None:
    for number in range(60):
        user(client, f"Person {number:02}")
    first = owner.get(f"{LIST}?q=person&sort=-name").text
    assert "Previous" not in first
    (onward,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = owner.get(onward.replace("&amp;", "&")).text
    assert "Person 00" in second
    assert "Person 59" not in second
    assert "Next" not in second
    (back,) = re.findall(r'rel="prev" href="([^"]+)"', second)
    assert "Person 59" in owner.get(back.replace("&amp;", "&")).text


def test_what_is_found_empty_says_what_to_do(client: Client, owner: Browser) -> None:
    assert "There is nobody else yet" in owner.get(LIST).text
    page = owner.get(f"{LIST}?q=nobody").text
    assert "No contact matches" in page
    assert "Clear filters" in page
    assert "There is no group named" in owner.get(f"{LIST}?group=nothing").text
    (mine,) = [each["id"] for each in client.get("/Users").json["Resources"]]
    path = f"{WORKSPACE_URN}:archived"
    assert client.patch(f"/Users/{mine}", {"op": "replace", "path": path, "value": True}).status == 200
    assert "Everybody is archived" in owner.get(LIST).text


@pytest.mark.parametrize("query", ["status=odd", "sort=odd", "archived=odd", "q=" + quote("'\"<>"), "connection=odd"])
def test_odd_values_find_what_they_find(owner: Browser, query: str) -> None:
    assert owner.get(f"{LIST}?{query}").status_code == 200


@pytest.mark.parametrize("query", ["page=odd", "page=W10", "q=%00"])
def test_what_can_not_be_is_refused_on_the_page(owner: Browser, query: str) -> None:
    answer = owner.get(f"{LIST}?{query}")
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text


def test_another_workspace_is_not_seen(app: Flask, owner: Browser) -> None:
    theirs = new_world(app).client()
    ann = user(theirs, "Ann")
    theirs.group("Theirs", ann)
    page = owner.get(f"{LIST}?archived=1").text
    assert "Ann" not in page
    assert "Theirs" not in page
    assert names(owner, "?group=Theirs") == []


def test_who_may_not_look_and_who_may_not_add(world: World) -> None:
    assert visiting(world, "client").get(LIST).status_code == 403
    team = visiting(world, "team")
    assert "New contact" in team.get(LIST).text
    assert Browser(world.app).get(LIST).status_code == 303
