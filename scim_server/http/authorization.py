"""The OAuth 2.0 authorization server: /oauth/token, /oauth/revoke, /oauth/introspect, and what a page asks for consent.

Reads forms and queries, has Authlib judge them, and answers in the form of RFC 6749 §5.2. Knows no grant's rules.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
import structlog
from authlib.common.urls import add_params_to_uri
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InsecureTransportError, InvalidRequestError, OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.authenticate_client import ClientAuthentication
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from flask import Flask, Request, Response
from flask import request as received
from uuid_utils import uuid7
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import Rule

from scim_server.directory import Directory, authorization
from scim_server.domain.actor import Actor
from scim_server.domain.roles import SCOPES
from scim_server.http import grants
from scim_server.http.grants import AuthenticationFailed, Party
from scim_server.http.limits import Throttle
from scim_server.http.wire import root_of, whole_body
from scim_server.keys import Untrusted
from scim_server.scim.errors import ScimError
from scim_server.scim.values import is_sound
from scim_server.storage.db import Busy

LARGEST: Final = 64 * 1024  # bytes of a form, or of a query
MOST_PARAMETERS: Final = 32
_FORM: Final = "application/x-www-form-urlencoded"
# What is repeated in error descriptions, which have few characters to choose from (RFC 6749 §5.2).
_QUOTED: Final = frozenset(("grant_type", "response_type", "scope", "redirect_uri", "client_id"))
_QUOTABLE: Final = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_INSECURE: Final = "OAuth needs https. If a proxy ends TLS, tell the server its URL by SCIM_SERVER_BASE_URL."
log = structlog.get_logger(__name__)


class _Parameters(OAuth2Payload):  # type: ignore[misc]  # Authlib has no type hints
    """Parameters by name, each of them once."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @property
    def data(self) -> dict[str, str]:
        return self._values

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {name: [value] for name, value in self._values.items()}


class Asked(OAuth2Request):  # type: ignore[misc]
    """A request to one of the endpoints, with its parameters from the one place where they belong."""

    def __init__(self, request: Request, root: str, values: dict[str, str], request_id: str) -> None:
        super().__init__(request.method, f"{root}{request.path}", headers=request.headers)
        self.payload: _Parameters = _Parameters(values)
        self.request_id = request_id

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


class TooManyFailures(OAuth2Error):  # type: ignore[misc]
    """Too many failures to authenticate from one address, or for one client (RFC 6585 §4)."""

    error = "temporarily_unavailable"
    description = "Too many requests came without valid credentials. Retry later."
    status_code = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self._seconds = seconds

    def get_headers(self) -> list[tuple[str, str]]:
        return [*super().get_headers(), ("Retry-After", str(self._seconds))]


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server on our directory. `base_url` is "" for whatever URL a request came by."""

    def __init__(
        self, app: Flask, directory: Directory, throttle: Throttle, *, base_url: str, jwt: bool, lifetime: timedelta
    ) -> None:
        super().__init__(app, self._client_named, lambda token, asked: grants.issue(directory, token, asked))
        self.directory, self.throttle, self.base_url, self.lifetime = directory, throttle, base_url, lifetime
        self.scopes_supported = list(SCOPES)
        self.register_token_generator("default", self._signed if jwt else grants.opaque(directory, lifetime))
        self._client_auth = ClientAuthentication(self.party)  # which does the same for clients that there aren't
        self.register_client_auth_method(grants.Assertion.CLIENT_AUTH_METHOD, grants.Assertion(self))
        self.register_grant(grants.ClientCredentials)
        self.register_grant(grants.AuthorizationCode, [grants.Challenge()])
        self.register_grant(grants.RefreshToken)
        self.register_endpoint(grants.Revocation)
        self.register_endpoint(grants.Introspection)

    def root(self) -> str:
        """The issuer: the URL that the server is reached under. Raises InvalidRequestError for a Host that is none."""
        try:
            return root_of(received.environ, self.base_url)
        except ScimError as error:
            raise InvalidRequestError(error.detail) from error

    def party(self, client_id: str) -> Party:
        """The client with this id, or one that stands for none and fails all."""
        client_id = client_id if is_sound(client_id) else ""
        return Party(self.directory, client_id, authorization.client_named(self.directory, client_id))

    def _client_named(self, client_id: str) -> Party | None:
        client = authorization.client_named(self.directory, client_id)
        return None if client is None else Party(self.directory, client.id, client)

    def _signed(self, **asked: Any) -> dict[str, Any]:
        token: dict[str, Any] = grants.Jwt(self.directory, self.root(), self.lifetime)(**asked)
        return token

    def create_oauth2_request(self, request: Asked) -> Asked:
        """What read_form or read_query made."""
        return request

    def authenticate_client(self, request: Asked, methods: list[str], endpoint: str = "token") -> Party:
        """The client that the request proves to come from. Raises AuthenticationFailed, and InvalidRequestError."""
        form = request.form
        basic = request.headers.get("Authorization", "")[:6].lower() == "basic "
        if basic + ("client_secret" in form) + ("client_assertion" in form) > 1:
            raise InvalidRequestError("A client authenticates in one way at a time.")
        try:
            party: Party = super().authenticate_client(request, methods, endpoint)
            if form.get("client_id", party.get_client_id()) != party.get_client_id():
                raise AuthenticationFailed("The client_id beside it is another.")
        except (OAuth2Error, Untrusted, ValueError, RecursionError) as error:
            reason = error.description if isinstance(error, OAuth2Error) else str(error)
            if isinstance(error, ValueError | RecursionError):  # of what was sent, which isn't for the log
                reason = "It can't be read."
            log.info("client_authentication_failed", reason=reason, request_id=request.request_id)
            self._count_failure(request)
            raise AuthenticationFailed from error
        return party

    def _count_failure(self, asked: Asked) -> None:
        """Raises TooManyFailures. Only what failed counts, so that nobody's guesses lock a client out."""
        try:
            who = asked.form.get("client_id") or extract_basic_authorization(asked.headers)[0]
        except ValueError:
            who = None
        address = received.remote_addr or ""
        wait = self.throttle.check("client", address, who)
        self.throttle.failed("client", address, who)
        if wait is not None:
            raise TooManyFailures(wait)

    def handle_response(self, status_code: int, payload: Any, headers: list[tuple[str, str]]) -> Response:
        """A redirect says who sends it, so that a client of several servers isn't mixed up (RFC 9207)."""
        response: Response = super().handle_response(status_code, payload, headers)
        if response.location:
            response.location = add_params_to_uri(response.location, [("iss", self.root())])
            response.headers.update(_NO_STORE)
        return response


def checked_grant(server: Server, request: Request, request_id: str = "") -> Any:
    """The request for consent in a query, as Authlib's grant: `.client.row`, `.request.scope`, `.redirect_uri`.

    Raises OAuth2Error. One with a `redirect_uri` goes back to the client by `refused`; any other is for a page of our
    own, as nobody knows where it would lead to.
    """
    return server.get_consent_grant(read_query(server, request, request_id))


def consented(server: Server, actor: Actor | None, grant: Any) -> Response:
    """Back to the client with a code for what `actor` allows, or with access_denied for None.

    Raises MissingPermission for an actor who may not, directory.access.Unknown for a client that has ended meanwhile.
    """
    response: Response = server.create_authorization_response(grant.request, grant_user=actor, grant=grant)
    return response


def refused(server: Server, error: OAuth2Error) -> Response:
    """Back to the client with an error of checked_grant's that has a redirect_uri."""
    response: Response = server.handle_error_response(None, error)
    return response


def read_form(server: Server, request: Request, request_id: str) -> Asked:
    """The parameters in a POST's body. Raises OAuth2Error, RequestEntityTooLarge."""
    if request.query_string:
        raise InvalidRequestError("Parameters belong into the body, as URLs are logged.")
    if request.mimetype != _FORM:
        raise InvalidRequestError(f"The body must be {_FORM}.")
    request.max_content_length = LARGEST
    return Asked(request, server.root(), _parameters(whole_body(request, LARGEST)), request_id)


def read_query(server: Server, request: Request, request_id: str) -> Asked:
    """The parameters in the URL. Raises OAuth2Error."""
    return Asked(request, server.root(), _parameters(request.query_string), request_id)


def _parameters(text: bytes) -> dict[str, str]:
    """By name; what is empty counts as left out, and nothing may come twice (RFC 6749 §3.1, §3.2)."""
    if len(text) > LARGEST:
        raise InvalidRequestError("The parameters are too long.")
    try:
        pairs = parse_qsl(text.decode("ascii"), errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidRequestError(f"The parameters must be {_FORM}, in UTF-8, and few.") from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidRequestError("A parameter is there more than once.")
    for name, value in pairs:
        if not is_sound(name) or not is_sound(value) or (name in _QUOTED and not _QUOTABLE.fullmatch(value)):
            raise InvalidRequestError("A parameter has characters that it can't have.")
    return values


def mount(app: Flask, server: Server) -> None:
    """Serve the endpoints that clients call, for every method, so that every refusal is theirs."""
    logging.getLogger("authlib").setLevel(logging.INFO)  # below, it writes tokens down
    app.extensions["authorization"] = server
    endpoints: dict[str, Callable[[Asked], Response]] = {
        "token": server.create_token_response,
        "revoke": lambda asked: server.create_endpoint_response(grants.Revocation.ENDPOINT_NAME, asked),
        "introspect": lambda asked: server.create_endpoint_response(grants.Introspection.ENDPOINT_NAME, asked),
    }
    for name, answer in endpoints.items():
        app.view_functions[f"oauth_{name}"] = _served(server, answer)
        app.url_map.add(Rule(f"/oauth/{name}", endpoint=f"oauth_{name}"))


def _served(server: Server, answer: Callable[[Asked], Response]) -> Callable[[], Response]:
    def serve() -> Response:
        request_id = str(uuid7())
        try:
            if received.method != "POST":
                return _error(405, "invalid_request", "This is asked by POST.", Allow="POST")
            response = answer(read_form(server, received, request_id))
        except Exception as error:  # noqa: BLE001 - everything becomes an answer here
            response = _answer_to(server, error, request_id)
        response.headers["X-Request-Id"] = request_id
        return response

    return serve


def _answer_to(server: Server, error: Exception, request_id: str) -> Response:
    match error:
        case InsecureTransportError():
            return _error(400, "invalid_request", _INSECURE)
        case OAuth2Error():
            return refused(server, error)
        case RequestEntityTooLarge():
            return _error(413, "invalid_request", f"The body is larger than {LARGEST} bytes.", Connection="close")
        case HTTPException():  # one that ended too early, or came too slowly
            return _error(error.code or 400, "invalid_request", "The body isn't whole.", Connection="close")
        case Busy():
            log.warning(str(error), request_id=request_id)
            return _error(503, "temporarily_unavailable", "The server is busy. Retry later.", **{"Retry-After": "1"})
        case _:
            log.exception("unexpected fault", request_id=request_id, exc_info=error)
            return _error(500, "server_error", "An unexpected fault. The request id identifies it in the log.")


def _error(status: int, code: str, description: str, **headers: str) -> Response:
    body = orjson.dumps({"error": code, "error_description": description})
    return Response(body, status, {**_NO_STORE, **headers}, mimetype="application/json")
