"""What clients were granted: codes, refresh and access tokens, assertions that were used, and the keys that sign.

A text is never stored, only its SHA-256. All that comes of one consent is a family, which ends as one. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Connection as Db
from sqlalchemy import Table, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from scim_server.storage.access import hash_of
from scim_server.storage.access_tables import (
    authorization_codes,
    refresh_tokens,
    signing_keys,
    tokens,
    used_assertions,
)

# What is past its time is kept a little longer, so that a second use is known for one.
KEPT: Final = timedelta(days=1)
# Access tokens, of which a client may ask for many, tell nothing once they have expired.
TOKENS_KEPT: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code. `redirect_uri` is empty where the request named none."""

    workspace_id: str
    client_id: str
    family_id: str
    redirect_uri: str
    scopes: str
    challenge: str
    expires: datetime
    used: datetime | None = None

    def live(self, now: datetime) -> bool:
        """Whether it can be used."""
        return self.used is None and self.expires > now


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token: good for one use, by which the next of its family takes its place."""

    workspace_id: str
    id: str
    client_id: str
    family_id: str
    scopes: str
    created: datetime
    expires: datetime
    used: datetime | None = None
    revoked: datetime | None = None

    def live(self, now: datetime) -> bool:
        """Whether it can be used."""
        return self.used is None and self.revoked is None and self.expires > now


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token that a client was given; `hint` is how its text ends."""

    workspace_id: str
    id: str
    connection_id: str
    client_id: str
    family_id: str | None
    hint: str
    scopes: str
    created: datetime
    expires: datetime
    revoked: datetime | None = None

    def live(self, now: datetime) -> bool:
        """Whether it is good for anything."""
        return self.revoked is None and self.expires > now


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key of the server's own; `private_key` is a private JWK as JSON, `id` its kid."""

    id: str
    private_key: str
    created: datetime

    def __repr__(self) -> str:
        return f"SigningKey(id={self.id!r}, created={self.created!r})"


Row = TypeVar("Row", Code, RefreshToken, AccessToken, SigningKey)


def add_code(db: Db, code: Code, code_text: str) -> None:
    """Insert a code by the hash of its text."""
    db.execute(insert(authorization_codes), {**asdict(code), "hash": hash_of(code_text)})


def code_by_text(db: Db, code_text: str) -> Code | None:
    """The code with this text, a used or expired one too."""
    return _one(db, authorization_codes, Code, code_text)


def take_code(db: Db, workspace_id: str, code_text: str, now: datetime) -> bool:
    """Mark a code as used; False where it was already: a second use."""
    return _take(db, authorization_codes, workspace_id, code_text, now)


def add_refresh_token(db: Db, token: RefreshToken, token_text: str) -> None:
    """Insert a refresh token by the hash of its text."""
    db.execute(insert(refresh_tokens), {**asdict(token), "hash": hash_of(token_text)})


def refresh_token_by_text(db: Db, token_text: str) -> RefreshToken | None:
    """The refresh token with this text, a used, revoked or expired one too."""
    return _one(db, refresh_tokens, RefreshToken, token_text)


def take_refresh_token(db: Db, workspace_id: str, token_text: str, now: datetime) -> bool:
    """Mark a refresh token as used; False where it was already: a second use."""
    return _take(db, refresh_tokens, workspace_id, token_text, now)


def issue_token(db: Db, token: AccessToken, token_text: str) -> None:
    """Insert an access token by the hash of its text."""
    db.execute(insert(tokens), {**asdict(token), "hash": hash_of(token_text)})


def token_by_text(db: Db, token_text: str) -> AccessToken | None:
    """The access token with this text, a revoked or expired one too; None for one that no client was given."""
    query = select(tokens).where(tokens.c.hash == hash_of(token_text), tokens.c.client_id.is_not(None))
    row = db.execute(query).one_or_none()
    return None if row is None else _read(AccessToken, row)


def revoke_token(db: Db, token: AccessToken, now: datetime) -> None:
    """Revoke one access token. A second time changes nothing."""
    of_token = (tokens.c.workspace_id == token.workspace_id, tokens.c.id == token.id, tokens.c.revoked.is_(None))
    db.execute(update(tokens).where(*of_token).values(revoked=now))


def revoke_family(db: Db, workspace_id: str, family_id: str, now: datetime) -> bool:
    """Revoke all tokens of a family, of both kinds; False where none was left.

    The caller holds the client (storage.clients.client_of), so that no next one is being made meanwhile.
    """
    ended = 0
    for table in (refresh_tokens, tokens):
        of_family = (table.c.workspace_id == workspace_id, table.c.family_id == family_id, table.c.revoked.is_(None))
        ended += db.execute(update(table).where(*of_family).values(revoked=now)).rowcount
    return ended > 0


def purge(db: Db, workspace_id: str, client_id: str, now: datetime) -> None:
    """Delete what the client was granted and is past its time by more than KEPT, or TOKENS_KEPT."""
    for table, kept in ((tokens, TOKENS_KEPT), (refresh_tokens, KEPT), (authorization_codes, KEPT)):
        of_client = (table.c.workspace_id == workspace_id, table.c.client_id == client_id)
        db.execute(delete(table).where(*of_client, table.c.expires < now - kept))


def use_assertion(db: Db, workspace_id: str, issuer: str, jti: str, expires: datetime, now: datetime) -> bool:
    """Keep that an issuer's assertion was used, until `expires`; False where it was already (RFC 7523 §3).

    `expires` is when it would be refused for its age alone, leeway included. Those that are past it are forgotten.
    """
    old = (used_assertions.c.workspace_id == workspace_id, used_assertions.c.expires < now)
    db.execute(delete(used_assertions).where(*old))
    insert_new = (postgresql if db.dialect.name == "postgresql" else sqlite).insert(used_assertions)
    row = {"workspace_id": workspace_id, "hash": hash_of(f"{issuer}\n{jti}"), "expires": expires}
    kept = insert_new.values(row).on_conflict_do_nothing().returning(used_assertions.c.hash)
    return db.scalar(kept) is not None


def lock_signing_keys(db: Db) -> None:
    """Let no other transaction add a key before this one is over; SQLite's writers have the whole database."""
    if db.dialect.name == "postgresql":
        db.execute(text("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE"))


def all_signing_keys(db: Db) -> Sequence[SigningKey]:
    """The signing keys, newest first."""
    query = select(signing_keys).order_by(signing_keys.c.created.desc())
    return [_read(SigningKey, row) for row in db.execute(query)]


def newest_signing_key(db: Db) -> SigningKey | None:
    """The key that signs; None where there is none yet."""
    row = db.execute(select(signing_keys).order_by(signing_keys.c.created.desc()).limit(1)).one_or_none()
    return None if row is None else _read(SigningKey, row)


def add_signing_key(db: Db, key: SigningKey) -> None:
    """Insert a signing key."""
    db.execute(insert(signing_keys), asdict(key))


def drop_signing_keys(db: Db, before: datetime) -> None:
    """Delete the signing keys that were made before then."""
    db.execute(delete(signing_keys).where(signing_keys.c.created < before))


def _one(db: Db, table: Table, kind: type[Row], its_text: str) -> Row | None:
    row = db.execute(select(table).where(table.c.hash == hash_of(its_text))).one_or_none()
    return None if row is None else _read(kind, row)


def _take(db: Db, table: Table, workspace_id: str, its_text: str, now: datetime) -> bool:
    unused = (table.c.workspace_id == workspace_id, table.c.hash == hash_of(its_text), table.c.used.is_(None))
    return db.execute(update(table).where(*unused).values(used=now)).rowcount == 1


def _read(kind: type[Row], row: Any) -> Row:
    return kind(**{each.name: getattr(row, each.name) for each in fields(kind)})
