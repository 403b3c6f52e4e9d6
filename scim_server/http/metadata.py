"""What there is to know beforehand: keys (RFC 7517), authorization server (RFC 8414) and resource (RFC 9728)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from authlib.common.security import is_secure_transport
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from flask import Blueprint, Flask, Response, abort
from joserfc.jwk import ECKey

from scim_server.directory import authorization
from scim_server.domain.roles import SCOPES
from scim_server.http.authorization import Server, over_http
from scim_server.http.grants import AUTH_METHODS, CODE_GRANTS, SCIM_PATH
from scim_server.keys import ALGORITHMS

SERVER_PATH: Final = "/.well-known/oauth-authorization-server"
RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"
KEYS_PATH: Final = "/oauth/jwks.json"
# Short, so that a new key is known soon to those who don't ask again when they meet one that they don't know.
_CACHED: Final = {"Cache-Control": "public, max-age=300"}
_NOT_CACHED: Final = {"Cache-Control": "no-store"}


def mount(app: Flask, server: Server) -> None:
    """Serve the documents. Each well-known path may have the path of what it is about behind it (RFC 8414 §3.1)."""
    blueprint = Blueprint("metadata", __name__)

    @blueprint.get(KEYS_PATH)
    def keys() -> Response:
        found = authorization.published_keys(server.directory)
        return _sent({"keys": [_public(key.private_key) for key in found]}, _CACHED)

    @blueprint.get(SERVER_PATH)
    @blueprint.get(f"{SERVER_PATH}/<path:rest>")
    def authorization_server(rest: str = "") -> Response:
        root = _root(server)
        if rest and f"/{rest}" != urlsplit(root).path:
            abort(404)
        return _sent(_of_server(root), _kept(server))

    @blueprint.get(RESOURCE_PATH)
    @blueprint.get(f"{RESOURCE_PATH}/<path:rest>")
    def protected_resource(rest: str = "") -> Response:
        root = _root(server)
        path = urlsplit(root).path
        about = {"": root, path: root, SCIM_PATH: f"{root}{SCIM_PATH}", f"{path}{SCIM_PATH}": f"{root}{SCIM_PATH}"}
        resource = about.get(f"/{rest}" if rest else "")
        return _sent(_of_resource(root, resource), _kept(server)) if resource else abort(404)

    app.register_blueprint(blueprint)


def _root(server: Server) -> str:
    try:
        root = server.root()
    except OAuth2Error:  # a Host that is none
        abort(400)
    # no endpoint that is named here would answer
    return root if is_secure_transport(root) else abort(over_http())


def _of_server(root: str) -> AuthorizationServerMetadata:
    authentication = {
        f"{endpoint}_endpoint_auth_{what}": list(values)
        for endpoint in ("token", "revocation", "introspection")
        for what, values in (("methods_supported", AUTH_METHODS), ("signing_alg_values_supported", ALGORITHMS))
    }
    return AuthorizationServerMetadata(
        issuer=root,
        authorization_endpoint=f"{root}/oauth/authorize",
        token_endpoint=f"{root}/oauth/token",
        revocation_endpoint=f"{root}/oauth/revoke",
        introspection_endpoint=f"{root}/oauth/introspect",
        jwks_uri=f"{root}{KEYS_PATH}",
        scopes_supported=list(SCOPES),
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=["client_credentials", *CODE_GRANTS],
        code_challenge_methods_supported=["S256"],
        authorization_response_iss_parameter_supported=True,
        protected_resources=[f"{root}{SCIM_PATH}"],
        **authentication,
    )


def _of_resource(root: str, resource: str) -> dict[str, Any]:
    return {
        "resource": resource,
        "authorization_servers": [root],
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
    }


def _public(private_key: str) -> Any:
    return ECKey.import_key(orjson.loads(private_key)).as_dict(private=False)


def _kept(server: Server) -> Mapping[str, str]:
    """For how long: what names the URL that a request came by is for that request alone."""
    return _CACHED if server.base_url else _NOT_CACHED


def _sent(document: Any, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(dict(document)), 200, dict(headers), mimetype="application/json")
