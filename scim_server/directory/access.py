"""Workspaces, connections and tokens through the one door: how they are made, listed and revoked."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection as Db
from sqlalchemy.exc import IntegrityError

from scim_server import mail
from scim_server.directory import Directory
from scim_server.directory.contacts import Call, save_decision
from scim_server.directory.links import new_secret
from scim_server.domain.actor import Actor, system
from scim_server.domain.connection import PRESETS, Connection, settings_of
from scim_server.domain.contact import Context, Draft
from scim_server.domain.errors import Refused, RoleAboveOwn
from scim_server.domain.events import Fact
from scim_server.domain.roles import ALL_PERMISSIONS, SCOPES, Permission, expand_scopes, outranks
from scim_server.domain.seats import DEFAULT_LICENCE, DEFAULT_LICENCES
from scim_server.domain.workspace import found
from scim_server.scim.schema import user_name_key
from scim_server.scim.values import is_sound
from scim_server.storage import access, contacts, ledger
from scim_server.storage.access import TOKEN_PREFIX, Token, Workspace
from scim_server.storage.db import LostRace, reading, writing

DEFAULT_OWNER_NAME = "Workspace Owner"
# Tokens have an end (RFC 7644 §7.4), and one far enough away for an identity provider that is set up by hand.
TOKEN_DAYS: Final = 365
MOST_TOKEN_DAYS: Final = 3650


class Unknown(Refused):
    """Something is named that isn't there."""

    code = "unknown"


class Taken(Refused):
    """A name is in use already."""

    code = "taken"


class NotAllowed(Refused):
    """A value that can't be taken; the message says why."""

    code = "not_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """A new workspace and the id of its owner."""

    workspace: Workspace
    owner_id: str


def create_workspace(
    directory: Directory, name: str, owner_email: str, *, owner_name: str = DEFAULT_OWNER_NAME, seats: int = 1000
) -> Founded:
    """Make a workspace with `seats` member seats and its owner: an active contact that holds one of them.

    Raises Taken for a name in use, NotAllowed for one that is empty, what is no e-mail address, an owner's name that
    can't be shown, or less than one seat.
    """
    name, owner_email = checked_name(name, "workspace"), owner_email.strip()
    if owner_name.strip():
        owner_name = checked_name(owner_name, "workspace's owner")
    if not mail.is_address(owner_email):
        raise NotAllowed(f"{owner_email[:64]!r} is not an e-mail address.")
    if not 1 <= seats <= 10_000_000:
        raise NotAllowed("A workspace has at least one member seat, as its owner holds one, and at most 10,000,000.")

    def work(db: Db) -> Founded:
        if access.workspace_named(db, name) is not None:
            raise _taken_workspace(name)
        now = directory.now()
        workspace = Workspace(id=directory.new_id(), name=name)
        try:
            access.add_workspace(db, workspace, now)
        except IntegrityError as error:
            raise LostRace from error
        for licence in DEFAULT_LICENCES.values():
            ledger.add_licence(db, workspace.id, licence)
        ids = [directory.new_id() for _ in range(seats)]
        ledger.add_seats(db, workspace.id, DEFAULT_LICENCE, ids, now, directory.new_id)
        draft = Draft(user_name=owner_email, profile=_owner_profile(owner_email, owner_name))
        context = Context(now=now, permissions=ALL_PERMISSIONS, draft=draft, new_id=directory.new_id())
        call = Call(system(workspace.id), None, "")
        owner = save_decision(directory, db, call, None, found(context), now)
        return Founded(workspace=workspace, owner_id=owner["id"])

    return writing(directory.engine, work)


def _owner_profile(email: str, name: str) -> dict[str, object]:
    given, _, family = name.strip().rpartition(" ")
    parts = {"formatted": name.strip(), "givenName": given or family, "familyName": family}
    return {
        "name": {key: value for key, value in parts.items() if value},
        "displayName": name.strip() or email,
        "emails": [{"value": email, "type": "work", "primary": True}],
    }


def create_connection(
    directory: Directory,
    workspace_name: str,
    name: str,
    preset: str = "generic",
    own: Mapping[str, bool] | None = None,
    *,
    actor: Actor | None = None,
) -> Connection:
    """Make a connection with its preset's settings and `own` ones on top.

    Raises Unknown for the workspace, Taken for a name in use, NotAllowed for a name or preset that can't be,
    MissingPermission for an actor without workspace:manage.
    """
    name = checked_name(name, "connection")
    if preset not in PRESETS:
        raise NotAllowed(f"There is no preset {preset!r}. There are: {', '.join(PRESETS)}.")

    def work(db: Db) -> Connection:
        workspace = named_workspace(db, workspace_name)
        by = manager(workspace, actor)
        if access.connection_named(db, workspace.id, name) is not None:
            raise _taken_connection(workspace, name)
        connection = Connection(
            workspace_id=workspace.id,
            id=directory.new_id(),
            name=name,
            preset=preset,
            settings=settings_of(preset, own or {}),
        )
        try:
            access.add_connection(db, connection, directory.now())
        except IntegrityError as error:
            raise LostRace from error
        _record(directory, db, by, "connection.created", connection.id)
        return connection

    return writing(directory.engine, work)


def set_connection(
    directory: Directory,
    workspace_name: str,
    name: str,
    own: Mapping[str, bool],
    *,
    new_name: str | None = None,
    actor: Actor | None = None,
) -> Connection:
    """Change some settings of a connection, from the next request on, or its name; the others stay. Returns it as it
    then is.

    Tokens and clients go on counting: they hold no name. Raises Unknown for the workspace or connection, Taken and
    NotAllowed for the new name, MissingPermission for an actor without workspace:manage.
    """
    new_name = None if new_name is None else checked_name(new_name, "connection")

    def work(db: Db) -> Connection:
        workspace, connection = named_connection(db, workspace_name, name, lock_row=True)
        by = manager(workspace, actor)
        called, before = new_name or connection.name, asdict(connection.settings)
        facts: dict[str, tuple[Fact, Fact]]
        facts = {setting: (before[setting], value) for setting, value in own.items() if before[setting] != value}
        if called != connection.name:
            facts["name"] = (connection.name, called)
        if not facts:
            return connection
        other = access.connection_named(db, workspace.id, called)
        if other is not None and other.id != connection.id:
            raise _taken_connection(workspace, called)
        changed = replace(connection, name=called, settings=replace(connection.settings, **own))
        access.save_connection(db, changed)
        ledger.record_act(db, by, "connection.edited", connection.id, directory.now(), directory.new_id(), facts)
        return changed

    return writing(directory.engine, work)


def manager(workspace: Workspace, actor: Actor | None) -> Actor:
    """Who changes what a workspace's connections are: the actor, or the system at the command line.

    Raises MissingPermission without workspace:manage, Unknown for an actor of another workspace.
    """
    if actor is None:
        return system(workspace.id)
    if actor.workspace_id != workspace.id:
        raise unknown_workspace(workspace.name)
    actor.require(Permission.WORKSPACE_MANAGE)
    return actor


def create_token(
    directory: Directory,
    workspace_name: str,
    connection_name: str,
    random_bytes: Callable[[int], bytes],
    *,
    scopes: str = "scim",
    expires_in_days: int = TOKEN_DAYS,
    user_name: str | None = None,
    actor: Actor | None = None,
) -> tuple[Token, str]:
    """Make a bearer token of 256 random bits; its text is returned once and never stored.

    It ends after `expires_in_days`. With `user_name` it acts for that contact, who must be active (and is what /Me
    means, RFC 7644 §3.11).
    Raises Unknown for the workspace, connection or contact, NotAllowed for scopes or a time that can't be; and for an
    actor MissingPermission without workspace:manage or for scopes that they don't hold, RoleAboveOwn for a contact who
    outranks them: a token is no way round what its maker may do.
    """
    scopes = checked_scopes(scopes)
    if not 1 <= expires_in_days <= MOST_TOKEN_DAYS:
        raise NotAllowed(f"A token expires in 1 to {MOST_TOKEN_DAYS} days.")

    def work(db: Db) -> tuple[Token, str]:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        by, now = manager(workspace, actor), directory.now()
        by.require(*sorted(expand_scopes(scopes)))
        text = TOKEN_PREFIX + new_secret(random_bytes)
        token = Token(
            id=directory.new_id(),
            connection_id=connection.id,
            contact_id=None if user_name is None else _active_contact(db, workspace, user_name, by),
            hint=text[-4:],
            scopes=scopes,
            created=now,
            expires=now + timedelta(days=expires_in_days),
            revoked=None,
            last_used=None,
        )
        access.add_token(db, workspace.id, token, text)
        _record(directory, db, by, "token.created", token.id)
        return token, text

    return writing(directory.engine, work)


def operator(directory: Directory, workspace_name: str) -> Actor:
    """Who acts at the command line: the system, in the workspace of that name. Raises Unknown."""
    with reading(directory.engine) as db:
        return system(named_workspace(db, workspace_name).id)


def operators_call(directory: Directory, workspace_name: str, connection_name: str | None) -> Call:
    """An operator's call; external ids are those of the connection, if one is named. Raises Unknown."""
    if connection_name is None:
        return Call(operator(directory, workspace_name), None, "")
    with reading(directory.engine) as db:
        workspace, connection = named_connection(db, workspace_name, connection_name)
    return Call(system(workspace.id), connection, "")


def list_tokens(
    directory: Directory, workspace_name: str, connection_name: str, *, actor: Actor | None = None
) -> Sequence[Token]:
    """All tokens of a connection, oldest first, without their texts. Raises Unknown, MissingPermission."""
    with reading(directory.engine) as db:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        manager(workspace, actor)
        return access.tokens_of(db, workspace.id, connection.id)


def revoke_token(
    directory: Directory, workspace_name: str, connection_name: str, token_id: str, *, actor: Actor | None = None
) -> None:
    """Make a token useless from the next request on; a second time changes nothing.

    Raises Unknown, MissingPermission.
    """

    def work(db: Db) -> None:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        by = manager(workspace, actor)
        if not is_sound(token_id) or not access.is_token(db, workspace.id, connection.id, token_id):
            raise Unknown(f"The connection {connection.name!r} has no token {token_id[:64]!r}.")
        if access.revoke_token(db, workspace.id, connection.id, token_id, directory.now()):
            _record(directory, db, by, "token.revoked", token_id)

    writing(directory.engine, work)


def list_workspaces(directory: Directory) -> Sequence[Workspace]:
    """All workspaces, oldest first."""
    with reading(directory.engine) as db:
        return access.all_workspaces(db)


def acting_for(
    directory: Directory, workspace_name: str, tokens: Sequence[Token], *, actor: Actor | None = None
) -> Mapping[str, str]:
    """Id → userName of the contacts that the tokens act for. Raises Unknown, MissingPermission."""
    ids = {token.contact_id for token in tokens if token.contact_id is not None}
    with reading(directory.engine) as db:
        workspace = named_workspace(db, workspace_name)
        manager(workspace, actor)
        return contacts.user_names(db, workspace.id, ids)


def list_connections(directory: Directory, workspace_name: str, *, actor: Actor | None = None) -> Sequence[Connection]:
    """All connections of a workspace, oldest first. Raises Unknown, MissingPermission."""
    with reading(directory.engine) as db:
        workspace = named_workspace(db, workspace_name)
        manager(workspace, actor)
        return access.connections_of(db, workspace.id)


def connection_of(directory: Directory, actor: Actor, connection_id: str) -> Connection:
    """The workspace's connection of that id. Raises Unknown, MissingPermission."""
    actor.require(Permission.WORKSPACE_MANAGE)
    with reading(directory.engine) as db:
        found = [each for each in access.connections_of(db, actor.workspace_id) if each.id == connection_id]
    if not found:
        raise Unknown(f"The workspace has no connection {connection_id[:64]!r}.")
    return found[0]


def rename_workspace(directory: Directory, actor: Actor, name: str) -> Workspace:
    """Call the workspace otherwise: from the next sign-in on, people, and operators at the command line, name it so.

    Whoever is signed in stays so, and tokens, clients and links that were sent go on counting: they hold no name. The
    same name again changes nothing. Raises Taken, NotAllowed, MissingPermission.
    """
    actor.require(Permission.WORKSPACE_MANAGE)
    name = checked_name(name, "workspace")

    def work(db: Db) -> Workspace:
        before = access.workspace_name(db, actor.workspace_id, to_change=True)
        other = access.workspace_named(db, name)
        renamed = Workspace(id=actor.workspace_id, name=name)
        if before == name:
            return renamed
        if other is not None and other.id != actor.workspace_id:
            raise _taken_workspace(name)
        access.rename_workspace(db, renamed)
        now, facts = directory.now(), {"name": (before, name)}
        ledger.record_act(db, actor, "workspace.renamed", None, now, directory.new_id(), facts)
        return renamed

    return writing(directory.engine, work)


def checked_name(name: str, what: str) -> str:
    """A name that can be told from others and shown in one line. Raises NotAllowed."""
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():
        raise NotAllowed(f"A {what} needs a name of at most 200 characters, all of them printable.")
    return name


def check_ids(*texts: str | None) -> None:
    """Refuse, before the database does, what can't be stored and so is nothing's id or name. Raises NotAllowed."""
    for text in texts:
        if text is not None and not is_sound(text):
            raise NotAllowed(f"{text[:64]!r} can't be an id or a name.")


def checked_scopes(scopes: str) -> str:
    """Scopes with a space between them (RFC 6749 §3.3), each once. Raises NotAllowed for none or an unknown one."""
    unknown = [scope for scope in scopes.split() if scope not in SCOPES]
    if unknown or not scopes.split():
        raise NotAllowed(f"There is no scope {' '.join(unknown)!r}. There are: {', '.join(SCOPES)}.")
    return " ".join(dict.fromkeys(scopes.split()))


def is_empty(directory: Directory) -> bool:
    """Whether there is no workspace yet."""
    with reading(directory.engine) as db:
        return not access.any_workspace(db)


def server_key(directory: Directory, name: str, length: int, random_bytes: Callable[[int], bytes]) -> bytes:
    """The server's secret of that name, `length` bytes: made once, kept in the database, the same in all processes.

    One that is there is only read, so that pages open on a database that can't be written to.
    """
    with reading(directory.engine) as db:
        stored = access.server_secret(db, name)
    if stored is None:
        new = base64.b64encode(random_bytes(length)).decode()
        stored = writing(directory.engine, lambda db: access.add_server_secret(db, name, new))
    return base64.b64decode(stored)


def unknown_workspace(name: str) -> Unknown:
    """The refusal for a workspace that isn't there, or not for the one who asks."""
    return Unknown(f"There is no workspace named {name[:64]!r}.")


def _taken_workspace(name: str) -> Taken:
    return Taken(f"There is a workspace named {name!r} already.")


def _taken_connection(workspace: Workspace, name: str) -> Taken:
    return Taken(f"The workspace {workspace.name!r} has a connection named {name!r} already.")


def named_workspace(db: Db, name: str) -> Workspace:
    """The workspace of that name, in any case. Raises Unknown."""
    workspace = access.workspace_named(db, name)
    if workspace is None:
        raise unknown_workspace(name)
    return workspace


def named_connection(db: Db, workspace_name: str, name: str, *, lock_row: bool = False) -> tuple[Workspace, Connection]:
    """The workspace and its connection of those names, in any case. Raises Unknown."""
    workspace = named_workspace(db, workspace_name)
    connection = access.connection_named(db, workspace.id, name, lock_row=lock_row)
    if connection is None:
        raise Unknown(f"The workspace {workspace.name!r} has no connection named {name[:64]!r}.")
    return workspace, connection


def _active_contact(db: Db, workspace: Workspace, user_name: str, by: Actor) -> str:
    contact = contacts.load_by_user_name(db, workspace.id, user_name_key(user_name), None)
    if contact is None or not contact.sign_in_allowed:
        raise Unknown(f"The workspace {workspace.name!r} has no active contact with the userName {user_name[:64]!r}.")
    if by.role is not None and outranks(contact.role, by.role):
        raise RoleAboveOwn(contact.role)
    return contact.id


def _record(directory: Directory, db: Db, by: Actor, act: str, subject_id: str) -> None:
    ledger.record_act(db, by, act, subject_id, directory.now(), directory.new_id())
