"""The authorization server: who gets a token, what the token says, and how every refusal looks."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from scim_server.app import close, create_app
from scim_server.directory import authorization, clients
from scim_server.settings import Settings
from scim_server.storage import grants
from scim_server.storage.db import reading, writing
from tests.http.conftest import Site
from tests.http.oauth_desk import (
    LOCAL,
    REDIRECT,
    VERIFIER,
    Desk,
    acts,
    new_desk,
    parameters,
    refusal,
)
from tests.support import Answer, World


@pytest.fixture
def desk(world: World) -> Desk:
    """A client for client_credentials."""
    return new_desk(world)


@pytest.fixture
def coded(world: World) -> Desk:
    """A client for authorization codes."""
    return new_desk(world, redirect_uris=(REDIRECT,))


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def keys_of(desk: Desk) -> KeySet:
    return KeySet.import_key_set(desk.app.test_client().get("/oauth/jwks.json").get_json())


class TestClientCredentials:
    def test_a_token_that_opens_scim(self, desk: Desk) -> None:
        answer = desk.token()
        assert answer.status == 200, answer.text
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
        assert answer.headers["Content-Type"] == "application/json"
        token = answer.json
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, "scim")
        assert "refresh_token" not in token
        assert desk.reads(token["access_token"]) == 200

    def test_by_basic(self, desk: Desk) -> None:
        form = {"grant_type": "client_credentials"}
        assert desk.post("/oauth/token", form, basic(desk.client.id, desk.secret)).status == 200

    def test_each_of_two_live_secrets(self, desk: Desk) -> None:
        _, second = clients.rotate(desk.world.directory, desk.world.name, desk.client.id)
        assert [replace(desk, secret=each).token().status for each in (desk.secret, second)] == [200, 200]

    def test_use_of_a_secret_is_noted(self, desk: Desk) -> None:
        (listed,) = clients.list_clients(desk.world.directory, desk.world.name, desk.connection)
        assert listed.secrets[0].last_used is None
        desk.token()
        (listed,) = clients.list_clients(desk.world.directory, desk.world.name, desk.connection)
        assert listed.secrets[0].last_used is not None

    @pytest.mark.parametrize(
        ("asked", "given"),
        [(None, "scim seats:manage"), ("", "scim seats:manage"), ("scim", "scim"), ("contacts:view", "contacts:view")],
    )
    def test_scopes_within_the_clients(self, world: World, asked: str | None, given: str) -> None:
        desk = new_desk(world, scopes="scim seats:manage")
        answer = desk.token(**({} if asked is None else {"scope": asked}))
        assert answer.json["scope"] == given
        (header,) = {jwt.decode(answer.json["access_token"], keys_of(desk), ["ES256"]).claims["scope"]}
        assert header == given

    @pytest.mark.parametrize("asked", ["workspace:manage", "scim workspace:manage", "admin", "scim admin", '"'])
    def test_scopes_beyond_the_clients(self, desk: Desk, asked: str) -> None:
        refusal(desk.token(scope=asked), 400, "invalid_request" if asked == '"' else "invalid_scope")

    def test_a_lesser_scope_does_no_more(self, desk: Desk) -> None:
        token = desk.token(scope="contacts:view").json["access_token"]
        answer = desk.app.test_client().get("/scim/v2/Groups", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403
        assert 'scope="groups:view"' in answer.headers["WWW-Authenticate"]

    def test_not_around_consent(self, coded: Desk) -> None:
        refusal(coded.token(), 400, "unauthorized_client")


class TestClientAuthentication:
    WRONG: Mapping[str, Callable[[Desk], tuple[dict[str, str], dict[str, str]]]] = {
        "nothing": lambda desk: ({}, {}),
        "an id alone": lambda desk: ({"client_id": desk.client.id}, {}),
        "wrong secret": lambda desk: ({"client_id": desk.client.id, "client_secret": "secret_wrong"}, {}),
        "no such client": lambda desk: ({"client_id": "client_none", "client_secret": desk.secret}, {}),
        "basic, wrong secret": lambda desk: ({}, basic(desk.client.id, "secret_wrong")),
        "basic, no such client": lambda desk: ({}, basic("client_none", desk.secret)),
        "basic, NUL": lambda desk: ({}, basic("client%00", desk.secret)),
        "basic, not base64": lambda desk: ({}, {"Authorization": "Basic !!"}),
        "basic, not UTF-8": lambda desk: ({}, {"Authorization": "Basic /////w=="}),
        "basic, no colon": lambda desk: ({}, {"Authorization": "Basic YWJj"}),
        "another scheme": lambda desk: ({}, {"Authorization": f"Bearer {desk.secret}"}),
        "another client beside": lambda desk: ({"client_id": "client_none"}, basic(desk.client.id, desk.secret)),
        "an assertion that is none": lambda desk: (assertion("x.y.z"), {}),
        "an assertion by nobody": lambda desk: (assertion(signed("client_none", key())), {}),
        "an assertion without keys": lambda desk: (assertion(signed(desk.client.id, key())), {}),
        "a deep assertion": lambda desk: (assertion("e30." + b64(b"[" * 20_000) + ".x"), {}),
    }

    @pytest.mark.parametrize("case", WRONG)
    @pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
    def test_every_failure_looks_the_same(self, desk: Desk, case: str, path: str) -> None:
        form, headers = self.WRONG[case](desk)
        answer = desk.post(path, {"grant_type": "client_credentials", "token": "x", **form}, headers)
        refusal(answer, 401, "invalid_client")
        assert answer.json["error_description"] == "Client authentication failed."
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="oauth", charset="UTF-8"'

    def test_one_way_at_a_time(self, desk: Desk) -> None:
        both = desk.post(
            "/oauth/token",
            {"grant_type": "client_credentials", **desk.credentials},
            basic(desk.client.id, desk.secret),
        )
        refusal(both, 400, "invalid_request")
        refusal(desk.token(**assertion("x.y.z")), 400, "invalid_request")

    def test_a_revoked_secret_and_client(self, desk: Desk) -> None:
        directory, world = desk.world.directory, desk.world
        _, second = clients.rotate(directory, world.name, desk.client.id, revoke_others=True)
        refusal(desk.token(), 401, "invalid_client")
        rotated = replace(desk, secret=second)
        token = rotated.token().json["access_token"]
        clients.revoke_client(directory, world.name, desk.client.id)
        refusal(rotated.token(), 401, "invalid_client")
        assert desk.reads(token) == 401

    def test_an_expired_secret(self, desk: Desk) -> None:
        server = desk.app.extensions["authorization"]
        later = desk.world.directory.now() + timedelta(days=366)
        aged = replace(desk.world.directory, now=lambda: later)
        assert authorization.is_secret(server.directory, desk.world.workspace_id, desk.client.id, desk.secret)
        assert not authorization.is_secret(aged, desk.world.workspace_id, desk.client.id, desk.secret)

    def test_too_many_failures_have_to_wait_and_who_is_right_has_not(self, desk: Desk) -> None:
        wrong = replace(desk, secret="secret_wrong")
        address = {"REMOTE_ADDR": "192.0.2.77"}
        form = {"grant_type": "client_credentials", **wrong.credentials}
        client = desk.app.test_client()
        answers = [client.post("/oauth/token", data=form, environ_base=address) for _ in range(70)]
        assert answers[0].status_code == 401
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert answers[-1].get_json()["error"] == "temporarily_unavailable"
        for path in ("/oauth/revoke", "/oauth/introspect"):
            answer = client.post(path, data={"token": "x", **wrong.credentials}, environ_base=address)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (429, "no-store")
            assert int(answer.headers["Retry-After"]) >= 1
        assert desk.token().status == 200


def key() -> ECKey:
    return ECKey.generate_key("P-256")


def b64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(
    client_id: str, private: Any, audience: str = f"{LOCAL}/oauth/token", alg: str = "ES256", **more: Any
) -> str:
    text: str = private_key_jwt_sign(private, client_id, audience, alg, **more)
    return text


def assertion(text: str) -> dict[str, str]:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {"client_assertion_type": kind, "client_assertion": text}


class TestPrivateKeyJwt:
    @pytest.fixture
    def private(self) -> ECKey:
        return key()

    @pytest.fixture
    def keyed(self, world: World, private: ECKey) -> Desk:
        keys = {"keys": [private.as_dict(private=False)]}
        return new_desk(world, key_set=keys, with_secret=False)

    def ask(self, desk: Desk, text: str, **form: str) -> Answer:
        return desk.post("/oauth/token", {"grant_type": "client_credentials", **assertion(text), **form})

    @pytest.mark.parametrize("audience", [f"{LOCAL}/oauth/token", LOCAL])
    def test_a_token(self, keyed: Desk, private: ECKey, audience: str) -> None:
        answer = self.ask(keyed, signed(keyed.client.id, private, audience))
        assert answer.status == 200, answer.text
        assert keyed.reads(answer.json["access_token"]) == 200

    def test_with_the_client_id_beside_it(self, keyed: Desk, private: ECKey) -> None:
        text = signed(keyed.client.id, private)
        assert self.ask(keyed, text, client_id=keyed.client.id).status == 200
        refusal(self.ask(keyed, signed(keyed.client.id, private), client_id="client_none"), 401, "invalid_client")

    def test_once(self, keyed: Desk, private: ECKey) -> None:
        text = signed(keyed.client.id, private)
        assert [self.ask(keyed, text).status for _ in range(2)] == [200, 401]

    WRONG: Mapping[str, Callable[[Desk, ECKey], str]] = {
        "another key": lambda desk, private: signed(desk.client.id, key()),
        "another audience": lambda desk, private: signed(desk.client.id, private, "https://other.example/oauth/token"),
        "expired": lambda desk, private: signed(desk.client.id, private, expires_at=int(time.time()) - 120),
        "for years": lambda desk, private: signed(desk.client.id, private, expires_in=10**8),
        "another issuer": lambda desk, private: signed(desk.client.id, private, claims={"iss": "me"}),
        "alg none": lambda desk, private: by_hand(desk.client.id, "none"),
        "HS256 with the public key": lambda desk, private: by_hand(
            desk.client.id, "HS256", private.as_pem(private=False)
        ),
    }

    @pytest.mark.parametrize("case", WRONG)
    def test_refused(self, keyed: Desk, private: ECKey, case: str) -> None:
        refusal(self.ask(keyed, self.WRONG[case](keyed, private)), 401, "invalid_client")


def by_hand(client_id: str, alg: str, secret: bytes = b"") -> str:
    """An assertion such as no library makes: not signed, or with a public key as the shared secret."""
    claims = {"iss": client_id, "sub": client_id, "aud": LOCAL, "exp": int(time.time()) + 60, "jti": "1"}
    text = ".".join(b64(json.dumps(each).encode()) for each in ({"alg": alg}, claims))
    return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256')) if secret else ''}"


def _bare(desk: Desk) -> tuple[int, dict[str, str], str]:
    """The answer to a POST of nothing."""
    answer = desk.app.test_client().post("/oauth/token")
    return answer.status_code, dict(answer.headers), answer.text


class TestWhyInTheLog:
    def told(self, capsys: pytest.CaptureFixture[str]) -> tuple[str, str | None]:
        lines = capsys.readouterr().err.splitlines()
        (line,) = [json.loads(each) for each in lines if "client_authentication_failed" in each]
        assert line["request_id"]
        return line["reason"], line.get("client")

    def test_of_secrets(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        form = {"grant_type": "client_credentials"}
        replace(desk, secret="secret_wrong").token()
        assert self.told(capsys) == ("The secret is wrong, expired or revoked.", desk.client.id)
        desk.post("/oauth/token", form, basic(desk.client.id, "secret_wrong"))
        assert self.told(capsys) == ("The secret is wrong, expired or revoked.", desk.client.id)
        desk.post("/oauth/token", {**form, "client_id": "client_none", "client_secret": "x"})
        assert self.told(capsys) == ("There is no such client, or it is revoked.", None)
        desk.post("/oauth/token", form)
        assert self.told(capsys) == ("The request has no credentials that can be read.", None)
        desk.post("/oauth/token", form, {"Authorization": "Basic !!!"})
        assert self.told(capsys) == ("The request has no credentials that can be read.", None)
        desk.post("/oauth/token", {**form, "client_id": "client_other"}, basic(desk.client.id, desk.secret))
        assert self.told(capsys)[0] == "The client_id beside it is another."

    def test_of_assertions(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_assertion_type": kind}
        foreign = {**form, "client_assertion": signed("0a1b-of-the-issuer", key())}
        desk.post("/oauth/token", foreign)
        assert self.told(capsys) == ("The assertion's issuer isn't a client: send client_id beside it.", None)
        desk.post("/oauth/token", {**foreign, "client_id": desk.client.id})
        assert self.told(capsys)[1] == desk.client.id
        desk.post("/oauth/token", {**form, "client_assertion": signed(desk.client.id, key())})
        assert self.told(capsys) == ("The client has no key set.", desk.client.id)


class TestForms:
    @pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
    def test_what_is_no_form(self, desk: Desk, path: str) -> None:
        client, form = desk.app.test_client(), {**desk.credentials, "token": "x", "grant_type": "client_credentials"}
        encoded = "&".join(f"{name}={value}" for name, value in form.items())
        kind = "application/x-www-form-urlencoded"
        asked: list[tuple[int, dict[str, Any]]] = [
            (400, {"json": form}),
            (400, {"data": form, "content_type": "multipart/form-data"}),
            (400, {"data": encoded}),
            (400, {"data": encoded, "content_type": kind, "query_string": "state=x"}),
            (400, {"data": encoded, "content_type": kind, "query_string": "scope=scim&grant_type=x"}),
            (400, {"data": f"{encoded}&scope=scim", "content_type": kind, "query_string": "scope=contacts:view"}),
            (400, {}),
            (400, {"data": f"{encoded}&token=y", "content_type": kind}),
            (400, {"data": f"{encoded}&scope=%ff", "content_type": kind}),
            (400, {"data": f"{encoded}&scope=%00", "content_type": kind}),
            (400, {"data": encoded.encode() + b"&scope=\xff", "content_type": kind}),
            (400, {"data": encoded + "&a=b" + "".join(f"&a{n}=b" for n in range(40)), "content_type": kind}),
            (413, {"data": f"{encoded}&x={'x' * 70_000}", "content_type": kind}),
        ]
        for status, how in asked:
            answer = client.post(path, **how)
            refusal(Answer(answer.status_code, dict(answer.headers), answer.text), status, "invalid_request")

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "TRACE", "BREW"])
    def test_other_methods(self, desk: Desk, method: str) -> None:
        answer = desk.app.test_client().open("/oauth/token", method=method)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert answer.headers["X-Request-Id"]
        assert answer.get_json()["error"] == "invalid_request"

    @pytest.mark.parametrize("grant_type", ["", "password", "implicit", 'a"b', "ä"])
    def test_unknown_grants(self, desk: Desk, grant_type: str) -> None:
        error = "unsupported_grant_type" if grant_type in ("password", "implicit") else "invalid_request"
        answer = desk.token(grant_type)
        refusal(answer, 400, error)
        assert answer.json["error_description"].endswith(".")

    def test_each_refusal_has_a_sentence(self, desk: Desk, coded: Desk) -> None:
        refused = [
            (desk.post("/oauth/token", {"scope": "scim"}), "The parameter grant_type is missing."),
            (desk.token("password"), "grant_type is client_credentials, authorization_code or refresh_token."),
            (desk.token(scope="admin"), "The scope has a word that there isn't, or more than the client may have."),
            (
                coded.token("refresh_token", refresh_token="refresh_none"),
                "The refresh token is unknown, expired, revoked or was used before.",
            ),
            (coded.token(), "A client with redirect URIs gets its tokens by the consent of an administrator alone."),
            (
                desk.token("authorization_code", code="x"),
                "A client without redirect URIs gets no codes: use client_credentials.",
            ),
            (
                Answer(*_bare(desk)),
                "The body is empty. Send the parameters in it as application/x-www-form-urlencoded.",
            ),
        ]
        for answer, sentence in refused:
            assert answer.json["error_description"] == sentence

    def test_the_scope_may_stand_in_the_url(self, desk: Desk) -> None:
        """Okta adds it to the token URL."""
        form = {"grant_type": "client_credentials", **desk.credentials}
        answer = desk.post("/oauth/token?scope=contacts:view", form)
        assert (answer.status, answer.json["scope"]) == (200, "contacts:view")
        same = desk.post("/oauth/token?scope=contacts:view", {**form, "scope": "contacts:view"})
        assert same.json["scope"] == "contacts:view"

    def test_without_tls(self, desk: Desk) -> None:
        form = {"grant_type": "client_credentials", **desk.credentials}
        answer = desk.app.test_client().post("/oauth/token", data=form, headers={"Host": "scim.example"})
        refusal(Answer(answer.status_code, dict(answer.headers), answer.text), 400, "invalid_request")
        answer = desk.app.test_client().post("/oauth/token", data=form, headers={"Host": "a b"})
        refusal(Answer(answer.status_code, dict(answer.headers), answer.text), 400, "invalid_request")


class TestJwt:
    def test_header_and_claims(self, desk: Desk) -> None:
        token = jwt.decode(desk.token().json["access_token"], keys_of(desk), ["ES256"])
        assert token.header["typ"] == "at+jwt"
        assert token.header["kid"] in [each.kid for each in keys_of(desk)]
        claims = token.claims
        assert (claims["iss"], claims["aud"]) == (LOCAL, f"{LOCAL}/scim/v2")
        assert claims["sub"] == claims["client_id"] == desk.client.id
        assert claims["exp"] - claims["iat"] == 3600
        assert abs(claims["iat"] - desk.world.directory.now().timestamp()) < 60
        assert claims["scope"] == "scim"
        other = jwt.decode(desk.token().json["access_token"], keys_of(desk), ["ES256"])
        assert other.claims["jti"] != claims["jti"]

    def test_published_keys_are_public(self, desk: Desk) -> None:
        desk.token()
        document = desk.app.test_client().get("/oauth/jwks.json").get_json()
        for each in document["keys"]:
            assert set(each) == {"kty", "crv", "x", "y", "kid", "use", "alg"}

    def test_a_signature_alone_opens_nothing(self, desk: Desk) -> None:
        """A token counts by its row: one that is signed with our key but was never issued is refused."""
        desk.token()
        with reading(desk.world.directory.engine) as db:
            stored = grants.newest_signing_key(db)
        assert stored is not None
        private = ECKey.import_key(json.loads(stored.private_key))
        claims = {"iss": LOCAL, "aud": f"{LOCAL}/scim/v2", "exp": int(time.time()) + 60, "client_id": desk.client.id}
        assert desk.reads(jwt.encode({"alg": "ES256", "typ": "at+jwt"}, claims, private)) == 401

    def test_rotation_of_keys(self, world: World) -> None:
        directory = world.directory
        made: list[str] = []

        def new() -> tuple[str, str]:
            made.append(secrets.token_hex())
            return made[-1], json.dumps(key().as_dict(private=True))

        first = authorization.signing_key(directory, new)
        assert authorization.signing_key(directory, new) == first
        at = first.created + authorization.KEY_LIFETIME
        aged = replace(directory, now=lambda: at)
        second = authorization.signing_key(aged, new)
        try:
            assert second.id != first.id
            assert authorization.signing_key(directory, new) == second
            assert [each.id for each in authorization.published_keys(aged)][:2] == [second.id, first.id]
            hours = replace(directory, now=lambda: at + timedelta(hours=6, minutes=59))
            assert first.id in [each.id for each in authorization.published_keys(hours)]
            day = replace(directory, now=lambda: at + timedelta(days=1))
            assert [each.id for each in authorization.published_keys(day)] == [second.id]
        finally:  # for other tests a new one is made
            writing(directory.engine, lambda db: grants.drop_signing_keys(db, at + timedelta(days=1)))

    def test_opaque(self, desk: Desk) -> None:
        url = desk.world.directory.engine.url.render_as_string(hide_password=False)
        settings = Settings(database_url=url, access_tokens="opaque", token_minutes=90, base_url="https://x.example")
        app = create_app(settings)
        try:
            token = replace(desk, app=app).token().json
            assert token["access_token"].startswith("scim_")
            assert token["expires_in"] == 5400
            assert desk.reads(token["access_token"]) == 200
        finally:
            close(app)


class TestRevocation:
    def test_an_access_token(self, desk: Desk) -> None:
        token, other = desk.token().json["access_token"], desk.token().json["access_token"]
        answer = desk.post("/oauth/revoke", {"token": token, **desk.credentials})
        assert (answer.status, answer.json) == (200, {})
        assert [desk.reads(each) for each in (token, other)] == [401, 200]
        assert desk.post("/oauth/revoke", {"token": token, **desk.credentials}).status == 200
        assert acts(desk.world).count("token.revoked") == 1

    @pytest.mark.parametrize("hint", ["refresh_token", "access_token", "something"])
    def test_a_refresh_token_takes_its_family_along(self, coded: Desk, hint: str) -> None:
        tokens = coded.tokens()
        form = {"token": tokens["refresh_token"], "token_type_hint": hint, **coded.credentials}
        assert coded.post("/oauth/revoke", form).status == 200
        assert coded.reads(tokens["access_token"]) == 401
        refusal(coded.token("refresh_token", refresh_token=tokens["refresh_token"]), 400, "invalid_grant")

    def test_of_another_client_or_of_none(self, desk: Desk) -> None:
        other, token = new_desk(desk.world), desk.token().json["access_token"]
        bare = desk.world.client().token
        answers = [other.post("/oauth/revoke", {"token": each, **other.credentials}) for each in (token, bare, "x")]
        assert [(each.status, each.text) for each in answers] == [(200, "{}")] * 3
        assert [desk.reads(each) for each in (token, bare)] == [200, 200]

    def test_without_a_token(self, desk: Desk) -> None:
        for path in ("/oauth/revoke", "/oauth/introspect"):
            refusal(desk.post(path, desk.credentials), 400, "invalid_request")


class TestIntrospection:
    def ask(self, desk: Desk, token: str) -> Any:
        answer = desk.post("/oauth/introspect", {"token": token, **desk.credentials})
        assert answer.status == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json

    def test_an_access_token(self, desk: Desk) -> None:
        token = desk.token(scope="contacts:view").json["access_token"]
        told = self.ask(desk, token)
        expected = {
            "active": True,
            "scope": "contacts:view",
            "client_id": desk.client.id,
            "sub": desk.client.id,
            "iss": LOCAL,
            "aud": f"{LOCAL}/scim/v2",
            "token_type": "Bearer",
        }
        assert {name: told[name] for name in expected} == expected
        assert told["exp"] - told["iat"] == 3600

    def test_a_refresh_token(self, coded: Desk) -> None:
        tokens = coded.tokens()
        assert self.ask(coded, tokens["refresh_token"])["active"] is True
        assert "token_type" not in self.ask(coded, tokens["refresh_token"])
        coded.token("refresh_token", refresh_token=tokens["refresh_token"])
        assert self.ask(coded, tokens["refresh_token"]) == {"active": False}

    def test_what_it_says_nothing_of(self, desk: Desk) -> None:
        other, token = new_desk(desk.world), desk.token().json["access_token"]
        assert self.ask(other, token) == {"active": False}
        assert self.ask(desk, "unknown") == {"active": False}
        assert self.ask(desk, desk.world.client().token) == {"active": False}
        desk.post("/oauth/revoke", {"token": token, **desk.credentials})
        assert self.ask(desk, token) == {"active": False}


class TestAuthlibsClient:
    """Against a running server with two workers, by Authlib's own client."""

    def use(self, client: OAuth2Session, site: Site, token: Any) -> None:
        assert token["expires_in"] == 3600
        assert client.get(f"{site.served.url}/scim/v2/Users").status_code == 200

    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_client_credentials(self, site: Site, method: str) -> None:
        desk = new_desk(site.world())
        with OAuth2Session(desk.client.id, desk.secret, token_endpoint_auth_method=method, scope="scim") as client:
            self.use(client, site, client.fetch_token(f"{site.served.url}/oauth/token"))

    @pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256"])
    def test_private_key_jwt(self, site: Site, alg: str) -> None:
        private = key() if alg == "ES256" else RSAKey.generate_key(2048)
        desk = new_desk(site.world(), key_set={"keys": [private.as_dict(private=False)]}, with_secret=False)
        url = f"{site.served.url}/oauth/token"
        with OAuth2Session(desk.client.id, private, token_endpoint_auth_method="private_key_jwt") as client:
            client.register_client_auth_method(PrivateKeyJWT(url, alg=alg))
            self.use(client, site, client.fetch_token(url, grant_type="client_credentials"))

    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_code_and_refresh(self, site: Site, method: str) -> None:
        desk, url = new_desk(site.world(), redirect_uris=(REDIRECT,)), f"{site.served.url}/oauth/token"
        with OAuth2Session(
            desk.client.id,
            desk.secret,
            token_endpoint_auth_method=method,
            redirect_uri=REDIRECT,
            code_challenge_method="S256",
        ) as client:
            asked, state = client.create_authorization_url(f"{LOCAL}/oauth/authorize", code_verifier=VERIFIER)
            location = desk.consent(VERIFIER, {**parameters(asked)})
            token = client.fetch_token(url, authorization_response=location, state=state, code_verifier=VERIFIER)
            self.use(client, site, token)
            refreshed = client.refresh_token(url)
            assert refreshed["refresh_token"] != token["refresh_token"]
            self.use(client, site, refreshed)
            assert client.introspect_token(
                f"{site.served.url}/oauth/introspect", token=refreshed["access_token"]
            ).json()["active"]
            client.revoke_token(f"{site.served.url}/oauth/revoke", token=refreshed["refresh_token"])
            assert client.get(f"{site.served.url}/scim/v2/Users").status_code == 401

    def test_revoked_for_every_worker(self, site: Site) -> None:
        desk = new_desk(site.world())
        with OAuth2Session(desk.client.id, desk.secret) as client:
            client.fetch_token(f"{site.served.url}/oauth/token")
            url = f"{site.served.url}/scim/v2/Users"
            # each on a connection of its own, so that both workers are asked
            closing = {"Connection": "close"}
            assert {client.get(url, headers=closing).status_code for _ in range(20)} == {200}
            client.revoke_token(f"{site.served.url}/oauth/revoke", token=client.token["access_token"])
            assert {client.get(url, headers=closing).status_code for _ in range(20)} == {401}
            clients.rotate(desk.world.directory, desk.world.name, desk.client.id, revoke_others=True)
            with pytest.raises(OAuthError, match="invalid_client"):
                client.fetch_token(f"{site.served.url}/oauth/token")
