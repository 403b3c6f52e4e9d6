"""When a token or a secret ends, in words and in time to replace it. Knows neither."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

NOTICE: Final = timedelta(days=30)


def expiry_note(expires: datetime | None, revoked: datetime | None, now: datetime) -> str | None:
    """What to tell of one that is over or ends within NOTICE; None where there is nothing to do about it."""
    if expires is None or revoked is not None or expires - now >= NOTICE:
        return None
    if expires <= now:
        return "expired"
    days = (expires - now).days
    return f"expires in {days} day{'s' * (days != 1)}" if days else "expires within a day"
