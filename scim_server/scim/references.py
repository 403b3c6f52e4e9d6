"""References to new resources in a bulk request's data (RFC 7644 §3.7.2): finding, resolving and leaving them out.

The schema says where a resource may be referred to, so that a value which only looks like a reference is left alone.
Must not know the order of operations, storage or HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scim_server.scim.schema import Attribute, ResourceType

PREFIX: Final = "bulkId:"
_QUOTED: Final = re.compile(f'"{PREFIX}([^"]*)"')


@dataclass(frozen=True, slots=True)
class Reference:
    """A text that names new resources by their bulkIds, in the place of a string in an operation's data.

    It is a whole value, `bulkId:x`, or a PATCH path with such values in quotes, `members[value eq "bulkId:x"]`.
    """

    text: str

    @property
    def names(self) -> frozenset[str]:
        """The bulkIds."""
        if self.text.startswith(PREFIX):
            return frozenset((self.text.removeprefix(PREFIX),))
        return frozenset(_QUOTED.findall(self.text))

    def resolved(self, ids: Mapping[str, str]) -> str:
        """The text with the ids that are known in place of the bulkIds."""
        if self.text.startswith(PREFIX):
            return ids.get(self.text.removeprefix(PREFIX), self.text)
        return _QUOTED.sub(lambda found: f'"{ids.get(found[1], PREFIX + found[1])}"', self.text)


def marked(resource_type: ResourceType, method: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The data of an operation with a Reference wherever it refers to a new resource."""
    if method != "PATCH":
        return _marked_attributes(resource_type, data)
    return {
        key: [_marked_change(resource_type, row) for row in value]
        if key.lower() == "operations" and isinstance(value, list)
        else value
        for key, value in data.items()
    }


def _marked_attributes(resource_type: ResourceType, data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`data` is a resource, or a part of it whose attributes have the URN `prefix` before them."""
    return {key: _marked_at(resource_type, prefix + _name(key), value) for key, value in data.items()}


def _marked_at(resource_type: ResourceType, name: str, value: Any) -> Any:
    """The value of what `name` stands for: the core, an extension or an attribute."""
    core = resource_type.is_core(name)
    target = resource_type.resolve(name)
    if core or (target is not None and target.attribute is None):
        prefix = "" if core else f"{name}:"
        return _marked_attributes(resource_type, value, prefix) if isinstance(value, dict) else value
    if target is None or target.attribute is None:
        return value
    return _marked_value(target.attribute, target.sub, value)


def _marked_value(attribute: Attribute, sub: Attribute | None, value: Any) -> Any:
    if isinstance(value, list):
        return [_marked_value(attribute, sub, each) for each in value]
    if isinstance(value, dict):
        subs = attribute.sub if sub is None else {}
        return {
            key: _marked_value(attribute, subs[key.lower()], each) if key.lower() in subs else each
            for key, each in value.items()
        }
    if isinstance(value, str) and value.startswith(PREFIX) and _refers(attribute, sub):
        return Reference(value)
    return value


def _refers(attribute: Attribute, sub: Attribute | None) -> bool:
    """Whether a string here may refer to a resource: a reference, or the id beside one (RFC 7643 §2.4, `$ref`)."""
    if (sub or attribute).type == "reference":
        return True
    # where an object belongs, a plain value is its `value`
    return "$ref" in attribute.sub and (sub is None or sub.name == "value")


def _marked_change(resource_type: ResourceType, row: Any) -> Any:
    """One operation of a PATCH, whose path says what its value stands for."""
    if not isinstance(row, dict):
        return row
    path = next((value for key, value in row.items() if key.lower() == "path"), None)
    changed = {}
    for key, value in row.items():
        if key.lower() == "path":
            changed[key] = _marked_path(resource_type, value)
        elif key.lower() == "value":
            changed[key] = _marked_at(resource_type, _name(path) or resource_type.schema, value)
        else:
            changed[key] = value
    return changed


def _name(path: Any) -> str:
    """The name that a path begins with, and the sub-attribute it ends with; "" where there is no path."""
    head, _, tail = path.strip().partition("[") if isinstance(path, str) else ("", "", "")
    return head + tail.rpartition("]")[2]


def _marked_path(resource_type: ResourceType, path: Any) -> Any:
    if not isinstance(path, str) or not _QUOTED.search(path):
        return path
    target = resource_type.resolve(path.strip().partition("[")[0])
    refers = target is not None and target.attribute is not None and "$ref" in target.attribute.sub
    return Reference(path) if refers else path


def names_in(data: Any) -> Iterator[str]:
    """The bulkIds that `data` refers to."""
    stack = [data]
    while stack:
        each = stack.pop()
        if isinstance(each, Reference):
            yield from each.names
        elif isinstance(each, dict):
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)


def resolved(data: Any, ids: Mapping[str, str]) -> Any:
    """`data` with each reference replaced by the id that it stands for."""
    if isinstance(data, Reference):
        return data.resolved(ids)
    if isinstance(data, list):
        return [resolved(each, ids) for each in data]
    if isinstance(data, dict):
        return {key: resolved(each, ids) for key, each in data.items()}
    return data


def without(data: Any, names: frozenset[str]) -> Any:
    """`data` without the elements and attributes that refer to one of `names`."""
    if isinstance(data, list):
        return [without(each, names) for each in data if not _stands_for(each, names)]
    if isinstance(data, dict):
        return {key: without(each, names) for key, each in data.items() if not _stands_for(each, names)}
    return data


def _stands_for(value: Any, names: frozenset[str]) -> bool:
    """Whether `value` is a reference to one of `names`, or an object that is one: {"value": "bulkId:x"}."""
    parts = [value]
    if isinstance(value, dict):
        parts = [each for key, each in value.items() if key.lower() in ("value", "$ref")]
    return any(isinstance(each, Reference) and not names.isdisjoint(each.names) for each in parts)
