"""Who calls with something that isn't a token of ours: a trusted issuer's JWT, or a client's id and secret.

Knows no headers and no forms. Why a JWT is refused is for the log, in sentences that hold nothing of what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.domain.connection import Connection
from scim_server.keys import LEEWAY, Untrusted, opened
from scim_server.storage import access, clients, grants
from scim_server.storage.clients import Client, Secret, Trust
from scim_server.storage.db import reading, writing

_MOST_AUDIENCES: Final = 8  # that are looked up for one token, which anybody may have made up
# Entra's form shows the audience as the scope by which its token is asked for, which ends so; the token's own doesn't.
_SCOPE_OF_ALL: Final = "/.default"
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def client_for_assertion(directory: Directory, client_id: str, assertion: str) -> Client | None:
    """The client for which a trusted issuer's JWT stands; it is spent by that (Entra's workload identity federation).

    None where no trust of the client's names its issuer, so that it may be the client's own (RFC 7523).
    Raises keys.Untrusted for one that isn't what a trust says, or was used before.
    """
    with reading(directory.engine) as db:
        client = clients.client_by_id(db, client_id)
        trusts = [] if client is None else clients.trusts_of_client(db, client.workspace_id, client.id)
    issuer = opened(assertion)[1].get("iss")
    reason = None
    for trust in trusts:
        if trust.issuer != issuer:
            continue
        try:
            spend(directory, trust.workspace_id, _verified(directory, trust, assertion), trust)
        except Untrusted as error:
            reason = _by(trust, error)
            continue
        return client
    if reason is not None:
        raise reason
    return None


def spend(directory: Directory, workspace_id: str, claims: Mapping[str, Any], trust: Trust | None = None) -> None:
    """Keep a verified assertion's jti until it has expired, so that it counts once. Raises keys.Untrusted after that.

    One without a jti counts until it expires (RFC 7523 §3 leaves it open): Entra names none among its claims, and who
    caches its tokens sends the same one again for as long as it is good. To refuse it would stall the sync.
    """
    jti = claims.get("jti")
    expires, now = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=LEEWAY), directory.now()

    def work(db: Db) -> None:
        if jti is not None and not grants.use_assertion(db, workspace_id, claims["iss"], jti, expires, now):
            raise Untrusted("It was used before.")
        if trust is not None:
            clients.note_trust_use(db, trust, now)

    writing(directory.engine, work)


def grant_for_bearer(directory: Directory, text: str) -> access.Grant | None:
    """What a trusted issuer's JWT stands for as a bearer token; None for any other text.

    A trust that names the subject goes before one that doesn't. Where several are left nobody can tell which is meant:
    then it stands for none, rather than for somebody else's workspace.
    Raises keys.Untrusted for one that names a trusted issuer and audience and isn't what the trust says.
    """
    trusts = _bearer_trusts(directory, text)
    meant, reason = [], None
    for each in trusts:
        try:
            _verified(directory, each, text)
            meant.append(each)
        except Untrusted as error:
            reason = _by(each, error)
    meant = [each for each in meant if each.subject is not None] or meant
    if len(meant) > 1:
        raise Untrusted("Several connections trust it.")
    if reason is not None and not meant:
        raise reason
    if not meant:
        return None
    (trust,) = meant
    with reading(directory.engine) as db:
        connection = access.connection_of(db, trust.workspace_id, trust.connection_id)
    return _grant(connection, trust, trust.scopes, "trust")


def _bearer_trusts(directory: Directory, text: str) -> Sequence[Trust]:
    """The trusts of bearer tokens that the issuer and the audience in the text, be they true or not, are those of."""
    try:
        claims = opened(text)[1]
    except Untrusted:
        return ()
    issuer, audience = claims.get("iss"), claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    audiences = sorted({each for each in named if isinstance(each, str)})[:_MOST_AUDIENCES]
    if not isinstance(issuer, str) or not audiences:
        return ()
    with reading(directory.engine) as db:
        found = [trust for each in trusted_as(audiences) for trust in clients.trusts_for(db, issuer, each)]
    return [trust for trust in found if trust.client_id is None]


def trusted_as(audiences: Iterable[str]) -> Sequence[str]:
    """The audiences of trusts that take a token with one of these: a trust may name the scope in its place."""
    return sorted({spelling for each in audiences for spelling in (each, each + _SCOPE_OF_ALL)})


def taken_by(trust: Trust) -> tuple[str, str]:
    """The audiences of tokens that the trust takes."""
    return trust.audience, trust.audience.removesuffix(_SCOPE_OF_ALL)


def grant_for_secret(directory: Directory, client_id: str, text: str) -> access.Grant | None:
    """What a client's id and secret stand for without a token, where its connection takes them (`basic_auth`).

    Never for a client with redirect URIs, which has what an administrator consents to and nothing else.
    """
    with reading(directory.engine) as db:
        client = clients.client_by_id(db, client_id)
        if client is None or client.redirect_uris:
            return None
        connection = access.connection_of(db, client.workspace_id, client.connection_id)
        secret = clients.live_secret(db, client.workspace_id, client.id, text, directory.now())
    if secret is None or not connection.settings.basic_auth:
        return None
    return _grant(connection, secret, client.scopes, "secret")


def _grant(connection: Connection, proof: Trust | Secret, scopes: str, by: access.By) -> access.Grant:
    return access.Grant(
        token_id=proof.id, scopes=scopes, connection=connection, contact_id=None, last_used=proof.last_used, by=by
    )


def _by(trust: Trust, error: Untrusted) -> Untrusted:
    """Why this trust refused it."""
    return Untrusted(f"{error} That is by the trust {trust.id}.")


def _verified(directory: Directory, trust: Trust, text: str) -> Mapping[str, Any]:
    """The claims, if they are all that the trust says. Raises keys.Untrusted."""
    claims = directory.key_sets.verify(
        text,
        trust.key_set,
        issuer=trust.issuer,
        audience=taken_by(trust),
        subject=trust.subject,
        now=directory.now(),
    )
    tenant = _GUID.search(trust.issuer)
    # Entra signs for all tenants with the same keys, and says twice for which
    if tenant is not None and str(claims.get("tid", tenant[0])).lower() != tenant[0].lower():
        raise Untrusted("Its claim 'tid' names another tenant than the issuer that is trusted.")
    return claims
