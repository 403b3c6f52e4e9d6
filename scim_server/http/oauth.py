"""Who is calling: bearer tokens by Authlib's resource protector (RFC 6750). Knows nothing of what is asked for."""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError

from scim_server.directory import Directory
from scim_server.scim.errors import ScimError
from scim_server.storage import access
from scim_server.storage.db import writing

REALM = "scim"


class _Validator(BearerTokenValidator):  # type: ignore[misc]  # Authlib has no type hints
    """Looks a token up in the database, on every request: a revoked one is refused at once, by every worker."""

    def __init__(self, directory: Directory) -> None:
        super().__init__(realm=REALM)
        self._directory = directory

    def authenticate_token(self, token_string: str) -> access.Grant | None:
        return access.grant_of(self._directory.engine, token_string, self._directory.now())

    def validate_token(self, token: access.Grant | None, scopes: Any, request: Any, **_: Any) -> None:
        if token is None:
            raise InvalidTokenError(realm=REALM)


class Authenticator:
    """Finds out whose request it is."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._protector = ResourceProtector()
        self._protector.register_token_validator(_Validator(directory))

    def grant(self, request: Any) -> access.Grant:
        """What the request's bearer token stands for. Raises ScimError unauthorized, with WWW-Authenticate."""
        try:
            grant: access.Grant = self._protector.validate_request([], request)
        except OAuth2Error as error:
            failed = f', error="{error.error}"' if isinstance(error, InvalidTokenError) else ""
            raise ScimError("unauthorized", headers={"WWW-Authenticate": f'Bearer realm="{REALM}"{failed}'}) from error
        self._note_use(grant)
        return grant

    def _note_use(self, grant: access.Grant) -> None:
        now = self._directory.now()
        if grant.last_used is None or now - grant.last_used >= access.NOTED_EVERY:
            writing(self._directory.engine, lambda db: access.note_use(db, grant, now))
