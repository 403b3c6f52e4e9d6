"""Settings of the workspace itself: its name, its billing day, who looks after it, and to whom it is handed over (T15).

Knows no rules: it asks the directory.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import access, life, roster, seats
from scim_server.directory.roster import Line
from scim_server.domain.contact import Contact, Event, Status
from scim_server.domain.errors import MissingPermission, OnlyOwner, Refused
from scim_server.domain.roles import Permission, Role
from scim_server.domain.seats import SeatState
from scim_server.http.console.frame import SETTINGS, Visitor, console, directory, done, show, to, told, visitor
from scim_server.http.console.profile import ROLES, called, name_of

PAGE: Final = "/settings/workspace"
_FOUND: Final = 10  # contacts that a search for the next owner shows
_MANAGE: Final = Permission.WORKSPACE_MANAGE


@console.get("/settings")
def settings() -> AnyResponse:
    """On to the first page of Settings that the visitor may see."""
    found = visitor()
    for path, _, permission in SETTINGS:
        if found.may(permission):
            return to(path)
    raise MissingPermission(SETTINGS[0][2])


@console.get(PAGE)
def workspace() -> Response:
    """The settings, and who looks after the workspace."""
    found = visitor(_MANAGE)
    values: dict[str, Any] = {
        "billing_day": seats.billing_day(directory(), found.actor),
        "people": [life.owner(directory(), found.actor), *life.administrators(directory(), found.actor)],
        "most": life.MOST_ADMINISTRATORS,
        "is_owner": _is_owner(found),
        "role_words": ROLES,
        "name_of": name_of,
    }
    return show(found, "workspace.html", **values)


@console.get(f"{PAGE}/rename")
def rename_form() -> Response:
    """The name, to change it."""
    found = visitor(_MANAGE)
    return _rename_form(found, found.workspace)


@console.post(f"{PAGE}/rename")
def rename() -> AnyResponse:
    """Call the workspace otherwise."""
    found, name = visitor(_MANAGE), request.form.get("name", "")
    try:
        renamed = access.rename_workspace(directory(), found.actor, name)
    except Refused as error:
        return _rename_form(found, name, error)
    return done(f"The workspace is called {renamed.name}. That is what people type to sign in.", PAGE)


@console.get(f"{PAGE}/billing-day")
def billing_day_form() -> Response:
    """The day, to change it."""
    found = visitor(_MANAGE, Permission.SEATS_MANAGE)
    return _billing_form(found, str(seats.billing_day(directory(), found.actor)))


@console.post(f"{PAGE}/billing-day")
def billing_day() -> AnyResponse:
    """Begin billing cycles on another day."""
    found, day = visitor(_MANAGE, Permission.SEATS_MANAGE), request.form.get("day", "").strip()
    try:
        begins = seats.set_billing_day(directory(), found.actor, _number(day))
    except Refused as error:
        return _billing_form(found, day, error)
    return done(f"Billing cycles begin on day {begins} of the month.", PAGE)


@console.get(f"{PAGE}/transfer")
def transfer_form() -> Response:
    """Choose the next owner by a search; with `to`, what handing over to that contact will do."""
    found = _owner()
    if who := request.args.get("to", ""):
        return _question(found, life.foresee(directory(), found.actor, who, Event.TRANSFER).contact)
    text = request.args.get("q", "").strip()
    try:
        lines = _candidates(found, text) if text else []
    except Refused as error:
        return show(found, "transfer.html", 400, q=text, problem=told(error)[0])
    return show(found, "transfer.html", q=text, lines=lines, role_words=ROLES, problem="")


@console.post(f"{PAGE}/transfer")
def transfer() -> AnyResponse:
    """Hand the workspace over: the two roles swap."""
    found, who = _owner(), request.form.get("to", "")
    contact = life.show(directory(), found.actor, who).contact
    try:
        before, after = life.transfer(directory(), found.actor, contact.id)
    except Refused as error:
        return _question(found, contact, error)
    words = f"{called(after)} owns the workspace now. Your role is {ROLES[before.role]}."
    return done(words, PAGE if before.role is Role.ADMIN else "/")


def _owner() -> Visitor:
    found = visitor(_MANAGE)
    if not _is_owner(found):
        raise OnlyOwner
    return found


def _is_owner(found: Visitor) -> bool:
    return found.actor.role is Role.OWNER


def _candidates(found: Visitor, text: str) -> list[Line]:
    """Whom ownership can go to, of those whose name or address begins with the text: active, with a seat."""
    wanted = roster.Wanted(text=text, status=Status.ACTIVE, with_archived=True)
    page = roster.page(directory(), found.actor, wanted, count=_FOUND + 1)
    return [line for line in page.lines if line.seat is SeatState.ASSIGNED and line.role is not Role.OWNER][:_FOUND]


def _question(found: Visitor, contact: Contact, error: Refused | None = None) -> Response:
    message, status = told(error) if error is not None else ("", 200)
    values = {"contact": contact, "name": name_of(contact), "role": contact.role, "role_words": ROLES}
    return show(found, "transfer_question.html", status, problem=message, **values)


def _rename_form(found: Visitor, name: str, error: Refused | None = None) -> Response:
    message, status = told(error) if error is not None else ("", 200)
    return show(found, "workspace_rename.html", status, name=name, problem=message)


def _billing_form(found: Visitor, day: str, error: Refused | None = None) -> Response:
    message, status = told(error) if error is not None else ("", 200)
    return show(found, "workspace_billing.html", status, day=day, last=seats.LAST_DAY, problem=message)


def _number(text: str) -> int:
    """The number; 0, which no day has, for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
