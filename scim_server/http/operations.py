"""What each operation of the protocol does: read the request, call the directory, respond. Knows no Flask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

from scim_server.directory import Directory, contacts, groups, search
from scim_server.directory.contacts import Call
from scim_server.http import bulk
from scim_server.scim import discovery
from scim_server.scim.bulk import read_bulk
from scim_server.scim.errors import ScimError
from scim_server.scim.filter import Limits
from scim_server.scim.paging import Position, fingerprint, seal, unseal
from scim_server.scim.patch import read_operations
from scim_server.scim.projection import Projection, after_patch, after_put, project
from scim_server.scim.protocol import (
    ListRequest,
    PageLimits,
    Request,
    Response,
    is_unchanged,
    read_json,
    read_list,
    read_names,
    read_search,
    respond_document,
    respond_list,
    respond_resource,
)
from scim_server.scim.root import any_type, read_filters
from scim_server.scim.schema import ResourceType, ResourceTypes
from scim_server.scim.tolerance import EVERYTHING
from scim_server.scim.values import Resource, read_resource


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the operations need beside the request; `cursor_key` gives the key that cursors are sealed with."""

    directory: Directory
    limits: discovery.Limits
    filters: Limits
    base_url: str
    cursor_key: Callable[[], bytes]

    @property
    def types(self) -> ResourceTypes:
        """The resource types with their extensions."""
        return self.directory.types

    @property
    def pages(self) -> PageLimits:
        """How many resources a page holds."""
        return PageLimits(self.limits.page, self.limits.most)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request on its way: the endpoint, who calls, what was sent, and the id in the path ("" if there is none)."""

    endpoint: Endpoint
    call: Call
    request: Request
    id: str
    answer: Callable[[Request], Response]  # answers another request of the same caller, or raises
    request_id: str = ""

    @property
    def directory(self) -> Directory:
        """The one door."""
        return self.endpoint.directory

    @property
    def user(self) -> ResourceType:
        """The resource type User with its extensions."""
        return self.endpoint.types.user

    @property
    def group(self) -> ResourceType:
        """The resource type Group with its extensions."""
        return self.endpoint.types.group


Handler = Callable[[Asked], Response]


# Lists


def _list(asked: Asked, resource_type: ResourceType, others: str) -> Response:
    """A list of one type; `others` is the attribute that names other resources and is loaded only where wanted."""
    wanted = read_list(asked.request, resource_type, asked.call.tolerance, asked.endpoint.pages, asked.endpoint.filters)
    page, query = _found(asked, resource_type, wanted, others)
    decoded = _decoded_again(asked)
    if page.total == 0 and decoded is not None:
        return _list(decoded, resource_type, others)
    shown = [project(resource_type, each, wanted.projection) for each in page.resources]
    if wanted.cursor is None:
        return respond_list(shown, page.total, wanted.start)
    return respond_list(
        shown,
        page.total,
        nextCursor=_sealed(asked, query, wanted, page.next),
        previousCursor=_sealed(asked, query, wanted, page.previous),
    )


def _found(asked: Asked, resource_type: ResourceType, wanted: ListRequest, others: str) -> tuple[search.Page, bytes]:
    """The page, and what identifies the query for its cursors."""
    parameters = [asked.request.query.get(name, "") for name in ("filter", "sortby", "sortorder")]
    query = fingerprint(asked.call.workspace_id, resource_type.name, *parameters)
    position = _unsealed(asked, query, wanted) if wanted.cursor else None
    page = search.find(
        asked.directory,
        asked.call,
        resource_type.name,
        search.Query(
            wanted.filter,
            wanted.sort_by,
            wanted.descending,
            wanted.start,
            wanted.count,
            by_cursor=wanted.cursor is not None,
            position=position,
        ),
        with_others=not wanted.projection.omits(others),
    )
    return page, query


def _now(asked: Asked) -> int:
    return int(asked.directory.now().timestamp())


def _sealed(asked: Asked, query: bytes, wanted: ListRequest, position: Position | None) -> str | None:
    if position is None:
        return None
    expires = _now(asked) + asked.endpoint.limits.cursor_seconds
    return seal(asked.endpoint.cursor_key(), position, query, wanted.count, expires)


def _unsealed(asked: Asked, query: bytes, wanted: ListRequest) -> Position:
    return unseal((asked.endpoint.cursor_key(),), wanted.cursor or "", query, wanted.count, _now(asked))


def _decoded_again(asked: Asked) -> Asked | None:
    """The request with its filter percent-decoded once more, if that is forgiven and makes a difference."""
    text = asked.request.query.get("filter", "")
    forgiven = asked.call.tolerance
    if "filter-double-encoding" not in forgiven or "%" not in text or unquote(text) == text:
        return None
    # once and no more: a filter could be encoded a thousand times over
    call = replace(asked.call, tolerance=forgiven - {"filter-double-encoding"})
    return replace(
        asked, call=call, request=replace(asked.request, query={**asked.request.query, "filter": unquote(text)})
    )


def _search(listed: Handler) -> Handler:
    return lambda asked: listed(replace(asked, request=read_search(asked.request, asked.call.tolerance)))


def _root_list(asked: Asked) -> Response:
    """All resource types at once (RFC 7644 §3.4.2.1): the Users, then the Groups, paged by index."""
    types, request = asked.endpoint.types, asked.request
    # an empty cursor asks for the first page of a walk, and ignored it would look like the last one (RFC 9865 §2)
    for name, asked_for in (("cursor", "cursor" in request.query), ("sortBy", request.query.get("sortby", "").strip())):
        if asked_for:
            raise ScimError("notImplemented", f"A query over all resource types can't use {name}.")
    text = request.query.get("filter")
    wanted = read_list(
        replace(request, query={name: value for name, value in request.query.items() if name != "filter"}),
        any_type(types),
        EVERYTHING,
        asked.endpoint.pages,
        asked.endpoint.filters,
    )
    queries = {each.name: search.Query() for each in types}
    if text is not None:
        filters = read_filters(types, text, asked.call.tolerance, asked.endpoint.filters)
        queries = {
            name: search.Query(filter=None if isinstance(filter, bool) else filter, whole=True)
            for name, filter in filters.items()
            if filter is not False
        }
    page = search.find_all(asked.directory, asked.call, queries, wanted.start, wanted.count)
    by_name = {each.name: each for each in types}
    shown = [_projected(by_name[each["meta"]["resourceType"]], each, asked) for each in page.resources]
    return respond_list(shown, page.total, wanted.start)


def _projected(resource_type: ResourceType, resource: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    # a name that this type lacks may be another type's, so that it is no fault here
    return project(resource_type, resource, read_names(asked.request, resource_type, EVERYTHING))


def _read_body(asked: Asked, resource_type: ResourceType) -> tuple[Resource, Projection]:
    """The resource that a POST or PUT holds, and what its answer is to show."""
    projection = read_names(asked.request, resource_type, asked.call.tolerance)
    body = read_resource(resource_type, read_json(asked.request), asked.call.tolerance)
    return body, after_put(projection, resource_type, body)


# Users


def _users_list(asked: Asked) -> Response:
    return _list(asked, asked.user, "groups")


def _user_create(asked: Asked) -> Response:
    body, projection = _read_body(asked, asked.user)
    user = contacts.create(asked.directory, asked.call, body)
    return respond_resource(user, project(asked.user, user, projection), 201)


def _user_read(asked: Asked) -> Response:
    projection = read_names(asked.request, asked.user, asked.call.tolerance)
    user = contacts.read(asked.directory, asked.call, asked.id, with_groups=not projection.omits("groups"))
    return _read_response(asked, user, project(asked.user, user, projection))


def _read_response(asked: Asked, resource: Mapping[str, Any], shown: Mapping[str, Any]) -> Response:
    response = respond_resource(resource, shown)
    if is_unchanged(asked.request, resource["meta"]["version"]):
        return Response(304, headers=response.headers)
    return response


def _user_replace(asked: Asked) -> Response:
    body, projection = _read_body(asked, asked.user)
    user = contacts.replace(asked.directory, asked.call, asked.id, body)
    return respond_resource(user, project(asked.user, user, projection))


def _user_patch(asked: Asked) -> Response:
    projection = read_names(asked.request, asked.user, asked.call.tolerance)
    operations = read_operations(asked.user, read_json(asked.request), asked.call.tolerance)
    projection = after_patch(projection, asked.user, [each.path.target for each in operations])
    user = contacts.patch(asked.directory, asked.call, asked.id, operations)
    return respond_resource(user, project(asked.user, user, projection))


def _user_delete(asked: Asked) -> Response:
    contacts.delete(asked.directory, asked.call, asked.id)
    return Response(204)


def _me(handler: Handler) -> Handler:
    """`handler` on the contact that the token acts for (RFC 7644 §3.11)."""

    def handle(asked: Asked) -> Response:
        if asked.call.contact_id is None:
            raise ScimError(
                "notFound",
                "This token acts for no contact, so /Me means nobody.",
            )
        return handler(replace(asked, id=asked.call.contact_id))

    return handle


# Groups


def _groups_list(asked: Asked) -> Response:
    return _list(asked, asked.group, "members")


def _group_create(asked: Asked) -> Response:
    body, projection = _read_body(asked, asked.group)
    group = groups.create(asked.directory, asked.call, body, with_members=not projection.omits("members"))
    return respond_resource(group, project(asked.group, group, projection), 201)


def _group_read(asked: Asked) -> Response:
    projection = read_names(asked.request, asked.group, asked.call.tolerance)
    group = groups.read(asked.directory, asked.call, asked.id, with_members=not projection.omits("members"))
    return _read_response(asked, group, project(asked.group, group, projection))


def _group_replace(asked: Asked) -> Response:
    body, projection = _read_body(asked, asked.group)
    with_members = not projection.omits("members")
    group = groups.replace(asked.directory, asked.call, asked.id, body, with_members=with_members)
    return respond_resource(group, project(asked.group, group, projection))


def _group_patch(asked: Asked) -> Response:
    """204, so that no one waits for a long list of members; the resource only where attributes are asked for."""
    projection = read_names(asked.request, asked.group, asked.call.tolerance)
    operations = read_operations(asked.group, read_json(asked.request), asked.call.tolerance)
    wanted = not projection.everything
    with_members = wanted and not projection.omits("members")
    group = groups.patch(asked.directory, asked.call, asked.id, operations, with_members=with_members)
    response = respond_resource(group, project(asked.group, group, projection) if wanted else {})
    return response if wanted else Response(204, headers=response.headers)


def _group_delete(asked: Asked) -> Response:
    groups.delete(asked.directory, asked.call, asked.id)
    return Response(204)


# Many at once, and what the server says about itself


def _bulk(asked: Asked) -> Response:
    body, most = read_json(asked.request), asked.endpoint.limits.operations
    wanted = read_bulk(body, asked.call.tolerance, asked.endpoint.types, most=most)
    return bulk.carry_out(asked.request, wanted, asked.answer, asked.request_id)


def _unfiltered(handler: Handler) -> Handler:
    """`handler`, with a filter refused: ignored, it would let the whole pass for what was asked for (RFC 7644 §4)."""

    def handle(asked: Asked) -> Response:
        if asked.request.query.get("filter", "").strip():
            raise ScimError("forbidden", "What the server says about itself can't be searched; leave the filter out.")
        return handler(asked)

    return handle


def _config(asked: Asked) -> Response:
    connection = asked.call.connection
    basic = connection is not None and connection.settings.basic_auth
    return respond_document(discovery.service_provider_config(asked.request.base, asked.endpoint.limits, basic=basic))


def _resource_types(asked: Asked) -> Response:
    documents = discovery.resource_types(asked.endpoint.types, asked.request.base)
    return respond_list(documents, len(documents), 1)


def _resource_type(asked: Asked) -> Response:
    return respond_document(discovery.resource_type(asked.endpoint.types, asked.request.base, asked.id))


def _schemas(asked: Asked) -> Response:
    documents = discovery.schemas(asked.endpoint.types, asked.request.base)
    return respond_list(documents, len(documents), 1)


def _schema(asked: Asked) -> Response:
    return respond_document(discovery.schema(asked.endpoint.types, asked.request.base, asked.id))


OPERATIONS: Final[Mapping[str, Handler]] = {
    "user.list": _users_list,
    "user.search": _search(_users_list),
    "user.create": _user_create,
    "user.read": _user_read,
    "user.replace": _user_replace,
    "user.patch": _user_patch,
    "user.delete": _user_delete,
    "group.list": _groups_list,
    "group.search": _search(_groups_list),
    "group.create": _group_create,
    "group.read": _group_read,
    "group.replace": _group_replace,
    "group.patch": _group_patch,
    "group.delete": _group_delete,
    "me.read": _me(_user_read),
    "me.replace": _me(_user_replace),
    "me.patch": _me(_user_patch),
    "me.delete": _me(_user_delete),
    "root.list": _root_list,
    "root.search": _search(_root_list),
    "bulk": _bulk,
    "service_provider_config": _unfiltered(_config),
    "resource_types": _unfiltered(_resource_types),
    "resource_type": _unfiltered(_resource_type),
    "schemas": _unfiltered(_schemas),
    "schema": _unfiltered(_schema),
}
