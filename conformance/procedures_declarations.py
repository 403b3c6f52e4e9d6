"""Steps on what resource types, ServiceProviderConfig and security events declare. Each judges by NotMet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from conformance.expectations import NotMet, is_absent
from conformance.places import at, objects_at
from conformance.runner import Session, Unsupported

PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
EVENT_URN: Final = "urn:ietf:params:scim:event:"
ASYNC_EVENT: Final = f"{EVENT_URN}misc:asyncresp"
# The events of RFC 9967 §2.3 to §2.5: those of changes are notices or full, the others are neither.
_CHANGES: Final = ("prov:create", "prov:patch", "prov:put")
_QUALIFIED: Final = tuple(f"{EVENT_URN}{name}:{end}" for name in _CHANGES for end in ("notice", "full"))
_OTHERS: Final = tuple(
    EVENT_URN + name
    for name in ("feed:add", "feed:remove", "prov:delete", "prov:activate", "prov:deactivate", "misc:asyncresp")
)


def authentication_schemes(session: Session, known: Sequence[str] = ()) -> None:
    """Each scheme has type, name and description, and its type is one of `known` if any are. Raises NotMet."""
    schemes = at(session.discovered.config, "authenticationSchemes")
    if not isinstance(schemes, list):
        raise NotMet(f"expected ServiceProviderConfig to list authenticationSchemes, saw {schemes!r}")
    for one in schemes:
        missing = [name for name in ("type", "name", "description") if is_absent(at(one, name))]
        if missing and not known:
            raise NotMet(f"expected each authentication scheme to have {', '.join(missing)}, saw {one!r}")
        if known and at(one, "type") not in known:
            raise NotMet(f"expected the type to be one of {list(known)}, saw {at(one, 'type')!r}")


def undeclared_is_refused(session: Session) -> None:
    """PATCH and /Bulk are refused with 501 where they are declared not to be supported (RFC 7644 §3.12). NotMet."""
    lacking = session.discovered.missing & {"patch", "bulk"}
    if not lacking:
        raise Unsupported("the server declares PATCH and /Bulk")
    ann = session.make("User", {})["id"]
    rename = {"op": "replace", "path": "displayName", "value": "Planted"}
    asked = {
        "patch": ("PATCH", f"/Users/{ann}", {"schemas": [PATCH_URN], "Operations": [rename]}),
        "bulk": ("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": [{"method": "DELETE", "path": "/Users/none"}]}),
    }
    for name in sorted(lacking):
        method, path, body = asked[name]
        answer = session.send(method, path, body=body)
        if answer.status != 501:
            raise NotMet(f"expected {method} {path} to be 501, as {name} isn't declared, saw {answer.status}")


def _types(session: Session) -> Mapping[str, Any]:
    if not session.discovered.resource_types:
        raise NotMet("expected /ResourceTypes to list resource types, saw none")
    return session.discovered.resource_types


def every_type_has(session: Session, members: Sequence[str]) -> None:
    """Each resource type has those members, as texts that aren't empty (RFC 7643 §6). Raises NotMet."""
    for name, told in _types(session).items():
        for member in members:
            if not isinstance(at(told, member), str) or not at(told, member):
                raise NotMet(f"expected the resource type {name} to have {member}, saw {at(told, member)!r}")


def type_ids_are_names(session: Session) -> None:
    """The id of a resource type, where it has one, is its name. Raises NotMet."""
    for name, told in _types(session).items():
        if not is_absent(at(told, "id")) and told["id"] != name:
            raise NotMet(f"expected the resource type's id to be {name!r}, saw {told['id']!r}")


def every_extension_tells(session: Session) -> None:
    """Each extension of a resource type has `schema`, and `required` as a boolean. Raises NotMet."""
    for name, told in _types(session).items():
        for one in objects_at(told, "schemaExtensions"):
            if not isinstance(at(one, "required"), bool) or not isinstance(at(one, "schema"), str):
                raise NotMet(f"expected the extensions of {name} to have schema and required, saw {one!r}")


def _kinds(session: Session) -> list[str]:
    return [name for name in _types(session) if name in ("User", "Group")]


def demands_required_extensions(session: Session) -> None:
    """A resource without an extension that is declared required isn't made (RFC 7643 §6). Raises NotMet."""
    found = 0
    for kind in _kinds(session):
        extensions = objects_at(_types(session)[kind], "schemaExtensions")
        for urn in (str(one.get("schema")) for one in extensions if one.get("required")):
            found += 1
            whole = session.body_of(kind, {})
            body = {name: value for name, value in whole.items() if name != urn}
            body["schemas"] = [each for each in whole["schemas"] if each != urn]
            answer = session.send("POST", f"/{kind}s", body=body)
            if not 400 <= answer.status < 500:
                raise NotMet(f"expected a {kind} without the required {urn} to be refused, saw {answer.status}")
    if not found:
        raise Unsupported("no extension is declared required")


def takes_without_optional_extensions(session: Session) -> None:
    """A resource is made without the extensions that are declared not to be required. Raises NotMet."""
    for kind in _kinds(session):
        extensions = objects_at(_types(session)[kind], "schemaExtensions")
        optional = {str(one.get("schema")) for one in extensions if not one.get("required")}
        whole = session.body_of(kind, {})
        body = {name: value for name, value in whole.items() if name not in optional}
        body["schemas"] = [each for each in whole["schemas"] if each not in optional]
        answer = session.send("POST", f"/{kind}s", body=body)
        if answer.status != 201:
            raise NotMet(f"expected a {kind} without extensions to be made, saw {answer.status}: {answer.text[:200]}")


def _events(session: Session) -> list[str]:
    found = at(session.discovered.config, "securityEvents/eventUris")
    return [str(each) for each in found] if isinstance(found, list) else []


def event_uris(session: Session, qualified: bool = False) -> None:
    """The SCIM events that are declared are events of RFC 9967; those of changes end as they must. Raises NotMet."""
    for uri in (each for each in _events(session) if each.startswith(EVENT_URN)):
        of_change = any(uri.startswith(EVENT_URN + name) for name in _CHANGES)
        if of_change and qualified and uri not in _QUALIFIED:
            raise NotMet(f"expected {uri} to end with :notice or :full")
        if not of_change and not qualified and uri not in _OTHERS:
            raise NotMet(f"expected an event of RFC 9967, saw {uri}")


def async_events_agree(session: Session) -> None:
    """The event of an asynchronous request's end is declared where such requests are, and only there. NotMet."""
    declared = at(session.discovered.config, "securityEvents/asyncRequest")
    if (ASYNC_EVENT in _events(session)) is (declared in ("none", None)):
        raise NotMet(f"expected {ASYNC_EVENT} among eventUris just where asyncRequest isn't none, saw {declared!r}")


def asynchronous(session: Session, path: str, declared: str, accept: str = "application/scim+json") -> None:
    """Prefer to be answered later (RFC 9967 §2.5.1.1): at once where `none` is declared, else right if so. NotMet."""
    said = at(session.discovered.config, "securityEvents/asyncRequest")
    if (said == "none") is not (declared == "none"):
        raise Unsupported(f"asyncRequest is {said!r}")
    rename = {"op": "replace", "path": "name.givenName", "value": "Later"}
    answer = session.send(
        "PATCH",
        path,
        body={"schemas": [PATCH_URN], "Operations": [rename]},
        headers={"prefer": "respond-async", "accept": accept},
    )
    if declared == "none":
        if answer.status not in (200, 204):
            raise NotMet(f"expected the request to be answered at once, saw {answer.status}")
        return
    if answer.status != 202:
        if accept != "application/scim+json" or answer.status not in (200, 204):
            raise NotMet(f"expected 202, saw {answer.status}")
        raise Unsupported("the server answered at once, as it may")
    missing = [name for name in ("Set-Txn", "Preference-Applied", "Location") if answer.header(name) is None]
    if missing or answer.text:
        raise NotMet(f"expected 202 with no body and {', '.join(missing) or 'its headers'}, saw {answer.text[:80]!r}")


PROCEDURES: Final[Mapping[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        authentication_schemes,
        undeclared_is_refused,
        every_type_has,
        type_ids_are_names,
        every_extension_tells,
        demands_required_extensions,
        takes_without_optional_extensions,
        event_uris,
        async_events_agree,
        asynchronous,
    )
}
