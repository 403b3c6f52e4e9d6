"""Bulk: many operations in one request (RFC 7644 §3.7): reading, order, and references by bulkId.

Plans only; carrying an operation out is for the caller. Must not know storage, requests' credentials or the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.references import PREFIX, marked, names_in
from scim_server.scim.schema import ResourceTypes

BULK_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE_URN: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation; `path` is relative to the base, `fault` says why it can't even be tried ("" if it can).

    What refers to new resources in `data` is a Reference.
    """

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


def read_bulk(body: Any, tolerance: frozenset[str], types: ResourceTypes, *, most: int) -> BulkRequest:
    """The bulk request in `body`, on resources of `types`.

    Raises ScimError invalidSyntax, or payloadTooLarge for over `most` operations.
    """
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
    operations = tuple(_read_operation(row, types) for row in rows)
    return BulkRequest(_without_twins(operations), limit or 0)


def _read_operation(row: Any, types: ResourceTypes) -> BulkOperation:
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
    fault = _fault(operation)
    return replace(operation, fault=fault) if fault else _with_references(operation, types)


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


def _with_references(operation: BulkOperation, types: ResourceTypes) -> BulkOperation:
    """The operation with its data's references marked, as the schema of the path's endpoint has them."""
    endpoint = next(segment for segment in operation.path.split("/") if segment)
    resource_type = next((each for each in types if each.endpoint == f"/{endpoint}"), None)
    if resource_type is None or not isinstance(operation.data, dict):
        return operation
    return replace(operation, data=marked(resource_type, operation.method, operation.data))


def _without_twins(operations: Sequence[BulkOperation]) -> tuple[BulkOperation, ...]:
    """The operations, each that repeats the bulkId of an earlier POST marked as faulty."""
    seen: set[str] = set()
    result = []
    for operation in operations:
        bulk_id = operation.bulk_id if operation.method == "POST" else None
        twin = bulk_id in seen
        if bulk_id is not None:
            seen.add(bulk_id)
        result.append(replace(operation, fault=f"The bulkId {bulk_id!r} is used twice.") if twin else operation)
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
    return found.union(names_in(operation.data))


def closing_operations(data: Mapping[str, Any], names: frozenset[str]) -> list[dict[str, Any]]:
    """The PATCH operations that set what `without` left out of a new resource's `data`."""
    operations = []
    for key, value in data.items():
        inner = value.items() if isinstance(value, dict) and key.lower().startswith("urn:") else ()
        parts = [(f"{key}:{name}", each) for name, each in inner] or [(key, value)]
        operations += [
            {"op": "add", "path": path, "value": each} for path, each in parts if not names.isdisjoint(names_in(each))
        ]
    return operations
