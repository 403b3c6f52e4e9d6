"""Reading attribute values: JSON in, canonical values out, by the schema and the request's tolerance.

A resource is a plain dict with attribute names as published and each extension under its URN; what is unassigned is
absent (RFC 7643 §2.5). Strings are kept as sent. Must not know operations, storage or product rules.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import normal_date
from scim_server.scim.schema import Attribute, ResourceType, Target, fold

Resource = dict[str, Any]

# An index entry has a size limit on every database, so that attributes which are looked up by index have one too.
LONGEST_KEY: Final = 512
KEYED: Final = frozenset(
    ("userName", "externalId", "displayName", "emails.value", "name.familyName", "employeeNumber", "department")
)

# Assigned by the server on every resource; ignored in bodies (RFC 7643 §3.1, lifecycle.md D9).
_SERVERS_OWN: Final = frozenset(("schemas", "id", "meta"))


def read_resource(resource_type: ResourceType, body: Any, tolerance: frozenset[str]) -> Resource:
    """The resource that a POST or PUT body describes, without `schemas`, `id`, `meta` and read-only attributes.

    Raises ScimError: invalidSyntax when the body is no object, names unknown schemas or attributes that aren't
    forgiven; invalidValue for values that don't fit or a missing required one (RFC 7644 §3.3).
    """
    if not isinstance(body, dict):
        raise ScimError("invalidSyntax", f"The body must be a JSON object that describes a {resource_type.name}.")
    check_schemas(resource_type, body, tolerance)
    resource: Resource = {}
    for key, raw in body.items():
        if key.lower() not in _SERVERS_OWN:
            _read_key(resource_type, resource, key, raw, tolerance)
    check_required(resource_type, resource)
    return resource


def check_schemas(resource_type: ResourceType, body: Mapping[str, Any], tolerance: frozenset[str]) -> None:
    """Refuse, unless forgiven, a body whose `schemas` is missing or names anything but this type's (RFC 7643 §3)."""
    if "ignore-unknown-schemas" in tolerance:
        return
    schemas = next((value for key, value in body.items() if key.lower() == "schemas"), None)
    known = {resource_type.schema.lower(), *(urn.lower() for urn in resource_type.extensions)}
    if not isinstance(schemas, list) or not schemas:
        raise ScimError("invalidSyntax", "'schemas' must be a list that names the schemas of the resource.")
    if resource_type.schema.lower() not in {str(urn).lower() for urn in schemas}:
        raise ScimError("invalidSyntax", f"'schemas' must name {resource_type.schema}.")
    for urn in schemas:
        if str(urn).lower() not in known:
            raise ScimError("invalidSyntax", f"The schema {urn!r} doesn't belong to a {resource_type.name}.")


def _read_key(resource_type: ResourceType, resource: Resource, key: str, raw: Any, tolerance: frozenset[str]) -> None:
    extension = resource_type.extension_named(key)
    if extension is not None:
        _read_extension(resource_type, resource, extension, raw, tolerance)
        return
    target = resolve_key(resource_type, key, tolerance)
    if target is None or target.attribute is None:
        return
    value = read_value(target.leaf, raw, tolerance, str(target))
    if value is not None and writable(target):
        put(resource, target, value)


def _read_extension(
    resource_type: ResourceType, resource: Resource, urn: str, raw: Any, tolerance: frozenset[str]
) -> None:
    if raw is None:
        return
    if not isinstance(raw, dict):
        raise ScimError("invalidValue", f"{urn} must be a JSON object.")
    for key, inner in raw.items():
        target = resolve_key(resource_type, f"{urn}:{key}", tolerance)
        if target is None or target.attribute is None:
            continue
        value = read_value(target.leaf, inner, tolerance, str(target))
        if value is not None and writable(target):
            put(resource, target, value)


def resolve_key(resource_type: ResourceType, key: str, tolerance: frozenset[str]) -> Target | None:
    """What a key of a body stands for; None when it is unknown and forgiven. Raises ScimError invalidSyntax."""
    target = resource_type.resolve(key, bare_extensions="bare-extension-attributes" in tolerance)
    if target is not None and target.sub is not None and "dotted-keys" not in tolerance:
        target = None
    if target is None and "ignore-unknown" not in tolerance:
        raise ScimError("invalidSyntax", f"A {resource_type.name} has no attribute {key!r}.")
    return target


def writable(target: Target) -> bool:
    """Whether a client may set what `target` names; read-only attributes in bodies are ignored (RFC 7644 §3.5.1)."""
    return "readOnly" not in (target.attribute.mutability if target.attribute else "", target.leaf.mutability)


def put(resource: Resource, target: Target, value: Any) -> None:
    """Set `target` in `resource`, making the extension and the complex attribute around it where they are missing."""
    holder = resource if target.extension is None else resource.setdefault(target.extension, {})
    if target.attribute is None:
        raise ValueError("a whole extension is not set as one value")
    if target.sub is None:
        holder[target.attribute.name] = value
    else:
        holder.setdefault(target.attribute.name, {})[target.sub.name] = value


def check_required(resource_type: ResourceType, resource: Mapping[str, Any], kind: str = "invalidValue") -> None:
    """Refuse a resource that lacks a required attribute, or one whose value is blank (ScimError of `kind`)."""
    for extension, attribute in resource_type.all_attributes():
        holder = resource if extension is None else resource.get(extension)
        if not attribute.required or holder is None or attribute.mutability == "readOnly":
            continue
        value = holder.get(attribute.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise ScimError(kind, f"{Target(extension, attribute)} is required and must not be empty.")


def read_value(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> Any:
    """`raw` as a canonical value of `attribute`, or None when it unassigns it (null, [], and "" where forgiven).

    `path` names the attribute in errors. Raises ScimError invalidValue for a value that doesn't fit.
    """
    if attribute.multi_valued:
        return _read_list(attribute, raw, tolerance, path)
    if isinstance(raw, list) and len(raw) == 1 and "unwrap-single" in tolerance:
        raw = raw[0]
    return read_single(attribute, raw, tolerance, path)


def read_single(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> Any:
    """One value of `attribute`: an element of it where it is multi-valued."""
    if raw is None or raw == [] or (raw == "" and "empty-string-clears" in tolerance):
        return None
    return _READERS[attribute.type](attribute, raw, tolerance, path)


def _read_list(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> list[Any] | None:
    if raw is None or (raw == "" and "empty-string-clears" in tolerance):
        return None
    if not isinstance(raw, list):
        if "wrap-single" not in tolerance:
            raise ScimError("invalidValue", f"{path} is multi-valued and must be a list.")
        raw = [raw]
    elements: list[Any] = []
    for item in raw:
        value = read_single(attribute, item, tolerance, path)
        # RFC 7643 §2.4: the same value isn't kept twice
        if value is not None and not any(same_element(attribute, value, other) for other in elements):
            elements.append(value)
    if attribute.has_primary:
        _check_primary(elements, tolerance, path)
    return elements or None


def _check_primary(elements: list[dict[str, Any]], tolerance: frozenset[str], path: str) -> None:
    primaries = [element for element in elements if element.get("primary") is True]
    if len(primaries) > 1 and "first-primary" not in tolerance:
        raise ScimError("invalidValue", f"Only one value of {path} may be primary.")
    for element in primaries[1:]:
        element["primary"] = False


def same_element(attribute: Attribute, one: Any, other: Any) -> bool:
    """Whether two elements of a multi-valued attribute are the same value: by `value` and `type` if they have them."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return bool(one == other)
    if "value" not in one and "value" not in other:
        return one == other
    return _identity(attribute, one) == _identity(attribute, other)


def _identity(attribute: Attribute, element: Mapping[str, Any]) -> tuple[Any, ...]:
    parts = []
    for name in ("value", "type"):
        value, sub = element.get(name), attribute.sub.get(name)
        parts.append(fold(sub, value) if sub is not None and isinstance(value, str) else value)
    return tuple(parts)


def read_complex(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> dict[str, Any] | None:
    """A complex value: known, writable sub-attributes that are assigned; None when none is left."""
    subs = read_subs(attribute, raw, tolerance, path)
    return {name: value for name, value in subs.items() if value is not None} or None


def read_subs(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> dict[str, Any]:
    """The sub-attributes that `raw` names, None for those it unassigns: what a merge needs to know."""
    if not isinstance(raw, dict):
        if "value" in attribute.sub and "bare-values" in tolerance and not isinstance(raw, list):
            raw = {"value": raw}
        else:
            raise ScimError("invalidValue", f"{path} is complex and must be a JSON object.")
    subs: dict[str, Any] = {}
    for key, inner in raw.items():
        sub = attribute.sub.get(key.lower())
        if sub is None:
            if "ignore-unknown" not in tolerance:
                raise ScimError("invalidSyntax", f"{path} has no sub-attribute {key!r}.")
        elif sub.mutability != "readOnly":
            subs[sub.name] = read_value(sub, inner, tolerance, f"{path}.{sub.name}")
    return subs


def _read_string(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> str:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and "number-strings" in tolerance:
        raw = str(raw)
    if not isinstance(raw, str):
        raise ScimError("invalidValue", f"{path} must be a string.")
    if "\x00" in raw:
        raise ScimError("invalidValue", f"{path} must not hold the character U+0000.")
    if len(raw) > LONGEST_KEY and path.rpartition(":")[2] in KEYED:
        raise ScimError("invalidValue", f"{path} is longer than {LONGEST_KEY} characters.")
    return raw


def _read_boolean(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and "boolean-strings" in tolerance and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise ScimError("invalidValue", f"{path} must be true or false.")


def _read_integer(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> int:
    if isinstance(raw, str) and "number-strings" in tolerance and raw.lstrip("-").isdecimal() and raw.isascii():
        raw = int(raw[:40])
    if isinstance(raw, bool) or not isinstance(raw, int) or abs(raw) >= 2**63:
        raise ScimError("invalidValue", f"{path} must be a whole number of at most 64 bits.")
    return raw


def _read_decimal(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> float | int:
    if isinstance(raw, str) and "number-strings" in tolerance:
        raw = _number(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ScimError("invalidValue", f"{path} must be a number.")
    return raw


def _number(text: str) -> float | None:
    try:
        value = Decimal(text)
    except ArithmeticError:
        return None
    return float(value) if value.is_finite() else None


def _read_date(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> str:
    if isinstance(raw, str):
        try:
            normal_date(raw)
        except ValueError as error:
            raise ScimError("invalidValue", f"{path} must be a date and time such as 2011-05-13T04:42:34Z.") from error
        return raw
    raise ScimError("invalidValue", f"{path} must be a date and time such as 2011-05-13T04:42:34Z.")


def _read_binary(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> str:
    if isinstance(raw, str):
        try:
            base64.b64decode("".join(raw.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ScimError("invalidValue", f"{path} must be base64.") from error
        return raw
    raise ScimError("invalidValue", f"{path} must be base64.")


_READERS: Final[Mapping[str, Callable[[Attribute, Any, frozenset[str], str], Any]]] = {
    "string": _read_string,
    "reference": _read_string,
    "boolean": _read_boolean,
    "integer": _read_integer,
    "decimal": _read_decimal,
    "dateTime": _read_date,
    "binary": _read_binary,
    "complex": read_complex,
}
