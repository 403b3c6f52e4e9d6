"""The suite blames no server that conforms in another way than ours: each is ours with its answers made so."""

from __future__ import annotations

import httpx
import pytest

from conformance.case import all_cases, with_dependencies
from conformance.discovery import discover
from conformance.exchange import Target
from conformance.procedures import PROCEDURES
from conformance.runner import Outcome, run
from tests.conformance.planted import PREFIX, Answered, Asked, Fault, Serve, planted
from tests.support import World

BASE = f"http://localhost{PREFIX}/"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def locations_are_relative(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "location" in answered.headers:
        answered.headers["location"] = answered.headers["location"].replace("http://localhost", "")
    for each in answered.resources:
        each["meta"]["location"] = each["meta"]["location"].replace(BASE, "")
    return answered


def versions_are_in_the_header_alone(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources:
        each["meta"].pop("version", None)
    return answered


def a_whole_list_has_no_start_index(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if isinstance(answered.body, dict):
        answered.body.pop("startIndex", None)
    return answered


def nothing_is_deleted(asked: Asked, serve: Serve) -> Answered:
    if asked.method != "DELETE":
        return serve(asked)
    body = {"schemas": [ERROR], "status": "405"}
    return Answered(status=405, headers={"content-type": "application/scim+json"}, body=body)


def user_names_are_always_returned(asked: Asked, serve: Serve) -> Answered:
    """`userName` is declared returned `always`, as many servers do, and it is."""
    if asked.of_one and asked.kind == "Users" and "attributes" in asked.query:
        asked = asked.but(query={"attributes": f"{asked.query['attributes']},userName"})
    answered = serve(asked)
    for schema in answered.resources if asked.kind == "Schemas" else ():
        for attribute in schema["attributes"]:
            if attribute["name"] == "userName":
                attribute["returned"] = "always"
    return answered


def a_name_that_is_none_is_dropped(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "POST" and isinstance(asked.body, dict) and isinstance(asked.body.get("name"), str):
        return serve(asked.but(body={name: value for name, value in asked.body.items() if name != "name"}))
    return serve(asked)


def put_leaves_a_required_name(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "PUT" and asked.kind == "Users" and "userName" not in asked.body:
        now = serve(asked.but(method="GET", body=None)).body
        return serve(asked.but(body={**asked.body, "userName": now["userName"]}))
    return serve(asked)


def bulk_jobs_are_small(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == "/ServiceProviderConfig":
        answered.body["bulk"]["maxPayloadSize"] = 1000
    return answered


def version_1_is_served(asked: Asked, serve: Serve) -> Answered:
    if "/v1/" not in asked.path:
        return serve(asked)
    body = {"schemas": ["urn:scim:schemas:core:1.0"], "totalResults": 0, "Resources": []}
    return Answered(status=200, headers={"content-type": "application/json"}, body=body)


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("plant", "case", "outcome"),
    [
        (locations_are_relative, "rfc7643/3.1/location-leads-there", Outcome.PASS),
        (locations_are_relative, "rfc7644/3.3/location", Outcome.PASS),
        (locations_are_relative, "rfc7644/3.3/location-of-a-group", Outcome.PASS),
        (versions_are_in_the_header_alone, "rfc7643/5/etag-works", Outcome.PASS),
        (versions_are_in_the_header_alone, "rfc7643/3.1/weak-versions-say-so", Outcome.PASS),
        (a_whole_list_has_no_start_index, "rfc7644/3.4.2.4/start-index-0", Outcome.PASS),
        (a_whole_list_has_no_start_index, "rfc7644/3.4.2.4/negative-start-index", Outcome.PASS),
        (nothing_is_deleted, "rfc7644/3.6/user", Outcome.UNSUPPORTED),
        (nothing_is_deleted, "rfc7644/3.12/not-found-to-write", Outcome.UNSUPPORTED),
        (user_names_are_always_returned, "rfc7644/3.9/attributes", Outcome.PASS),
        (user_names_are_always_returned, "rfc7644/3.9/sub-attribute", Outcome.PASS),
        (user_names_are_always_returned, "rfc7644/3.9/extension-attribute", Outcome.PASS),
        (put_leaves_a_required_name, "rfc7643/7/required-by-put", Outcome.PASS),
        (bulk_jobs_are_small, "rfc7643/5/job-within-maximum", Outcome.UNSUPPORTED),
        (version_1_is_served, "rfc7644/3.13/v1", Outcome.PASS),
        (a_name_that_is_none_is_dropped, "rfc7644/3.12/nothing-made", Outcome.PASS),
    ],
)
def test_what_conforms_is_not_blamed(world: World, plant: object, case: str, outcome: Outcome) -> None:
    fault = Fault(name="other", caught_by=case, plant=plant)  # type: ignore[arg-type]
    app = planted(world.app.wsgi_app, fault)
    cases = all_cases()
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost") as client:
        target = Target(client, f"http://localhost{PREFIX}", world.client().token)
        chosen = with_dependencies([each for each in cases if each.id == case], cases)
        results = run(chosen, target, discover(target), PROCEDURES)
    ended = next(each for each in results if each.case.id == case)
    assert ended.outcome is outcome, ended.message
