"""Faults in what PATCH adds, removes and replaces (RFC 7644 §3.5.2.1 to §3.5.2.3)."""

from __future__ import annotations

from typing import Final

from tests.conformance.faults_patch import (
    forgives,
    is_at,
    is_patch,
    overlooked,
    path_taken,
    preceded,
    refuses,
    renames,
    shows,
    taken_as,
    takes,
    touches,
)
from tests.conformance.faults_writes import patched, read
from tests.conformance.planted import Answered, Asked, Serve, caught_by

ADD: Final = "rfc7644/3.5.2.1"
REMOVE: Final = "rfc7644/3.5.2.2"
REPLACE: Final = "rfc7644/3.5.2.3"


# --- add
takes(
    f"{ADD}/value-path",
    "add_overlooks_the_filter",
    path_taken(lambda path: path.replace('[type eq "home"]', "[value pr]"), "add"),
)
takes(
    f"{ADD}/without-value",
    "add_without_a_value_clears",
    lambda op: op if "value" in op or op["op"] == "remove" else {**op, "value": None},
)
takes(f"{ADD}/without-path", "add_without_a_path_replaces", taken_as("add", "replace", None))
refuses(f"{ADD}/absent", "add_wants_a_value_to_be_there", lambda op: op.get("path") == "title")
takes(
    f"{ADD}/complex",
    "add_replaces_a_whole_name",
    preceded(lambda op: op.get("path") == "name", {"op": "remove", "path": "name.familyName"}),
)
takes(
    f"{ADD}/sub-attribute",
    "add_of_a_sub_attribute_is_overlooked",
    overlooked(lambda op: op.get("path") == "name.givenName"),
)
takes(f"{ADD}/multi-valued", "add_replaces_a_list", taken_as("add", "replace", "emails"))
refuses(
    f"{ADD}/one-object",
    "add_wants_an_array",
    lambda op: op.get("path") == "emails" and isinstance(op["value"], dict),
    kind="invalidValue",
)
takes(
    f"{ADD}/single-valued",
    "add_keeps_what_is_there",
    overlooked(lambda op: op["op"] == "add" and op.get("path") == "displayName"),
)
takes(
    f"{ADD}/members",
    "add_takes_one_member_alone",
    lambda op: {**op, "value": op["value"][:1]} if op.get("path") == "members" else op,
)
shows(
    f"{ADD}/value-that-is-there",
    "an_added_value_is_there_twice",
    lambda each: each.get("emails", [])[2:] or each.update(emails=each.get("emails", []) * 2),
)
refuses(
    f"{ADD}/member-that-is-there",
    "a_member_can_not_be_added_again",
    lambda op: op.get("path") == "members",
    409,
    "uniqueness",
)
touches(f"{ADD}/no-op", "an_add_of_the_same_moves_last_modified")
touches(f"{ADD}/no-op-multi-valued", "an_add_of_the_same_value_moves_last_modified")
touches(f"{ADD}/no-op-version", "an_add_of_the_same_makes_a_version")


@caught_by(f"{ADD}/no-op-member")
def an_add_of_the_same_member_moves_last_modified(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_patch(asked) and asked.kind == "Groups":
        patched(asked.path, asked, serve, {"op": "replace", "path": "displayName", "value": asked.path})
    return answered


# --- remove
forgives(f"{REMOVE}/without-path", "remove_without_a_path_removes_nothing")
shows(f"{REMOVE}/single-valued", "what_is_removed_is_an_empty_text", lambda each: each.setdefault("title", ""))
takes(
    f"{REMOVE}/sub-attribute",
    "removing_a_part_removes_the_whole",
    path_taken(lambda path: "name" if path == "name.middleName" else path, "remove"),
)
takes(
    f"{REMOVE}/multi-valued",
    "remove_takes_one_value_alone",
    path_taken(lambda path: 'phoneNumbers[type eq "work"]' if path == "phoneNumbers" else path, "remove"),
)
takes(
    f"{REMOVE}/members",
    "members_are_not_removed_together",
    overlooked(lambda op: op["op"] == "remove" and op.get("path") == "members"),
)
takes(f"{REMOVE}/filtered", "remove_overlooks_the_filter", path_taken(lambda path: path.partition("[")[0], "remove"))
takes(
    f"{REMOVE}/filtered-by-value",
    "remove_knows_no_filter_on_value",
    overlooked(lambda op: op["op"] == "remove" and is_at(op, "emails[value")),
)
takes(
    f"{REMOVE}/all-selected",
    "remove_takes_the_first_it_finds",
    path_taken(lambda path: path.replace('"x"', '"x1"'), "remove"),
)
shows(f"{REMOVE}/last-value", "an_empty_value_is_left", lambda each: each.setdefault("phoneNumbers", [{}]))
takes(
    f"{REMOVE}/sub-attribute-of-selected",
    "removing_a_part_of_a_value_removes_it",
    path_taken(lambda path: path.removesuffix(".display"), "remove"),
)
takes(
    f"{REMOVE}/member",
    "removing_a_member_removes_all",
    path_taken(lambda path: "members" if path.startswith("members[") else path, "remove"),
)
renames(f"{REMOVE}/required", "a_required_attribute_is_a_bad_value", "invalidValue")
renames(f"{REMOVE}/readOnly", "a_read_only_attribute_has_no_target", "noTarget")
refuses(f"{REMOVE}/member-that-is-not-there", "a_stranger_can_not_be_removed", lambda op: is_at(op, "members["))


@caught_by(f"{REMOVE}/member-of-the-user")
def the_groups_of_a_user_are_stale(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "GET" and asked.of_one and asked.kind == "Users" and answered.status == 200:
        name = answered.body["displayName"].rpartition("-")[0]
        near = read("/Groups", asked, serve, filter=f'displayName sw "{name}"').resources
        answered.body["groups"] = [{"value": each["id"]} for each in near]
    return answered


# --- replace
takes(
    f"{REPLACE}/without-path",
    "replace_without_a_path_clears_the_rest",
    preceded(lambda op: op["op"] == "replace" and "path" not in op, {"op": "remove", "path": "emails"}),
)
forgives(f"{REPLACE}/without-path-or-object", "a_replace_of_nothing_succeeds")
takes(
    f"{REPLACE}/active",
    "active_is_set_once",
    overlooked(lambda op: op.get("path") == "active" and op.get("value") is True),
)
takes(f"{REPLACE}/multi-valued", "replace_appends_to_a_list", taken_as("replace", "add", "emails"))
takes(f"{REPLACE}/members", "replace_appends_members", taken_as("replace", "add", "members"))
takes(
    f"{REPLACE}/no-members",
    "an_empty_array_of_members_is_overlooked",
    overlooked(lambda op: op.get("path") == "members" and op.get("value") == []),
)
refuses(
    f"{REPLACE}/absent",
    "replace_wants_a_value_to_be_there",
    lambda op: op["op"] == "replace" and op.get("path") == "title",
)
takes(
    f"{REPLACE}/complex",
    "replace_takes_a_whole_name",
    preceded(lambda op: op.get("path") == "name", {"op": "remove", "path": "name.familyName"}),
)
takes(
    f"{REPLACE}/selected-value",
    "replace_appends_to_what_it_selects",
    lambda op: {**op, "op": "add", "path": "emails"} if is_at(op, "emails[") else op,
)
takes(
    f"{REPLACE}/sub-attribute-of-selected",
    "replace_overlooks_the_filter",
    path_taken(lambda path: path.replace('[type eq "home"]', "[value pr]"), "replace"),
)
takes(
    f"{REPLACE}/all-selected",
    "replace_takes_the_first_it_finds",
    path_taken(lambda path: path.replace("[value ew", '[value sw "w-" and value ew'), "replace"),
)
forgives(f"{REPLACE}/noTarget", "a_patch_without_a_target_succeeds")
renames(f"{REPLACE}/noTarget-of-a-whole-value", "a_replace_without_a_target_is_a_bad_path", "invalidPath")
takes(f"{REPLACE}/null", "null_in_a_patch_is_overlooked", overlooked(lambda op: "value" in op and op["value"] is None))
takes(f"{REPLACE}/empty-array", "an_empty_array_in_a_patch_is_overlooked", overlooked(lambda op: op.get("value") == []))
