"""The one door: every read and every change of contacts, groups and access passes here, whatever edge it came from.

A change is load → decide → save → record in one transaction. Knows no HTTP, pages or exit codes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from scim_server import mail
from scim_server.domain.invitation import DEFAULT_LIFETIME
from scim_server.keys import KeySets
from scim_server.scim.schema import CORE, ResourceTypes

DEFAULT_SITE: Final = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Directory:
    """What every call needs: the database, the time, new ids (UUIDv7, so that they are in the order of creation) and
    the resource types with their extensions.

    For invitations: how long they are good, the URL that their links begin with, random bytes for these, and what
    sends the mail. For signatures of others: where their keys come from.
    """

    engine: Engine
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    types: ResourceTypes = CORE
    lifetime: timedelta = DEFAULT_LIFETIME
    site: str = DEFAULT_SITE
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    post: mail.Post = mail.no_post
    key_sets: KeySets = field(default_factory=KeySets)
