"""The one door: every read and every change of contacts, groups and access passes here, whatever edge it came from.

A change is load → decide → save → record in one transaction. Knows no HTTP, pages or exit codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from scim_server.scim.schema import CORE, ResourceTypes


@dataclass(frozen=True, slots=True)
class Directory:
    """What every call needs: the database, the time, new ids (UUIDv7, so that they are in the order of creation) and
    the resource types with their extensions.
    """

    engine: Engine
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    types: ResourceTypes = CORE
