"""Faults in Users, Groups and enterprise Users: what RFC 7643 §4 says."""

from __future__ import annotations

from typing import Any, Final

from tests.conformance.faults_resources import (
    ENTERPRISE,
    each_value,
    in_extension,
    on_answer,
    on_request,
    set_if_there,
    writes_of_one,
)
from tests.conformance.planted import Answered, Asked, Serve, caught_by

MANAGER: Final = "rfc7643/4.3/manager"


def made_up(body: dict[str, Any]) -> None:
    """A userName where there is none."""
    body["userName"] = body.get("userName") or f"nobody-{id(body)}@example.com"


on_request("rfc7643/4.1.1/userName-missing", "a_user_name_is_made_up", made_up, "POST")


@caught_by("rfc7643/4.1.1/userName-is-unique-in-any-case")
def user_names_differ_by_case(asked: Asked, serve: Serve) -> Answered:
    if writes_of_one(asked, "POST") and any(letter.isupper() for letter in asked.body.get("userName", "")):
        return serve(asked.but(body={**asked.body, "userName": f"{asked.body['userName']}.other"}))
    return serve(asked)


@caught_by("rfc7643/4.1.1/userName-is-unique")
def a_taken_user_name_answers_the_user_that_has_it(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if writes_of_one(asked, "POST") and answered.status == 409:
        own = {"filter": f'userName eq "{asked.body["userName"]}"'}
        found = serve(asked.but(method="GET", path="/Users", query=own, body=None))
        return Answered(status=200, headers=dict(found.headers), body=found.resources[0])
    return answered


@caught_by("rfc7643/4.1.1/password-of-get")
def a_password_is_answered_when_asked_for(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for resource in answered.resources if "password" in asked.query.get("attributes", "") else ():
        resource["password"] = "$2b$12$abcdefghijklmnopqrstuv"
    return answered


@caught_by("rfc7643/4.1.1/password-of-post")
def a_new_password_is_echoed(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if writes_of_one(asked, "POST") and "password" in asked.body and answered.status == 201:
        answered.body["password"] = asked.body["password"]
    return answered


on_answer(
    "rfc7643/4.1.1/formatted-agrees",
    "a_formatted_name_of_someone_else",
    lambda user: user.get("name", {}).update(formatted="John Doe"),
)
on_answer(
    "rfc7643/4.1.1/nickName-isnt-made-up",
    "nick_name_is_the_user_name",
    lambda user: user.update(nickName=user["userName"]),
)
on_answer(
    "rfc7643/4.1.2/photos",
    "urls_lose_their_case",
    lambda user: each_value(user, "photos", lambda each: each.update(value=each["value"].lower())),
)
on_answer(
    "rfc7643/4.1.2/groups",
    "groups_hold_names_for_ids",
    lambda user: each_value(user, "groups", lambda each: each.update(value=each.get("display"))),
)
on_answer(
    "rfc7643/4.1.2/direct-groups",
    "every_group_is_indirect",
    lambda user: each_value(user, "groups", lambda each: each.update(type="indirect")),
)


@caught_by("rfc7643/4.1.2/groups-arent-patched")
def groups_of_a_user_are_patched_in_silence(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Users" and writes_of_one(asked, "PATCH") and answered.status == 400:
        return Answered(status=204, headers=dict(answered.headers), body=None)
    return answered


@caught_by("rfc7643/4.1.2/groups-arent-posted")
def a_new_user_joins_the_groups_it_names(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for group in asked.body.get("groups", []) if asked.kind == "Users" and writes_of_one(asked, "POST") else ():
        add = {"op": "add", "path": "members", "value": [{"value": answered.body["id"]}]}
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [add]}
        serve(asked.but(method="PATCH", path=f"/Groups/{group['value']}", body=body))
    return answered


on_request(
    "rfc7643/4.2/displayName-missing",
    "a_group_without_a_name_gets_one",
    lambda body: body.setdefault("displayName", f"Group {id(body)}"),
    "POST",
    kind="Groups",
)
on_answer(
    "rfc7643/4.2/members",
    "the_last_member_is_lost",
    lambda group: set_if_there(group, "members", lambda members: members[:-1]),
    kind="Groups",
)


@caught_by("rfc7643/4.2/members-are-added")
def added_members_replace_the_others(asked: Asked, serve: Serve) -> Answered:
    if asked.kind == "Groups" and writes_of_one(asked, "PATCH"):
        operations = [
            {**each, "op": "replace" if each["op"] == "add" else each["op"]} for each in asked.body["Operations"]
        ]
        return serve(asked.but(body={**asked.body, "Operations": operations}))
    return serve(asked)


@caught_by("rfc7643/4.2/a-member-is-immutable")
def a_member_is_replaced_in_place(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Groups" and writes_of_one(asked, "PATCH") and answered.status == 400:
        return Answered(status=204, headers=dict(answered.headers), body=None)
    return answered


on_answer(
    "rfc7643/4.3/attributes",
    "employee_numbers_lose_their_zeros",
    lambda user: in_extension(user, lambda own: set_if_there(own, "employeeNumber", lambda text: text.lstrip("0"))),
)
on_answer(MANAGER, "a_manager_is_a_text", lambda user: in_extension(user, lambda own: own.update(manager="Boss")))


@caught_by("rfc7643/4.3/manager-displayName-isnt-posted")
def the_clients_name_of_a_manager_is_kept(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if writes_of_one(asked, "POST") and ENTERPRISE in asked.body and answered.status == 201:
        answered.body[ENTERPRISE]["manager"] = asked.body[ENTERPRISE]["manager"]
    return answered
