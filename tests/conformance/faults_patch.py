"""Faults in PATCH (RFC 7644 §3.5.2), and how such are entered; those of single operations are next door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from conformance.discovery import ENTERPRISE_URN, GROUP_URN
from tests.conformance.faults_writes import answers, done, patched, refusal, with_status
from tests.conformance.planted import Answered, Asked, Serve, caught_by

PATCH: Final = "rfc7644/3.5.2"

Operation = dict[str, Any]


def is_patch(asked: Asked) -> bool:
    """Whether it is a PATCH of one resource."""
    return asked.method == "PATCH" and asked.of_one


def operations_of(asked: Asked) -> list[Operation]:
    """The operations of a PATCH; none where the body has none."""
    found = asked.body.get("Operations") if isinstance(asked.body, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def with_operations(asked: Asked, operations: list[Operation]) -> Asked:
    """The same request with other operations."""
    return asked.but(body={**asked.body, "Operations": operations})


def takes(case: str, name: str, change: Callable[[Operation], Operation | list[Operation]]) -> None:
    """Enter a fault that takes an operation for another one, or for several."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        if not is_patch(asked) or not operations_of(asked):
            return serve(asked)
        taken = [change(each) for each in operations_of(asked)]
        flat = [each for some in taken for each in (some if isinstance(some, list) else [some])]
        return serve(with_operations(asked, flat)) if flat else done()

    plant.__name__ = name
    caught_by(case)(plant)


def refuses(case: str, name: str, when: Callable[[Operation], bool], status: int = 400, kind: str = "noTarget") -> None:
    """Enter a fault that refuses a request that has such an operation."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        return refusal(status, kind) if is_patch(asked) and any(map(when, operations_of(asked))) else serve(asked)

    plant.__name__ = name
    caught_by(case)(plant)


def forgives(case: str, name: str, when: Callable[[Answered], bool] = lambda _: True) -> None:
    """Enter a fault that answers with success what it doesn't do."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        return done() if is_patch(asked) and answered.status >= 400 and when(answered) else answered

    plant.__name__ = name
    caught_by(case)(plant)


def renames(case: str, name: str, kind: str, status: int = 400) -> None:
    """Enter a fault that refuses for another reason than it has."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        return refusal(status, kind) if is_patch(asked) and answered.status >= 400 else answered

    plant.__name__ = name
    caught_by(case)(plant)


def touches(case: str, name: str) -> None:
    """Enter a fault that writes something of its own whenever an add is carried out."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        if is_patch(asked) and answered.status < 300 and any(each.get("op") == "add" for each in operations_of(asked)):
            label = {"op": "replace", "path": "externalId", "value": "touched"}
            patched(asked.path, asked, serve, label)
        return answered

    plant.__name__ = name
    caught_by(case)(plant)


def shows(case: str, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Enter a fault that shows every User and Group otherwise than it is."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        for each in answered.resources if asked.kind in ("Users", "Groups") else ():
            change(each)
        return answered

    plant.__name__ = name
    caught_by(case)(plant)


def is_at(op: Operation, text: str) -> bool:
    """Whether its path begins so."""
    return str(op.get("path", "")).startswith(text)


def path_taken(change: Callable[[str], str], op_name: str = "") -> Callable[[Operation], Operation]:
    """Take a path for another one, in operations of that name or in all."""

    def taken(op: Operation) -> Operation:
        wanted = isinstance(op.get("path"), str) and op_name in ("", op.get("op"))
        return {**op, "path": change(op["path"])} if wanted else op

    return taken


def taken_as(op_name: str, other: str, path: str | None) -> Callable[[Operation], Operation]:
    """Take an operation on that path (None: without one) for another one."""

    def taken(op: Operation) -> Operation:
        return {**op, "op": other} if op.get("op") == op_name and op.get("path") == path else op

    return taken


def overlooked(when: Callable[[Operation], bool]) -> Callable[[Operation], list[Operation]]:
    """Overlook such operations."""
    return lambda op: [] if when(op) else [op]


def preceded(when: Callable[[Operation], bool], first: Operation) -> Callable[[Operation], list[Operation]]:
    """Do something else first."""
    return lambda op: [first, op] if when(op) else [op]


# --- the request and its answer
def _part_of_a_group(_: Asked, answered: Answered) -> None:
    answered.status, answered.headers["content-type"] = 200, "application/scim+json"
    answered.body = {"schemas": [GROUP_URN], "id": "x", "meta": {"resourceType": "Group"}}


answers(
    f"{PATCH}/answer",
    "a_patch_answers_200_without_a_body",
    is_patch,
    lambda _, answered: setattr(answered, "body", None),
)
answers(
    f"{PATCH}/answer-of-a-group",
    "a_patch_answers_part_of_a_group",
    is_patch,
    _part_of_a_group,
)
answers(f"{PATCH}/attributes", "attributes_do_not_force_200", is_patch, with_status(204))


@caught_by(f"{PATCH}/attributes-of-a-group")
def attributes_of_a_patch_are_overlooked(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(query={})) if is_patch(asked) else serve(asked)


forgives(f"{PATCH}/without-operations", "a_patch_without_operations_succeeds")
forgives(f"{PATCH}/operations-that-are-no-array", "operations_of_any_type_succeed")
takes(
    f"{PATCH}/unknown-op",
    "an_unknown_op_is_a_replace",
    lambda op: {**op, "op": op["op"] if op.get("op") in ("add", "remove") else "replace"},
)
takes(f"{PATCH}/without-op", "a_missing_op_is_an_add", lambda op: {"op": "add", **op})
renames(f"{PATCH}/bad-operations-are-bad-syntax", "bad_operations_are_bad_values", "invalidValue")
forgives(f"{PATCH}/unknown-id", "a_patch_of_nothing_succeeds")


@caught_by(f"{PATCH}/error")
def errors_of_a_patch_are_no_scim_errors(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_patch(asked) and answered.status >= 400:
        answered.body = {"message": "no"}
    return answered


# --- paths
refuses(
    f"{PATCH}/path-in-any-case",
    "paths_are_compared_exactly",
    lambda op: op.get("path") == "DISPLAYNAME",
    kind="invalidPath",
)
refuses(f"{PATCH}/urn-path", "urns_in_paths_are_unknown", lambda op: is_at(op, "urn:"), kind="invalidPath")
refuses(
    f"{PATCH}/sub-attribute", "dots_in_paths_are_unknown", lambda op: "." in str(op.get("path")), kind="invalidPath"
)
forgives(f"{PATCH}/broken-names", "broken_names_in_paths_are_overlooked")
forgives(f"{PATCH}/broken-value-paths", "broken_filters_in_paths_are_overlooked")
takes(f"{PATCH}/array-index", "paths_may_have_an_index", path_taken(lambda path: path.replace("[0]", "[value pr]")))
renames(f"{PATCH}/invalidPath", "a_broken_path_is_a_bad_value", "invalidValue")
takes(
    f"{PATCH}/path-of-another-type",
    "a_path_of_another_type_is_a_name",
    lambda op: {**op, "path": op["path"] if isinstance(op.get("path"), str) else "displayName"},
)
takes(f"{PATCH}/filter-or", "or_in_a_path_is_read_as_and", path_taken(lambda path: path.replace(" or ", " and ")))
takes(
    f"{PATCH}/filter-and",
    "and_in_a_path_is_read_as_or",
    path_taken(lambda path: path.replace(" and value sw", " or value sw").replace('"h-"', '"o-"')),
)
refuses(f"{PATCH}/filter-names-in-any-case", "filters_in_paths_are_compared_exactly", lambda op: is_at(op, "EMAILS"))
refuses(
    f"{PATCH}/filter-with-brackets-in-its-value",
    "a_bracket_in_a_value_ends_the_path",
    lambda op: str(op.get("path")).count("]") > 1,
    kind="invalidPath",
)

# --- what may be written
forgives(
    f"{PATCH}/id-is-readOnly",
    "operations_on_an_id_are_overlooked",
    lambda answered: answered.body.get("scimType") == "mutability",
)
forgives(
    f"{PATCH}/meta-is-readOnly",
    "operations_on_meta_are_overlooked",
    lambda answered: answered.body.get("scimType") == "mutability",
)
renames(f"{PATCH}/readOnly-is-mutability", "a_read_only_attribute_is_a_bad_path", "invalidPath")
takes(
    f"{PATCH}/wrong-type",
    "what_is_not_true_is_false",
    lambda op: {**op, "value": False} if op.get("path") == "active" else op,
)
renames(f"{PATCH}/invalidValue", "a_wrong_type_is_bad_syntax", "invalidSyntax")
forgives(f"{PATCH}/taken-userName", "a_used_name_in_patch_is_overlooked", lambda answered: answered.status == 409)
renames(f"{PATCH}/taken-userName-is-a-conflict", "a_used_name_in_patch_is_a_bad_value", "invalidValue")


@caught_by(f"{PATCH}/groups-are-readOnly")
def a_user_joins_groups_by_its_own_patch(asked: Asked, serve: Serve) -> Answered:
    for op in operations_of(asked) if is_patch(asked) else ():
        if op.get("path") == "groups":
            member = {"op": "add", "path": "members", "value": [{"value": asked.path.split("/")[-1]}]}
            patched(f"/Groups/{op['value'][0]['value']}", asked, serve, member)
            return done()
    return serve(asked)


@caught_by(f"{PATCH}/immutable")
def a_member_is_made_another(asked: Asked, serve: Serve) -> Answered:
    for op in operations_of(asked) if is_patch(asked) else ():
        if is_at(op, "members[") and op["path"].endswith("].value"):
            swap = {"op": "replace", "path": "members", "value": [{"value": op["value"]}]}
            return patched(asked.path, asked, serve, swap)
    return serve(asked)


# --- several operations
@caught_by(f"{PATCH}/in-order")
def the_last_operation_comes_first(asked: Asked, serve: Serve) -> Answered:
    return serve(with_operations(asked, operations_of(asked)[::-1])) if operations_of(asked) else serve(asked)


@caught_by(f"{PATCH}/each-on-the-result")
def one_operation_of_a_request_is_enough(asked: Asked, serve: Serve) -> Answered:
    return serve(with_operations(asked, operations_of(asked)[:1])) if operations_of(asked) else serve(asked)


def _one_by_one(asked: Asked, serve: Serve) -> list[Answered]:
    """Each operation carried out for itself, until one fails."""
    done_so_far: list[Answered] = []
    for op in operations_of(asked):
        done_so_far.append(serve(with_operations(asked, [op])))
        if done_so_far[-1].status >= 400:
            break
    return done_so_far


@caught_by(f"{PATCH}/atomic")
def a_failing_patch_is_half_applied(asked: Asked, serve: Serve) -> Answered:
    return _one_by_one(asked, serve)[-1] if is_patch(asked) and operations_of(asked) else serve(asked)


@caught_by(f"{PATCH}/atomic-group")
def a_failing_patch_of_a_group_is_half_applied(asked: Asked, serve: Serve) -> Answered:
    grouped = is_patch(asked) and asked.kind == "Groups" and operations_of(asked)
    return _one_by_one(asked, serve)[-1] if grouped else serve(asked)


@caught_by(f"{PATCH}/atomic-conflict")
def a_conflict_leaves_what_went_before(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return _one_by_one(asked, serve)[-1] if is_patch(asked) and answered.status == 409 else answered


@caught_by(f"{PATCH}/atomic-first")
def a_failing_operation_is_left_out(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_patch(asked) and answered.status == 400:
        for op in operations_of(asked):
            serve(with_operations(asked, [op]))
    return answered


# --- primary, versions, extensions
def _all_primary(each: dict[str, Any]) -> None:
    for mail in each.get("emails", []):
        mail["primary"] = mail.get("primary", False) or mail["type"] == "work"


shows(f"{PATCH}/primary-by-add", "primary_stays_with_the_first", _all_primary)
takes(
    f"{PATCH}/primary-by-value-path",
    "primary_is_not_set_by_a_path",
    overlooked(lambda op: str(op.get("path")).endswith(".primary")),
)
shows(f"{PATCH}/primary-by-value", "two_values_are_primary", _all_primary)
shows(f"{PATCH}/version", "a_version_stays_for_ever", lambda each: each["meta"].update(version='W/"1"'))
shows(
    f"{PATCH}/extension-is-added", "schemas_lack_the_extension", lambda each: each.update(schemas=each["schemas"][:1])
)
takes(
    f"{PATCH}/extension-is-replaced",
    "an_extension_attribute_replaces_the_extension",
    preceded(
        lambda op: is_at(op, ENTERPRISE_URN) and op["op"] == "replace",
        {"op": "remove", "path": f"{ENTERPRISE_URN}:employeeNumber"},
    ),
)
takes(
    f"{PATCH}/extension-is-removed",
    "removing_an_extension_attribute_removes_all",
    preceded(
        lambda op: is_at(op, ENTERPRISE_URN) and op["op"] == "remove",
        {"op": "remove", "path": f"{ENTERPRISE_URN}:employeeNumber"},
    ),
)
takes(
    f"{PATCH}/extension-in-a-value",
    "extensions_in_a_value_are_overlooked",
    lambda op: (
        {**op, "value": {name: value for name, value in op["value"].items() if name != ENTERPRISE_URN}}
        if isinstance(op.get("value"), dict)
        else op
    ),
)
refuses(
    f"{PATCH}/extension-in-later-operations",
    "an_extension_can_only_be_added",
    lambda op: is_at(op, "urn:") and op["op"] == "replace",
)

# --- at the same time
takes(f"{PATCH}/simultaneous-adds", "writers_overwrite_each_other", taken_as("add", "replace", "members"))
takes(
    f"{PATCH}/simultaneous-removes",
    "removals_of_members_get_lost",
    overlooked(lambda op: op["op"] == "remove" and is_at(op, "members[")),
)
