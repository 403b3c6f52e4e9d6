"""Who is calling: bearer tokens by Authlib's resource protector (RFC 6750). Knows nothing of what is asked for."""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError

from scim_server.directory import Directory
from scim_server.domain.actor import Actor
from scim_server.domain.roles import ROLE_PERMISSIONS, Role, expand_scopes
from scim_server.scim.errors import ScimError
from scim_server.storage import access, contacts
from scim_server.storage.whole import Whole, read_granted

REALM = "scim"


class _Validator(BearerTokenValidator):  # type: ignore[misc]  # Authlib has no type hints
    """Refuses what stands for nothing: tokens are looked up on every request, so that a revoked one is out at once."""

    def validate_token(self, token: access.Grant | None, scopes: Any, request: Any, **_: Any) -> None:
        if token is None:
            raise InvalidTokenError(realm=REALM)


class Authenticator:
    """Finds out whose request it is."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._protector = ResourceProtector()
        self._protector.register_token_validator(_Validator(realm=REALM))

    def grant(self, request: Any, contact_id: str | None = None) -> tuple[access.Grant, Whole | None]:
        """What the request's bearer token stands for, and, looked up with it, the contact that the request is about.

        Raises ScimError unauthorized, with WWW-Authenticate.
        """
        try:
            validator, token = self._protector.parse_request_authorization(request)
            grant, whole = self._looked_up(token, contact_id)
            validator.validate_token(grant, [], request)
        except OAuth2Error as error:
            failed = f', error="{error.error}"' if isinstance(error, InvalidTokenError) else ""
            raise ScimError("unauthorized", headers={"WWW-Authenticate": f'Bearer realm="{REALM}"{failed}'}) from error
        if grant is None:
            raise ScimError("unauthorized")
        self._note_use(grant)
        return grant, whole

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
