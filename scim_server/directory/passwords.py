"""Passwords that identity providers send: kept as Argon2id hashes, never returned. Slow by intent, so never in a
transaction that others wait for.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category, normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """The Argon2id hash to store."""
    return _HASHER.hash(_prepared(password))


def is_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one that `stored` was made of."""
    if stored is None:
        return False
    try:
        return _HASHER.verify(stored, _prepared(password))
    except (VerificationError, InvalidHashError):
        return False


def _prepared(password: str) -> str:
    """What is compared of a password, however it was typed: NFC, with spaces of one kind (RFC 8265 §4.2.1)."""
    return normalize("NFC", "".join(" " if category(each) == "Zs" else each for each in password))
