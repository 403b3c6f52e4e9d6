"""Filters and sorts as SQL, with exactly the meaning that scim.match gives them, on both databases.

Everything is expressed in SQL or refused; a fetched page is never filtered afterwards. The `search` column holds the
comparable form that scim.match works on; what isn't in it (meta, seats, memberships) is in columns and other tables.
Knows no request and no rule of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import Connection as Db
from sqlalchemy import Table, and_, case, cast, func, literal, not_, or_, select, true, type_coerce

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath
from scim_server.scim.filter_tree import size
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER, WORKSPACE_URN, Attribute, Target
from scim_server.storage import external_ids
from scim_server.storage.comparison import (
    Condition,
    Expression,
    allows_absence,
    among,
    by_code_point,
    elements,
    first_value,
    holds,
    negated,
    text_at,
)
from scim_server.storage.tables import (
    String,
    contact_emails,
    contact_external_ids,
    contacts,
    group_external_ids,
    groups,
    members,
    seats,
)

Asked: TypeAlias = Compare | Present
Leaf: TypeAlias = Callable[[Attribute | None], Expression]
"""Within one value of a multi-valued attribute: the expression for a sub-attribute, or for the value itself."""
Some: TypeAlias = Callable[[Callable[[Leaf], Condition]], Condition]
"""The condition that some value of a multi-valued attribute meets a condition."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a compilation needs to know: dialect, workspace, the base of URLs, the table that is searched, and for whom.

    `connection_id` is whose external ids are meant; without one there are none.
    """

    postgres: bool
    workspace_id: str
    base: str
    table: Table
    connection_id: str | None = None
    rich: bool = False

    def searched(self, condition: Condition) -> Condition:
        """`condition`, which holds a subquery; in a rich filter as a value, which PostgreSQL makes no join of.

        It would weigh all orders of so many joins, for minutes.
        """
        return condition.is_(true()) if self.rich and self.postgres else condition


_FEW: Final = 8


def is_rich(filter: Filter) -> bool:
    """Whether a filter makes so many comparisons that a database or a cache of statements must be spared by it."""
    return size(filter) > _FEW


def compile_filter(
    db: Db, workspace_id: str, base: str, resource_type: str, filter: Filter, connection_id: str | None
) -> Condition:
    """`filter` of a connection as a condition on `contacts` (resource type User) or `groups` (Group).

    Null stands for false. Raises ScimError invalidFilter for what can't be expressed.
    """
    scope = _scope(db, workspace_id, base, resource_type, connection_id)
    scope = replace(scope, rich=is_rich(filter))
    return _tree(filter, partial(_asked, scope))


def member_condition(db: Db, base: str, filter: Filter) -> Condition:
    """A filter on one member (`members[…]` in a PATCH path) as a condition on the members table."""
    scope = _scope(db, "", base, GROUP.name)
    return _tree(filter, partial(_value_asked, scope, _member_leaf(scope)))


def sort_expression(db: Db, base: str, resource_type: str, target: Target, connection_id: str | None) -> Expression:
    """What resources are sorted by, null where it is absent: the folded value, of several the primary or first one.

    Raises ScimError invalidValue for memberships, which are other resources' names.
    """
    return _sort_key(_scope(db, "", base, resource_type, connection_id), target)


def _scope(db: Db, workspace_id: str, base: str, resource_type: str, connection_id: str | None = None) -> Scope:
    table = contacts if resource_type == USER.name else groups
    return Scope(db.dialect.name == "postgresql", workspace_id, base, table, connection_id)


# The filter


def _tree(filter: Filter, leaf: Callable[[Asked | ValuePath], Condition]) -> Condition:
    """The logic of a filter; `leaf` makes the condition for what stands at its ends."""
    match filter:
        case Not(term):
            return negated(_tree(term, leaf))
        case And(terms):
            return and_(*(_tree(term, leaf) for term in terms))
        case Or(terms):
            return or_(*(_tree(term, leaf) for term in terms))
    return leaf(filter)


def _asked(scope: Scope, filter: Asked | ValuePath) -> Condition:
    attribute = filter.target.attribute
    if attribute is None:
        raise ScimError("invalidFilter", f"{filter.target} names a schema, not an attribute.")
    if attribute.multi_valued:
        return _asked_of_several(scope, filter)
    if isinstance(filter, ValuePath):
        subs = [Target(filter.target.extension, attribute, sub) for sub in attribute.sub.values()]
        exists = or_(*(_expression(scope, sub).is_not(None) for sub in subs))
        return and_(exists, _tree(filter.term, partial(_asked, scope)))
    quick = _by_index(scope, filter)
    if quick is not None:
        return quick
    return _value_asked(scope, lambda sub: _expression(scope, Target(filter.target.extension, attribute, sub)), filter)


def _value_asked(scope: Scope, leaf: Leaf, filter: Asked | ValuePath) -> Condition:
    """What is asked of one value: of a sub-attribute, of the value itself, or, for presence, of any of its parts."""
    if isinstance(filter, ValuePath):
        raise ScimError("invalidFilter", "A value path can't stand inside another.")
    target = filter.target
    if target.leaf.type == "complex":
        return or_(*(holds(leaf(sub), filter, postgres=scope.postgres) for sub in target.leaf.sub.values()))
    return holds(leaf(target.sub), filter, postgres=scope.postgres)


def _asked_of_several(scope: Scope, filter: Asked | ValuePath) -> Condition:
    quick = _by_index(scope, filter.term if isinstance(filter, ValuePath) else filter)
    if quick is not None:
        return quick
    some = _values_of(scope, filter.target)
    if isinstance(filter, ValuePath):
        found = some(lambda leaf: _tree(filter.term, partial(_value_asked, scope, leaf)))
        return and_(found, *_narrowed(scope, filter.term))
    found = some(lambda leaf: _value_asked(scope, leaf, filter))
    return or_(found, not_(some(lambda _: true()))) if allows_absence(filter) else found


def _values_of(scope: Scope, target: Target) -> Some:
    """The values of a multi-valued attribute: rows of another table, or elements of a list in the document."""
    attribute = Target(target.extension, target.attribute)
    if str(attribute) in _OTHER_TABLES:
        return _OTHER_TABLES[str(attribute)](scope)

    def some(condition: Callable[[Leaf], Condition]) -> Condition:
        rows, value, _ = elements(scope.table.c.search, _path(attribute), postgres=scope.postgres)

        def leaf(sub: Attribute | None) -> Expression:
            return text_at(value, (sub.name,) if sub else (), postgres=scope.postgres)

        return scope.searched(select(literal(1)).select_from(rows).where(condition(leaf)).exists())

    return some


# Single values: columns, or the document


def _expression(scope: Scope, target: Target) -> Expression:
    made = _COLUMNS[scope.table.name].get(str(target))
    if made is not None:
        return by_code_point(made(scope), postgres=scope.postgres)
    return text_at(scope.table.c.search, _path(target), postgres=scope.postgres)


def _path(target: Target) -> tuple[str, ...]:
    parts = (target.extension, target.attribute and target.attribute.name, target.sub and target.sub.name)
    return tuple(part for part in parts if part)


def _sort_key(scope: Scope, target: Target) -> Expression:
    attribute = Target(target.extension, target.attribute)
    if str(attribute) in _OTHER_TABLES or attribute.attribute is None or target.leaf.type == "complex":
        raise ScimError("invalidValue", f"Resources can't be sorted by {target}.")
    if not attribute.leaf.multi_valued:
        return _expression(scope, target)
    sub = (target.sub.name,) if target.sub else ()
    primary = attribute.leaf.has_primary
    return first_value(scope.table.c.search, _path(attribute), sub, has_primary=primary, postgres=scope.postgres)


def _seat(scope: Scope, name: str) -> Expression:
    held = select(seats.c[name]).where(
        seats.c.workspace_id == contacts.c.workspace_id, seats.c.holder_id == contacts.c.id
    )
    value = held.correlate(contacts).scalar_subquery()
    return cast(value, String) if scope.postgres else type_coerce(value, String)


def _external_id(scope: Scope) -> Expression:
    """What the connection that asks calls a resource."""
    ids = _EXTERNAL_IDS[scope.table.name].alias()
    value = select(ids.c.value_key).where(external_ids.of_connection(ids, scope.table, scope.connection_id))
    return value.correlate(scope.table).scalar_subquery()


_EXTERNAL_IDS: Final[Mapping[str, Table]] = {contacts.name: contact_external_ids, groups.name: group_external_ids}


def _manager_reference(scope: Scope) -> Expression:
    value = text_at(contacts.c.search, (ENTERPRISE_URN, "manager", "value"), postgres=scope.postgres)
    return literal(f"{scope.base}{USER.endpoint}/").concat(value)


Columns: TypeAlias = Mapping[str, Callable[[Scope], Expression]]


def _common(table: Table, kind: str, endpoint: str) -> Columns:
    return {
        "id": lambda _: table.c.id,
        "externalId": _external_id,
        "displayName": lambda _: table.c.display_name_key,
        "meta.resourceType": lambda _: literal(kind),
        "meta.created": lambda _: type_coerce(table.c.created, String),
        "meta.lastModified": lambda _: type_coerce(table.c.modified, String),
        "meta.version": lambda _: literal('W/"').concat(cast(table.c.version, String)).concat('"'),
        "meta.location": lambda scope: literal(f"{scope.base}{endpoint}/").concat(table.c.id),
    }


_COLUMNS: Final[Mapping[str, Columns]] = {
    contacts.name: {
        **_common(contacts, USER.name, USER.endpoint),
        "userName": lambda _: contacts.c.user_name_key,
        "name.familyName": lambda _: contacts.c.family_name_key,
        f"{ENTERPRISE_URN}:employeeNumber": lambda _: contacts.c.employee_number_key,
        f"{ENTERPRISE_URN}:department": lambda _: contacts.c.department_key,
        f"{ENTERPRISE_URN}:manager.$ref": _manager_reference,
        f"{WORKSPACE_URN}:seat.state": lambda scope: func.coalesce(_seat(scope, "state"), "none"),
        f"{WORKSPACE_URN}:seat.type": lambda scope: func.lower(_seat(scope, "licence")),
        f"{WORKSPACE_URN}:seat.assignedAt": lambda scope: _seat(scope, "since"),
        f"{WORKSPACE_URN}:seat.over": lambda scope: _seat(scope, "over"),
    },
    groups.name: _common(groups, GROUP.name, GROUP.endpoint),
}


# Memberships: rows of another table


def _members(scope: Scope) -> Some:
    """The members of a group."""

    def some(condition: Callable[[Leaf], Condition]) -> Condition:
        of_group = (members.c.workspace_id == scope.workspace_id, members.c.group_id == groups.c.id)
        found = select(literal(1)).select_from(members).where(*of_group, condition(_member_leaf(scope)))
        return scope.searched(found.correlate(groups).exists())

    return some


def _member_leaf(scope: Scope) -> Leaf:
    child = groups.alias()
    person = select(func.coalesce(func.nullif(contacts.c.display_name_key, ""), contacts.c.user_name_key)).where(
        contacts.c.workspace_id == members.c.workspace_id, contacts.c.id == members.c.contact_id
    )
    group = select(child.c.display_name_key).where(
        child.c.workspace_id == members.c.workspace_id, child.c.id == members.c.child_id
    )
    is_person = members.c.child_id.is_(None)
    endpoint = case((is_person, f"{scope.base}{USER.endpoint}/"), else_=f"{scope.base}{GROUP.endpoint}/")
    return _leaf_of(
        scope,
        {
            "value": members.c.member_id,
            "$ref": endpoint.concat(members.c.member_id),
            "type": case((is_person, "user"), else_="group"),
            "display": func.coalesce(
                person.correlate(members).scalar_subquery(), group.correlate(members).scalar_subquery()
            ),
        },
    )


def _groups_around(scope: Scope) -> Some:
    """The groups that a contact is in, directly or through a group inside another."""
    of_workspace = members.c.workspace_id == scope.workspace_id
    inside = (
        select(groups.c.id.label("outer"), groups.c.id.label("inner"))
        .where(groups.c.workspace_id == scope.workspace_id)
        .cte(recursive=True)
    )
    inside = inside.union(
        select(inside.c.outer, members.c.child_id).where(
            of_workspace, members.c.group_id == inside.c.inner, members.c.child_id.is_not(None)
        )
    )
    group, direct = groups.alias(), members.alias()
    is_direct = select(literal(1)).where(
        direct.c.workspace_id == scope.workspace_id,
        direct.c.group_id == inside.c.outer,
        direct.c.member_id == members.c.member_id,
    )
    leaf = _leaf_of(
        scope,
        {
            "value": group.c.id,
            "$ref": literal(f"{scope.base}{GROUP.endpoint}/").concat(group.c.id),
            "display": group.c.display_name_key,
            "type": case((is_direct.correlate(members, inside).exists(), "direct"), else_="indirect"),
        },
    )
    joined = inside.join(members, and_(of_workspace, members.c.group_id == inside.c.inner)).join(
        group, and_(group.c.workspace_id == scope.workspace_id, group.c.id == inside.c.outer)
    )

    def some(condition: Callable[[Leaf], Condition]) -> Condition:
        people = select(members.c.contact_id).select_from(joined)
        found = contacts.c.id.in_(people.where(members.c.contact_id.is_not(None), condition(leaf)))
        return scope.searched(found)

    return some


def _leaf_of(scope: Scope, expressions: Mapping[str, Expression]) -> Leaf:
    """A leaf over one row; asked without a sub-attribute, it is the row's `value`, which is always there."""
    return lambda sub: by_code_point(expressions[sub.name if sub else "value"], postgres=scope.postgres)


_OTHER_TABLES: Final[Mapping[str, Callable[[Scope], Some]]] = {"groups": _groups_around, "members": _members}


# Comparisons that an index answers


def _by_index(scope: Scope, asked: Filter) -> Condition | None:
    """A comparison by an index of another table, on the rows that hold such values; None where there is none."""
    if not isinstance(asked, Compare) or not asked.value:
        return None
    find = _INDEXED.get((str(asked.target), asked.op))
    return find(scope, asked) if find else None


def _narrowed(scope: Scope, term: Filter) -> list[Condition]:
    """Conditions by index that the brackets around `term` can't be true without."""
    found = [_by_index(scope, part) for part in (term.terms if isinstance(term, And) else ())]
    return [condition for condition in found if condition is not None]


def _has_email(scope: Scope, asked: Compare) -> Condition:
    value = holds(contact_emails.c.value_key, asked, postgres=scope.postgres)
    rows = select(contact_emails.c.contact_id).where(contact_emails.c.workspace_id == scope.workspace_id, value)
    return among(contacts.c.id, rows, postgres=scope.postgres)


def _has_external_id(scope: Scope, asked: Compare) -> Condition:
    ids = _EXTERNAL_IDS[scope.table.name].alias()
    rows = select(ids.c.holder_id).where(
        ids.c.workspace_id == scope.workspace_id,
        ids.c.connection_id == scope.connection_id,
        holds(ids.c.value_key, asked, postgres=scope.postgres),
    )
    return among(scope.table.c.id, rows, postgres=scope.postgres)


def _has_member(scope: Scope, asked: Compare) -> Condition:
    found = [
        select(members.c.group_id).where(members.c.workspace_id == scope.workspace_id, column == asked.value)
        for column in (members.c.contact_id, members.c.child_id)
    ]
    return scope.searched(groups.c.id.in_(found[0].union_all(found[1])))


def _is_inside(scope: Scope, asked: Compare) -> Condition:
    """Whether a contact is in one group, directly or through the groups inside it."""
    of_workspace = members.c.workspace_id == scope.workspace_id
    inside = (
        select(groups.c.id)
        .where(groups.c.workspace_id == scope.workspace_id, groups.c.id == asked.value)
        .cte(recursive=True)
    )
    inside = inside.union(
        select(members.c.child_id).where(
            of_workspace, members.c.group_id == inside.c.id, members.c.child_id.is_not(None)
        )
    )
    rows = select(members.c.contact_id).where(
        of_workspace, members.c.group_id.in_(select(inside.c.id)), members.c.contact_id.is_not(None)
    )
    return scope.searched(contacts.c.id.in_(rows))


_INDEXED: Final[Mapping[tuple[str, str], Callable[[Scope, Compare], Condition]]] = {
    ("externalId", "eq"): _has_external_id,
    ("externalId", "sw"): _has_external_id,
    ("emails.value", "eq"): _has_email,
    ("emails.value", "sw"): _has_email,
    ("members.value", "eq"): _has_member,
    ("groups.value", "eq"): _is_inside,
}
