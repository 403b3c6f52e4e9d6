"""Faults in creating, replacing and deleting resources (RFC 7644 §3.3, §3.5.1, §3.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from conformance.discovery import ENTERPRISE_URN
from tests.conformance.planted import Answered, Asked, Serve, caught_by

CREATE: Final = "rfc7644/3.3"
REPLACE: Final = "rfc7644/3.5.1"
DELETE: Final = "rfc7644/3.6"
PATCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def creates(asked: Asked, kind: str = "Users") -> bool:
    """Whether it creates one of that kind."""
    return asked.method == "POST" and asked.path == f"/{kind}"


def replaces(asked: Asked) -> bool:
    """Whether it is a PUT of one resource."""
    return asked.method == "PUT" and asked.of_one


def read(path: str, asked: Asked, serve: Serve, **query: str) -> Answered:
    """What a GET by the same client answers."""
    return serve(asked.but(method="GET", path=path, query=query, body=None))


def patched(path: str, asked: Asked, serve: Serve, *operations: Any) -> Answered:
    """What a PATCH by the same client does."""
    return serve(
        asked.but(method="PATCH", path=path, query={}, body={"schemas": [PATCH_URN], "Operations": operations})
    )


def refusal(status: int, kind: str, detail: str = "no") -> Answered:
    """A SCIM error."""
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": detail}
    return Answered(
        status=status,
        headers={"content-type": "application/scim+json"},
        body={**body, "scimType": kind} if kind else body,
    )


def done() -> Answered:
    """Success that says nothing."""
    return Answered(status=204, headers={}, body=None)


def answers(case: str, name: str, when: Callable[[Asked], bool], change: Callable[[Asked, Answered], Any]) -> None:
    """Enter a fault that answers wrongly what is done rightly."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        if when(asked) and answered.status < 300:
            change(asked, answered)
        return answered

    plant.__name__ = name
    caught_by(case)(plant)


def takes(
    case: str, name: str, when: Callable[[Asked], bool], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Enter a fault that takes a request's body for another."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        return serve(asked.but(body=change(asked.body)) if when(asked) and isinstance(asked.body, dict) else asked)

    plant.__name__ = name
    caught_by(case)(plant)


def with_status(status: int) -> Callable[[Asked, Answered], None]:
    """A change of an answer's status; one of 204 has no body."""

    def change(_: Asked, answered: Answered) -> None:
        answered.status, answered.body = status, None if status == 204 else answered.body

    return change


def meta_of_the_client(asked: Asked, answered: Answered) -> None:
    """Answer what the client said of meta."""
    answered.body["meta"] |= asked.body.get("meta", {})


def _of_groups(asked: Asked) -> bool:
    return creates(asked, "Groups")


def _deletes(asked: Asked) -> bool:
    return asked.method == "DELETE" and asked.of_one


answers(f"{CREATE}/user", "a_create_is_answered_with_200", creates, with_status(200))
answers(f"{CREATE}/group", "a_create_of_a_group_is_answered_with_202", _of_groups, with_status(202))
answers(
    f"{CREATE}/location",
    "location_is_of_the_collection",
    creates,
    lambda _, answered: answered.headers.update(location=answered.headers["location"].rpartition("/")[0]),
)
answers(
    f"{CREATE}/location-of-a-group",
    "location_is_forgotten",
    _of_groups,
    lambda _, answered: answered.headers.pop("location"),
)
answers(
    f"{CREATE}/body", "a_create_answers_without_the_name", creates, lambda _, answered: answered.body.pop("displayName")
)
answers(f"{CREATE}/meta-is-ignored", "meta_of_the_client_is_taken", creates, meta_of_the_client)
answers(
    f"{CREATE}/id-is-ignored",
    "a_create_takes_the_clients_id",
    creates,
    lambda asked, answered: answered.body.update(id=asked.body.get("id", "1")),
)
answers("rfc7644/3.3.1/user", "the_clients_resource_type_is_taken", creates, meta_of_the_client)
answers("rfc7644/3.3.1/group", "the_clients_resource_type_of_a_group_is_taken", _of_groups, meta_of_the_client)
answers(f"{REPLACE}/answer", "put_answers_nothing", replaces, with_status(204))
answers(f"{DELETE}/user", "delete_answers_200", _deletes, with_status(200))
takes(f"{CREATE}/values-are-kept", "external_ids_are_not_stored", creates, lambda body: {**body, "externalId": None})
takes(
    f"{CREATE}/members",
    "the_last_member_of_a_new_group_is_lost",
    _of_groups,
    lambda body: {**body, "members": body.get("members", [])[:-1]},
)
takes(
    f"{CREATE}/null",
    "null_in_a_create_becomes_a_text",
    creates,
    lambda body: {name: "None" if value is None else value for name, value in body.items()},
)
takes(f"{REPLACE}/deactivated", "active_is_not_replaced", replaces, lambda body: {**body, "active": True})
takes(
    f"{REPLACE}/replaces",
    "put_keeps_the_name",
    replaces,
    lambda body: {name: value for name, value in body.items() if name != "displayName"},
)
takes(
    f"{REPLACE}/group",
    "put_drops_members",
    replaces,
    lambda body: {name: value for name, value in body.items() if name != "members"},
)
takes(
    f"{REPLACE}/extension",
    "put_drops_extensions",
    replaces,
    lambda body: {name: value for name, value in body.items() if name != ENTERPRISE_URN},
)
takes(
    f"{REPLACE}/userName-stays",
    "put_makes_a_name_up",
    replaces,
    lambda body: {"userName": "made-up@example.com", **body},
)


@caught_by(f"{CREATE}/groups-are-ignored")
def a_create_joins_the_groups_it_names(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if creates(asked) and answered.status == 201:
        for group in asked.body.get("groups", []):
            member = {"op": "add", "path": "members", "value": [{"value": answered.body["id"]}]}
            patched(f"/Groups/{group['value']}", asked, serve, member)
    return answered


@caught_by(f"{CREATE}/duplicate")
def a_duplicate_is_a_bad_request(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return refusal(400, "uniqueness") if answered.status == 409 else answered


@caught_by(f"{CREATE}/duplicate-of-an-inactive")
def the_name_of_an_inactive_user_is_free(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if creates(asked) and answered.status == 409:
        found = read("/Users", asked, serve, filter=f'userName eq "{asked.body["userName"]}" and active eq false')
        if found.resources:
            return serve(asked.but(body={**asked.body, "userName": f"2-{asked.body['userName']}"}))
    return answered


@caught_by(f"{CREATE}/duplicate-in-another-case")
def duplicates_are_looked_for_exactly(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if creates(asked) and answered.status == 409 and asked.body["userName"] != asked.body["userName"].lower():
        return serve(asked.but(body={**asked.body, "userName": f"exactly-{asked.body['userName']}"}))
    return answered


@caught_by(f"{CREATE}/refused-makes-nothing")
def a_duplicate_is_merged_into_the_other(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if creates(asked) and answered.status == 409:
        found = read("/Users", asked, serve, filter=f'userName eq "{asked.body["userName"]}"').resources[0]
        patched(f"/Users/{found['id']}", asked, serve, {"op": "replace", "path": "displayName", "value": "Other"})
    return answered


@caught_by(f"{CREATE}/simultaneous")
def a_lost_race_is_a_fault_of_the_server(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    lost = answered.status == 409 and str(asked.body.get("userName")).startswith("race-")
    return refusal(500, "") if lost else answered


@caught_by(f"{CREATE}/simultaneous-makes-one")
def a_race_makes_two(asked: Asked, serve: Serve) -> Answered:
    """The second of one name is stored beside the first, and found by it."""
    if asked.query.get("filter", "").startswith('userName eq "race-'):
        return serve(asked.but(query={"filter": asked.query["filter"].replace("userName eq", "emails.display eq")}))
    if not creates(asked) or not asked.body["userName"].startswith("race-"):
        return serve(asked)
    mails = [{**each, "display": asked.body["userName"]} for each in asked.body["emails"]]
    answered = serve(asked.but(body={**asked.body, "emails": mails}))
    if answered.status == 409:
        return serve(
            asked.but(body={**asked.body, "emails": mails, "userName": f"{id(asked)}-{asked.body['userName']}"})
        )
    return answered


def _before(asked: Asked, serve: Serve) -> dict[str, Any]:
    answered = read(asked.path, asked, serve)
    return answered.body if answered.status == 200 else {}


@caught_by(f"{REPLACE}/emails")
def put_appends_to_lists(asked: Asked, serve: Serve) -> Answered:
    if not replaces(asked):
        return serve(asked)
    kept = [{"value": each["value"], "type": "other"} for each in _before(asked, serve).get("emails", [])]
    return serve(asked.but(body={**asked.body, "emails": [*asked.body.get("emails", []), *kept]}))


@caught_by(f"{REPLACE}/null")
def put_overlooks_null(asked: Asked, serve: Serve) -> Answered:
    return _put_keeping(None, asked, serve)


@caught_by(f"{REPLACE}/empty-array")
def put_overlooks_empty_arrays(asked: Asked, serve: Serve) -> Answered:
    return _put_keeping([], asked, serve)


def _put_keeping(empty: Any, asked: Asked, serve: Serve) -> Answered:
    if not replaces(asked):
        return serve(asked)
    old = _before(asked, serve)
    return serve(
        asked.but(body={name: old.get(name) if value == empty else value for name, value in asked.body.items()})
    )


@caught_by(f"{REPLACE}/creates-nothing")
def put_creates(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if replaces(asked) and answered.status == 404:
        return serve(asked.but(method="POST", path=f"/{asked.kind}"))
    return answered


@caught_by(f"{REPLACE}/id-is-ignored")
def put_refuses_another_id(asked: Asked, serve: Serve) -> Answered:
    other = replaces(asked) and asked.body.get("id") != asked.path.split("/")[-1]
    return refusal(400, "mutability") if other else serve(asked)


@caught_by(f"{REPLACE}/what-was-read")
def put_refuses_meta(asked: Asked, serve: Serve) -> Answered:
    return refusal(400, "mutability") if replaces(asked) and "meta" in asked.body else serve(asked)


@caught_by(f"{REPLACE}/groups-are-ignored")
def put_leaves_the_groups_that_it_does_not_name(asked: Asked, serve: Serve) -> Answered:
    if not replaces(asked) or asked.kind != "Users":
        return serve(asked)
    old = _before(asked, serve)
    for group in old.get("groups", []):
        leave = {"op": "remove", "path": f'members[value eq "{old["id"]}"]'}
        patched(f"/Groups/{group['value']}", asked, serve, leave)
    return serve(asked)


@caught_by(f"{REPLACE}/taken-userName")
def put_takes_a_used_name(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if replaces(asked) and answered.status == 409:
        return serve(asked.but(body={**asked.body, "userName": f"2-{asked.body['userName']}"}))
    return answered


@caught_by(f"{REPLACE}/taken-userName-is-a-conflict")
def a_used_name_in_put_is_a_bad_value(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return refusal(400, "invalidValue") if replaces(asked) and answered.status == 409 else answered


@caught_by(f"{REPLACE}/own-userName-in-another-case")
def a_user_conflicts_with_itself(asked: Asked, serve: Serve) -> Answered:
    if replaces(asked):
        old = _before(asked, serve).get("userName", "")
        new = asked.body.get("userName", "")
        if old != new and old.lower() == new.lower():
            return refusal(409, "uniqueness")
    return serve(asked)


@caught_by(f"{REPLACE}/refused-changes-nothing")
def a_refused_put_is_half_applied(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if replaces(asked) and answered.status == 400:
        name = {"op": "replace", "path": "displayName", "value": asked.body["displayName"]}
        patched(asked.path, asked, serve, name)
    return answered


@caught_by(f"{REPLACE}/created-stays")
def created_moves_with_every_change(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources if asked.kind == "Users" else ():
        each["meta"]["created"] = each["meta"]["lastModified"]
    return answered


def _only_deactivated(asked: Asked, serve: Serve) -> Answered:
    if not _deletes(asked) or asked.kind != "Users":
        return serve(asked)
    answered = patched(asked.path, asked, serve, {"op": "replace", "path": "active", "value": False})
    return done() if answered.status == 200 else answered


@caught_by(f"{DELETE}/get")
def delete_only_deactivates(asked: Asked, serve: Serve) -> Answered:
    return _only_deactivated(asked, serve)


@caught_by(f"{DELETE}/filter")
def the_deleted_are_listed(asked: Asked, serve: Serve) -> Answered:
    return _only_deactivated(asked, serve)


@caught_by(f"{DELETE}/externalId")
def the_deleted_are_found_by_external_id(asked: Asked, serve: Serve) -> Answered:
    return _only_deactivated(asked, serve)


@caught_by(f"{DELETE}/search")
def the_deleted_are_found_by_search(asked: Asked, serve: Serve) -> Answered:
    return _only_deactivated(asked, serve)


@caught_by(f"{DELETE}/userName-is-free")
def names_of_the_deleted_stay_taken(asked: Asked, serve: Serve) -> Answered:
    return _only_deactivated(asked, serve)


@caught_by(f"{DELETE}/members")
def the_deleted_stay_members(asked: Asked, serve: Serve) -> Answered:
    return _only_deactivated(asked, serve)


@caught_by(f"{DELETE}/group")
def groups_are_not_deleted(asked: Asked, serve: Serve) -> Answered:
    return done() if _deletes(asked) and asked.kind == "Groups" else serve(asked)


@caught_by(f"{DELETE}/put")
def put_brings_the_deleted_back(asked: Asked, serve: Serve) -> Answered:
    return put_creates(asked, serve)


@caught_by(f"{DELETE}/patch")
def patch_of_the_deleted_succeeds(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return done() if asked.method == "PATCH" and answered.status == 404 else answered


@caught_by(f"{DELETE}/again")
def a_second_delete_succeeds(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return done() if _deletes(asked) and answered.status == 404 else answered


@caught_by(f"{DELETE}/members-stay")
def deleting_a_group_deletes_its_members(asked: Asked, serve: Serve) -> Answered:
    if _deletes(asked) and asked.kind == "Groups":
        for member in _before(asked, serve).get("members", []):
            serve(asked.but(path=f"/Users/{member['value']}"))
    return serve(asked)


@caught_by(f"{DELETE}/one-alone")
def deleting_one_deletes_its_namesakes(asked: Asked, serve: Serve) -> Answered:
    if _deletes(asked):
        family = _before(asked, serve).get("displayName", "")[:14]
        for each in read("/Users", asked, serve, filter=f'displayName sw "{family}"').resources:
            serve(asked.but(path=f"/Users/{each['id']}"))
        return done()
    return serve(asked)
