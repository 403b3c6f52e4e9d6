"""Steps that hold the schemas a server declares against each other and against the RFC's form. Judges by NotMet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance.expectations import NotMet
from conformance.places import at, objects_at
from conformance.runner import Session, Unsupported

# Schemas of the discovery resources themselves, to which not all rules apply (RFC 7643 §7).
_OF_DISCOVERY: Final = tuple(
    f"urn:ietf:params:scim:schemas:core:2.0:{name}" for name in ("Schema", "ResourceType", "ServiceProviderConfig")
)
TYPES: Final = ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex")
_WORDS: Final = {
    "type": TYPES,
    "mutability": ("readOnly", "readWrite", "immutable", "writeOnly"),
    "returned": ("always", "never", "default", "request"),
    "uniqueness": ("none", "server", "global"),
}
# What an attribute is where its definition says nothing (RFC 7643 §2.2).
_DEFAULTS: Final[Mapping[str, Any]] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """An attribute as a schema declares it. `urn` is empty for one of a resource's core schema."""

    urn: str
    names: tuple[str, ...]
    said: Mapping[str, Any]

    def is_(self, characteristic: str) -> Any:
        """The characteristic, or its default."""
        return self.said.get(characteristic, _DEFAULTS.get(characteristic))

    @property
    def dotted(self) -> str:
        """Its names with dots between: `name.familyName`."""
        return ".".join(self.names)

    @property
    def path(self) -> str:
        """How filters, `attributes` and PATCH name it."""
        return f"{self.urn}:{self.dotted}" if self.urn else self.dotted

    @property
    def place(self) -> str:
        """Where it stands in a resource (places.py)."""
        return "/".join((self.urn, *self.names) if self.urn else self.names)

    def inner(self) -> Iterator[Declared]:
        """Its sub-attributes."""
        for said in objects_at(self.said, "subAttributes"):
            yield Declared(self.urn, (*self.names, str(said.get("name"))), said)


def declared(session: Session, kind: str) -> list[Declared]:
    """The attributes of a resource type, those of its extensions too. Raises Unsupported where none are told."""
    told = session.discovered.resource_types.get(kind)
    schemas = session.discovered.schemas
    if told is None or str(told.get("schema")) not in schemas:
        raise Unsupported(f"the server doesn't tell the schema of {kind}")
    extensions = [str(each.get("schema")) for each in objects_at(told, "schemaExtensions")]
    found: list[Declared] = []
    for urn in (str(told["schema"]), *extensions):
        own = "" if urn == told["schema"] else urn
        attributes = objects_at(schemas.get(urn, {}), "attributes")
        found += [Declared(own, (str(said.get("name")),), said) for said in attributes]
    return found


def _bad_words(one: Declared) -> str | None:
    for characteristic, words in _WORDS.items():
        if one.is_(characteristic) not in words:
            return f"has the {characteristic} {one.is_(characteristic)!r}"
    return None


def _bad_flags(one: Declared) -> str | None:
    for characteristic in ("multiValued", "required", "caseExact"):
        if not isinstance(one.is_(characteristic), bool):
            return f"has the {characteristic} {one.is_(characteristic)!r}, which is no boolean"
    return None


def _incomplete(one: Declared) -> str | None:
    missing = [name for name in ("name", "type", "multiValued") if name not in one.said]
    return f"doesn't say its {', '.join(missing)}" if missing else None


def _terse(one: Declared) -> str | None:
    wanted = ["description", "required", "mutability", "returned"]
    if one.is_("type") != "complex":
        wanted += ["caseExact", "uniqueness"]
    missing = [name for name in wanted if name not in one.said]
    return f"doesn't say its {', '.join(missing)}" if missing else None


def _without_parts(one: Declared) -> str | None:
    empty = one.is_("type") == "complex" and not one.said.get("subAttributes")
    return "is complex and lists no subAttributes" if empty else None


def _reference_to_nothing(one: Declared) -> str | None:
    vague = one.is_("type") == "reference" and not one.said.get("referenceTypes")
    return "is a reference without referenceTypes" if vague else None


def _secret_told(one: Declared) -> str | None:
    told = one.is_("mutability") == "writeOnly" and one.is_("returned") != "never"
    return "is writeOnly and yet returned" if told else None


_RULES: Final[Mapping[str, Callable[[Declared], str | None]]] = {
    "words": _bad_words,
    "flags": _bad_flags,
    "complete": _incomplete,
    "thorough": _terse,
    "parts": _without_parts,
    "reference types": _reference_to_nothing,
    "writeOnly is never returned": _secret_told,
}


def every_attribute(session: Session, rule: str) -> None:
    """Hold every attribute of every schema against a rule of RFC 7643 §2 and §7. Raises NotMet, Unsupported."""
    if not session.discovered.schemas:
        raise Unsupported("the server tells no schemas")
    wrong: list[str] = []
    for urn, schema in session.discovered.schemas.items():
        if urn in _OF_DISCOVERY:
            continue
        outer = [Declared(urn, (str(said.get("name")),), said) for said in objects_at(schema, "attributes")]
        for one in [*outer, *(part for each in outer for part in each.inner())]:
            said = _RULES[rule](one)
            wrong += [f"{one.path} {said}"] if said else []
    if wrong:
        raise NotMet(f"expected the schemas to keep the rule {rule!r}, saw that {'; '.join(wrong[:5])}")


def each_by_itself(session: Session, path: str, member: str) -> None:
    """Read each element of a discovery list by its own address; both must say the same. Raises NotMet."""
    listed = session.send("GET", path)
    elements = at(listed.body, "Resources")
    if listed.status != 200 or not isinstance(elements, list):
        raise NotMet(f"expected {listed.url} to list what there is, saw status {listed.status} and {elements!r}")
    for one in elements:
        alone = session.send("GET", f"{path}/{at(one, member)}")
        if alone.status != 200:
            raise NotMet(f"expected {alone.url} to be what {path} lists, saw status {alone.status}")
        for name in (member, "attributes", "schema", "endpoint", "schemaExtensions"):
            if at(alone.body, name) != at(one, name):
                raise NotMet(f"expected {name} of {alone.url} to be what {path} lists, saw another")


def types_name_known_schemas(session: Session, extensions: bool) -> None:
    """Each schema that a resource type names is among /Schemas (RFC 7643 §6). Raises NotMet."""
    for name, told in session.discovered.resource_types.items():
        inner = [each.get("schema") for each in objects_at(told, "schemaExtensions")]
        named = inner if extensions else [told.get("schema")]
        if unknown := [each for each in named if each not in session.discovered.schemas]:
            raise NotMet(f"expected /Schemas to have what {name} names, saw no {unknown[0]}")


def endpoints_answer(session: Session) -> None:
    """Each resource type's endpoint is there, and its resources name that type. Raises NotMet."""
    for name, told in session.discovered.resource_types.items():
        exchange = session.send("GET", "/" + str(told.get("endpoint")).lstrip("/"), query={"count": 1})
        if exchange.status == 404:
            raise NotMet(f"expected {exchange.url} to be there for resources of the type {name}, saw status 404")
        elements = at(exchange.body, "Resources")
        for one in elements if isinstance(elements, list) else ():
            if at(one, "meta/resourceType") != name:
                raise NotMet(f"expected meta.resourceType {name}, saw {at(one, 'meta/resourceType')!r}")


def schemas_belong_to_the_type(session: Session, resource: Mapping[str, Any], kind: str) -> None:
    """Every URN that a resource names is of its type's schemas (RFC 7643 §3, §6). Raises NotMet."""
    told = session.discovered.resource_types.get(kind)
    if told is None:
        raise Unsupported(f"the server doesn't tell the resource type {kind}")
    known = {told.get("schema"), *(each.get("schema") for each in objects_at(told, "schemaExtensions"))}
    schemas = at(resource, "schemas")
    named = {str(each) for each in schemas if each} if isinstance(schemas, list) else set()
    named |= {name for name in resource if name.startswith("urn:")}
    if unknown := named - known:
        raise NotMet(f"expected schemas of the type {kind}, saw {sorted(unknown)}")


PROCEDURES: Final[Mapping[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        every_attribute,
        each_by_itself,
        types_name_known_schemas,
        endpoints_answer,
        schemas_belong_to_the_type,
    )
}
