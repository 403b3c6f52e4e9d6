"""/scim/v2: from a Flask request to a scim.protocol Request, through the directory, and back. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

import structlog
from flask import Blueprint, Flask, request
from flask import Response as FlaskResponse
from uuid_utils import uuid7
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import BaseConverter

from scim_server.directory import Directory, contacts, groups, search
from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor
from scim_server.domain.errors import MissingPermission, NoFreeSeat, OwnerProtected, Refused, UnknownLicence
from scim_server.domain.roles import expand_scopes
from scim_server.http.oauth import Authenticator
from scim_server.mapping import etag
from scim_server.scim import discovery
from scim_server.scim.errors import ScimError
from scim_server.scim.filter import Limits
from scim_server.scim.patch import read_operations
from scim_server.scim.projection import project
from scim_server.scim.protocol import (
    MEDIA_TYPE,
    PageLimits,
    Request,
    Response,
    check_match,
    is_unchanged,
    match_route,
    read_json,
    read_list,
    read_names,
    respond_document,
    respond_error,
    respond_list,
    respond_resource,
)
from scim_server.scim.schema import GROUP, SEATS_ERROR_URN, USER
from scim_server.scim.tolerance import tolerance_of
from scim_server.scim.values import read_resource
from scim_server.storage.db import Busy

log = structlog.get_logger(__name__)

PREFIX: Final = "/scim/v2"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the operations need beside the request."""

    directory: Directory
    pages: PageLimits
    filters: Limits
    largest_body: int
    base_url: str


Handler = Callable[[Endpoint, Call, Request, str], Response]


class _Anything(BaseConverter):
    """The rest of a path, slashes included, also doubled ones."""

    regex = ".*"
    part_isolating = False


def mount(app: Flask, endpoint: Endpoint) -> None:
    """Serve the protocol below PREFIX."""
    app.url_map.converters["anything"] = _Anything
    blueprint = Blueprint("scim", __name__)
    authenticator = Authenticator(endpoint.directory)

    def answer(rest: str = "") -> FlaskResponse:
        return _sent(_answered(endpoint, authenticator, rest))

    options: dict[str, Any] = {"methods": METHODS, "provide_automatic_options": False}
    blueprint.add_url_rule(PREFIX, "root", answer, **options)
    blueprint.add_url_rule(f"{PREFIX}/<anything:rest>", "scim", answer, **options)
    app.register_blueprint(blueprint)


def _answered(endpoint: Endpoint, authenticator: Authenticator, rest: str) -> Response:
    """The one place where refusals and faults become SCIM errors."""
    request_id = str(uuid7())
    try:
        response = _carried_out(endpoint, authenticator, rest, request_id)
    except ScimError as error:
        response = respond_error(error)
    except Refused as error:
        response = respond_error(_refusal(error))
    except Busy:
        response = respond_error(ScimError("unavailable", headers={"Retry-After": "1"}))
    except RequestEntityTooLarge:
        detail = f"The request body is larger than the {endpoint.largest_body} bytes that the server accepts."
        response = respond_error(ScimError("payloadTooLarge", detail, headers={"Connection": "close"}))
    except ClientDisconnected:
        response = respond_error(ScimError("badRequest", "The request body ended too early."))
    except Exception:
        log.exception("unexpected fault", request_id=request_id, method=request.method, path=request.path)
        response = respond_error(ScimError("internal"))
    return replace(response, headers={**response.headers, "X-Request-Id": request_id})


def _carried_out(endpoint: Endpoint, authenticator: Authenticator, rest: str, request_id: str) -> Response:
    grant = authenticator.grant(request)
    asked = _read_request(endpoint, rest)
    operation, name = match_route(asked)
    actor = Actor(
        workspace_id=grant.connection.workspace_id,
        kind="connection",
        door="scim",
        permissions=expand_scopes(grant.scopes),
        id=grant.connection.id,
        request_id=request_id,
    )

    def precondition(version: int) -> None:
        check_match(asked, etag(version))

    tolerance = tolerance_of(grant.connection.preset)
    call = Call(actor, grant.connection, asked.base, tolerance, precondition)
    return _OPERATIONS[operation](endpoint, call, asked, name)


def _read_request(endpoint: Endpoint, rest: str) -> Request:
    query: dict[str, str] = {}
    for name, value in request.args.items(multi=True):
        query.setdefault(name.lower(), value)
    return Request(
        method=request.method,
        base=(endpoint.base_url or request.url_root.rstrip("/")) + PREFIX,
        path=tuple(segment for segment in rest.split("/") if segment),
        query=query,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_data(cache=False) if request.method in ("POST", "PUT", "PATCH") else b"",
    )


def _sent(response: Response) -> FlaskResponse:
    sent = FlaskResponse(response.body, status=response.status, headers=dict(response.headers))
    if response.body:
        sent.content_type = MEDIA_TYPE
    else:
        del sent.headers["Content-Type"]
    return sent


def _refusal(error: Refused) -> ScimError:
    """A refusal by the product's rules in the protocol's words."""
    match error:
        case MissingPermission():
            challenge = f'Bearer realm="scim", error="insufficient_scope", scope="{error.permission}"'
            detail = f"insufficient_scope: the token lacks the permission {error.permission}."
            return ScimError("forbidden", detail, headers={"WWW-Authenticate": challenge})
        case NoFreeSeat():
            counters = {
                "licence": error.licence,
                "purchased": error.purchased,
                "assigned": error.assigned,
                "reserved": error.reserved,
            }
            return ScimError("forbidden", str(error), extension={SEATS_ERROR_URN: counters})
        case UnknownLicence():
            return ScimError("invalidValue", str(error))
        case OwnerProtected() | _:
            return ScimError("forbidden", str(error))


# Users


def _users_list(endpoint: Endpoint, call: Call, asked: Request, _: str) -> Response:
    wanted = read_list(asked, USER, call.tolerance, endpoint.pages, endpoint.filters)
    query = search.Query(wanted.filter, wanted.sort_by, wanted.descending, wanted.start, wanted.count)
    with_groups = not wanted.projection.omits("groups")
    page = search.users(endpoint.directory, call, query, with_groups=with_groups)
    decoded = _decoded_again(call, asked)
    if page.total == 0 and decoded is not None:
        return _users_list(endpoint, call, decoded, _)
    shown = [project(USER, user, wanted.projection) for user in page.resources]
    return respond_list(shown, page.total, wanted.start)


def _decoded_again(call: Call, asked: Request) -> Request | None:
    """The request with its filter percent-decoded once more, if that is forgiven and makes a difference."""
    text = asked.query.get("filter", "")
    if "filter-double-encoding" not in call.tolerance or "%" not in text or unquote(text) == text:
        return None
    return replace(asked, query={**asked.query, "filter": unquote(text)})


def _user_create(endpoint: Endpoint, call: Call, asked: Request, _: str) -> Response:
    projection = read_names(asked, USER, call.tolerance)
    user = contacts.create(endpoint.directory, call, read_resource(USER, read_json(asked), call.tolerance))
    return respond_resource(user, project(USER, user, projection), 201)


def _user_read(endpoint: Endpoint, call: Call, asked: Request, name: str) -> Response:
    projection = read_names(asked, USER, call.tolerance)
    user = contacts.read(endpoint.directory, call, name, with_groups=not projection.omits("groups"))
    return _read_response(asked, user, project(USER, user, projection))


def _read_response(asked: Request, resource: Mapping[str, Any], shown: Mapping[str, Any]) -> Response:
    response = respond_resource(resource, shown)
    if is_unchanged(asked, resource["meta"]["version"]):
        return Response(304, headers=response.headers)
    return response


def _user_replace(endpoint: Endpoint, call: Call, asked: Request, name: str) -> Response:
    projection = read_names(asked, USER, call.tolerance)
    body = read_resource(USER, read_json(asked), call.tolerance)
    user = contacts.replace(endpoint.directory, call, name, body)
    return respond_resource(user, project(USER, user, projection))


def _user_patch(endpoint: Endpoint, call: Call, asked: Request, name: str) -> Response:
    projection = read_names(asked, USER, call.tolerance)
    operations = read_operations(USER, read_json(asked), call.tolerance)
    user = contacts.patch(endpoint.directory, call, name, operations)
    return respond_resource(user, project(USER, user, projection))


def _user_delete(endpoint: Endpoint, call: Call, _: Request, name: str) -> Response:
    contacts.delete(endpoint.directory, call, name)
    return Response(204)


# Groups


def _groups_list(endpoint: Endpoint, call: Call, asked: Request, _: str) -> Response:
    wanted = read_list(asked, GROUP, call.tolerance, endpoint.pages, endpoint.filters)
    query = search.Query(wanted.filter, wanted.sort_by, wanted.descending, wanted.start, wanted.count)
    with_members = not wanted.projection.omits("members")
    page = search.all_groups(endpoint.directory, call, query, with_members=with_members)
    shown = [project(GROUP, group, wanted.projection) for group in page.resources]
    return respond_list(shown, page.total, wanted.start)


def _group_create(endpoint: Endpoint, call: Call, asked: Request, _: str) -> Response:
    projection = read_names(asked, GROUP, call.tolerance)
    body = read_resource(GROUP, read_json(asked), call.tolerance)
    group = groups.create(endpoint.directory, call, body, with_members=not projection.omits("members"))
    return respond_resource(group, project(GROUP, group, projection), 201)


def _group_read(endpoint: Endpoint, call: Call, asked: Request, name: str) -> Response:
    projection = read_names(asked, GROUP, call.tolerance)
    group = groups.read(endpoint.directory, call, name, with_members=not projection.omits("members"))
    return _read_response(asked, group, project(GROUP, group, projection))


def _group_replace(endpoint: Endpoint, call: Call, asked: Request, name: str) -> Response:
    projection = read_names(asked, GROUP, call.tolerance)
    body = read_resource(GROUP, read_json(asked), call.tolerance)
    with_members = not projection.omits("members")
    group = groups.replace(endpoint.directory, call, name, body, with_members=with_members)
    return respond_resource(group, project(GROUP, group, projection))


def _group_patch(endpoint: Endpoint, call: Call, asked: Request, name: str) -> Response:
    """204, so that no one waits for a long list of members; the resource only where attributes are asked for."""
    projection = read_names(asked, GROUP, call.tolerance)
    operations = read_operations(GROUP, read_json(asked), call.tolerance)
    wanted = not projection.everything
    with_members = wanted and not projection.omits("members")
    group = groups.patch(endpoint.directory, call, name, operations, with_members=with_members)
    response = respond_resource(group, project(GROUP, group, projection) if wanted else {})
    return response if wanted else Response(204, headers=response.headers)


def _group_delete(endpoint: Endpoint, call: Call, _: Request, name: str) -> Response:
    groups.delete(endpoint.directory, call, name)
    return Response(204)


# Discovery


def _config(endpoint: Endpoint, _: Call, asked: Request, __: str) -> Response:
    document = discovery.service_provider_config(
        asked.base, most_results=endpoint.pages.most, largest_body=endpoint.largest_body
    )
    return respond_document(document)


def _documents(documents: Any) -> Response:
    return respond_list(documents, len(documents), 1)


_OPERATIONS: Final[Mapping[str, Handler]] = {
    "user.list": _users_list,
    "user.create": _user_create,
    "user.read": _user_read,
    "user.replace": _user_replace,
    "user.patch": _user_patch,
    "user.delete": _user_delete,
    "group.list": _groups_list,
    "group.create": _group_create,
    "group.read": _group_read,
    "group.replace": _group_replace,
    "group.patch": _group_patch,
    "group.delete": _group_delete,
    "service_provider_config": _config,
    "resource_types": lambda _, __, asked, ___: _documents(discovery.resource_types(asked.base)),
    "resource_type": lambda _, __, asked, name: respond_document(discovery.resource_type(asked.base, name)),
    "schemas": lambda _, __, asked, ___: _documents(discovery.schemas(asked.base)),
    "schema": lambda _, __, asked, name: respond_document(discovery.schema(asked.base, name)),
}
