"""The syntax tree of filters and paths (RFC 7644 §3.4.2.2 and §3.5.2), and the tree as text.

A tree is bound to a schema and its values are ready to be compared: folded strings, dates in UTC. Must not know how
text is read, nor resources or storage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from scim_server.scim.schema import Target

Value: TypeAlias = str | bool | int | Decimal | None
Filter: TypeAlias = "Compare | Present | Not | And | Or | ValuePath"


@dataclass(frozen=True, slots=True)
class Compare:
    """`target op value`; `op` is lower case, `value` has the type of the target's leaf and is folded, or is None.

    `written` is a string value as it was written, for those who make something of it; it plays no part in equality.
    """

    target: Target
    op: str
    value: Value
    written: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Present:
    """`target pr`."""

    target: Target


@dataclass(frozen=True, slots=True)
class Not:
    """`not (term)`."""

    term: Filter


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more terms."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more terms."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`target[term]`: one value satisfies the whole term.

    The targets inside carry the same extension and attribute, with `sub` set. The values of an attribute without
    sub-attributes are called `value` in the text, and their inner targets have no `sub`.
    """

    target: Target
    term: Filter


@dataclass(frozen=True, slots=True)
class Path:
    """What a PATCH operation points at: `target`, narrowed to the values that satisfy `term` where there is one."""

    target: Target
    term: Filter | None


def size(filter: Filter) -> int:
    """How many comparisons a filter makes."""
    match filter:
        case And(terms) | Or(terms):
            return sum(map(size, terms))
        case Not(term) | ValuePath(_, term):
            return size(term)
    return 1


def print_filter(filter: Filter) -> str:
    """Canonical text that parses to the same tree; names of extensions are qualified with their URN."""
    return _print(filter, str)


def _print(filter: Filter, name: Callable[[Target], str]) -> str:
    match filter:
        case Compare(target, op, value):
            return f"{name(target)} {op} {_print_value(value)}"
        case Present(target):
            return f"{name(target)} pr"
        case Not(term):
            return f"not ({_print(term, name)})"
        case And(terms):
            return " and ".join(_operand(term, name, (And, Or)) for term in terms)
        case Or(terms):
            return " or ".join(_operand(term, name, (Or,)) for term in terms)
    return f"{filter.target}[{_print(filter.term, lambda inner: inner.sub.name if inner.sub else 'value')}]"


def _operand(filter: Filter, name: Callable[[Target], str], grouped: tuple[type, ...]) -> str:
    text = _print(filter, name)
    return f"({text})" if isinstance(filter, grouped) else text


def _print_value(value: Value) -> str:
    if isinstance(value, Decimal):
        # a fraction or an exponent is what makes a number read as a Decimal again
        text = str(value)
        return text if "." in text or "E" in text else f"{text}E0"
    return json.dumps(value, ensure_ascii=False)
