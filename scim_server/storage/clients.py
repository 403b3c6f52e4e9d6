"""OAuth clients, their secrets, and the issuers that are trusted beside ourselves. Decides nothing.

A secret's text is never stored, only its SHA-256. A client is found by its id before its workspace is known; everything
else goes by workspace.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, and_, insert, select, update
from sqlalchemy import Connection as Db

from scim_server.scim.values import is_sound
from scim_server.storage.access import NOTED_EVERY, hash_of
from scim_server.storage.access_tables import client_secrets, clients, refresh_tokens, tokens, trusts


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An OAuth client of a connection; `id` is the client_id that it sends.

    `scopes` is the most that it gets. Without `redirect_uris` it can't use the code grant; `key_set` (public JWKs, or
    where they are: {"jwks_uri": …}) is for private_key_jwt. `pkce` says whether each code needs a challenge (RFC 7636).
    """

    workspace_id: str
    id: str
    connection_id: str
    name: str
    scopes: str
    redirect_uris: tuple[str, ...]
    key_set: Mapping[str, Any] | None
    pkce: bool
    created: datetime
    revoked: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A client's secret as its owner may see it again: `hint` is how its text ends."""

    id: str
    client_id: str
    hint: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None

    def live(self, now: datetime) -> bool:
        """Whether it counts: neither revoked nor past its time."""
        return self.revoked is None and (self.expires is None or self.expires > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """An issuer whose tokens count: with a client as its assertions, without one as bearer tokens of the connection."""

    workspace_id: str
    id: str
    connection_id: str
    client_id: str | None
    issuer: str
    audience: str
    subject: str | None
    key_set: Mapping[str, Any]
    scopes: str
    created: datetime
    revoked: datetime | None
    last_used: datetime | None


def add_client(db: Db, client: Client) -> None:
    """Insert a client."""
    key_set = None if client.key_set is None else _json(client.key_set)
    row = {**asdict(client), "redirect_uris": _json(client.redirect_uris), "key_set": key_set}
    db.execute(insert(clients), row)


def client_by_id(db: Db, client_id: str) -> Client | None:
    """The client with this id in whatever workspace; None where there is none or it is revoked."""
    if not is_sound(client_id):
        return None
    row = db.execute(select(clients).where(clients.c.id == client_id, clients.c.revoked.is_(None))).one_or_none()
    return None if row is None else _client(row)


def clients_of(db: Db, workspace_id: str, connection_id: str) -> Sequence[Client]:
    """All clients of a connection, oldest first, revoked ones too."""
    query = (
        select(clients)
        .where(clients.c.workspace_id == workspace_id, clients.c.connection_id == connection_id)
        .order_by(clients.c.created, clients.c.id)
    )
    return [_client(row) for row in db.execute(query)]


def client_of(db: Db, workspace_id: str, client_id: str) -> Client | None:
    """The workspace's client with this id, a revoked one too; no other transaction ends it before this one is over."""
    if not is_sound(client_id):
        return None
    query = select(clients).where(clients.c.workspace_id == workspace_id, clients.c.id == client_id)
    row = db.execute(query.with_for_update()).one_or_none()  # SQLite's writers have the whole database
    return None if row is None else _client(row)


def revoke_tokens_of(db: Db, workspace_id: str, client_id: str, now: datetime) -> None:
    """Revoke the client's access and refresh tokens."""
    for table in (tokens, refresh_tokens):
        of_client = and_(table.c.workspace_id == workspace_id, table.c.client_id == client_id)
        db.execute(_revoking(table, of_client, now))


def revoke_client(db: Db, workspace_id: str, client_id: str, now: datetime) -> None:
    """Revoke a client with its secrets, its tokens of both kinds and its trusts. A second time changes nothing."""
    db.execute(_revoking(clients, and_(clients.c.workspace_id == workspace_id, clients.c.id == client_id), now))
    revoke_tokens_of(db, workspace_id, client_id, now)
    for table in (client_secrets, trusts):
        of_client = and_(table.c.workspace_id == workspace_id, table.c.client_id == client_id)
        db.execute(_revoking(table, of_client, now))


def add_secret(db: Db, workspace_id: str, secret: Secret, text: str) -> None:
    """Insert a secret by the hash of its text."""
    db.execute(insert(client_secrets), {**asdict(secret), "workspace_id": workspace_id, "hash": hash_of(text)})


def secrets_of(db: Db, workspace_id: str, client_id: str) -> Sequence[Secret]:
    """All secrets of a client, oldest first, revoked and expired ones too."""
    return [_secret(row) for row in db.execute(_secrets(workspace_id, client_id))]


def live_secret(db: Db, workspace_id: str, client_id: str, text: str, now: datetime) -> Secret | None:
    """The client's live secret with this text. Every one is compared to its end, so that time tells nothing."""
    wanted, found = hash_of(text), None
    for row in db.execute(_secrets(workspace_id, client_id)):
        secret = _secret(row)
        if hmac.compare_digest(row.hash, wanted) and secret.live(now):
            found = secret
    return found


def known_secret(db: Db, client_id: str, text: str) -> tuple[Client, Secret] | None:
    """The client with this id in whatever workspace and its secret with this text, also where either has ended."""
    if not is_sound(client_id):
        return None
    row = db.execute(select(clients).where(clients.c.id == client_id)).one_or_none()
    if row is None:
        return None
    of_text = _secrets(row.workspace_id, client_id).where(client_secrets.c.hash == hash_of(text))
    secret = db.execute(of_text).one_or_none()
    return None if secret is None else (_client(row), _secret(secret))


def revoke_secret(db: Db, workspace_id: str, client_id: str, secret_id: str, now: datetime) -> bool:
    """Revoke a secret; False where the client has no such live one, and nothing changes."""
    of_secret = and_(
        client_secrets.c.workspace_id == workspace_id,
        client_secrets.c.client_id == client_id,
        client_secrets.c.id == secret_id,
    )
    return db.execute(_revoking(client_secrets, of_secret, now)).rowcount == 1


def note_secret_use(db: Db, workspace_id: str, secret: Secret, now: datetime) -> None:
    """Note that a secret was used, unless that was noted some minutes ago."""
    if _noted(secret.last_used, now):
        return
    of_secret = (client_secrets.c.workspace_id == workspace_id, client_secrets.c.id == secret.id)
    db.execute(update(client_secrets).where(*of_secret).values(last_used=now))


def add_trust(db: Db, trust: Trust) -> None:
    """Insert a trust."""
    db.execute(insert(trusts), {**asdict(trust), "key_set": _json(trust.key_set)})


def trusts_of(db: Db, workspace_id: str, connection_id: str) -> Sequence[Trust]:
    """All trusts of a connection, oldest first, revoked ones too."""
    return _trusts(db, trusts.c.workspace_id == workspace_id, trusts.c.connection_id == connection_id)


def trusts_for(db: Db, issuer: str, audience: str) -> Sequence[Trust]:
    """The live trusts for this issuer and audience in whatever workspace, with a client or without.

    Which of several is meant, the one who asks must decide; none, if nothing tells them apart.
    """
    if not (is_sound(issuer) and is_sound(audience)):
        return []
    return _trusts(db, trusts.c.issuer == issuer, trusts.c.audience == audience, trusts.c.revoked.is_(None))


def trusts_of_client(db: Db, workspace_id: str, client_id: str) -> Sequence[Trust]:
    """The live trusts whose assertions stand for this client."""
    of_client = (trusts.c.workspace_id == workspace_id, trusts.c.client_id == client_id)
    return _trusts(db, *of_client, trusts.c.revoked.is_(None))


def revoke_trust(db: Db, workspace_id: str, connection_id: str, trust_id: str, now: datetime) -> bool:
    """Revoke a trust; False where the connection has no such live one, and nothing changes."""
    of_trust = and_(
        trusts.c.workspace_id == workspace_id, trusts.c.connection_id == connection_id, trusts.c.id == trust_id
    )
    return db.execute(_revoking(trusts, of_trust, now)).rowcount == 1


def note_trust_use(db: Db, trust: Trust, now: datetime) -> None:
    """Note that an issuer's token was taken, unless that was noted some minutes ago."""
    if _noted(trust.last_used, now):
        return
    of_trust = (trusts.c.workspace_id == trust.workspace_id, trusts.c.id == trust.id)
    db.execute(update(trusts).where(*of_trust).values(last_used=now))


def _noted(last_used: datetime | None, now: datetime) -> bool:
    return last_used is not None and now - last_used < NOTED_EVERY


def _revoking(table: Any, of_row: ColumnElement[bool], now: datetime) -> Any:
    return update(table).where(of_row, table.c.revoked.is_(None)).values(revoked=now)


def _secrets(workspace_id: str, client_id: str) -> Select[Any]:
    of_client = (client_secrets.c.workspace_id == workspace_id, client_secrets.c.client_id == client_id)
    return select(client_secrets).where(*of_client).order_by(client_secrets.c.id)


def _trusts(db: Db, *conditions: ColumnElement[bool]) -> Sequence[Trust]:
    return [_trust(row) for row in db.execute(select(trusts).where(*conditions).order_by(trusts.c.id))]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _client(row: Any) -> Client:
    return Client(
        workspace_id=row.workspace_id,
        id=row.id,
        connection_id=row.connection_id,
        name=row.name,
        scopes=row.scopes,
        redirect_uris=tuple(orjson.loads(row.redirect_uris)),
        key_set=None if row.key_set is None else orjson.loads(row.key_set),
        pkce=row.pkce,
        created=row.created,
        revoked=row.revoked,
    )


def _secret(row: Any) -> Secret:
    return Secret(**{name: getattr(row, name) for name in Secret.__dataclass_fields__})


def _trust(row: Any) -> Trust:
    columns = {name: getattr(row, name) for name in Trust.__dataclass_fields__}
    return Trust(**{**columns, "key_set": orjson.loads(row.key_set)})
