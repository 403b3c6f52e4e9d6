"""The tables of bearer tokens and OAuth clients, their secrets and grants, and of the requests that are made with them.

Knows no rule. As in `tables`, keys begin with the workspace. What has to be found before its workspace is known has an
index of its own: a client by its id, a grant by the hash of its text, a trusted issuer by its name.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, Integer, Table, Text, UniqueConstraint, text

from scim_server.storage.tables import Instant, String, metadata

_OF_CONNECTION: Final = (["workspace_id", "connection_id"], ["connections.workspace_id", "connections.id"])
_OF_CLIENT: Final = (["workspace_id", "client_id"], ["clients.workspace_id", "clients.id"])

clients = Table(
    "clients",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),  # the client_id that it sends
    Column("connection_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("scopes", String, nullable=False),  # the most that it gets
    Column("redirect_uris", Text, nullable=False),  # JSON: a list; empty where it may not use the code grant
    Column("key_set", Text),  # JSON, for private_key_jwt: {"keys": [...]} or {"jwks_uri": "..."}
    Column("pkce", Boolean, nullable=False),  # whether the code grant needs a challenge (RFC 7636)
    Column("created", Instant, nullable=False),
    Column("revoked", Instant),
    ForeignKeyConstraint(*_OF_CONNECTION),
    Index("ix_clients_id", "id"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("connection_id", String, nullable=False),
    Column("contact_id", String),  # whom the token acts for, if it is a person's own
    Column("client_id", String),  # the OAuth client that it was issued to
    Column("family_id", String),  # what all tokens of one consent share
    Column("hash", String, nullable=False),  # SHA-256 of the token, hex
    Column("hint", String, nullable=False),  # its last characters, to tell tokens apart
    Column("scopes", String, nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant),
    Column("revoked", Instant),
    Column("last_used", Instant),
    UniqueConstraint("workspace_id", "hash"),
    ForeignKeyConstraint(*_OF_CONNECTION),
    ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(*_OF_CLIENT, ondelete="CASCADE"),
    Index("ix_tokens_contact_id", "workspace_id", "contact_id"),
    Index("ix_tokens_client_id", "workspace_id", "client_id", "expires"),
    Index("ix_tokens_family_id", "workspace_id", "family_id"),
    Index("ix_tokens_hash", "hash"),  # the one look-up that can't name its workspace: it finds it
)

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False),
    Column("hash", String, nullable=False),  # SHA-256 of the secret, hex
    Column("hint", String, nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant),
    Column("revoked", Instant),
    Column("last_used", Instant),
    ForeignKeyConstraint(*_OF_CLIENT),
    Index("ix_client_secrets_client_id", "workspace_id", "client_id"),
)

# Whose tokens count besides our own: with a client, assertions at the token endpoint; without, bearer tokens at SCIM.
trusts = Table(
    "trusts",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("connection_id", String, nullable=False),
    Column("client_id", String),
    Column("issuer", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("subject", String),  # required of assertions; a bearer token may leave it open
    Column("key_set", Text, nullable=False),  # JSON: {"keys": [...]} or {"jwks_uri": "https://..."}
    Column("scopes", String, nullable=False),
    Column("created", Instant, nullable=False),
    Column("revoked", Instant),
    Column("last_used", Instant),
    ForeignKeyConstraint(*_OF_CONNECTION),
    ForeignKeyConstraint(*_OF_CLIENT),
    Index("ix_trusts_issuer", "issuer", "audience"),
    Index("ix_trusts_client_id", "workspace_id", "client_id"),
)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("hash", String, primary_key=True),  # SHA-256 of the code, hex
    Column("client_id", String, nullable=False),
    Column("family_id", String, nullable=False),  # of all tokens that come of it
    Column("redirect_uri", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("challenge", String, nullable=False),  # of PKCE; empty for a client that may go without
    Column("expires", Instant, nullable=False),
    Column("used", Instant),  # kept for a while: a second use revokes the family (RFC 6749 §4.1.2)
    ForeignKeyConstraint(*_OF_CLIENT, ondelete="CASCADE"),
    Index("ix_authorization_codes_hash", "hash"),
    Index("ix_authorization_codes_client_id", "workspace_id", "client_id", "expires"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("client_id", String, nullable=False),
    Column("family_id", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("used", Instant),  # rotated: a second use revokes the family (RFC 9700 §4.14.2)
    Column("revoked", Instant),
    ForeignKeyConstraint(*_OF_CLIENT, ondelete="CASCADE"),
    Index("ix_refresh_tokens_hash", "hash"),
    Index("ix_refresh_tokens_family_id", "workspace_id", "family_id"),
    Index("ix_refresh_tokens_client_id", "workspace_id", "client_id", "expires"),
)

# Assertions that were used, until they would have expired: none is taken twice (RFC 7523 §3, jti).
used_assertions = Table(
    "used_assertions",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("hash", String, primary_key=True),  # SHA-256 of issuer and jti, hex
    Column("expires", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
    Index("ix_used_assertions_expires", "workspace_id", "expires"),
)

# The server's own, as `secrets`: what access tokens are signed with. The newest signs; all that are here verify.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", String, primary_key=True),  # the kid
    Column("private_key", Text, nullable=False),  # JSON: a private JWK for ES256
    Column("created", Instant, nullable=False, unique=True),
)

requests = Table(
    "requests",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),  # the request id, UUIDv7: in the order of time
    Column("connection_id", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("method", String, nullable=False),
    Column("path", String, nullable=False),  # with the query, whose values are left out
    Column("status", Integer, nullable=False),
    Column("duration", Integer, nullable=False),  # microseconds
    Column("resource_id", String),
    Column("error", String),  # scimType and detail, whose quoted values are left out
    ForeignKeyConstraint(*_OF_CONNECTION),
    Index("ix_requests_newest", "workspace_id", "at", "id"),
    Index("ix_requests_connection_id", "workspace_id", "connection_id", "at", "id"),
    Index(
        "ix_requests_refused",
        "workspace_id",
        "at",
        "id",
        sqlite_where=text("status >= 400"),
        postgresql_where=text("status >= 400"),
    ),
    Index("ix_requests_at", "at"),
)
