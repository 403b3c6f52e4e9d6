"""Who may edit contacts may not become an admin by way of how an admin signs in."""

from __future__ import annotations

import secrets

import pytest

from scim_server.directory import access
from tests.support import Client, World


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("password", "taken over by ann"),
        ("emails", [{"value": "ann@x.test"}]),
        ("userName", "ann2@x.test"),
    ],
)
def test_a_team_member_changes_no_owners_sign_in(world: World, client: Client, path: str, value: object) -> None:
    client.user("ann@x.test")
    connection = f"people-{secrets.token_hex(3)}"
    access.create_connection(world.directory, world.name, connection)
    _, text = access.create_token(world.directory, world.name, connection, secrets.token_bytes, user_name="ann@x.test")
    team = Client(world.app, text)
    answer = team.patch(f"/Users/{world.owner_id}", {"op": "replace", "path": path, "value": value})
    assert answer.status == 403, answer.text
    assert team.patch(f"/Users/{world.owner_id}", {"op": "replace", "path": "title", "value": "Boss"}).status == 200
