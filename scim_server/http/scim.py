"""/scim/v2: from the wire to a scim.protocol Request, to the operation it asks for, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from flask import Response as FlaskResponse
from uuid_utils import uuid7
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge
from werkzeug.sansio.utils import get_current_url
from werkzeug.wrappers import Request as Received
from werkzeug.wrappers import Response as WSGIResponse

from scim_server.directory.contacts import Call
from scim_server.http.oauth import Authenticator
from scim_server.http.operations import OPERATIONS, Asked, Endpoint
from scim_server.http.refusals import answered
from scim_server.mapping import etag
from scim_server.scim.errors import ScimError
from scim_server.scim.protocol import MEDIA_TYPE, Request, Response, check_match, match_route, respond_error
from scim_server.scim.tolerance import tolerance_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

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


class _Sent(WSGIResponse):
    """An answer whose headers are complete: what Werkzeug would work out again for each is known."""

    default_mimetype = None

    def get_wsgi_headers(self, environ: Any) -> Headers:
        return self.headers


def mount(app: Flask, endpoint: Endpoint) -> None:
    """Serve the protocol below ROOT, before Flask looks at its own routes; other versions are answered there too.

    The protocol has routes, errors and headers of its own; to pass through Flask's takes as long as to read a contact
    (docs/decisions/0003-scim-in-front-of-flask.md).
    """
    authenticator = Authenticator(endpoint.directory)
    others: WSGIApplication = app.wsgi_app

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        received = Received(environ, populate_request=False)
        if received.path != ROOT and not received.path.startswith(f"{ROOT}/"):
            return others(environ, start_response)
        received.max_content_length = endpoint.limits.body
        request_id = str(uuid7())
        response = _answered(endpoint, authenticator, received, received.path[len(ROOT) + 1 :], request_id)
        return _sent(response, request_id)(environ, start_response)

    app.wsgi_app = serve  # type: ignore[method-assign]  # as Flask's documentation has it for middleware
    # what Werkzeug finds wrong with a request to Flask's own routes: a Host that it can't encode
    app.register_error_handler(BadRequest, lambda _: FlaskResponse(f"{_NO_HOST}\n", 400, mimetype="text/plain"))


def _answered(
    endpoint: Endpoint, authenticator: Authenticator, received: Received, rest: str, request_id: str
) -> Response:
    def work() -> Response:
        try:
            call = _call(authenticator, received, request_id, _contact_asked_for(received.method, rest))
            asked = _read_request(endpoint, received, rest)

            def again(other: Request) -> Response:
                # Bulk: a token that dies in the middle, be it by one of its own operations, is dead for the rest
                return _answer(endpoint, _call(authenticator, received, request_id, None), other, again, request_id)

            return _answer(endpoint, call, asked, again, request_id)
        except RequestEntityTooLarge:
            detail = f"The request body is larger than the {endpoint.limits.body} bytes that the server accepts."
            return respond_error(ScimError("payloadTooLarge", detail, headers={"Connection": "close"}))
        except ClientDisconnected:
            return respond_error(ScimError("badRequest", "The request body ended too early."))

    return answered(work, request_id)


def _contact_asked_for(method: str, rest: str) -> str | None:
    """The id in a plain GET of one User, which is read together with the token."""
    segments = rest.split("/")
    plain = method == "GET" and len(segments) == 3 and segments[:2] == ["v2", "Users"]
    return segments[2] if plain and "\x00" not in rest else None


def _call(authenticator: Authenticator, received: Received, request_id: str, contact_id: str | None) -> Call:
    """Who calls, and with what rights. Raises ScimError unauthorized."""
    grant, whole = authenticator.grant(received, contact_id)
    connection = grant.connection
    actor = authenticator.actor(grant, request_id, door="scim")
    return Call(actor, connection, "", tolerance_of(connection.preset), contact_id=grant.contact_id, prefetched=whole)


def _answer(
    endpoint: Endpoint, call: Call, asked: Request, again: Callable[[Request], Response], request_id: str
) -> Response:
    """Carry out one request of `call`; with `again` Bulk carries out each of its own."""

    def precondition(version: int) -> None:
        check_match(asked, etag(version))

    operation, name = match_route(asked)
    its_call = Call(
        call.actor, call.connection, asked.base, call.tolerance, precondition, call.contact_id, call.prefetched
    )
    return OPERATIONS[operation](Asked(endpoint, its_call, asked, name, again, request_id))


def _read_request(endpoint: Endpoint, received: Received, rest: str) -> Request:
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
        body=_read_body(received, endpoint.limits.body) if received.method in ("POST", "PUT", "PATCH") else b"",
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


def _read_body(received: Received, largest: int) -> bytes:
    """The whole body. Raises RequestEntityTooLarge."""
    body = received.get_data(cache=False)
    # A body without Content-Length is cut at the limit in silence; whether there is more shows only by asking for it.
    if len(body) == largest and received.content_length is None and received.environ["wsgi.input"].read(1):
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


def _sent(response: Response, request_id: str) -> _Sent:
    headers = [*response.headers.items(), ("X-Request-Id", request_id)]
    if response.body:
        headers.append(("Content-Type", MEDIA_TYPE))
    if response.status not in (204, 304):  # RFC 9110 §8.6
        headers.append(("Content-Length", str(len(response.body))))
    return _Sent([response.body], response.status, Headers(headers), direct_passthrough=True)
