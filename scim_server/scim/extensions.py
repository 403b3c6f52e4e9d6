"""Custom extensions: schema documents (RFC 7643 §7) that add attributes to User or Group when the server starts.

A document that contradicts itself or the server is refused whole, with the reason. Must not know where it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scim_server.scim.schema import ResourceType, ResourceTypes, with_extension

_NAME: Final = re.compile(r"[A-Za-z][\w-]*|\$ref", re.ASCII)
_URN: Final = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,31}:[\w.:~%/+-]+", re.ASCII | re.IGNORECASE)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "type": ("string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"),
    "mutability": ("readWrite", "readOnly", "immutable", "writeOnly"),
    "returned": ("default", "always", "never", "request"),
    "uniqueness": ("none", "server", "global"),
}
_FLAGS: Final = ("multiValued", "required", "caseExact")
_DEFAULTS: Final[Mapping[str, Any]] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}
_SCHEMA_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"


class InvalidSchema(ValueError):
    """A schema document can't be used; the message says which one and why."""


def extended(types: ResourceTypes, documents: Mapping[str, Sequence[tuple[str, Any]]]) -> ResourceTypes:
    """`types` with further extensions: resource type name → (where it is from, the document). Raises InvalidSchema."""
    known = {each.name: each for each in types}
    urns = {urn.lower() for each in types for urn in (each.schema, *each.extensions)}
    for name, rows in documents.items():
        if name not in known:
            raise InvalidSchema(f"There is no resource type {name!r} to extend. There are: {', '.join(known)}.")
        for source, document in rows:
            known[name] = _extend(known[name], source, document, urns)
    return ResourceTypes(known[types.user.name], known[types.group.name])


def _extend(resource_type: ResourceType, source: str, document: Any, urns: set[str]) -> ResourceType:
    faults = list(_faults(document, urns))
    if faults:
        raise InvalidSchema(f"{source}: {' '.join(faults)}")
    urns.add(document["id"].lower())
    return with_extension(resource_type, _complete(document))


def _faults(document: Any, urns: set[str]) -> Iterator[str]:
    if not isinstance(document, dict):
        yield "A schema must be a JSON object."
        return
    urn, rows = document.get("id"), document.get("attributes")
    if not isinstance(urn, str) or not _URN.fullmatch(urn):
        yield "'id' must be the schema's URN."
    elif urn.lower() in urns:
        yield f"The schema {urn} exists already."
    if not isinstance(document.get("name"), str) or not document["name"]:
        yield "'name' must say what the schema is called."
    if not isinstance(rows, list) or not rows:
        yield "'attributes' must list at least one attribute."
    else:
        yield from _attribute_faults(rows, "")


def _attribute_faults(rows: Sequence[Any], parent: str) -> Iterator[str]:
    seen: set[str] = set()
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            yield f"Each attribute{f' of {parent}' if parent else ''} must be an object with a name."
            continue
        name = f"{parent}.{row['name']}" if parent else row["name"]
        if not _NAME.fullmatch(row["name"]):
            yield f"{name!r} is not an attribute name."
        if row["name"].lower() in seen:
            yield f"{name} is declared twice; names don't differ by case."
        seen.add(row["name"].lower())
        yield from _characteristic_faults(row, name, nested=bool(parent))


def _characteristic_faults(row: Mapping[str, Any], name: str, *, nested: bool) -> Iterator[str]:
    for key, choices in _CHOICES.items():
        if row.get(key, _DEFAULTS[key]) not in choices:
            yield f"{name}: {key} must be one of {', '.join(choices)}, not {row[key]!r}."
    for key in _FLAGS:
        if not isinstance(row.get(key, False), bool):
            yield f"{name}: {key} must be true or false."
    yield from _shape_faults(row, name)
    yield from _contradictions({**_DEFAULTS, **row}, name, nested=nested)
    if isinstance(row.get("subAttributes"), list):
        yield from _attribute_faults(row["subAttributes"], name)


def _shape_faults(row: Mapping[str, Any], name: str) -> Iterator[str]:
    for key in ("subAttributes", "canonicalValues", "referenceTypes"):
        if not isinstance(row.get(key, []), list):
            yield f"{name}: {key} must be a list."
    for key in ("canonicalValues", "referenceTypes"):
        if isinstance(row.get(key), list) and not all(isinstance(each, str) for each in row[key]):
            yield f"{name}: {key} must hold strings."
    if not isinstance(row.get("description", ""), str):
        yield f"{name}: description must be a string."


def _contradictions(row: Mapping[str, Any], name: str, *, nested: bool) -> Iterator[str]:
    """What RFC 7643 §2 and §7 rule out, and what this server doesn't do."""
    complex_type = row["type"] == "complex"
    rules = (
        (complex_type and nested, "a complex attribute can't be inside another (RFC 7643 §2.3.8)"),
        (complex_type and not row.get("subAttributes"), "a complex attribute needs subAttributes"),
        (not complex_type and bool(row.get("subAttributes")), "only a complex attribute has subAttributes"),
        (row["mutability"] == "writeOnly" and row["returned"] != "never", "writeOnly goes with returned never"),
        (row["mutability"] == "readOnly" and row["required"], "a readOnly attribute can't be required of a client"),
        (row["returned"] == "never" and row["mutability"] == "readOnly", "nobody could ever see or set it"),
        (row["uniqueness"] != "none", "uniqueness of custom attributes is not enforced; declare it as none"),
        (nested and row["multiValued"], "a sub-attribute has a single value"),
        (nested and row["required"], "that a sub-attribute is there is not enforced; declare it as not required"),
        (nested and row["returned"] != "default", "a sub-attribute is returned as its attribute is; leave it out"),
    )
    for broken, reason in rules:
        if broken:
            yield f"{name}: {reason}."


def _complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every characteristic spelled out, as it is published."""
    return {
        "schemas": [_SCHEMA_URN],
        "id": document["id"],
        "name": document["name"],
        "description": document.get("description") or document["name"],
        "attributes": [_complete_attribute(row) for row in document["attributes"]],
    }


def _complete_attribute(row: Mapping[str, Any]) -> dict[str, Any]:
    complete = {"description": row["name"], **_DEFAULTS, **row}
    if "subAttributes" in row:
        complete["subAttributes"] = [_complete_attribute(sub) for sub in row["subAttributes"]]
    return complete
