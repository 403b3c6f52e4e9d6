"""Forms about a contact: a new one, what is known about it, its role. Knows no rules: it asks the directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import life, seats
from scim_server.directory.columns import row_of
from scim_server.domain.contact import Contact
from scim_server.domain.errors import MissingPermission, NoFreeSeat, OwnerRoleNotSettable, Refused, RoleAboveOwn
from scim_server.domain.roles import Permission, Role
from scim_server.domain.seats import DEFAULT_LICENCE
from scim_server.http.console.frame import Visitor, console, directory, done, show, told, visitor
from scim_server.http.console.profile import ROLES, called, contact_of, page, path_of, roles_for
from scim_server.scim.errors import ScimError

# The texts of the form, in its order: (name in life.FIELDS, label, type, hint)
TEXTS: Final = (
    ("givenName", "First name", "text", ""),
    ("familyName", "Last name", "text", ""),
    ("displayName", "Display name", "text", "What lists and the activity log call them."),
    ("userName", "userName", "text", "Most often their e-mail. Unique here."),
    ("email", "E-mail", "email", ""),
    ("phone", "Phone", "tel", ""),
    ("title", "Job title", "text", ""),
    ("department", "Department", "text", ""),
    ("employeeNumber", "Employee number", "text", ""),
)


@console.get("/contacts/new")
def new_contact() -> Response:
    """The form for a new contact."""
    found = visitor(Permission.CONTACTS_EDIT)
    return _new(found, {"role": Role.TEAM.value, "licence": DEFAULT_LICENCE})


@console.post("/contacts/new")
def create_contact() -> AnyResponse:
    """Make the contact; it is uninvited, so it may not sign in yet."""
    found = visitor(Permission.CONTACTS_EDIT)
    values = _sent()
    if not values.get("displayName"):
        values["displayName"] = " ".join(filter(None, (values.get("givenName"), values.get("familyName"))))
    try:
        contact = life.create(directory(), found.actor, values)
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _new(found, values, error)
    return done(f"{called(contact)} is added. Invite them to let them sign in.", path_of(contact))


@console.get("/contacts/<contact_id>/edit")
def edit_contact(contact_id: str) -> Response:
    """What is known about a contact, to be changed."""
    found = visitor(Permission.CONTACTS_EDIT)
    contact = contact_of(found, contact_id).contact
    return _edit(found, contact, {**row_of(contact, ()), "version": contact.version})


@console.post("/contacts/<contact_id>/edit")
def save_contact(contact_id: str) -> AnyResponse:
    """Save what was changed, unless somebody else was first."""
    found = visitor(Permission.CONTACTS_EDIT)
    contact = contact_of(found, contact_id).contact
    values = _sent()
    try:
        saved = life.edit(directory(), found.actor, contact.id, values, version=_version())
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _edit(found, contact, {**values, "version": request.form.get("version", "")}, error)
    return done(f"{called(saved.contact)} is saved." if saved.changed else "Nothing was changed.", path_of(contact))


@console.get("/contacts/<contact_id>/role")
def ask_role(contact_id: str) -> Response:
    """Which role the contact is to have."""
    found = visitor(Permission.CONTACTS_EDIT)
    contact = contact_of(found, contact_id).contact
    if contact.owner:
        raise OwnerRoleNotSettable
    if not roles_for(found, contact):
        raise RoleAboveOwn(contact.role)
    return _role(found, contact)


@console.post("/contacts/<contact_id>/role")
def change_role(contact_id: str) -> AnyResponse:
    """Give the contact another role."""
    found = visitor(Permission.CONTACTS_EDIT)
    contact = contact_of(found, contact_id).contact
    try:
        saved = life.change_role(
            directory(), found.actor, contact.id, request.form.get("role", ""), version=_version()
        ).contact
    except MissingPermission:
        raise
    except (Refused, ScimError) as error:
        return _role(found, contact, error)
    return done(f"The role of {called(saved)} is {ROLES[saved.role]}.", path_of(contact))


def _sent() -> dict[str, str]:
    """What the form has; what it doesn't have is left alone."""
    return {name: request.form[name].strip() for name in life.FIELDS if name in request.form}


def _version() -> int | None:
    """The version of the contact as the form showed it."""
    text = request.form.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _new(found: Visitor, values: Mapping[str, Any], error: Refused | ScimError | None = None) -> Response:
    problem, status = told(error) if error is not None else ("", 200)
    more = {"fields": TEXTS, "values": values, "problem": problem, **_choices(found, None)}
    return show(found, "contact_form.html", status, **more)


def _edit(
    found: Visitor, contact: Contact, values: Mapping[str, Any], error: Refused | ScimError | None = None
) -> Response:
    problem, status = told(error) if error is not None else ("", 200)
    more = {
        "fields": TEXTS,
        "values": values,
        "problem": problem,
        "no_seat": isinstance(error, NoFreeSeat),
        "others": max(0, len(contact.profile.get("emails") or ()) - 1),
    }
    return page(found, contact, "contact_form.html", status, **more, **_choices(found, contact))


def _choices(found: Visitor, contact: Contact | None) -> dict[str, Any]:
    """What may be chosen: (value, label) of the roles, and of the licence types for who may see them."""
    licences = [each.licence.name for each in _licences(found)]
    return {
        "roles": [(role.value, ROLES[role]) for role in roles_for(found, contact)],
        "licences": [(name, name) for name in licences],
    }


def _licences(found: Visitor) -> Any:
    return seats.show(directory(), found.actor) if found.may(Permission.SEATS_MANAGE) else ()


def _role(found: Visitor, contact: Contact, error: Refused | ScimError | None = None) -> Response:
    problem, status = told(error) if error is not None else ("", 200)
    choices = [(role.value, ROLES[role]) for role in roles_for(found, contact)]
    chosen = request.form.get("role", contact.role.value)
    return page(found, contact, "contact_role.html", status, problem=problem, roles=choices, chosen=chosen)
