"""What the logs say of credentials that were refused, and how the answer says that Basic is taken."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from scim_server.directory import access, clients, requests
from scim_server.directory.requests import Row, Wanted
from scim_server.domain.actor import system
from scim_server.storage.access_tables import client_secrets, tokens
from scim_server.storage.db import writing
from tests.http.oauth_desk import Desk, new_desk
from tests.support import MEDIA_TYPE, Answer, Client, World, statements


@pytest.fixture
def desk(world: World) -> Desk:
    return new_desk(world)


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def rows(world: World) -> list[tuple[Row, str]]:
    """The workspace's requests, oldest first, each with its connection's name."""
    world.app.extensions["guard"].log.flush()
    return list(reversed(requests.newest(world.directory, system(world.workspace_id), Wanted())))


def told(capsys: pytest.CaptureFixture[str], what: str = "bearer_token_refused") -> list[dict[str, Any]]:
    """The log's lines of that kind."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if what in line]


def users(world: World, authorization: str) -> Answer:
    answer = Client(world.app, "").get("/Users", Authorization=authorization)
    assert answer.headers["X-Request-Id"]
    return answer


def expired(world: World, table: Any) -> None:
    past = world.directory.now() - timedelta(days=1)
    of_workspace = update(table).where(table.c.workspace_id == world.workspace_id).values(expires=past)
    writing(world.directory.engine, lambda db: db.execute(of_workspace))


@pytest.mark.parametrize("how", ["revoked", "expired"])
@pytest.mark.parametrize("path", ["/scim/v2/Users", "/scim/v2/Users/1", "/api/items"])
def test_a_dead_token_leaves_a_row(desk: Desk, how: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = desk.token().json["access_token"]
    if how == "revoked":
        desk.post("/oauth/revoke", {"token": text, **desk.credentials})
    else:
        expired(desk.world, tokens)
    answer = desk.app.test_client().get(path, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401
    assert how not in answer.text
    row, connection = rows(desk.world)[-1]
    assert (row.status, connection, row.id) == (401, desk.connection, answer.headers["X-Request-Id"])
    assert row.error == {"revoked": "The token was revoked.", "expired": "The token has expired."}[how]
    (line,) = told(capsys)
    assert (line["reason"], line["connection"], line["request_id"]) == (row.error, desk.connection, row.id)


def test_dead_secrets_and_what_a_connection_does_not_take(desk: Desk) -> None:
    directory, name = desk.world.directory, desk.world.name
    _, bare = access.create_token(directory, name, desk.connection, directory.random_bytes)
    users(desk.world, bare)
    users(desk.world, basic(desk.client.id, desk.secret))
    access.set_connection(directory, name, desk.connection, {"basic_auth": True})
    expired(desk.world, client_secrets)
    users(desk.world, basic(desk.client.id, desk.secret))
    clients.revoke_client(directory, name, desk.client.id)
    users(desk.world, basic(desk.client.id, desk.secret))
    assert [row.error for row, _ in rows(desk.world)] == [
        "The token came without the word Bearer, which the connection doesn't take.",
        "The connection takes no client's id and secret in place of a token.",
        "The secret has expired.",
        "The secret was revoked.",
    ]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("Bearer scim_none", "The token is unknown."),
        ("scim_none", "The token is unknown."),
        ("Digest x", "The token is unknown."),
        ("Basic !!!", "There is no such client, or the secret isn't its own."),
        (basic("client_none", "x"), "There is no such client, or the secret isn't its own."),
        (basic("client\x00", "x"), "There is no such client, or the secret isn't its own."),
    ],
)
def test_unknown_credentials_are_told(world: World, sent: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = users(world, sent)
    (line,) = told(capsys)
    assert (line["reason"], line["request_id"]) == (reason, answer.headers["X-Request-Id"])
    assert "scim_none" not in str(line)
    assert rows(world) == []


def test_no_credentials_try_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.app.test_client().get("/scim/v2/Users").status_code == 401
    assert told(capsys) == []


def test_a_bulk_request_whose_token_dies_has_its_own_row(world: World) -> None:
    client = world.client(preset="generic")
    operations = [{"method": "DELETE", "path": "/Users/1"}]
    client.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
    ((row, _),) = rows(world)
    assert (row.status, row.error) == (200, None)


def test_a_good_token_is_looked_up_once(world: World) -> None:
    client = world.client()
    client.get("/Users/1")
    with statements(world.directory.engine) as said:
        client.get("/Users/1")
    assert said == []


def test_basic_is_named_where_it_is_taken(desk: Desk) -> None:
    wrong = basic(desk.client.id, "secret_wrong")
    refused = users(desk.world, wrong)
    assert "Basic" not in refused.headers["WWW-Authenticate"]
    assert refused.json["detail"] == "A valid bearer token is required."
    access.set_connection(desk.world.directory, desk.world.name, desk.connection, {"basic_auth": True})
    refused = users(desk.world, wrong)
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
    assert refused.headers["WWW-Authenticate"].endswith(', Basic realm="scim", charset="UTF-8"')
    assert refused.json["detail"] == "A valid token, or the client's id and secret, is required."
    assert "Basic" not in users(desk.world, basic("client_none", "x")).headers["WWW-Authenticate"]


def test_the_configuration_lists_basic_where_it_is_taken(desk: Desk) -> None:
    def schemes() -> list[tuple[str, bool]]:
        headers = {"Authorization": f"Bearer {desk.token().json['access_token']}", "Accept": MEDIA_TYPE}
        config = desk.app.test_client().get("/scim/v2/ServiceProviderConfig", headers=headers).get_json(force=True)
        return [(each["type"], each.get("primary", False)) for each in config["authenticationSchemes"]]

    assert schemes() == [("oauthbearertoken", True)]
    access.set_connection(desk.world.directory, desk.world.name, desk.connection, {"basic_auth": True})
    assert schemes() == [("oauthbearertoken", True), ("httpbasic", False)]
