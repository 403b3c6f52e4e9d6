"""What the menu of a contact leads to: deactivate, activate, archive, unarchive, delete. Each is a question, then done.

Knows no rules: whether an act is possible, the domain and the directory say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import life, search
from scim_server.directory import profile as beside
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.directory.search import Query
from scim_server.domain.acts import possible
from scim_server.domain.contact import Contact, Event
from scim_server.domain.errors import MissingPermission, NoFreeSeat, OwnerProtected, Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.frame import Visitor, console, directory, done, told, visitor
from scim_server.http.console.profile import called, contact_of, name_of, page, path_of
from scim_server.scim.errors import ScimError
from scim_server.scim.filter import parse_filter
from scim_server.scim.schema import USER


@dataclass(frozen=True, slots=True)
class Question:
    """An act as it is asked and told: `yes` is the button's label, `so_already` what is said where nothing changed."""

    event: Event
    permission: Permission
    title: str
    yes: str
    said: str
    so_already: str


QUESTIONS: Final = {
    "deactivate": Question(
        Event.DEACTIVATE,
        Permission.CONTACTS_DELETE,
        "Deactivate {name}?",
        "Deactivate",
        "{name} is deactivated.",
        "{name} has no access already; nothing was changed.",
    ),
    "activate": Question(
        Event.ACTIVATE,
        Permission.CONTACTS_DELETE,
        "Activate {name}?",
        "Activate",
        "{name} is active, and can sign in.",
        "{name} has access, or was never let in; nothing was changed.",
    ),
    "archive": Question(
        Event.ARCHIVE,
        Permission.CONTACTS_EDIT,
        "Archive {name}?",
        "Archive contact",
        "{name} is archived.",
        "{name} is archived already; nothing was changed.",
    ),
    "unarchive": Question(
        Event.UNARCHIVE,
        Permission.CONTACTS_EDIT,
        "Unarchive {name}?",
        "Unarchive contact",
        "{name} is back in the list.",
        "{name} isn't archived; nothing was changed.",
    ),
}
_NEVER_FOR_OWNER: Final = (Event.DEACTIVATE, Event.DELETE)


@console.get("/contacts/<contact_id>/<any(deactivate, activate, archive, unarchive):act>")
def ask_act(contact_id: str, act: str) -> AnyResponse:
    """What the act would do."""
    question = QUESTIONS[act]
    found = visitor(question.permission)
    contact = contact_of(found, contact_id).contact
    if not _is_offered(found, contact, question.event):
        return done(question.so_already.format(name=called(contact)), path_of(contact), "warn")
    return _asked(found, contact, act)


@console.post("/contacts/<contact_id>/<any(deactivate, activate, archive, unarchive):act>")
def do_act(contact_id: str, act: str) -> AnyResponse:
    """Do it."""
    question = QUESTIONS[act]
    found = visitor(question.permission)
    contact = contact_of(found, contact_id).contact
    try:
        result = life.act(directory(), found.actor, contact.id, question.event)
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _asked(found, contact, act, error)
    said = question.said if result.changed else question.so_already
    return done(said.format(name=called(contact)), path_of(contact), "good" if result.changed else "warn")


def _is_offered(found: Visitor, contact: Contact, event: Event) -> bool:
    if contact.owner and event in _NEVER_FOR_OWNER:
        raise OwnerProtected
    return event in possible(contact, found.actor)


def _asked(found: Visitor, contact: Contact, act: str, error: Refused | ScimError | None = None) -> Response:
    question = QUESTIONS[act]
    problem, status = told(error) if error is not None else ("", 200)
    return page(
        found,
        contact,
        f"contact_{act}.html",
        status,
        title=question.title.format(name=name_of(contact)),
        yes=question.yes,
        problem=problem,
        no_seat=isinstance(error, NoFreeSeat),
    )


@console.get("/contacts/<contact_id>/delete")
def ask_delete(contact_id: str) -> Response:
    """What deleting would do, and that deactivating is recommended (R42, R62)."""
    found = visitor(Permission.CONTACTS_DELETE)
    contact = contact_of(found, contact_id).contact
    _is_offered(found, contact, Event.DELETE)
    return _delete(found, contact)


@console.post("/contacts/<contact_id>/delete")
def delete(contact_id: str) -> AnyResponse:
    """Delete the contact for good; its items go to whom the form names, or to nobody (R55)."""
    found = visitor(Permission.CONTACTS_DELETE)
    contact = contact_of(found, contact_id).contact
    named = request.form.get("reassign_to", "").strip()
    try:
        heir = _heir(found, named) if named else None
        life.delete(directory(), found.actor, contact.id, reassign_to=heir.id if heir else None)
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _delete(found, contact, error)
    items = f" Their linked items belong to {called(heir)} now." if heir else ""
    return done(f"{called(contact)} is deleted for good.{items}", "/contacts")


def _delete(found: Visitor, contact: Contact, error: Refused | ScimError | None = None) -> Response:
    problem, status = told(error) if error is not None else ("", 200)
    return page(
        found,
        contact,
        "contact_delete.html",
        status,
        title=f"Delete {name_of(contact)} for good?",
        yes="Delete contact",
        danger=True,
        problem=problem,
        around=beside.around(directory(), found.actor, contact.id),
        offered=possible(contact, found.actor),
        reassign_to=request.form.get("reassign_to", ""),
    )


def _heir(found: Visitor, text: str) -> Contact:
    """The contact with that userName, id or e-mail. Raises Unknown, NotAllowed where an e-mail is that of several."""
    try:
        return life.show(directory(), found.actor, text).contact
    except Unknown as unknown:
        by_email = Query(filter=parse_filter(USER, f"emails.value eq {json.dumps(text)}"), count=2)
        users = search.find(directory(), found.call, USER.name, by_email, with_others=False).resources
        if not users:
            raise Unknown(f"There is no contact with the userName or e-mail {text[:64]!r}.") from unknown
        if len(users) > 1:
            raise NotAllowed(f"Several contacts have the e-mail {text[:64]!r}. Give the userName.") from unknown
        return life.show(directory(), found.actor, users[0]["id"]).contact
