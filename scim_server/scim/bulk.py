"""Bulk: many operations in one request (RFC 7644 §3.7): reading, order, and references by bulkId.

Plans only; carrying an operation out is for the caller. Must not know storage, requests' credentials or the clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scim_server.scim.errors import ScimError

BULK_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
PREFIX: Final = "bulkId:"
_QUOTED: Final = re.compile(f'"{PREFIX}([^"]*)"')
_METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation; `path` is relative to the base, `fault` says why it can't even be tried ("" if it can)."""

    method: str
    path: str
    bulk_id: str | None = None
    version: str | None = None
    data: Any = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The operations as sent and the number of errors after which to stop (0: never)."""

    operations: tuple[BulkOperation, ...]
    fail_on_errors: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """An operation to carry out, by its place in the request.

    `deferred` are references that close a circle: they are left out at first and set when everything exists.
    """

    place: int
    deferred: frozenset[str] = field(default_factory=frozenset)


def read_bulk(body: Any, tolerance: frozenset[str], *, most: int) -> BulkRequest:
    """The bulk request in `body`. Raises ScimError invalidSyntax, or payloadTooLarge for over `most` operations."""
    if not isinstance(body, dict):
        raise ScimError("invalidSyntax", "The body must be a BulkRequest object.")
    folded = {key.lower(): value for key, value in body.items()}
    rows, limit, schemas = (folded.get(name) for name in ("operations", "failonerrors", "schemas"))
    if "ignore-unknown-schemas" not in tolerance and (not isinstance(schemas, list) or BULK_URN not in schemas):
        raise ScimError("invalidSyntax", f"'schemas' must name {BULK_URN}.")
    if not isinstance(rows, list):
        raise ScimError("invalidSyntax", "'Operations' must be a list.")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ScimError("invalidSyntax", "'failOnErrors' must be a whole number.")
    if len(rows) > most:
        raise ScimError("payloadTooLarge", f"A bulk request holds at most {most} operations; this one has {len(rows)}.")
    operations = tuple(_read_operation(row) for row in rows)
    return BulkRequest(_without_twins(operations), limit or 0)


def _read_operation(row: Any) -> BulkOperation:
    if not isinstance(row, dict):
        return BulkOperation("", "", fault="An operation must be a JSON object.")
    folded = {key.lower(): value for key, value in row.items()}
    method, path, bulk_id = (folded.get(name) for name in ("method", "path", "bulkid"))
    version = folded.get("version")
    operation = BulkOperation(
        method=method.upper() if isinstance(method, str) else "",
        path=path if isinstance(path, str) else "",
        bulk_id=bulk_id if isinstance(bulk_id, str) and bulk_id else None,
        version=version if isinstance(version, str) else None,
        data=folded.get("data"),
    )
    return _with_fault(operation, _fault(operation))


def _fault(operation: BulkOperation) -> str:
    segments = [segment for segment in operation.path.split("/") if segment]
    if operation.method not in _METHODS:
        return "'method' must be POST, PUT, PATCH or DELETE."
    if operation.method == "POST":
        if operation.bulk_id is None:
            return "A POST in a bulk request needs a 'bulkId'."
        if len(segments) != 1:
            return "The 'path' of a POST must name an endpoint, such as /Users."
    elif len(segments) != 2:
        return f"The 'path' of a {operation.method} must name a resource, such as /Users/2819c223."
    if operation.method != "DELETE" and not isinstance(operation.data, dict):
        return "'data' must be a JSON object."
    return ""


def _with_fault(operation: BulkOperation, fault: str) -> BulkOperation:
    return BulkOperation(operation.method, operation.path, operation.bulk_id, operation.version, operation.data, fault)


def _without_twins(operations: Sequence[BulkOperation]) -> tuple[BulkOperation, ...]:
    """The operations, each that repeats the bulkId of an earlier POST marked as faulty."""
    seen: set[str] = set()
    result = []
    for operation in operations:
        bulk_id = operation.bulk_id if operation.method == "POST" else None
        twin = bulk_id in seen
        if bulk_id is not None:
            seen.add(bulk_id)
        result.append(_with_fault(operation, f"The bulkId {bulk_id!r} is used twice.") if twin else operation)
    return tuple(result)


def plan(operations: Sequence[BulkOperation]) -> list[Step]:
    """The order to carry the operations out in: as sent, but what is referred to comes first (RFC 7644 §3.7.1)."""
    creators = {
        operation.bulk_id: place
        for place, operation in reversed(list(enumerate(operations)))
        if operation.method == "POST" and operation.bulk_id is not None
    }
    steps: list[Step] = []
    done: set[int] = set()
    for place in range(len(operations)):
        _visit(place, operations, creators, steps, done)
    return steps


def _visit(
    first: int, operations: Sequence[BulkOperation], creators: Mapping[str, int], steps: list[Step], done: set[int]
) -> None:
    """Depth first, with a stack of our own: a chain of references may be as long as the request."""
    stack: list[tuple[int, Iterator[str], set[str]]] = []
    open_places: set[int] = set()

    def enter(place: int) -> None:
        open_places.add(place)
        stack.append((place, iter(sorted(references(operations[place]))), set()))

    if first not in done:
        enter(first)
    while stack:
        place, names, deferred = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            open_places.discard(place)
            done.add(place)
            steps.append(Step(place, frozenset(deferred)))
        elif (creator := creators.get(name)) is not None and creator not in done:
            if creator in open_places:
                deferred.add(name)
            else:
                enter(creator)


def references(operation: BulkOperation) -> set[str]:
    """The bulkIds that the operation's path and data refer to."""
    found = {segment.removeprefix(PREFIX) for segment in operation.path.split("/") if segment.startswith(PREFIX)}
    found.update(text.removeprefix(PREFIX) for text in _strings(operation.data) if text.startswith(PREFIX))
    return found


def _strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, str):
            yield each
            # a PATCH may name a new resource inside a path: members[value eq "bulkId:x"]
            if f'"{PREFIX}' in each:
                yield from (part for part in each.split('"') if part.startswith(PREFIX))
        elif isinstance(each, dict):
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)


def resolved(value: Any, ids: Mapping[str, str]) -> Any:
    """`value` with each reference replaced by the id that it stands for."""
    if isinstance(value, str):
        if value.startswith(PREFIX):
            return ids.get(value.removeprefix(PREFIX), value)
        if f'"{PREFIX}' not in value:
            return value
        return _QUOTED.sub(lambda found: f'"{ids.get(found[1], PREFIX + found[1])}"', value)
    if isinstance(value, list):
        return [resolved(each, ids) for each in value]
    if isinstance(value, dict):
        return {key: resolved(each, ids) for key, each in value.items()}
    return value


def without(value: Any, names: frozenset[str]) -> Any:
    """`value` without the elements and attributes that refer to one of `names`."""
    if isinstance(value, list):
        return [without(each, names) for each in value if not _refers(each, names)]
    if isinstance(value, dict):
        return {
            key: without(each, names)
            for key, each in value.items()
            if isinstance(each, list) or not _refers(each, names)
        }
    return value


def _refers(value: Any, names: frozenset[str]) -> bool:
    if isinstance(value, str):
        return value.startswith(PREFIX) and value.removeprefix(PREFIX) in names
    if isinstance(value, dict):  # {"value": "bulkId:x"} stands for the reference; deeper ones are found on the way down
        return any(isinstance(each, str) and _refers(each, names) for each in value.values())
    return False


def closing_operations(data: Mapping[str, Any], names: frozenset[str]) -> list[dict[str, Any]]:
    """The PATCH operations that set what `without` left out of a new resource's `data`."""
    operations = []
    for key, value in data.items():
        inner = value.items() if isinstance(value, dict) and key.lower().startswith("urn:") else ()
        parts = [(f"{key}:{name}", each) for name, each in inner] or [(key, value)]
        operations += [{"op": "add", "path": path, "value": each} for path, each in parts if _holds(each, names)]
    return operations


def _holds(value: Any, names: frozenset[str]) -> bool:
    return any(text.startswith(PREFIX) and text.removeprefix(PREFIX) in names for text in _strings(value))
