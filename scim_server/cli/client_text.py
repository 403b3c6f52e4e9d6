"""OAuth clients and trusted issuers as a person reads them: a block for each, with what needs doing on top.

Makes what `show_block` prints. Asks nobody and prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scim_server.directory.clients import Listed
from scim_server.domain.expiry import expiry_note
from scim_server.storage.clients import Client, Secret, Trust


def client_block(listed: Listed, now: datetime) -> Mapping[str, Any]:
    """A client by its id, and its secrets below."""
    client = listed.client
    facts: dict[str, Any] = {
        "revoked": _day(client.revoked),
        "name": client.name,
        "scopes": client.scopes,
        "gets tokens by": _grants(client),
        "redirect URIs": {uri: {} for uri in client.redirect_uris} or None,
        "keys": None if client.key_set is None else _keys(client.key_set),
        "created": _day(client.created),
        **{f"secret {each.id}": _secret(each, now) for each in listed.secrets},
    }
    return {client.id: _known(facts)}


def trust_block(trust: Trust) -> Mapping[str, Any]:
    """A trust by its id."""
    facts = {
        "revoked": _day(trust.revoked),
        "counts as": "a bearer token at SCIM" if trust.client_id is None else f"assertion of {trust.client_id}",
        "issuer": trust.issuer,
        "audience": trust.audience,
        "subject": trust.subject or "any",
        "scopes": trust.scopes,
        "keys": _keys(trust.key_set),
        "created": _day(trust.created),
        "last used": _day(trust.last_used) or "never",
    }
    return {trust.id: _known(facts)}


def _secret(secret: Secret, now: datetime) -> Mapping[str, Any]:
    facts = {
        "note": expiry_note(secret.expires, secret.revoked, now),
        "revoked": _day(secret.revoked),
        "ends in": secret.hint,
        "created": _day(secret.created),
        "expires": _day(secret.expires) or "never",
        "last used": _day(secret.last_used) or "never",
    }
    return _known(facts)


def _known(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _grants(client: Client) -> str:
    if not client.redirect_uris:
        return "client credentials"
    return f"an administrator's consent (authorization code{'' if client.pkce else ', without PKCE'})"


def _keys(key_set: Mapping[str, Any]) -> str:
    """Where the keys are: at a URL, or here, and then how many of which kinds."""
    if "jwks_uri" in key_set:
        return str(key_set["jwks_uri"])
    kinds = ", ".join(str(key.get("crv") or key.get("kty")) for key in key_set.get("keys", ()))
    return f"given as a file: {kinds}"


def _day(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d}"
