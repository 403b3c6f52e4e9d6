"""Days as filters have them in a URL, in UTC. Knows no pages."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from scim_server.directory.access import NotAllowed


def day(text: str) -> date | None:
    """The day that is written as 2026-01-31; None for nothing. Raises NotAllowed for what is no day."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotAllowed("A day is written as 2026-01-31.") from error


def midnight(day: date) -> datetime:
    """When the day begins."""
    return datetime.combine(day, time(), UTC)
