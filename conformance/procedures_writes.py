"""Procedures of cases that write: bodies made from resources, answers to PATCH, and writes at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from conformance.exchange import Exchange
from conformance.expectations import NotMet, check
from conformance.places import at
from conformance.runner import Session, SetupFailed, Unsupported

PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
DONE: Final = (200, 204)
NO_DELETE: Final = (403, 405, 501)  # of a resource that may be deleted by others, or by nobody


def body_for(session: Session, kind: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """A complete body for a new `User` or `Group` that keeps the nulls in `own`."""
    return {**session.body_of(kind, own), **own}


def changed(
    _: Session, resource: Mapping[str, Any], changes: Mapping[str, Any], without: Sequence[str] = ()
) -> dict[str, Any]:
    """The resource as a body for PUT, with those attributes changed and those left out."""
    return {name: value for name, value in {**resource, **changes}.items() if name not in without}


def patch_is_answered(session: Session, path: str, operations: Sequence[Any]) -> None:
    """PATCH is answered with 200 and the entire resource, or with 204 and no body (RFC 7644 §3.5.2). Raises NotMet."""
    answer = _patch(session, path, operations)
    if answer.status not in DONE:
        raise NotMet(f"expected PATCH to be answered with 200 or 204, saw {answer.status}")
    if answer.status == 204:
        return check("empty", answer)
    check("resource", answer)
    entire = session.send("GET", path).body
    lacking = [name for name in entire or () if at(answer.body, name) != at(entire, name)]
    if lacking:
        raise NotMet(f"expected the entire resource in the answer, saw another {', '.join(lacking)} than GET has")
    return None


def deleted(session: Session, path: str, expect: Sequence[Any]) -> None:
    """DELETE is answered by `expect`. Raises NotMet, and Unsupported for a server that deletes nothing."""
    answer = session.send("DELETE", path)
    if answer.status in NO_DELETE:
        raise Unsupported(f"the server doesn't delete: DELETE was answered with {answer.status}")
    for each in expect:
        check(each, answer)


def half_wrong(session: Session, own: Mapping[str, Any]) -> None:
    """A User with a text for its name is refused and not made, or made with the name repaired. Raises NotMet."""
    body = session.body_of("User", own)
    answer = session.send("POST", "/Users", body=body)
    if answer.status == 201:
        if at(answer.body, "name") == body["name"]:
            raise NotMet(f"expected no text for name, which is complex, saw {body['name']!r} kept")
        return
    check("error 400", answer)
    found = session.send("GET", "/Users", query={"filter": f'userName eq "{body["userName"]}"'})
    check(["totalResults", "is", 0], found)


def members_at_once(session: Session, group: str, members: Sequence[str], op: str) -> None:
    """Add (`add`) or remove (`remove`) each member by a PATCH of its own, all at once; none that succeeds is lost.

    `group` and `members` are ids. Raises NotMet, and SetupFailed where the group can't be read.
    """
    path = f"/Groups/{group}"
    with ThreadPoolExecutor(len(members)) as pool:
        answers = list(pool.map(lambda each: _patch(session, path, [_of_member(op, each)]), members))
    done = {each for each, answer in zip(members, answers, strict=True) if answer.status in DONE}
    if not done:
        raise NotMet(f"expected one of the simultaneous requests to succeed, saw {[each.status for each in answers]}")
    read = session.send("GET", path)
    if read.status != 200:
        raise SetupFailed(f"GET {path} was answered with {read.status}")
    there = set(at(read.body, "members/*/value"))
    lost = done - there if op == "add" else done & there
    if lost:
        raise NotMet(f"expected each {op} that was answered with success to last, saw {len(lost)} of {len(done)} lost")


def _of_member(op: str, member: str) -> dict[str, Any]:
    if op == "add":
        return {"op": "add", "path": "members", "value": [{"value": member}]}
    return {"op": "remove", "path": f'members[value eq "{member}"]'}


def _patch(session: Session, path: str, operations: Sequence[Any]) -> Exchange:
    return session.send("PATCH", path, body={"schemas": [PATCH_URN], "Operations": list(operations)})


WRITES: Final[Mapping[str, Callable[..., Any]]] = {
    "body_for": body_for,
    "changed": changed,
    "deleted": deleted,
    "half_wrong": half_wrong,
    "patch_is_answered": patch_is_answered,
    "members_at_once": members_at_once,
}
