"""Settings → Users: whom it lists and shows, what it offers to whom, and what it does (R40, R41, R48 to R53)."""

from __future__ import annotations

import re

import pytest

from scim_server.directory import life, seats
from scim_server.domain.contact import Event
from tests.directory.desk import Desk
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import World

PATH = "/console/settings/users"


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def shown(browser: Browser, contact_id: str, **asked: str) -> str:
    """The page with that user picked."""
    query = "".join(f"&{name}={value}" for name, value in asked.items())
    answer = browser.get(f"{PATH}?user={contact_id}{query}")
    assert answer.status_code == 200
    return answer.text


def send(browser: Browser, contact_id: str, act: str, query: str = "") -> tuple[int, str]:
    """Send the form of an act; the status, and the page that comes of it."""
    path = f"{PATH}/{contact_id}/{act}{query}"
    page = path if act == "deactivate" else f"{PATH}?user={contact_id}{query.replace('?', '&')}"
    answer = browser.send(page, path)
    if answer.status_code == 303:
        return 303, browser.get(answer.headers["Location"]).text
    return answer.status_code, answer.text


def picked(page: str) -> list[str]:
    """The names that are highlighted."""
    return re.findall(r'aria-current="true">\s*<span class="picks__name">([^<]*)', page)


def test_r48_the_picked_one_is_highlighted(desk: Desk, owner: Browser) -> None:
    ann, _ = desk.person("ann@x.test", active=True, displayName="Ann"), desk.person("bob@x.test", displayName="Bob")
    assert picked(owner.get(PATH).text) == []
    assert "Nobody is picked" in owner.get(PATH).text
    page = shown(owner, ann)
    assert picked(page) == ["Ann"]
    assert "Bob" in page
    assert f'href="{PATH}/{ann}/deactivate" data-dialog>Deactivate User</a>' in page
    assert f'href="/console/contacts/{ann}"' in page
    assert "member, assigned since" in page


def test_r49_to_r51_deactivate_and_activate(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True, displayName="Ann")
    question = owner.get(f"{PATH}/{ann}/deactivate").text
    assert "Are you sure you want to deactivate this user?" in question
    assert ">Yes</button>" in question
    assert desk.part(ann)["status"] == "active", "a look changes nothing"
    status, page = send(owner, ann, "deactivate")
    assert status == 303
    assert "Ann is deactivated." in page
    assert picked(page) == ["Ann"]
    assert "Deactivate User" not in page
    assert "Activate User" in page
    assert desk.part(ann)["status"] == "inactive"
    assert desk.mails == []
    status, page = send(owner, ann, "activate")
    assert "Ann is active and can sign in again." in page
    assert "Deactivate User" in page
    assert desk.part(ann)["status"] == "active"
    assert owner.get(f"{PATH}/{ann}/activate").status_code == 405, "no change by a look"


def test_a_repeat_says_so(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True, displayName="Ann")
    page = shown(owner, ann)
    assert "Deactivate User" in page
    life.act(desk.directory, desk.call.actor, ann, Event.DEACTIVATE)
    assert owner.get(f"{PATH}/{ann}/deactivate").status_code == 303
    token = owner.form(f"{PATH}?user={ann}", f"{PATH}/{ann}/activate")
    answer = owner.open("POST", f"{PATH}/{ann}/deactivate", token)
    assert "nothing was changed" in owner.get(answer.headers["Location"]).text
    for _ in range(2):
        answer = owner.open("POST", f"{PATH}/{ann}/activate", token)
    assert "has access already; nothing was changed" in owner.get(answer.headers["Location"]).text


def test_r52_r53_no_free_seat(desk: Desk, world: World, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True, displayName="Ann")
    life.act(desk.directory, desk.call.actor, ann, Event.DEACTIVATE)
    pool = seats.show(desk.directory, desk.call.actor, "member")[0].pool
    for number in range(pool.available):
        desk.person(f"u{number}@x.test", active=True)
    status, page = send(owner, ann, "activate")
    assert status == 403
    assert "No free &#39;member&#39; seat: 100 purchased, 100 assigned, 0 reserved" in page
    assert 'href="/console/settings/licences/add' in page
    assert picked(page) == ["Ann"]
    assert desk.part(ann)["status"] == "inactive"
    life.act(desk.directory, desk.call.actor, access_of(desk, "u0@x.test"), Event.DEACTIVATE)
    assert send(owner, ann, "activate")[0] == 303


def access_of(desk: Desk, user_name: str) -> str:
    return life.show(desk.directory, desk.call.actor, user_name).contact.id


def test_r40_the_owner_is_told_why(desk: Desk, world: World, owner: Browser) -> None:
    page = shown(owner, world.owner_id)
    assert "Deactivate User" not in page
    assert 'href="/console/settings/workspace/transfer">Transfer ownership first</a>' in page
    assert owner.get(f"{PATH}/{world.owner_id}/deactivate").status_code == 403
    token = owner.form("/console/account", "/signout")
    for act in ("deactivate", "activate"):
        owner.open("POST", f"{PATH}/{world.owner_id}/{act}", token)
    forged = owner.open("POST", f"{PATH}/{world.owner_id}/deactivate", token)
    assert forged.status_code == 403
    assert "Transfer ownership first." in forged.text
    admin = visiting(world, "admin")
    assert "The owner has to transfer ownership first." in shown(admin, world.owner_id)


def test_r41_without_the_delete_permission(desk: Desk, world: World) -> None:
    ann, bob = desk.person("ann@x.test", active=True), desk.person("bob@x.test")
    team = visiting(world, "team")
    for contact_id in (ann, bob):
        page = shown(team, contact_id)
        assert "Deactivate User" not in page
        assert "Activate User" not in page
        assert "takes the Delete permission on contacts" in page
    token = team.form("/console/account", "/signout")
    for contact_id, act in ((ann, "deactivate"), (bob, "activate")):
        assert team.open("POST", f"{PATH}/{contact_id}/{act}", token).status_code == 403
    assert team.get(f"{PATH}/{ann}/deactivate").status_code == 403
    assert desk.part(ann)["status"] == "active"
    assert visiting(world, "client").get(PATH).status_code == 403


def test_an_invited_one_can_be_deactivated_and_an_uninvited_one_invited(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", displayName="Ann")
    desk.invite(ann)
    page = shown(owner, ann)
    assert "Invited: can sign in once" in page
    assert "member, reserved since" in page
    assert "Their invitation is taken back." in owner.get(f"{PATH}/{ann}/deactivate").text
    made = life.create(desk.directory, desk.call.actor, {"userName": "new@x.test"}).id
    page = shown(owner, made)
    assert f'href="/console/contacts/{made}/invite"' in page
    assert "Activate User" not in page


def test_search_place_and_user_keep_each_other(desk: Desk, owner: Browser) -> None:
    ids = [desk.person(f"p{number:02}@x.test", displayName=f"P{number:02}") for number in range(30)]
    page = owner.get(f"{PATH}?q=p").text
    assert "P24" in page
    assert "P25" not in page
    (following,) = re.findall(r'rel="next" href="([^"]*)"', page)
    page = owner.get(following.replace("&amp;", "&")).text
    assert "P25" in page
    place = re.search(r"page=([^&\"]*)", following)
    assert place
    page = shown(owner, ids[29], q="p", page=place[1])
    assert picked(page) == ["P29"]
    query = f"?q=p&page={place[1]}"
    assert send(owner, ids[29], "activate", query)[0] == 303
    answer = owner.send(f"{PATH}/{ids[29]}/deactivate{query}", f"{PATH}/{ids[29]}/deactivate{query}")
    assert answer.headers["Location"] == f"{PATH}{query}&user={ids[29]}"
    assert "Nobody found" in owner.get(f"{PATH}?q=zzz").text


def test_archived_ones_are_found_by_a_search_alone(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True, displayName="Ann")
    life.act(desk.directory, desk.call.actor, ann, Event.ARCHIVE)
    assert ">Ann<" not in owner.get(PATH).text
    page = owner.get(f"{PATH}?q=ann").text
    assert ">Ann<" in page
    assert "Archived" in page
    assert "Deactivate User" in shown(owner, ann), "it still holds a seat"


@pytest.mark.parametrize(
    ("query", "status"), [("user=nobody", 404), ("user=%00", 404), ("page=garbage", 403), ("q=%00", 403)]
)
def test_what_is_not_there(owner: Browser, query: str, status: int) -> None:
    assert owner.get(f"{PATH}?{query}").status_code == status


def test_a_user_name_is_no_id(desk: Desk, owner: Browser) -> None:
    desk.person("ann@x.test")
    assert owner.get(f"{PATH}?user=ann@x.test").status_code == 404


def test_how_the_status_came_about_is_told(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True)
    assert send(owner, ann, "deactivate")[0] == 303
    page = " ".join(shown(owner, ann).split())
    assert "Deactivated: Workspace Owner, Console" in page
