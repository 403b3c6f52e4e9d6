"""What OAuth clients and trusts may be made of: redirect URIs, key sets, issuers. Stores and fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from scim_server.directory.access import NotAllowed
from scim_server.keys import KeySets, Untrusted
from scim_server.loopback import is_loopback
from scim_server.scim.values import is_sound

MOST_REDIRECT_URIS: Final = 20
LONGEST: Final = 2000
_UNSAFE: Final = frozenset(' "<>\\^`{|}')


def checked_redirect_uris(uris: Sequence[str]) -> tuple[str, ...]:
    """Where an authorization code may be sent, each once, exactly as given (RFC 9700 §4.1.3). Raises NotAllowed."""
    if len(uris) > MOST_REDIRECT_URIS:
        raise NotAllowed(f"A client has at most {MOST_REDIRECT_URIS} redirect URIs.")
    return tuple(dict.fromkeys(map(_checked_redirect_uri, uris)))


def _checked_redirect_uri(uri: str) -> str:
    shown = repr(uri[:64])
    try:
        parts = urlsplit(uri)
        sound = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # a port or an address that is none
        sound = False
    if not sound or len(uri) > LONGEST or not uri.isascii() or not uri.isprintable() or _UNSAFE & set(uri):
        raise NotAllowed(f"The redirect URI {shown} must be an absolute URL without blanks, user or password.")
    if "#" in uri:
        raise NotAllowed(f"The redirect URI {shown} has a fragment, which none may have (RFC 6749 §3.1.2).")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise NotAllowed(f"The redirect URI {shown} must begin with https://, or lead to the browser's own machine.")
    return uri


def checked_key_set(key_sets: KeySets, key_set: object) -> Mapping[str, Any]:
    """A key set as it is kept: {"keys": [public JWKs]}, or {"jwks_uri": URL} on a host that may be asked.

    Raises NotAllowed for private, shared and weak keys, and what is no key set.
    """
    if not isinstance(key_set, Mapping):
        raise NotAllowed('A key set is an object: {"keys": [...]} or {"jwks_uri": "https://..."}.')
    try:
        key_sets.check(key_set)
    except Untrusted as error:
        raise NotAllowed(str(error)) from error
    return key_set


def checked_claim(text: str, what: str) -> str:
    """An issuer, audience or subject, which is compared as it is (RFC 7519 §2). Raises NotAllowed."""
    if not text or len(text) > LONGEST or not text.isprintable() or text != text.strip() or not is_sound(text):
        raise NotAllowed(f"The {what} needs 1 to {LONGEST} printable characters, without blanks around them.")
    return text
