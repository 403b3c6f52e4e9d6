"""The page at which somebody without a password asks for a link by mail. Knows no rules: it asks the directory.

The answer is the same whoever asks and whoever is meant, and the work behind it is done after the answer, so that
neither words nor time tell a stranger who may sign in.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import signin, signin_link
from scim_server.http.pages import at, own_path, render, site
from scim_server.http.signin import following, told_to_wait

PAGE: Final = "/signin/link"
ASKED: Final = f"{PAGE}/asked"
_KIND: Final = "sign-in link"  # of what is counted
pages = Blueprint("signin_links", __name__)


def mount(app: Flask) -> None:
    """Serve the page; `signin.mount` comes first."""
    app.register_blueprint(pages)


@pages.get(PAGE)
def ask_for_link() -> Response:
    """The form."""
    next_path, workspace = own_path(request.args.get("next")), request.args.get("workspace", "")
    return render("signin_link.html", next=next_path, workspace=workspace)


@pages.post(PAGE)
def send_link() -> AnyResponse:
    """Have a link mailed, if there is somebody to mail it to."""
    workspace, email = request.form.get("workspace", ""), request.form.get("email", "")
    seconds = site().throttle.tried(_KIND, request.remote_addr or "", signin.name_tried(workspace, email))
    if seconds is not None:
        return told_to_wait(seconds)
    site().errands.run(partial(signin_link.ask, site().directory, workspace, email))
    return redirect(at(ASKED) + following(own_path(request.form.get("next"))), 303)


@pages.get(ASKED)
def asked_for_link() -> Response:
    """What to do now; the same for everybody."""
    return render("signin_link_asked.html", next=own_path(request.args.get("next")), mails=site().mails)
