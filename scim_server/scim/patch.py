"""PATCH: (resource, operations, tolerance) → the new resource (RFC 7644 §3.5.2). Atomic, as it works on a copy.

Must not know how resources are stored; whether the outcome differs from the input is for the caller to compare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import And, Compare, Filter, Path, parse_path
from scim_server.scim.match import matches_element
from scim_server.scim.schema import Attribute, ResourceType, Target
from scim_server.scim.values import (
    Resource,
    check_required,
    read_single,
    read_subs,
    read_value,
    resolve_key,
    same_element,
    writable,
)

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
        raise ScimError("invalidSyntax", f"Operation {number}: 'op' must be add, replace or remove, not {op!r}.")
    path, value = folded.get("path"), folded.get("value")
    if path is None or path == "":
        return _without_path(resource_type, name, value, number, tolerance)
    if not isinstance(path, str):
        raise ScimError("invalidPath", f"Operation {number}: 'path' must be a string.")
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
        if "[" in key:
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
            _apply_extension(resource_type, patched, operation, tolerance)
        elif writable(target):
            _apply_one(patched, operation, target.attribute, tolerance)
            if operation.op == "remove":
                check_required(resource_type, patched, "mutability")
        elif not operation.pathless:
            raise ScimError("mutability", f"{target} is read-only.")
    check_required(resource_type, patched)
    return patched


def _apply_extension(
    resource_type: ResourceType, resource: Resource, operation: Operation, tolerance: frozenset[str]
) -> None:
    urn = operation.path.target.extension
    if urn is None:
        raise ScimError("invalidPath", "The path names a schema, not an attribute.")
    if operation.op == "remove" or operation.value is None:
        _drop_extension(resource_type, resource, urn)
        return
    if not isinstance(operation.value, dict):
        raise ScimError("invalidValue", f"{urn} must be a JSON object.")
    for key, inner in operation.value.items():
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
    kept = deepcopy(before)
    after = _change(attribute, before, operation, tolerance)
    if attribute.has_primary and after:
        _settle_primary(kept or [], after)
    _check_immutable(target.leaf, str(target), kept, after)
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


def _settle_primary(before: list[Any], after: list[Any]) -> None:
    """Leave at most one primary: the one this operation set (RFC 7644 §3.5.2)."""
    primaries = [element for element in after if isinstance(element, dict) and element.get("primary") is True]
    if len(primaries) < 2:
        return
    new = [element for element in primaries if element not in before]
    winner = (new or primaries)[-1]
    for element in primaries:
        if element is not winner:
            element["primary"] = False


def _change(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    """The attribute's new value, None when it becomes unassigned."""
    if operation.path.term is not None:
        return _change_selected(attribute, current, operation, operation.path.term, tolerance)
    if operation.path.target.sub is not None:
        return _change_sub(attribute, current, operation, operation.path.target.sub, tolerance)
    return _CHANGES[operation.op](attribute, current, operation, tolerance)


def _add(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    path = str(operation.path.target)
    if attribute.multi_valued:
        added = read_value(attribute, operation.value, tolerance, path)
        return _append(attribute, current or [], added or [])
    if attribute.type == "complex":
        return _merge(attribute, current, operation.value, tolerance, path)
    return read_value(attribute, operation.value, tolerance, path)


def _replace(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    path = str(operation.path.target)
    if attribute.type == "complex" and not attribute.multi_valued and "complex-merge" in tolerance:
        return _merge(attribute, current, operation.value, tolerance, path)
    return read_value(attribute, operation.value, tolerance, path)


def _remove(attribute: Attribute, current: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    if not attribute.multi_valued or operation.value is None or "remove-listed-values" not in tolerance:
        return None
    listed = read_value(attribute, operation.value, tolerance, str(operation.path.target)) or []
    return [element for element in current or [] if not any(_names(attribute, element, one) for one in listed)]


def _names(attribute: Attribute, element: Any, listed: Any) -> bool:
    """Whether a listed value means `element`: by `value` alone where the listed one gives no type."""
    if isinstance(element, dict) and isinstance(listed, dict) and "value" in listed and "type" not in listed:
        return bool(same_element(attribute, {"value": element.get("value")}, {"value": listed["value"]}))
    return same_element(attribute, element, listed)


_CHANGES: Final[Mapping[str, Callable[[Attribute, Any, Operation, frozenset[str]], Any]]] = {
    "add": _add,
    "replace": _replace,
    "remove": _remove,
}


def _append(attribute: Attribute, current: list[Any], added: list[Any]) -> list[Any]:
    """`current` with the added elements; one that is there already is completed, not repeated (RFC 7644 §3.5.2.1)."""
    result = list(current)
    for element in added:
        known = next((one for one in result if same_element(attribute, one, element)), None)
        if known is None:
            result.append(element)
        elif isinstance(known, dict):
            known.update(element)
    return result


def _merge(attribute: Attribute, current: Any, raw: Any, tolerance: frozenset[str], path: str) -> Any:
    """A complex value with the sub-attributes of `raw` set, those it unassigns gone, and the others kept."""
    if isinstance(raw, list) and len(raw) == 1 and "unwrap-single" in tolerance:
        raw = raw[0]
    if raw is None or raw == [] or (raw == "" and "empty-string-clears" in tolerance):
        return None
    merged = dict(current or {})
    for name, value in read_subs(attribute, raw, tolerance, path).items():
        _set(merged, name, value)
    return merged


def _set(element: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        element.pop(name, None)
    else:
        element[name] = value


def _change_sub(
    attribute: Attribute, current: Any, operation: Operation, sub: Attribute, tolerance: frozenset[str]
) -> Any:
    """`attr.sub`: the sub-attribute of the complex value, or of every element of a multi-valued attribute."""
    value = _sub_value(sub, operation, tolerance)
    if not attribute.multi_valued:
        merged = dict(current or {})
        _set(merged, sub.name, value)
        return merged
    elements = current or ([] if value is None else [{}])
    for element in elements:
        _set(element, sub.name, value)
    return [element for element in elements if element]


def _sub_value(sub: Attribute, operation: Operation, tolerance: frozenset[str]) -> Any:
    if operation.op == "remove":
        return None
    return read_value(sub, operation.value, tolerance, str(operation.path.target))


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
        elements.append(_element_from(attribute, term))
        chosen = [len(elements) - 1]
    for place in chosen:
        elements[place] = _change_element(attribute, elements[place], operation, tolerance)
    return [element for element in elements if element not in (None, {})]


def _change_element(attribute: Attribute, element: Any, operation: Operation, tolerance: frozenset[str]) -> Any:
    sub = operation.path.target.sub
    path = str(operation.path.target)
    if sub is not None:
        changed = dict(element)
        _set(changed, sub.name, _sub_value(sub, operation, tolerance))
        return changed
    if operation.op == "remove":
        return None
    if attribute.type == "complex" and (operation.op == "add" or "complex-merge" in tolerance):
        return _merge(attribute, element, operation.value, tolerance, path)
    return read_single(attribute, operation.value, tolerance, path)


def _element_from(attribute: Attribute, term: Filter) -> Any:
    """A new element that satisfies the filter's eq terms: `emails[type eq "work"]` makes {"type": "work"}."""
    if not attribute.sub:
        return None
    element: dict[str, Any] = {}
    for part in term.terms if isinstance(term, And) else (term,):
        if not isinstance(part, Compare) or part.op != "eq" or part.value is None or part.target.sub is None:
            raise ScimError("noTarget", f"No value of {attribute.name} matches the filter in the path.")
        element[part.target.sub.name] = part.value
    return element


def split(operations: Sequence[Operation], name: str) -> tuple[list[Operation], list[Operation]]:
    """(operations on the core attribute `name`, all others): memberships are changed apart from their group."""

    def about(target: Target) -> bool:
        return target.extension is None and target.attribute is not None and target.attribute.name == name

    return [o for o in operations if about(o.path.target)], [o for o in operations if not about(o.path.target)]
