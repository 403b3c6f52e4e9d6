"""Pages to sign in by, to accept an invitation, and to sign out. Knows no rules: it asks the directory.

The cookie holds a session's text, and whose it is is looked up at every request: a session that ended is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Flask, Response, flash, g, redirect, request, session
from flask_login import LoginManager, current_user, login_user
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import invitations, signin
from scim_server.directory.access import Taken
from scim_server.directory.invitations import Offer, WrongPassword
from scim_server.directory.passwords import SHORTEST
from scim_server.directory.signin import Session, SignInRefused
from scim_server.domain.actor import Actor
from scim_server.domain.errors import InvitationExpired, InvitationNotPending, WrongAccount
from scim_server.domain.invitation import is_for
from scim_server.domain.roles import ROLE_PERMISSIONS
from scim_server.http.pages import AUTHORIZE, CONSOLE, at, own_path, refusal, render, site
from scim_server.scim.errors import ScimError

SIGN_IN: Final = "/signin"
_FOR_CONSENT: Final = (
    "To let an identity provider in, sign in to the workspace that it is for, as its owner or an administrator."
)
_DEAD: Final[Mapping[type[Exception], str]] = {
    InvitationExpired: "It has expired.",
    InvitationNotPending: "It was used, replaced or taken back: a link works once.",
}
_HELD: Final = "_user_id"  # where Flask-Login keeps the text in the cookie
_KNOWN: Final = "signed_in"  # where a request keeps who asks
pages = Blueprint("signin", __name__)


class SignInNeeded(Exception):
    """A page is for people who are signed in, and nobody is."""


@dataclass(frozen=True, slots=True, eq=False)
class User:
    """Whoever is signed in, as Flask-Login wants them; `text` is the session's secret."""

    text: str = field(repr=False)
    session: Session
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """What the cookie holds."""
        return self.text

    @property
    def name(self) -> str:
        """What to call the person."""
        return str(self.session.contact.profile.get("displayName") or self.session.contact.user_name)


def mount(app: Flask) -> None:
    """Serve the pages; `pages.mount` comes first."""
    manager = LoginManager()
    manager.session_protection = None  # a session is good wherever its person goes
    manager.user_loader(_loaded)
    manager.init_app(app, add_context_processor=False)  # a refusal must not need the database
    app.register_blueprint(pages)
    app.register_error_handler(SignInNeeded, lambda _: _to_sign_in())


def person() -> User | None:
    """Whoever is signed in."""
    user = current_user._get_current_object()
    return user if isinstance(user, User) else None


def known() -> User | None:
    """Whoever was found to be signed in while this request was answered; looks nothing up."""
    user = g.get(_KNOWN)
    return user if isinstance(user, User) else None


def someone() -> User:
    """Whoever is signed in. Raises SignInNeeded, which leads to the sign-in page and back here."""
    user = person()
    if user is None:
        raise SignInNeeded
    return user


def actor_of(user: User, request_id: str) -> Actor:
    """The person as who asks for a change."""
    contact = user.session.contact
    return Actor(
        workspace_id=user.session.workspace_id,
        kind="contact",
        door="console",
        permissions=frozenset(ROLE_PERMISSIONS[contact.role]),
        id=contact.id,
        role=contact.role,
        request_id=request_id,
    )


def _loaded(text: str) -> User | None:
    found = signin.session_of(site().directory, text)
    user = None if found is None else User(text, found)
    setattr(g, _KNOWN, user)
    return user


def _to_sign_in() -> AnyResponse:
    if session.pop(_HELD, None) is not None:
        flash("Your session has ended. Sign in again.", "warn")
    path = request.full_path.rstrip("?") if request.method == "GET" or request.path == AUTHORIZE else ""
    return redirect(at(SIGN_IN) + following("" if path == "/" else path), 303)


def following(next_path: str | None) -> str:
    """The query by which a page knows where to go on to, if anywhere."""
    return f"?{urlencode({'next': next_path})}" if next_path else ""


@pages.get("/")
def home() -> AnyResponse:
    """On to the console, for whoever is signed in."""
    someone()
    return redirect(at(f"{CONSOLE}/"), 303)


@pages.get(SIGN_IN)
def sign_in_page() -> AnyResponse:
    """The form; whoever is signed in is sent on."""
    if person() is not None:
        return redirect(at(own_path(request.args.get("next")) or "/"), 303)
    return _form(200, "", request.args.get("workspace", ""), "", request.args.get("next"))


@pages.post(SIGN_IN)
def sign_in() -> AnyResponse:
    """Sign in, and go to `next`."""
    form = request.form
    workspace, email = form.get("workspace", ""), form.get("email", "")
    if (wait := must_wait(workspace, email)) is not None:
        return wait
    try:
        signed = signin.sign_in(site().directory, workspace, email, form.get("password", ""))
    except SignInRefused as error:
        failed(workspace, email)
        return _form(403, str(error), workspace, email, form.get("next"))
    _let_in(signed.text)
    return redirect(at(own_path(form.get("next")) or "/"), 303)


def _form(status: int, message: str, workspace: str, email: str, next_path: str | None) -> Response:
    kept = own_path(next_path)
    reason = _FOR_CONSENT if kept and urlsplit(kept).path == AUTHORIZE else ""
    values = {"message": message, "reason": reason, "workspace": workspace, "email": email, "next": kept}
    return render("signin.html", status, **values)


@pages.post("/signout")
def sign_out() -> AnyResponse:
    """End this session; `next` is where to go after the next sign-in."""
    return _let_out("You are signed out.", everywhere=False)


@pages.post("/signout/everywhere")
def sign_out_everywhere() -> AnyResponse:
    """End all sessions of this person."""
    return _let_out("You are signed out everywhere.", everywhere=True)


@pages.get("/invitation/<text>")
def invitation(text: str) -> Response:
    """What the link offers. A look changes nothing: mail scanners follow links."""
    try:
        return _offered(invitations.offer(site().directory, text))
    except (InvitationExpired, InvitationNotPending) as error:
        return _dead(error)


@pages.post("/invitation/<text>")
def accept(text: str) -> AnyResponse:
    """Accept, by a password or as who is signed in, and be signed in."""
    directory = site().directory
    try:
        offer = invitations.offer(directory, text)
        if (wait := must_wait(offer.workspace, offer.email)) is not None:
            return wait
        by_account = _way(offer) == "signed_in" and "signed_in" in request.form
        if not offer.has_account and request.form.get("password") != request.form.get("again"):
            return _offered(offer, "The two passwords are not the same.", 400)
        accepted = invitations.accept(
            directory,
            text,
            password=None if by_account else request.form.get("password", ""),
            account_email=_account_email() if by_account else None,
        )
    except (InvitationExpired, InvitationNotPending) as error:
        return _dead(error)
    except ScimError as error:  # a password that can't be one
        return _offered(offer, error.detail[:1].upper() + error.detail[1:], 400)
    except (WrongPassword, WrongAccount, Taken) as error:
        failed(offer.workspace, offer.email)
        return _offered(offer, str(error), 403)
    _let_in(signin.enter(directory, accepted.workspace_id, accepted.contact_id, accepted.account_id).text)
    flash(f"Welcome to {offer.workspace}.", "good")
    return redirect(at("/"), 303)


def must_wait(workspace: str, email: str) -> Response | None:
    """A refusal after too many failures from this address or for this e-mail in this workspace.

    It is asked for before a password is looked at.
    """
    seconds = site().throttle.check("sign-in", request.remote_addr or "", signin.name_tried(workspace, email))
    return None if seconds is None else told_to_wait(seconds)


def told_to_wait(seconds: int) -> Response:
    """A refusal after too many tries."""
    message = f"There were too many tries. Try again in {-(-seconds // 60)} min."
    response = refusal(429, message, **site().around(429))
    response.headers["Retry-After"] = str(seconds)
    return response


def failed(workspace: str, email: str) -> None:
    """Count a failed try."""
    site().throttle.failed("sign-in", request.remote_addr or "", signin.name_tried(workspace, email))


def _offered(offer: Offer, message: str = "", status: int = 200) -> Response:
    way, user = _way(offer), person()
    other = user.name if user is not None and not _is_account(offer.email) else ""
    values = {"offer": offer, "message": message, "way": way, "other": other, "least": SHORTEST, "user": user}
    return render("invitation.html", status, **values)


def _way(offer: Offer) -> str:
    """How it can be accepted: signed_in, by one click; known, by the account's password; new, by a new password."""
    if not offer.has_account:
        return "new"
    return "signed_in" if _is_account(offer.email) else "known"


def _account_email() -> str | None:
    user = person()
    return None if user is None else user.session.account_email


def _is_account(email: str) -> bool:
    """Whether the account that is signed in has this e-mail."""
    return is_for(email, _account_email())


def _dead(error: InvitationExpired | InvitationNotPending) -> Response:
    """Whose link it was, nobody knows any more: only hashes of live ones are kept."""
    hint = (
        "An administrator of the workspace can send another invitation; who may sign in already asks for a link at the "
        "sign-in page. The owner: whoever runs the server makes a new link (scim-server workspace owner-link)."
    )
    return refusal(410, _DEAD[type(error)], title="This link is no longer good", detail=hint)


def _let_in(text: str) -> None:
    """Sign in by a new session, in place of an older one, and with a cookie that has nothing of before."""
    directory = site().directory
    if (before := session.get(_HELD)) is not None:
        signin.sign_out(directory, before)
    session.clear()
    found = signin.session_of(directory, text)
    if found is None:  # deactivated in this very moment
        raise SignInRefused
    login_user(User(text, found))


def _let_out(message: str, *, everywhere: bool) -> AnyResponse:
    if (text := session.get(_HELD)) is not None:
        (signin.sign_out_everywhere if everywhere else signin.sign_out)(site().directory, text)
    session.clear()
    flash(message, "good")
    return redirect(at(SIGN_IN) + following(own_path(request.form.get("next"))), 303)
