"""Roles, permissions and scopes as tables. Knows no contacts, tokens or requests."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Role(StrEnum):
    """What a contact is in the workspace, from the most to the least powerful. Exactly one contact is OWNER."""

    OWNER = "owner"
    ADMIN = "admin"
    TEAM = "team"
    CLIENT = "client"


class Permission(StrEnum):
    """What a caller may do; each is an OAuth scope of the same name (D13)."""

    CONTACTS_VIEW = "contacts:view"
    CONTACTS_EDIT = "contacts:edit"
    CONTACTS_DELETE = "contacts:delete"
    GROUPS_VIEW = "groups:view"
    GROUPS_EDIT = "groups:edit"
    SEATS_MANAGE = "seats:manage"
    WORKSPACE_MANAGE = "workspace:manage"


ALL_PERMISSIONS: Final = frozenset(Permission)

# The owner holds what an admin holds; handing ownership on is no permission but the owner's own (T15).
ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.OWNER: ALL_PERMISSIONS,
    Role.ADMIN: ALL_PERMISSIONS,
    Role.TEAM: frozenset(
        {Permission.CONTACTS_VIEW, Permission.CONTACTS_EDIT, Permission.GROUPS_VIEW, Permission.GROUPS_EDIT}
    ),
    Role.CLIENT: frozenset(),
}

# D13: "scim" is what an identity provider needs, and says nothing about seats or the workspace itself.
SCOPES: Final[Mapping[str, frozenset[Permission]]] = {
    "scim": ALL_PERMISSIONS - {Permission.SEATS_MANAGE, Permission.WORKSPACE_MANAGE},
    **{permission.value: frozenset({permission}) for permission in Permission},
}

_RANKS: Final = {role: rank for rank, role in enumerate(Role)}


@lru_cache(maxsize=1024)
def expand_scopes(text: str) -> frozenset[Permission]:
    """The permissions that a space-separated scope string grants (RFC 6749 §3.3); unknown scopes grant nothing."""
    return frozenset().union(*(SCOPES.get(scope, frozenset()) for scope in text.split()))


def outranks(role: Role, other: Role) -> bool:
    """Whether `role` is more powerful than `other`."""
    return _RANKS[role] < _RANKS[other]
