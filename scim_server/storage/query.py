"""Filters and sorts as SQL, with exactly the meaning that scim.match gives them, on both databases.

Everything is expressed in SQL or refused; a fetched page is never filtered afterwards. The `search` column holds the
comparable form that scim.match works on; what isn't in it (meta, seats, memberships) is in columns and other tables.
Knows no request and no rule of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Table,
    and_,
    case,
    cast,
    collate,
    column,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    true,
    type_coerce,
)
from sqlalchemy import Connection as Db
from sqlalchemy.dialects.postgresql import JSONB, NUMERIC

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER, WORKSPACE_URN, Attribute, Target
from scim_server.storage.tables import String, contact_emails, contacts, groups, members, seats

Expression = ColumnElement[Any]
Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Test:
    """What is asked of one value: an operator with its operand, or presence ("pr")."""

    op: str
    value: Any
    leaf: Attribute

    @property
    def of_absent(self) -> bool:
        """Whether an absent value passes."""
        return (self.op == "eq" and self.value is None) or (self.op == "ne" and self.value is not None)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a compilation needs to know: the dialect, the workspace, and the base of URLs in answers."""

    postgres: bool
    workspace_id: str
    base: str


def compile_filter(db: Db, workspace_id: str, base: str, resource_type: str, filter: Filter) -> Condition:
    """`filter` as a condition on `contacts` (resource type User) or `groups` (Group), true or false and never null.

    Raises ScimError invalidFilter for what can't be expressed.
    """
    scope = Scope(db.dialect.name == "postgresql", workspace_id, base)
    compiler = _user_test if resource_type == USER.name else _group_test
    return _condition(filter, lambda target, test: compiler(scope, target, test), scope, resource_type)


def member_condition(db: Db, base: str, filter: Filter) -> Condition:
    """A filter on one member (`members[…]` in a PATCH path) as a condition on the members table."""
    scope = Scope(db.dialect.name == "postgresql", "", base)
    leaves = {
        "value": members.c.member_id,
        "type": _member_type(),
        "$ref": _member_reference(base),
    }
    return _condition(filter, lambda target, test: _leaf_test(scope, leaves, target, test), None, "")


Resolver = Callable[[Target, Test], Condition]


def _condition(filter: Filter, resolve: Resolver, scope: Scope | None, kind: str) -> Condition:
    match filter:
        case Compare(target, op, value):
            return resolve(target, Test(op, value, target.leaf))
        case Present(target):
            return resolve(target, Test("pr", None, target.leaf))
        case Not(term):
            return not_(_condition(term, resolve, scope, kind))
        case And(terms):
            return and_(*(_condition(term, resolve, scope, kind) for term in terms))
        case Or(terms):
            return or_(*(_condition(term, resolve, scope, kind) for term in terms))
        case ValuePath(target, term):
            if scope is None:
                raise ScimError("invalidFilter", "A value path can't stand inside another.")
            return _value_path(scope, kind, target, term)


def _user_test(scope: Scope, target: Target, test: Test) -> Condition:
    name = _name(target)
    if name in _USER_COLUMNS:
        return _holds(_USER_COLUMNS[name](scope), test, scope.postgres, plain=True)
    if name.startswith("groups"):
        return _groups_condition(scope, target, lambda leaves: _leaf_test(scope, leaves, target, test), test.of_absent)
    if name == "emails.value" and test.op in ("eq", "sw") and test.value not in (None, ""):
        return _has_email(scope, test)
    return _document_test(scope, contacts.c.search, target, test)


def _group_test(scope: Scope, target: Target, test: Test) -> Condition:
    name = _name(target)
    if name in _GROUP_COLUMNS:
        return _holds(_GROUP_COLUMNS[name](scope), test, scope.postgres, plain=True)
    if name.startswith("members"):
        if name == "members.value" and test.op == "eq" and test.value is not None:
            return groups.c.id.in_(_groups_with(scope, test.value))
        return _members_condition(scope, lambda leaves: _leaf_test(scope, leaves, target, test), test.of_absent)
    return _document_test(scope, groups.c.search, target, test)


def _name(target: Target) -> str:
    return str(target)


def _value_path(scope: Scope, kind: str, target: Target, term: Filter) -> Condition:
    """`attr[…]`: some one value satisfies the whole inner filter."""
    name = _name(target)
    if kind == USER.name and name == "groups":
        return _groups_condition(scope, target, lambda leaves: _inner(scope, term, leaves), False)
    if kind == GROUP.name and name == "members":
        return _members_condition(scope, lambda leaves: _inner(scope, term, leaves), False)
    if name == f"{WORKSPACE_URN}:seat" or name == "meta":
        compiler = _user_test if kind == USER.name else _group_test
        return _condition(term, lambda inner, test: compiler(scope, inner, test), scope, kind)
    table = contacts if kind == USER.name else groups
    found = _in_elements(scope, table.c.search, target, term)
    emails = [test for test in _certain(term) if name == "emails" and _name(test[0]) == "emails.value"]
    narrowed = [_has_email(scope, Test(op, value, inner.leaf)) for inner, op, value in emails]
    return and_(found, *narrowed)


def _certain(term: Filter) -> list[tuple[Target, str, Any]]:
    """The eq and sw comparisons that `term` can't be true without: an index can narrow the search by them."""
    parts = term.terms if isinstance(term, And) else (term,)
    return [
        (part.target, part.op, part.value)
        for part in parts
        if isinstance(part, Compare) and part.op in ("eq", "sw") and part.value not in (None, "")
    ]


def _inner(scope: Scope, term: Filter, leaves: Mapping[str, Expression]) -> Condition:
    return _condition(term, lambda target, test: _leaf_test(scope, leaves, target, test), None, "")


def _leaf_test(scope: Scope, leaves: Mapping[str, Expression], target: Target, test: Test) -> Condition:
    """A test on one row of a table that stands for one value of a multi-valued attribute."""
    if target.sub is None:  # `members pr`: the row itself is the value
        return true() if test.op == "pr" else false()
    expression = leaves.get(target.sub.name)
    if expression is None:
        raise ScimError("invalidFilter", f"{target} can't be used in a filter here.")
    return _holds(expression, test, scope.postgres, plain=True)


# Documents: the search column and the values inside it


def _document_test(scope: Scope, document: Expression, target: Target, test: Test) -> Condition:
    attribute = target.attribute
    if attribute is None:
        raise ScimError("invalidFilter", f"{target} names a schema, not an attribute.")
    if not attribute.multi_valued:
        return _single_test(scope, document, _path(target), test)
    source, element = _elements(scope, document, _path(Target(target.extension, attribute)))
    inner = (target.sub.name,) if target.sub else ()
    exists = select(literal(1)).select_from(source).where(_single_test(scope, element, inner, test)).exists()
    if not test.of_absent:
        return exists
    anything = select(literal(1)).select_from(_elements(scope, document, _path(Target(target.extension, attribute)))[0])
    return or_(exists, not_(anything.exists()))


def _in_elements(scope: Scope, document: Expression, target: Target, term: Filter) -> Condition:
    attribute = target.leaf

    def resolve_in(element: Expression) -> Resolver:
        def resolve(inner: Target, test: Test) -> Condition:
            names = (inner.sub.name,) if inner.sub else ()
            return _single_test(scope, element, names, test)

        return resolve

    if not attribute.multi_valued:
        part = _json(scope, document, _path(target))
        return and_(_text_at(scope, document, _path(target)).is_not(None), _condition(term, resolve_in(part), None, ""))
    source, element = _elements(scope, document, _path(target))
    return select(literal(1)).select_from(source).where(_condition(term, resolve_in(element), None, "")).exists()


def _path(target: Target) -> tuple[str, ...]:
    parts = (target.extension, target.attribute.name if target.attribute else None, target.sub and target.sub.name)
    return tuple(part for part in parts if part)


def _single_test(scope: Scope, document: Expression, path: tuple[str, ...], test: Test) -> Condition:
    leaf = test.leaf
    if leaf.type == "complex":  # only presence can be asked of it: of any of its sub-attributes
        tests = [_single_test(scope, document, (*path, sub.name), Test("pr", None, sub)) for sub in leaf.sub.values()]
        return or_(*tests) if tests else false()
    return _holds(_text_at(scope, document, path, leaf.type), test, scope.postgres)


def _elements(scope: Scope, document: Expression, path: tuple[str, ...]) -> tuple[Any, Expression]:
    """The values of a multi-valued attribute as rows, and the expression for one of them."""
    if scope.postgres:
        source = func.jsonb_array_elements(_json(scope, document, path)).table_valued(column("value", JSONB)).alias()
    else:
        source = func.json_each(document, _sqlite_path(path)).table_valued("value").alias()
    return source, source.c.value


def _json(scope: Scope, document: Expression, path: tuple[str, ...]) -> Expression:
    if scope.postgres:
        return type_coerce(func.jsonb_extract_path(document, *path), JSONB)
    return func.json_extract(document, _sqlite_path(path))


def _text_at(scope: Scope, document: Expression, path: tuple[str, ...], kind: str = "string") -> Expression:
    """The scalar at `path`: text, on SQLite a number or 0/1 where it is none."""
    if not scope.postgres:
        return func.json_extract(document, _sqlite_path(path)) if path else document
    if path:
        found: Expression = func.jsonb_extract_path_text(document, *path)
    else:
        found = document.op("#>>")(text("'{}'"))
    if kind in ("integer", "decimal"):
        return cast(found, NUMERIC)
    return collate(type_coerce(found, String), "C")


def _sqlite_path(path: tuple[str, ...]) -> str:
    return "$" + "".join(f'."{name}"' for name in path)


# One comparison


def _holds(expression: Expression, test: Test, postgres: bool, *, plain: bool = False) -> Condition:
    """`test` on one scalar; never null. `plain`: a column of ours, where a boolean isn't JSON."""
    if test.op == "pr":
        present = expression.is_not(None)
        return and_(present, expression != "") if test.leaf.type not in _NOT_TEXT else present
    if test.op == "ne":
        return not_(_holds(expression, Test("eq", test.value, test.leaf), postgres, plain=plain))
    if test.value is None:
        return expression.is_(None)
    return and_(expression.is_not(None), _compared(expression, test, postgres, plain))


_NOT_TEXT: Final = ("boolean", "integer", "decimal", "complex")


def _compared(expression: Expression, test: Test, postgres: bool, plain: bool) -> Condition:
    value = test.value
    if isinstance(value, bool):
        return expression == (value if plain else _json_boolean(value, postgres))
    if isinstance(value, int | Decimal):
        return _ORDER[test.op](expression, _number(value, postgres))
    if test.op in _ORDER:
        return _ORDER[test.op](expression, value)
    if value == "":
        return true()  # every string contains the empty one
    return _SUBSTRING[test.op](expression, value, postgres)


def _json_boolean(value: bool, postgres: bool) -> str | int:
    if postgres:
        return "true" if value else "false"
    return int(value)


def _number(value: int | Decimal, postgres: bool) -> Any:
    if postgres:
        return cast(literal(str(value)), NUMERIC)
    return float(value) if isinstance(value, Decimal) or abs(value) >= 2**63 else value


_ORDER: Final[Mapping[str, Callable[[Expression, Any], Condition]]] = {
    "eq": lambda expression, value: expression == value,
    "gt": lambda expression, value: expression > value,
    "ge": lambda expression, value: expression >= value,
    "lt": lambda expression, value: expression < value,
    "le": lambda expression, value: expression <= value,
}


def _starts_with(expression: Expression, value: str, _: bool) -> Condition:
    """A range, so that an index serves: from the prefix to the next string that doesn't begin with it."""
    end = _next_prefix(value)
    return and_(expression >= value, expression < end) if end else expression >= value


def _next_prefix(prefix: str) -> str | None:
    """The least string above all that begin with `prefix`, by code point; None when there is none."""
    while prefix:
        code = ord(prefix[-1]) + 1
        prefix = prefix[:-1]
        if 0xD800 <= code <= 0xDFFF:
            code = 0xE000  # surrogates aren't characters
        if code <= 0x10FFFF:
            return prefix + chr(code)
    return None


def _contains(expression: Expression, value: str, postgres: bool) -> Condition:
    found = func.strpos(expression, value) if postgres else func.instr(expression, value)
    return found > 0


def _ends_with(expression: Expression, value: str, postgres: bool) -> Condition:
    tail = func.right(expression, len(value)) if postgres else func.substr(expression, -len(value))
    return and_(func.length(expression) >= len(value), tail == value)


_SUBSTRING: Final[Mapping[str, Callable[[Expression, str, bool], Condition]]] = {
    "sw": _starts_with,
    "co": _contains,
    "ew": _ends_with,
}


# Columns and other tables


def _seat(name: str) -> Expression:
    held = select(seats.c[name]).where(
        seats.c.workspace_id == contacts.c.workspace_id, seats.c.holder_id == contacts.c.id
    )
    return held.correlate(contacts).scalar_subquery()


def _etag(table: Table) -> Expression:
    return literal('W/"').concat(cast(table.c.version, String)).concat('"')


def _location(scope: Scope, table: Table, endpoint: str) -> Expression:
    return literal(f"{scope.base}{endpoint}/").concat(table.c.id)


def _manager_reference(scope: Scope) -> Expression:
    value = _text_at(scope, contacts.c.search, (ENTERPRISE_URN, "manager", "value"))
    return literal(f"{scope.base}/Users/").concat(value)


Columns = Mapping[str, Callable[[Scope], Expression]]


def _meta(table: Table, kind: str, endpoint: str) -> dict[str, Callable[[Scope], Expression]]:
    return {
        "id": lambda _: table.c.id,
        "externalId": lambda _: table.c.external_id,
        "meta.created": lambda _: type_coerce(table.c.created, String),
        "meta.lastModified": lambda _: type_coerce(table.c.modified, String),
        "meta.resourceType": lambda _: literal(kind),
        "meta.version": lambda _: _etag(table),
        "meta.location": lambda scope: _location(scope, table, endpoint),
        "meta": lambda _: table.c.id,
    }


_USER_COLUMNS: Final[Columns] = {
    **_meta(contacts, USER.name, USER.endpoint),
    "userName": lambda _: contacts.c.user_name_key,
    "displayName": lambda _: contacts.c.display_name_key,
    "name.familyName": lambda _: contacts.c.family_name_key,
    f"{ENTERPRISE_URN}:employeeNumber": lambda _: contacts.c.employee_number_key,
    f"{ENTERPRISE_URN}:department": lambda _: contacts.c.department_key,
    f"{ENTERPRISE_URN}:manager.$ref": _manager_reference,
    f"{WORKSPACE_URN}:seat": lambda _: contacts.c.id,
    f"{WORKSPACE_URN}:seat.state": lambda _: func.coalesce(_seat("state"), "none"),
    f"{WORKSPACE_URN}:seat.type": lambda _: func.lower(_seat("licence")),
    f"{WORKSPACE_URN}:seat.assignedAt": lambda _: type_coerce(_seat("since"), String),
    f"{WORKSPACE_URN}:seat.over": lambda _: _seat("over"),
}
_GROUP_COLUMNS: Final[Columns] = {
    **_meta(groups, GROUP.name, GROUP.endpoint),
    "displayName": lambda _: groups.c.display_name_key,
}


def _has_email(scope: Scope, test: Test) -> Condition:
    rows = select(contact_emails.c.contact_id).where(
        contact_emails.c.workspace_id == scope.workspace_id,
        _holds(contact_emails.c.value_key, test, scope.postgres, plain=True),
    )
    return contacts.c.id.in_(rows)


def _groups_with(scope: Scope, member_id: str) -> CompoundSelect[Any]:
    """The ids of the groups that a contact or group is a direct member of: two index seeks."""
    of_workspace = members.c.workspace_id == scope.workspace_id
    contained = select(members.c.group_id).where(of_workspace, members.c.contact_id == member_id)
    return contained.union_all(select(members.c.group_id).where(of_workspace, members.c.child_id == member_id))


def _member_type() -> Expression:
    return case((members.c.child_id.is_(None), "user"), else_="group")


def _member_reference(base: str) -> Expression:
    endpoint = case((members.c.child_id.is_(None), f"{base}/Users/"), else_=f"{base}/Groups/")
    return endpoint.concat(members.c.member_id)


def _members_condition(
    scope: Scope, holds: Callable[[Mapping[str, Expression]], Condition], of_absent: bool
) -> Condition:
    child = groups.alias()
    person = contacts.alias()
    leaves = {
        "value": members.c.member_id,
        "type": _member_type(),
        "$ref": _member_reference(scope.base),
        "display": func.coalesce(person.c.display_name_key, person.c.user_name_key, child.c.display_name_key),
    }
    joined = members.outerjoin(
        person, and_(person.c.workspace_id == members.c.workspace_id, person.c.id == members.c.contact_id)
    ).outerjoin(child, and_(child.c.workspace_id == members.c.workspace_id, child.c.id == members.c.child_id))
    of_group = (members.c.workspace_id == scope.workspace_id, members.c.group_id == groups.c.id)
    exists = select(literal(1)).select_from(joined).where(*of_group, holds(leaves)).correlate(groups).exists()
    if not of_absent:
        return exists
    return or_(exists, not_(select(literal(1)).select_from(members).where(*of_group).correlate(groups).exists()))


def _groups_condition(
    scope: Scope, target: Target, holds: Callable[[Mapping[str, Expression]], Condition], of_absent: bool
) -> Condition:
    """A condition on the groups that a contact is in, directly or through a group inside another."""
    around = (
        select(members.c.contact_id.label("contact"), members.c.group_id.label("group_id"), literal(1).label("direct"))
        .where(members.c.workspace_id == scope.workspace_id, members.c.contact_id.is_not(None))
        .cte("around", recursive=True)
    )
    around = around.union(
        select(around.c.contact, members.c.group_id, literal(0)).where(
            members.c.workspace_id == scope.workspace_id, members.c.child_id == around.c.group_id
        )
    )
    once = (
        select(around.c.contact, around.c.group_id, func.max(around.c.direct).label("direct"))
        .group_by(around.c.contact, around.c.group_id)
        .subquery()
    )
    group = groups.alias()
    leaves = {
        "value": group.c.id,
        "$ref": literal(f"{scope.base}/Groups/").concat(group.c.id),
        "display": group.c.display_name_key,
        "type": case((once.c.direct == 1, "direct"), else_="indirect"),
    }
    joined = once.join(group, and_(group.c.workspace_id == scope.workspace_id, group.c.id == once.c.group_id))
    some = contacts.c.id.in_(select(once.c.contact).select_from(joined).where(holds(leaves)))
    return or_(some, contacts.c.id.not_in(select(once.c.contact))) if of_absent else some


# Sorting


def order_by(db: Db, base: str, resource_type: str, target: Target, *, descending: bool) -> list[ColumnElement[Any]]:
    """The order for `sortBy`: by folded value, absent ones last (descending: first), then by id (RFC 7644 §3.4.2.3)."""
    scope = Scope(db.dialect.name == "postgresql", "", base)
    table, columns = (contacts, _USER_COLUMNS) if resource_type == USER.name else (groups, _GROUP_COLUMNS)
    name = _name(target)
    if name in columns:
        key = columns[name](scope)
    elif name.startswith(("groups", "members")) or target.attribute is None:
        raise ScimError("invalidPath", f"Resources can't be sorted by {target}.")
    else:
        key = _sort_key(scope, table.c.search, target)
    if descending:
        return [key.desc().nulls_first(), table.c.id]
    return [key.asc().nulls_last(), table.c.id]


def _sort_key(scope: Scope, document: Expression, target: Target) -> Expression:
    attribute = target.leaf if target.attribute is None else target.attribute
    if not attribute.multi_valued:
        return _text_at(scope, document, _path(target), target.leaf.type)
    source, element = _elements(scope, document, _path(Target(target.extension, attribute)))
    inner = (target.sub.name,) if target.sub else ()
    key = select(_text_at(scope, element, inner, target.leaf.type)).select_from(source).limit(1)
    if attribute.has_primary:
        primary = _text_at(scope, element, ("primary",), "boolean")
        key = key.order_by(case((primary == _json_boolean(True, scope.postgres), 0), else_=1))
    return key.scalar_subquery() if inner or not attribute.sub else null()
