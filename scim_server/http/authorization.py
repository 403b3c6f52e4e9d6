"""The OAuth 2.0 authorization server: /oauth/token, /oauth/revoke, /oauth/introspect, and what a page asks for consent.

Reads forms and queries, has Authlib judge them, and answers in the form of RFC 6749 §5.2. Knows no grant's rules.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from time import perf_counter_ns
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
from flask import Flask, Request, Response, g
from flask import request as received
from uuid_utils import uuid7
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.routing import Rule

from scim_server.directory import Directory, authorization
from scim_server.domain.actor import Actor
from scim_server.domain.roles import SCOPES
from scim_server.http import grants
from scim_server.http.grants import AuthenticationFailed, Party
from scim_server.http.guard import Guard
from scim_server.http.wire import root_of, whole_body
from scim_server.keys import Untrusted, opened
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
# whether the request named a client, whether there is such a one → why an assertion stands for none
_NO_ISSUER: Final[Mapping[tuple[bool, bool], str]] = {
    (True, True): "The client trusts no such issuer, and the assertion isn't the client's own.",
    (True, False): "There is no such client, or it is revoked.",
    (False, True): "The assertion isn't the client's own.",
    (False, False): "The assertion's issuer isn't a client: send client_id beside it.",
}
# error, and the grant type where it matters → what is said of it
_SENTENCES: Final[Mapping[str, str]] = {
    "unsupported_grant_type": "grant_type is client_credentials, authorization_code or refresh_token.",
    "invalid_scope": "The scope has a word that there isn't, or more than the client may have.",
    "invalid_grant refresh_token": "The refresh token is unknown, expired, revoked or was used before.",
    "unauthorized_client client_credentials": (
        "A client with redirect URIs gets its tokens by the consent of an administrator alone."
    ),
    "unauthorized_client authorization_code": "A client without redirect URIs gets no codes: use client_credentials.",
    "unauthorized_client refresh_token": "A client without redirect URIs has no refresh token: use client_credentials.",
}
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


class OtherClient(AuthenticationFailed):
    """Good credentials, and the id of another client beside them."""


class TooMany(OAuth2Error):  # type: ignore[misc]
    """Too many requests of a connection, or failures from one address or for one client (RFC 6585 §4)."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, seconds: int, description: str) -> None:
        super().__init__(description)
        self._seconds = seconds

    def get_headers(self) -> list[tuple[str, str]]:
        return [*super().get_headers(), ("Retry-After", str(self._seconds))]


class Server(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server on our directory. `base_url` is "" for whatever URL a request came by."""

    def __init__(
        self, app: Flask, directory: Directory, guard: Guard, *, base_url: str, jwt: bool, lifetime: timedelta
    ) -> None:
        super().__init__(app, self._client_named, lambda token, asked: grants.issue(directory, token, asked))
        self.directory, self.guard, self.base_url, self.lifetime = directory, guard, base_url, lifetime
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
                raise OtherClient("The client_id beside it is another.")
        except (OAuth2Error, Untrusted, ValueError, RecursionError) as error:
            self._count_failure(request)
            self._tell_failure(request, error)
            raise AuthenticationFailed from error
        self._admit(party)
        return party

    def _count_failure(self, asked: Asked) -> None:
        """Raises TooMany. Only what failed counts, so that nobody's guesses lock a client out."""
        who = _claimed(asked)
        address = received.remote_addr or ""
        wait = self.guard.throttle.check("client", address, who)
        self.guard.throttle.failed("client", address, who)
        if wait is not None:
            raise TooMany(wait, "Too many requests came without valid credentials. Retry later.")

    def _admit(self, party: Party) -> None:
        """Count a request, which is the client's connection's. Raises TooMany."""
        try:
            self.guard.admit(received.environ, authorization.connection_of(self.directory, party.row))
        except ScimError as error:
            raise TooMany(int(error.headers["Retry-After"]), error.detail) from error

    def _tell_failure(self, asked: Asked, error: Exception) -> None:
        """Write down why, and which client, if there is one of that id: any other text may be anything."""
        client_id = _claimed(asked) or _subject(asked) or ""
        there_is = self.party(client_id).exists
        client = {"client": client_id} if there_is else {}
        reason = _why(error, asked.form, there_is=there_is, named=bool(_claimed(asked)))
        log.info("client_authentication_failed", reason=reason, request_id=asked.request_id, **client)

    def get_token_grant(self, request: Asked) -> Any:
        """The grant that is asked for. Raises InvalidRequestError for none (RFC 6749 §5.2), and for an unknown one."""
        if not request.form.get("grant_type"):
            raise InvalidRequestError("The parameter grant_type is missing.")
        return super().get_token_grant(request)

    def handle_error_response(self, request: Asked | None, error: OAuth2Error) -> Response:
        """With a sentence of ours where Authlib's says less."""
        asked = "" if request is None else request.form.get("grant_type", "")
        code = str(error.error)
        sentence = _SENTENCES.get(f"{code} {asked}") or _SENTENCES.get(code)
        if sentence is not None and not error.redirect_uri:
            error.description, error.get_error_description = sentence, lambda: sentence
        response: Response = super().handle_error_response(request, error)
        return response

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
    g.request_id = request_id  # for the answer, whatever page it is
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
    # an identity provider may have its scope added to the URL that it was told, and a scope is no secret
    also = _parameters(request.query_string)
    if also.keys() - {"scope"}:
        raise InvalidRequestError("Parameters belong into the body, as URLs are logged. Only scope may be in the URL.")
    if not request.mimetype and not request.content_length:
        raise InvalidRequestError(f"The body is empty. Send the parameters in it as {_FORM}.")
    if request.mimetype != _FORM:
        raise InvalidRequestError(f"The body must be {_FORM}.")
    request.max_content_length = LARGEST
    values = _parameters(whole_body(request, LARGEST))
    if also and values.get("scope", also["scope"]) != also["scope"]:
        raise InvalidRequestError("The scope in the URL is another than the one in the body.")
    return Asked(request, server.root(), {**values, **also}, request_id)


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


def _claimed(asked: Asked) -> str | None:
    """Whom the request says it comes from, be it true or not."""
    try:
        return asked.form.get("client_id") or extract_basic_authorization(asked.headers)[0]
    except ValueError:
        return None


def _subject(asked: Asked) -> str | None:
    """Whom the request's assertion is about, be it true or not."""
    try:
        subject = opened(asked.form.get("client_assertion", ""))[1].get("sub")
    except Untrusted:
        return None
    return subject if isinstance(subject, str) else None


def _why(error: Exception, form: Mapping[str, str], *, there_is: bool, named: bool) -> str:
    """Why a client's authentication failed, in a sentence that quotes nothing of what was sent."""
    if isinstance(error, Untrusted):
        return str(error)
    if isinstance(error, ValueError | RecursionError):
        return "It can't be read."
    if isinstance(error, OtherClient):
        return str(error.description)
    if "client_assertion" in form:
        return _NO_ISSUER[named, there_is]
    if not named:
        return "The request has no credentials that can be read."
    return "The secret is wrong, expired or revoked." if there_is else "There is no such client, or it is revoked."


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
    app.after_request(_named)


def _named(response: Response) -> Response:
    """With the request's id, if checked_grant was given one."""
    if g.get("request_id"):
        response.headers.setdefault("X-Request-Id", g.request_id)
    return response


def _served(server: Server, answer: Callable[[Asked], Response]) -> Callable[[], Response]:
    def serve() -> Response:
        started, request_id = perf_counter_ns(), str(uuid7())
        try:
            if received.method != "POST":
                response = _error(405, "invalid_request", "This is asked by POST.", Allow="POST")
            else:
                response = answer(read_form(server, received, request_id))
        except Exception as error:  # noqa: BLE001 - everything becomes an answer here
            response = _answer_to(server, error, request_id)
        response.headers["X-Request-Id"] = request_id
        server.guard.note(received.environ, request_id, started, response.status_code, "", response.get_data())
        return response

    return serve


def _answer_to(server: Server, error: Exception, request_id: str) -> Response:
    match error:
        case InsecureTransportError():
            return over_http()
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


def over_http() -> Response:
    """The refusal of what came over plain http from elsewhere."""
    return _error(400, "invalid_request", _INSECURE)


def _error(status: int, code: str, description: str, **headers: str) -> Response:
    body = orjson.dumps({"error": code, "error_description": description})
    return Response(body, status, {**_NO_STORE, **headers}, mimetype="application/json")
