"""Codes and refresh tokens: consent, PKCE, rotation, and the end of a family when something comes twice."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from authlib.oauth2 import OAuth2Error
from flask import request

from scim_server.directory import authorization, clients
from scim_server.directory.access import NotAllowed
from scim_server.domain.errors import MissingPermission
from scim_server.domain.roles import Permission
from scim_server.http.authorization import checked_grant, consented
from scim_server.storage import grants
from scim_server.storage.db import reading, writing
from tests.http.oauth_desk import (
    LOCAL,
    REDIRECT,
    VERIFIER,
    Desk,
    acts,
    authorization_query,
    error_location,
    new_desk,
    parameters,
    refusal,
)
from tests.support import World


@pytest.fixture
def desk(world: World) -> Desk:
    """A client for client_credentials."""
    return new_desk(world)


@pytest.fixture
def coded(world: World) -> Desk:
    """A client for authorization codes."""
    return new_desk(world, redirect_uris=(REDIRECT,))


class TestCode:
    def test_tokens_of_the_connection(self, coded: Desk) -> None:
        location = coded.consent(VERIFIER)
        assert location.startswith(f"{REDIRECT}?")
        given = parameters(location)
        assert (given["state"], given["iss"]) == ("xyz", LOCAL)
        answer = coded.token("authorization_code", code=given["code"], redirect_uri=REDIRECT, code_verifier=VERIFIER)
        assert answer.status == 200, answer.text
        assert coded.reads(answer.json["access_token"]) == 200
        with reading(coded.world.directory.engine) as db:
            token = grants.token_by_text(db, answer.json["access_token"])
        assert token is not None
        assert token.connection_id == coded.client.connection_id
        assert "client.consented" in acts(coded.world)

    def test_denied(self, coded: Desk) -> None:
        server = coded.app.extensions["authorization"]
        query = authorization_query(coded.client, VERIFIER)
        with coded.app.test_request_context("/oauth/authorize", query_string=query):
            answer = consented(server, None, checked_grant(server, request))
        given = parameters(str(answer.location))
        assert (given["error"], given["state"], given["iss"]) == ("access_denied", "xyz", LOCAL)

    def test_who_may_consent(self, coded: Desk) -> None:
        lesser = frozenset({Permission.CONTACTS_VIEW})
        for actor in (coded.admin(permissions=lesser), coded.admin(workspace_id="another")):
            with pytest.raises(MissingPermission):
                coded.consent(VERIFIER, actor=actor)

    # what is wrong with the request → the error, and whether it goes back to the client
    ASKED: tuple[tuple[dict[str, str | None], str, bool], ...] = (
        ({"code_challenge": None}, "invalid_request", True),
        ({"code_challenge_method": None}, "invalid_request", True),
        ({"code_challenge_method": "plain"}, "invalid_request", True),
        ({"code_challenge": "short"}, "invalid_request", True),
        ({"scope": "workspace:manage"}, "invalid_scope", True),
        ({"scope": "other"}, "invalid_scope", True),
        ({"response_type": "token"}, "unsupported_response_type", True),
        ({"client_id": "client_none"}, "invalid_client", False),
        ({"client_id": None}, "invalid_client", False),
        ({"redirect_uri": f"{REDIRECT}/"}, "invalid_request", False),
        ({"redirect_uri": f"{REDIRECT}?a=b"}, "invalid_request", False),
        ({"redirect_uri": "https://idp.example/CALLBACK"}, "invalid_request", False),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request", False),
        ({"redirect_uri": 'https://evil.example/ä"'}, "invalid_request", False),
        ({"redirect_uri": "https://evil.example/", "response_type": "token"}, "unsupported_response_type", False),
        ({"response_type": 'a"b'}, "invalid_request", False),
    )

    @pytest.mark.parametrize(("wrong", "error", "back"), ASKED, ids=str)
    def test_requests_for_consent(self, coded: Desk, wrong: dict[str, str | None], error: str, back: bool) -> None:
        with pytest.raises(OAuth2Error) as raised:
            coded.consent(VERIFIER, wrong)
        assert raised.value.error == error
        assert (raised.value.redirect_uri == REDIRECT) is back
        assert raised.value.redirect_uri in (None, REDIRECT)
        if back:
            given = parameters(error_location(coded, raised.value))
            assert (given["error"], given["state"], given["iss"]) == (error, "xyz", LOCAL)

    def test_a_client_without_redirect_uris(self, desk: Desk) -> None:
        with pytest.raises(OAuth2Error) as raised:
            desk.consent(VERIFIER)
        assert raised.value.redirect_uri is None
        refusal(desk.token("authorization_code", code="x"), 400, "unauthorized_client")

    def test_a_redirect_uri_that_needs_no_naming(self, coded: Desk) -> None:
        code = coded.code(VERIFIER, redirect_uri=None)
        assert coded.token("authorization_code", code=code, code_verifier=VERIFIER).status == 200

    @pytest.mark.parametrize(
        ("wrong", "error"),
        [
            ({"code_verifier": ""}, "invalid_request"),
            ({"code_verifier": "w" * 64}, "invalid_grant"),
            ({"redirect_uri": ""}, "invalid_grant"),
            ({"redirect_uri": f"{REDIRECT}/"}, "invalid_grant"),
            ({"code": "x"}, "invalid_grant"),
            ({"code": ""}, "invalid_request"),
        ],
    )
    def test_codes_that_are_not_taken(self, coded: Desk, wrong: dict[str, str], error: str) -> None:
        right = {"code": coded.code(VERIFIER), "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        refusal(coded.token("authorization_code", **{**right, **wrong}), 400, error)
        assert coded.token("authorization_code", **right).status == 200

    def test_a_code_of_another_client(self, coded: Desk) -> None:
        other = new_desk(coded.world, redirect_uris=(REDIRECT,))
        form = {"code": coded.code(VERIFIER), "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        refusal(other.token("authorization_code", **form), 400, "invalid_grant")
        assert coded.token("authorization_code", **form).status == 200

    def test_an_old_code(self, coded: Desk) -> None:
        code, directory = coded.code(VERIFIER), coded.world.directory
        assert authorization.code_presented(directory, coded.client, code, "") is not None
        later = directory.now() + authorization.CODE_LIFETIME
        aged = replace(directory, now=lambda: later)
        assert authorization.code_presented(aged, coded.client, code, "") is None

    def test_a_second_use_ends_all_that_came_of_it(self, coded: Desk) -> None:
        form = {"code": coded.code(VERIFIER), "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        first = coded.token("authorization_code", **form).json
        assert coded.reads(first["access_token"]) == 200
        refusal(coded.token("authorization_code", **form), 400, "invalid_grant")
        assert coded.reads(first["access_token"]) == 401
        refusal(coded.token("refresh_token", refresh_token=first["refresh_token"]), 400, "invalid_grant")
        assert acts(coded.world).count("client.reuse_detected") == 1


class TestWithoutPkce:
    @pytest.fixture
    def plain(self, world: World) -> Desk:
        return new_desk(world, redirect_uris=(REDIRECT,), pkce=False)

    NONE: Mapping[str, None] = {"code_challenge": None, "code_challenge_method": None}

    def test_a_code_needs_no_challenge(self, plain: Desk) -> None:
        answer = plain.token("authorization_code", code=plain.code(VERIFIER, **self.NONE), redirect_uri=REDIRECT)
        assert plain.reads(answer.json["access_token"]) == 200

    def test_a_verifier_without_a_challenge_is_refused(self, plain: Desk) -> None:
        form = {"code": plain.code(VERIFIER, **self.NONE), "redirect_uri": REDIRECT}
        refusal(plain.token("authorization_code", **form, code_verifier=VERIFIER), 400, "invalid_request")

    def test_a_challenge_that_was_sent_is_checked(self, plain: Desk) -> None:
        form = {"code": plain.code(VERIFIER), "redirect_uri": REDIRECT}
        refusal(plain.token("authorization_code", **form), 400, "invalid_request")
        refusal(plain.token("authorization_code", **form, code_verifier="w" * 64), 400, "invalid_grant")
        assert plain.token("authorization_code", **form, code_verifier=VERIFIER).status == 200

    @pytest.mark.parametrize("wrong", [{"code_challenge_method": "plain"}, {"code_challenge": None}], ids=str)
    def test_half_a_challenge_is_refused(self, plain: Desk, wrong: dict[str, str | None]) -> None:
        with pytest.raises(OAuth2Error) as raised:
            plain.consent(VERIFIER, wrong)
        assert raised.value.error == "invalid_request"

    def test_the_client_still_proves_who_it_is(self, plain: Desk) -> None:
        form = {"code": plain.code(VERIFIER, **self.NONE), "redirect_uri": REDIRECT}
        refusal(replace(plain, secret="secret_none").token("authorization_code", **form), 401, "invalid_client")

    def test_of_no_use_to_a_client_without_codes(self, world: World) -> None:
        with pytest.raises(NotAllowed, match="redirect URIs"):
            new_desk(world, pkce=False)


class TestRefresh:
    def test_rotation(self, coded: Desk) -> None:
        first = coded.tokens()
        second = coded.token("refresh_token", refresh_token=first["refresh_token"])
        assert second.status == 200, second.text
        assert second.json["refresh_token"] != first["refresh_token"]
        assert (second.json["expires_in"], second.json["scope"]) == (3600, "scim")
        assert coded.reads(second.json["access_token"]) == 200
        assert coded.reads(first["access_token"]) == 200

    def test_re_use_ends_the_family_and_no_other(self, coded: Desk) -> None:
        first, other = coded.tokens(), coded.tokens()
        second = coded.token("refresh_token", refresh_token=first["refresh_token"]).json
        refusal(coded.token("refresh_token", refresh_token=first["refresh_token"]), 400, "invalid_grant")
        refusal(coded.token("refresh_token", refresh_token=second["refresh_token"]), 400, "invalid_grant")
        assert [coded.reads(each["access_token"]) for each in (first, second, other)] == [401, 401, 200]
        assert coded.token("refresh_token", refresh_token=other["refresh_token"]).status == 200
        assert acts(coded.world).count("client.reuse_detected") == 1

    def test_of_another_client(self, coded: Desk) -> None:
        other, first = new_desk(coded.world, redirect_uris=(REDIRECT,)), coded.tokens()
        refusal(other.token("refresh_token", refresh_token=first["refresh_token"]), 400, "invalid_grant")
        assert coded.token("refresh_token", refresh_token=first["refresh_token"]).status == 200
        refusal(other.token("refresh_token", refresh_token=first["refresh_token"]), 400, "invalid_grant")
        assert coded.reads(first["access_token"]) == 200

    def test_a_narrower_token_narrows_the_next_one_not(self, world: World) -> None:
        desk = new_desk(world, redirect_uris=(REDIRECT,), scopes="contacts:view groups:view")
        first = desk.tokens()
        narrow = desk.token("refresh_token", refresh_token=first["refresh_token"], scope="groups:view").json
        assert narrow["scope"] == "groups:view"
        assert desk.reads(narrow["access_token"]) == 403
        wide = desk.token("refresh_token", refresh_token=narrow["refresh_token"]).json
        assert wide["scope"] == "contacts:view groups:view"
        beyond = desk.token("refresh_token", refresh_token=wide["refresh_token"], scope="scim")
        refusal(beyond, 400, "invalid_scope")

    def test_two_at_once_have_one_winner(self, coded: Desk) -> None:
        """Both were found live; who saves second ends the family."""
        directory, text = coded.world.directory, coded.tokens()["refresh_token"]
        presented = [authorization.refresh_token_presented(directory, coded.client, text, "") for _ in range(2)]
        new = [
            authorization.NewTokens(
                access_text=secrets.token_hex(),
                scopes="scim",
                lifetime=timedelta(hours=1),
                refresh_text=secrets.token_hex(),
                presented=each,
            )
            for each in presented
        ]
        assert [authorization.issue(directory, coded.client, each, "") for each in new] == [True, False]
        assert [coded.reads(each.access_text) for each in new] == [401, 401]

    def test_missing_and_old(self, coded: Desk) -> None:
        refusal(coded.token("refresh_token"), 400, "invalid_request")
        refusal(coded.token("refresh_token", refresh_token="refresh_none"), 400, "invalid_grant")
        directory, text = coded.world.directory, coded.tokens()["refresh_token"]
        later = directory.now() + authorization.REFRESH_LIFETIME
        aged = replace(directory, now=lambda: later)
        assert authorization.refresh_token_presented(aged, coded.client, text, "") is None


class TestIssue:
    def test_not_for_a_client_or_secret_that_ended_meanwhile(self, desk: Desk) -> None:
        directory = desk.world.directory
        new = authorization.NewTokens(
            access_text=secrets.token_hex(), scopes="scim", lifetime=timedelta(hours=1), secret=desk.secret
        )
        clients.rotate(directory, desk.world.name, desk.client.id, revoke_others=True)
        assert not authorization.issue(directory, desk.client, new, "")
        clients.revoke_client(directory, desk.world.name, desk.client.id)
        assert not authorization.issue(directory, desk.client, replace(new, secret=None), "")
        assert desk.reads(new.access_text) == 401

    def test_what_is_long_past_is_deleted(self, desk: Desk) -> None:
        text, directory = desk.token().json["access_token"], desk.world.directory
        later = directory.now() + timedelta(days=2)
        new = authorization.NewTokens(access_text=secrets.token_hex(), scopes="scim", lifetime=timedelta(hours=1))
        assert authorization.issue(replace(directory, now=lambda: later), desk.client, new, "")
        with reading(directory.engine) as db:
            assert grants.token_by_text(db, text) is None

    def test_assertions_are_forgotten_once_they_are_past(self, world: World) -> None:
        directory, now = world.directory, world.directory.now()

        def use(jti: str, at: Any, issuer: str = "i") -> bool:
            key = (world.workspace_id, issuer, jti, now + timedelta(hours=1), at)
            return writing(directory.engine, lambda db: grants.use_assertion(db, *key))

        assert [use("a", now), use("a", now), use("b", now), use("a", now, "j")] == [True, False, True, True]
        assert use("a", now + timedelta(hours=2))
