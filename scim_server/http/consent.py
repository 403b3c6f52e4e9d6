"""/oauth/authorize: the page by which an administrator lets an OAuth client in, or doesn't.

What a request must hold, and what is answered to the client, Authlib decides (`authorization`); who may consent,
the directory. A request that names no client of ours, or a place that isn't the client's, never leads anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, request
from uuid_utils import uuid7

from scim_server.directory import access
from scim_server.directory.authorization import Client
from scim_server.domain.roles import Permission, expand_scopes
from scim_server.http.authorization import Server, checked_grant, consented
from scim_server.http.authorization import refused as error_to_client
from scim_server.http.pages import AUTHORIZE, policy, refusal, render, site
from scim_server.http.signin import User, actor_of, someone

# permission → what a client with it can do, in the order of the page
WORDS: Final[Mapping[Permission, str]] = {
    Permission.CONTACTS_VIEW: "see all people of the workspace",
    Permission.CONTACTS_EDIT: "add people, change and archive them",
    Permission.CONTACTS_DELETE: "deactivate, reactivate and delete people",
    Permission.GROUPS_VIEW: "see all groups and who is in them",
    Permission.GROUPS_EDIT: "add, change and delete groups",
    Permission.SEATS_MANAGE: "buy seats and give them back",
    Permission.WORKSPACE_MANAGE: "manage the workspace, its connections and their secrets",
}
_HOST: Final = re.compile(r"[\w.:\[\]-]+", re.ASCII)
_TITLE: Final = "This request can't be carried out"


def mount(app: Flask, server: Server) -> None:
    """Serve the page, after `pages` and `signin`."""
    app.add_url_rule(AUTHORIZE, "authorize", partial(_show, server), methods=["GET"])
    app.add_url_rule(AUTHORIZE, "authorize_decided", partial(_decide, server), methods=["POST"])


def _show(server: Server) -> Response:
    """What is asked for, to whoever may say yes."""
    grant = _grant(server)
    return grant if isinstance(grant, Response) else _asked(grant)


def _decide(server: Server) -> Response:
    """Back to the client, with a code or without."""
    grant = _grant(server)
    if isinstance(grant, Response):
        return grant
    user = someone()
    if (no := _not_for(user, _client(grant))) is not None:
        return no
    allowed = request.form.get("decision") == "allow"
    return _seen_off(consented(server, actor_of(user, str(uuid7())) if allowed else None, grant))


def _grant(server: Server) -> Any:
    """The request as Authlib takes it, or the answer to one that can't be taken.

    An error goes back to the client only once somebody is signed in: else every link to here would be a way to
    wherever a client leads (RFC 9700 §4.11.2).
    """
    try:
        return checked_grant(server, request, str(uuid7()))
    except OAuth2Error as error:
        if not error.redirect_uri:
            return _refused(str(error.description or error.error))
        someone()
        response = error_to_client(server, error)
        if request.headers.get("Sec-Fetch-Site") == "same-origin":
            # straight from the sign-in form, which browsers don't let lead to another site: so people click on
            words = str(error.description or error.error)
            return render("refusal.html", 400, title=_TITLE, message=words, back=response.headers["Location"])
        return _seen_off(response)


def _refused(reason: str) -> Response:
    """A page for a request that must not lead anywhere."""
    hint = "Go back to where you came from. Whoever set the client up there can mend it."
    return refusal(400, reason, title=_TITLE, detail=hint)


def _asked(grant: Any) -> Response:
    user, client = someone(), _client(grant)
    if (no := _not_for(user, client)) is not None:
        return no
    held = expand_scopes(grant.request.scope or "")
    connections = access.list_connections(site().directory, user.session.workspace)
    shown = {
        "id": client.id,
        "name": client.name,
        "connection": next(each.name for each in connections if each.id == client.connection_id),
    }
    words = [words for permission, words in WORDS.items() if permission in held]
    response = render("consent.html", user=user, client=shown, redirect_uri=grant.redirect_uri, permissions=words)
    response.headers["Content-Security-Policy"] = policy(_origin(grant.redirect_uri))
    return response


def _client(grant: Any) -> Client:
    found: Client = grant.client.row
    return found


def _not_for(user: User, client: Client) -> Response | None:
    """Why this person can't say yes, if so."""
    if client.workspace_id != user.session.workspace_id:
        why = f"This client belongs to another workspace than {user.session.workspace}, where you are signed in."
    elif Permission.WORKSPACE_MANAGE not in actor_of(user, "").permissions:
        why = f"Only an administrator or the owner of {user.session.workspace} can let a client in."
    else:
        return None
    path = request.full_path
    return render("not_allowed.html", 403, user=user, title="You can't allow this", message=why, next=path)


def _origin(uri: str) -> str:
    """Where a redirect leads, as a source of a Content-Security-Policy."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if _HOST.fullmatch(parts.netloc) else f"{parts.scheme}:"


def _seen_off(response: Response) -> Response:
    """Redirects by 303: the form isn't sent along (RFC 9700 §4.12)."""
    if response.status_code == 302:
        response.status_code = 303
    return response
