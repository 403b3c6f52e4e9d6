"""Settings → Users: a list to pick from, and the picked one's seat and access (R48 to R53).

Deactivating is asked about first, activating is one click. Knows no rules: what it offers, domain.acts says.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import life, roster
from scim_server.directory.roster import Wanted
from scim_server.domain.acts import possible
from scim_server.domain.contact import Contact, Event
from scim_server.domain.errors import MissingPermission, NoFreeSeat, OwnerProtected, Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.entries import access_said
from scim_server.http.console.frame import Visitor, console, directory, done, show, told, visitor
from scim_server.http.console.profile import called, contact_of, name_of, page
from scim_server.http.pages import CONSOLE, at
from scim_server.mapping import first_value
from scim_server.scim.errors import ScimError

PATH: Final = "/settings/users"
COUNT: Final = 25
QUESTION: Final = "Are you sure you want to deactivate this user?"


@console.get(PATH)
def users() -> Response:
    """The list, and the user that is picked from it."""
    found = visitor(Permission.CONTACTS_VIEW)
    picked = request.args.get("user", "")
    return _users(found, contact_of(found, picked).contact if picked else None)


@console.get(f"{PATH}/<contact_id>/deactivate")
def deactivating_user(contact_id: str) -> AnyResponse:
    """Whether to deactivate the user."""
    found = visitor(Permission.CONTACTS_DELETE)
    contact = contact_of(found, contact_id).contact
    if contact.owner:
        raise OwnerProtected
    if Event.DEACTIVATE not in possible(contact, found.actor):
        return _done(contact, "has no access already; nothing was changed", "warn")
    return _question(found, contact)


@console.post(f"{PATH}/<contact_id>/deactivate")
def deactivate_user(contact_id: str) -> AnyResponse:
    """Deactivate the user, and show them again."""
    found = visitor(Permission.CONTACTS_DELETE)
    contact = contact_of(found, contact_id).contact
    try:
        changed = life.act(directory(), found.actor, contact.id, Event.DEACTIVATE).changed
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _question(found, contact, error)
    if not changed:
        return _done(contact, "has no access already; nothing was changed", "warn")
    return _done(contact, "is deactivated")


@console.post(f"{PATH}/<contact_id>/activate")
def activate_user(contact_id: str) -> AnyResponse:
    """Activate the user at once, or say why not: with the counters where no seat is free."""
    found = visitor(Permission.CONTACTS_DELETE)
    contact = contact_of(found, contact_id).contact
    try:
        changed = life.act(directory(), found.actor, contact.id, Event.ACTIVATE).changed
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _users(found, contact, error)
    if not changed:
        return _done(contact, "has access already; nothing was changed", "warn")
    return _done(contact, "is active and can sign in again")


def _users(found: Visitor, contact: Contact | None, error: Refused | ScimError | None = None) -> Response:
    """The list with the picked user; `error` is why they weren't activated.

    Archived ones are left out of the list, as everywhere, and found by a search, as everywhere.
    """
    problem, status = ("", 200) if error is None else told(error)
    text = request.args.get("q", "").strip()
    wanted = Wanted(text=text, with_archived=bool(text))
    listed = roster.page(directory(), found.actor, wanted, position=request.args.get("page") or None, count=COUNT)
    values: dict[str, Any] = {
        "text": text,
        "listed": listed,
        "address": _address,
        "problem": problem,
        "no_seat": isinstance(error, NoFreeSeat),
    }
    if contact is None:
        return show(found, "users.html", status, contact=None, **values)
    email = first_value(contact.profile.get("emails") or ())
    values |= {"email": email and email["value"], "offered": possible(contact, found.actor)}
    values["access"] = access_said(found, contact)
    return page(found, contact, "users.html", status, **values)


def _question(found: Visitor, contact: Contact, error: Refused | ScimError | None = None) -> Response:
    problem, status = ("", 200) if error is None else told(error)
    values = {"contact": contact, "name": name_of(contact), "problem": problem, "yes": "Yes"}
    back, action = _address(user=contact.id), at(CONSOLE + _address(f"/{contact.id}/deactivate"))
    return show(found, "user_deactivate.html", status, title=QUESTION, path=back, action=action, **values)


def _done(contact: Contact, what: str, category: str = "good") -> AnyResponse:
    return done(f"{called(contact)} {what}.", _address(user=contact.id), category)


def _address(end: str = "", **changed: str | None) -> str:
    """The address of the page or of one below it, behind /console, with search and place in the list, and `changed`."""
    kept = {name: request.args.get(name) for name in ("q", "page")} | changed
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"{PATH}{end}{f'?{query}' if query else ''}"
