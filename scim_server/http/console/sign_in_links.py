"""A sign-in link from a contact's page: for somebody who has access, and no password or a forgotten one.

Knows neither mail nor links: the directory sees to both.
"""

from __future__ import annotations

from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import signin_link
from scim_server.directory.access import NotAllowed
from scim_server.directory.invitations import MailFailed
from scim_server.domain.roles import Permission
from scim_server.http.console.contact_invitations import mailed
from scim_server.http.console.frame import console, directory, done, visitor
from scim_server.http.console.profile import called, contact_of, name_of, page, path_of


@console.get("/contacts/<contact_id>/sign-in-link")
def ask_sign_in_link(contact_id: str) -> AnyResponse:
    """Where the link goes, and what it does."""
    found = visitor(Permission.CONTACTS_EDIT)
    contact = contact_of(found, contact_id).contact
    try:
        email = signin_link.destination(directory(), found.actor, contact.id)
    except NotAllowed as error:
        return done(str(error), path_of(contact), "warn")
    title = f"Send {name_of(contact)} a sign-in link?"
    days = directory().lifetime.days
    return page(found, contact, "contact_sign_in_link.html", title=title, yes="Send link", email=email, days=days)


@console.post("/contacts/<contact_id>/sign-in-link")
def send_sign_in_link(contact_id: str) -> AnyResponse:
    """Mail it; one that was mailed before is dead."""
    found = visitor(Permission.CONTACTS_EDIT)
    contact = contact_of(found, contact_id).contact
    try:
        sent = signin_link.send(directory(), found.actor, contact.id)
    except NotAllowed as error:
        return done(str(error), path_of(contact), "bad")
    except MailFailed as error:
        return done(f"The link wasn't sent: {error.reason}. Send another once that is mended.", path_of(contact), "bad")
    return done(f"There is a sign-in link for {called(contact)}. {mailed(sent.email)}", path_of(contact))
