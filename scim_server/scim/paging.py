"""Cursors (RFC 9865): where a page begins, sealed so that clients can neither read nor forge it.

A cursor names the last resource of the page before by its sort value and id, so that pages stay right while others
write. It is bound to everything else about the query and to a time. Pure: the key and the time are passed in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from scim_server.scim.errors import ScimError

KEY_BYTES: Final = 64
_LONGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Position:
    """Between two resources: after the one with this sort value (None: it has none) and id, or before it (`back`)."""

    id: str
    value: str | int | float | bool | None = None
    back: bool = False


def fingerprint(*parts: object) -> bytes:
    """What identifies a query: workspace, endpoint, filter, order. A cursor serves the query it was made for alone."""
    return hashlib.sha256(orjson.dumps([str(part) for part in parts])).digest()


def seal(key: bytes, position: Position, query: bytes, count: int, expires: int) -> str:
    """The cursor for `position`; `expires` is in seconds since 1970. Letters, digits, - and _ alone."""
    content = orjson.dumps([expires, count, position.id, position.value, position.back])
    # AES-SIV needs no nonce: the same position gives the same cursor, which tells nobody anything
    return base64.urlsafe_b64encode(AESSIV(key).encrypt(content, [query])).rstrip(b"=").decode()


def unseal(keys: Sequence[bytes], cursor: str, query: bytes, count: int, now: int) -> Position:
    """The position in `cursor`. Raises ScimError invalidCursor, expiredCursor or invalidCount (RFC 9865 §2.1).

    Forged, foreign and mangled cursors get the same answer.
    """
    content = _opened(keys, cursor, query)
    expires, sealed_count, resource_id, value, back = orjson.loads(content)
    if now >= expires:
        raise ScimError("expiredCursor", "The cursor has expired. Begin again with an empty one.")
    if sealed_count != count:
        raise ScimError("invalidCount", f"The count must stay {sealed_count}, as it was for the first page.")
    return Position(resource_id, value, back)


def _opened(keys: Sequence[bytes], cursor: str, query: bytes) -> bytes:
    try:
        if len(cursor) > _LONGEST or not cursor.isascii():
            raise ValueError("too long, or not made of cursor characters")
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error
    for key in keys:
        try:
            return AESSIV(key).decrypt(sealed, [query])
        except (InvalidTag, ValueError):
            continue
    raise _invalid()


def _invalid() -> ScimError:
    return ScimError("invalidCursor", "The cursor is not one that this server gave out for this query.")
