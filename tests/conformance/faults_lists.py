"""Faults in lists: filters, sorting, paging, projection, searches and cursors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tests.conformance.planted import Answered, Asked, Serve, caught_by

FILTER: Final = "rfc7644/3.4.2.2"
PAGE: Final = "rfc7644/3.4.2.4"
SORT: Final = "rfc7644/3.4.2.3"
PROJECTION: Final = "rfc7644/3.9"


def is_list(asked: Asked) -> bool:
    """Whether a list is asked for by GET."""
    return asked.method == "GET" and asked.path in ("/Users", "/Groups")


def with_filter(asked: Asked, change: Callable[[str], str]) -> Asked:
    """The request with its filter changed, as a server would that misreads it."""
    if "filter" not in asked.query:
        return asked
    return asked.but(query={**asked.query, "filter": change(asked.query["filter"])})


def with_query(asked: Asked, **changes: str | None) -> Asked:
    """The request with parameters of its query changed; None takes one away."""
    query = {**asked.query, **{name: value for name, value in changes.items() if value is not None}}
    return asked.but(query={name: value for name, value in query.items() if changes.get(name, "") is not None})


def misread(case: str, name: str, change: Callable[[str], str]) -> None:
    """Enter a fault that misreads filters."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        return serve(with_filter(asked, change))

    plant.__name__ = name
    caught_by(f"{FILTER}/{case}")(plant)


def _swapped(one: str, other: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"\b{one}\b", other, text)


misread("not", "not_is_overlooked", lambda text: text.replace("not (", "("))
misread(
    "not-of-and",
    "not_is_of_the_first_term_alone",
    lambda text: re.sub(r"not \((.+?) or (.+?)\)", r"(not (\1) or \2)", text),
)
misread("or", "or_is_read_as_and", _swapped("or", "and"))
misread("and", "and_is_read_as_or", _swapped("and", "or"))
misread("sw", "sw_is_read_as_co", _swapped("sw", "ew"))
misread("co", "co_is_read_as_sw", _swapped("co", "sw"))
misread("ew", "ew_is_read_as_sw", _swapped("ew", "sw"))
misread("gt", "gt_includes_the_value", _swapped("gt", "ge"))
misread("ge", "ge_leaves_out_the_value", _swapped("ge", "gt"))
misread("lt", "lt_includes_the_value", _swapped("lt", "le"))
misread("le", "le_leaves_out_the_value", _swapped("le", "lt"))
misread("ne", "ne_is_read_as_eq", _swapped("ne", "eq"))
misread("pr", "pr_always_holds", lambda text: text.replace("title pr", "userName pr"))
misread("brackets", "brackets_are_overlooked", lambda text: text.replace("(", "").replace(")", ""))
misread(
    "and-binds-tighter-than-or",
    "operators_bind_from_the_left",
    lambda text: re.sub(r"^([^()]+?) or ([^()]+?) and ([^()]+)$", r"(\1 or \2) and \3", text),
)
misread(
    "value-path-correlates",
    "value_paths_do_not_correlate",
    lambda text: re.sub(r"emails\[type (.+?) and value (.+?)\]", r"emails.type \1 and emails.value \2", text),
)
misread("percent-in-co", "percent_is_a_wildcard", lambda text: text.replace("0%", "0"))
misread("quotes-in-values", "escaped_quotes_are_dropped", lambda text: text.replace('\\"', ""))
misread("boolean-false", "false_is_read_as_true", lambda text: text.replace("false", "true"))
misread("externalId", "external_ids_are_not_searched", lambda text: text.replace("externalId eq", "nickName eq"))
misread("created-lt", "times_are_not_compared", lambda text: re.sub(r"meta.created lt \S+", "userName pr", text))


def _keeps(asked: Asked, serve: Serve, keep: Callable[[dict[str, Any]], bool]) -> Answered:
    """The list without the resources that `keep` doesn't want."""
    answered = serve(asked)
    if is_list(asked) and answered.status == 200:
        answered.body["Resources"] = [each for each in answered.resources if keep(each)]
        answered.body["totalResults"] = answered.body["itemsPerPage"] = len(answered.body["Resources"])
    return answered


@caught_by(f"{FILTER}/case-of-userName")
def user_names_are_compared_exactly(asked: Asked, serve: Serve) -> Answered:
    named = re.search(r'userName eq "([^"]+)"', asked.query.get("filter", ""))
    return _keeps(asked, serve, lambda each: named is None or each.get("userName") == named[1])


@caught_by(f"{FILTER}/names-in-any-case")
def names_are_compared_exactly(asked: Asked, serve: Serve) -> Answered:
    if "DISPLAYNAME" in asked.query.get("filter", ""):
        asked = with_filter(asked, lambda _: 'userName eq "nobody"')
    return serve(asked)


@caught_by(f"{FILTER}/operators-in-any-case")
def operators_are_compared_exactly(asked: Asked, serve: Serve) -> Answered:
    return serve(with_filter(asked, lambda text: text.replace(" SW ", " unknown ")))


@caught_by(f"{FILTER}/urn-qualified")
def urns_are_not_understood(asked: Asked, serve: Serve) -> Answered:
    return serve(with_filter(asked, lambda text: text.replace("urn:ietf", "urn:other")))


@caught_by(f"{FILTER}/multi-valued-any-value")
def primary_values_alone_are_searched(asked: Asked, serve: Serve) -> Answered:
    return _keeps(asked, serve, lambda each: any(email.get("primary") for email in each.get("emails", [])))


@caught_by(f"{FILTER}/unknown-operator")
def bad_filters_are_ignored(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return serve(with_query(asked, filter=None)) if is_list(asked) and answered.status == 400 else answered


@caught_by(f"{FILTER}/no-value")
def bad_filters_are_faults_of_the_server(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_list(asked) and answered.status == 400:
        answered.status, answered.body["status"] = 500, "500"
    return answered


@caught_by(f"{FILTER}/open-bracket")
def bad_filters_have_no_scim_type(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 400:
        answered.body.pop("scimType", None)
    return answered


@caught_by(f"{FILTER}/nothing")
def no_match_is_not_found(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_list(asked) and answered.status == 200 and not answered.body["totalResults"]:
        answered.status = 404
    return answered


@caught_by("rfc7644/3.4.2/total-counts-all")
def totals_count_the_page(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_list(asked) and answered.status == 200:
        answered.body["totalResults"] = len(answered.resources)
    return answered


@caught_by("rfc7644/3.4.2/items-per-page")
def items_per_page_is_the_default(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_list(asked) and answered.status == 200:
        answered.body["itemsPerPage"] = 100
    return answered


@caught_by("rfc7644/3.4.2/list-response")
def lists_have_no_schema(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if is_list(asked) and answered.status == 200:
        answered.body["schemas"] = []
    return answered


@caught_by("rfc7644/3.4.2/media-type")
def lists_are_text(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    answered.headers["content-type"] = (
        "application/json" if is_list(asked) else answered.headers.get("content-type", "")
    )
    return answered


@caught_by("rfc7644/3.4.2/whole-resources")
def lists_leave_out_meta(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources if is_list(asked) else ():
        each.pop("meta", None)
    return answered


@caught_by("rfc7644/3.4.2/unknown-parameters")
def unknown_parameters_are_refused(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(path="/Nothing") if "noSuchParameter" in asked.query else asked)


@caught_by(f"{PAGE}/pages-join")
def start_index_counts_from_zero(asked: Asked, serve: Serve) -> Answered:
    start = asked.query.get("startIndex", "")
    answered = serve(with_query(asked, startIndex=str(int(start) + 1)) if start.isdecimal() else asked)
    if start.isdecimal() and answered.status == 200:
        answered.body["startIndex"] = int(start)
    return answered


@caught_by(f"{PAGE}/count")
def count_is_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, count=None) if is_list(asked) else asked)


@caught_by(f"{PAGE}/count-0")
def count_0_is_the_default(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, count=None) if asked.query.get("count") == "0" else asked)


@caught_by(f"{PAGE}/negative-count")
def negative_counts_are_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, count=None) if asked.query.get("count", "").startswith("-") else asked)


@caught_by(f"{PAGE}/start-index-0")
def start_index_0_is_refused(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("startIndex") == "0":
        answered.status = 400
    return answered


@caught_by(f"{PAGE}/beyond-the-end")
def beyond_the_end_is_not_found(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("startIndex") == "99":
        answered.status = 404
    return answered


@caught_by(f"{PAGE}/start-index-0")
def start_index_0_skips_the_first(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("startIndex") == "0" and answered.resources:
        answered.body["Resources"] = answered.resources[1:]
    return answered


@caught_by(f"{PAGE}/beyond-the-end")
def beyond_the_end_is_the_first_page(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, startIndex="1") if asked.query.get("startIndex") == "99" else asked)


@caught_by(f"{SORT}/by-created")
def times_are_not_sorted_by(asked: Asked, serve: Serve) -> Answered:
    by_time = asked.query.get("sortBy") == "meta.created"
    return serve(with_query(asked, sortOrder="descending") if by_time else asked)


@caught_by(f"{PAGE}/while-others-write")
def pages_are_newest_first(asked: Asked, serve: Serve) -> Answered:
    if is_list(asked) and "sortBy" not in asked.query:
        asked = with_query(asked, sortBy="meta.created", sortOrder="descending")
    return serve(asked)


@caught_by(f"{SORT}/ascending")
def sort_by_is_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, sortBy=None))


@caught_by(f"{SORT}/descending")
def sort_order_is_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, sortOrder=None))


@caught_by(f"{SORT}/default")
def sort_order_is_descending_by_default(asked: Asked, serve: Serve) -> Answered:
    unsaid = "sortBy" in asked.query and "sortOrder" not in asked.query
    return serve(with_query(asked, sortOrder="descending") if unsaid else asked)


def _sorted_anew(asked: Asked, serve: Serve, key: Callable[[dict[str, Any]], Any]) -> Answered:
    answered = serve(asked)
    if is_list(asked) and asked.query.get("sortBy") and answered.status == 200:
        answered.body["Resources"] = sorted(answered.resources, key=key)
    return answered


@caught_by(f"{SORT}/without-case")
def capitals_come_first(asked: Asked, serve: Serve) -> Answered:
    return _sorted_anew(asked, serve, lambda each: each.get("displayName", ""))


@caught_by(f"{SORT}/missing-last")
def missing_values_come_first(asked: Asked, serve: Serve) -> Answered:
    return _sorted_anew(asked, serve, lambda each: each.get("title", ""))


@caught_by(f"{SORT}/by-primary")
def the_first_value_is_sorted_by(asked: Asked, serve: Serve) -> Answered:
    return _sorted_anew(asked, serve, lambda each: each.get("emails", [{"value": ""}])[0]["value"])


@caught_by(f"{SORT}/sub-attribute")
def sub_attributes_are_not_sorted_by(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, sortBy=None) if "." in asked.query.get("sortBy", "") else asked)


@caught_by(f"{PROJECTION}/attributes")
def attributes_leaves_nothing_out(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, attributes=None))


@caught_by(f"{PROJECTION}/schemas-always")
def attributes_leaves_out_schemas(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "attributes" in asked.query and isinstance(answered.body, dict):
        answered.body.pop("schemas", None)
    return answered


@caught_by(f"{PROJECTION}/sub-attribute")
def sub_attributes_bring_the_whole(asked: Asked, serve: Serve) -> Answered:
    named = asked.query.get("attributes", "")
    return serve(with_query(asked, attributes=named.split(".")[0]) if named.startswith("name.") else asked)


@caught_by(f"{PROJECTION}/in-any-case")
def attributes_are_compared_exactly(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, attributes="id") if asked.query.get("attributes", "").isupper() else asked)


@caught_by(f"{PROJECTION}/excluded")
def excluded_attributes_are_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, excludedAttributes=None))


@caught_by(f"{PROJECTION}/excluded-id")
def id_can_be_excluded(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("excludedAttributes", "").startswith("id") and answered.status == 200:
        answered.body.pop("id", None)
    return answered


@caught_by(f"{PROJECTION}/password-asked-for")
def password_is_returned_when_asked_for(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "password" in asked.query.get("attributes", ""):
        answered.body["password"] = "t1-Sesame"
    return answered


@caught_by(f"{PROJECTION}/in-lists")
def lists_are_not_projected(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, attributes=None) if is_list(asked) else asked)


@caught_by(f"{PROJECTION}/on-create")
def creations_are_not_projected(asked: Asked, serve: Serve) -> Answered:
    return serve(with_query(asked, attributes=None) if asked.method == "POST" else asked)


@caught_by(f"{PROJECTION}/on-patch")
def patches_with_attributes_have_no_body(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "PATCH" and answered.status == 200:
        answered.status, answered.body = 204, None
    return answered


@caught_by("rfc7644/3.4.3/search")
def search_ignores_its_filter(asked: Asked, serve: Serve) -> Answered:
    if asked.path.endswith("/.search") and isinstance(asked.body, dict):
        asked = asked.but(body={name: value for name, value in asked.body.items() if name != "filter"})
    return serve(asked)


@caught_by("rfc7644/3.4.3/paging")
def search_ignores_paging(asked: Asked, serve: Serve) -> Answered:
    if asked.path.endswith("/.search") and isinstance(asked.body, dict):
        asked = asked.but(
            body={name: value for name, value in asked.body.items() if name not in ("startIndex", "count")}
        )
    return serve(asked)


@caught_by("rfc7644/3.4.3/attributes")
def search_ignores_attributes(asked: Asked, serve: Serve) -> Answered:
    if asked.path.endswith("/.search") and isinstance(asked.body, dict):
        asked = asked.but(body={name: value for name, value in asked.body.items() if name != "attributes"})
    return serve(asked)


@caught_by("rfc7644/3.4.2.1/root-search")
def root_search_finds_users_alone(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(path="/Users/.search") if asked.path == "/.search" else asked)


@caught_by("rfc7644/3.4.1/unknown")
def unknown_ids_are_empty_answers(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "GET" and asked.of_one and answered.status == 404:
        answered.status, answered.body = 200, {}
    return answered


@caught_by("rfc7644/3.4.1/other-type")
def ids_are_looked_up_in_all_types(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "GET" and asked.of_one and answered.status == 404:
        return serve(asked.but(path=asked.path.replace("/Groups/", "/Users/")))
    return answered


@caught_by("rfc9865/2/whole-walk")
def cursors_skip_a_resource(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("cursor") and answered.status == 200:
        answered.body["Resources"] = answered.resources[1:]
    return answered


@caught_by("rfc9865/2/full-last-page")
def the_last_page_has_a_next_cursor(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "cursor" in asked.query and answered.status == 200:
        answered.body.setdefault("nextCursor", "more")
    return answered


@caught_by("rfc9865/2/no-previous-on-the-first")
def the_first_page_has_a_previous_cursor(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("cursor") == "" and answered.status == 200:
        answered.body["previousCursor"] = "before"
    return answered


@caught_by("rfc9865/2/unreserved")
def cursors_need_encoding(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if isinstance(answered.body, dict) and "nextCursor" in answered.body:
        answered.body["nextCursor"] += "=="
    return answered


@caught_by("rfc9865/2.1/invalid-cursor")
def bad_cursors_are_the_first_page(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return serve(with_query(asked, cursor="")) if asked.query.get("cursor") and answered.status == 400 else answered


@caught_by("rfc9865/2.1/damaged-cursor")
def bad_cursors_have_another_scim_type(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.query.get("cursor") and answered.status == 400:
        answered.body["scimType"] = "invalidValue"
    return answered
