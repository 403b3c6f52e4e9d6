"""One contact's page: who they are, what they belong to, their seat, their items, and the menu of what may be done.

What the menu leads to is asked and done elsewhere. Knows no rules: what it offers, domain.acts says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Response

from scim_server.directory import activity, life, signin_link
from scim_server.directory import profile as beside
from scim_server.directory.access import Unknown
from scim_server.directory.columns import row_of
from scim_server.directory.contacts import shortened
from scim_server.directory.life import Shown
from scim_server.domain.acts import possible
from scim_server.domain.contact import Contact, Event
from scim_server.domain.roles import Permission, Role, outranks
from scim_server.http.console.entries import access_said, said
from scim_server.http.console.frame import Visitor, console, directory, show, visitor

LATEST: Final = 10  # rows of activity
SIGN_IN_LINK: Final = "sign-in link"  # an entry that is no event: nothing in the contact's life changes
# Act → (the end of its page's path, what the menu calls it, whether it takes something away for good), in the menu's
# order. A contact is never offered both kinds of invitation.
ENTRIES: Final = (
    (Event.INVITE, "invite", "Invite", False),
    (Event.REINVITE, "invite", "Invite", False),
    (Event.ACTIVATE, "activate", "Activate", False),
    (Event.RESEND, "resend", "Resend invitation", False),
    (Event.REVOKE, "revoke-invitation", "Take back invitation", False),
    (Event.DEACTIVATE, "deactivate", "Deactivate", False),
    (Event.EDIT, "role", "Change role", False),
    (SIGN_IN_LINK, "sign-in-link", "Send sign-in link", False),
    (Event.ARCHIVE, "archive", "Archive contact", False),
    (Event.UNARCHIVE, "unarchive", "Unarchive contact", False),
    (Event.DELETE, "delete", "Delete contact", True),
)
ROLES: Final = {
    Role.OWNER: "Owner",
    Role.ADMIN: "Admin",
    Role.TEAM: "Team member",
    Role.CLIENT: "Client",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu; `path` is behind /console."""

    path: str
    label: str
    danger: bool


@console.get("/contacts/<contact_id>")
def profile(contact_id: str) -> Response:
    """All about one contact."""
    found = visitor(Permission.CONTACTS_VIEW)
    shown = contact_of(found, contact_id)
    contact = shown.contact
    wanted = activity.Wanted(contact_id=contact.id)
    values: dict[str, Any] = {
        "facts": row_of(contact, ()),
        "groups": sorted(shown.groups, key=lambda each: (not each.direct, each.label.casefold())),
        "around": beside.around(directory(), found.actor, contact.id),
        "access": access_said(found, contact),
        "latest": said(found, activity.newest(directory(), found.actor, wanted, count=LATEST)),
        "menu_entries": entries(found, contact),
        "may_invite": {Event.RESEND, Event.REVOKE} & set(possible(contact, found.actor)),
    }
    return page(found, contact, "profile.html", **values)


def page(found: Visitor, contact: Contact, template: str, status: int = 200, **values: Any) -> Response:
    """A page about a contact: it has the contact, its name, the path of its page, and the words for roles."""
    about = {"contact": contact, "name": name_of(contact), "path": path_of(contact), "role_words": ROLES}
    return show(found, template, status, **about, **values)


def contact_of(found: Visitor, contact_id: str) -> Shown:
    """The contact with that id, and its groups. Raises Unknown; a userName is no id."""
    shown = life.show(directory(), found.actor, contact_id)
    if shown.contact.id != contact_id:
        raise Unknown("The workspace has no contact with that id.")
    return shown


def name_of(contact: Contact) -> str:
    """What to call a contact."""
    return str(contact.profile.get("displayName") or contact.user_name)


def called(contact: Contact) -> str:
    """The same in a sentence on the next page, which goes there in a cookie of 4 KB: cut where it is too long."""
    return shortened(name_of(contact))


def path_of(contact: Contact) -> str:
    """Where a contact's page is, behind /console."""
    return f"/contacts/{contact.id}"


def entries(found: Visitor, contact: Contact) -> list[Entry]:
    """The menu: what the state of the contact and the visitor's permissions allow."""
    offered: set[str] = {*possible(contact, found.actor), *((Event.EDIT,) if roles_for(found, contact) else ())}
    if signin_link.is_offered(contact, found.actor):
        offered.add(SIGN_IN_LINK)
    return [Entry(f"{path_of(contact)}/{end}", label, danger) for act, end, label, danger in ENTRIES if act in offered]


def roles_for(found: Visitor, contact: Contact | None) -> list[Role]:
    """The roles that the visitor may give to a contact, or to a new one; none where they may not touch its role."""
    mine = found.actor.role
    if mine is None or not found.may(Permission.CONTACTS_EDIT):
        return []
    if contact is not None and (contact.owner or outranks(contact.role, mine)):
        return []
    return [role for role in Role if role is not Role.OWNER and not outranks(role, mine)]
