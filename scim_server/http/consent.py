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
from authlib.oauth2.rfc6749 import InsecureTransportError
from flask import Flask, Response, request
from uuid_utils import uuid7

from scim_server.directory import access
from scim_server.directory.authorization import Client, client_named
from scim_server.domain.roles import Permission, expand_scopes
from scim_server.http.authorization import Server, checked_grant, consented
from scim_server.http.authorization import refused as error_to_client
from scim_server.http.pages import AUTHORIZE, policy, render, site
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
_MOST_SHOWN: Final = 200  # characters of what a request holds
_HOST: Final = re.compile(r"[\w.:\[\]-]+", re.ASCII)
_TITLE: Final = "This request can't be carried out"
_TO_CLIENT: Final = "Go back to where you came from. Whoever set the client up there can mend it."
_TO_OPERATOR: Final = "Whoever runs the server can mend it: the settings of its URL are in its documentation."
_REDIRECT_ERROR: Final = "Redirect URI "  # how Authlib begins
# What Authlib says of a request, or the error's code → what we say, in the characters of RFC 6749 §4.1.2.1.
_SENTENCES: Final[Mapping[str, str]] = {
    "insecure_transport": "Clients are let in over https alone, and this page was opened without.",
    "unsupported_response_type": "Only codes are given here: the request's response_type must be 'code'.",
    "invalid_scope": "The client asks for a scope that there isn't, or that is more than it may have.",
    "Missing 'client_id' parameter.": "The request doesn't say which client asks: it has no client_id.",
    "The client does not exist on this server.": "There is no client with this client_id here, or it was revoked.",
    "Missing 'redirect_uri' in request.": "The request doesn't say where to go back to: it has no redirect_uri.",
    "Missing 'code_challenge'": "Missing 'code_challenge': this client needs PKCE, unless it is made without.",
    "Invalid 'code_challenge'": "Invalid 'code_challenge': it is no PKCE challenge (RFC 7636).",
}


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

    An error goes back to the client by itself only for somebody who is signed in where the client belongs: else every
    link to here would be a way to wherever anybody's client leads (RFC 9700 §4.11.2).
    """
    try:
        return checked_grant(server, request, str(uuid7()))
    except OAuth2Error as error:
        error.description = _sentence(error)
        if not error.redirect_uri:
            return _refused(
                error.description, _TO_OPERATOR if isinstance(error, InsecureTransportError) else _TO_CLIENT
            )
        user = someone()
        response = error_to_client(server, error)
        client = client_named(site().directory, request.args["client_id"])
        at_home = client is not None and client.workspace_id == user.session.workspace_id
        if not at_home or request.headers.get("Sec-Fetch-Site") == "same-origin":
            # or straight from the sign-in form, which browsers don't let lead to another site: so people click on
            back = response.headers["Location"]
            return render("refusal.html", 400, title=_TITLE, message=error.description, back=back)
        return _seen_off(response)


def _sentence(error: OAuth2Error) -> str:
    """What is wrong with a request, for whoever sees the page and for the client."""
    said = str(error.description or "")
    if said.startswith(_REDIRECT_ERROR):
        uri = request.args.get("redirect_uri", "")
        shown = uri if len(uri) <= _MOST_SHOWN else f"{uri[:_MOST_SHOWN]}..."
        return f"The client has no such redirect URI, to the letter: {shown}"
    return _SENTENCES.get(said) or _SENTENCES.get(error.error) or said or f"The request is refused: {error.error}."


def _refused(reason: str, hint: str) -> Response:
    """A page for a request that must not lead anywhere; the start of this site is no place for whoever came by it."""
    return render("refusal.html", 400, title=_TITLE, message=reason, detail=hint, is_end=True)


def _asked(grant: Any) -> Response:
    user, client = someone(), _client(grant)
    if (no := _not_for(user, client)) is not None:
        return no
    held = expand_scopes(grant.request.scope or "")
    connections = access.list_connections(site().directory, user.session.workspace)
    shown = {
        "id": client.id,
        "name": client.name,
        "connection_id": client.connection_id,
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
        hint = "Sign in to the workspace that it is for, as its owner or an administrator."
    elif Permission.WORKSPACE_MANAGE not in actor_of(user, "").permissions:
        why = f"Only an administrator or the owner of {user.session.workspace} can let a client in."
        hint = "Ask one of them to open this page, or sign in as one."
    else:
        return None
    path = request.full_path
    values = {"title": "You can't allow this", "message": why, "detail": hint, "next": path}
    return render("not_allowed.html", 403, user=user, **values)


def _origin(uri: str) -> str:
    """Where a redirect leads, as a source of a Content-Security-Policy."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if _HOST.fullmatch(parts.netloc) else f"{parts.scheme}:"


def _seen_off(response: Response) -> Response:
    """Redirects by 303: the form isn't sent along (RFC 9700 §4.12)."""
    if response.status_code == 302:
        response.status_code = 303
    return response
