"""Steps that try whether a server is what its discovery says: schemas, and ServiceProviderConfig. Judges by NotMet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from conformance.discovery import ENTERPRISE_URN
from conformance.expectations import NotMet, is_absent
from conformance.places import MISSING, at
from conformance.procedures_schemas import Declared, declared
from conformance.runner import Session, SetupFailed, Unsupported

# Attributes whose values have a form that a server may insist on; what isn't here takes any text.
_SAMPLES: Final[Mapping[str, Any]] = {
    "emails.value": "full-${unique}@example.com",
    "userName": "full-${unique}@example.com",
    "preferredLanguage": "en-US",
    "locale": "en-US",
    "timezone": "Europe/Berlin",
    "profileUrl": "https://example.com/${unique}",
    "photos.value": "https://example.com/photo.jpg",
    "phoneNumbers.value": "+1 555 0100",
    "addresses.country": "DE",
    "active": True,
}
# What a server may know better: rights, keys, and who is in what.
_LEFT: Final = ("roles", "entitlements", "x509Certificates", "password", "groups", "manager", "members")
_JSON: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "dateTime": (str,),
    "binary": (str,),
    "reference": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "decimal": (int, float),
    "complex": (dict,),
}
_COMMON: Final = ("schemas", "id", "externalid", "meta")


def _sample(one: Declared, unique: str) -> Any:
    """A value that the attribute should take; of a multi-valued one, one element."""
    if one.is_("type") == "complex":
        parts = [part for part in one.inner() if part.is_("mutability") != "readOnly" and part.names[-1] != "$ref"]
        return {part.names[-1]: _sample(part, unique) for part in parts}
    if one.said.get("canonicalValues"):
        return one.said["canonicalValues"][0]
    known = _SAMPLES.get(one.dotted)
    if known is not None:
        return known.replace("${unique}", unique) if isinstance(known, str) else known
    plain = {"boolean": True, "integer": 7, "decimal": 1.5, "dateTime": "2001-02-03T04:05:06Z", "binary": "c2NpbQ=="}
    return plain.get(one.is_("type"), f"{one.names[-1]} MiXed {unique}")


def _writable(session: Session, kind: str) -> list[Declared]:
    """The attributes of the core and enterprise schemas that can be written; of other schemas the sense isn't known."""
    return [
        one
        for one in declared(session, kind)
        if one.urn in ("", ENTERPRISE_URN) and one.is_("mutability") == "readWrite" and one.names[0] not in _LEFT
    ]


def full_body(session: Session, kind: str = "User") -> dict[str, Any]:
    """A body with a value for every attribute that can be written. Raises Unsupported."""
    own: dict[str, Any] = {}
    for one in _writable(session, kind):
        value = _sample(one, session.saved["unique"])
        holder = own.setdefault(one.urn, {}) if one.urn else own
        holder[one.names[0]] = [value] if one.is_("multiValued") else value
    return session.body_of(kind, own)


def make_full(session: Session, kind: str = "User") -> dict[str, Any]:
    """Make a resource with a value for every attribute that can be written; what is read of it then."""
    made = session.send("POST", f"/{kind}s", body=full_body(session, kind))
    if made.status != 201:
        raise SetupFailed(f"POST /{kind}s was answered with {made.status}: {made.text[:200]}")
    body: dict[str, Any] = session.send("GET", f"/{kind}s/{at(made.body, 'id')}").body
    return body


def _leaves(attributes: list[Declared]) -> Iterator[Declared]:
    """Simple attributes and sub-attributes of singular complex ones."""
    for one in attributes:
        if one.is_("multiValued"):
            continue
        yield from one.inner() if one.is_("type") == "complex" else (one,)


def keeps_what_is_declared(session: Session, kind: str = "User") -> None:
    """What is declared readWrite, down to the sub-attributes, is there when read again. Raises NotMet."""
    body = full_body(session, kind)
    made = session.send("POST", f"/{kind}s", body=body)
    if made.status != 201:
        raise NotMet(f"expected a resource with every declared attribute to be made, saw {made.status}: {made.text}")
    seen = session.send("GET", f"/{kind}s/{at(made.body, 'id')}").body
    for one in _writable(session, kind):
        for part in one.inner() if one.is_("type") == "complex" else (one,):
            place = part.place if not one.is_("multiValued") else f"{one.place}/0/{part.names[-1]}"
            wanted = at(body, place)
            if wanted is not MISSING and one.is_("returned") != "never" and at(seen, place) != wanted:
                raise NotMet(f"expected {part.path} to be kept as {wanted!r}, saw {at(seen, place)!r}")


def only_declared(session: Session, resource: Mapping[str, Any], kind: str = "User") -> None:
    """Every attribute and sub-attribute that is answered is declared (RFC 7643 §7). Raises NotMet."""
    known = {one.place.lower(): one for one in declared(session, kind)}
    for name, value in resource.items():
        members = [(f"{name}/{inner}", each) for inner, each in value.items()] if name.startswith("urn:") else []
        for place, inner in members or [(name, value)]:
            if place.lower() in _COMMON:
                continue
            one = known.get(place.lower())
            if one is None:
                raise NotMet(f"expected {place} to be declared in /Schemas, saw nothing of it")
            parts = {part.names[-1].lower() for part in one.inner()}
            for each in inner if isinstance(inner, list) else [inner]:
                unknown = {key for key in each if key.lower() not in parts} if isinstance(each, dict) else set()
                if unknown:
                    raise NotMet(f"expected the sub-attributes of {place} to be declared, saw {sorted(unknown)}")


def right_types(session: Session, resource: Mapping[str, Any], kind: str = "User") -> None:
    """Every value has the JSON type that its attribute declares (RFC 7643 §2.3). Raises NotMet."""
    for one in declared(session, kind):
        value = at(resource, one.place)
        for each in value if isinstance(value, list) else [value]:
            _right_type(one, each)
            for part in one.inner() if isinstance(each, dict) else ():
                _right_type(part, at(each, part.names[-1]))


def _right_type(one: Declared, value: Any) -> None:
    if is_absent(value):
        return
    kinds = _JSON.get(one.is_("type"), (object,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds and object not in kinds):
        raise NotMet(f"expected {one.path} to be a {one.is_('type')}, saw {value!r}")


def right_number(session: Session, resource: Mapping[str, Any], kind: str = "User") -> None:
    """What is declared multiValued is a list, and nothing else is (RFC 7643 §2.4). Raises NotMet."""
    for one in declared(session, kind):
        value = at(resource, one.place)
        if not is_absent(value) and isinstance(value, list) != bool(one.is_("multiValued")):
            said = "a list" if one.is_("multiValued") else "a single value"
            raise NotMet(f"expected {one.path} to be {said}, saw {value!r}")


def case_in_filters(session: Session, exact: bool) -> None:
    """Another case finds a value, unless its attribute is declared caseExact (RFC 7643 §7). Raises NotMet.

    Attributes that the server refuses to filter by are passed over.
    """
    made = make_full(session)
    tried = 0
    for one in _leaves(_writable(session, "User")):
        value = at(made, one.place)
        if one.is_("type") not in ("string", "reference") or bool(one.is_("caseExact")) != exact:
            continue
        if not isinstance(value, str) or value == value.swapcase():
            continue
        ours = f'{one.path} eq "{value.swapcase()}" and id eq "{made["id"]}"'
        found = session.send("GET", "/Users", query={"filter": ours, "attributes": "id"})
        if found.status != 200:
            continue
        tried += 1
        if bool(at(found.body, "totalResults")) is exact:
            said = "not to find" if exact else "to find"
            raise NotMet(f"expected a filter on {one.path} in another case {said} the value, saw the contrary")
    if not tried:
        raise Unsupported("there is no attribute to try this with")


def demands_required(session: Session, kind: str, method: str) -> None:
    """A resource without an attribute that is declared required is refused (RFC 7643 §7), or a PUT leaves it as it was.

    Raises NotMet.
    """
    required = [one for one in declared(session, kind) if one.is_("required") and one.is_("mutability") != "readOnly"]
    if not required:
        raise Unsupported(f"nothing of {kind} is declared required")
    target = f"/{kind}s"
    if method == "PUT":
        target += f"/{session.make(kind, {})['id']}"
    for one in required:
        body = session.body_of(kind, {})
        holder = body.get(one.urn, {}) if one.urn else body
        holder.pop(one.names[0], None)
        answer = session.send(method, target, body=body)
        kept = method == "PUT" and answer.status in (200, 204) and _is_there(session, target, one)
        if not kept and not 400 <= answer.status < 500:
            raise NotMet(f"expected {method} without the required {one.path} to be refused, saw {answer.status}")


def _is_there(session: Session, path: str, one: Declared) -> bool:
    return not is_absent(at(session.send("GET", path).body, one.place))


def demands_no_more(session: Session, kind: str) -> None:
    """A resource with nothing but what is declared required is taken. Raises NotMet."""
    needed = {one.names[0] for one in declared(session, kind) if one.is_("required") and not one.urn}
    whole = session.body_of(kind, {})
    answer = session.send(
        "POST", f"/{kind}s", body={name: each for name, each in whole.items() if name in (*needed, "schemas")}
    )
    if answer.status != 201:
        raise NotMet(f"expected nothing but {sorted(needed)} to be demanded, saw {answer.status}: {answer.text[:200]}")


def keeps_unique(session: Session, kind: str) -> None:
    """A value of an attribute whose uniqueness is declared isn't taken twice (RFC 7643 §7). Raises NotMet."""
    unique = [one for one in declared(session, kind) if one.is_("uniqueness") != "none" and one.is_("type") == "string"]
    unique = [one for one in unique if one.is_("mutability") == "readWrite" and not one.urn]
    if not unique:
        raise Unsupported(f"nothing of {kind} is declared unique")
    first = session.make(kind, {})
    for one in unique:
        value = at(first, one.place)
        answer = session.send("POST", f"/{kind}s", body=session.body_of(kind, {one.names[0]: value}))
        if isinstance(value, str) and answer.status != 409:
            raise NotMet(f"expected a second {one.path} {value!r} to be 409, saw {answer.status}")


def shares_the_rest(session: Session) -> None:
    """Values whose uniqueness isn't declared may be those of another User too. Raises NotMet."""
    first = session.make("User", {})
    unique = {one.names[0] for one in declared(session, "User") if one.is_("uniqueness") != "none"}
    same = {name: first[name] for name in ("displayName", "name", "emails") if name in first and name not in unique}
    answer = session.send("POST", "/Users", body=session.body_of("User", same))
    if answer.status != 201:
        raise NotMet(f"expected {sorted(same)} not to be unique, as declared, saw {answer.status}: {answer.text[:200]}")


def takes_canonical_values(session: Session) -> None:
    """Each canonical value that is declared for a `type` is taken and answered (RFC 7643 §7). Raises NotMet."""
    own: dict[str, Any] = {}
    for one in _writable(session, "User"):
        for part in one.inner() if one.is_("multiValued") and not one.urn else ():
            words = part.said.get("canonicalValues") or ()
            if words and part.names[-1] == "type":
                whole = _sample(one, session.saved["unique"])
                own[one.names[0]] = [
                    {**whole, "value": f"{number}{whole['value']}", "type": word, "primary": number == 0}
                    if isinstance(whole.get("value"), str) and one.names[0] == "emails"
                    else {**whole, "type": word, "primary": number == 0}
                    for number, word in enumerate(words)
                ]
    if not own:
        raise Unsupported("no canonicalValues are declared")
    made = session.make("User", own)
    for name, values in own.items():
        kept = {str(at(each, "type")) for each in made.get(name) or ()}
        if missing := {each["type"] for each in values} - kept:
            raise NotMet(f"expected {name} of each declared type, saw none of {sorted(missing)}")


PROCEDURES: Final[Mapping[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        make_full,
        keeps_what_is_declared,
        only_declared,
        right_types,
        right_number,
        case_in_filters,
        demands_required,
        demands_no_more,
        keeps_unique,
        shares_the_rest,
        takes_canonical_values,
    )
}
