"""What a test in the browser has: a workspace on a running server, people who can sign in, their mail, and windows."""

from __future__ import annotations

import re
import threading
import time
import unicodedata
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, Page, expect

from scim_server.directory import owner_link
from tests.browser.chromium import Watch
from tests.browser.look import HEIGHT, WIDE, Scheme
from tests.directory.desk import PASSWORD
from tests.directory.desk import Desk as People
from tests.http.conftest import Site
from tests.support import Client, World

Who = Literal["owner", "admin", "team", "client"]
NAMES: Final[dict[Who, str]] = {
    "owner": "Olivia Hart",
    "admin": "Amara Okafor",
    "team": "Tomás Rivera",
    "client": "Chloe Martin",
}
WAIT: Final = 30_000  # milliseconds at most for anything to appear, also on a machine that has much to do


@dataclass(frozen=True)
class Person:
    """Somebody of the workspace; the password of everybody is the same."""

    id: str
    email: str
    name: str
    password: str = PASSWORD


@dataclass(frozen=True)
class Mail:
    """A letter that the server posted."""

    to: str
    subject: str
    text: str

    @property
    def link(self) -> str:
        """The path of the link in it."""
        found = re.search(r"https?://\S+", self.text)
        assert found, self.text
        return urlsplit(found[0]).path


@dataclass(frozen=True)
class Desk:
    """One test's workspace on a running server."""

    site: Site
    world: World
    letters: Path
    chromium: Browser
    watch: Watch = field(default_factory=Watch)
    _known: dict[str, Person] = field(default_factory=dict)

    @property
    def people(self) -> People:
        """The workspace from within: persons and invitations without pages or mail."""
        return People(self.world)

    def person(self, who: Who = "team") -> Person:
        """The workspace's one person of that role, active, with a password; made when first asked for."""
        if who not in self._known:
            self._known[who] = self._owner() if who == "owner" else self.member(who, NAMES[who])
        return self._known[who]

    def member(self, role: Who, name: str, **attributes: Any) -> Person:
        """A new active person with a password; `attributes` are a SCIM User's."""
        first = unicodedata.normalize("NFKD", name.split()[0].lower()).encode("ascii", "ignore").decode()
        email = f"{first}@{self.world.name}.test"
        people = self.people
        values = {"displayName": name, "roles": [{"value": role, "primary": True}], **attributes}
        accepted = people.accept(people.invite(people.person(email, **values)))
        return Person(accepted.contact_id, email, name)

    def _owner(self) -> Person:
        people = self.people
        issued = owner_link.issue(people.directory, people.call.actor)
        people.accept(issued.link.rpartition("/")[2])
        client = self.world.client()
        named = client.patch(f"/Users/{issued.owner_id}", {"op": "add", "value": {"displayName": NAMES["owner"]}})
        assert named.status == 200, named.text
        return Person(issued.owner_id, issued.email, NAMES["owner"])

    def page(self, *, scheme: Scheme = "light", width: int = WIDE, scripts: bool = True) -> Page:
        """A window of a browser of its own, which nobody has signed in with. Paths are the server's."""
        context = self.chromium.new_context(
            base_url=self.site.served.url,
            color_scheme=scheme,
            viewport={"width": width, "height": HEIGHT},
            java_script_enabled=scripts,
            reduced_motion="reduce",
            timezone_id="UTC",
        )
        context.set_default_timeout(WAIT)
        self.watch.over(context)
        return context.new_page()

    def signed_in(
        self, who: Who = "owner", *, scheme: Scheme = "light", width: int = WIDE, scripts: bool = True
    ) -> Page:
        """A window of a browser of its own, in which the person of that role has signed in by the form."""
        page = self.page(scheme=scheme, width=width, scripts=scripts)
        self.sign_in(page, self.person(who))
        assert_signed_in(page)
        return page

    def sign_in(self, page: Page, person: Person, password: str = PASSWORD) -> None:
        """Fill in the sign-in form and send it; whether it lets in is for the test to ask."""
        page.goto("/signin")
        page.get_by_label("Workspace").fill(self.world.name)
        page.get_by_label("E-mail").fill(person.email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()

    def scim(self, client: Client) -> httpx.Client:
        """Speaks SCIM to the server, by world.client()'s token."""
        return self.site.http(client)

    def mails(self, to: str) -> list[Mail]:
        """All letters to an address, the oldest first."""
        files = sorted(self.letters.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        letters = [message_from_bytes(file.read_bytes(), EmailMessage, policy=policy.default) for file in files]
        return [Mail(str(each["To"]), str(each["Subject"]), each.get_content()) for each in letters if each["To"] == to]

    def last_mail(self, to: str) -> Mail:
        """The newest letter to an address."""
        found = self.mails(to)
        assert found, f"nothing was mailed to {to}"
        return found[-1]

    def mail_that_comes(self, to: str) -> Mail:
        """The newest letter to an address, which the server writes after its answer."""
        deadline = time.monotonic() + WAIT / 1000
        while not self.mails(to) and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        return self.last_mail(to)


def assert_signed_in(page: Page) -> None:
    """The page has the bar with its person."""
    expect(page.locator(".bar__person")).to_be_visible(timeout=WAIT)


def assert_signed_out(page: Page) -> None:
    """The next click leads to the sign-in page."""
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible(timeout=WAIT)
    expect(page.locator(".bar__person")).to_have_count(0)
