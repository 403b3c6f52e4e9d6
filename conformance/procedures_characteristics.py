"""Steps that try the mutability and `returned` that attributes declare, and what ServiceProviderConfig promises."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from conformance.expectations import NotMet, is_absent
from conformance.places import MISSING, at, objects_at
from conformance.procedures_schemas import Declared, declared
from conformance.runner import Session, SetupFailed, Unsupported

PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
LARGEST_PAGE: Final = 5_000  # resources; a server that allows more isn't asked for a page of all of them
LARGEST_JOB: Final = 5_000  # operations, likewise
_ANOTHER: Final[Mapping[str, Any]] = {
    "integer": 4711,
    "decimal": 47.11,
    "dateTime": "1999-09-09T09:09:09Z",
    "binary": "cGxhbnRlZA==",
    "reference": "https://example.com/planted",
}


def _another(one: Declared, now: Any, group: str) -> Any:
    """A value for the attribute that it doesn't have: of another resource, if one can be named."""
    if one.is_("type") == "complex":
        parts = {part.names[-1]: _another(part, at(now, part.names[-1]), group) for part in one.inner()}
        return [parts] if one.is_("multiValued") else parts
    if one.dotted == "groups.value":
        return group
    if one.is_("type") == "boolean":
        return now is not True
    return _ANOTHER.get(one.is_("type"), "planted")


def _taken(one: Declared, planted: Any, seen: Any) -> bool:
    """Whether what was planted is there, in whole or in one sub-attribute."""
    if one.is_("type") != "complex":
        return bool(seen == planted)
    values = seen if isinstance(seen, list) else [seen]
    wanted = planted[0] if isinstance(planted, list) else planted
    return any(at(each, name) == value for each in values if isinstance(each, dict) for name, value in wanted.items())


def read_only_stays(session: Session, kind: str, method: str) -> None:
    """What is declared readOnly isn't what a client writes (RFC 7643 §7). Raises NotMet, Unsupported.

    A refusal is as good as leaving it alone.
    """
    attributes = [one for one in declared(session, kind) if one.is_("mutability") == "readOnly"]
    if not attributes:
        raise Unsupported(f"nothing of {kind} is declared readOnly")
    group = str(session.make("Group", {})["id"]) if any(one.dotted == "groups" for one in attributes) else ""
    before = session.make(kind, {})
    planted = {one: _another(one, at(before, one.place), group) for one in attributes}
    bodies = [planted] if method != "PATCH" else [{one: value} for one, value in planted.items()]
    for part in bodies:
        seen = _written(session, kind, method, before, part)
        for one, value in part.items():
            if _taken(one, value, at(seen, one.place)):
                raise NotMet(f"expected the readOnly {one.path} not to be written by {method}, saw {value!r} in it")


def _written(session: Session, kind: str, method: str, before: Any, values: Mapping[Declared, Any]) -> Any:
    """The resource after a write of the values; an answer without one is read again."""
    path = f"/{kind}s" if method == "POST" else f"/{kind}s/{before['id']}"
    if method == "PATCH":
        operations = [{"op": "replace", "path": one.path, "value": value} for one, value in values.items()]
        body: dict[str, Any] = {"schemas": [PATCH_URN], "Operations": operations}
    else:
        body = session.body_of(kind, {"userName": before["userName"]} if method == "PUT" and kind == "User" else {})
        for one, value in values.items():
            (body.setdefault(one.urn, {}) if one.urn else body)[one.names[0]] = value
        body["schemas"] = sorted({*body["schemas"], *(one.urn for one in values if one.urn)})
    answer = session.send(method, path, body=body)
    if answer.status >= 500:
        raise NotMet(f"expected {method} of readOnly attributes to be ignored or refused, saw {answer.status}")
    if answer.status >= 400:
        return before
    return session.send("GET", f"/{kind}s/{before['id'] if method != 'POST' else at(answer.body, 'id')}").body


def immutable_stays(session: Session) -> None:
    """A member's value that is declared immutable isn't changed in its place (RFC 7643 §7). Raises NotMet."""
    said = session.discovered.attribute("urn:ietf:params:scim:schemas:core:2.0:Group", "members.value")
    if not said or said.get("mutability") != "immutable":
        raise Unsupported("members.value isn't declared immutable")
    ann, bob = (session.make("User", {})["id"] for _ in range(2))
    group = session.make("Group", {"members": [{"value": ann}]})
    operation = {"op": "replace", "path": f'members[value eq "{ann}"].value', "value": bob}
    session.send("PATCH", f"/Groups/{group['id']}", body={"schemas": [PATCH_URN], "Operations": [operation]})
    seen = session.send("GET", f"/Groups/{group['id']}").body
    if at(seen, "members/*/value") != [ann]:
        raise NotMet(f"expected the member's immutable value to stay {ann!r}, saw {at(seen, 'members/*/value')!r}")


def read_only_parts_stay(session: Session) -> None:
    """Sub-attributes of a Group's members that are declared readOnly aren't written (RFC 7643 §7). Raises NotMet."""
    members = next((one for one in declared(session, "Group") if one.names[0] == "members"), None)
    parts = [part for part in members.inner() if part.is_("mutability") == "readOnly"] if members else []
    if not parts:
        raise Unsupported("no sub-attribute of members is declared readOnly")
    planted = {part.names[-1]: _another(part, None, "") for part in parts}
    own = {"members": [{"value": session.make("User", {})["id"], **planted}]}
    answer = session.send("POST", "/Groups", body=session.body_of("Group", own))
    seen = session.send("GET", f"/Groups/{at(answer.body, 'id')}").body if answer.status == 201 else None
    for name, value in planted.items():
        if at(seen, f"members/0/{name}") == value:
            raise NotMet(f"expected the readOnly members.{name} not to be written, saw {value!r} in it")


def never_returned(session: Session) -> None:
    """What is declared returned `never` isn't answered, not when written nor when asked for. Raises NotMet."""
    hidden = [one for one in declared(session, "User") if one.is_("returned") == "never"]
    if not hidden:
        raise Unsupported("nothing is declared to be never returned")
    own = {one.names[0]: f"t1-Sesame-{session.saved['unique']}" for one in hidden if one.is_("type") == "string"}
    made = session.send("POST", "/Users", body=session.body_of("User", own))
    if made.status != 201:
        raise SetupFailed(f"POST /Users was answered with {made.status}: {made.text[:200]}")
    path = f"/Users/{at(made.body, 'id')}"
    asked = ",".join(one.path for one in hidden)
    for exchange in (made, session.send("GET", path), session.send("GET", path, query={"attributes": asked})):
        for one in hidden:
            if not is_absent(at(exchange.body, one.place)):
                raise NotMet(f"expected {one.path} never to be returned, saw it in the answer to {exchange.method}")


def returned_on_request(session: Session) -> None:
    """What is declared returned on `request` is answered when asked for and not otherwise. Raises NotMet."""
    rare = [one for one in declared(session, "User") if one.is_("returned") == "request"]
    if not rare:
        raise Unsupported("nothing is declared to be returned on request")
    path = f"/Users/{session.make('User', {})['id']}"
    seen = session.send("GET", path).body
    for one in rare:
        if not is_absent(at(seen, one.place)):
            raise NotMet(f"expected {one.path} to be returned on request alone, saw it unasked")


def returned_by_default(session: Session, kind: str, name: str) -> None:
    """Where `attributes` names another, what is returned by default stays away (RFC 7643 §7). Raises NotMet."""
    made = session.make(kind, {})
    seen = session.send("GET", f"/{kind}s/{made['id']}", query={"attributes": name}).body
    for one in declared(session, kind):
        asked = one.names[0] == name or any(part.is_("returned") == "always" for part in one.inner())
        if one.is_("returned") == "default" and not asked and not is_absent(at(seen, one.place)):
            raise NotMet(f"expected {one.path} to stay away where {name} alone is asked for, saw it")


def left_out(session: Session, kind: str, answer: Any, paths: Sequence[str]) -> None:
    """None of the attributes is in the answer but what is declared returned `always` (RFC 7644 §3.9). Raises NotMet.

    `paths`: names, those of sub-attributes with a dot; `<URN>:name` for an extension's.
    """
    known = declared(session, kind) if session.discovered.schemas else []
    said = {one.path: one for each in known for one in (each, *each.inner())}
    for path in paths:
        urn, _, names = path.rpartition(":")
        place = "/".join((*([urn] if urn else []), *names.split(".")))
        always = path in said and said[path].is_("returned") == "always"
        if not always and at(answer, place) is not MISSING:
            raise NotMet(f"expected {path} to be left out, saw {at(answer, place)!r}")


def always_returned(session: Session, kind: str) -> None:
    """What is declared returned `always` is answered though other attributes are asked for. Raises NotMet."""
    made = session.make(kind, {})
    always = [one.place for one in declared(session, kind) if one.is_("returned") == "always"]
    seen = session.send("GET", f"/{kind}s/{made['id']}", query={"attributes": "externalId"}).body
    for place in ("id", *always):
        if not is_absent(at(made, place)) and is_absent(at(seen, place)):
            raise NotMet(f"expected {place} always to be returned, saw it left out")


def page_within_maximum(session: Session) -> None:
    """A page holds no more than filter.maxResults resources, whatever count asks for. Raises NotMet."""
    most = at(session.discovered.config, "filter/maxResults")
    if not isinstance(most, int) or not 0 < most <= LARGEST_PAGE:
        raise Unsupported(f"filter.maxResults is {most!r}")
    query = {"count": most + 1, "filter": "id pr", "attributes": "id"}
    exchange = session.send("GET", "/Users", query=query)
    found = objects_at(exchange.body, "Resources") if exchange.status == 200 else []
    if len(found) > most:
        raise NotMet(f"expected {most} resources at most, as declared, saw {len(found)}")


def job_within_maximum(session: Session) -> None:
    """A bulk job of bulk.maxOperations operations is taken (RFC 7644 §3.7.4). Raises NotMet."""
    most = at(session.discovered.config, "bulk/maxOperations")
    if not isinstance(most, int) or not 0 < most <= LARGEST_JOB:
        raise Unsupported(f"bulk.maxOperations is {most!r}")
    one = {"method": "DELETE", "path": f"/Users/none-{session.saved['unique']}"}
    raw = json.dumps({"schemas": [BULK_URN], "failOnErrors": 1, "Operations": [one] * most})
    size = at(session.discovered.config, "bulk/maxPayloadSize")
    if isinstance(size, int) and len(raw) > size:
        raise Unsupported(f"{most} operations don't fit into bulk.maxPayloadSize, {size} bytes")
    taken = session.send("POST", "/Bulk", raw=raw)
    if taken.status != 200 or not at(taken.body, "Operations/0/status"):
        raise NotMet(f"expected {most} operations to be taken, as declared, saw {taken.status}: {taken.text[:200]}")


def many_member_operations(session: Session, group: str, members: Sequence[str], number: int) -> None:
    """Add and remove the first member in turns, `number` times in one PATCH, then add the last. Raises NotMet."""
    first, last = members
    adding = {"op": "add", "path": "members", "value": [{"value": first}]}
    removing = {"op": "remove", "path": f'members[value eq "{first}"]'}
    operations = [removing if turn % 2 else adding for turn in range(number // 2 * 2)]
    operations.append({**adding, "value": [{"value": last}]})
    answer = session.send("PATCH", f"/Groups/{group}", body={"schemas": [PATCH_URN], "Operations": operations})
    if answer.status not in (200, 204):
        raise NotMet(f"expected {len(operations)} operations to be taken, saw {answer.status}")
    seen = at(session.send("GET", f"/Groups/{group}").body, "members/*/value")
    if seen != [last]:
        raise NotMet(f"expected the last operation's member alone, saw {seen!r}")


PROCEDURES: Final[Mapping[str, Callable[..., Any]]] = {
    each.__name__: each
    for each in (
        read_only_stays,
        immutable_stays,
        read_only_parts_stay,
        never_returned,
        returned_on_request,
        returned_by_default,
        left_out,
        always_returned,
        page_within_maximum,
        job_within_maximum,
        many_member_operations,
    )
}
