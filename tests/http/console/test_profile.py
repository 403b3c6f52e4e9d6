"""A contact's page: what stands on it, what its menu offers to whom, and that other workspaces have none of it."""

from __future__ import annotations

import re

from flask import Flask

from scim_server.directory import access, items
from scim_server.directory.items import NewItem
from scim_server.domain.items import ItemKind
from tests.directory.desk import Desk
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import Client, World, new_world

LINK = "Send sign-in link"


def path_of(contact_id: str) -> str:
    return f"/console/contacts/{contact_id}"


def offered(browser: Browser, contact_id: str) -> list[str]:
    """What the menu has."""
    page = browser.get(path_of(contact_id))
    assert page.status_code == 200, page.text
    return re.findall(r'class="menu__item[^>]*>([^<]*)</a>', page.text)


def add_items(world: World, owner_id: str, kind: ItemKind, count: int) -> None:
    actor = access.operator(world.directory, world.name)
    for number in range(count):
        title = f"{kind.value} {number}"
        items.add(world.directory, actor, NewItem(kind=kind.value, title=title, owner_id=owner_id, reference="R-1"))


def test_what_stands_on_it(world: World) -> None:
    okta = world.client(preset="okta")
    ann = okta.user(
        "ann@x.test",
        displayName="Ann <Lee>",
        externalId="00u1",
        title="Boss",
        emails=[{"value": "ann@x.test", "type": "work", "primary": True}, {"value": "a2@x.test"}],
    )["id"]
    okta.group("Outer", okta.group("Inner & Co", ann)["id"])
    add_items(world, ann, ItemKind.PROJECT, 7)
    add_items(world, ann, ItemKind.FILE, 1)
    page = visiting(world).get(path_of(ann)).text
    assert "<title>Ann &lt;Lee&gt;</title>" in page
    for each in ("Boss", "a2@x.test", "externalId 00u1", "project 4", "and 2 more", "file 0", "Provisioned"):
        assert each in page, each
    assert "project 5" not in page
    assert page.index("Inner &amp; Co") < page.index("Outer") < page.index("through another group")
    assert f"/console/activity?person={ann}" in page
    assert "Invoices" not in page


def test_without_anything_it_says_so(world: World) -> None:
    ann = Desk(world).person("ann@x.test")
    page = visiting(world).get(path_of(ann)).text
    assert "In no group." in page
    assert "No projects, invoices" in page
    assert "Provisioned by" not in page


def test_r01_r08_r18_r30_the_menu_by_state(world: World, client: Client) -> None:
    desk, owner = Desk(world), visiting(world)
    active, inactive, invited = (desk.person(f"{name}@x.test", active=name == "a") for name in ("a", "b", "c"))
    desk.invite(invited)
    assert offered(owner, active) == ["Deactivate", "Change role", LINK, "Archive contact", "Delete contact"]
    assert offered(owner, inactive) == ["Invite", "Activate", "Change role", "Archive contact", "Delete contact"]
    invitation = ["Resend invitation", "Take back invitation"]
    assert offered(owner, invited) == [*invitation, "Deactivate", "Change role", "Archive contact", "Delete contact"]
    assert owner.send(f"{path_of(active)}/archive", f"{path_of(active)}/archive").status_code == 303
    assert offered(owner, active) == ["Deactivate", "Change role", LINK, "Unarchive contact", "Delete contact"]


def test_r40_the_owner_is_never_deactivated_or_deleted(world: World) -> None:
    assert offered(visiting(world), world.owner_id) == ["Archive contact"]
    assert offered(visiting(world, "admin"), world.owner_id) == ["Archive contact"]


def test_r41_a_team_member_archives_and_takes_no_access(world: World) -> None:
    desk, team = Desk(world), visiting(world, "team")
    active, inactive = desk.person("a@x.test", active=True), desk.person("b@x.test")
    assert offered(team, active) == ["Change role", LINK, "Archive contact"]
    assert offered(team, inactive) == ["Change role", "Archive contact"]
    admin = desk.person("c@x.test", roles=[{"value": "admin"}])
    assert offered(team, admin) == ["Archive contact"], "no role above one's own"


def test_nobody_elses_and_no_user_name_for_an_id(app: Flask, world: World) -> None:
    owner = visiting(world)
    theirs = Desk(new_world(app)).person("ann@x.test")
    Desk(world).person("bob@x.test")
    for each in (theirs, "bob@x.test", "nothing", "%00"):
        assert owner.get(path_of(each)).status_code == 404


def test_who_may_not_look(world: World) -> None:
    assert visiting(world, "client").get(path_of(world.owner_id)).status_code == 403


def told(page: str) -> str:
    """How the contact came to have access, or none, as the page says it."""
    (found,) = re.findall(r"<dt>Sign-in</dt><dd>(.*?)</dd>", page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


def test_why_somebody_has_no_access(world: World) -> None:
    owner, team, okta = visiting(world), visiting(world, "team"), world.client(preset="okta")
    connection = access.list_connections(world.directory, world.name)[-1].name
    ann = okta.user("ann@x.test")["id"]
    assert told(team.get(path_of(ann)).text) == f"Allowed Provisioned: {connection}, SCIM"
    off = okta.patch(f"/Users/{ann}", {"op": "replace", "path": "active", "value": False})
    assert off.status == 200
    okta.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": "Former boss"})
    world.app.extensions["guard"].log.flush()
    page = owner.get(path_of(ann)).text
    assert told(page) == f"Not allowed Deactivated: {connection}, SCIM request"
    (link,) = re.findall(r'<a href="([^"]*)">SCIM<span', page)
    request = owner.get(link)
    assert (request.status_code, f"PATCH /scim/v2/Users/{ann}" in " ".join(request.text.split())) == (200, True)
    assert told(team.get(path_of(ann)).text) == f"Not allowed Deactivated: {connection}, SCIM"
    activity = f"/console/activity?person={ann}"
    assert link in owner.get(activity).text
    assert "/settings/requests/" not in team.get(activity).text


def test_why_somebody_has_no_access_yet(world: World) -> None:
    desk, owner = Desk(world), visiting(world)
    ann = desk.person("ann@x.test")
    assert told(owner.get(path_of(ann)).text) == "Not allowed Provisioned: An operator, Command line"
    desk.invite(ann)
    assert told(owner.get(path_of(ann)).text) == "Not allowed Invited again: An operator, Command line"
