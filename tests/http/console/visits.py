"""Who looks at the console's pages in these tests: people of a workspace, signed in."""

from __future__ import annotations

from scim_server.directory import owner_link
from tests.directory.desk import PASSWORD, Desk, address
from tests.http.browser import Browser
from tests.support import World


def visiting(world: World, role: str = "owner", *, site: str = "http://localhost") -> Browser:
    """Somebody of that role, signed in by the form."""
    people, browser = Desk(world), Browser(world.app, site=site)
    if role == "owner":
        issued = owner_link.issue(people.directory, people.call.actor)
        people.accept(issued.link.rpartition("/")[2])
        email = issued.email
    else:
        email = address()
        people.accept(people.invite(people.person(email, roles=[{"value": role}])))
    assert browser.sign_in(world.name, email, PASSWORD).status_code == 303
    return browser
