"""A connection: one identity provider's link to one workspace, and what its preset sets. Knows no protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs from one identity provider to the next.

    `list_archived`: a list without a filter holds archived contacts too (D5). `allow_delete`: DELETE is possible (D6).
    `invite`: access is given by invitation (D2). `restore_on_post`: a POST of an inactive contact with the same
    externalId reactivates it (D10). `basic_auth`: a client's id and secret count at SCIM itself, as user and password.
    `bare_token`: a token counts also without "Bearer" before it.
    """

    list_archived: bool = False
    allow_delete: bool = True
    invite: bool = False
    restore_on_post: bool = False
    basic_auth: bool = False
    bare_token: bool = False


PRESETS: Final[Mapping[str, Settings]] = {
    "generic": Settings(),
    "entra": Settings(),
    # An import reads a missing user as a deleted one, and Okta creates again what it deactivated. Its header mode sends
    # what is typed, often a token alone.
    "okta": Settings(list_archived=True, restore_on_post=True, bare_token=True),
    "onelogin": Settings(),
    "jumpcloud": Settings(),
    "google": Settings(),
    "ping": Settings(),
    "strict": Settings(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One identity provider's link to one workspace."""

    workspace_id: str
    id: str
    name: str
    preset: str
    settings: Settings


def settings_of(preset: str, own: Mapping[str, Any]) -> Settings:
    """The preset's settings with the connection's `own` choices on top."""
    base = PRESETS[preset]
    return Settings(**{name: own.get(name, getattr(base, name)) for name in Settings.__dataclass_fields__})
