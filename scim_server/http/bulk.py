"""/Bulk: each operation carried out as the request it stands for (RFC 7644 §3.7). Knows no Flask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from scim_server.http.refusals import answered
from scim_server.scim.bulk import (
    RESPONSE_URN,
    BulkOperation,
    BulkRequest,
    Step,
    closing_operations,
    plan,
    references,
)
from scim_server.scim.errors import ScimError
from scim_server.scim.patch import PATCH_URN
from scim_server.scim.protocol import Request, Response, respond_error
from scim_server.scim.references import Reference, resolved, without

Answer = Callable[[Request], Response]
_ENDPOINTS: Final = ("Users", "Groups")
_HEADERS: Final = {"content-type": "application/scim+json"}


@dataclass(slots=True)
class _Job:
    """A bulk request on its way: what was answered for each place, the ids of what was created, and open circles."""

    request: Request
    answer: Answer
    request_id: str
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    open: list[Step] = field(default_factory=list)
    errors: int = 0


def carry_out(request: Request, bulk: BulkRequest, answer: Answer, request_id: str) -> Response:
    """The BulkResponse; `answer` answers one request or raises. Stops after `failOnErrors` errors."""
    job = _Job(request, answer, request_id)
    for step in plan(bulk.operations):
        if bulk.fail_on_errors and job.errors >= bulk.fail_on_errors:
            break
        operation = bulk.operations[step.place]
        response = answered(lambda step=step, operation=operation: _attempt(job, operation, step), request_id)  # type: ignore[misc]
        _note(job, operation, step, response)
        _close_circles(job, bulk)
    results = [job.results[place] for place in sorted(job.results)]
    return Response(200, orjson.dumps({"schemas": [RESPONSE_URN], "Operations": results}))


def _attempt(job: _Job, operation: BulkOperation, step: Step) -> Response:
    data = without(operation.data, step.deferred)
    missing = sorted(references(replace(operation, data=data)) - set(job.ids))
    if operation.fault:
        return respond_error(ScimError("invalidSyntax", operation.fault))
    if missing:
        detail = f"The bulkId {missing[0][:64]!r} stands for nothing that this request created."
        return respond_error(ScimError("conflict", detail))
    return job.answer(_request(job, operation, data))


def _request(job: _Job, operation: BulkOperation, data: Any) -> Request:
    path = _resolved_path(operation.path, job.ids)
    if path[:1] not in tuple((name,) for name in _ENDPOINTS):
        path = ("",)  # nothing but resources can be worked on in bulk: no such endpoint
    headers = dict(_HEADERS)
    if operation.version is not None and operation.method != "POST":
        headers["if-match"] = operation.version
    body = b"" if operation.method == "DELETE" else orjson.dumps(resolved(data, job.ids))
    return Request(operation.method, job.request.base, path, {}, headers, body)


def _resolved_path(path: str, ids: Mapping[str, str]) -> tuple[str, ...]:
    """The segments of a path with references replaced by ids."""
    return tuple(Reference(segment).resolved(ids) for segment in path.split("/") if segment)


def _note(job: _Job, operation: BulkOperation, step: Step, response: Response) -> None:
    """Write down what came of an operation."""
    result: dict[str, Any] = {"method": operation.method}
    if operation.bulk_id is not None:
        result["bulkId"] = operation.bulk_id
    location = response.headers.get("Location")
    if location is None and operation.method != "POST":
        location = "/".join((job.request.base, *_resolved_path(operation.path, job.ids)))
    if location is not None:
        result["location"] = location
    if "ETag" in response.headers:
        result["version"] = response.headers["ETag"]
    result["status"] = str(response.status)
    if response.status >= 300:
        job.errors += 1
        result["response"] = orjson.loads(response.body)
    elif operation.method == "POST" and operation.bulk_id is not None and location is not None:
        job.ids[operation.bulk_id] = location.rsplit("/", 1)[-1]
        if step.deferred:
            job.open.append(step)
    job.results[step.place] = result


def _close_circles(job: _Job, bulk: BulkRequest) -> None:
    """Set the references that were left out, as soon as what they refer to exists and before anything else happens."""
    for step in [each for each in job.open if each.deferred <= job.ids.keys()]:
        job.open.remove(step)
        operation, created = bulk.operations[step.place], job.results[step.place]
        path = tuple(created["location"].removeprefix(job.request.base).strip("/").split("/"))
        operations = resolved(closing_operations(operation.data, step.deferred), job.ids)
        body = {"schemas": [PATCH_URN], "Operations": operations}
        patch = Request("PATCH", job.request.base, path, {}, _HEADERS, orjson.dumps(body))
        response = answered(lambda patch=patch: job.answer(patch), job.request_id)  # type: ignore[misc]
        if response.status < 300:
            created["version"] = response.headers["ETag"]
            continue
        # The resource is there, without the reference: what may be someone else's by now isn't taken back (§3.7.1).
        job.errors += 1
        reason = orjson.loads(response.body)["detail"]
        conflict = ScimError("conflict", f"It was created, but a circle of references couldn't be closed: {reason}")
        created |= {"status": "409", "response": conflict.body()}
