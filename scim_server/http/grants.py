"""Authlib's grants and endpoints with our clients, codes and tokens in them. Knows no routes, forms or pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import orjson
from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, InvalidGrantError, InvalidRequestError, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from joserfc.jwk import ECKey, KeySet

from scim_server.directory import Directory, authorization, federation
from scim_server.directory.authorization import AccessToken, Client, NewTokens, Presented
from scim_server.directory.links import new_secret
from scim_server.domain.roles import SCOPES, expand_scopes
from scim_server.keys import Untrusted
from scim_server.loopback import is_loopback
from scim_server.storage.access import TOKEN_PREFIX

REALM: Final = "oauth"
ALGORITHM: Final = "ES256"
AUTH_METHODS: Final = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
CODE_GRANTS: Final = ("authorization_code", "refresh_token")
SCIM_PATH: Final = "/scim/v2"  # below the root: what our tokens are for
_REFRESH_PREFIX: Final = "refresh_"


class AuthenticationFailed(InvalidClientError):  # type: ignore[misc]  # Authlib has no type hints
    """One answer for all that can be wrong with a client's authentication, so that none tells whether there is one."""

    status_code = 401
    description = "Client authentication failed."

    def get_headers(self) -> list[tuple[str, str]]:
        """With the challenge that RFC 6749 §5.2 and RFC 7617 ask for."""
        plain = [pair for pair in super().get_headers() if pair[0] != "WWW-Authenticate"]
        return [*plain, ("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"')]


class Party(ClientMixin):  # type: ignore[misc]
    """A client as Authlib asks about it. `row` is None for one that there isn't: then nothing is right."""

    def __init__(self, directory: Directory, client_id: str, row: Client | None) -> None:
        self._directory = directory
        self._id = client_id
        self._row = row
        self.secret: str | None = None  # the one that it proved itself by

    @property
    def row(self) -> Client:
        """The client. Raises AuthenticationFailed where there is none."""
        if self._row is None:
            raise AuthenticationFailed
        return self._row

    @property
    def exists(self) -> bool:
        """Whether there is such a client."""
        return self._row is not None

    def get_client_id(self) -> str:
        return self._id

    def get_user_id(self) -> str:
        """Who the subject of a token is (RFC 9068 §2.2): the client, as a token stands for no person."""
        return self._id

    def get_default_redirect_uri(self) -> str | None:
        """Where to go when the request doesn't say: only where there is no choice (RFC 6749 §3.1.2.3)."""
        uris = self.row.redirect_uris
        return uris[0] if len(uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What was asked for, if the client may have all of it; all that it may have, if nothing was."""
        if not scope:
            return self.row.scopes
        asked, most = dict.fromkeys(scope.split()), expand_scopes(self.row.scopes)
        return " ".join(asked) if asked and all(each in SCOPES and SCOPES[each] <= most for each in asked) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is one of the client's, to the letter (RFC 9700 §2.1)."""
        return redirect_uri in self.row.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        workspace_id = "" if self._row is None else self._row.workspace_id
        fits = authorization.is_secret(self._directory, workspace_id, self._id, client_secret)
        self.secret = client_secret if fits else None
        return fits

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return self._row is not None and method in AUTH_METHODS

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and bool(self.row.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:
        """A client with redirect URIs asks for consent, and has no way around it; any other has no use for it."""
        return (grant_type in CODE_GRANTS) is bool(self.row.redirect_uris)


class GrantView:
    """A code or refresh token as Authlib asks about it."""

    def __init__(self, presented: Presented) -> None:
        self.presented = presented

    def get_scope(self) -> str:
        return self.presented.grant.scopes

    def get_redirect_uri(self) -> str:
        return getattr(self.presented.grant, "redirect_uri", "")

    @property
    def code_challenge(self) -> str:
        return getattr(self.presented.grant, "challenge", "")

    def check_client(self, client: Party) -> bool:
        return self.presented.grant.client_id == client.get_client_id()


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 §4.4."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS


class AuthorizationCode(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 §4.1. A code is spent in the transaction that issues its tokens (`issue`)."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def generate_authorization_code(self) -> str:
        return new_secret(self.server.directory.random_bytes)

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Raises what authorization.consent raises."""
        authorization.consent(
            self.server.directory,
            request.user,
            request.client.row,
            code,
            scopes=request.scope,
            redirect_uri=request.payload.redirect_uri or "",
            challenge=request.payload.data.get("code_challenge", ""),
        )

    def query_authorization_code(self, code: str, client: Party) -> GrantView | None:
        asked = self.request
        found = authorization.code_presented(self.server.directory, client.row, code, asked.request_id)
        return None if found is None else GrantView(found)

    def authenticate_user(self, authorization_code: GrantView) -> Any:
        return self.request.client

    def delete_authorization_code(self, authorization_code: GrantView) -> None:
        """Nothing: `issue` has done it."""


class RefreshToken(grants.RefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 §6, with a new refresh token each time. The old one is spent in the transaction that issues the new."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> GrantView | None:
        asked = self.request
        found = authorization.refresh_token_presented(
            self.server.directory, asked.client.row, refresh_token, asked.request_id
        )
        return None if found is None else GrantView(found)

    def authenticate_user(self, refresh_token: GrantView) -> Any:
        return self.request.client

    def revoke_old_credential(self, refresh_token: GrantView) -> None:
        """Nothing: `issue` has done it."""


class Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE (RFC 7636) by S256 alone, of every client but those that were made without; Authlib asks none for it.

    A challenge that was sent is checked for every client, and a verifier without one is refused (RFC 9700 §4.8).
    """

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar = ["S256"]

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Raises InvalidRequestError. A challenge without a method means "plain" (RFC 7636 §4.3)."""
        sent = grant.request.payload.data
        if not sent.get("code_challenge") and grant.request.client.row.pkce:
            raise InvalidRequestError("Missing 'code_challenge'")
        if sent.get("code_challenge") and sent.get("code_challenge_method") != "S256":
            raise InvalidRequestError("'code_challenge_method' must be S256")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, authorization_code: GrantView) -> str:
        return "S256"


class Assertion(JWTBearerClientAssertion):  # type: ignore[misc]
    """private_key_jwt: a JWT of an issuer that the client's connection trusts, or the client's own (RFC 7523).

    A trusted issuer's names the client beside it, in client_id; Entra's subject is an id of its own.
    """

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, server: Any) -> None:
        super().__init__()
        self._server = server

    def __call__(self, query_client: Any, request: Any) -> Party | None:
        """The client. Raises InvalidClientError and keys.Untrusted."""
        form = request.form
        client_id, assertion = form.get("client_id"), form.get("client_assertion")
        if client_id and assertion and form.get("client_assertion_type") == self.CLIENT_ASSERTION_TYPE:
            directory: Directory = self._server.directory
            client = federation.client_for_assertion(directory, client_id, assertion)
            if client is not None:
                return Party(directory, client.id, client)
        found: Party | None = super().__call__(query_client, request)
        return found

    def resolve_client_public_key(self, client: Party) -> None:
        """Nothing yet: process_assertion_claims looks the keys up by the JWT's header."""

    def process_assertion_claims(self, assertion: str, resolve_key: None) -> None:
        """Raises keys.Untrusted. The subject that named the client is the one that is verified here."""
        subject = self.extract_assertion(assertion)[1]["sub"]
        client: Party = self._server.party(subject)
        authorization.spend_own_assertion(self._server.directory, client.row, assertion, self.get_audiences())

    def get_audiences(self) -> list[str]:
        """The token endpoint and the issuer (RFC 7523 §3). Raises keys.Untrusted where anyone could name another.

        Whoever sends a request chooses its Host: by that alone an assertion for another server would be for this one.
        """
        root = self._server.root()
        if not self._server.base_url and not is_loopback(urlsplit(root).hostname):
            raise Untrusted("What it must be for isn't known. Set SCIM_SERVER_BASE_URL to the URL that clients use.")
        return [root, f"{root}/oauth/token"]


class Jwt(JWTBearerTokenGenerator):  # type: ignore[misc]
    """Access tokens as JWTs (RFC 9068), signed with the newest of the server's keys."""

    def __init__(self, directory: Directory, issuer: str, lifetime: timedelta) -> None:
        super().__init__(issuer, ALGORITHM, refresh_texts(directory), expires_generator=int(lifetime.total_seconds()))
        self._directory = directory

    def get_jwks(self) -> KeySet:
        """The one key that signs, as a set, so that its kid is in the header."""
        key = authorization.signing_key(self._directory, _new_key)
        return KeySet([ECKey.import_key(orjson.loads(key.private_key))])

    def get_audiences(self, client: Party, user: Any, scope: str) -> str:
        return f"{self.issuer}{SCIM_PATH}"

    def get_jti(self, client: Party, grant_type: str, user: Any, scope: str) -> str:
        return self._directory.new_id()

    def get_extra_claims(self, client: Party, grant_type: str, user: Any, scope: str) -> dict[str, Any]:
        """The times by the directory's clock."""
        now = int(self._directory.now().timestamp())
        return {"iat": now, "exp": now + self.expires_generator}


def opaque(directory: Directory, lifetime: timedelta) -> BearerTokenGenerator:
    """Access tokens that say nothing, to be asked about at the introspection endpoint."""
    return BearerTokenGenerator(
        lambda **_: TOKEN_PREFIX + new_secret(directory.random_bytes),
        refresh_texts(directory),
        int(lifetime.total_seconds()),
    )


def refresh_texts(directory: Directory) -> Any:
    """Makes the texts of refresh tokens."""
    return lambda **_: _REFRESH_PREFIX + new_secret(directory.random_bytes)


def _new_key() -> tuple[str, str]:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM})
    key.ensure_kid()
    return str(key.kid), orjson.dumps(key.as_dict(private=True)).decode()


def issue(directory: Directory, token: dict[str, Any], request: Any) -> None:
    """Save what the generator made.

    Raises InvalidGrantError where code, refresh token, client or its secret has ended meanwhile.
    """
    view: GrantView | None = request.authorization_code or request.refresh_token
    new = NewTokens(
        access_text=token["access_token"],
        scopes=token["scope"],
        lifetime=timedelta(seconds=token["expires_in"]),
        refresh_text=token.get("refresh_token"),
        presented=None if view is None else view.presented,
        secret=request.client.secret,
    )
    if not authorization.issue(directory, request.client.row, new, request.request_id):
        raise InvalidGrantError


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009. A token of someone else is one that there isn't; an unknown hint is ignored, as any is (§2.1)."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def authenticate_token(self, request: Any, client: Party) -> Any:
        return _own_token(self.server.directory, request, client)

    def revoke_token(self, token: Any, request: Any) -> None:
        authorization.revoke(self.server.directory, request.client.row, token, request.request_id)


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """RFC 7662, for a client's own tokens."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def authenticate_token(self, request: Any, client: Party) -> Any:
        return _own_token(self.server.directory, request, client)

    def create_introspection_payload(self, token: Any) -> dict[str, Any]:
        """What the token is good for; of one that has ended nothing but that."""
        if token is None or not token.live(self.server.directory.now()):
            return {"active": False}
        root = self.server.root()
        kind = {"token_type": "Bearer", "aud": f"{root}{SCIM_PATH}"} if isinstance(token, AccessToken) else {}
        return {
            "active": True,
            "scope": token.scopes,
            "client_id": token.client_id,
            "sub": token.client_id,
            "iss": root,
            "iat": int(token.created.timestamp()),
            "exp": int(token.expires.timestamp()),
            **kind,
        }


def _own_token(directory: Directory, request: Any, client: Party) -> Any:
    text = request.form.get("token")
    if text is None:
        raise InvalidRequestError("Missing 'token' in request.")
    return authorization.token_of(directory, client.row, text)
