"""Queries over all resource types at once (RFC 7644 §3.4.2.1): one filter, read for each type.

An attribute that a type doesn't have is absent on its resources. Must not know storage or requests.
"""

from __future__ import annotations

from typing import Final

from scim_server.scim.filter import Limits, parse_filter
from scim_server.scim.filter_tree import And, Compare, Filter, Not, Or, Present, ValuePath
from scim_server.scim.schema import ResourceType, ResourceTypes, Target

_EVERYTHING: Final = "Resource"


def any_type(types: ResourceTypes) -> ResourceType:
    """A type that has the attributes of all: what filters and projections at the root are read by."""
    core = {row["name"].lower(): row for each in reversed(list(types)) for row in each.documents[0]["attributes"]}
    extensions = [document for each in types for document in each.documents[1:]]
    documents = ({"id": types.user.schema, "attributes": list(core.values())}, *extensions)
    return ResourceType(_EVERYTHING, "/", "Any resource.", documents)


def read_filters(
    types: ResourceTypes, text: str, tolerance: frozenset[str], limits: Limits
) -> dict[str, Filter | bool]:
    """Resource type name → the filter for it; True or False where all or none of its resources satisfy it."""
    filter = parse_filter(any_type(types), text, tolerance=tolerance, limits=limits)
    return {each.name: restricted(filter, each) for each in types}


def restricted(filter: Filter, resource_type: ResourceType) -> Filter | bool:
    """`filter` as it reads for `resource_type`: what the type lacks is absent and its tests are settled."""
    match filter:
        case Not(term):
            inner = restricted(term, resource_type)
            return not inner if isinstance(inner, bool) else Not(inner)
        case And(terms):
            return _joined(terms, resource_type, settles=False)
        case Or(terms):
            return _joined(terms, resource_type, settles=True)
    own = resource_type.resolve(str(filter.target), bare_extensions=False)
    if own is None:
        return _of_absent(filter)
    return _bound(filter, own)


def _joined(terms: tuple[Filter, ...], resource_type: ResourceType, *, settles: bool) -> Filter | bool:
    """And (settled by one False) or Or (settled by one True) of the restricted terms."""
    inner = [restricted(term, resource_type) for term in terms]
    if settles in [each for each in inner if isinstance(each, bool)]:
        return settles
    left = tuple(each for each in inner if not isinstance(each, bool))
    if len(left) < 2:
        return left[0] if left else not settles
    return Or(left) if settles else And(left)


def _of_absent(filter: Compare | Present | ValuePath) -> bool:
    if isinstance(filter, Compare):
        return (filter.op == "eq") if filter.value is None else (filter.op == "ne")
    return False


def _bound(filter: Compare | Present | ValuePath, target: Target) -> Filter:
    match filter:
        case Compare(_, op, value):
            return Compare(target, op, value)
        case Present():
            return Present(target)
        case ValuePath(_, term):
            return ValuePath(target, term)
