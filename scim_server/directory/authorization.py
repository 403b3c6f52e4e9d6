"""What OAuth clients are granted, through the one door: consent, codes, tokens, their end, and the keys that sign them.

A token stands for its client's connection, never for the person who consented, so that no sync stops when that person
leaves. Knows no HTTP and no OAuth messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy import Connection as Db

from scim_server.directory import Directory, federation
from scim_server.directory.access import Unknown
from scim_server.domain.actor import Actor
from scim_server.domain.connection import Connection
from scim_server.domain.errors import MissingPermission
from scim_server.domain.roles import Permission, expand_scopes
from scim_server.keys import Untrusted
from scim_server.storage import access, clients, grants, ledger
from scim_server.storage.access import NOTED_EVERY
from scim_server.storage.clients import Client as Client  # what the edges handle
from scim_server.storage.db import reading, writing
from scim_server.storage.grants import AccessToken as AccessToken
from scim_server.storage.grants import Code as Code
from scim_server.storage.grants import RefreshToken as RefreshToken
from scim_server.storage.grants import SigningKey as SigningKey

CODE_LIFETIME: Final = timedelta(seconds=60)
# Counted from the last use: an identity provider that asks for nothing that long must be let in again.
REFRESH_LIFETIME: Final = timedelta(days=90)
KEY_LIFETIME: Final = timedelta(days=90)
LONGEST_MINUTES: Final = 360
# A key is published until the last token that it signed has expired, and an hour more.
_PUBLISHED_FOR: Final = timedelta(minutes=LONGEST_MINUTES + 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A live code or refresh token as its client sent it."""

    text: str
    grant: Code | RefreshToken

    def __repr__(self) -> str:
        return f"Presented({self.grant.family_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokens:
    """What is to be issued: texts, the access token's scopes and lifetime, and in exchange for what, if anything."""

    access_text: str
    scopes: str
    lifetime: timedelta
    refresh_text: str | None = None
    presented: Presented | None = None
    secret: str | None = None  # by which the client authenticated; it must still count when the token is saved

    def __repr__(self) -> str:
        return f"NewTokens(scopes={self.scopes!r})"


def client_named(directory: Directory, client_id: str) -> Client | None:
    """The client with this id that isn't revoked, in whatever workspace."""
    with reading(directory.engine) as db:
        return clients.client_by_id(db, client_id)


def connection_of(directory: Directory, client: Client) -> Connection:
    """The connection that the client's tokens stand for."""
    with reading(directory.engine) as db:
        return access.connection_of(db, client.workspace_id, client.connection_id)


def is_secret(directory: Directory, workspace_id: str, client_id: str, text: str) -> bool:
    """Whether it is a live secret of the client; one that there isn't has none, and takes the same to ask for."""
    now = directory.now()
    with reading(directory.engine) as db:
        secret = clients.live_secret(db, workspace_id, client_id, text, now)
    if secret is None:
        return False
    if secret.last_used is None or now - secret.last_used >= NOTED_EVERY:
        writing(directory.engine, lambda db: clients.note_secret_use(db, workspace_id, secret, now))
    return True


def spend_own_assertion(directory: Directory, client: Client, assertion: str, audience: Collection[str]) -> None:
    """Verify the client's own JWT by its key set, and keep that it was used (RFC 7523 §3). Raises keys.Untrusted.

    It must have a `jti`: without one it couldn't count once.
    """
    if client.key_set is None:
        raise Untrusted("The client has no key set.")
    claims = directory.key_sets.verify(
        assertion, client.key_set, issuer=client.id, audience=audience, subject=client.id, now=directory.now()
    )
    if not claims.get("jti"):
        raise Untrusted("Its claim 'jti' is missing.")
    federation.spend(directory, client.workspace_id, claims)


def consent(
    directory: Directory,
    actor: Actor,
    client: Client,
    code_text: str,
    *,
    scopes: str,
    redirect_uri: str,
    challenge: str,
) -> None:
    """Let the client have `scopes` for the code. The actor must manage the workspace, and hold what is given away.

    Raises MissingPermission, also for an actor of another workspace, and Unknown for a client that has ended meanwhile.
    """
    if actor.workspace_id != client.workspace_id:
        raise MissingPermission(Permission.WORKSPACE_MANAGE)
    actor.require(Permission.WORKSPACE_MANAGE, *sorted(expand_scopes(scopes)))

    def work(db: Db) -> None:
        now = directory.now()
        if _held(db, client) is None:
            raise Unknown("The client was revoked.")
        code = Code(
            workspace_id=client.workspace_id,
            client_id=client.id,
            family_id=directory.new_id(),
            redirect_uri=redirect_uri,
            scopes=scopes,
            challenge=challenge,
            expires=now + CODE_LIFETIME,
        )
        grants.add_code(db, code, code_text)
        ledger.record_act(db, actor, "client.consented", client.id, now, directory.new_id(), {"scopes": (None, scopes)})

    writing(directory.engine, work)


def code_presented(directory: Directory, client: Client, text: str, request_id: str) -> Presented | None:
    """The client's live code with this text. One that was used already ends all that came of it (RFC 6749 §4.1.2)."""
    return _presented(directory, client, grants.code_by_text, text, request_id)


def refresh_token_presented(directory: Directory, client: Client, text: str, request_id: str) -> Presented | None:
    """The client's live refresh token with this text. A used one ends its family (RFC 9700 §4.14.2)."""
    return _presented(directory, client, grants.refresh_token_by_text, text, request_id)


def _presented(
    directory: Directory,
    client: Client,
    read: Callable[[Db, str], Code | RefreshToken | None],
    text: str,
    request_id: str,
) -> Presented | None:
    with reading(directory.engine) as db:
        grant = read(db, text)
    if grant is None or grant.client_id != client.id:
        return None
    if grant.used is not None:
        family_id = grant.family_id
        writing(directory.engine, lambda db: _end_family(directory, db, client, family_id, request_id))
    return Presented(text=text, grant=grant) if grant.live(directory.now()) else None


def issue(directory: Directory, client: Client, new: NewTokens, request_id: str) -> bool:
    """Issue what is to be issued, once for what was presented; False where that, client or secret has ended meanwhile.

    Whoever comes second with what was presented ends the whole family.
    """

    def work(db: Db) -> bool:
        now = directory.now()
        if _held(db, client) is None or not _counts(db, client, new.secret, now):
            return False
        if new.presented is not None and not _taken(directory, db, client, new.presented, now, request_id):
            return False
        grants.purge(db, client.workspace_id, client.id, now)
        _add(directory, db, client, new, now)
        return True

    return writing(directory.engine, work)


def _held(db: Db, client: Client) -> Client | None:
    """The client, if it isn't revoked; nobody else issues, revokes or ends anything of it before this is over."""
    held = clients.client_of(db, client.workspace_id, client.id)
    return None if held is None or held.revoked is not None else held


def _counts(db: Db, client: Client, secret: str | None, now: datetime) -> bool:
    """Whether the secret wasn't revoked while its client was authenticated: what it gets then would outlive it."""
    return secret is None or clients.live_secret(db, client.workspace_id, client.id, secret, now) is not None


def _taken(directory: Directory, db: Db, client: Client, presented: Presented, now: datetime, request_id: str) -> bool:
    is_code = isinstance(presented.grant, Code)
    current = (grants.code_by_text if is_code else grants.refresh_token_by_text)(db, presented.text)
    if current is None or not current.live(now):
        if current is not None and current.used is not None:
            _end_family(directory, db, client, current.family_id, request_id)
        return False
    return (grants.take_code if is_code else grants.take_refresh_token)(db, client.workspace_id, presented.text, now)


def _add(directory: Directory, db: Db, client: Client, new: NewTokens, now: datetime) -> None:
    grant = None if new.presented is None else new.presented.grant
    token = AccessToken(
        workspace_id=client.workspace_id,
        id=directory.new_id(),
        connection_id=client.connection_id,
        client_id=client.id,
        family_id=None if grant is None else grant.family_id,
        hint=new.access_text[-4:],
        scopes=new.scopes,
        created=now,
        expires=now + new.lifetime,
    )
    grants.issue_token(db, token, new.access_text)
    if new.refresh_text is not None and grant is not None:
        following = RefreshToken(
            workspace_id=client.workspace_id,
            id=directory.new_id(),
            client_id=client.id,
            family_id=grant.family_id,
            scopes=grant.scopes,  # a narrower access token narrows the next one not (RFC 6749 §6)
            created=now,
            expires=now + REFRESH_LIFETIME,
        )
        grants.add_refresh_token(db, following, new.refresh_text)


def _end_family(directory: Directory, db: Db, client: Client, family_id: str, request_id: str) -> None:
    clients.client_of(db, client.workspace_id, client.id)  # held, so that no next token is being made
    now = directory.now()
    if grants.revoke_family(db, client.workspace_id, family_id, now):
        actor = _actor(client, request_id)
        ledger.record_act(db, actor, "client.reuse_detected", client.id, now, directory.new_id())


def token_of(directory: Directory, client: Client, text: str) -> AccessToken | RefreshToken | None:
    """The client's own token with this text, of either kind, also one that has ended; None for anyone else's."""
    with reading(directory.engine) as db:
        found = grants.token_by_text(db, text) or grants.refresh_token_by_text(db, text)
    return found if found is not None and found.client_id == client.id else None


def revoke(directory: Directory, client: Client, token: AccessToken | RefreshToken, request_id: str) -> None:
    """End the client's own token from the next request on; a refresh token takes its family along (RFC 7009 §2.1)."""

    def work(db: Db) -> None:
        now = directory.now()
        clients.client_of(db, client.workspace_id, client.id)
        if isinstance(token, AccessToken):
            grants.revoke_token(db, token, now)
        else:
            grants.revoke_family(db, client.workspace_id, token.family_id, now)
        ledger.record_act(db, _actor(client, request_id), "token.revoked", token.id, now, directory.new_id())

    if token.revoked is None:
        writing(directory.engine, work)


def _actor(client: Client, request_id: str) -> Actor:
    return Actor(
        workspace_id=client.workspace_id,
        kind="connection",
        door="oauth",
        permissions=expand_scopes(client.scopes),
        id=client.connection_id,
        request_id=request_id,
    )


def signing_key(directory: Directory, new: Callable[[], tuple[str, str]]) -> SigningKey:
    """The key that signs now; where there is none, or it is past its time, the kid and private JWK that `new` makes.

    All processes have the same: whoever comes second finds the first one's.
    """

    def work(db: Db) -> SigningKey:
        grants.lock_signing_keys(db)
        now, newest = directory.now(), grants.newest_signing_key(db)
        if newest is not None and newest.created > now - KEY_LIFETIME:
            return newest
        if newest is not None:
            grants.drop_signing_keys(db, newest.created)  # what those signed expired long ago
        kid, private_key = new()
        key = SigningKey(id=kid, private_key=private_key, created=now)
        grants.add_signing_key(db, key)
        return key

    with reading(directory.engine) as db:
        known = grants.newest_signing_key(db)
    if known is not None and known.created > directory.now() - KEY_LIFETIME:
        return known
    return writing(directory.engine, work)


def published_keys(directory: Directory) -> Sequence[SigningKey]:
    """The keys whose tokens may still be good, newest first; none before the first token."""
    with reading(directory.engine) as db:
        keys = grants.all_signing_keys(db)
    until = directory.now() - _PUBLISHED_FOR
    return [*keys[:1], *(key for successor, key in pairwise(keys) if successor.created > until)]
