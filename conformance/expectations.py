"""What an answer may be expected to be, as data, and the judgement of an answer by it. Pure; sends nothing.

An expectation is a word for the whole answer, or a list `[subject, operator, value]`:

- `"list"`: a ListResponse that is one; `"resource"`: a resource with schemas, id and meta; `"empty"`: no body;
  `"error 400 invalidFilter"`: a SCIM error with that status (several: `400|404`) and that scimType (none named: any;
  several: `a|b`).
- subjects: `status`, `header <name>`, or a place in the body (places.py).
- operators: the keys of OPERATORS.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from conformance.exchange import MEDIA_TYPE, Exchange
from conformance.places import MISSING, at

ERROR_URN: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_URN: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_SHOWN: Final = 300


class NotMet(Exception):
    """The answer isn't what was expected; the message says what was expected and what was seen."""


def check(expectation: Any, exchange: Exchange) -> None:
    """Judge the answer by one expectation. Raises NotMet; ValueError for an expectation that is none."""
    if isinstance(expectation, str):
        word, *rest = expectation.split()
        _WHOLE[word](exchange, rest)
        return
    subject, word, *value = expectation
    seen = _seen(subject, exchange)
    wanted = value[0] if value else None
    if not OPERATORS[word](seen, wanted):
        said = f" {_shown(wanted)}" if value else ""
        raise NotMet(f"expected {subject or 'the body'} {word}{said}, saw {_shown(seen)}")


def _seen(subject: str, exchange: Exchange) -> Any:
    if subject == "status":
        return exchange.status
    if subject.startswith("header "):
        value = exchange.header(subject.removeprefix("header "))
        return MISSING if value is None else value
    return at(exchange.body, subject)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def is_absent(value: Any) -> bool:
    """Whether it is unassigned: missing, null or an empty list are the same (RFC 7643 §2.5)."""
    return value is MISSING or value is None or value == []


def _instant(value: Any, _: Any) -> bool:
    return isinstance(value, str) and bool(_INSTANT.match(value))


def _moment(value: Any) -> Any:
    """Times as points in time, other values as they are."""
    if isinstance(value, str) and _INSTANT.match(value):
        with suppress(ValueError):  # a 31st of February
            return datetime.fromisoformat(value)
    return value


def _compared(seen: Any, wanted: Any, compare: Callable[[Any, Any], bool]) -> bool:
    """Whether the two compare so; what is no number, text or time as the other one doesn't."""
    one, other = _moment(seen), _moment(wanted)
    try:
        return compare(one, other)
    except TypeError:
        return False


def _has(seen: Any, wanted: Any) -> bool:
    """Whether a list has such an element, a text that part, an object those members."""
    if isinstance(seen, Mapping):
        return isinstance(wanted, Mapping) and all(_like(at(seen, name), value) for name, value in wanted.items())
    if isinstance(seen, list):
        return any(_like(each, wanted) for each in seen)
    return isinstance(seen, str) and isinstance(wanted, str) and wanted in seen


def _like(seen: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        return _has(seen, wanted)
    return bool(seen == wanted)


def _unordered(values: Any) -> list[str]:
    return sorted(map(repr, values)) if isinstance(values, list) else []


def _sorted(seen: Any, order: Any) -> bool:
    """Whether the assigned values are in order: texts without regard to case, times as points in time."""
    if not isinstance(seen, list):
        return False
    moments = [_moment(each) for each in seen if not is_absent(each)]
    assigned = [each.lower() if isinstance(each, str) else each for each in moments]
    try:
        return assigned == sorted(assigned, reverse=order == "descending")
    except TypeError:  # a number beside a text
        return False


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "is": lambda seen, wanted: bool(seen == wanted) and isinstance(seen, bool) == isinstance(wanted, bool),
    "isn't": lambda seen, wanted: bool(seen != wanted),
    "same as": lambda seen, wanted: str(seen).lower() == str(wanted).lower(),
    "in": lambda seen, wanted: isinstance(wanted, list) and seen in wanted,
    "exists": lambda seen, _: not is_absent(seen),
    "absent": lambda seen, _: is_absent(seen),
    "absent or": lambda seen, wanted: is_absent(seen) or bool(seen == wanted),
    "not sent": lambda seen, _: seen is MISSING,
    "has": _has,
    "has not": lambda seen, wanted: not _has(seen, wanted),
    "set": lambda seen, wanted: _unordered(seen) == _unordered(wanted),
    "once at most": lambda seen, wanted: not isinstance(seen, list) or seen.count(wanted) <= 1,
    "length": lambda seen, wanted: isinstance(seen, list | str) and len(seen) == wanted,
    "at least": lambda seen, wanted: _compared(seen, wanted, operator.ge),
    "at most": lambda seen, wanted: _compared(seen, wanted, operator.le),
    "after": lambda seen, wanted: _compared(seen, wanted, operator.gt),
    "matches": lambda seen, wanted: isinstance(seen, str) and re.search(wanted, seen) is not None,
    "matches not": lambda seen, wanted: not (isinstance(seen, str) and re.search(wanted, seen)),
    "instant": _instant,
    "type": lambda seen, wanted: _type(seen) == wanted,
    "sorted": _sorted,
}


def _type(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "decimal", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "nothing")


def _error(exchange: Exchange, rest: Sequence[str]) -> None:
    statuses = [int(each) for each in rest[0].split("|")] if rest else range(400, 600)
    if exchange.status not in statuses:
        raise NotMet(f"expected an error {'|'.join(rest[:1]) or 'of any status'}, saw status {exchange.status}")
    body = exchange.body
    if not isinstance(body, dict):
        raise NotMet(f"expected a SCIM error as the body, saw {_shown(exchange.text)}")
    if not _has(at(body, "schemas"), ERROR_URN):
        raise NotMet(f"expected schemas of the error to have {ERROR_URN}, saw {_shown(at(body, 'schemas'))}")
    if str(at(body, "status")) != str(exchange.status):
        raise NotMet(f"expected the error's status to be {exchange.status}, saw {_shown(at(body, 'status'))}")
    kind = at(body, "scimType")
    if len(rest) > 1 and kind not in rest[1].split("|"):
        raise NotMet(f"expected scimType {rest[1]}, saw {_shown(kind)}")


def _list(exchange: Exchange, _: Sequence[str]) -> None:
    _scim(exchange)
    body = exchange.body
    if exchange.status != 200:
        raise NotMet(f"expected a list with status 200, saw {exchange.status}")
    if not isinstance(body, dict) or not _has(at(body, "schemas"), LIST_URN):
        raise NotMet(f"expected a ListResponse, saw {_shown(exchange.text)}")
    if type(at(body, "totalResults")) is not int:
        raise NotMet(f"expected totalResults to be a number, saw {_shown(at(body, 'totalResults'))}")
    resources = at(body, "Resources")
    if resources is MISSING and at(body, "totalResults") and at(body, "itemsPerPage") != 0:
        raise NotMet("expected Resources, as there are results")
    if resources is not MISSING and not isinstance(resources, list):
        raise NotMet(f"expected Resources to be a list, saw {_shown(resources)}")


def _resource(exchange: Exchange, _: Sequence[str]) -> None:
    _scim(exchange)
    body = exchange.body
    if exchange.status not in (200, 201) or not isinstance(body, dict):
        raise NotMet(f"expected a resource, saw status {exchange.status} and {_shown(exchange.text)}")
    for place, kind in (("schemas", list), ("id", str), ("meta/resourceType", str)):
        if not isinstance(at(body, place), kind) or not at(body, place):
            raise NotMet(f"expected the resource's {place}, saw {_shown(at(body, place))}")


def _empty(exchange: Exchange, _: Sequence[str]) -> None:
    if exchange.text:
        raise NotMet(f"expected no body, saw {_shown(exchange.text)}")


def _scim(exchange: Exchange) -> None:
    kind = exchange.header("content-type") or ""
    if exchange.status < 300 and kind.partition(";")[0].strip().lower() not in (MEDIA_TYPE, "application/json"):
        raise NotMet(f"expected Content-Type {MEDIA_TYPE}, saw {kind!r}")


_WHOLE: Final[Mapping[str, Callable[[Exchange, Sequence[str]], None]]] = {
    "error": _error,
    "list": _list,
    "resource": _resource,
    "empty": _empty,
}
