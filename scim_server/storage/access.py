"""Who may come in: workspaces, connections and bearer tokens. A token's text is never stored, only its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

import orjson
from sqlalchemy import ColumnElement, Engine, and_, bindparam, func, insert, select, update
from sqlalchemy import Connection as Db
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from scim_server.domain.connection import PRESETS, Connection, Settings, settings_of
from scim_server.scim.values import is_sound
from scim_server.storage.access_tables import client_secrets, tokens, trusts
from scim_server.storage.db import BUSY_SECONDS, LostRace, transaction
from scim_server.storage.prepared import Prepared
from scim_server.storage.tables import connections, instant_text, secrets, workspaces

TOKEN_PREFIX: Final = "scim_"  # noqa: S105 - what a token starts with, so that scanners find leaked ones
# A token's last use is noted at most this often, so that reads stay reads.
NOTED_EVERY: Final = timedelta(minutes=5)


By: TypeAlias = Literal["token", "trust", "secret"]  # what a grant was had by


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A tenant."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token as its owner may see it again: `hint` is how its text ends."""

    id: str
    connection_id: str
    contact_id: str | None
    hint: str
    scopes: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a valid token stands for, or what came in its place: `by` says of what `token_id` is the id."""

    token_id: str
    scopes: str
    connection: Connection
    contact_id: str | None
    last_used: datetime | None
    by: By = "token"


def hash_of(token: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough for 256 random bits.

    Any text has one, also with half of a surrogate pair: it is looked up and not found, as every made-up one.
    """
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def name_key(name: str) -> str:
    """The folded form by which workspaces and connections are found."""
    return name.strip().casefold()


def add_workspace(db: Db, workspace: Workspace, now: datetime) -> None:
    """Insert a workspace."""
    row = {"workspace_id": workspace.id, "name": workspace.name, "name_key": name_key(workspace.name), "created": now}
    db.execute(insert(workspaces), row)


def workspace_named(db: Db, name: str) -> Workspace | None:
    """The workspace of that name, in any case."""
    if not is_sound(name):
        return None
    row = db.execute(select(workspaces).where(workspaces.c.name_key == name_key(name))).one_or_none()
    return None if row is None else Workspace(id=row.workspace_id, name=row.name)


def rename_workspace(db: Db, workspace: Workspace) -> None:
    """Write the workspace's name. Raises LostRace where another has taken it meanwhile."""
    values = {"name": workspace.name, "name_key": name_key(workspace.name)}
    try:
        db.execute(update(workspaces).where(workspaces.c.workspace_id == workspace.id).values(values))
    except IntegrityError as error:
        raise LostRace from error


def workspace_name(db: Db, workspace_id: str, *, to_change: bool = False) -> str:
    """What the workspace is called; its row is locked where that is to be changed."""
    query = select(workspaces.c.name).where(workspaces.c.workspace_id == workspace_id)
    return str(db.scalar(query.with_for_update() if to_change else query))


def all_workspaces(db: Db) -> Sequence[Workspace]:
    """All workspaces, oldest first."""
    rows = db.execute(select(workspaces).order_by(workspaces.c.workspace_id))
    return [Workspace(id=row.workspace_id, name=row.name) for row in rows]


def connections_of(db: Db, workspace_id: str) -> Sequence[Connection]:
    """All connections of a workspace, oldest first."""
    query = select(connections).where(connections.c.workspace_id == workspace_id).order_by(connections.c.id)
    return [_connection(row) for row in db.execute(query)]


def any_workspace(db: Db) -> bool:
    """Whether there is a workspace at all."""
    return db.scalar(select(func.count()).select_from(workspaces)) != 0


def add_connection(db: Db, connection: Connection, now: datetime) -> None:
    """Insert a connection."""
    row = {
        "workspace_id": connection.workspace_id,
        "id": connection.id,
        "name": connection.name,
        "name_key": name_key(connection.name),
        "preset": connection.preset,
        "settings": _own_settings(connection),
        "created": now,
    }
    db.execute(insert(connections), row)


def save_connection(db: Db, connection: Connection) -> None:
    """Write the connection's name and settings. Raises LostRace where another has taken the name meanwhile."""
    of_connection = (connections.c.workspace_id == connection.workspace_id, connections.c.id == connection.id)
    values = {"name": connection.name, "name_key": name_key(connection.name), "settings": _own_settings(connection)}
    try:
        db.execute(update(connections).where(*of_connection).values(values))
    except IntegrityError as error:
        raise LostRace from error


def _own_settings(connection: Connection) -> str:
    """Settings as they are kept: only where they differ from the preset's."""
    preset = asdict(PRESETS[connection.preset])
    own = {name: value for name, value in asdict(connection.settings).items() if value != preset[name]}
    return orjson.dumps(own).decode()


def connection_named(db: Db, workspace_id: str, name: str, *, lock_row: bool = False) -> Connection | None:
    """The workspace's connection of that name, in any case; to be changed by nobody else, if its row is locked."""
    if not is_sound(name):
        return None
    query = select(connections).where(
        connections.c.workspace_id == workspace_id, connections.c.name_key == name_key(name)
    )
    query = query.with_for_update() if lock_row else query
    row = db.execute(query).one_or_none()
    return None if row is None else _connection(row)


def connection_of(db: Db, workspace_id: str, connection_id: str) -> Connection:
    """The workspace's connection with this id, which must be there: connections are never deleted."""
    of_connection = (connections.c.workspace_id == workspace_id, connections.c.id == connection_id)
    return _connection(db.execute(select(connections).where(*of_connection)).one())


def _connection(row: Any) -> Connection:
    return Connection(
        workspace_id=row.workspace_id,
        id=row.id,
        name=row.name,
        preset=row.preset,
        settings=_settings(row.preset, row.settings),
    )


def add_token(db: Db, workspace_id: str, token: Token, text: str) -> None:
    """Insert a token by the hash of its text."""
    row = {**asdict(token), "workspace_id": workspace_id, "hash": hash_of(text)}
    db.execute(insert(tokens), row)


def tokens_of(db: Db, workspace_id: str, connection_id: str) -> Sequence[Token]:
    """All tokens of a connection, oldest first, but for those that its clients get anew every hour."""
    of_connection = (tokens.c.workspace_id == workspace_id, tokens.c.connection_id == connection_id)
    query = select(tokens).where(*of_connection, tokens.c.client_id.is_(None)).order_by(tokens.c.id)
    return [Token(**{name: getattr(row, name) for name in Token.__dataclass_fields__}) for row in db.execute(query)]


def revoke_token(db: Db, workspace_id: str, connection_id: str, token_id: str, now: datetime) -> bool:
    """Revoke a token; whether it wasn't revoked before."""
    of_token = _token(workspace_id, connection_id, token_id)
    return db.execute(update(tokens).where(of_token, tokens.c.revoked.is_(None)).values(revoked=now)).rowcount == 1


def is_token(db: Db, workspace_id: str, connection_id: str, token_id: str) -> bool:
    """Whether the connection has a token of that id, good or not."""
    return db.scalar(select(tokens.c.id).where(_token(workspace_id, connection_id, token_id))) is not None


def _token(workspace_id: str, connection_id: str, token_id: str) -> ColumnElement[bool]:
    return and_(tokens.c.workspace_id == workspace_id, tokens.c.connection_id == connection_id, tokens.c.id == token_id)


# Under names of their own, so that the columns of what the token asks for can stand beside them.
GRANT_COLUMNS: Final = (
    tokens.c.id.label("token_id"),
    tokens.c.scopes,
    tokens.c.expires,
    tokens.c.revoked,
    tokens.c.last_used,
    tokens.c.contact_id.label("acts_for"),
    connections.c.workspace_id.label("granted_workspace_id"),
    connections.c.id.label("granted_connection_id"),
    connections.c.name,
    connections.c.preset,
    connections.c.settings,
)
OF_CONNECTION: Final = and_(
    connections.c.workspace_id == tokens.c.workspace_id, connections.c.id == tokens.c.connection_id
)
_BY_HASH: Final = Prepared(
    select(*GRANT_COLUMNS).join_from(tokens, connections, OF_CONNECTION).where(tokens.c.hash == bindparam("hash"))
)


def grant_of(engine: Engine, text: str, now: datetime) -> Grant | None:
    """What the token stands for; None when it is unknown, revoked or expired. Looked up on every request."""
    rows = _BY_HASH.rows(engine, {"hash": hash_of(text)})
    return grant_in(rows[0], now) if rows else None


def known_token(engine: Engine, text: str) -> tuple[Connection, datetime | None, datetime | None] | None:
    """Whose token it is, be it good or not, when it was revoked, and when it expires; None for an unknown one."""
    rows = _BY_HASH.rows(engine, {"hash": hash_of(text)})
    if not rows:
        return None
    revoked, expires = (
        None if each is None else datetime.fromisoformat(each) for each in (rows[0].revoked, rows[0].expires)
    )
    return _granted_connection(rows[0]), revoked, expires


def grant_in(row: Any, now: datetime) -> Grant | None:
    """The grant in a row of GRANT_COLUMNS; None when it is revoked or expired."""
    if row.revoked is not None or (row.expires is not None and row.expires <= instant_text(now)):
        return None
    return Grant(
        token_id=row.token_id,
        scopes=row.scopes,
        connection=_granted_connection(row),
        contact_id=row.acts_for,
        last_used=None if row.last_used is None else datetime.fromisoformat(row.last_used),
    )


def _granted_connection(row: Any) -> Connection:
    return Connection(
        workspace_id=row.granted_workspace_id,
        id=row.granted_connection_id,
        name=row.name,
        preset=row.preset,
        settings=_settings(row.preset, row.settings),
    )


@lru_cache(maxsize=1024)
def _settings(preset: str, own: str) -> Settings:
    return settings_of(preset, orjson.loads(own))


def revoke_tokens_of(db: Db, workspace_id: str, contact_id: str, now: datetime) -> None:
    """Revoke every token that acts for the contact."""
    db.execute(
        update(tokens)
        .where(tokens.c.workspace_id == workspace_id, tokens.c.contact_id == contact_id, tokens.c.revoked.is_(None))
        .values(revoked=now)
    )


def server_secret(db: Db, name: str) -> str | None:
    """The server's secret of that name, the same for all processes; None where there is none yet."""
    stored: str | None = db.scalar(select(secrets.c.value).where(secrets.c.name == name))
    return stored


def add_server_secret(db: Db, name: str, new: str) -> str:
    """The secret of that name: `new` if there was none, else what was stored first."""
    insert_new = (postgresql if db.dialect.name == "postgresql" else sqlite).insert(secrets)
    db.execute(insert_new.values(name=name, value=new).on_conflict_do_nothing())
    return str(server_secret(db, name))


_NOTED_IN: Final = {"token": tokens, "trust": trusts, "secret": client_secrets}


def note_use(engine: Engine, grant: Grant, now: datetime) -> None:
    """Note that the token was used, if that takes no waiting: a reader must not wait for writers."""
    table = _NOTED_IN[grant.by]
    used = (
        update(table)
        .where(table.c.workspace_id == grant.connection.workspace_id, table.c.id == grant.token_id)
        .values(last_used=now)
    )
    if engine.dialect.name == "postgresql":
        # a connection that was closed while it lay in the pool must not fail the request
        with suppress(DBAPIError), transaction(engine, "write") as db:
            db.exec_driver_sql("SET LOCAL lock_timeout='20ms'")
            db.execute(used)
        return
    with suppress(OperationalError), engine.connect().execution_options(purpose="write") as db:
        driver: Any = db.connection.driver_connection
        driver.execute("PRAGMA busy_timeout=0")
        try:
            with db.begin():
                db.execute(used)
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
