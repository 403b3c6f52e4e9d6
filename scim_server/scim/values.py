"""Reading attribute values: JSON in, canonical values out, by the schema and the request's tolerance.

A resource is a plain dict with attribute names as published and each extension under its URN; what is unassigned is
absent (RFC 7643 §2.5). Strings are kept as sent. Must not know operations, storage or product rules.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from sys import float_info
from typing import Any, Final

from scim_server.scim.dates import normal_date
from scim_server.scim.errors import ScimError
from scim_server.scim.schema import Attribute, ResourceType, Target, fold

Resource = dict[str, Any]

# An index entry has a size limit on every database, so that attributes which are looked up by index have one too.
LONGEST_KEY: Final = 512
KEYED: Final = frozenset(
    ("userName", "externalId", "displayName", "emails.value", "name.familyName", "employeeNumber", "department")
)

# Core attributes whose strings have a form: the row of tolerance.py that lets others in, the form, and what it is.
_FORMS: Final[Mapping[str, tuple[str, re.Pattern[str], str]]] = {
    "addresses.country": (
        "country-names",
        re.compile(r"[A-Za-z]{2}"),
        "a country's code of two letters (ISO 3166-1 alpha-2)",
    ),
    "photos.value": (
        "any-photo",
        re.compile(r"(?:https?://|data:image/)\S+", re.IGNORECASE),
        "the URL of a picture: http, https or data:image",
    ),
}

_DIGITS: Final = re.compile(r"-?[0-9]{1,19}")
UNSOUND: Final = re.compile(r"[\x00\ud800-\udfff]")  # what no database, or no UTF-8, can hold
_LARGEST_INTEGER: Final = 2**63  # what databases and other people's parsers hold
_LARGEST_EXACT: Final = 2**53  # a larger float has lost digits that were on the wire

# Assigned by the server on every resource; ignored in bodies (RFC 7643 §3.1, lifecycle.md D9).
_SERVERS_OWN: Final = frozenset(("schemas", "id", "meta"))


def is_sound(text: str) -> bool:
    """Whether `text` can be stored and sent: no U+0000, which PostgreSQL refuses, and no half of a surrogate pair."""
    return UNSOUND.search(text) is None


def read_resource(resource_type: ResourceType, body: Any, tolerance: frozenset[str]) -> Resource:
    """The resource that a POST or PUT body describes, without `schemas`, `id`, `meta` and read-only attributes.

    Raises ScimError: invalidSyntax when the body is no object, names unknown schemas or attributes that aren't
    forgiven; invalidValue for values that don't fit or a missing required one (RFC 7644 §3.3).
    """
    if not isinstance(body, dict):
        raise ScimError("invalidSyntax", f"The body must be a JSON object that describes a {resource_type.name}.")
    check_schemas(resource_type, body, tolerance)
    resource: Resource = {}
    found = _read_keys(resource_type, body, tolerance)
    # a dotted key completes what another key gives, wherever in the body it stands
    for target, value in sorted(found, key=lambda pair: pair[0].sub is not None):
        put(resource, target, value)
    check_required(resource_type, resource)
    return resource


def check_schemas(resource_type: ResourceType, body: Mapping[str, Any], tolerance: frozenset[str]) -> None:
    """Refuse, unless forgiven, a body whose `schemas` is missing or names anything but this type's (RFC 7643 §3)."""
    if "ignore-unknown-schemas" in tolerance:
        return
    schemas = next((value for key, value in body.items() if key.lower() == "schemas"), None)
    known = {resource_type.schema.lower(), *(urn.lower() for urn in resource_type.extensions)}
    if not isinstance(schemas, list) or not schemas or not all(isinstance(urn, str) for urn in schemas):
        raise ScimError("invalidSyntax", "'schemas' must be a list that names the schemas of the resource.")
    if resource_type.schema.lower() not in {urn.lower() for urn in schemas}:
        raise ScimError("invalidSyntax", f"'schemas' must name {resource_type.schema}.")
    for urn in schemas:
        if urn.lower() not in known:
            raise ScimError("invalidSyntax", f"The schema {urn[:128]!r} doesn't belong to a {resource_type.name}.")


def _read_keys(
    resource_type: ResourceType, body: Mapping[str, Any], tolerance: frozenset[str]
) -> Iterator[tuple[Target, Any]]:
    for key, raw in body.items():
        extension = resource_type.extension_named(key)
        if extension is not None:
            for inner_key, inner in read_extension(extension, raw).items():
                yield from _read_key(resource_type, f"{extension}:{inner_key}", inner, tolerance)
        elif resource_type.is_core(key) and isinstance(raw, dict):
            yield from _read_keys(resource_type, raw, tolerance)
        elif key.lower() not in _SERVERS_OWN:
            yield from _read_key(resource_type, key, raw, tolerance)


def _read_key(
    resource_type: ResourceType, key: str, raw: Any, tolerance: frozenset[str]
) -> Iterator[tuple[Target, Any]]:
    target = resolve_key(resource_type, key, tolerance)
    if target is None or target.attribute is None or not writable(target):
        return
    value = read_value(target.leaf, raw, tolerance, str(target))
    if value is not None:
        yield target, value


def read_extension(urn: str, raw: Any) -> Mapping[str, Any]:
    """The keys of an extension's object, none where it is null. Raises ScimError invalidValue for anything else."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ScimError("invalidValue", f"{urn} must be a JSON object.")
    return raw


def resolve_key(resource_type: ResourceType, key: str, tolerance: frozenset[str]) -> Target | None:
    """What a key of a body stands for; None when it is unknown and forgiven. Raises ScimError invalidSyntax."""
    target = resource_type.resolve(key, bare_extensions="bare-extension-attributes" in tolerance)
    if target is not None and target.sub is not None and "dotted-keys" not in tolerance:
        target = None
    if target is None and "ignore-unknown" not in tolerance:
        raise ScimError("invalidSyntax", f"A {resource_type.name} has no attribute {key[:128]!r}.")
    return target


def writable(target: Target) -> bool:
    """Whether a client may set what `target` names; read-only attributes in bodies are ignored (RFC 7644 §3.5.1)."""
    return "readOnly" not in (target.attribute.mutability if target.attribute else "", target.leaf.mutability)


def put(resource: Resource, target: Target, value: Any) -> None:
    """Set `target` in `resource`, making the extension and the complex attribute around it where they are missing."""
    holder = resource if target.extension is None else resource.setdefault(target.extension, {})
    if target.attribute is None:
        raise ValueError("a whole extension is not set as one value")
    name = target.attribute.name
    if target.sub is None:
        holder[name] = value
    elif target.attribute.multi_valued:
        elements = holder.get(name) or [{}]
        holder[name] = set_each(elements, range(len(elements)), target.sub, value)
    else:
        holder[name] = with_sub(holder.get(name, {}), target.sub, value)


def set_each(
    elements: Sequence[Mapping[str, Any]], places: Sequence[int], sub: Attribute, value: Any
) -> list[dict[str, Any]]:
    """The elements with `sub` of those at `places` (at least one) set, without those that become empty.

    Only one may be made primary: the one that is, or else the first.
    """
    if sub.name == "primary" and value is True:
        places = [next((place for place in places if elements[place].get("primary") is True), places[0])]
    chosen = frozenset(places)
    changed = [with_sub(each, sub, value) if place in chosen else dict(each) for place, each in enumerate(elements)]
    return [element for element in changed if element]


def with_sub(element: Mapping[str, Any], sub: Attribute, value: Any) -> dict[str, Any]:
    """The complex value with one sub-attribute set; None unassigns it."""
    rest = {name: inner for name, inner in element.items() if name != sub.name}
    return rest if value is None else {**rest, sub.name: value}


def check_required(resource_type: ResourceType, resource: Mapping[str, Any], kind: str = "invalidValue") -> None:
    """Refuse a resource that lacks a required attribute, or one whose value is blank (ScimError of `kind`)."""
    for extension, attribute in resource_type.all_attributes():
        holder = resource if extension is None else resource.get(extension)
        if not attribute.required or holder is None or attribute.mutability == "readOnly":
            continue
        value = holder.get(attribute.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise ScimError(kind, f"{Target(extension, attribute)} is required and must not be empty.")


def check_immutable(resource_type: ResourceType, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse a replacement that changes or drops an immutable value (RFC 7644 §3.5.1: 400, mutability)."""
    for extension, attribute in resource_type.all_attributes():
        old = (before if extension is None else before.get(extension, {})).get(attribute.name)
        new = (after if extension is None else after.get(extension, {})).get(attribute.name)
        if attribute.mutability == "immutable" and old is not None and old != new:
            raise ScimError("mutability", f"{Target(extension, attribute)} is immutable and already has a value.")
        check_parts(extension, attribute, old, new)


def check_parts(extension: str | None, attribute: Attribute, before: Any, after: Any) -> None:
    """Refuse a single complex value in which an immutable part isn't what it was; without the whole, its parts go."""
    if attribute.multi_valued or not isinstance(before, dict) or not isinstance(after, dict):
        return
    for sub in attribute.sub.values():
        old = before.get(sub.name)
        if sub.mutability == "immutable" and old is not None and old != after.get(sub.name):
            path = Target(extension, attribute, sub)
            raise ScimError("mutability", f"{path} is immutable and already has a value.")


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
    elements: dict[Hashable, Any] = {}
    for item in raw:
        value = read_single(attribute, item, tolerance, path)
        if value is not None:  # RFC 7643 §2.4: the same value isn't kept twice
            elements.setdefault(element_key(attribute, value), value)
    found = list(elements.values())
    if attribute.has_primary:
        _check_primary(found, tolerance, path)
    return found or None


def _check_primary(elements: list[dict[str, Any]], tolerance: frozenset[str], path: str) -> None:
    primaries = [element for element in elements if element.get("primary") is True]
    if len(primaries) > 1 and "first-primary" not in tolerance:
        raise ScimError("invalidValue", f"Only one value of {path} may be primary.")
    for element in primaries[1:]:
        element["primary"] = False


def element_key(attribute: Attribute, element: Any, *, by: Sequence[str] = ("value", "type")) -> Hashable:
    """What two elements of a multi-valued attribute share that are the same value.

    That is `value` and `type` if the element has a `value`, and all of it if not.
    """
    if not isinstance(element, dict):
        return type(element), element
    if "value" not in element:
        return repr(sorted(element.items()))
    return tuple(_folded(attribute.sub.get(name), element.get(name)) for name in by)


def _folded(sub: Attribute | None, value: Any) -> Any:
    return fold(sub, value) if sub is not None and isinstance(value, str) else (repr(value),)


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
                raise ScimError("invalidSyntax", f"{path} has no sub-attribute {key[:128]!r}.")
        elif sub.mutability != "readOnly":
            subs[sub.name] = read_value(sub, inner, tolerance, f"{path}.{sub.name}")
    return subs


def _read_string(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> str:
    if "number-strings" in tolerance and _is_exact(raw):
        raw = str(raw)
    if not isinstance(raw, str):
        raise ScimError("invalidValue", f"{path} must be a string.")
    if not is_sound(raw):
        raise ScimError("invalidValue", f"{path} must not hold the character U+0000 or half of a surrogate pair.")
    if len(raw) > LONGEST_KEY and path.rpartition(":")[2] in KEYED:
        raise ScimError("invalidValue", f"{path} is longer than {LONGEST_KEY} characters.")
    _check_form(path, raw, tolerance)
    return raw


def _check_form(path: str, text: str, tolerance: frozenset[str]) -> None:
    row, form, words = _FORMS.get(path, ("", None, ""))
    if form is not None and row not in tolerance and not form.fullmatch(text):
        raise ScimError("invalidValue", f"{path} must be {words}.")


def _is_exact(raw: Any) -> bool:
    """Whether `raw` is a number with the digits it was sent with."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return False
    return abs(raw) < (_LARGEST_INTEGER if isinstance(raw, int) else _LARGEST_EXACT)


def _read_boolean(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and "boolean-strings" in tolerance and raw.lower() in ("true", "false"):
        return raw.lower() == "true"
    raise ScimError("invalidValue", f"{path} must be true or false.")


def _read_integer(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> int:
    if isinstance(raw, str) and "number-strings" in tolerance and _DIGITS.fullmatch(raw):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or abs(raw) >= _LARGEST_INTEGER:
        raise ScimError("invalidValue", f"{path} must be a whole number of at most 64 bits.")
    return raw


def _read_decimal(attribute: Attribute, raw: Any, tolerance: frozenset[str], path: str) -> float | int:
    if isinstance(raw, str) and "number-strings" in tolerance:
        raw = _number(raw)
    # neither infinite, nor NaN (which is not less than anything), nor a whole number beyond all floats
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not abs(raw) <= float_info.max:
        raise ScimError("invalidValue", f"{path} must be a number.")
    return raw


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


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
