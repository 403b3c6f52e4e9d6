"""The start, and one's own account: for everybody who is signed in, whatever they may do."""

from __future__ import annotations

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import signin
from scim_server.directory.passwords import SHORTEST
from scim_server.directory.signin import OldPasswordWrong
from scim_server.domain.errors import Refused
from scim_server.domain.roles import Permission
from scim_server.http.console.frame import Visitor, console, directory, done, show, to, told, visitor
from scim_server.http.console.profile import ROLES
from scim_server.http.signin import failed, must_wait
from scim_server.scim.errors import ScimError


@console.get("/")
def start() -> AnyResponse:
    """On to the contacts, or to the account of those who may not see them."""
    return to("/contacts" if visitor().may(Permission.CONTACTS_VIEW) else "/account")


@console.get("/account")
def account() -> Response:
    """Who is signed in, until when, and a way to end all sessions."""
    found = visitor()
    return show(found, "account.html", role=ROLES[found.user.session.contact.role])


@console.get("/account/password")
def password_form() -> Response:
    """The form to change the account's password."""
    return _form(visitor())


@console.post("/account/password")
def password() -> AnyResponse:
    """Change it; the account's other sessions end."""
    found, form = visitor(), request.form
    session = found.user.session
    tried = (session.workspace_id, session.contact.id)  # no name, which they may change to have more tries
    if (wait := must_wait(*tried)) is not None:
        return wait
    old, new = form.get("old", ""), form.get("password", "")
    if new != form.get("again"):
        return _form(found, "The two new passwords are not the same.", 400)
    try:
        signin.change_password(directory(), found.actor, found.user.text, old=old, new=new)
    except (Refused, ScimError) as error:
        if isinstance(error, OldPasswordWrong):
            failed(*tried)
        return _form(found, *told(error))
    return done("Your password is changed. Your other sessions have ended.", "/account")


def _form(found: Visitor, problem: str = "", status: int = 200) -> Response:
    return show(found, "password.html", status, least=SHORTEST, problem=problem)
