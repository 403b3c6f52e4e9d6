"""The activity log in the console: what a row says, filters, pages, and the download."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest

from scim_server.directory import activity as log
from scim_server.directory import life, seats
from scim_server.directory.sheet import csv_lines
from scim_server.domain.actor import system
from scim_server.http.console import activity as page_module
from scim_server.http.console.entries import choices
from tests.directory.desk import Desk, address
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import Client, World, new_world

PAGE = "/console/activity"


def rows(browser: Browser, query: str = "") -> list[str]:
    """Each row's text, newest first, with the requests that the log has once it is written."""
    browser.app.extensions["guard"].log.flush()
    answer = browser.get(PAGE + query)
    assert answer.status_code == 200, answer.text
    body = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [words(row) for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)]


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def sheet(browser: Browser, query: str = "") -> list[dict[str, str]]:
    answer = browser.get(f"{PAGE}.csv{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="activity.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


def test_rows_say_who_did_what_to_whom_and_what_changed(world: World, client: Client, owner: Browser) -> None:
    ann = client.user("ann@x.test", displayName="Ann Lee")["id"]
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": False})
    seats.add(world.directory, system(world.workspace_id), "member", 7)
    added, deactivated, provisioned, *_ = rows(owner)
    assert "Added seats" in added
    assert "Seats added: 7" in added
    assert "An operator" in added
    assert "Command line" in added
    assert "Deactivated: Ann Lee" in deactivated
    assert "Status: active → to inactive" in deactivated
    assert "generic-" in deactivated, "by which connection"
    assert "SCIM" in deactivated
    assert "Provisioned: Ann Lee" in provisioned
    assert f'href="/console/contacts/{ann}"' in owner.get(PAGE).text


def test_a_deleted_person_is_nobody_and_has_no_page(world: World, client: Client, owner: Browser) -> None:
    ann = client.user("ann@x.test", displayName="Ann Lee")["id"]
    life.delete(world.directory, system(world.workspace_id), ann)
    page = owner.get(PAGE).text
    assert "Deleted: Deleted user" in rows(owner)[0]
    assert "Ann Lee" not in page
    assert "ann@x.test" not in owner.get(f"{PAGE}.csv").text
    assert f"/console/contacts/{ann}" not in page
    assert owner.get(f"{PAGE}?person={ann}").status_code == 404, "there is nobody to ask for"


def test_linked_items_that_were_handed_over_lead_to_whom(world: World, client: Client, owner: Browser) -> None:
    ann, heir = (client.user(name)["id"] for name in ("ann@x.test", "heir@x.test"))
    life.delete(world.directory, system(world.workspace_id), ann, reassign_to=heir)
    assert "Linked items handed to another contact" in rows(owner)[0]
    assert f'href="/console/contacts/{heir}">another contact' in owner.get(PAGE).text


def test_filters(world: World, client: Client, owner: Browser) -> None:
    ann = client.user("ann@x.test", displayName="Ann Lee")["id"]
    client.user("bob@x.test", displayName="Bob Fox")
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": False})
    client.group("Sales")
    assert len(rows(owner, "?person=ANN@x.test")) == 2
    assert 'value="ann@x.test"' in owner.get(f"{PAGE}?person={ann}").text, "an id is shown as the userName"
    assert len(rows(owner, f"?person={ann}&act=contact.deactivated")) == 1
    assert len(rows(owner, "?act=group")) == 1
    assert len(rows(owner, "?act=contact.provisioned&person=bob@x.test")) == 1
    today = world.directory.now().date()
    everything = rows(owner)
    assert rows(owner, f"?since={today}&until={today}") == everything
    assert rows(owner, f"?until={today - timedelta(days=1)}") == []
    assert rows(owner, f"?since={today + timedelta(days=1)}") == []
    assert rows(owner, "?since=0001-01-01&until=9999-12-31") == everything
    assert "Clear filters" in owner.get(f"{PAGE}?until=2000-01-01").text


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?person=nobody@x.test", 404, "has no contact with the userName or id"),
        ("?person=%00", 404, "has no contact"),
        ("?act=contact.flown", 400, "There is no such act"),
        ("?since=31.1.2026", 400, "A day is written as 2026-01-31"),
        ("?until=9999-99-99", 400, "A day is written as"),
        ("?since=2026-02-01&until=2026-01-01", 400, "The first day is after the last one"),
        ("?before=%00", 400, "can&#39;t be an id"),
        ("?person=" + "x" * 10_000, 404, "has no contact"),
    ],
)
def test_a_filter_that_can_not_be_is_told_and_kept(owner: Browser, query: str, status: int, said: str) -> None:
    answer = owner.get(PAGE + query)
    assert (answer.status_code, said in answer.text) == (status, True)
    assert 'class="bar__nav"' in answer.text
    if "before" not in query:
        download = owner.get(f"{PAGE}.csv{query}")
        assert (download.status_code, said in download.text) == (status, True)
        assert download.content_type == "text/html; charset=utf-8"


def test_pages_go_to_the_oldest_and_back(client: Client, owner: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "ROWS", 4)
    for number in range(6):
        client.user(f"{number}@x.test")
    everything = len(sheet(owner))
    found, path = 0, PAGE
    while path:
        page = owner.get(path).text
        found += page.partition("<tbody>")[2].count("<tr>")
        assert (">Newest</a>" in page) is ("before=" in path)
        older = re.search(r'rel="next" href="([^"]*)"', page)
        path = unescape(older[1]) if older else ""
    assert found == everything > 8
    filtered = owner.get(f"{PAGE}?act=contact.provisioned").text
    assert re.search(r'rel="next" href="/console/activity\?act=contact.provisioned&amp;before=[\w-]+"', filtered)


def test_the_download_is_the_export(world: World, client: Client, owner: Browser) -> None:
    client.user("ann@x.test", displayName="=cmd|' /C calc'!A0")
    client.user("mid@x.test", displayName='a;=1+1;b-c\t "@x')
    client.user("zoe@x.test", displayName="Zoë, “the” O'Hara")
    found = sheet(owner)
    assert [each["id"] for each in found] == sorted(each["id"] for each in found), "oldest first, as the export is"
    assert found[-3]["subject"] == "'=cmd|' /C calc'!A0", "no cell is a formula"
    assert found[-2]["subject"] == "a;'=1+1;b-c\t \"'@x", "nor what other separators make one"
    assert found[-1]["subject"] == "Zoë, “the” O'Hara"
    entries = log.find(world.directory, system(world.workspace_id), log.Wanted(), count=1000)
    assert owner.get(f"{PAGE}.csv").get_data().decode("utf-8-sig") == "".join(csv_lines(entries))
    assert [each["act"] for each in sheet(owner, "?act=contact.provisioned&person=zoe@x.test")] == [
        "contact.provisioned"
    ]
    assert sheet(owner, "?until=2000-01-01") == []


def test_a_team_member_sees_it_and_no_links_to_what_is_not_theirs(world: World, client: Client) -> None:
    client.user("ann@x.test", displayName="Ann Lee")
    team = visiting(world, "team")
    page = team.get(PAGE).text
    assert "Ann Lee" in page
    assert "/settings/provisioning/" not in page
    assert "/settings/provisioning/" in visiting(world).get(PAGE).text, "which leads those on who may see it"


def test_nothing_of_another_workspace(world: World, owner: Browser) -> None:
    other = new_world(world.app)
    mail = address()
    theirs = Desk(other).person(mail, displayName="Their Person")
    assert "Their Person" not in owner.get(PAGE).text
    assert mail not in owner.get(f"{PAGE}.csv").text
    assert owner.get(f"{PAGE}?person={theirs}").status_code == 404
    newest = log.newest(other.directory, system(other.workspace_id), log.Wanted())[0]
    assert "Their Person" not in owner.get(f"{PAGE}?before={newest.id}").text


def test_every_act_can_be_chosen_once() -> None:
    offered = [act for _, _, acts in choices() for act, _ in acts]
    assert sorted(offered) == sorted(log.WORDS_OF)
