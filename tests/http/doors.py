"""Every route of the application, what it answers to somebody who has no business there, and somebody to ask.

A line asks for what belongs to another workspace: {user}, {group}, {client} … in path and body stand for it. A route
without a line here makes tests/http/test_isolation.py fail.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask
from sqlalchemy import select

from scim_server.directory import access, clients, invitations, items, requests, seats
from scim_server.directory.items import NewItem
from scim_server.directory.requests import Wanted
from scim_server.domain.actor import system
from scim_server.domain.roles import Permission
from scim_server.storage.db import reading
from scim_server.storage.tables import activity
from tests.directory.desk import Desk as People
from tests.http.browser import Browser
from tests.http.oauth_desk import REDIRECT, new_desk
from tests.http.oauth_desk import Desk as OAuthDesk
from tests.issuer import ISSUER, Issuer
from tests.support import GROUP_URN, USER_URN, Answer, Client, World, new_world, patch_body

VIEW, EDIT, DELETE = Permission.CONTACTS_VIEW, Permission.CONTACTS_EDIT, Permission.CONTACTS_DELETE
SEE_GROUPS, EDIT_GROUPS = Permission.GROUPS_VIEW, Permission.GROUPS_EDIT


@dataclass(frozen=True)
class Line:
    """How a route is asked, and its statuses.

    `stranger`: to nobody, and to a token or session that is unknown, revoked or expired; `foreign`: to one of the other
    workspace. A token without any of `needs` gets 403; without `needs` any live token is enough.
    """

    path: str
    body: Any = None  # JSON below /scim and /api, a form elsewhere
    stranger: int = 401
    foreign: int = 404
    needs: tuple[Permission, ...] = ()
    why_told: str = ""  # why what is theirs and what there isn't may be told apart


_BULK = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
    "Operations": [
        {"method": "DELETE", "path": "/Users/{user}"},
        {"method": "PATCH", "path": "/Groups/{group}", "data": patch_body({"op": "remove", "path": "members"})},
    ],
}
_USER = {"schemas": [USER_URN], "userName": "stolen@x.test"}
_GROUP = {"schemas": [GROUP_URN], "displayName": "Stolen", "members": [{"value": "{user}"}]}
_RENAME = patch_body({"op": "replace", "path": "displayName", "value": "Stolen"})
_SEARCH = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'id eq "{user}"'}
_GROUP_SEARCH = {**_SEARCH, "filter": 'members.value eq "{user}"'}

# the operation's name in scim.protocol.ROUTES → its line; Bulk's statuses are those of what is in it
SCIM: Mapping[str, Line] = {
    "user.search": Line("/Users/.search", _SEARCH, foreign=200, needs=(VIEW,)),
    "group.search": Line("/Groups/.search", _GROUP_SEARCH, foreign=200, needs=(SEE_GROUPS,)),
    "root.search": Line("/.search", _SEARCH, foreign=200, needs=(VIEW, SEE_GROUPS)),
    "root.list": Line('/?filter=id eq "{user}"', foreign=200, needs=(VIEW, SEE_GROUPS)),
    "user.list": Line('/Users?filter=id eq "{user}" or groups.value eq "{group}"', foreign=200, needs=(VIEW,)),
    "user.create": Line("/Users", _USER, foreign=201, needs=(EDIT,)),
    "user.read": Line("/Users/{user}", needs=(VIEW,)),
    "user.replace": Line("/Users/{user}", _USER, needs=(EDIT, DELETE)),
    "user.patch": Line("/Users/{user}", _RENAME, needs=(EDIT, DELETE)),
    "user.delete": Line("/Users/{user}", needs=(DELETE,)),
    "group.list": Line('/Groups?filter=members.value eq "{user}"', foreign=200, needs=(SEE_GROUPS,)),
    "group.create": Line("/Groups", _GROUP, foreign=201, needs=(EDIT_GROUPS,)),
    "group.read": Line("/Groups/{group}", needs=(SEE_GROUPS,)),
    "group.replace": Line("/Groups/{group}", _GROUP, needs=(EDIT_GROUPS,)),
    "group.patch": Line("/Groups/{group}", _RENAME, needs=(EDIT_GROUPS,)),
    "group.delete": Line("/Groups/{group}", needs=(EDIT_GROUPS,)),
    "me.read": Line("/Me", needs=(VIEW,)),
    "me.replace": Line("/Me", _USER, needs=(EDIT, DELETE)),
    "me.patch": Line("/Me", _RENAME, needs=(EDIT, DELETE)),
    "me.delete": Line("/Me", needs=(DELETE,)),
    "bulk": Line("/Bulk", _BULK, needs=(EDIT, DELETE, EDIT_GROUPS)),
    "service_provider_config": Line("/ServiceProviderConfig", foreign=200),
    "resource_types": Line("/ResourceTypes", foreign=200),
    "resource_type": Line("/ResourceTypes/User", foreign=200),
    "schemas": Line("/Schemas", foreign=200),
    "schema": Line(f"/Schemas/{USER_URN}", foreign=200),
}

# (resource, method) of http.api → its line
API: Mapping[tuple[str, str], Line] = {
    ("items", "GET"): Line("/api/items?owner={user}", foreign=200, needs=(VIEW,)),
    ("items", "POST"): Line(
        "/api/items", {"kind": "project", "title": "Mine", "owner": "{user}"}, foreign=400, needs=(EDIT,)
    ),
}

_AUTHORIZE = "/oauth/authorize?" + urlencode(
    {
        "response_type": "code",
        "client_id": "{client}",
        "redirect_uri": "https://idp.example/callback",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    },
    safe="{}",
)
_CLIENT_IDS = "a client's id is in the address of every consent; more than that there is one isn't told"
_LINK = {"workspace": "{workspace}", "email": "nobody@x.test"}  # who is meant gets a mail, and activity tells it
_SIGN_IN = {"workspace": "{workspace}", "email": "{email}", "password": "wrong password"}

_USERS = "/console/settings/users/<contact_id>"
_LICENCES = "/console/settings/licences"
_PROVISIONING = "/console/settings/provisioning"
_WORKSPACE = "/console/settings/workspace"
_CONNECTION = f"{_PROVISIONING}/<connection_id>"
_OF_CLIENT = "clients/<client_id>"
# what is behind a connection's own page, by GET and POST: (rule, path)
_CONNECTION_PAGES = (
    ("settings", "settings"),
    ("tokens/new", "tokens/new"),
    ("tokens/<token_id>/revoke", "tokens/{token}/revoke"),
    ("clients/new", "clients/new"),
    (f"{_OF_CLIENT}/rotate", "clients/{client}/rotate"),
    (f"{_OF_CLIENT}/revoke", "clients/{client}/revoke"),
    (f"{_OF_CLIENT}/secrets/<secret_id>/revoke", "clients/{client}/secrets/{secret}/revoke"),
    ("trusts/<trust_id>/revoke", "trusts/{trust}/revoke"),
)
# what is behind a contact's own page: (rule, path, form)
_CONTACT = "/console/contacts/<contact_id>"
_CONTACT_PAGES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("<any(deactivate, activate, archive, unarchive):act>", "archive", {}),
    ("delete", "delete", {"reassign_to": ""}),
    ("edit", "edit", {"displayName": "Stolen"}),
    ("role", "role", {"role": "client"}),
    ("invite", "invite", {"email": "stolen@x.test"}),
    ("resend", "resend", {"email": "stolen@x.test"}),
    ("sign-in-link", "sign-in-link", {}),
    ("revoke-invitation", "revoke-invitation", {}),
)

# (rule, method) of the URL map → its line; * where a rule takes every method
FLASK: Mapping[tuple[str, str], Line] = {
    ("/healthz", "GET"): Line("/healthz", stranger=200, foreign=200),
    ("/static/<path:filename>", "GET"): Line("/static/style.css", stranger=200, foreign=200),
    ("/api", "*"): Line("/api"),
    ("/api/", "*"): Line("/api/"),
    ("/api/<path:rest>", "*"): Line("/api/items/{user}"),
    ("/", "GET"): Line("/", stranger=303, foreign=303),
    ("/console/", "GET"): Line("/console/", stranger=303, foreign=303),
    ("/console/account", "GET"): Line("/console/account", stranger=303, foreign=200),
    ("/console/account/password", "GET"): Line("/console/account/password", stranger=303, foreign=200),
    ("/console/account/password", "POST"): Line(
        "/console/account/password", {"old": "x", "password": "stolen"}, stranger=400, foreign=400
    ),
    ("/console/activity", "GET"): Line("/console/activity?person={user}", stranger=303),
    ("/console/activity.csv", "GET"): Line("/console/activity.csv?person={user}", stranger=303),
    ("/console/settings", "GET"): Line("/console/settings", stranger=303, foreign=303),
    (_WORKSPACE, "GET"): Line(_WORKSPACE, stranger=303, foreign=200),
    **{
        (f"{_WORKSPACE}/{end}", "GET"): Line(f"{_WORKSPACE}/{end}", stranger=303, foreign=200)
        for end in ("rename", "billing-day")
    },
    (f"{_WORKSPACE}/rename", "POST"): Line(f"{_WORKSPACE}/rename", {"name": " "}, stranger=400, foreign=403),
    (f"{_WORKSPACE}/billing-day", "POST"): Line(f"{_WORKSPACE}/billing-day", {"day": "29"}, stranger=400, foreign=403),
    (f"{_WORKSPACE}/transfer", "GET"): Line(f"{_WORKSPACE}/transfer?to={{user}}", stranger=303, foreign=403),
    (f"{_WORKSPACE}/transfer", "POST"): Line(f"{_WORKSPACE}/transfer", {"to": "{user}"}, stranger=400, foreign=403),
    ("/console/contacts", "GET"): Line("/console/contacts?q={email}&group={group}", stranger=303, foreign=200),
    ("/console/contacts/new", "GET"): Line("/console/contacts/new", stranger=303, foreign=200),
    ("/console/contacts/new", "POST"): Line("/console/contacts/new", {"userName": ""}, stranger=400, foreign=403),
    (_CONTACT, "GET"): Line("/console/contacts/{user}", stranger=303),
    ("/console/settings/users", "GET"): Line("/console/settings/users?user={user}", stranger=303),
    (f"{_USERS}/deactivate", "GET"): Line("/console/settings/users/{user}/deactivate", stranger=303),
    (f"{_USERS}/deactivate", "POST"): Line("/console/settings/users/{user}/deactivate", {}, stranger=400),
    (f"{_USERS}/activate", "POST"): Line("/console/settings/users/{user}/activate", {}, stranger=400),
    (_LICENCES, "GET"): Line(_LICENCES, stranger=303, foreign=200),
    **{
        (f"{_LICENCES}/{end}", "GET"): Line(f"{_LICENCES}/{end}?type=member", stranger=303, foreign=200)
        for end in ("add", "reduce", "policy", "new", "holders", "ledger")
    },
    **{
        (f"{_LICENCES}/{end}", "POST"): Line(
            f"{_LICENCES}/{end}", {"type": "none", "quantity": "1", "policy": "allow"}, stranger=400, foreign=status
        )
        for end, status in (("add", 403), ("reduce", 403), ("policy", 404), ("new", 403))
    },
    **{
        (f"{_LICENCES}/reductions/<reduction_id>/cancel", method): Line(
            f"{_LICENCES}/reductions/{{reduction}}/cancel", None if method == "GET" else {}, stranger=status
        )
        for method, status in (("GET", 303), ("POST", 400))
    },
    **{
        (f"{_CONTACT}/{rule}", method): Line(f"/console/contacts/{{user}}/{end}", sent, stranger=stranger)
        for rule, end, form in _CONTACT_PAGES
        for method, sent, stranger in (("GET", None, 303), ("POST", form, 400))
    },
    (_PROVISIONING, "GET"): Line(_PROVISIONING, stranger=303, foreign=200),
    (f"{_PROVISIONING}/new", "GET"): Line(f"{_PROVISIONING}/new", stranger=303, foreign=200),
    (f"{_PROVISIONING}/new", "POST"): Line(f"{_PROVISIONING}/new", {"name": ""}, stranger=400, foreign=403),
    (_CONNECTION, "GET"): Line(f"{_PROVISIONING}/{{connection}}", stranger=303),
    (f"{_CONNECTION}/setup", "GET"): Line(f"{_PROVISIONING}/{{connection}}/setup", stranger=303),
    **{
        (f"{_CONNECTION}/{rule}", method): Line(f"{_PROVISIONING}/{{connection}}/{end}", body, stranger=stranger)
        for rule, end in _CONNECTION_PAGES
        for method, body, stranger in (("GET", None, 303), ("POST", {"scope.scim": "yes", "days": "1"}, 400))
    },
    ("/console/settings/requests", "GET"): Line(
        "/console/settings/requests?connection={connection}&before={request}", stranger=303, foreign=200
    ),
    ("/console/settings/requests/<request_id>", "GET"): Line("/console/settings/requests/{request}", stranger=303),
    ("/signin", "GET"): Line("/signin?workspace={workspace}", stranger=200, foreign=303),
    ("/signin", "POST"): Line("/signin", _SIGN_IN, stranger=400, foreign=403),
    ("/signin/link", "GET"): Line("/signin/link?workspace={workspace}", stranger=200, foreign=200),
    ("/signin/link", "POST"): Line("/signin/link", _LINK, stranger=400, foreign=303),
    ("/signin/link/asked", "GET"): Line("/signin/link/asked", stranger=200, foreign=200),
    ("/signout", "POST"): Line("/signout", {}, stranger=400, foreign=303),
    ("/signout/everywhere", "POST"): Line("/signout/everywhere", {}, stranger=400, foreign=303),
    ("/invitation/<text>", "GET"): Line("/invitation/{dead_link}", stranger=410, foreign=410),
    ("/invitation/<text>", "POST"): Line("/invitation/{dead_link}", {"signed_in": "1"}, stranger=400, foreign=410),
    ("/oauth/authorize", "GET"): Line(_AUTHORIZE, stranger=303, foreign=403, why_told=_CLIENT_IDS),
    ("/oauth/authorize", "POST"): Line(
        _AUTHORIZE, {"decision": "allow"}, stranger=400, foreign=403, why_told=_CLIENT_IDS
    ),
    ("/oauth/token", "*"): Line(
        "/oauth/token", {"grant_type": "refresh_token", "refresh_token": "{refresh_token}"}, foreign=400
    ),
    ("/oauth/revoke", "*"): Line("/oauth/revoke", {"token": "{access_token}"}, foreign=200),
    ("/oauth/introspect", "*"): Line("/oauth/introspect", {"token": "{access_token}"}, foreign=200),
    ("/oauth/jwks.json", "GET"): Line("/oauth/jwks.json", stranger=200, foreign=200),
    ("/.well-known/oauth-authorization-server", "GET"): Line(
        "/.well-known/oauth-authorization-server", stranger=200, foreign=200
    ),
    ("/.well-known/oauth-authorization-server/<path:rest>", "GET"): Line(
        "/.well-known/oauth-authorization-server/{workspace}", stranger=404
    ),
    ("/.well-known/oauth-protected-resource", "GET"): Line(
        "/.well-known/oauth-protected-resource", stranger=200, foreign=200
    ),
    ("/.well-known/oauth-protected-resource/<path:rest>", "GET"): Line(
        "/.well-known/oauth-protected-resource/scim/v2", stranger=200, foreign=200
    ),
}


# what there isn't, in place of what is theirs
NOBODYS: Mapping[str, str] = {
    "user": "01a00000-0000-7000-8000-000000000000",
    "group": "01a00000-0000-7000-9000-000000000000",
    "client": "client_" + "A" * 22,
    "refresh_token": "refresh_" + "A" * 43,
    "access_token": "scim_" + "A" * 43,
    "dead_link": "A" * 43,
    "reduction": "01a00000-0000-7000-a000-000000000000",
    "connection": "01a00000-0000-7000-b000-000000000000",
    "token": "01a00000-0000-7000-8000-000000000001",
    "secret": "01a00000-0000-7000-8000-000000000002",
    "trust": "01a00000-0000-7000-8000-000000000003",
    "request": "01a00000-0000-7000-8000-000000000004",
    "workspace": "workspace-nowhere",
    "email": "nobody@nowhere.test",
}


@dataclass(frozen=True)
class Caller:
    """Who asks, from an address of its own; `session` adds what a browser with a form has."""

    browser: Browser
    headers: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)

    def ask(self, method: str, line: Line, named: Mapping[str, str]) -> Answer:
        """What a line gets, with each of the names in it as what is named."""
        path, body = _filled(line.path, named), json.loads(_filled(json.dumps(line.body), named))
        sent: Any = None if body is None else {**body, **self.form}
        headers = dict(self.headers)
        if path.startswith(("/scim", "/api")) and body is not None:
            sent, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        answer = self.browser.client.open(
            path,
            method=method,
            data=sent,
            headers=headers,
            environ_base={"REMOTE_ADDR": self.browser.address},
            buffered=True,
        )
        return Answer(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))


def _filled(text: str, named: Mapping[str, str]) -> str:
    for name, value in named.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def seen(answer: Answer, named: Mapping[str, str]) -> str:
    """All that an answer says but what it was asked, and what each answer has of its own."""
    own = ("X-Request-Id", "Set-Cookie", "Content-Length", "Date", "ETag")
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in own)
    text = f"{answer.status} {headers} {answer.text}"
    for name, value in sorted(named.items(), key=lambda each: -len(each[1])):  # one may be a part of another
        text = text.replace(value, f"{{{name}}}").replace(quote(value, safe=""), f"{{{name}}}")
    return re.sub(r'name="csrf_token" value="[^"]*"', "", text)


def statuses(answer: Answer) -> set[int]:
    """The answer's status; of a bulk request those of its operations."""
    if answer.status == 200 and "BulkResponse" in answer.text:
        return {int(each["status"]) for each in answer.json["Operations"]}
    return {answer.status}


@dataclass(frozen=True)
class Target:
    """A workspace with something behind every route; `mark` is in the name of all that could be seen of it."""

    world: World
    client: Client
    named: Mapping[str, str]
    mark: str

    def everything(self) -> Any:
        """All that somebody else could have changed."""
        headers = {"Authorization": f"Bearer {self.client.token}"}
        items = self.world.app.test_client().get("/api/items", headers=headers).get_json()
        with reading(self.world.directory.engine) as db:
            query = select(activity.c.act).where(activity.c.workspace_id == self.world.workspace_id)
            acts = sorted(db.scalars(query))
        return self.client.get("/Users").json, self.client.get("/Groups").json, items, acts


def new_target(app: Flask) -> Target:
    """One with a user in a group, an item, a client with tokens and an invitation that was taken back."""
    world = new_world(app)
    mark, client, people = secrets.token_hex(8), world.client(), People(world)
    user = client.user(f"{mark}@x.test", displayName=mark, emails=[{"value": f"{mark}@x.test"}])["id"]
    items.add(world.directory, people.call.actor, NewItem(kind="project", title=mark, owner_id=user))
    desk = new_desk(world, redirect_uris=[REDIRECT])
    issued = desk.tokens()
    invited = people.person(f"i-{mark}@x.test")
    dead_link = people.invite(invited)
    invitations.revoke(people.directory, people.call, invited)
    named = {
        "user": user,
        "group": client.group(mark, user)["id"],
        "client": desk.client.id,
        "refresh_token": issued["refresh_token"],
        "access_token": issued["access_token"],
        "dead_link": dead_link,
        "reduction": seats.reduce(world.directory, people.call.actor, "member", 1).id,
        "workspace": world.name,
        "email": f"owner@{world.name}.test",
        **_credentials(world, desk, mark),
    }
    return Target(world, client, named, mark)


def _credentials(world: World, desk: OAuthDesk, mark: str) -> Mapping[str, str]:
    """The ids of the desk's connection, of what it has to authenticate by, and of a request by it."""
    directory, named = world.directory, (world.name, desk.connection)
    token, text = access.create_token(directory, *named, secrets.token_bytes)
    Client(world.app, text).get("/Users")
    guard = world.app.extensions["guard"]
    guard.log.flush()
    trust = clients.create_trust(directory, *named, issuer=ISSUER, audience=mark, key_set=Issuer().key_set)
    (secret,) = clients.list_clients(directory, *named)[0].secrets
    wanted = Wanted(connection_id=token.connection_id)
    ((request, _), *_) = requests.newest(directory, system(world.workspace_id), wanted)
    ids = {"connection": token.connection_id, "token": token.id, "secret": secret.id, "trust": trust.id}
    return {**ids, "request": request.id}
