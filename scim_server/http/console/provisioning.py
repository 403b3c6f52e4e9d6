"""Settings → Provisioning: the connections, their addresses and settings, and how each provider is set up.

Tokens, clients and trusts are made and ended in `credentials`. Knows no rules: it asks the directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import access, clients
from scim_server.directory import requests as log
from scim_server.directory.clients import Listed, Trust
from scim_server.directory.requests import Row, Wanted
from scim_server.domain.connection import Connection
from scim_server.domain.errors import Refused
from scim_server.domain.expiry import expiry_note
from scim_server.domain.roles import Permission
from scim_server.http.console.frame import Visitor, console, directory, done, show, told, visitor
from scim_server.http.console.guides import GUIDES, filled
from scim_server.http.pages import AUTHORIZE, site
from scim_server.http.scim import PREFIX
from scim_server.http.wire import root_of
from scim_server.storage.access import Token

HOME: Final = "/settings/provisioning"
ONE: Final = f"{HOME}/<connection_id>"
ERRORS_OF: Final = timedelta(hours=24)  # how far back errors are counted

# setting → what it is called, and what it does
SETTINGS: Final[Mapping[str, tuple[str, str]]] = {
    "allow_delete": (
        "DELETE removes people for good",
        "Switched off, a DELETE of a user is refused (403) with the advice to set active to false.",
    ),
    "invite": (
        "People are invited",
        "With active set to true, people get an invitation by e-mail in place of being let in at once.",
    ),
    "restore_on_post": (
        "A POST brings back who was deactivated",
        "Someone deactivated who is created again with the same externalId is active again, under the same id. "
        "Switched off, that is a conflict (409).",
    ),
    "list_archived": (
        "Lists hold archived people",
        "Lists without a filter hold archived people too. A provider that imports lists, and reads a missing person "
        "as a deleted one, needs them.",
    ),
    "bare_token": (
        "A token counts without the word Bearer",
        "For providers that send in the Authorization header exactly what is typed.",
    ),
    "basic_auth": (
        "A client's id and secret count as user and password",
        "HTTP Basic at SCIM itself, for providers that know nothing better.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """This server's URLs, as identity providers reach it; `root` is the issuer."""

    root: str

    @property
    def scim(self) -> str:
        """The SCIM base URL."""
        return f"{self.root}{PREFIX}"

    @property
    def token(self) -> str:
        """Where OAuth clients get tokens."""
        return f"{self.root}/oauth/token"

    @property
    def authorize(self) -> str:
        """Where administrators let OAuth clients in."""
        return f"{self.root}{AUTHORIZE}"

    @property
    def secure(self) -> bool:
        """Whether they are reached by https, as identity providers want it."""
        return self.root.startswith("https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a connection has to authenticate by, revoked ones too, and when that was used last."""

    tokens: Sequence[Token]
    clients: Sequence[Listed]
    trusts: Sequence[Trust]

    @property
    def used(self) -> datetime | None:
        """When any of it was used last; it is noted every few minutes."""
        times = [each.last_used for each in self.tokens]
        times += [secret.last_used for each in self.clients for secret in each.secrets]
        return _last([*times, *(each.last_used for each in self.trusts)])

    def live(self) -> Held:
        """Without what was revoked; what has expired stays, as it wants replacing."""
        tokens = [each for each in self.tokens if each.revoked is None]
        found = [each for each in self.clients if each.client.revoked is None]
        kept = [replace(each, secrets=[one for one in each.secrets if one.revoked is None]) for each in found]
        return Held(tokens=tokens, clients=kept, trusts=[each for each in self.trusts if each.revoked is None])


def one_of(found: Visitor, connection_id: str) -> Connection:
    """The workspace's connection of that id. Raises Unknown."""
    return access.connection_of(directory(), found.actor, connection_id)


def held(found: Visitor, connection: Connection) -> Held:
    """All that a connection has to authenticate by. Raises Unknown."""
    named = (found.workspace, connection.name)
    return Held(
        tokens=access.list_tokens(directory(), *named, actor=found.actor),
        clients=clients.list_clients(directory(), *named, actor=found.actor),
        trusts=clients.list_trusts(directory(), *named, actor=found.actor),
    )


def addresses() -> Addresses:
    """This server's URLs. Raises ScimError for a host that can't be one."""
    return Addresses(root=root_of(request.environ, site().base_url))


def note(ends: datetime | None) -> str | None:
    """What to tell of something live that has ended or ends soon."""
    return expiry_note(ends, None, directory().now())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One connection in the list; `errors` are those of ERRORS_OF, counted to MOST_ERRORS."""

    connection: Connection
    held: Held
    used: datetime | None
    errors: int
    notes: Sequence[str]


MOST_ERRORS: Final = 100


@console.get(HOME)
def connections() -> Response:
    """The workspace's connections."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    lines = [_line(found, each) for each in access.list_connections(directory(), found.workspace, actor=found.actor)]
    since = f"{directory().now() - ERRORS_OF:%Y-%m-%d}"
    return show(found, "connections.html", lines=lines, guides=GUIDES, since=since, most=MOST_ERRORS)


def _line(found: Visitor, connection: Connection) -> _Line:
    now, everything = directory().now(), held(found, connection)
    refused = Wanted(connection_id=connection.id, errors=True, since=now - ERRORS_OF)
    latest = _latest(found, connection)
    live = everything.live()
    ends = [each.expires for each in live.tokens] + [one.expires for each in live.clients for one in each.secrets]
    return _Line(
        connection=connection,
        held=live,
        used=_last([everything.used, latest.at if latest else None]),
        errors=len(log.newest(directory(), found.actor, refused, count=MOST_ERRORS)),
        notes=sorted({words for each in ends if (words := note(each))}),
    )


@console.route(f"{HOME}/new", methods=["GET", "POST"])
def new_connection() -> AnyResponse:
    """Make a connection: its name and its preset. It goes on with how the provider is set up."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    name, preset = request.form.get("name", ""), request.form.get("preset", "generic")
    problem, status = "", 200
    if request.method == "POST":
        try:
            made = access.create_connection(directory(), found.workspace, name, preset, actor=found.actor)
            return done(
                f"The connection {made.name} is made. Set the identity provider up next.", f"{HOME}/{made.id}/setup"
            )
        except Refused as error:
            problem, status = told(error)
    values: dict[str, Any] = {"guides": GUIDES.values(), "name": name, "preset": preset, "problem": problem}
    return show(found, "connection_new.html", status, **values)


@console.get(ONE)
def connection(connection_id: str) -> Response:
    """One connection: its addresses, what it has to authenticate by, and its settings."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    one = one_of(found, connection_id)
    everything = held(found, one)
    shown = everything if "all" in request.args else everything.live()
    values: dict[str, Any] = {
        "connection": one,
        "guide": GUIDES[one.preset],
        "held": shown,
        "ended": _counted(everything) - _counted(everything.live()),
        "names": access.acting_for(directory(), found.workspace, everything.tokens, actor=found.actor),
        "addresses": addresses(),
        "settings_words": SETTINGS,
        "chosen": asdict(one.settings),
        "latest": _latest(found, one),
        "note": note,
    }
    return show(found, "connection.html", **values)


@console.route(f"{ONE}/settings", methods=["GET", "POST"])
def connection_settings(connection_id: str) -> AnyResponse:
    """Choose a connection's settings and name; they count from the next request on."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    one = one_of(found, connection_id)
    name, chosen = request.form.get("name", one.name), asdict(one.settings)
    problem, status = "", 200
    if request.method == "POST":
        chosen = {setting: setting in request.form for setting in SETTINGS}
        try:
            saved = access.set_connection(
                directory(), found.workspace, one.name, chosen, new_name=name, actor=found.actor
            )
            return done(f"The settings of {saved.name} are saved.", f"{HOME}/{one.id}")
        except Refused as error:
            problem, status = told(error)
    values: dict[str, Any] = {"words": SETTINGS, "chosen": chosen, "guide": GUIDES[one.preset]}
    return show(found, "connection_settings.html", status, connection=one, name=name, problem=problem, **values)


@console.get(f"{ONE}/setup")
def setup(connection_id: str) -> Response:
    """How the connection's identity provider is set up, with this server's own URLs, and whether it has come."""
    found = visitor(Permission.WORKSPACE_MANAGE)
    one, here = one_of(found, connection_id), addresses()
    tokens = held(found, one).live().tokens
    values: dict[str, Any] = {
        "guide": GUIDES[one.preset],
        "tokens": [each for each in tokens if note(each.expires) != "expired"],
    }
    return show(
        found,
        "connection_setup.html",
        connection=one,
        addresses=here,
        latest=_latest(found, one),
        filled=lambda text: filled(text, here.root),
        **values,
    )


def _latest(found: Visitor, connection: Connection) -> Row | None:
    """The connection's newest request."""
    rows = log.newest(directory(), found.actor, Wanted(connection_id=connection.id), count=1)
    return rows[0][0] if rows else None


def _counted(held: Held) -> int:
    secrets = sum(len(each.secrets) for each in held.clients)
    return len(held.tokens) + len(held.clients) + len(held.trusts) + secrets


def _last(times: Iterable[datetime | None]) -> datetime | None:
    return max((each for each in times if each is not None), default=None)
