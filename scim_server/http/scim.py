"""/scim/v2: from the wire to a scim.protocol Request, to the operation it asks for, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from uuid_utils import uuid7
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wrappers import Request as Received
from werkzeug.wrappers import Response as WSGIResponse

from scim_server.directory.contacts import Call
from scim_server.http.guard import Guard
from scim_server.http.headers import headers_of
from scim_server.http.oauth import Authenticator
from scim_server.http.operations import OPERATIONS, Asked, Endpoint
from scim_server.http.refusals import answered
from scim_server.http.wire import root_of, whole_body
from scim_server.mapping import etag
from scim_server.scim.errors import ScimError
from scim_server.scim.protocol import MEDIA_TYPE, Request, Response, check_match, match_route, respond_error
from scim_server.scim.tolerance import tolerance_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROOT: Final = "/scim"
PREFIX: Final = f"{ROOT}/v2"
PLAIN_JSON: Final = "application/json"
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


def mount(app: Flask, endpoint: Endpoint, guard: Guard) -> None:
    """Serve the protocol below ROOT, before Flask looks at its own routes; other versions are answered there too.

    The protocol has routes, errors and headers of its own; to pass through Flask's takes as long as to read a contact
    (docs/decisions/0003-scim-in-front-of-flask.md).
    """
    authenticator = Authenticator(endpoint.directory, guard, endpoint.base_url)
    others: WSGIApplication = app.wsgi_app

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        received = Received(environ, populate_request=False)
        if received.path != ROOT and not received.path.startswith(f"{ROOT}/"):
            return others(environ, start_response)
        received.max_content_length = endpoint.limits.body
        request_id = str(uuid7())
        started = perf_counter_ns()
        response = _answered(endpoint, guard, authenticator, received, received.path[len(ROOT) + 1 :], request_id)
        guard.note(environ, request_id, started, response.status, response.headers.get("Location", ""), response.body)
        also = headers_of(environ["wsgi.url_scheme"], endpoint.base_url)
        kind = _media_type(environ.get("HTTP_ACCEPT", ""))
        return _sent(response, request_id, kind, also)(environ, start_response)

    app.wsgi_app = serve  # type: ignore[method-assign]  # as Flask's documentation has it for middleware


def _answered(
    endpoint: Endpoint, guard: Guard, authenticator: Authenticator, received: Received, rest: str, request_id: str
) -> Response:
    def work() -> Response:
        try:
            call = _call(authenticator, received, request_id, _contact_asked_for(received.method, rest), guard)
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


def _call(
    authenticator: Authenticator,
    received: Received,
    request_id: str,
    contact_id: str | None,
    guard: Guard | None = None,
) -> Call:
    """Who calls, and with what rights; `guard` counts it as a request. Raises ScimError."""
    grant, whole = authenticator.grant(received, request_id, contact_id)
    connection = grant.connection
    if guard is not None:
        guard.admit(received.environ, connection)
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
    return Request(
        method=received.method,
        base=root_of(environ, endpoint.base_url) + PREFIX,
        path=_below_version([segment for segment in rest.split("/") if segment]),
        query=query,
        headers={name: environ.get(variable, "") for name, variable in HEADERS.items()},
        body=whole_body(received, endpoint.limits.body) if received.method in ("POST", "PUT", "PATCH") else b"",
    )


def _below_version(segments: list[str]) -> tuple[str, ...]:
    """The path below the version; one without a version means the newest (RFC 7644 §3.13)."""
    version = segments[0] if segments else ""
    if version[:1] in ("v", "V") and version[1:].isdecimal():
        if version.lower() != "v2":
            raise ScimError("invalidVers", f"The server speaks SCIM v2, not {version[:16]}.")
        return tuple(segments[1:])
    return tuple(segments)


@lru_cache(maxsize=1024)
def _media_type(accept: str) -> str:
    """What the answer is called: SCIM's own type, or plain JSON for who accepts that alone, as OneLogin does (§3.1)."""
    accepted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return PLAIN_JSON if accepted == {PLAIN_JSON} else MEDIA_TYPE


def _sent(response: Response, request_id: str, kind: str, also: Iterable[tuple[str, str]]) -> _Sent:
    headers = [*response.headers.items(), ("X-Request-Id", request_id), *also]
    if response.body:
        headers.append(("Content-Type", kind))
    if response.status not in (204, 304):  # RFC 9110 §8.6
        headers.append(("Content-Length", str(len(response.body))))
    return _Sent([response.body], response.status, Headers(headers), direct_passthrough=True)
