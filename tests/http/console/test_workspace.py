"""Settings of the workspace: where Settings begins, name, billing day, who looks after it, and handing it over."""

from __future__ import annotations

import pytest
from flask import Flask

from scim_server.directory import life, seats
from scim_server.domain.actor import system
from scim_server.domain.roles import Role
from tests.directory.desk import PASSWORD, Desk
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.http.test_signin_pages import location, member
from tests.support import World, new_world

PAGE = "/console/settings/workspace"


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


def role_of(world: World, contact_id: str) -> Role:
    return life.show(world.directory, system(world.workspace_id), contact_id).contact.role


@pytest.mark.parametrize(
    ("role", "first"), [("admin", "/console/settings/users"), ("team", "/console/settings/users"), ("client", None)]
)
def test_settings_begin_where_the_visitor_may_look(world: World, role: str, first: str | None) -> None:
    answer = visiting(world, role).get("/console/settings")
    if first is None:
        assert answer.status_code == 403
    else:
        assert location(answer) == first


def test_what_is_shown(world: World, owner: Browser) -> None:
    member(Desk(world), f"amy@{world.name}.test", displayName="Amy Low", roles=[{"value": "admin"}])
    page = owner.get(PAGE).text
    assert world.name in page
    assert "Day 1 of the month" in page
    assert page.index("Workspace Owner</a>") < page.index("Amy Low</a>")
    assert "Transfer ownership" in page
    assert "Change role" in page
    assert f"/console/contacts/{world.owner_id}/role" not in page, "the owner's role changes hands alone"
    assert "Transfer ownership</a>" not in visiting(world, "admin").get(PAGE).text


def test_a_new_name_is_what_people_type(world: World, owner: Browser) -> None:
    taken, name = new_world(world.app).name, f"{world.name} & Co"
    refused = owner.send(f"{PAGE}/rename", f"{PAGE}/rename", name=taken)
    assert (refused.status_code, "already" in refused.text, taken in refused.text) == (403, True, True)
    assert owner.send(f"{PAGE}/rename", f"{PAGE}/rename", name=" ").status_code == 403
    assert location(owner.send(f"{PAGE}/rename", f"{PAGE}/rename", name=name)) == PAGE
    page = owner.get(PAGE).text
    assert "is called" in page
    assert name.replace("&", "&amp;") in page
    other = Browser(world.app)
    email = f"owner@{world.name}.test"
    assert other.sign_in(world.name, email, PASSWORD).status_code == 403
    assert location(other.sign_in(name, email, PASSWORD)) == "/"


@pytest.mark.parametrize("day", ["0", "29", "", "x", "\u0661", "-1", "9" * 5000])
def test_a_day_that_some_months_lack_is_refused_and_kept(world: World, owner: Browser, day: str) -> None:
    refused = owner.send(f"{PAGE}/billing-day", f"{PAGE}/billing-day", day=day)
    assert (refused.status_code, "from 1 to 28" in refused.text) == (403, True)
    assert not day or f'value="{day}"' in refused.text
    assert seats.billing_day(world.directory, system(world.workspace_id)) == 1


def test_the_billing_day(world: World, owner: Browser) -> None:
    assert location(owner.send(f"{PAGE}/billing-day", f"{PAGE}/billing-day", day=" 15 ")) == PAGE
    assert "Billing cycles begin on day 15 of the month." in owner.get(PAGE).text
    assert seats.billing_day(world.directory, system(world.workspace_id)) == 15


def test_t15_the_owner_hands_over_to_an_administrator(world: World, owner: Browser) -> None:
    amy = member(Desk(world), f"amy@{world.name}.test", displayName="Amy Low", roles=[{"value": "admin"}])
    found = owner.get(f"{PAGE}/transfer?q=amy").text
    assert f"{PAGE}/transfer?to={amy}" in found
    question = owner.get(f"{PAGE}/transfer?to={amy}").text
    assert "Hand the workspace over to Amy Low?" in question
    assert "You become an administrator" in question
    assert "To stay an administrator" not in question
    assert role_of(world, world.owner_id) is Role.OWNER, "a look changes nothing"
    assert location(owner.send(f"{PAGE}/transfer?to={amy}", f"{PAGE}/transfer")) == PAGE
    assert "Amy Low owns the workspace now. Your role is Admin." in owner.get(PAGE).text
    assert (role_of(world, amy), role_of(world, world.owner_id)) == (Role.OWNER, Role.ADMIN)
    assert owner.get(f"{PAGE}/transfer").status_code == 403, "who was the owner isn't any more"


def test_t15_handing_over_to_a_team_member_says_what_is_lost(world: World, owner: Browser) -> None:
    tom = member(Desk(world), f"tom@{world.name}.test", displayName="Tom Ray")
    question = owner.get(f"{PAGE}/transfer?to={tom}").text
    assert "You become a team member" in question
    assert "To stay an administrator" in question
    assert f'href="/console/contacts/{tom}/role"' in question
    assert location(owner.send(f"{PAGE}/transfer?to={tom}", f"{PAGE}/transfer")) == "/console/"
    assert "Tom Ray owns the workspace now. Your role is Team member." in owner.get("/console/contacts").text
    assert owner.get(PAGE).status_code == 403


def test_only_an_active_contact_with_a_seat_can_be_chosen(world: World, owner: Browser) -> None:
    people = Desk(world)
    for name in ("ina", "ivo"):
        people.person(f"{name}@{world.name}.test", displayName=f"{name} in")
    invited = people.person(f"ivy@{world.name}.test", displayName="Ivy in")
    people.invite(invited)
    found = owner.get(f"{PAGE}/transfer?q=i").text
    assert "Nobody found" in found
    refused = owner.get(f"{PAGE}/transfer?to={invited}")
    assert (refused.status_code, "is invited, not active" in refused.text) == (403, True)
    form = owner.form("/console/account", "/signout")
    posted = owner.open("POST", f"{PAGE}/transfer", {**form, "to": invited})
    assert (posted.status_code, "is invited, not active" in posted.text) == (403, True)
    assert owner.get(f"{PAGE}/transfer?q=%00").status_code == 400
    assert owner.get(f"{PAGE}/transfer?to=nobody").status_code == 404
    assert owner.open("POST", f"{PAGE}/transfer", form).status_code == 404


def test_t15_nobody_else_hands_it_over(world: World) -> None:
    admin = visiting(world, "admin")
    tom = member(Desk(world), f"tom@{world.name}.test")
    for answer in (
        admin.get(f"{PAGE}/transfer"),
        admin.get(f"{PAGE}/transfer?to={tom}"),
        admin.open("POST", f"{PAGE}/transfer", {**admin.form("/console/account", "/signout"), "to": tom}),
    ):
        assert (answer.status_code, "Only the workspace owner can transfer" in answer.text) == (403, True)
    assert role_of(world, world.owner_id) is Role.OWNER


def test_an_owner_of_another_workspace_hands_over_none_of_ours(app: Flask, world: World, owner: Browser) -> None:
    theirs = member(Desk(new_world(app)), f"x@{world.name}.test", displayName="Their Person")
    assert owner.get(f"{PAGE}/transfer?to={theirs}").status_code == 404
    assert "Their Person" not in owner.get(f"{PAGE}/transfer?q=their").text
    form = owner.form("/console/account", "/signout")
    assert owner.open("POST", f"{PAGE}/transfer", {**form, "to": theirs}).status_code == 404
