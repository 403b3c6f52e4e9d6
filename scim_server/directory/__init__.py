"""The one door: every read and every change of contacts, groups and access passes here, whatever edge it came from.

A change is load → decide → save → record in one transaction. Knows no HTTP, pages or exit codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class Directory:
    """What every call needs: the database, the time, and new ids (UUIDv7, so that ids are in the order of creation)."""

    engine: Engine
    now: Callable[[], datetime]
    new_id: Callable[[], str]
