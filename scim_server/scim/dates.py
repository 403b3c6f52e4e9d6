"""Dates and times as SCIM writes them (RFC 7643 §2.3.5), made comparable. Knows no attributes and no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:(24:00:00(?:\.0+)?)|[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)"
    r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
)


def normal_date(text: str) -> str:
    """An xsd:dateTime as UTC text `YYYY-MM-DDTHH:MM:SS.ffffffZ`; without an offset it is taken as UTC.

    Digits beyond microseconds are cut. Raises ValueError where `text` is no such date (RFC 7643 §2.3.5).
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"not a dateTime: {text[:40]!r}")
    end_of_day = bool(match[1])  # XML Schema writes it as 24:00:00
    moment = datetime.fromisoformat(text.replace("T24", "T00") if end_of_day else text)
    try:
        moment = moment.replace(tzinfo=moment.tzinfo or UTC) + timedelta(days=end_of_day)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
    except OverflowError as error:
        raise ValueError("the dateTime is out of range") from error
