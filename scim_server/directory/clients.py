"""OAuth clients, their secrets, and trusted issuers through the one door: how they are made, listed and ended (D13).

Each change is recorded in its transaction. Knows no grant, token endpoint or page: who may have a token, others decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection as Db

from scim_server.directory import Directory, federation
from scim_server.directory.access import (
    NotAllowed,
    Taken,
    Unknown,
    checked_name,
    checked_scopes,
    manager,
    named_connection,
    named_workspace,
)
from scim_server.directory.client_parts import checked_claim, checked_key_set, checked_redirect_uris
from scim_server.directory.links import new_secret
from scim_server.domain.actor import Actor
from scim_server.storage import clients, ledger
from scim_server.storage.access import Workspace
from scim_server.storage.clients import Client as Client  # what the edges show
from scim_server.storage.clients import Secret as Secret
from scim_server.storage.clients import Trust as Trust
from scim_server.storage.db import reading, writing

CLIENT_PREFIX: Final = "client_"
SECRET_PREFIX: Final = "secret_"  # noqa: S105 - what a secret starts with, so that scanners find leaked ones
SECRET_DAYS: Final = 365
MOST_SECRET_DAYS: Final = 1096  # three years, the longest that an identity provider's form asks for


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A client with its secrets, oldest first, revoked and expired ones too."""

    client: Client
    secrets: Sequence[Secret]


def create_client(
    directory: Directory,
    workspace_name: str,
    connection_name: str,
    name: str,
    *,
    scopes: str = "scim",
    redirect_uris: Sequence[str] = (),
    key_set: Mapping[str, Any] | None = None,
    with_secret: bool = True,
    pkce: bool = True,
    expires_in_days: int = SECRET_DAYS,
    actor: Actor | None = None,
) -> tuple[Client, Secret | None, str | None]:
    """Make a client, and a secret whose text is returned once and never stored.

    `scopes` is the most that its tokens get; without `pkce` its codes need no challenge, as it always proves who it is
    (RFC 9700 §2.1.1).
    Raises Unknown for the workspace or connection, NotAllowed for a name, scope, URI, key set or time that can't be.
    """
    name, scopes = checked_name(name, "client"), checked_scopes(scopes)
    uris = checked_redirect_uris(redirect_uris)
    keys = None if key_set is None else checked_key_set(directory.key_sets, key_set)
    _check_days(expires_in_days)
    if not pkce and not uris:
        raise NotAllowed("PKCE is for codes, which a client without redirect URIs doesn't get.")

    def work(db: Db) -> tuple[Client, Secret | None, str | None]:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        by, now = manager(workspace, actor), directory.now()
        client = Client(
            workspace_id=workspace.id,
            id=CLIENT_PREFIX + new_secret(directory.random_bytes, 16),  # no secret, but nobody else's
            connection_id=connection.id,
            name=name,
            scopes=scopes,
            redirect_uris=uris,
            key_set=keys,
            pkce=pkce,
            created=now,
            revoked=None,
        )
        clients.add_client(db, client)
        facts = {"scopes": (None, scopes)}
        ledger.record_act(db, by, "client.created", client.id, now, directory.new_id(), facts)
        return client, *(_add_secret(directory, db, client, expires_in_days) if with_secret else (None, None))

    return writing(directory.engine, work)


def list_clients(
    directory: Directory, workspace_name: str, connection_name: str, *, actor: Actor | None = None
) -> Sequence[Listed]:
    """All clients of a connection, oldest first, with their secrets but not the texts. Raises Unknown."""
    with reading(directory.engine) as db:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        manager(workspace, actor)
        found = clients.clients_of(db, workspace.id, connection.id)
        return [Listed(client=each, secrets=clients.secrets_of(db, workspace.id, each.id)) for each in found]


def rotate(
    directory: Directory,
    workspace_name: str,
    client_id: str,
    *,
    expires_in_days: int = SECRET_DAYS,
    revoke_others: bool = False,
    actor: Actor | None = None,
) -> tuple[Secret, str]:
    """Make one more secret; the others go on counting, so that no sync stalls.

    With `revoke_others`, for a secret that leaked, all others and every token of the client end at once.
    Raises Unknown for the workspace or client, NotAllowed for a revoked client or a time that can't be.
    """
    _check_days(expires_in_days)

    def work(db: Db) -> tuple[Secret, str]:
        workspace = named_workspace(db, workspace_name)
        by, now = manager(workspace, actor), directory.now()
        client = _live_client(db, workspace, client_id)
        if revoke_others:
            for each in clients.secrets_of(db, workspace.id, client.id):
                _revoke_secret(directory, db, by, client.id, each, now)
            clients.revoke_tokens_of(db, workspace.id, client.id, now)
        secret, text = _add_secret(directory, db, client, expires_in_days)
        facts = {"secret": (None, secret.id)}
        ledger.record_act(db, by, "client.rotated", client.id, now, directory.new_id(), facts)
        return secret, text

    return writing(directory.engine, work)


def revoke_client(directory: Directory, workspace_name: str, client_id: str, *, actor: Actor | None = None) -> None:
    """End a client with its secrets, tokens and trusts, from the next request on. A second time changes nothing.

    Raises Unknown for the workspace or client.
    """

    def work(db: Db) -> None:
        workspace = named_workspace(db, workspace_name)
        by, now = manager(workspace, actor), directory.now()
        client = _client(db, workspace, client_id)
        if client.revoked is None:
            clients.revoke_client(db, workspace.id, client.id, now)
            ledger.record_act(db, by, "client.revoked", client.id, now, directory.new_id())

    writing(directory.engine, work)


def revoke_secret(
    directory: Directory, workspace_name: str, client_id: str, secret_id: str, *, actor: Actor | None = None
) -> None:
    """End one secret, from the next request on; tokens that were had by it last until their own end.

    A second time changes nothing. Raises Unknown for the workspace, client or secret.
    """

    def work(db: Db) -> None:
        workspace = named_workspace(db, workspace_name)
        by, now = manager(workspace, actor), directory.now()
        client = _client(db, workspace, client_id)
        found = {each.id: each for each in clients.secrets_of(db, workspace.id, client.id)}
        if secret_id not in found:
            raise Unknown(f"The client {client.name!r} has no secret {secret_id[:64]!r}.")
        _revoke_secret(directory, db, by, client.id, found[secret_id], now)

    writing(directory.engine, work)


def create_trust(
    directory: Directory,
    workspace_name: str,
    connection_name: str,
    *,
    issuer: str,
    audience: str,
    subject: str | None = None,
    key_set: Mapping[str, Any],
    client_id: str | None = None,
    scopes: str | None = None,
    actor: Actor | None = None,
) -> Trust:
    """Trust an issuer's tokens: as assertions of a client, by which it gets ours, or without one as bearer tokens.

    A client's trust names the subject, and its scopes are the client's; without a client they are `scopes`, or "scim".
    Raises Unknown for the workspace, connection or client, Taken for bearer tokens that are trusted already, NotAllowed
    for an issuer, audience, subject, key set or scope that can't be.
    """
    for text, what in ((issuer, "issuer"), (audience, "audience"), *([(subject, "subject")] if subject else [])):
        checked_claim(text, what)
    keys = checked_key_set(directory.key_sets, key_set)
    if client_id is not None and not subject:
        raise NotAllowed("A client's assertions need a subject: without one any token of the issuer would count.")

    def work(db: Db) -> Trust:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        by, now = manager(workspace, actor), directory.now()
        trust = Trust(
            workspace_id=workspace.id,
            id=directory.new_id(),
            connection_id=connection.id,
            client_id=client_id,
            issuer=issuer,
            audience=audience,
            subject=subject or None,
            key_set=keys,
            scopes=_scopes_of_trust(db, workspace, connection.id, client_id, scopes),
            created=now,
            revoked=None,
            last_used=None,
        )
        _check_unambiguous(db, trust)
        clients.add_trust(db, trust)
        facts = {"scopes": (None, trust.scopes), "client": (None, client_id)}
        ledger.record_act(db, by, "trust.created", trust.id, now, directory.new_id(), facts)
        return trust

    return writing(directory.engine, work)


def list_trusts(
    directory: Directory, workspace_name: str, connection_name: str, *, actor: Actor | None = None
) -> Sequence[Trust]:
    """All trusts of a connection, oldest first, revoked ones too. Raises Unknown."""
    with reading(directory.engine) as db:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        manager(workspace, actor)
        return clients.trusts_of(db, workspace.id, connection.id)


def revoke_trust(
    directory: Directory, workspace_name: str, connection_name: str, trust_id: str, *, actor: Actor | None = None
) -> None:
    """Trust an issuer no more, from the next request on. A second time changes nothing. Raises Unknown."""

    def work(db: Db) -> None:
        workspace, connection = named_connection(db, workspace_name, connection_name)
        by, now = manager(workspace, actor), directory.now()
        if trust_id not in {each.id for each in clients.trusts_of(db, workspace.id, connection.id)}:
            raise Unknown(f"The connection {connection.name!r} has no trust {trust_id[:64]!r}.")
        if clients.revoke_trust(db, workspace.id, connection.id, trust_id, now):
            ledger.record_act(db, by, "trust.revoked", trust_id, now, directory.new_id())

    writing(directory.engine, work)


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_SECRET_DAYS:
        raise NotAllowed(f"A client's secret expires in 1 to {MOST_SECRET_DAYS} days.")


def _add_secret(directory: Directory, db: Db, client: Client, days: int) -> tuple[Secret, str]:
    now, text = directory.now(), SECRET_PREFIX + new_secret(directory.random_bytes)
    secret = Secret(
        id=directory.new_id(),
        client_id=client.id,
        hint=text[-4:],
        created=now,
        expires=now + timedelta(days=days),
        revoked=None,
        last_used=None,
    )
    clients.add_secret(db, client.workspace_id, secret, text)
    return secret, text


def _revoke_secret(directory: Directory, db: Db, by: Actor, client_id: str, secret: Secret, now: datetime) -> None:
    if clients.revoke_secret(db, by.workspace_id, client_id, secret.id, now):
        facts = {"secret": (secret.id, None)}
        ledger.record_act(db, by, "client.secret_revoked", client_id, now, directory.new_id(), facts)


def _client(db: Db, workspace: Workspace, client_id: str) -> Client:
    client = clients.client_of(db, workspace.id, client_id)
    if client is None:
        raise Unknown(f"The workspace {workspace.name!r} has no client {client_id[:64]!r}.")
    return client


def _live_client(db: Db, workspace: Workspace, client_id: str) -> Client:
    client = _client(db, workspace, client_id)
    if client.revoked is not None:
        raise NotAllowed(f"The client {client.name!r} is revoked. Make a new one.")
    return client


def _scopes_of_trust(
    db: Db, workspace: Workspace, connection_id: str, client_id: str | None, scopes: str | None
) -> str:
    if client_id is None:
        return checked_scopes("scim" if scopes is None else scopes)
    client = _live_client(db, workspace, client_id)
    if client.connection_id != connection_id:
        raise Unknown(f"The connection has no client {client_id[:64]!r}.")
    if scopes is not None and checked_scopes(scopes) != client.scopes:
        raise NotAllowed(f"The scopes of a client's assertions are the client's: {client.scopes!r}. Leave them out.")
    return client.scopes


def _check_unambiguous(db: Db, trust: Trust) -> None:
    """Raise Taken for a bearer token's trust beside which another would take the same tokens, in whatever workspace."""
    if trust.client_id is not None:
        return
    audiences = federation.trusted_as(federation.taken_by(trust))
    for other in (each for audience in audiences for each in clients.trusts_for(db, trust.issuer, audience)):
        overlaps = trust.subject is None or other.subject in (None, trust.subject)
        if other.client_id is None and overlaps:
            raise Taken("Bearer tokens of this issuer for this audience are trusted already. Name another subject.")
