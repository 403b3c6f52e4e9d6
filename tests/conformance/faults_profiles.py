"""Faults that identity providers run into, and faults in the life of a contact."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from tests.conformance.planted import Answered, Asked, Serve, caught_by

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
WORKSPACE: Final = "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"


_reads = count()


def refused(scim_type: str) -> Answered:
    """A SCIM error 400."""
    error = "urn:ietf:params:scim:api:messages:2.0:Error"
    body = {"schemas": [error], "status": "400", "scimType": scim_type, "detail": "That isn't understood."}
    return Answered(status=400, headers={"content-type": "application/scim+json"}, body=body)


def operations(asked: Asked) -> list[dict[str, Any]]:
    """The operations of a PATCH, of any other request none."""
    return list(asked.body["Operations"]) if asked.method == "PATCH" and isinstance(asked.body, dict) else []


def extension(answered: Answered) -> dict[str, Any]:
    """The workspace extension of the one resource that is answered."""
    found: dict[str, Any] = answered.body.get(WORKSPACE, {}) if isinstance(answered.body, dict) else {}
    return found


@caught_by("okta/no-such-name")
def nobody_found_is_404(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "filter" in asked.query and not answered.resources:
        return Answered(status=404, headers=answered.headers, body={})
    return answered


@caught_by("okta/create")
def user_names_are_made_small(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "POST" and isinstance(asked.body, dict) and "userName" in asked.body:
        asked = asked.but(body={**asked.body, "userName": asked.body["userName"].lower()})
    return serve(asked)


@caught_by("okta/deactivate-pathless")
def operations_need_a_path(asked: Asked, serve: Serve) -> Answered:
    return refused("invalidPath") if any("path" not in each for each in operations(asked)) else serve(asked)


@caught_by("okta/reactivate")
def inactive_users_are_not_found(asked: Asked, serve: Serve) -> Answered:
    if asked.kind == "Users" and "filter" in asked.query:
        asked = asked.but(query={**asked.query, "filter": f"({asked.query['filter']}) and active eq true"})
    return serve(asked)


@caught_by("okta/push-an-empty-group")
def an_empty_replace_is_overlooked(asked: Asked, serve: Serve) -> Answered:
    left = [each for each in operations(asked) if each.get("value") != []]
    return serve(asked.but(body={**asked.body, "Operations": left}) if operations(asked) else asked)


@caught_by("okta/push-now")
def replace_of_members_adds(asked: Asked, serve: Serve) -> Answered:
    changed = [{**each, "op": "add"} if each.get("path") == "members" else each for each in operations(asked)]
    return serve(asked.but(body={**asked.body, "Operations": changed}) if changed else asked)


@caught_by("okta/bad-token")
def unknown_callers_get_html(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 401:
        answered.body = None
    return answered


@caught_by("entra/disable-by-text")
def texts_are_no_booleans(asked: Asked, serve: Serve) -> Answered:
    wrong = any(each.get("path") == "active" and isinstance(each["value"], str) for each in operations(asked))
    return refused("invalidValue") if wrong else serve(asked)


@caught_by("entra/disable-by-text")
def any_text_is_true(asked: Asked, serve: Serve) -> Answered:
    changed = [
        {**each, "value": True} if each.get("path") == "active" and isinstance(each["value"], str) else each
        for each in operations(asked)
    ]
    return serve(asked.but(body={**asked.body, "Operations": changed}) if changed else asked)


@caught_by("entra/add-in-capitals")
def operations_are_compared_exactly(asked: Asked, serve: Serve) -> Answered:
    return refused("invalidSyntax") if any(not each["op"].islower() for each in operations(asked)) else serve(asked)


@caught_by("entra/work-email-of-none")
def a_value_path_needs_a_value(asked: Asked, serve: Serve) -> Answered:
    if any(str(each.get("path", "")).startswith("emails[") for each in operations(asked)):
        return refused("noTarget")
    return serve(asked)


@caught_by("entra/remove-listed-members")
def listed_members_are_all_members(asked: Asked, serve: Serve) -> Answered:
    changed = [
        {"op": "remove", "path": "members"} if each["op"].lower() == "remove" and "value" in each else each
        for each in operations(asked)
    ]
    return serve(asked.but(body={**asked.body, "Operations": changed}) if changed else asked)


@caught_by("entra/without-members")
def members_come_always(asked: Asked, serve: Serve) -> Answered:
    query = {name: value for name, value in asked.query.items() if name != "excludedAttributes"}
    return serve(asked.but(query=query))


@caught_by("entra/match-work-email")
def the_type_of_an_address_is_overlooked(asked: Asked, serve: Serve) -> Answered:
    asks = asked.query.get("filter", "").replace('emails[type eq "work"].value', "emails.value")
    return serve(asked.but(query={**asked.query, "filter": asks}) if asks else asked)


@caught_by("entra/dotted-keys")
def dotted_keys_are_refused(asked: Asked, serve: Serve) -> Answered:
    values = [each["value"] for each in operations(asked) if isinstance(each.get("value"), dict)]
    return refused("invalidPath") if any("." in name for each in values for name in each) else serve(asked)


@caught_by("entra/unknown-attribute")
def an_unknown_attribute_fails_all(asked: Asked, serve: Serve) -> Answered:
    wrong = any(str(each.get("path", "")).startswith("extensionAttribute") for each in operations(asked))
    return refused("invalidPath") if wrong else serve(asked)


@caught_by("google/create")
def json_is_not_taken(asked: Asked, serve: Serve) -> Answered:
    return refused("invalidSyntax") if asked.headers.get("content-type") == "application/json" else serve(asked)


@caught_by("google/delete-unsuspended")
def only_inactive_users_are_deleted(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "DELETE" and asked.kind == "Users" and serve(asked.but(method="GET")).body.get("active"):
        return refused("mutability")
    return serve(asked)


@caught_by("onelogin/old-schemas-on-post")
def schemas_of_the_drafts_are_refused(asked: Asked, serve: Serve) -> Answered:
    named = asked.body.get("schemas", []) if isinstance(asked.body, dict) else []
    return refused("invalidSyntax") if any(each.startswith("urn:scim:") for each in named) else serve(asked)


@caught_by("ipsie/find-groups-by-members")
def groups_are_not_found_by_members(asked: Asked, serve: Serve) -> Answered:
    return refused("invalidFilter") if "members[" in asked.query.get("filter", "") else serve(asked)


@caught_by("ipsie/fifty-operations")
def member_operations_are_limited(asked: Asked, serve: Serve) -> Answered:
    return refused("invalidValue") if len(operations(asked)) > 20 else serve(asked)


@caught_by("interop/conflict-by-patch")
def patches_to_a_used_name_are_400(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return refused("invalidValue") if asked.method == "PATCH" and answered.status == 409 else answered


@caught_by("lifecycle/deactivate")
def deactivating_archives(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if isinstance(answered.body, dict) and answered.body.get("active") is False:
        extension(answered)["status"] = "archived"
    return answered


@caught_by("lifecycle/deactivate-frees-the-seat")
def inactive_contacts_hold_their_seat(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if extension(answered).get("status") == "inactive":
        extension(answered)["seat"] = {"state": "assigned"}
    return answered


@caught_by("lifecycle/archive")
def archiving_deactivates(asked: Asked, serve: Serve) -> Answered:
    if any(str(each.get("path")).endswith(":archived") for each in operations(asked)):
        both = [*operations(asked), {"op": "replace", "path": "active", "value": False}]
        return serve(asked.but(body={**asked.body, "Operations": both}))
    return serve(asked)


@caught_by("lifecycle/archived-is-not-listed")
def lists_hold_the_archived(asked: Asked, serve: Serve) -> Answered:
    if asked.path == "/Users" and asked.method == "GET" and "filter" not in asked.query:
        asked = asked.but(query={**asked.query, "filter": "id pr"})
    return serve(asked)


@caught_by("lifecycle/archived-is-found")
def archived_contacts_are_not_found(asked: Asked, serve: Serve) -> Answered:
    if asked.path == "/Users" and "filter" in asked.query:
        asks = f"({asked.query['filter']}) and {WORKSPACE}:archived eq false"
        asked = asked.but(query={**asked.query, "filter": asks})
    return serve(asked)


@caught_by("lifecycle/delete")
def delete_deactivates(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "DELETE" and asked.kind == "Users":
        patch = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": False}],
        }
        serve(asked.but(method="PATCH", body=patch, headers={**asked.headers, "content-type": "application/json"}))
        return Answered(status=204, headers={}, body=None)
    return serve(asked)


@caught_by("lifecycle/put-is-silent")
def put_without_active_activates(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "PUT" and isinstance(asked.body, dict):
        asked = asked.but(body={"active": True, **asked.body})
    return serve(asked)


@caught_by("lifecycle/memberships-stay")
def deactivating_leaves_the_groups(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Groups" and asked.method == "GET" and isinstance(answered.body, dict):
        answered.body["members"] = [
            each
            for each in answered.body.get("members", [])
            if serve(asked.but(path=f"/Users/{each['value']}")).body.get("active")
        ]
    return answered


@caught_by("lifecycle/owner-is-not-deactivated")
def the_owners_refusal_is_a_conflict(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return refused("mutability") if answered.status == 403 else answered


@caught_by("lifecycle/repeat")
def a_repeat_is_a_new_version(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "GET" and asked.of_one and asked.kind == "Users":
        answered.body["meta"]["version"] = f'W/"{next(_reads)}"'
    return answered
