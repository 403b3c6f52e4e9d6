"""OAuth where somebody asks for more than is theirs: around consent, beyond the limit, by another's URL or audience."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from scim_server.app import close, create_app
from scim_server.directory import access, clients, requests
from scim_server.directory.access import Taken
from scim_server.directory.requests import Wanted
from scim_server.domain.actor import system
from scim_server.settings import Settings
from scim_server.storage.access_tables import tokens
from scim_server.storage.clients import Trust
from scim_server.storage.db import reading, writing
from tests.http.oauth_desk import LOCAL, REDIRECT, Desk, new_desk, refusal
from tests.issuer import Issuer
from tests.support import Answer, World, new_world

ENDPOINTS = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def keyed(world: World, issuer: Issuer) -> Desk:
    return new_desk(world, key_set=issuer.key_set, with_secret=False)


@pytest.fixture
def limited(app: Flask) -> Iterator[Flask]:
    """An application in which a connection has 100 requests in 100 seconds."""
    url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
    other = create_app(Settings(database_url=url, rate_limit="1/100"))
    yield other
    close(other)


# Consent


def test_a_client_that_needs_consent_has_no_way_around_it_by_basic(world: World) -> None:
    for uris, status in (((), 200), ((REDIRECT,), 401)):
        desk = new_desk(world, redirect_uris=uris)
        access.set_connection(world.directory, world.name, desk.connection, {"basic_auth": True})
        text = base64.b64encode(f"{desk.client.id}:{desk.secret}".encode()).decode()
        answer = world.app.test_client().get("/scim/v2/Users", headers={"Authorization": f"Basic {text}"})
        assert answer.status_code == status


# A client's own assertion


def assert_by(desk: Desk, issuer: Issuer, site: str = LOCAL, **changes: Any) -> Answer:
    """What a client's own assertion gets, for the token endpoint of `site` and sent there."""
    claims = {"iss": desk.client.id, "sub": desk.client.id, "aud": f"{site}/oauth/token", **changes}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": issuer.token("ES256", **claims),
    }
    answer = desk.app.test_client().post("/oauth/token", data=form, base_url=site)
    return Answer(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))


@pytest.mark.parametrize("jti", [None, ""])
def test_a_clients_own_assertion_without_a_jti_gets_none(keyed: Desk, issuer: Issuer, jti: str | None) -> None:
    refusal(assert_by(keyed, issuer, jti=jti), 401, "invalid_client")
    assert assert_by(keyed, issuer).status == 200


@pytest.mark.parametrize("site", ["https://localhost:8443", "https://127.0.0.1", "https://[::1]:8000"])
def test_without_a_base_url_an_assertion_is_for_the_machine_itself(keyed: Desk, issuer: Issuer, site: str) -> None:
    assert assert_by(keyed, issuer, site).status == 200


@pytest.mark.parametrize("site", ["https://other.example", "https://localhost.evil.example", "https://192.0.2.1"])
def test_without_a_base_url_the_host_chooses_no_audience(
    keyed: Desk, issuer: Issuer, site: str, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal(assert_by(keyed, issuer, site), 401, "invalid_client")
    assert "SCIM_SERVER_BASE_URL" in capfd.readouterr().err


def test_with_a_base_url_that_is_the_audience_whatever_the_host(keyed: Desk, issuer: Issuer) -> None:
    url = keyed.world.directory.engine.url.render_as_string(hide_password=False)
    app = create_app(Settings(database_url=url, base_url="https://scim.example"))
    desk = replace(keyed, app=app)
    refusal(assert_by(desk, issuer, "https://other.example"), 401, "invalid_client")
    assert assert_by(desk, issuer, "https://other.example", aud="https://scim.example").status == 200
    close(app)


@pytest.mark.parametrize("about", ["authorization-server", "protected-resource"])
def test_metadata_is_kept_only_where_no_host_can_change_it(app: Flask, about: str) -> None:
    path = f"/.well-known/oauth-{about}"
    assert app.test_client().get(path).headers["Cache-Control"] == "no-store"
    url = app.extensions["directory"].engine.url.render_as_string(hide_password=False)
    other = create_app(Settings(database_url=url, base_url="https://scim.example"))
    assert "max-age" in other.test_client().get(path).headers["Cache-Control"]
    close(other)


# Limits, and the request log


@pytest.mark.parametrize("path", ENDPOINTS)
def test_requests_of_a_client_count_as_its_connections(limited: Flask, world: World, path: str) -> None:
    desk, other = new_desk(world, limited), new_desk(world, limited)
    form = {"grant_type": "client_credentials", "token": "x", **desk.credentials}
    wrong = {**form, "client_secret": "secret_wrong"}
    assert desk.post(path, wrong).status == 401, "which counts as nobody's"
    for _ in range(100):
        assert desk.post("/oauth/introspect", form).status == 200
    answer = desk.post(path, form)
    refusal(answer, 429, "temporarily_unavailable")
    assert 1 <= int(answer.headers["Retry-After"]) <= 100
    assert other.post(path, {**form, **other.credentials}).status == 200
    assert desk.post(path, wrong).status == 401


def test_requests_of_a_client_are_in_the_request_log(world: World) -> None:
    desk = new_desk(world)
    issued = desk.token()
    token = issued.json["access_token"]
    desk.token(scope="quillmark")
    desk.post("/oauth/token", {"grant_type": "client_credentials", "client_id": desk.client.id, "client_secret": "x"})
    desk.post("/oauth/revoke", {**desk.credentials, "token": token, "token_type_hint": "access_token"})
    desk.post("/oauth/introspect", {**desk.credentials, "token": token})
    world.app.extensions["guard"].log.flush()
    found = requests.newest(world.directory, system(world.workspace_id), Wanted())
    rows = [(row.method, row.path, row.status, row.error) for row, _ in reversed(found)]
    assert rows == [
        ("POST", "/oauth/token", 200, None),
        ("POST", "/oauth/token", 400, "invalid_scope"),
        ("POST", "/oauth/revoke", 200, None),
        ("POST", "/oauth/introspect", 200, None),
    ]
    assert found[-1][0].id == issued.headers["X-Request-Id"]
    text = str(found)
    assert not any(secret in text for secret in ("quillmark", token, desk.secret))


def test_tokens_that_expired_over_an_hour_ago_are_forgotten_with_the_next(world: World) -> None:
    desk = new_desk(world)
    of_client = tokens.c.client_id == desk.client.id
    now = world.directory.now()
    for minutes in (61, 59):
        desk.token()
        unexpired = update(tokens).where(of_client, tokens.c.expires > now)
        expired = unexpired.values(expires=now - timedelta(minutes=minutes))
        writing(world.directory.engine, lambda db, change=expired: db.execute(change))  # type: ignore[misc]
    desk.token()
    with reading(world.directory.engine) as db:
        assert db.scalar(select(func.count()).select_from(tokens).where(of_client)) == 2


# Bearer tokens of a trusted issuer


def trust(world: World, issuer: Issuer, audience: str, of: World | None = None) -> Trust:
    """In this workspace, of the issuer that has the name of `of`."""
    name = f"https://issuer.example/{(of or world).name}"
    desk, keys = new_desk(world), issuer.key_set
    return clients.create_trust(
        world.directory, world.name, desk.connection, issuer=name, audience=audience, key_set=keys
    )


@pytest.mark.parametrize("audience", ["api://one", "api://one/.default", ["api://two", "api://one"]])
def test_a_bearer_trust_whose_audience_is_a_scope(world: World, issuer: Issuer, audience: str | list[str]) -> None:
    trust(world, issuer, "api://one/.default")

    def ask(aud: str | list[str]) -> int:
        text = issuer.token(iss=f"https://issuer.example/{world.name}", aud=aud)
        headers = {"Authorization": f"Bearer {text}"}
        return world.app.test_client().get("/scim/v2/Users", headers=headers).status_code

    assert (ask(audience), ask("api://two"), ask("api://one/.default/.default")) == (200, 401, 401)


@pytest.mark.parametrize(("first", "second"), [("", "/.default"), ("/.default", ""), ("/.default", "/.default")])
def test_two_bearer_trusts_of_the_same_tokens(world: World, issuer: Issuer, first: str, second: str) -> None:
    trust(world, issuer, f"api://one{first}")
    with pytest.raises(Taken):
        trust(new_world(world.app), issuer, f"api://one{second}", of=world)
    assert trust(world, issuer, "api://two/.default")
