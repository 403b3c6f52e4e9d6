"""What the tests of invitations and of signing in share: a workspace with its mail and its clock in the test's hand."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, func, select

from scim_server.directory import Directory, contacts, invitations, signin
from scim_server.directory.contacts import Call
from scim_server.directory.invitations import Accepted
from scim_server.domain.actor import system
from scim_server.mail import Letter
from scim_server.scim.patch import read_operations
from scim_server.storage.db import reading
from tests.support import WORKSPACE_URN, World, patch_body

PASSWORD = "correct horse"


@dataclass
class Desk:
    """A workspace whose mail is kept in a list and whose clock is set by hand."""

    world: World
    mails: list[Letter] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def directory(self) -> Directory:
        return replace(self.world.directory, post=self.mails.append, now=lambda: self.now, site="https://acme.example")

    @property
    def call(self) -> Call:
        return Call(system(self.world.workspace_id), None, "")

    def person(self, name: str, *, active: bool = False, **attributes: Any) -> str:
        """A contact, inactive or active, with its userName as e-mail."""
        user = {"userName": name, "emails": [{"value": name}], "active": active, **attributes}
        contact_id: str = contacts.create(self.directory, self.call, user)["id"]
        return contact_id

    def invite(self, contact_id: str, email: str | None = None) -> str:
        """Invite and return the link's text."""
        invitations.invite(self.directory, self.call, contact_id, email)
        return self.text

    @property
    def text(self) -> str:
        return self.mails[-1].link.rpartition("/")[2]

    def accept(self, text: str, password: str = PASSWORD) -> Accepted:
        return invitations.accept(self.directory, text, password=password)

    def part(self, contact_id: str) -> Any:
        return contacts.read(self.directory, self.call, contact_id)[WORKSPACE_URN]

    def set_active(self, contact_id: str, active: bool) -> None:
        body = patch_body({"op": "replace", "path": "active", "value": active})
        operations = read_operations(self.directory.types.user, body, frozenset())
        contacts.patch(self.directory, self.call, contact_id, operations)

    def sign_in(self, email: str, password: str = PASSWORD) -> signin.SignedIn:
        return signin.sign_in(self.directory, self.world.name, email, password)

    def rows(self, table: Table) -> int:
        with reading(self.directory.engine) as db:
            query = select(func.count()).select_from(table)
            return db.scalar(query.where(table.c.workspace_id == self.world.workspace_id)) or 0


def address() -> str:
    """An address of the test's own: accounts are shared by all workspaces of a database."""
    return f"{secrets.token_hex(6)}@x.test"


# Letters that fold to the same and make two mailboxes: IDNA keeps both forms of sigma, a server may know wide letters.
TWINS = (
    ("\N{GREEK SMALL LETTER SIGMA}", "\N{GREEK SMALL LETTER FINAL SIGMA}"),
    ("a", "\N{FULLWIDTH LATIN SMALL LETTER A}"),
)


def written_alike(one: str, other: str) -> tuple[str, str]:
    """Two addresses of the test's own that differ by those letters alone."""
    name, _, domain = address().partition("@")
    return f"{name}{one}@{one}.{domain}", f"{name}{other}@{other}.{domain}"
