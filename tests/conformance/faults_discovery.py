"""Faults in discovery: endpoints that answer wrongly, and declarations that the server doesn't keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.conformance.planted import Answered, Asked, Serve, caught_by

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
WORKSPACE: Final = "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
CONFIG: Final = "/ServiceProviderConfig"


def _attribute(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """What the schema says of an attribute or sub-attribute."""
    found: dict[str, Any] = {"subAttributes": schema["attributes"]}
    for name in path.split("."):
        found = next(each for each in found["subAttributes"] if each["name"] == name)
    return found


def declares(case: str, name: str, path: str, **said: Any) -> None:
    """Enter a fault: the User schema declares something else of that attribute than what is so."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        if asked.path.startswith("/Schemas") and answered.status == 200:
            for schema in answered.resources:
                if schema["id"] == USER:
                    _attribute(schema, path).update(said)
        return answered

    plant.__name__ = name
    caught_by(f"rfc7643/7/{case}")(plant)


declares("case-exact-in-filters", "caseExact_is_declared_and_not_kept", "nickName", caseExact=True)
declares("user-types", "a_string_is_declared_an_integer", "title", type="integer")
declares("user-multi-valued", "a_list_is_declared_a_single_value", "emails", multiValued=False)
declares("never", "never_is_declared_of_what_is_answered", "nickName", returned="never")
declares("user-always", "always_is_declared_of_what_can_be_left_out", "emails", returned="always")
declares("user-unique", "uniqueness_is_declared_and_not_kept", "displayName", uniqueness="server")
declares("user-required", "required_is_declared_and_not_demanded", "displayName", required=True)
declares("user-read-only-by-post", "readOnly_is_declared_of_what_can_be_written", "title", mutability="readOnly")
declares("words", "a_mutability_that_there_isnt", "title", mutability="readwrite")
declares("flags", "booleans_are_declared_as_texts", "title", required="false")
declares("write-only", "what_is_writeOnly_is_returned", "password", returned="default")


def changed(case: str, name: str, path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Enter a fault: the answer to GET of that path is changed."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        if asked.path == path and answered.status == 200:
            change(answered.body)
        return answered

    plant.__name__ = name
    caught_by(case)(plant)


def _first(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["Resources"][0]
    return found


changed("rfc7643/5/patch", "supported_is_a_text", CONFIG, lambda body: body["patch"].update(supported="true"))
changed("rfc7643/5/etag", "what_isnt_supported_is_left_out", CONFIG, lambda body: body.pop("etag"))
changed("rfc7643/5/bulk-limits", "bulk_has_no_limits", CONFIG, lambda body: body["bulk"].pop("maxPayloadSize"))
changed("rfc7643/5/max-results", "maxResults_is_a_text", CONFIG, lambda body: body["filter"].update(maxResults="1000"))
changed(
    "rfc7643/5/authentication-scheme",
    "an_authentication_scheme_has_no_type",
    CONFIG,
    lambda body: body["authenticationSchemes"][0].pop("type"),
)
changed(
    "rfc7643/5/authentication-type",
    "an_authentication_scheme_that_there_isnt",
    CONFIG,
    lambda body: body["authenticationSchemes"][0].update(type="bearer"),
)
changed("rfc7643/6/schema", "a_type_names_no_schema", "/ResourceTypes", lambda body: _first(body).update(schema="User"))
changed(
    "rfc7643/6/extensions",
    "a_type_names_an_unknown_extension",
    "/ResourceTypes",
    lambda body: _first(body)["schemaExtensions"].append({"schema": "urn:example:gone", "required": False}),
)
changed(
    "rfc7643/6/extensions-required",
    "an_extension_doesnt_say_whether_it_is_required",
    "/ResourceTypes",
    lambda body: _first(body)["schemaExtensions"][0].pop("required"),
)
changed(
    "rfc7643/6/endpoints",
    "an_endpoint_that_isnt_there",
    "/ResourceTypes",
    lambda body: _first(body).update(endpoint="/People"),
)
changed(
    "rfc7643/6/id-is-the-name", "type_ids_are_their_own", "/ResourceTypes", lambda body: _first(body).update(id="1")
)
changed(
    "rfc7644/4/all-in-one-list", "discovery_lists_count_wrongly", "/Schemas", lambda body: body.update(totalResults=1)
)
changed(
    "rfc7643/7/user-only-declared",
    "an_extension_isnt_in_the_schemas",
    "/Schemas",
    lambda body: body.update(Resources=[each for each in body["Resources"] if each["id"] != WORKSPACE]),
)


@caught_by("rfc7643/7/canonical-values")
def a_canonical_value_is_dropped(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources if asked.kind == "Users" else []:
        each["ims"] = [one for one in each.get("ims", []) if one["type"] != "icq"]
    return answered


@caught_by("rfc7644/4/config")
def config_is_a_list(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == CONFIG:
        answered.body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "Resources": [answered.body],
        }
    return answered


@caught_by("rfc7644/4/filter-on-schemas")
def discovery_ignores_filters(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(query={}) if asked.path.startswith("/Schemas") else asked)


@caught_by("rfc7644/4/paging-ignored")
def discovery_is_paged(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == "/Schemas" and "count" in asked.query:
        answered.body["Resources"] = answered.resources[: int(asked.query["count"])]
    return answered


@caught_by("rfc7644/4/unknown-schema")
def unknown_schemas_are_empty(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path.startswith("/Schemas/") and answered.status == 404:
        answered.status, answered.body = 200, {}
    return answered


@caught_by("rfc7644/4/one-schema")
def one_schema_is_a_list(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(path="/Schemas") if asked.path.startswith("/Schemas/") else asked)


@caught_by("rfc7643/5/page-within-maximum")
def maxResults_is_smaller_than_pages(asked: Asked, serve: Serve) -> Answered:  # noqa: N802 - the attribute's name
    answered = serve(asked)
    if asked.path == CONFIG:
        answered.body["filter"]["maxResults"] = 1
    if asked.path == "/Users" and asked.method == "GET" and answered.status == 200:
        answered.body["Resources"] = answered.resources + answered.resources
    return answered


@caught_by("rfc7643/5/job-within-maximum")
def jobs_of_the_maximum_are_refused(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == "/Bulk":
        answered.status = 413
    return answered


@caught_by("rfc7643/5/job-within-maximum")
def jobs_of_the_maximum_are_not_carried_out(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == "/Bulk":
        answered.body["Operations"] = []
    return answered


@caught_by("rfc7643/5/no-patch")
def config_can_be_patched(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == CONFIG and asked.method == "PATCH":
        return serve(asked.but(method="GET", body=None))
    return answered


@caught_by("rfc7643/7/immutable")
def immutable_values_are_changed(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "PATCH" and asked.kind == "Groups" and isinstance(asked.body, dict):
        value = asked.body["Operations"][0].get("value")
        operation = {"op": "replace", "path": "members", "value": [{"value": value}]}
        return serve(asked.but(body={**asked.body, "Operations": [operation]}))
    return serve(asked)


@caught_by("rfc7643/7/case-kept")
def external_ids_are_made_small(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources:
        if "externalId" in each:
            each["externalId"] = each["externalId"].lower()
    return answered


@caught_by("rfc7643/7/not-declared-unique")
def mail_addresses_are_unique_unsaid(asked: Asked, serve: Serve) -> Answered:
    if asked.path == "/Users" and asked.method == "POST" and asked.body.get("emails"):
        mail = asked.body["emails"][0]["value"]
        found = serve(asked.but(method="GET", query={"filter": f'emails.value eq "{mail}"'}, body=None))
        if found.resources:
            return serve(asked.but(body={**asked.body, "userName": found.resources[0]["userName"]}))
    return serve(asked)


@caught_by("rfc7643/7/user-default")
def asked_for_attributes_bring_all(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(query={}) if asked.of_one and asked.kind == "Users" else asked)


@caught_by("rfc7643/7/case-in-filters")
def filters_by_title_are_exact(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    asks = asked.query.get("filter", "")
    if asks.startswith("title eq") and asks.split('"')[1] not in str(answered.body):
        whole = serve(asked.but(query={"filter": asks}))
        if all(each.get("title") != asks.split('"')[1] for each in whole.resources):
            answered.body = {**answered.body, "totalResults": 0, "Resources": []}
    return answered


@caught_by("rfc7643/7/read-write")
def middle_names_are_lost(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources if asked.kind == "Users" else []:
        each.get("name", {}).pop("middleName", None)
    return answered


def gone(case: str, name: str, path: str) -> None:
    """Enter a fault: that discovery endpoint is 404."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        return serve(asked.but(path="/Nothing") if asked.path == path else asked)

    plant.__name__ = name
    caught_by(case)(plant)


gone("rfc7644/4/config", "there_is_no_config", CONFIG)
gone("rfc7644/4/one-schema", "there_are_no_schemas", "/Schemas")
gone("rfc7644/4/one-resource-type", "there_are_no_resource_types", "/ResourceTypes")
changed(
    "rfc7643/5/authentication-scheme",
    "there_are_no_authentication_schemes",
    CONFIG,
    lambda body: body.pop("authenticationSchemes"),
)
