"""What tests of the authorization server share: clients of a workspace, and forms sent to an application."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask, request

from scim_server.directory import access, activity, clients
from scim_server.directory.authorization import Client
from scim_server.domain.actor import Actor, system
from scim_server.domain.roles import ALL_PERMISSIONS, Role
from scim_server.http.authorization import checked_grant, consented, refused
from tests.support import Answer, World

LOCAL = "http://localhost"
REDIRECT = "https://idp.example/callback"
VERIFIER = "v" * 64


@dataclass(frozen=True)
class Desk:
    """A client of a new connection, and an application to ask."""

    app: Flask
    world: World
    connection: str
    client: Client
    secret: str

    def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        answer = self.app.test_client().post(path, data=dict(form), headers=dict(headers or {}))
        return Answer(answer.status_code, dict(answer.headers), answer.get_data(as_text=True))

    def token(self, grant_type: str = "client_credentials", **form: str) -> Answer:
        """Ask for a token with the secret in the body."""
        return self.post("/oauth/token", {"grant_type": grant_type, **self.credentials, **form})

    @property
    def credentials(self) -> dict[str, str]:
        return {"client_id": self.client.id, "client_secret": self.secret}

    def admin(self, **other: Any) -> Actor:
        facts = {"workspace_id": self.world.workspace_id, "id": self.world.owner_id, "permissions": ALL_PERMISSIONS}
        return Actor(**{**facts, "kind": "contact", "door": "console", "role": Role.OWNER, **other})

    def consent(self, verifier: str, query: Mapping[str, str | None] | None = None, actor: Actor | None = None) -> str:
        """Where an administrator's consent leads to; parameters that are None are left out."""
        asked: dict[str, str | None] = {**authorization_query(self.client, verifier), **(query or {})}
        text = urlencode({name: value for name, value in asked.items() if value is not None})
        server = self.app.extensions["authorization"]
        with self.app.test_request_context(f"/oauth/authorize?{text}"):
            grant = checked_grant(server, request)
            return str(consented(server, actor or self.admin(), grant).location)

    def code(self, verifier: str, **query: str | None) -> str:
        return parameters(self.consent(verifier, query))["code"]

    def tokens(self, **form: str) -> Any:
        """The answer to a code."""
        verifier = secrets.token_urlsafe(48)
        answer = self.token(
            "authorization_code", code=self.code(verifier), redirect_uri=REDIRECT, code_verifier=verifier, **form
        )
        assert answer.status == 200, answer.text
        return answer.json

    def reads(self, token: str, app: Flask | None = None) -> int:
        """The status of a read of users with the token."""
        headers = {"Authorization": f"Bearer {token}"}
        return (app or self.app).test_client().get("/scim/v2/Users", headers=headers).status_code


def authorization_query(client: Client, verifier: str) -> dict[str, str]:
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": REDIRECT,
        "state": "xyz",
        "code_challenge": digest,
        "code_challenge_method": "S256",
    }


def error_location(desk: Desk, error: Any) -> str:
    with desk.app.test_request_context("/oauth/authorize"):
        return str(refused(desk.app.extensions["authorization"], error).location)


def parameters(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def new_desk(world: World, app: Flask | None = None, **options: Any) -> Desk:
    """A client of a connection of its own, with a secret."""
    connection = f"oauth-{secrets.token_hex(4)}"
    access.create_connection(world.directory, world.name, connection)
    client, _, secret = clients.create_client(world.directory, world.name, connection, "Acme IdP", **options)
    return Desk(app or world.app, world, connection, client, secret or "")


def refusal(answer: Answer, status: int, error: str) -> None:
    assert (answer.status, answer.json["error"]) == (status, error), answer.text
    assert set(answer.json) <= {"error", "error_description"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def acts(world: World) -> list[str]:
    entries = activity.find(world.directory, system(world.workspace_id), activity.Wanted(), count=1000)
    return [entry.act for entry in entries]
