"""What the console's pages share: who looks, what they may do, the navigation, and refusals within the frame.

Every page asks for a visitor first, by the permission that it needs; the directory asks again at each read and change.
Knows no page's contents and no rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, flash, make_response, redirect, request
from uuid_utils import uuid7
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import Directory
from scim_server.directory.access import Unknown
from scim_server.directory.contacts import Call, shortened
from scim_server.domain.actor import Actor
from scim_server.domain.errors import MissingPermission, Refused
from scim_server.domain.roles import Permission
from scim_server.http.pages import CONSOLE, at, policy, refusal, render, site
from scim_server.http.signin import User, actor_of, known, person, someone
from scim_server.scim.errors import ScimError

# What the bar leads to, and what one must hold for it: (path, label, permission)
NAVIGATION: Final = (
    ("/contacts", "Contacts", Permission.CONTACTS_VIEW),
    ("/activity", "Activity", Permission.CONTACTS_VIEW),
    ("/settings", "Settings", Permission.CONTACTS_VIEW),
)
SETTINGS: Final = (
    ("/settings/users", "Users", Permission.CONTACTS_VIEW),
    ("/settings/licences", "Licences", Permission.SEATS_MANAGE),
    ("/settings/provisioning", "Provisioning", Permission.WORKSPACE_MANAGE),
    ("/settings/requests", "Request log", Permission.WORKSPACE_MANAGE),
    ("/settings/workspace", "Workspace", Permission.WORKSPACE_MANAGE),
)
MOST_SAID: Final = 400  # characters of a message; it is in a cookie, of which browsers keep 4 KB
console = Blueprint("console", __name__, url_prefix=CONSOLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Whoever looks at a page: signed in, and holding what the page needs."""

    user: User
    actor: Actor

    @property
    def workspace(self) -> str:
        """The workspace's name."""
        return self.user.session.workspace

    @property
    def call(self) -> Call:
        """As whom the directory's functions for SCIM resources are called: no connection's, with no URLs to fill in."""
        return Call(self.actor, None, "")

    def may(self, permission: str) -> bool:
        """Whether they hold a permission: for what a page shows."""
        return permission in self.actor.permissions


def visitor(*needed: Permission) -> Visitor:
    """Whoever is signed in. Raises SignInNeeded, MissingPermission."""
    user = someone()
    actor = actor_of(user, str(uuid7()))
    actor.require(*needed)
    return Visitor(user=user, actor=actor)


def directory() -> Directory:
    """The site's directory."""
    return site().directory


def show(found: Visitor, template: str, status: int = 200, **values: Any) -> Response:
    """A page of the console, from templates/console, with its navigation."""
    response = render(f"console/{template}", status, user=found.user, visitor=found, **_frame(found), **values)
    response.headers["Content-Security-Policy"] = policy(scripts=True)
    return response


def done(message: str, path: str, category: str = "good") -> AnyResponse:
    """After a change: on to a page of the console, which says what was done."""
    flash(shortened(message, MOST_SAID), category)
    return to(path)


def told(error: Refused | ScimError) -> tuple[str, int]:
    """What a form says of a refusal, as a sentence, and the status that it is answered with."""
    if isinstance(error, ScimError):
        return error.detail[:1].upper() + error.detail[1:], error.status
    return str(error), 404 if isinstance(error, Unknown) else 403


def to(path: str) -> AnyResponse:
    """On to a page of the console; `path` begins behind /console."""
    return redirect(at(CONSOLE + path), 303)


def download(text: Any, name: str, media_type: str) -> Response:
    """A file to keep; `text` may come in pieces."""
    response = Response(text, mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def around(status: int) -> Mapping[str, Any]:
    """What a refusal of that status has around it, where it stands for a page of the console: the bar with its links.

    A fault asks the database for nothing more: its page has a bar if who looks is known already.
    """
    if request.path != CONSOLE and not request.path.startswith(f"{CONSOLE}/"):
        return {}
    user = known() if status >= 500 else person()
    return {} if user is None else {"user": user, **_frame(Visitor(user=user, actor=actor_of(user, "")))}


def _frame(found: Visitor) -> Mapping[str, Any]:
    return {
        "navigation": _places(found, NAVIGATION),
        "settings": _places(found, SETTINGS),
        "here": request.path,
    }


def _places(found: Visitor, table: tuple[tuple[str, str, Permission], ...]) -> list[tuple[str, str]]:
    return [(CONSOLE + path, label) for path, label, permission in table if found.may(permission)]


@console.errorhandler(Unknown)
@console.errorhandler(MissingPermission)
@console.errorhandler(Refused)
@console.errorhandler(ScimError)
def _refused(error: Refused | ScimError) -> AnyResponse:
    """What a rule says no to, as a page; a form that people see says it in its own place."""
    title = "Not allowed"
    message, status = told(error)
    detail = ""
    if status == 404:
        title, message = "Not found", "There is nothing here, or not any more. It may have been deleted."
    elif isinstance(error, MissingPermission):
        detail = "The owner or an administrator of the workspace can change what you may do."
    elif status != 403:
        title = "That didn't work"
    return make_response(refusal(status, message, title=title, detail=detail, **around(status)))
