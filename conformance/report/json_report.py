"""A run as one JSON document, which the other reports and `compare` are made from. Judges nothing, reads no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from conformance import VERSION
from conformance.coverage import covered_by
from conformance.discovery import DECLARED, Discovered
from conformance.exchange import Exchange
from conformance.runner import Outcome, Result

Document = Mapping[str, Any]
# Outcomes whose exchanges are kept.
TELLING: Final = (Outcome.FAIL, Outcome.WARN, Outcome.SETUP_FAILED, Outcome.BROKEN)
# Headers of an answer that could open something, or that say nothing.
_LEFT_OUT: Final = ("set-cookie", "authorization", "date")
_LONGEST: Final = 20_000  # characters of a body


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a report says of the run. `url` has no secret in it; `name` is what the server is called, or empty."""

    date: datetime
    url: str
    name: str = ""
    seconds: float = 0.0
    incomplete: str = ""  # why it ended before all cases were run, or empty
    left: tuple[str, ...] = ()  # URLs of what the run made and couldn't remove


def document(results: Sequence[Result], discovered: Discovered, about: About) -> dict[str, Any]:
    """All results: of each case its outcome and message, and of those that failed what was sent and answered."""
    counts = Counter(result.outcome for result in results)
    return {
        "suite": {"name": "scim-conformance", "version": VERSION},
        "date": about.date.isoformat(timespec="seconds"),
        "seconds": round(about.seconds, 1),
        "target": {"name": about.name, "url": about.url, **_declared(discovered)},
        "incomplete": about.incomplete,
        "left": list(about.left),
        "outcomes": {outcome.value: counts[outcome] for outcome in Outcome},
        "cases": [_case(result) for result in results],
    }


def _declared(discovered: Discovered) -> dict[str, list[str]]:
    return {
        "capabilities": sorted(name for name in DECLARED if discovered.has(name)),
        "resource_types": sorted(discovered.resource_types),
        "schemas": sorted(discovered.schemas),
    }


def _case(result: Result) -> dict[str, Any]:
    case = result.case
    told: dict[str, Any] = {
        "id": case.id,
        "section": case.section,
        "profile": case.profile,
        "level": case.level,
        "requirement": case.requirement,
        "covers": list(case.covers),
        "outcome": result.outcome.value,
        "message": result.message,
        "requests": len(result.exchanges),
        "seconds": round(result.seconds, 3),
    }
    if result.outcome in TELLING:
        told["rfc"] = [{"id": row.id, "text": row.said, "link": row.link} for row in covered_by(case)]
        told["exchanges"] = [_exchange(each) for each in result.exchanges]
    return told


def _exchange(exchange: Exchange) -> dict[str, Any]:
    headers = {name: value for name, value in exchange.headers.items() if name not in _LEFT_OUT}
    return {
        "method": exchange.method,
        "url": exchange.url,
        "curl": _cut(exchange.curl()),
        "status": exchange.status,
        "headers": headers,
        "body": _cut(exchange.text),
        "seconds": round(exchange.seconds, 3),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
