"""Whose a credential was that opened nothing: for the logs and the challenge, after the look-up that counts has failed.

It grants nothing. Knows no headers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scim_server.directory import Directory
from scim_server.domain.connection import Connection
from scim_server.storage import access, clients
from scim_server.storage.db import reading

_NO_BEARER = "The token came without the word Bearer, which the connection doesn't take."
_NO_BASIC = "The connection takes no client's id and secret in place of a token."


@dataclass(frozen=True, slots=True)
class Traced:
    """A connection whose credential was refused, and why; the sentence quotes nothing of what was sent."""

    connection: Connection
    reason: str


def of_token(directory: Directory, text: str) -> Traced | None:
    """Whose token of ours it is, or was; None for any other text."""
    found = access.known_token(directory.engine, text)
    if found is None:
        return None
    connection, revoked, expires = found
    return Traced(connection, _ending("token", revoked, expires, directory.now()) or _NO_BEARER)


def of_secret(directory: Directory, client_id: str, text: str) -> Traced | None:
    """Whose client's secret it is, or was; None for a text that never was one."""
    with reading(directory.engine) as db:
        found = clients.known_secret(db, client_id, text)
        if found is None:
            return None
        client, secret = found
        connection = access.connection_of(db, client.workspace_id, client.connection_id)
    return Traced(connection, _ending("secret", secret.revoked, secret.expires, directory.now()) or _NO_BASIC)


def takes_basic(directory: Directory, client_id: str) -> bool:
    """Whether there is such a client, whose connection takes its id and secret (`basic_auth`)."""
    with reading(directory.engine) as db:
        client = clients.client_by_id(db, client_id)
        if client is None:
            return False
        return access.connection_of(db, client.workspace_id, client.connection_id).settings.basic_auth


def _ending(what: str, revoked: datetime | None, expires: datetime | None, now: datetime) -> str | None:
    if revoked is not None:
        return f"The {what} was revoked."
    return f"The {what} has expired." if expires is not None and expires <= now else None
