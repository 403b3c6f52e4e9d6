"""Whether a resource satisfies a filter: the oracle that every search in a database must agree with.

Both work on the same comparable form of a resource, so they agree by construction. Must not know storage, requests,
or the text that a filter was written in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from operator import contains, eq, ge, gt, le, lt, ne
from typing import Any, Final, TypeAlias

from scim_server.scim.dates import normal_date
from scim_server.scim.filter_tree import And, Compare, Filter, Not, Or, Present
from scim_server.scim.schema import Attribute, ResourceType, Target, fold

Values: TypeAlias = Callable[[Target], list[Any]]

_TESTS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": eq,
    "ne": ne,
    "co": contains,
    "sw": str.startswith,
    "ew": str.endswith,
    "gt": gt,
    "ge": ge,
    "lt": lt,
    "le": le,
}


def comparable(resource_type: ResourceType, resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource as comparisons see it, in the shape it was given (canonical names, extensions under their URN).

    Strings are folded, dates are UTC text, an absent `primary` is false. Left out are nulls, empty lists and
    objects, names the schema doesn't have, values of a wrong type, and what is never returned. Applying it twice
    changes nothing.
    """
    form = _object(resource_type.attributes, resource)
    for urn, attributes in resource_type.extensions.items():
        if branch := _object(attributes, resource.get(urn)):
            form[urn] = branch
    return form


def matches(filter: Filter, resource: Mapping[str, Any]) -> bool:
    """Whether `resource`, in comparable form, satisfies the filter (RFC 7644 §3.4.2.2).

    A multi-valued attribute satisfies a comparison when any of its values does, `ne` included; one without values
    is compared as a single absent value. Absent differs from everything but null, and is neither more nor less than
    anything. `not` is the plain opposite. `pr` wants a value that is neither absent nor "", at any depth; false is one.
    """
    return _holds(filter, partial(values_at, resource=resource))


def matches_element(term: Filter, element: Any, target: Target) -> bool:
    """Whether one value of `target.attribute`, as a resource holds it, satisfies what stands in the brackets."""
    attribute = target.attribute
    form = _single(attribute, element) if attribute else None
    return form is not None and _holds(term, partial(_values_in, form))


def values_at(target: Target, resource: Mapping[str, Any]) -> list[Any]:
    """The comparable values that `target` names, in order.

    An absent attribute has none. A sub-attribute has one per value of its attribute: None where that lacks it.
    """
    attribute = target.attribute or target.leaf  # a whole extension has no values of its own: ValueError
    holder = resource if target.extension is None else resource.get(target.extension, {})
    elements = _listed(holder.get(attribute.name))
    if target.sub is None:
        return elements
    return [value for element in elements for value in _values_in(element, target)]


def sort_value(target: Target, resource: Mapping[str, Any]) -> Any | None:
    """The one value that `resource`, in comparable form, is sorted by, or None (RFC 7644 §3.4.2.3).

    Of several values it is the primary's, or else the first one's, even where that lacks the sub-attribute.
    """
    elements = values_at(Target(target.extension, target.attribute), resource)
    chosen = [element for element in elements if isinstance(element, dict) and element.get("primary") is True]
    for element in (chosen or elements)[:1]:
        return next(iter(_values_in(element, target)), None)
    return None


def _holds(filter: Filter, values: Values) -> bool:
    match filter:
        case Compare(target, op, value):
            return any(_compare(op, found, value) for found in values(target) or [None])
        case Present(target):
            return any(map(_present, values(target)))
        case Not(term):
            return not _holds(term, values)
        case And(terms):
            return all(_holds(term, values) for term in terms)
        case Or(terms):
            return any(_holds(term, values) for term in terms)
    return any(_holds(filter.term, partial(_values_in, element)) for element in values(filter.target))


def _compare(op: str, found: Any, value: Any) -> bool:
    if found is None or value is None:
        return (found is value) is (op == "eq") and op in ("eq", "ne")
    if isinstance(found, float):
        found = Decimal(repr(found))  # the number as it was written, not the nearest binary fraction
    return _TESTS[op](found, value)


def _present(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_present, value.values()))
    if isinstance(value, list):
        return any(map(_present, value))
    return value is not None and value != ""


def _values_in(element: Any, target: Target) -> list[Any]:
    """What `target` names within one value of its attribute: the value itself where it has no sub-attribute."""
    if target.sub is None:
        return [element]
    return _listed(element.get(target.sub.name)) or [None]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _object(attributes: Mapping[str, Attribute], value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    form = {}
    for attribute in attributes.values():
        given = value.get(attribute.name)
        if given is None or attribute.returned == "never":
            continue
        found = _several(attribute, given) if attribute.multi_valued else _single(attribute, given)
        if found is not None:
            form[attribute.name] = found
    return form


def _several(attribute: Attribute, value: Any) -> list[Any] | None:
    if not isinstance(value, list | tuple):
        return None
    return [form for element in value if (form := _single(attribute, element)) is not None] or None


def _single(attribute: Attribute, value: Any) -> Any | None:
    if attribute.type == "complex":
        form = _object(attribute.sub, value)
        if form and attribute.has_primary:
            form.setdefault("primary", False)  # RFC 7643 §2.4
        return form or None
    read: Callable[[Attribute, Any], Any | None] = _LEAVES.get(attribute.type, _text)
    return read(attribute, value)


def _text(attribute: Attribute, value: Any) -> str | None:
    return fold(attribute, value) if isinstance(value, str) else None


def _boolean(_: Attribute, value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(_: Attribute, value: Any) -> int | float | Decimal | None:
    return value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _date(_: Attribute, value: Any) -> str | None:
    try:
        return normal_date(value) if isinstance(value, str) else None
    except ValueError:
        return None


_LEAVES: Final[Mapping[str, Callable[[Attribute, Any], Any]]] = {
    "boolean": _boolean,
    "integer": _number,
    "decimal": _number,
    "dateTime": _date,
}
