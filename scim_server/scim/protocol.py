"""Requests and responses as values, the table of routes, and the steps that read the one and write the other.

Must not know the web framework, the database or any rule of the product.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import Filter, Limits, parse_filter
from scim_server.scim.projection import DEFAULT, Projection, read_projection
from scim_server.scim.schema import GROUP, USER, ResourceType, Target

SEARCH_URN: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
LIST_URN: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
DEEPEST: Final = 64
MEDIA_TYPE: Final = "application/scim+json"
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_JSON_TYPES: Final = frozenset(("", "application/scim+json", "application/json", "text/json", "*/*"))


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` as decoded segments below the base, `query` with names in lower case (first value wins)."""

    method: str
    base: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; `body` is JSON, or empty for 204 and 304."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A path of segments, `{…}` for a variable one, and the operation behind each method."""

    path: tuple[str, ...]
    operations: Mapping[str, str]


_RESOURCES: Final = {"GET": "list", "POST": "create"}
_RESOURCE: Final = {"GET": "read", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


def _routes_of(resource_type: ResourceType) -> tuple[Route, Route]:
    name, prefix = resource_type.endpoint.strip("/"), resource_type.name.lower()
    return (
        Route((name,), {method: f"{prefix}.{operation}" for method, operation in _RESOURCES.items()}),
        Route((name, "{id}"), {method: f"{prefix}.{operation}" for method, operation in _RESOURCE.items()}),
    )


ROUTES: Final = (
    Route(("Users", ".search"), {"POST": "user.search"}),
    Route(("Groups", ".search"), {"POST": "group.search"}),
    Route((".search",), {"POST": "root.search"}),
    Route((), {"GET": "root.list"}),
    *_routes_of(USER),
    *_routes_of(GROUP),
    Route(("Me",), {method: f"me.{operation}" for method, operation in _RESOURCE.items()}),
    Route(("Bulk",), {"POST": "bulk"}),
    Route(("ServiceProviderConfig",), {"GET": "service_provider_config"}),
    Route(("ResourceTypes",), {"GET": "resource_types"}),
    Route(("ResourceTypes", "{id}"), {"GET": "resource_type"}),
    Route(("Schemas",), {"GET": "schemas"}),
    Route(("Schemas", "{id}"), {"GET": "schema"}),
)


# by the first segment, as every request looks here
_ROUTES_FROM: Final = {
    first: tuple(route for route in ROUTES if route.path[:1] == first) for first in {route.path[:1] for route in ROUTES}
}


def match_route(request: Request) -> tuple[str, str]:
    """(the operation's name, the id in the path or ""). Raises ScimError notFound, or methodNotAllowed with Allow."""
    if any("\x00" in segment for segment in request.path):  # in no name or id, and PostgreSQL takes it in no string
        raise ScimError("notFound", "There is no such endpoint.")
    for route in _ROUTES_FROM.get(request.path[:1], ()):
        found = _match(route.path, request.path)
        if found is None:
            continue
        method = "GET" if request.method == "HEAD" else request.method
        operation = route.operations.get(method)
        if operation is None:
            allowed = ", ".join(route.operations)
            raise ScimError(
                "methodNotAllowed", f"This endpoint supports {allowed}, not {method}.", headers={"Allow": allowed}
            )
        return operation, found
    raise ScimError("notFound", "There is no such endpoint.")


def _match(pattern: tuple[str, ...], path: tuple[str, ...]) -> str | None:
    if len(pattern) != len(path):
        return None
    found = ""
    for expected, segment in zip(pattern, path, strict=True):
        if expected == "{id}":
            found = segment
        elif expected != segment:
            return None
    return found


def read_json(request: Request) -> Any:
    """The body as JSON. Raises ScimError unsupportedMediaType, or invalidSyntax with the place of the fault."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES:
        raise ScimError("unsupportedMediaType")
    if request.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise ScimError("unsupportedMediaType", "A compressed body can't be read.")
    try:
        body = orjson.loads(request.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise ScimError("invalidSyntax", f"The body isn't valid JSON: {error}.") from error
    _check_depth(request.body, body)
    return body


def _check_depth(text: bytes, body: Any) -> None:
    """Refuse what is nested deeper than any resource: the work on it would grow without bound."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return
    level = [body]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return
    raise ScimError("invalidSyntax", f"The body is nested deeper than {DEEPEST} levels.")


def read_names(request: Request, resource_type: ResourceType, tolerance: frozenset[str]) -> Projection:
    """The projection that `attributes` and `excludedAttributes` ask for (RFC 7644 §3.9)."""

    if "attributes" not in request.query and "excludedattributes" not in request.query:
        return DEFAULT

    def names(parameter: str) -> list[str]:
        return [name.strip() for name in request.query.get(parameter, "").split(",") if name.strip()]

    return read_projection(resource_type, names("attributes"), names("excludedattributes"), tolerance)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a list request asks for (RFC 7644 §3.4.2); `cursor` is None for paging by index (RFC 9865 §2)."""

    filter: Filter | None
    sort_by: Target | None
    descending: bool
    start: int
    count: int
    cursor: str | None
    projection: Projection


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How many resources a page holds when nobody says, and at most."""

    default: int = 100
    most: int = 1000


def read_list(
    request: Request, resource_type: ResourceType, tolerance: frozenset[str], pages: PageLimits, filters: Limits
) -> ListRequest:
    """The list request. Raises ScimError invalidFilter, invalidPath (sortBy) or invalidValue."""
    # an empty filter is a fault: whoever sends it would take the first of all resources for a match
    text = request.query.get("filter")
    count = _whole(request, "count", pages.default)
    return ListRequest(
        filter=parse_filter(resource_type, text, tolerance=tolerance, limits=filters) if text is not None else None,
        sort_by=_read_sort(request, resource_type),
        descending=_read_order(request),
        start=max(1, _whole(request, "startindex", 1)),
        count=min(max(0, count), pages.most),
        cursor=_read_cursor(request),
        projection=read_names(request, resource_type, tolerance),
    )


def _read_cursor(request: Request) -> str | None:
    if "cursor" in request.query and request.query.get("startindex", "").strip():
        raise ScimError("invalidValue", "Page either by cursor or by startIndex, not by both.")
    return request.query.get("cursor")


def read_search(request: Request, tolerance: frozenset[str]) -> Request:
    """A POST to .search as the list request it stands for (RFC 7644 §3.4.3)."""
    body = read_json(request)
    if not isinstance(body, dict):
        raise ScimError("invalidSyntax", "The body must be a SearchRequest object.")
    schemas = body.get("schemas")
    if "ignore-unknown-schemas" not in tolerance and (not isinstance(schemas, list) or SEARCH_URN not in schemas):
        raise ScimError("invalidSyntax", f"'schemas' must name {SEARCH_URN}.")
    query = {key.lower(): _parameter(key, value) for key, value in body.items() if key.lower() != "schemas"}
    return replace(request, method="GET", query={key: value for key, value in query.items() if value is not None})


def _parameter(name: str, value: Any) -> str | None:
    """A member of a SearchRequest as the query parameter of that name; null is as if it weren't there."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise ScimError(
            "invalidSyntax", f"{name[:64]!r} in a SearchRequest must be a string, a number or a list of names."
        )
    return None if value is None else str(value)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "").strip()
    if not text:
        return default
    if not _WHOLE.fullmatch(text):
        raise ScimError("invalidValue", f"{name} must be a whole number, not {text[:40]!r}.")
    return max(-1, min(int(text[:20]), 2**53))


def _read_sort(request: Request, resource_type: ResourceType) -> Target | None:
    name = request.query.get("sortby", "").strip()
    if not name:
        return None
    target = resource_type.resolve(name)
    if target is None or target.attribute is None or target.leaf.returned == "never":
        raise ScimError("invalidValue", f"A {resource_type.name} can't be sorted by {name[:64]!r}.")
    value = target.attribute.sub.get("value")
    if target.leaf.type == "complex":
        if value is None:
            raise ScimError("invalidValue", f"{target} is complex; name one of its sub-attributes to sort by.")
        return Target(target.extension, target.attribute, value)
    return target


def _read_order(request: Request) -> bool:
    order = request.query.get("sortorder", "").strip().lower()
    if order not in ("", "ascending", "descending"):
        raise ScimError("invalidValue", "sortOrder must be ascending or descending.")
    return order == "descending"


def check_match(request: Request, version: str) -> None:
    """Refuse a write whose If-Match doesn't name the current version, or whose If-None-Match does.

    RFC 7644 §3.14, RFC 9110 §13.1.1 and §13.1.2. Raises ScimError preconditionFailed.
    """
    wanted = request.headers.get("if-match", "").strip()
    if wanted and not _names_version(wanted, version):
        raise ScimError("preconditionFailed")
    if is_unchanged(request, version):
        raise ScimError("preconditionFailed", "The resource has the version given in If-None-Match.")


def is_unchanged(request: Request, version: str) -> bool:
    """Whether If-None-Match names the current version: then a read is answered with 304, and a write refused."""
    known = request.headers.get("if-none-match", "").strip()
    return bool(known) and _names_version(known, version)


def _names_version(header: str, version: str) -> bool:
    # Weak comparison (RFC 9110 §8.8.3.2): the tags are weak, as groups and names inside can change by themselves.
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in tags or version.removeprefix("W/") in tags


def respond_resource(resource: Mapping[str, Any], shown: Mapping[str, Any], status: int = 200) -> Response:
    """The answer that holds one resource: `shown` is its projection, `resource` the whole."""
    meta = resource["meta"]
    headers = {"Location": meta["location"], "ETag": meta["version"]}
    return Response(status, orjson.dumps(shown), headers)


def respond_list(
    resources: Sequence[Mapping[str, Any]], total: int, start: int | None = None, **cursors: str | None
) -> Response:
    """A ListResponse (RFC 7644 §3.4.2), with `startIndex` or with the cursors that lead on (RFC 9865 §2)."""
    body: dict[str, Any] = {"schemas": [LIST_URN], "totalResults": total}
    if start is not None:
        body["startIndex"] = start
    body["itemsPerPage"] = len(resources)
    body.update((name, cursor) for name, cursor in cursors.items() if cursor is not None)
    body["Resources"] = resources
    return Response(200, orjson.dumps(body))


def respond_document(document: Mapping[str, Any]) -> Response:
    """The answer that holds one document of discovery."""
    return Response(200, orjson.dumps(document), {"Location": document["meta"]["location"]})


def respond_error(error: ScimError) -> Response:
    """The answer for a refusal."""
    return Response(error.status, orjson.dumps(error.body()), error.headers)
