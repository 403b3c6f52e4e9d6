"""Steps for resources and what their schemas say (RFC 7643 §2 to §4). Each judges by NotMet; knows no server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from conformance.discovery import GROUP_URN, USER_URN
from conformance.exchange import Exchange
from conformance.expectations import NotMet, check, is_absent
from conformance.places import at
from conformance.runner import Session, SetupFailed, Unsupported

# What a schema says of a whole User or Group, and so no schema needs to list (RFC 7643 §3.1).
_COMMON: Final[Mapping[str, Mapping[str, Any]]] = {
    "id": {"mutability": "readOnly", "returned": "always", "caseExact": True},
    "externalId": {"mutability": "readWrite", "caseExact": True},
    "meta": {"mutability": "readOnly", "returned": "default"},
}
_TYPES: Final = ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex")
_NAME: Final = re.compile(r"\$ref|[A-Za-z][$\-_0-9A-Za-z]*", re.ASCII)
_VERSION: Final = re.compile(r"/v\d+(?=/|$)")
_MOST_CHANGES: Final = 6
_PAUSE: Final = 0.25  # seconds; six changes outlast a clock that counts whole seconds


def refused_or(
    session: Session, send: str, body: Any, expect: Sequence[Any] = (), read: str = "", complete: bool = False
) -> Any:
    """Send what a server may refuse (4xx with a SCIM error), or take and then answer by `expect`; the body answered.

    `read` is the path of what `expect` is judged by instead, whether the request was refused or not. Raises NotMet.
    """
    method, _, path = send.partition(" ")
    exchange = session.send(method, path, body=session.body_of(path[1:-1], body) if complete else body)
    refused = 400 <= exchange.status < 500
    if refused:
        check("error 400|403|404|409|412|413|422", exchange)
    elif exchange.status not in (200, 201, 204):
        raise NotMet(f"expected the request to be carried out or refused with 4xx, saw status {exchange.status}")
    if read:
        exchange = session.send("GET", read)
    if read or not refused:
        _met(expect, exchange)
    return exchange.body


def put(session: Session, resource: Mapping[str, Any], changes: Mapping[str, Any], expect: Sequence[Any] = ()) -> Any:
    """Send a resource back by PUT as it was read, but for those changes; the body answered. Raises NotMet.

    A change to None sends null; one to the text "left out" leaves the attribute out.
    """
    body = {name: value for name, value in {**resource, **changes}.items() if value != "left out"}
    exchange = session.send("PUT", _path_of(resource), body=body)
    _met(expect, exchange)
    return exchange.body


def _path_of(resource: Mapping[str, Any]) -> str:
    kind = "Group" if at(resource, "meta/resourceType") == "Group" else "User"
    return f"/{kind}s/{at(resource, 'id')}"


def _met(expect: Sequence[Any], exchange: Exchange) -> None:
    for expectation in expect:
        try:
            check(expectation, exchange)
        except NotMet as error:
            raise NotMet(f"{exchange.method} {exchange.url}: {error}") from error


def same_state(session: Session, paths: Sequence[str], names: Sequence[str]) -> None:
    """The resources at the paths are the same in those attributes: either all have them or none has. Raises NotMet."""
    bodies = [session.send("GET", path).body for path in paths]
    for name in names:
        seen = [at(body, name) for body in bodies]
        if len({"unassigned" if is_absent(each) else repr(each) for each in seen}) > 1:
            raise NotMet(f"expected {name} to be the same everywhere, saw {seen}")


def references_resolve(session: Session, resource: str) -> None:
    """Each `$ref` in the resource leads by GET to a resource, the one whose id stands beside it. Raises NotMet."""
    found = list(_references(session.send("GET", resource).body))
    if not found:
        raise Unsupported("the server returns no $ref there, which is optional")
    for uri, value in found:
        leads_to(session, uri, value)


def _references(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"], value.get("value")
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolved(session: Session, uri: Any, asked: str) -> list[str]:
    """What a URI may stand for: a relative one is so to the base URL (RFC 7643 §2.3.7), or to the request's (RFC 3986).

    `asked` is the request's path. Raises NotMet, Unsupported for another host.
    """
    if not isinstance(uri, str) or not uri or any(letter.isspace() for letter in uri):
        raise NotMet(f"expected a URI, saw {uri!r}")
    base = session.target.url
    found = list(dict.fromkeys(urljoin(each, uri) for each in (f"{base}/", f"{base}{asked}")))
    if any(urlsplit(each)[:2] != urlsplit(base)[:2] for each in found):
        raise Unsupported(f"{uri} is on another host, which isn't sent the token")
    return found


def leads_to(session: Session, uri: Any, value: Any, asked: str = "/") -> None:
    """A URI that was answered to a request for the path `asked` leads to the resource of that id.

    Raises NotMet, Unsupported for another host, which nothing is sent to.
    """
    for each in _resolved(session, uri, asked):
        exchange = session.send("GET", each)
        if exchange.status == 200 and at(exchange.body, "id") == value:
            return
    raise NotMet(f"expected {uri} to lead to the resource {value!r}, saw status {exchange.status}")


def same_uri(session: Session, one: Any, other: Any, asked: str) -> None:
    """Two URIs that were answered to a request for the path `asked` are the same. Raises NotMet, Unsupported."""
    if not set(_resolved(session, one, asked)) & set(_resolved(session, other, asked)):
        raise NotMet(f"expected {one!r} and {other!r} to be the same URI")


def without_version(session: Session, path: str) -> str:
    """The URI of a path below the base URL with another version of the API, or none (RFC 7643 §2.4)."""
    base = session.target.url
    other = _VERSION.sub("", base) if _VERSION.search(base) else f"{base}/v2"
    return f"{other}{path}"


def swapped_case(_: Session, text: Any) -> str:
    """The text with its letters in the other case. Raises Unsupported where it has none, or is a number."""
    swapped = str(text).swapcase()
    if swapped == str(text):
        raise Unsupported("the server's identifiers have no letters")
    return swapped


def header_agrees(session: Session, path: str, header: str, place: str) -> None:
    """A header that may be left out is, where it's there, what the body says. Raises NotMet."""
    exchange = session.send("GET", path)
    seen = exchange.header(header)
    if seen is None:
        raise Unsupported(f"the server sends no {header}")
    if seen != at(exchange.body, place):
        raise NotMet(f"expected {header} to be {place}, {at(exchange.body, place)!r}, saw {seen!r}")


def last_modified_moves(session: Session, path: str, name: str) -> None:
    """A change of that attribute moves meta.lastModified, at the latest by the next second. Raises NotMet."""
    first = at(session.send("GET", path).body, "meta/lastModified")
    operation = {"op": "replace", "path": name}
    for number in range(_MOST_CHANGES):
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{**operation, "value": f"{session.saved['unique']} {number}"}],
        }
        if session.send("PATCH", path, body=body).status not in (200, 204):
            raise SetupFailed(f"{name} can't be changed by PATCH")
        if at(session.send("GET", path).body, "meta/lastModified") != first:
            return
        session.target.wait(_PAUSE)
    raise NotMet(f"expected meta.lastModified to move with a change, saw {first!r} all the time")


def schemas_of_the_type(session: Session, resource: Mapping[str, Any], kind: str) -> None:
    """`schemas` holds what the resource type declares and nothing else, the core schema always. Raises NotMet."""
    declared = session.discovered.resource_types.get(kind)
    if declared is None:
        raise Unsupported("the server has no resource types to compare with")
    core, extensions = at(declared, "schema"), at(declared, "schemaExtensions/*/schema")
    seen = at(resource, "schemas")
    if not isinstance(seen, list) or not all(isinstance(each, str) for each in seen):
        raise NotMet(f"expected schemas to be a list of URIs, saw {seen!r}")
    if core not in seen or set(seen) - {core, *extensions} or len(seen) != len(set(seen)):
        raise NotMet(f"expected schemas to be {core!r} and at most {extensions}, each once, saw {seen}")


def declared(session: Session, attribute: str, characteristics: Mapping[str, Any]) -> None:
    """The schema declares for `<URN> <path>` what the RFC says; a list names what else it may. Raises NotMet."""
    urn, _, path = attribute.partition(" ")
    if urn not in session.discovered.schemas:
        raise Unsupported(f"the server has no schema {urn}")
    found = session.discovered.attribute(urn, path)
    if found is None:
        raise NotMet(f"expected the schema to have {path}, saw none")
    for name, wanted in characteristics.items():
        seen = found.get(name)
        if seen not in (wanted if isinstance(wanted, list) else [wanted]):
            raise NotMet(f"expected {path} to be declared with {name} {wanted!r}, saw {seen!r}")


def common_attributes(session: Session) -> None:
    """A schema that lists the common attributes says of them what RFC 7643 §3.1 says. Raises NotMet."""
    for schema in _schemas(session):
        for name, characteristics in _COMMON.items():
            if schema["id"] in (USER_URN, GROUP_URN) and session.discovered.attribute(schema["id"], name):
                declared(session, f"{schema['id']} {name}", characteristics)


def _schemas(session: Session) -> list[Any]:
    """The schemas, but those of discovery itself, which needs not keep to the same rules (RFC 7643 §7)."""
    own = (":2.0:Schema", ":2.0:ResourceType", ":2.0:ServiceProviderConfig")
    found = [each for urn, each in session.discovered.schemas.items() if not urn.endswith(own)]
    if not found:
        raise Unsupported("the server has no schemas to look at")
    return found


def _attributes(value: Any, depth: int = 0) -> Iterator[tuple[Mapping[str, Any], int]]:
    for each in value if isinstance(value, list) else ():
        if not isinstance(each, Mapping):
            raise NotMet(f"expected a schema's attribute to be an object, saw {each!r}")
        yield each, depth
        yield from _attributes(each.get("subAttributes"), depth + 1)


def _every(session: Session) -> Iterator[tuple[Mapping[str, Any], int]]:
    for schema in _schemas(session):
        yield from _attributes(schema.get("attributes"))


def names_are_names(session: Session) -> None:
    """Every attribute's name is one by RFC 7643 §2.1. Raises NotMet."""
    _none(session, "a name by RFC 7643 §2.1", lambda each, _: not _NAME.fullmatch(str(each.get("name", ""))))


def types_are_known(session: Session) -> None:
    """Every attribute has a type of RFC 7643 §2.3. Raises NotMet."""
    _none(session, "one of the data types", lambda each, _: each.get("type", "string") not in _TYPES)


def simple_is_simple(session: Session) -> None:
    """Only complex attributes have sub-attributes. Raises NotMet."""
    _none(session, "complex, having sub-attributes", lambda each, _: each.get("type") != "complex" and _parts(each))


def complex_is_flat(session: Session) -> None:
    """No sub-attribute is complex or has sub-attributes. Raises NotMet."""
    _none(session, "simple, as a part", lambda each, depth: depth and (each.get("type") == "complex" or _parts(each)))


def _parts(attribute: Mapping[str, Any]) -> bool:
    return bool(attribute.get("subAttributes"))


def _none(session: Session, wanted: str, is_bad: Callable[[Mapping[str, Any], int], object]) -> None:
    bad = [each.get("name") for each, depth in _every(session) if is_bad(each, depth)]
    if bad:
        raise NotMet(f"expected every attribute to be {wanted}, saw {bad}")


def extensions_add(session: Session) -> None:
    """No extension has an attribute of the core schema that it extends. Raises NotMet."""
    for kind in session.discovered.resource_types.values():
        core = _names(session, at(kind, "schema")) | {"id", "externalid", "meta", "schemas"}
        for extension in at(kind, "schemaExtensions/*/schema"):
            if both := core & _names(session, extension):
                raise NotMet(f"expected {extension} to redefine nothing, saw {sorted(both)}")


def _names(session: Session, urn: Any) -> set[str]:
    schema = session.discovered.schemas.get(str(urn), {})
    return {str(name).lower() for name in at(schema, "attributes/*/name")}


RESOURCE_PROCEDURES: Final = {
    each.__name__: each
    for each in (
        refused_or,
        put,
        same_state,
        references_resolve,
        leads_to,
        same_uri,
        without_version,
        swapped_case,
        header_agrees,
        last_modified_moves,
        schemas_of_the_type,
        declared,
        common_attributes,
        names_are_names,
        types_are_known,
        simple_is_simple,
        complex_is_flat,
        extensions_add,
    )
}
