"""/scim/v2: from a Flask request to a scim.protocol Request, to the operation it asks for, and back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from flask import Flask, request
from flask import Request as FlaskRequest
from flask import Response as FlaskResponse
from uuid_utils import uuid7
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import BaseConverter, Rule
from werkzeug.sansio.utils import get_current_url

from scim_server.directory.contacts import Call
from scim_server.domain.actor import Actor
from scim_server.domain.roles import ROLE_PERMISSIONS, expand_scopes
from scim_server.http.oauth import Authenticator
from scim_server.http.operations import OPERATIONS, Asked, Endpoint
from scim_server.http.refusals import answered
from scim_server.mapping import etag
from scim_server.scim.errors import ScimError
from scim_server.scim.protocol import MEDIA_TYPE, Request, Response, check_match, match_route, respond_error
from scim_server.scim.tolerance import tolerance_of

_HOST: Final = re.compile(r"[\w.-]+(:\d+)?$|\[[\da-fA-F:.]+\](:\d+)?$", re.ASCII)
_NO_HOST: Final = "The Host header names no host."
ROOT: Final = "/scim"
PREFIX: Final = f"{ROOT}/v2"
HEADERS: Final = {
    "content-type": "CONTENT_TYPE",
    "content-encoding": "HTTP_CONTENT_ENCODING",
    "if-match": "HTTP_IF_MATCH",
    "if-none-match": "HTTP_IF_NONE_MATCH",
}


class _Sent(FlaskResponse):
    """An answer whose headers are complete: what Werkzeug would work out again for each is known."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers


class _Anything(BaseConverter):
    """The rest of a path: slashes included, also doubled ones, and line breaks."""

    regex = "(?s:.*)"
    part_isolating = False


def mount(app: Flask, endpoint: Endpoint) -> None:
    """Serve the protocol below PREFIX, and say so below every other version (RFC 7644 §3.13)."""
    app.url_map.converters["anything"] = _Anything
    authenticator = Authenticator(endpoint.directory)

    def answer(rest: str = "") -> FlaskResponse:
        request_id = str(uuid7())
        response = _answered(endpoint, authenticator, _received(), rest, request_id)
        return _sent(response, **{"X-Request-Id": request_id})

    app.view_functions["scim"] = answer
    # what Werkzeug itself finds wrong with a request, before any rule is looked for: a Host that it can't encode
    app.register_error_handler(BadRequest, lambda _: _sent(respond_error(ScimError("badRequest", _NO_HOST))))
    for path in (ROOT, f"{ROOT}/<anything:rest>"):
        # a rule without methods takes them all, so that unknown ones are answered in SCIM's form too
        app.url_map.add(Rule(path, endpoint="scim"))


def _answered(
    endpoint: Endpoint, authenticator: Authenticator, received: FlaskRequest, rest: str, request_id: str
) -> Response:
    def work() -> Response:
        try:
            call = _call(authenticator, received, request_id, _contact_asked_for(received.method, rest))
            return _answer(endpoint, authenticator, call, _read_request(endpoint, received, rest), request_id)
        except RequestEntityTooLarge:
            detail = f"The request body is larger than the {endpoint.limits.body} bytes that the server accepts."
            return respond_error(ScimError("payloadTooLarge", detail, headers={"Connection": "close"}))
        except ClientDisconnected:
            return respond_error(ScimError("badRequest", "The request body ended too early."))

    return answered(work, request_id)


def _received() -> FlaskRequest:
    """The request itself: Flask's proxy would look it up anew for each of its attributes."""
    proxy: Any = request
    received: FlaskRequest = proxy._get_current_object()
    return received


def _contact_asked_for(method: str, rest: str) -> str | None:
    """The id in a plain GET of one User, which is read together with the token."""
    segments = rest.split("/")
    plain = method == "GET" and len(segments) == 3 and segments[:2] == ["v2", "Users"]
    return segments[2] if plain and "\x00" not in rest else None


def _call(authenticator: Authenticator, received: FlaskRequest, request_id: str, contact_id: str | None) -> Call:
    """Who calls, and with what rights. Raises ScimError unauthorized."""
    grant, whole = authenticator.grant(received, contact_id)
    connection = grant.connection
    role = None
    permissions = expand_scopes(grant.scopes)
    if grant.contact_id is not None:
        # a token never lets a person do more than the person may
        role = authenticator.role_of(grant)
        permissions &= ROLE_PERMISSIONS[role]
    actor = Actor(
        workspace_id=connection.workspace_id,
        kind="connection" if grant.contact_id is None else "contact",
        door="scim",
        permissions=permissions,
        id=grant.contact_id or connection.id,
        role=role,
        request_id=request_id,
    )
    return Call(actor, connection, "", tolerance_of(connection.preset), contact_id=grant.contact_id, prefetched=whole)


def _answer(endpoint: Endpoint, authenticator: Authenticator, call: Call, asked: Request, request_id: str) -> Response:
    """Carry out one request of `call`; Bulk comes back here for each of its operations, with the token looked up anew.

    A token that dies in the middle of a bulk request, be it by one of its own operations, is dead for the rest.
    """

    def precondition(version: int) -> None:
        check_match(asked, etag(version))

    def again(other: Request) -> Response:
        call = _call(authenticator, _received(), request_id, None)
        return _answer(endpoint, authenticator, call, other, request_id)

    operation, name = match_route(asked)
    its_call = Call(
        call.actor, call.connection, asked.base, call.tolerance, precondition, call.contact_id, call.prefetched
    )
    return OPERATIONS[operation](Asked(endpoint, its_call, asked, name, again, request_id))


def _read_request(endpoint: Endpoint, received: FlaskRequest, rest: str) -> Request:
    query: dict[str, str] = {}
    environ = received.environ
    if environ.get("QUERY_STRING"):
        try:
            arguments = received.args
        except UnicodeDecodeError as error:  # raw bytes; what is percent-encoded never fails
            raise ScimError("badRequest", "The query is not in UTF-8.") from error
        for name, value in arguments.items(multi=True):
            query.setdefault(name.lower(), value)
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return Request(
        method=received.method,
        base=(endpoint.base_url or _root(environ["wsgi.url_scheme"], host, environ.get("SCRIPT_NAME", ""))) + PREFIX,
        path=_below_version([segment for segment in rest.split("/") if segment]),
        query=query,
        headers={name: environ.get(variable, "") for name, variable in HEADERS.items()},
        body=_read_body(endpoint.limits.body) if received.method in ("POST", "PUT", "PATCH") else b"",
    )


@lru_cache(maxsize=1024)
def _root(scheme: str, host: str, script: str) -> str:
    """The URL that the application is reached under. Raises ScimError badRequest for a host that can't be one."""
    if not _HOST.match(host):
        raise ScimError("badRequest", _NO_HOST)
    try:
        return get_current_url(scheme, host, script).rstrip("/")
    except ValueError as error:  # a port beyond 65535, a name that is no IDNA
        raise ScimError("badRequest", _NO_HOST) from error


def _read_body(largest: int) -> bytes:
    """The whole body. Raises RequestEntityTooLarge."""
    body = request.get_data(cache=False)
    # A body without Content-Length is cut at the limit in silence; whether there is more shows only by asking for it.
    if len(body) == largest and request.content_length is None and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return body


def _below_version(segments: list[str]) -> tuple[str, ...]:
    """The path below the version; one without a version means the newest (RFC 7644 §3.13)."""
    version = segments[0] if segments else ""
    if version[:1] in ("v", "V") and version[1:].isdecimal():
        if version.lower() != "v2":
            raise ScimError("invalidVers", f"The server speaks SCIM v2, not {version[:16]}.")
        return tuple(segments[1:])
    return tuple(segments)


def _sent(response: Response, **more: str) -> FlaskResponse:
    headers = [*response.headers.items(), *more.items()]
    if response.body:
        headers.append(("Content-Type", MEDIA_TYPE))
    if response.status not in (204, 304):  # RFC 9110 §8.6
        headers.append(("Content-Length", str(len(response.body))))
    return _Sent([response.body], response.status, Headers(headers), direct_passthrough=True)
