"""/Bulk: each operation carried out as the request it stands for (RFC 7644 §3.7). Knows no Flask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from scim_server.http.refusals import answered
from scim_server.scim.bulk import RESPONSE_URN, BulkOperation, BulkRequest, Step, plan, references, resolved, without
from scim_server.scim.errors import ScimError
from scim_server.scim.protocol import Request, Response, respond_error

Answer = Callable[[Request], Response]
_ENDPOINTS: Final = ("Users", "Groups")


@dataclass(slots=True)
class _Job:
    """A bulk request on its way: what was answered for each place, and the ids of what was created."""

    request: Request
    answer: Answer
    results: dict[int, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    errors: int = 0


def carry_out(request: Request, bulk: BulkRequest, answer: Answer) -> Response:
    """The BulkResponse; `answer` answers one request. Stops after `failOnErrors` errors."""
    job = _Job(request, answer)
    steps = plan(bulk.operations)
    for step in steps:
        if bulk.fail_on_errors and job.errors >= bulk.fail_on_errors:
            break
        _carry_out_one(job, bulk.operations[step.place], step)
    for step in steps:
        if step.deferred and step.place in job.results:
            _close_circle(job, bulk.operations[step.place], step)
    results = [job.results[place] for place in sorted(job.results)]
    return Response(200, orjson.dumps({"schemas": [RESPONSE_URN], "Operations": results}))


def _carry_out_one(job: _Job, operation: BulkOperation, step: Step) -> None:
    data = without(operation.data, step.deferred)
    missing = sorted(references(replace(operation, data=data)) - set(job.ids))
    if operation.fault:
        response = respond_error(ScimError("invalidSyntax", operation.fault))
    elif missing:
        detail = f"The bulkId {missing[0][:64]!r} stands for nothing that this request created."
        response = respond_error(ScimError("conflict", detail))
    else:
        response = job.answer(_request(job, operation, data))
    _note(job, operation, step.place, response)


def _request(job: _Job, operation: BulkOperation, data: Any) -> Request:
    path = resolved_path(operation.path, job.ids)
    if path[:1] not in tuple((name,) for name in _ENDPOINTS):
        path = ("",)  # nothing but resources can be worked on in bulk: no such endpoint
    headers = {"content-type": "application/scim+json"}
    if operation.version is not None and operation.method != "POST":
        headers["if-match"] = operation.version
    body = b"" if operation.method == "DELETE" else orjson.dumps(resolved(data, job.ids))
    return Request(operation.method, job.request.base, path, {}, headers, body)


def resolved_path(path: str, ids: Mapping[str, str]) -> tuple[str, ...]:
    """The segments of a path with references replaced by ids."""
    return tuple(str(resolved(segment, ids)) for segment in path.split("/") if segment)


def _note(job: _Job, operation: BulkOperation, place: int, response: Response) -> None:
    """Write down what came of an operation."""
    result: dict[str, Any] = {"method": operation.method}
    if operation.bulk_id is not None:
        result["bulkId"] = operation.bulk_id
    location = response.headers.get("Location")
    if location is None and operation.method != "POST":
        location = "/".join((job.request.base, *resolved_path(operation.path, job.ids)))
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
    job.results[place] = result


def _close_circle(job: _Job, operation: BulkOperation, step: Step) -> None:
    """Set the references that were left out. What can't be closed is taken back and told as a conflict (§3.7.1)."""
    created = job.results[step.place]
    if operation.method != "POST" or created["status"] != "201":
        return
    path = tuple(created["location"].removeprefix(job.request.base).strip("/").split("/"))
    headers = {"content-type": "application/scim+json"}
    if set(job.ids) >= step.deferred:
        body = orjson.dumps(resolved(operation.data, job.ids))
        response = job.answer(Request("PUT", job.request.base, path, {}, headers, body))
    else:
        response = respond_error(ScimError("conflict", "The circle of references couldn't be closed."))
    if response.status < 300:
        job.results[step.place] = {**created, "version": response.headers["ETag"]}
        return
    job.answer(Request("DELETE", job.request.base, path, {}, headers))
    job.errors += 1
    reason = orjson.loads(response.body)["detail"]
    conflict = respond_error(ScimError("conflict", f"A circle of references couldn't be closed: {reason}"))
    kept = {name: value for name, value in created.items() if name not in ("location", "version")}
    job.results[step.place] = {**kept, "status": "409", "response": orjson.loads(conflict.body)}


def guarded(answer: Answer, request_id: str) -> Answer:
    """`answer` with refusals and faults of one operation as its answer, so that the others go on."""
    return lambda request: answered(lambda: answer(request), request_id)
