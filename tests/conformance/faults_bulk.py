"""Faults in bulk requests."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.planted import Answered, Asked, Serve, caught_by


def _operations(body: Any) -> list[dict[str, Any]]:
    found = body.get("Operations") if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def _with(asked: Asked, operations: list[dict[str, Any]], **others: Any) -> Asked:
    return asked.but(body={**asked.body, **others, "Operations": operations})


def _is_job(asked: Asked) -> bool:
    return asked.kind == "Bulk" and bool(_operations(asked.body))


@caught_by("rfc7644/3.7/response")
def bulk_is_answered_as_a_list(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Bulk" and answered.status == 200:
        answered.body["schemas"] = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    return answered


@caught_by("rfc7644/3.7/partial-failure")
def bulk_with_a_failure_is_answered_with_400(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if any(str(each["status"]) >= "400" for each in _operations(answered.body)):
        answered.status = 400
    return answered


@caught_by("rfc7644/3.7/bulk-id-returned")
def bulk_leaves_the_bulk_id_out(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in _operations(answered.body):
        each.pop("bulkId", None)
    return answered


@caught_by("rfc7644/3.7/post")
def bulk_leaves_the_location_out(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in _operations(answered.body):
        each.pop("location", None)
    return answered


@caught_by("rfc7644/3.7.3/location-of-failed-delete")
def bulk_leaves_the_location_of_failures_out(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in _operations(answered.body):
        if each["status"] >= "400":
            each.pop("location", None)
    return answered


@caught_by("rfc7644/3.7.3/error-response")
def bulk_tells_failures_by_status_alone(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in _operations(answered.body):
        each.pop("response", None)
    return answered


@caught_by("rfc7644/3.7.3/error-described")
def bulk_errors_have_no_words(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in _operations(answered.body):
        each.get("response", {}).pop("detail", None)
    return answered


@caught_by("rfc7644/3.7.3/status-as-string")
def bulk_statuses_are_numbers(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in _operations(answered.body):
        each["status"] = int(each["status"])
    return answered


@caught_by("rfc7644/3.7/all-results")
def bulk_tells_of_creations_only(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if _is_job(asked) and answered.status == 200:
        answered.body["Operations"] = [each for each in _operations(answered.body) if each["method"] == "POST"]
    return answered


@caught_by("rfc7644/3.7/goes-on-after-errors")
def bulk_stops_at_the_first_error(asked: Asked, serve: Serve) -> Answered:
    return serve(_with(asked, _operations(asked.body), failOnErrors=1) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7/fail-on-errors")
def bulk_ignores_fail_on_errors(asked: Asked, serve: Serve) -> Answered:
    return serve(_with(asked, _operations(asked.body), failOnErrors=0) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7/fewer-than-fail-on-errors")
def bulk_stops_one_error_early(asked: Asked, serve: Serve) -> Answered:
    most = asked.body.get("failOnErrors", 0) if _is_job(asked) else 0
    return serve(_with(asked, _operations(asked.body), failOnErrors=most - 1) if most > 1 else asked)


@caught_by("rfc7644/3.7/put")
def bulk_put_does_nothing(asked: Asked, serve: Serve) -> Answered:
    if not _is_job(asked) or _operations(asked.body)[0]["method"] != "PUT":
        return serve(asked)
    operation = _operations(asked.body)[0]
    location = serve(asked.but(method="GET", path=operation["path"], body=None)).body["meta"]["location"]
    done = {"method": "PUT", "location": location, "status": "200"}
    return Answered(status=200, headers={"content-type": "application/scim+json"}, body={"Operations": [done]})


@caught_by("rfc7644/3.7/delete")
def bulk_delete_only_deactivates(asked: Asked, serve: Serve) -> Answered:
    if not _is_job(asked):
        return serve(asked)
    value = {"schemas": [], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    operations = [
        {**each, "method": "PATCH", "data": value} if each["method"] == "DELETE" else each
        for each in _operations(asked.body)
    ]
    answered = serve(_with(asked, operations))
    for each in _operations(answered.body):
        each |= {"method": "DELETE", "status": "204"}
    return answered


@caught_by("rfc7644/3.7.2/bulk-id-of-later")
def bulk_knows_earlier_bulk_ids_only(asked: Asked, serve: Serve) -> Answered:
    answers: list[dict[str, Any]] = []
    for each in _operations(asked.body) if asked.kind == "Bulk" else ():
        answers += _operations(serve(_with(asked, [each])).body)
    if not answers:
        return serve(asked)
    headers = {"content-type": "application/scim+json"}
    return Answered(status=200, headers=headers, body={"schemas": [], "Operations": answers})


@caught_by("rfc7644/3.7.2/bulk-id-of-earlier")
def bulk_leaves_references_out(asked: Asked, serve: Serve) -> Answered:
    operations = [
        {**each, "data": {key: value for key, value in each["data"].items() if "bulkId:" not in json.dumps(value)}}
        if "data" in each
        else each
        for each in _operations(asked.body)
    ]
    return serve(_with(asked, operations) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7.2/bulk-id-in-extension")
def bulk_resolves_core_references_only(asked: Asked, serve: Serve) -> Answered:
    if not _is_job(asked):
        return serve(asked)
    operations = json.loads(json.dumps(_operations(asked.body)))
    for each in operations:
        for name in [name for name in each.get("data", {}) if name.startswith("urn:")]:
            del each["data"][name]
    return serve(_with(asked, operations))


@caught_by("rfc7644/3.7.2/unknown-bulk-id")
def bulk_creates_in_spite_of_unknown_references(asked: Asked, serve: Serve) -> Answered:
    return bulk_leaves_references_out(asked, serve)


@caught_by("rfc7644/3.7.1/circle-of-managers")
def bulk_refuses_circles_as_bad_requests(asked: Asked, serve: Serve) -> Answered:
    if _is_job(asked) and sum("bulkId:" in json.dumps(each) for each in _operations(asked.body)) > 1:
        asked = _with(asked, "circular")  # type: ignore[arg-type]
    return serve(asked)


@caught_by("rfc7644/3.7.1/circle-of-groups")
def bulk_leaves_circles_open(asked: Asked, serve: Serve) -> Answered:
    return bulk_leaves_references_out(asked, serve)


@caught_by("rfc7644/3.7/bulk-id-twice")
def bulk_ids_may_repeat(asked: Asked, serve: Serve) -> Answered:
    operations = [
        {**each, "bulkId": f"{number}"} if "bulkId" in each else each
        for number, each in enumerate(_operations(asked.body))
    ]
    return serve(_with(asked, operations) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7/version-of-patch")
def bulk_ignores_versions(asked: Asked, serve: Serve) -> Answered:
    operations = [
        {name: value for name, value in each.items() if name != "version"} for each in _operations(asked.body)
    ]
    return serve(_with(asked, operations) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7/version-of-delete")
def bulk_deletes_whatever_the_version(asked: Asked, serve: Serve) -> Answered:
    return bulk_ignores_versions(asked, serve)


@caught_by("rfc7644/3.7/last-change-wins")
def bulk_works_backwards(asked: Asked, serve: Serve) -> Answered:
    return serve(_with(asked, _operations(asked.body)[::-1]) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7/delete-then-create")
def bulk_creates_before_it_deletes(asked: Asked, serve: Serve) -> Answered:
    if not _is_job(asked):
        return serve(asked)
    return serve(_with(asked, sorted(_operations(asked.body), key=lambda each: each["method"] == "DELETE")))


@caught_by("rfc7644/3.7.4/too-many-operations")
def bulk_takes_the_first_thousand(asked: Asked, serve: Serve) -> Answered:
    return serve(_with(asked, _operations(asked.body)[:1]) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7.4/too-large")
def bulk_of_any_size_is_taken(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(body=asked.body) if _is_job(asked) else asked)


@caught_by("rfc7644/3.7.4/limit-named")
def bulk_does_not_name_its_limit(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Bulk" and answered.status == 413:
        answered.body["detail"] = "Too large."
    return answered


@caught_by("rfc7644/3.7/operations-needed")
def bulk_without_operations_is_fine(asked: Asked, serve: Serve) -> Answered:
    if asked.kind == "Bulk" and "Operations" not in asked.body:
        return serve(_with(asked, []))
    return serve(asked)


@caught_by("rfc7644/3.7/post-needs-bulk-id")
def bulk_makes_up_a_bulk_id(asked: Asked, serve: Serve) -> Answered:
    operations = [{"bulkId": "none", **each} for each in _operations(asked.body)]
    return serve(_with(asked, operations) if _is_job(asked) else asked)
