"""PATCH: (resource, operations, tolerance) → the new resource (RFC 7644 §3.5.2). Atomic, as it works on a copy.

Must not know how resources are stored; whether the outcome differs from the input is for the caller to compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import parse_path
from scim_server.scim.filter_tree import And, Compare, Filter, Path
from scim_server.scim.match import matches_element
from scim_server.scim.schema import Attribute, ResourceType, Target
from scim_server.scim.values import (
    Resource,
    check_parts,
    check_required,
    element_key,
    read_complex,
    read_extension,
    read_single,
    read_subs,
    read_value,
    resolve_key,
    set_each,
    writable,
)

MOST_OPERATIONS: Final = 1000
PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_OPS: Final = ("add", "replace", "remove")
_WELL_FORMED: Final = re.compile(
    r"(?:urn:[\w.:$-]+|[A-Za-z$][\w$-]*)(?:\.[A-Za-z$][\w$-]*)?(?:\[.*\])?(?:\.[\w$-]+)?$", re.I
)
_IGNORED_KEYS: Final = frozenset(("schemas", "id", "meta"))


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `op` in lower case, the path it works on, and the value as sent.

    `given` tells a `remove` with a value (even null) from one without. `pathless` operations come from the keys of a
    value without a path; there, read-only attributes are ignored as they are in a PUT.
    """

    op: str
    path: Path
    value: Any = None
    pathless: bool = False


def read_operations(resource_type: ResourceType, body: Any, tolerance: frozenset[str]) -> list[Operation]:
    """The operations of a PATCH body, those without a path split into one for each attribute.

    Raises ScimError: invalidSyntax for a body that is no PatchOp, invalidPath for a malformed path, noTarget for a
    remove without one (RFC 7644 §3.5.2).
    """
    if not isinstance(body, dict):
        raise ScimError("invalidSyntax", "The body must be a PatchOp object.")
    folded = {key.lower(): value for key, value in body.items()}
    rows = folded.get("operations")
    if not isinstance(rows, list) or (not rows and "empty-operations" not in tolerance):
        raise ScimError("invalidSyntax", "'Operations' must be a list of at least one operation.")
    if len(rows) > MOST_OPERATIONS:
        raise ScimError("payloadTooLarge", f"A PATCH holds at most {MOST_OPERATIONS} operations.")
    schemas = folded.get("schemas")
    if "ignore-unknown-schemas" not in tolerance and (not isinstance(schemas, list) or PATCH_URN not in schemas):
        raise ScimError("invalidSyntax", f"'schemas' must name {PATCH_URN}.")
    operations: list[Operation] = []
    for number, row in enumerate(rows, start=1):
        operations += _read_operation(resource_type, row, number, tolerance)
    return operations


def _read_operation(resource_type: ResourceType, row: Any, number: int, tolerance: frozenset[str]) -> list[Operation]:
    if not isinstance(row, dict):
        raise ScimError("invalidSyntax", f"Operation {number} must be a JSON object.")
    folded = {key.lower(): value for key, value in row.items()}
    op = folded.get("op")
    name = op.lower() if isinstance(op, str) and "operation-case" in tolerance else op
    if name not in _OPS:
        raise ScimError("invalidSyntax", f"Operation {number}: 'op' must be add, replace or remove.")
    path, value = folded.get("path"), folded.get("value")
    if path is None or path == "":
        return _without_path(resource_type, name, value, number, tolerance)
    if not isinstance(path, str):
        raise ScimError("invalidPath", f"Operation {number}: 'path' must be a string.")
    if resource_type.is_core(path):
        return _without_path(resource_type, name, value, number, tolerance)
    if name != "remove" and "value" not in folded:
        raise ScimError("invalidValue", f"Operation {number}: {name} needs a 'value'.")
    parsed = _parse(resource_type, path, tolerance)
    return [] if parsed is None else [Operation(name, parsed, value)]


def _parse(resource_type: ResourceType, text: str, tolerance: frozenset[str]) -> Path | None:
    """The parsed path; None for a well-formed one that names nothing and is forgiven."""
    head, _, tail = text.strip().partition("[")
    name = head + (tail.rpartition("]")[2] if tail else "")
    known = resource_type.resolve(name) is not None
    if not known and "ignore-unknown" in tolerance and _WELL_FORMED.match(text.strip()):
        return None
    return parse_path(resource_type, text, tolerance=tolerance)


def _without_path(
    resource_type: ResourceType, op: str, value: Any, number: int, tolerance: frozenset[str]
) -> list[Operation]:
    if op == "remove":
        raise ScimError("noTarget", f"Operation {number}: remove needs a 'path'.")
    if not isinstance(value, dict):
        raise ScimError("invalidValue", f"Operation {number}: without a 'path', 'value' must be a JSON object.")
    operations = []
    for key, inner in value.items():
        if key.lower() in _IGNORED_KEYS:
            continue
        if resource_type.is_core(key):
            operations += _without_path(resource_type, op, inner, number, tolerance)
            continue
        if "[" in key and "dotted-keys" in tolerance:
            path = _parse(resource_type, key, tolerance)
        else:
            target = resolve_key(resource_type, key, tolerance)
            path = None if target is None else Path(target, None)
        if path is not None:
            operations.append(Operation(op, path, inner, pathless=True))
    return operations


def apply(
    resource_type: ResourceType, resource: Mapping[str, Any], operations: Sequence[Operation], tolerance: frozenset[str]
) -> Resource:
    """The resource after all operations, in order; `resource` itself is untouched.

    Raises ScimError: mutability for read-only or immutable attributes and for removing a required one, noTarget where
    a value path selects nothing and that isn't forgiven, invalidValue for values that don't fit.
    """
    patched: Resource = deepcopy(dict(resource))
    for operation in operations:
        target = operation.path.target
        if target.attribute is None:
            _apply_extension(resource_type, patched, target.extension or "", operation, tolerance)
        elif writable(target):
            _apply_one(patched, operation, target.attribute, tolerance)
            if operation.op == "remove":
                check_required(resource_type, patched, "mutability")
        elif not operation.pathless:
            raise ScimError("mutability", f"{target} is read-only.")
    check_required(resource_type, patched)
    return patched


def _apply_extension(
    resource_type: ResourceType, resource: Resource, urn: str, operation: Operation, tolerance: frozenset[str]
) -> None:
    if operation.op == "remove" or operation.value is None:
        _drop_extension(resource_type, resource, urn)
        return
    for key, inner in read_extension(urn, operation.value).items():
        target = resolve_key(resource_type, f"{urn}:{key}", tolerance)
        if target is not None and target.attribute is not None and writable(target):
            _apply_one(resource, Operation(operation.op, Path(target, None), inner), target.attribute, tolerance)


def _drop_extension(resource_type: ResourceType, resource: Resource, urn: str) -> None:
    holder = resource.get(urn, {})
    for attribute in resource_type.extensions[urn].values():
        if attribute.mutability != "readOnly":
            holder.pop(attribute.name, None)
    if not holder:
        resource.pop(urn, None)


def _apply_one(resource: Resource, operation: Operation, attribute: Attribute, tolerance: frozenset[str]) -> None:
    """Carry out one operation on one attribute, then tidy up what became empty."""
    target = operation.path.target
    holder = resource if target.extension is None else resource.setdefault(target.extension, {})
    before = holder.get(attribute.name)
    after = _change(attribute, before, operation, tolerance)
    if attribute.has_primary and after:
        after = _with_one_primary(before or [], after)
    _check_immutable(attribute, str(target), before, after)
    check_parts(target.extension, attribute, before, after)
    if after in (None, [], {}):
        holder.pop(attribute.name, None)
    else:
        holder[attribute.name] = after
    if target.extension is not None and not holder:
        del resource[target.extension]


def _check_immutable(leaf: Attribute, path: str, before: Any, after: Any) -> None:
    # RFC 7643 §2.2: an immutable attribute may be set once and not be changed afterwards
    if leaf.mutability == "immutable" and before is not None and before != after:
        raise ScimError("mutability", f"{path} is immutable and already has a value.")


def _with_one_primary(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """`after` with at most one primary: the one this operation set (RFC 7644 §3.5.2)."""
    old = [element for element in before if element.get("primary") is True]
    primaries = [element for element in after if element.get("primary") is True]
    winner = next((element for element in reversed(primaries) if element not in old), None)
    if winner is None or len(primaries) == 1:
        return list(after)
    return [one if one is winner or one.get("primary") is not True else {**one, "primary": False} for one in after]


def _change(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    """The attribute's new value, None when it becomes unassigned."""
    if operation.path.term is not None:
        return _change_selected(attribute, current, operation, operation.path.term, tolerance)
    if operation.path.target.sub is not None:
        return _change_sub(attribute, current, operation, operation.path.target.sub, tolerance)
    return _CHANGES[operation.op](attribute, current, operation, tolerance)


def _add(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    if attribute.multi_valued:
        added = read_value(attribute, as_elements(operation.value), tolerance, str(operation.path.target))
        return _append(attribute, current or [], added or [])
    return _replace(attribute, current, operation, tolerance)


def as_elements(value: Any) -> Any:
    """What `add` gives to a multi-valued attribute: one object is an element for itself (RFC 7644 §3.5.2.1)."""
    return [value] if isinstance(value, dict) else value


def _replace(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    path = str(operation.path.target)
    # RFC 7644 §3.5.2.3: the sub-attributes of a complex value that aren't named are left unchanged
    if attribute.type == "complex" and not attribute.multi_valued:
        return _merge(attribute, current, operation.value, tolerance, path)
    return read_value(attribute, operation.value, tolerance, path)


def _remove(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    if not attribute.multi_valued or operation.value is None or "remove-listed-values" not in tolerance:
        return None
    listed = read_value(attribute, operation.value, tolerance, str(operation.path.target)) or []
    exactly, loosely = partial(element_key, attribute), partial(element_key, attribute, by=("value",))
    exact = {exactly(one) for one in listed}
    # a listed value without a type means every element with that value
    loose = {loosely(one) for one in listed if isinstance(one, dict) and "type" not in one}
    return [one for one in current or [] if exactly(one) not in exact and loosely(one) not in loose]


_CHANGES: Final[Mapping[str, Callable[[Attribute, Any, Operation, frozenset[str]], Any]]] = {
    "add": _add,
    "replace": _replace,
    "remove": _remove,
}


def _append(attribute: Attribute, current: Sequence[Any], added: Sequence[Any]) -> list[Any]:
    """`current` with the added elements; one that is there already is completed, not repeated (RFC 7644 §3.5.2.1)."""
    result: dict[Hashable, Any] = {}
    for element in (*current, *added):
        key = element_key(attribute, element)
        known = result.get(key)
        result[key] = {**known, **element} if isinstance(known, dict) else element
    return list(result.values())


def _merge(attribute: Attribute, current: Any, raw: Any, tolerance: frozenset[str], path: str) -> Any:
    """A complex value with the sub-attributes of `raw` set, those it unassigns gone, and the others kept."""
    if isinstance(raw, list) and len(raw) == 1 and "unwrap-single" in tolerance:
        raw = raw[0]
    if raw is None or raw == [] or (raw == "" and "empty-string-clears" in tolerance):
        return None
    merged = {**(current or {}), **read_subs(attribute, raw, tolerance, path)}
    return {name: value for name, value in merged.items() if value is not None}


def _change_sub(
    attribute: Attribute, current: Any, operation: Operation, sub: Attribute, tolerance: frozenset[str]
) -> Any:
    """`attr.sub`: the sub-attribute of the complex value, or of every element of a multi-valued attribute."""
    elements: list[dict[str, Any]] = (current or [{}]) if attribute.multi_valued else [current or {}]
    changed = _set_subs(elements, range(len(elements)), operation, sub, tolerance)
    return _append(attribute, (), changed) if attribute.multi_valued else next(iter(changed), None)


def _set_subs(
    elements: Sequence[Mapping[str, Any]],
    places: Sequence[int],
    operation: Operation,
    sub: Attribute,
    tolerance: frozenset[str],
) -> list[dict[str, Any]]:
    path = str(operation.path.target)
    value = None if operation.op == "remove" else read_value(sub, operation.value, tolerance, path)
    for place in places:
        _check_immutable(sub, path, elements[place].get(sub.name), value)
    return set_each(elements, places, sub, value)


def _change_selected(
    attribute: Attribute, current: Any, operation: Operation, term: Filter, tolerance: frozenset[str]
) -> Any:
    """`attr[filter]` and `attr[filter].sub`: the elements that the filter selects (RFC 7644 §3.5.2, valuePath)."""
    if not attribute.multi_valued:
        raise ScimError("invalidPath", f"{attribute.name} has a single value; a filter in its path selects nothing.")
    target = operation.path.target
    elements: list[Any] = list(current or [])
    chosen = [place for place, element in enumerate(elements) if matches_element(term, element, target)]
    if not chosen:
        if "value-path-creates" not in tolerance:
            raise ScimError("noTarget", f"No value of {attribute.name} matches the filter in the path.")
        if operation.op == "remove":
            return current
        elements.append(_element_from(Target(target.extension, attribute), term, tolerance))
        chosen = [len(elements) - 1]
    if target.sub is not None:
        elements = list(_set_subs(elements, chosen, operation, target.sub, tolerance))
    else:
        for place in chosen:
            elements[place] = _change_element(attribute, elements[place], operation, tolerance)
    # what was told apart may have become the same value
    return _append(attribute, (), [element for element in elements if element not in (None, {})])


def _change_element(attribute: Attribute, element: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    if operation.op == "remove":
        return None
    path = str(operation.path.target)
    if attribute.type != "complex":
        return read_single(attribute, operation.value, tolerance, path)
    changed = _merge(attribute, element, operation.value, tolerance, path)
    for sub in attribute.sub.values():
        _check_immutable(sub, path, element.get(sub.name), (changed or element).get(sub.name))
    return changed


def _element_from(target: Target, term: Filter, tolerance: frozenset[str]) -> Any:
    """A new element that satisfies the filter's eq terms: `emails[type eq "work"]` makes {"type": "work"}."""
    attribute = target.leaf
    if not attribute.sub:
        return None
    element: dict[str, Any] = {}
    for part in term.terms if isinstance(term, And) else (term,):
        if not isinstance(part, Compare) or part.op != "eq" or part.value is None:
            raise ScimError("noTarget", f"No value of {attribute.name} matches the filter in the path.")
        element[part.target.leaf.name] = part.value if part.written is None else part.written
    return read_complex(attribute, element, tolerance, str(target)) or {}


def split(operations: Sequence[Operation], name: str) -> tuple[list[Operation], list[Operation]]:
    """(operations on the core attribute `name`, all others): memberships are changed apart from their group."""

    def about(target: Target) -> bool:
        return target.extension is None and target.attribute is not None and target.attribute.name == name

    return [o for o in operations if about(o.path.target)], [o for o in operations if not about(o.path.target)]
