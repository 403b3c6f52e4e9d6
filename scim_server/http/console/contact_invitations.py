"""Invitations from a contact's page: choose an address and invite, send again, take back.

Knows neither mail nor links: the directory sees to both.
"""

from __future__ import annotations

from typing import Final

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import invitations
from scim_server.directory.access import NotAllowed
from scim_server.directory.invitations import MailFailed
from scim_server.domain.acts import possible
from scim_server.domain.contact import Contact, Event, Status
from scim_server.domain.errors import EmailMissing, MissingPermission, NoFreeSeat, Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.frame import Visitor, console, directory, done, told, visitor
from scim_server.http.console.profile import called, contact_of, name_of, page, path_of
from scim_server.http.pages import site
from scim_server.scim.errors import ScimError

# Kind of page → its title, and its button's label
TITLES: Final = {
    "invite": ("Invite {name}", "Send invitation"),
    "resend": ("Send {name} a new invitation?", "Send again"),
    "revoke": ("Take back the invitation of {name}?", "Take it back"),
}
OTHER: Final = "other"  # the choice of an address that the contact doesn't have yet


@console.get("/contacts/<contact_id>/invite")
def ask_invite(contact_id: str) -> AnyResponse:
    """To which address the invitation goes (R19)."""
    return _question(contact_id, (Event.INVITE, Event.REINVITE), "invite")


@console.post("/contacts/<contact_id>/invite")
def invite(contact_id: str) -> AnyResponse:
    """Invite the contact, or invite it again (T2, T9)."""
    found, contact = _asked_of(contact_id)
    try:
        sent = invitations.invite(directory(), found.call, contact.id, _chosen())
    except (Refused, ScimError) as error:
        return _refused(found, contact, "invite", error)
    return done(f"{called(contact)} is invited. {mailed(sent.email)}", path_of(contact))


@console.get("/contacts/<contact_id>/resend")
def ask_resend(contact_id: str) -> AnyResponse:
    """To which address a new link goes."""
    return _question(contact_id, (Event.RESEND,), "resend")


@console.post("/contacts/<contact_id>/resend")
def resend(contact_id: str) -> AnyResponse:
    """Mail a new link; the old one is dead (T3)."""
    found, contact = _asked_of(contact_id)
    try:
        sent = invitations.resend(directory(), found.call, contact.id, _chosen())
    except (Refused, ScimError) as error:
        return _refused(found, contact, "resend", error)
    return done(f"The invitation is made anew. {mailed(sent.email)}", path_of(contact))


@console.get("/contacts/<contact_id>/revoke-invitation")
def ask_revoke(contact_id: str) -> AnyResponse:
    """Whether to take the invitation back."""
    return _question(contact_id, (Event.REVOKE,), "revoke")


@console.post("/contacts/<contact_id>/revoke-invitation")
def revoke(contact_id: str) -> AnyResponse:
    """Take it back; its link is dead, and nobody is mailed (T6)."""
    found, contact = _asked_of(contact_id)
    try:
        invitations.revoke(directory(), found.call, contact.id)
    except (Refused, ScimError) as error:
        return _refused(found, contact, "revoke", error)
    return done(f"The invitation of {called(contact)} is taken back.", path_of(contact))


def _question(contact_id: str, events: tuple[Event, ...], kind: str) -> AnyResponse:
    found, contact = _asked_of(contact_id)
    if not set(events) & set(possible(contact, found.actor)):
        if contact.status is Status.INACTIVE and Event.REINVITE in events:
            found.actor.require(Permission.CONTACTS_DELETE)
        return done(f"That isn't possible for {called(contact)} now; nothing was changed.", path_of(contact), "warn")
    return _form(found, contact, kind)


def _asked_of(contact_id: str) -> tuple[Visitor, Contact]:
    found = visitor(Permission.CONTACTS_EDIT)
    return found, contact_of(found, contact_id).contact


def _form(found: Visitor, contact: Contact, kind: str, error: Refused | ScimError | None = None) -> Response:
    problem, status = told(error) if error is not None else ("", 200)
    title, yes = TITLES[kind]
    known = _addresses(contact)
    return page(
        found,
        contact,
        f"contact_{kind}.html",
        status,
        title=title.format(name=name_of(contact)),
        yes=yes,
        problem=problem,
        no_seat=isinstance(error, NoFreeSeat),
        addresses=known,
        chosen=request.form.get("email", known[0] if known else OTHER),
        other=request.form.get("other", ""),
        days=directory().lifetime.days,
    )


def _refused(found: Visitor, contact: Contact, kind: str, error: Refused | ScimError) -> AnyResponse:
    """What is said where it didn't work: in the form, but for a mail that wasn't sent for an invitation that stands."""
    if isinstance(error, MissingPermission):
        raise error
    if isinstance(error, MailFailed):
        return done(str(error), path_of(contact), "bad")
    return _form(found, contact, kind, error)


def _chosen() -> str:
    """The address that the form names. Raises EmailMissing, NotAllowed where it names two."""
    email, other = request.form.get("email", OTHER), request.form.get("other", "").strip()
    if email == OTHER:
        if not other:
            raise EmailMissing
        return other
    if other:
        raise NotAllowed("Choose “Another address” for the one that you typed, or leave that field empty.")
    return email


def mailed(email: str) -> str:
    """Where a letter is on its way to, as the page says it."""
    if site().mails:
        return f"A mail is on its way to {email}."
    return f"No mail server is set up: the mail to {email} is a file in the server's mail folder."


def _addresses(contact: Contact) -> list[str]:
    """The contact's addresses, first the one that an invitation goes to by itself: where a pending one went."""
    own = invitations.addresses_of(contact)
    pending = contact.invitation.email if contact.invitation is not None and contact.invitation.pending else None
    return [*([pending] if pending else []), *(each for each in own if each != pending)]
