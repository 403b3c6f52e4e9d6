"""Faults in attributes, schemas and what all resources share: what RFC 7643 §2 and §3 say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.conformance.planted import Answered, Asked, Serve, caught_by

URN: Final = "urn:ietf:params:scim:schemas"
USER: Final = f"{URN}:core:2.0:User"
ENTERPRISE: Final = f"{URN}:extension:enterprise:2.0:User"
WRITES: Final = ("POST", "PUT", "PATCH")


def writes_of_one(asked: Asked, *methods: str) -> bool:
    """Whether a User or Group is written, by one of the methods if any is named."""
    return asked.kind in ("Users", "Groups") and asked.method in (methods or WRITES) and isinstance(asked.body, dict)


def on_answer(case: str, name: str, change: Callable[[dict[str, Any]], object], kind: str = "Users") -> None:
    """Enter a fault that changes each resource of that kind wherever it is answered."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        for resource in answered.resources if asked.kind == kind else ():
            change(resource)
        return answered

    plant.__name__ = name
    caught_by(case)(plant)


def on_request(
    case: str, name: str, change: Callable[[dict[str, Any]], object], method: str, kind: str = "Users"
) -> None:
    """Enter a fault that misreads the bodies sent by a method to that kind."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        if asked.kind == kind and asked.method == method and isinstance(asked.body, dict):
            body = dict(asked.body)
            change(body)
            return serve(asked.but(body=body))
        return serve(asked)

    plant.__name__ = name
    caught_by(case)(plant)


def on_attribute(case: str, fault: str, attribute: str, /, **changes: Any) -> None:
    """Enter a fault that declares an attribute, by its path, other than it is."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        for schema in answered.resources if asked.kind == "Schemas" else ():
            for path, each in attributes_of(schema["attributes"]):
                if f"{schema['id']} {path}" == attribute:
                    each.update(changes)
        return answered

    plant.__name__ = fault
    caught_by(case)(plant)


def attributes_of(attributes: list[dict[str, Any]], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each attribute and sub-attribute with its path."""
    for each in attributes:
        yield before + each["name"], each
        yield from attributes_of(each.get("subAttributes", []), f"{before}{each['name']}.")


def without(body: dict[str, Any], name: str) -> None:
    """The body without that member."""
    body.pop(name, None)


def only_known_names(body: dict[str, Any]) -> None:
    """Drop what isn't written as the schema writes it."""
    for name in list(body):
        if name.lower() in ("username", "displayname") and name not in ("userName", "displayName"):
            body[name.lower() if name.lower() == "username" else "nickName"] = body.pop(name)


def in_latin(value: Any) -> Any:
    """The value with what Latin-1 hasn't replaced by question marks."""
    return value.encode("latin-1", "replace").decode("latin-1") if isinstance(value, str) else value


def each_value(resource: dict[str, Any], name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change each value of a multi-valued attribute."""
    for value in resource.get(name, []):
        change(value)


def set_if_there(body: dict[str, Any], name: str, change: Callable[[Any], Any]) -> None:
    """Change a member where there is one."""
    if name in body:
        body[name] = change(body[name])


def in_extension(resource: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> None:
    """Change the enterprise extension where there is one."""
    if ENTERPRISE in resource:
        change(resource[ENTERPRISE])


A_NAME = "rfc7643/2.1/names-in-any-case"
on_request(A_NAME, "names_count_in_one_case_only", only_known_names, "POST")
on_answer(
    "rfc7643/2.3.1/unicode",
    "characters_beyond_latin_are_lost",
    lambda user: user.update(displayName=in_latin(user.get("displayName"))),
)
on_answer(
    "rfc7643/2.3.2/true-and-false",
    "active_is_a_text",
    lambda user: set_if_there(user, "active", lambda active: str(active).lower()),
)
on_answer("rfc7643/2.3.5/date-and-time", "created_is_a_number", lambda user: user["meta"].update(created=1_700_000_000))
on_answer(
    "rfc7643/2.3.5/date-and-time",
    "last_modified_has_no_time",
    lambda user: user["meta"].update(lastModified=user["meta"]["lastModified"][:10]),
)
on_answer(
    "rfc7643/2.3.6/base64",
    "binary_in_the_alphabet_for_urls",
    lambda user: each_value(
        user, "x509Certificates", lambda each: each.update(value=each["value"].replace("+", "-").replace("/", "_"))
    ),
)
on_answer(
    "rfc7643/2.3.7/members-lead-to-users",
    "member_references_lead_nowhere",
    lambda group: each_value(group, "members", lambda each: each.update({"$ref": each.get("$ref", "") + "/member"})),
    kind="Groups",
)
on_answer(
    "rfc7643/2.3.7/groups-lead-to-groups",
    "group_references_lead_to_users",
    lambda user: each_value(
        user, "groups", lambda each: each.update({"$ref": each["$ref"].replace("/Groups/", "/Users/")})
    ),
)
on_answer(
    "rfc7643/2.4/values-keep-their-sub-attributes",
    "every_value_is_of_one_type",
    lambda user: each_value(user, "emails", lambda each: each.update(type="work")),
)
on_answer(
    "rfc7643/2.4/one-primary",
    "every_value_is_primary",
    lambda user: each_value(user, "emails", lambda each: each.update(primary=True)),
)
on_answer(
    "rfc7643/2.4/not-primary-unless-said",
    "the_first_value_is_made_primary",
    lambda user: user["emails"][0].update(primary=True) if user.get("emails") else None,
)
on_answer(
    "rfc7643/2.4/one-value-is-a-list",
    "a_list_of_one_is_unwrapped",
    lambda user: set_if_there(user, "phoneNumbers", lambda values: values[0] if len(values) == 1 else values),
)
on_answer(
    "rfc7643/2.4/a-value-once",
    "a_value_is_answered_twice",
    lambda user: set_if_there(user, "phoneNumbers", lambda values: [*values, *values]),
)
on_request(
    "rfc7643/2.5/null-in-a-new-resource",
    "null_is_kept_as_a_text",
    lambda body: set_if_there(body, "nickName", lambda nick: "null" if nick is None else nick),
    "POST",
)
on_request(
    "rfc7643/2.5/empty-list-by-put",
    "put_ignores_an_empty_list",
    lambda body: body.update(phoneNumbers=[{"value": "+1 555 0100"}]) if body.get("phoneNumbers") == [] else None,
    "PUT",
)


@caught_by("rfc7643/2.5/null-by-patch")
def patch_ignores_null(asked: Asked, serve: Serve) -> Answered:
    if writes_of_one(asked, "PATCH"):
        kept = [each for each in asked.body["Operations"] if each.get("value", 0) is not None]
        asked = asked.but(body={**asked.body, "Operations": kept})
    return serve(asked)


@caught_by("rfc7643/2.5/the-same-state")
def removed_values_leave_an_empty_text(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Users" and asked.method == "GET" and asked.of_one and "Nick" not in str(answered.body):
        unchanged = answered.body["meta"]["created"] == answered.body["meta"]["lastModified"]
        answered.body |= {} if unchanged else {"nickName": "-"}
    return answered


on_attribute("rfc7643/2.3/types-are-known", "a_type_that_is_none", f"{USER} title", type="text")
on_attribute("rfc7643/2.1/names-are-names", "a_name_with_a_space", f"{USER} title", name="job title")
on_attribute(
    "rfc7643/2.3.8/complex-is-flat",
    "a_complex_attribute_within_another",
    f"{USER} name.givenName",
    type="complex",
    subAttributes=[{"name": "first", "type": "string"}],
)
on_attribute(
    "rfc7643/2.3.8/simple-is-simple",
    "a_text_with_parts",
    f"{USER} title",
    subAttributes=[{"name": "a", "type": "string"}],
)
on_attribute(
    "rfc7643/4.1.1/userName-declared", "user_name_is_declared_not_unique", f"{USER} userName", uniqueness="none"
)
on_attribute("rfc7643/4.1.1/password-declared", "password_is_declared_readable", f"{USER} password", returned="default")
on_attribute("rfc7643/4.1.2/groups-declared", "groups_are_declared_writable", f"{USER} groups", mutability="readWrite")
on_attribute(
    "rfc7643/3.3/extensions-redefine-nothing", "an_extension_redefines_title", f"{ENTERPRISE} division", name="title"
)

on_answer("rfc7643/3/schemas", "users_have_no_schemas", lambda user: user.update(schemas=[]))
on_answer(
    "rfc7643/3/schemas-are-those-of-the-type",
    "schemas_hold_one_of_no_extension",
    lambda user: user["schemas"].append("urn:example:2.0:User"),
)
on_answer("rfc7643/3/schemas-once", "schemas_hold_one_twice", lambda user: user["schemas"].append(USER))
on_answer(
    "rfc7643/3/order-of-schemas",
    "only_the_last_schema_is_read",
    lambda user: user.pop(ENTERPRISE, None) if user["schemas"][0] == USER else None,
)
on_answer(
    "rfc7643/3/common-attributes-of-groups",
    "groups_lose_their_external_id",
    lambda group: without(group, "externalId"),
    kind="Groups",
)
on_answer(
    "rfc7643/3.1/id-and-meta-are-assigned", "meta_has_no_location", lambda user: without(user["meta"], "location")
)
on_answer(
    "rfc7643/3.1/id-and-meta-of-a-group",
    "groups_say_that_they_are_users",
    lambda group: group["meta"].update(resourceType="User"),
    kind="Groups",
)


@caught_by("rfc7643/3.1/id-in-every-representation")
def ids_can_be_excluded(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for resource in answered.resources if "id" in asked.query.get("excludedAttributes", "").split(",") else ():
        resource.pop("id")
    return answered


@caught_by("rfc7643/3.1/id-among-all-types")
def groups_answer_under_the_ids_of_users(asked: Asked, serve: Serve) -> Answered:
    if asked.kind == "Groups" and asked.method == "GET" and asked.of_one:
        as_user = serve(asked.but(path=asked.path.replace("/Groups/", "/Users/")))
        return as_user if as_user.status == 200 else serve(asked)
    return serve(asked)


@caught_by("rfc7643/3.1/id-isnt-the-clients")
def the_clients_id_is_taken(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if writes_of_one(asked, "POST") and "id" in asked.body:
        answered.body["id"] = asked.body["id"]
    return answered


@caught_by("rfc7643/3.1/id-is-case-exact")
def ids_are_searched_in_any_case(asked: Asked, serve: Serve) -> Answered:
    found = re.fullmatch(r'id eq "(.*)"', asked.query.get("filter", ""))
    if found:
        return serve(asked.but(query={**asked.query, "filter": f'id eq "{found[1].lower()}"'}))
    return serve(asked)


@caught_by("rfc7643/3.1/externalId-is-the-clients")
def an_external_id_is_made_up(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for resource in answered.resources if asked.kind == "Users" else ():
        resource.setdefault("externalId", resource["id"])
    return answered


on_answer(
    "rfc7643/3.1/externalId-is-kept",
    "external_ids_lose_their_case",
    lambda user: set_if_there(user, "externalId", str.lower),
)


@caught_by("rfc7643/3.1/externalId-isnt-unique")
def external_ids_must_be_unique(asked: Asked, serve: Serve) -> Answered:
    if writes_of_one(asked, "POST") and "externalId" in asked.body:
        own = {"filter": f'externalId eq "{asked.body["externalId"]}"'}
        taken = serve(asked.but(method="GET", path="/Users", query=own, body=None))
        if taken.resources:
            error = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "409"}
            return Answered(status=409, headers=dict(taken.headers), body=error)
    return serve(asked)


@caught_by("rfc7643/3.1/meta-is-ignored-in-post")
def meta_is_taken_from_the_client(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if writes_of_one(asked, "POST") and "meta" in asked.body:
        answered.body["meta"] |= {"created": asked.body["meta"]["created"]}
    return answered


@caught_by("rfc7643/3.1/created-stays")
def created_moves_with_changes(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for resource in answered.resources:
        resource.get("meta", {})["created"] = resource.get("meta", {}).get("lastModified")
    return answered


on_answer(
    "rfc7643/3.1/lastModified-moves",
    "last_modified_stays",
    lambda user: user["meta"].update(lastModified=user["meta"]["created"]),
)
on_answer(
    "rfc7643/3.1/never-modified",
    "last_modified_is_ahead_from_the_start",
    lambda user: user["meta"].update(lastModified="2999-01-01T00:00:00Z"),
)
on_answer(
    "rfc7643/3.1/location-leads-there",
    "location_is_the_endpoint",
    lambda user: user["meta"].update(location=user["meta"]["location"].rpartition("/")[0]),
)
on_answer(
    "rfc7643/3.1/version-is-the-entity-tag",
    "version_is_another_than_the_entity_tag",
    lambda user: user["meta"].update(version='W/"0"'),
)
on_answer(
    "rfc7643/3.1/weak-versions-say-so",
    "weak_versions_begin_in_lower_case",
    lambda user: user["meta"].update(version="w" + user["meta"]["version"][1:]),
)
on_answer(
    "rfc7643/3.3/extensions-in-their-container",
    "extensions_are_flattened",
    lambda user: user.update(user.pop(ENTERPRISE, {})),
)
on_answer(
    "rfc7643/3.3/extension-in-schemas",
    "schemas_forget_extensions",
    lambda user: user.update(schemas=[USER]),
)
