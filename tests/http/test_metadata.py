"""The documents that clients and resource servers find their way by (RFC 8414, RFC 9728)."""

from __future__ import annotations

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from flask import Flask

from scim_server.app import close, create_app
from scim_server.settings import Settings
from tests.http.oauth_desk import (
    LOCAL,
)


class TestMetadata:
    def test_authorization_server(self, app: Flask) -> None:
        answer = app.test_client().get("/.well-known/oauth-authorization-server")
        document = answer.get_json()
        AuthorizationServerMetadata(document).validate()
        assert document["issuer"] == LOCAL
        assert document["token_endpoint_auth_methods_supported"] == [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ]
        assert document["code_challenge_methods_supported"] == ["S256"]
        assert "none" not in str(document)
        for name, url in document.items():
            if name.endswith(("_endpoint", "jwks_uri")):
                path = url.removeprefix(LOCAL)
                assert app.url_map.bind("localhost").test(path), name

    @pytest.mark.parametrize(("suffix", "resource"), [("", LOCAL), ("/scim/v2", f"{LOCAL}/scim/v2")])
    def test_protected_resource(self, app: Flask, suffix: str, resource: str) -> None:
        document = app.test_client().get(f"/.well-known/oauth-protected-resource{suffix}").get_json()
        assert document["resource"] == resource
        assert document["authorization_servers"] == [LOCAL]
        assert document["bearer_methods_supported"] == ["header"]
        assert "scim" in document["scopes_supported"]

    def test_a_challenge_leads_there(self, app: Flask) -> None:
        for path in ("/scim/v2/Users", "/api/items"):
            challenge = app.test_client().get(path).headers["WWW-Authenticate"]
            url = challenge.split('resource_metadata="')[1].split('"')[0]
            assert app.test_client().get(url).get_json()["resource"] == f"{LOCAL}/scim/v2"

    def test_below_a_path(self, app: Flask) -> None:
        url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
        below = create_app(Settings(database_url=url, base_url="https://acme.example/scim-server"))
        try:
            client = below.test_client()
            for path in ("", "/scim-server"):
                document = client.get(f"/.well-known/oauth-authorization-server{path}").get_json()
                assert document["issuer"] == "https://acme.example/scim-server"
            found = client.get("/.well-known/oauth-protected-resource/scim-server/scim/v2").get_json()
            assert found["resource"] == "https://acme.example/scim-server/scim/v2"
        finally:
            close(below)

    @pytest.mark.parametrize("path", ["oauth-authorization-server", "oauth-protected-resource/scim/v2"])
    def test_none_over_plain_http(self, app: Flask, path: str) -> None:
        answer = app.test_client().get(f"/.well-known/{path}", headers={"Host": "scim.example"})
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
        assert "https" in answer.get_json()["error_description"]
        assert answer.headers["Cache-Control"] == "no-store"

    def test_nothing_else(self, app: Flask) -> None:
        client = app.test_client()
        for path in ("oauth-authorization-server/other", "oauth-protected-resource/other"):
            assert client.get(f"/.well-known/{path}").status_code == 404
        for path in ("oauth-authorization-server", "oauth-protected-resource"):
            assert client.get(f"/.well-known/{path}", headers={"Host": "a b"}).status_code == 400
