"""What is so already is no change: no new version, no record (lifecycle.md D14); and what is a change is one."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from scim_server.storage.db import reading
from scim_server.storage.tables import activity, outbox
from tests.http.test_lifecycle import ARCHIVED, acts, pool, recorded, replaced
from tests.support import GROUP_URN, Client, World

USER_REPEATS = {
    "active": [replaced("active", True)],
    "active as a word": [replaced("active", "True")],
    "not archived": [replaced(ARCHIVED, False)],
    "same name": [replaced("displayName", "Ann")],
    "same part of a name": [replaced("name", {"givenName": "Ann"})],
    "same e-mail": [{"op": "add", "path": "emails", "value": [{"value": "ann@x.test", "type": "work"}]}],
    "same e-mail by filter": [replaced('emails[type eq "work"].value', "ann@x.test")],
    "nothing there": [{"op": "remove", "path": "title"}, {"op": "remove", "path": 'emails[type eq "home"]'}],
    "empty": [],
    "unknown": [replaced("shoeSize", 44)],
    "there and back": [replaced("title", "x"), {"op": "remove", "path": "title"}],
    "off and on": [replaced("active", False), replaced("active", True)],
    "without a path": [{"op": "replace", "value": {"active": True, "displayName": "Ann"}}],
}


@pytest.mark.parametrize("case", USER_REPEATS)
def test_a_repeat_changes_nothing_of_a_user(world: World, client: Client, case: str) -> None:
    user = client.user(
        "ann@x.test",
        displayName="Ann",
        name={"givenName": "Ann", "familyName": "A"},
        emails=[{"value": "ann@x.test", "type": "work"}],
    )
    path, before = f"/Users/{user['id']}", (recorded(world), pool(world))
    answer = client.patch(path, *USER_REPEATS[case])
    assert answer.status == 200, answer.text
    assert answer.json == client.get(path).json == user
    assert client.put(path, user).json == user, "nor does writing back what was read"
    assert (recorded(world), pool(world)) == before


def test_a_repeat_changes_nothing_of_an_inactive_user(world: World, client: Client) -> None:
    path = f"/Users/{client.user('ann@x.test')['id']}"
    off = client.patch(path, replaced("active", False), replaced(ARCHIVED, True)).json
    before = recorded(world)
    for operation in (replaced("active", False), replaced(ARCHIVED, True), replaced("active", "false")):
        assert client.patch(path, operation).json == off
    assert client.put(path, off).json == off
    assert recorded(world) == before


def test_a_repeat_changes_nothing_of_a_group(world: World, client: Client) -> None:
    ann, bob = client.user("ann@x.test")["id"], client.user("bob@x.test")["id"]
    group = client.group("G", ann)
    path, before = f"/Groups/{group['id']}", recorded(world)
    for operation in (
        {"op": "add", "path": "members", "value": [{"value": ann}]},
        {"op": "add", "path": "members", "value": [{"value": ann}, {"value": "unknown"}, {"value": ann}]},
        {"op": "remove", "path": f'members[value eq "{bob}"]'},
        {"op": "remove", "path": "members", "value": [{"value": bob}]},
        {"op": "remove", "path": "members", "value": []},
        {"op": "replace", "path": "members", "value": [{"value": ann}]},
        replaced("displayName", "G"),
        {"op": "replace", "value": {"id": group["id"], "displayName": "G"}},
    ):
        assert client.patch(path, operation).status == 204
        assert client.get(path).json == group, operation
    body = {"schemas": [GROUP_URN], "displayName": "G", "members": [{"value": ann, "display": "x"}]}
    assert client.put(path, body).json == group
    assert recorded(world) == before


def test_several_changes_in_one_request_are_one_version(world: World, client: Client) -> None:
    user = client.user("ann@x.test")
    before = recorded(world)
    changes = (replaced("displayName", "Secret Name"), replaced("active", False), replaced(ARCHIVED, True))
    changed = client.patch(f"/Users/{user['id']}", *changes).json
    assert changed["meta"]["version"] == 'W/"2"'
    assert acts(world, user["id"])[1:] == ["contact.edited", "contact.deactivated", "contact.archived"]
    assert recorded(world) == (before[0] + 3, before[1] + 3)
    with reading(world.directory.engine) as db:
        texts = [*db.scalars(select(activity.c.facts)), *db.scalars(select(outbox.c.payload))]
    assert not [text for text in texts if "Secret" in text or "ann@" in text], "a record holds no personal data"
