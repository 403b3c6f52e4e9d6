"""Groups of contacts and groups. Knows no storage; memberships are loaded apart, as a group may have very many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group without its members: `external_id` is what the connection that looks at it calls it.

    `profile` is everything else about it and opaque here.
    """

    id: str
    display_name: str
    external_id: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    created: datetime
    modified: datetime
    version: int = 1


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `kind` is User or Group, `label` what to call it."""

    id: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One group a contact belongs to, directly or through a group inside it."""

    id: str
    label: str
    direct: bool
