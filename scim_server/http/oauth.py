"""Who is calling: bearer tokens by Authlib's resource protector (RFC 6750), and what a connection takes in their place.

Knows nothing of what is asked for.
"""

from __future__ import annotations

from typing import Any

import structlog
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import MissingAuthorizationError, TokenValidator, UnsupportedTokenTypeError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError

from scim_server.directory import Directory, ended, federation
from scim_server.domain.actor import Actor
from scim_server.domain.roles import ROLE_PERMISSIONS, Role, expand_scopes
from scim_server.http.guard import Guard
from scim_server.http.wire import root_of
from scim_server.keys import Untrusted
from scim_server.scim.errors import ScimError
from scim_server.storage import access, contacts
from scim_server.storage.whole import Whole, read_granted

REALM = "scim"
METADATA = "/.well-known/oauth-protected-resource/scim/v2"
_BASIC_TOO = "A valid token, or the client's id and secret, is required."
# why nothing was found: for a token, and for a client's id and secret
_UNKNOWN = ("The token is unknown.", "There is no such client, or the secret isn't its own.")
log = structlog.get_logger(__name__)


class _Validator(BearerTokenValidator):  # type: ignore[misc]  # Authlib has no type hints
    """Refuses what stands for nothing: tokens are looked up on every request, so that a revoked one is out at once."""

    def validate_token(self, token: access.Grant | None, scopes: Any, request: Any, **_: Any) -> None:
        if token is None:
            raise InvalidTokenError(realm=REALM)


class _Basic(TokenValidator):  # type: ignore[misc]
    """A client's id and secret (RFC 7617). Refused as if the scheme were unknown, which it is to most connections."""

    TOKEN_TYPE = "basic"  # noqa: S105 - the name of the scheme

    def validate_token(self, token: access.Grant | None, scopes: Any, request: Any, **_: Any) -> None:
        if token is None:
            raise UnsupportedTokenTypeError(BearerTokenValidator.TOKEN_TYPE, REALM)


class Authenticator:
    """Finds out whose request it is."""

    def __init__(self, directory: Directory, guard: Guard, base_url: str) -> None:
        self._directory, self._guard, self._base_url = directory, guard, base_url
        self._protector = ResourceProtector()
        self._protector.register_token_validator(_Validator(realm=REALM))
        self._protector.register_token_validator(_Basic(realm=REALM))

    def grant(self, request: Any, request_id: str, contact_id: str | None = None) -> tuple[access.Grant, Whole | None]:
        """What the request's bearer token stands for, and, looked up with it, the contact that the request is about.

        Raises ScimError unauthorized, with WWW-Authenticate, or tooManyRequests for an address that tries too much.
        """
        try:
            grant, whole = self._found(request, contact_id)
        except (OAuth2Error, Untrusted) as error:
            raise self._refusal(request, request_id, error) from error
        self._note_use(grant)
        return grant, whole

    def _found(self, request: Any, contact_id: str | None) -> tuple[access.Grant, Whole | None]:
        """By whichever way the request says who it is. Raises OAuth2Error and keys.Untrusted."""
        whole = None
        try:
            validator, token = self._protector.parse_request_authorization(request)
        except UnsupportedTokenTypeError:
            grant = self._by_bare_token(request)
            if grant is None:
                raise
            return grant, None
        if isinstance(validator, _Basic):
            grant = self._by_secret(request)
        else:
            grant, whole = self._looked_up(token, contact_id)
            # what is rare comes last: an ordinary token takes one statement
            grant = grant or federation.grant_for_bearer(self._directory, token)
        validator.validate_token(grant, [], request)
        if grant is None:
            raise InvalidTokenError(realm=REALM)
        return grant, whole

    def _refusal(self, request: Any, request_id: str, error: Exception) -> ScimError:
        """What is answered; why goes to the logs. Raises ScimError tooManyRequests before it looks anything up."""
        self._guard.failed(request, error)
        client_id, text = self._sent(request)
        if not isinstance(error, MissingAuthorizationError):
            self._tell(request, request_id, error, client_id, text)
        failed = ', error="invalid_token"' if isinstance(error, InvalidTokenError | Untrusted) else ""
        metadata = f'resource_metadata="{root_of(request.environ, self._base_url)}{METADATA}"'  # RFC 9728 §5.1
        challenge = f'Bearer realm="{REALM}"{failed}, {metadata}'
        if client_id and ended.takes_basic(self._directory, client_id):
            challenge = f'{challenge}, Basic realm="{REALM}", charset="UTF-8"'
            return ScimError("unauthorized", _BASIC_TOO, headers={"WWW-Authenticate": challenge})
        return ScimError("unauthorized", headers={"WWW-Authenticate": challenge})

    def _tell(self, request: Any, request_id: str, error: Exception, client_id: str | None, text: str) -> None:
        """Write down why: in the request log where the credential is, or was, a connection's, and always in the log."""
        if client_id is not None:
            traced = ended.of_secret(self._directory, client_id, text)
        else:
            traced = ended.of_token(self._directory, text)
        if traced is not None:
            self._guard.trace(request.environ, traced.connection, traced.reason)
            connection, reason = traced.connection.name, traced.reason
            log.info("bearer_token_refused", reason=reason, connection=connection, request_id=request_id)
            return
        reason = str(error) if isinstance(error, Untrusted) else _UNKNOWN[client_id is not None]
        log.info("bearer_token_refused", reason=reason, request_id=request_id)

    def _sent(self, request: Any) -> tuple[str | None, str]:
        """The client's id and secret of Basic, or None and what else was sent as a token."""
        scheme, _, rest = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "basic":
            return None, (rest or scheme).strip()
        try:
            client_id, secret = extract_basic_authorization(request.headers)
        except ValueError:  # not base64, or not UTF-8
            return "", ""
        return client_id or "", secret or ""

    def _by_bare_token(self, request: Any) -> access.Grant | None:
        """A token without a scheme before it, as Okta's header mode sends it, where its connection takes that."""
        text = request.headers["Authorization"]
        if len(text.split()) != 1:
            return None
        grant = access.grant_of(self._directory.engine, text, self._directory.now())
        return grant if grant is not None and grant.connection.settings.bare_token else None

    def _by_secret(self, request: Any) -> access.Grant | None:
        client_id, secret = self._sent(request)
        return federation.grant_for_secret(self._directory, client_id, secret) if client_id and secret else None

    def _looked_up(self, token: str, contact_id: str | None) -> tuple[access.Grant | None, Whole | None]:
        engine, now = self._directory.engine, self._directory.now()
        if contact_id is None:
            return access.grant_of(engine, token, now), None
        return read_granted(engine, token, contact_id, now)

    def actor(self, grant: access.Grant, request_id: str, *, door: str) -> Actor:
        """Who calls, and with what rights. Raises ScimError unauthorized."""
        role = None
        permissions = expand_scopes(grant.scopes)
        if grant.contact_id is not None:
            # a token never lets a person do more than the person may
            role = self._role_of(grant)
            permissions &= ROLE_PERMISSIONS[role]
        return Actor(
            workspace_id=grant.connection.workspace_id,
            kind="connection" if grant.contact_id is None else "contact",
            door=door,
            permissions=permissions,
            id=grant.contact_id or grant.connection.id,
            role=role,
            request_id=request_id,
        )

    def _role_of(self, grant: access.Grant) -> Role:
        """The role of the contact that a token acts for. Raises ScimError unauthorized where there is none any more."""
        found = contacts.read(self._directory.engine, grant.connection.workspace_id, grant.contact_id or "")
        if found is None or not found.sign_in_allowed:
            raise ScimError("unauthorized", headers={"WWW-Authenticate": f'Bearer realm="{REALM}"'})
        return found.role

    def _note_use(self, grant: access.Grant) -> None:
        now = self._directory.now()
        if grant.last_used is None or now - grant.last_used >= access.NOTED_EVERY:
            access.note_use(self._directory.engine, grant, now)
