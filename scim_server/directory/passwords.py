"""Passwords that identity providers send: kept as Argon2id hashes, never returned. Slow by intent, so never in a
transaction that others wait for.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category, normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from scim_server.scim.errors import ScimError
from scim_server.scim.values import is_sound

SHORTEST: Final = 8  # as NIST SP 800-63B asks of passwords that people choose
LONGEST: Final = 1024  # to hash more would be work for nothing
_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """The Argon2id hash to store.

    Raises ScimError invalidValue for a password that is too short or long, or has control characters (RFC 7643 §4.1.1)
    or half of a surrogate pair.
    """
    prepared = _prepared(password)
    if len(prepared) < SHORTEST:
        raise ScimError("invalidValue", f"password must have at least {SHORTEST} characters.")
    if len(prepared) > LONGEST:
        raise ScimError("invalidValue", f"password must have at most {LONGEST} characters.")
    # what RFC 8265 §4.2.1 leaves out: nobody can type them
    if any(category(each) == "Cc" for each in prepared):
        raise ScimError("invalidValue", "password must not hold control characters.")
    if not is_sound(prepared):
        raise ScimError("invalidValue", "password must not hold half of a surrogate pair.")
    return _HASHER.hash(prepared)


def is_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one that `stored` was made of; what can't be one is as much work as a wrong one."""
    if stored is None:
        return False
    prepared = _prepared(password)
    if len(prepared) > LONGEST or not is_sound(prepared):
        prepared = ""
    try:
        return _HASHER.verify(stored, prepared)
    except (VerificationError, InvalidHashError):
        return False


def _prepared(password: str) -> str:
    """What is compared of a password, however it was typed: NFC, with spaces of one kind (RFC 8265 §4.2.1)."""
    return normalize("NFC", "".join(" " if category(each) == "Zs" else each for each in password))
