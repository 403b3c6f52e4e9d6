"""One comparison in SQL, and the way to a value inside a stored document, on both databases.

A value is text everywhere, a number too (tables.number_text), but for truth values: those are true and false as text
on PostgreSQL, 1 and 0 on SQLite, which is what each one's functions make of JSON. Knows no table, attribute or request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Select, and_, any_, collate, func, select, text, true, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.selectable import ScalarSelect

from scim_server.scim.filter import Compare, Present
from scim_server.storage.tables import String, number_text

Expression = ColumnElement[Any]
Condition = ColumnElement[bool]
Path = tuple[str, ...]


def holds(expression: Expression, asked: Compare | Present, *, postgres: bool) -> Condition:
    """What is asked of one value, as scim.match answers it; null stands for false."""
    if isinstance(asked, Present):
        return expression != ""
    if asked.value is None:
        return expression.is_(None) if asked.op == "eq" else expression.is_not(None)
    return _OPERATORS[asked.op](expression, _stored(asked.value, postgres), postgres)


def negated(condition: Condition) -> Condition:
    """The plain opposite of a condition whose null stands for false."""
    return condition.is_not(true())


def allows_absence(asked: Compare | Present) -> bool:
    """Whether an absent value passes."""
    return isinstance(asked, Compare) and (asked.op == "eq") is (asked.value is None) and asked.op in ("eq", "ne")


def among(column: Expression, rows: Select[Any], *, postgres: bool) -> Condition:
    """Whether `column` is a value of `rows`, which are found first and then sought by the column's index.

    By an array, as PostgreSQL would read the whole table where a subquery stands beside an `or`.
    """
    if not postgres:
        return column.in_(rows)
    return column == any_(func.array(rows.scalar_subquery(), type_=ARRAY(String)))


def by_code_point(expression: Expression, *, postgres: bool) -> Expression:
    """`expression`, to be compared by code point also where it isn't one of our columns, which are so already."""
    if not postgres or isinstance(expression, Column):
        return expression
    return collate(type_coerce(expression, String), "C")


def _stored(value: str | bool | int | Decimal, postgres: bool) -> str | int:
    if isinstance(value, bool):
        return _truth(value, postgres)
    return value if isinstance(value, str) else number_text(value)


def _truth(value: bool, postgres: bool) -> str | int:
    return str(value).lower() if postgres else int(value)


def starts_with(expression: Expression, value: str) -> Condition:
    """A range, so that an index serves: from the prefix to the next string that doesn't begin with it."""
    end = _after(value)
    return and_(expression >= value, expression < end) if end else expression >= value


def _after(prefix: str) -> str | None:
    """The least string above all that begin with `prefix`, by code point; None where there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        prefix = prefix[:-1]
        if 0xD800 <= code <= 0xDFFF:
            code = 0xE000  # surrogates aren't characters
        if code <= 0x10FFFF:
            return prefix + chr(code)
    return None


def _contains(expression: Expression, value: str, postgres: bool) -> Condition:
    if not value:
        return expression.is_not(None)  # SQLite finds it nowhere in an empty string
    return (func.strpos if postgres else func.instr)(expression, value) > 0


def _ends_with(expression: Expression, value: str, postgres: bool) -> Condition:
    if not value:
        return expression.is_not(None)
    tail = func.right(expression, len(value)) if postgres else func.substr(expression, -len(value))
    return tail == value


_OPERATORS: Final[Mapping[str, Callable[[Expression, Any, bool], Condition]]] = {
    "eq": lambda expression, value, _: expression == value,
    "ne": lambda expression, value, _: expression.is_distinct_from(value),
    "gt": lambda expression, value, _: expression > value,
    "ge": lambda expression, value, _: expression >= value,
    "lt": lambda expression, value, _: expression < value,
    "le": lambda expression, value, _: expression <= value,
    "sw": lambda expression, value, _: starts_with(expression, value),
    "co": _contains,
    "ew": _ends_with,
}


# Documents


def text_at(document: Expression, path: Path, *, postgres: bool) -> Expression:
    """The scalar at `path` of a document, or the document itself where that is one."""
    if not postgres:
        return func.json_extract(document, _sqlite_path(path)) if path else document
    found = func.jsonb_extract_path_text(document, *path) if path else document.op("#>>")(text("'{}'"))
    return by_code_point(found, postgres=True)


def elements(document: Expression, path: Path, *, postgres: bool) -> tuple[Any, Expression, Expression]:
    """The values of a list in a document: rows to select from, one row's value, and its place in the list."""
    if postgres:
        part = type_coerce(func.jsonb_extract_path(document, *path), JSONB)
        rows = func.jsonb_array_elements(part).table_valued("value", with_ordinality="ordinality")
        return rows, rows.c.value, rows.c.ordinality
    rows = func.json_each(document, _sqlite_path(path)).table_valued("value", "key")
    return rows, rows.c.value, rows.c.key


def first_value(document: Expression, path: Path, sub: Path, *, has_primary: bool, postgres: bool) -> ScalarSelect[Any]:
    """The value of a list that stands for all of it: the primary one's, else the first one's (RFC 7644 §3.4.2.3)."""
    rows, value, place = elements(document, path, postgres=postgres)
    query = select(text_at(value, sub, postgres=postgres)).select_from(rows)
    if has_primary:
        primary = text_at(value, ("primary",), postgres=postgres)
        query = query.order_by((primary == _truth(True, postgres)).desc())
    return query.order_by(place).limit(1).scalar_subquery()


def _sqlite_path(path: Path) -> str:
    return "$" + "".join(f'."{name}"' for name in path)
