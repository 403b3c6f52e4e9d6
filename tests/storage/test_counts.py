"""The kept number of contacts is what counting them would give, whatever was written."""

from __future__ import annotations

from sqlalchemy import func, select

from scim_server.storage import counts
from scim_server.storage.db import reading, transaction
from scim_server.storage.tables import contact_counts, contacts
from tests.support import USER_URN, WORKSPACE_URN, Client, World

ARCHIVED = f"{WORKSPACE_URN}:archived"


def counted(world: World) -> tuple[int, int]:
    """(listed, archived), by counting the rows."""
    with reading(world.directory.engine) as db:
        of_workspace = select(func.count()).where(contacts.c.workspace_id == world.workspace_id)
        archived = db.scalar(of_workspace.where(contacts.c.archived)) or 0
        return (db.scalar(of_workspace) or 0) - archived, archived


def kept(world: World) -> tuple[int, int]:
    """(listed, archived), as kept."""
    with reading(world.directory.engine) as db:
        listed = counts.total(db, world.workspace_id, with_archived=False)
        return listed, counts.total(db, world.workspace_id, with_archived=True) - listed


def test_every_write_is_counted(world: World, client: Client) -> None:
    ids = [
        client.post("/Users", {"schemas": [USER_URN], "userName": f"u{number}@x.test"}).json["id"]
        for number in range(5)
    ]
    assert kept(world) == counted(world) == (6, 0)  # the owner is one
    client.patch(f"/Users/{ids[0]}", {"op": "replace", "path": ARCHIVED, "value": True})
    client.patch(f"/Users/{ids[0]}", {"op": "replace", "path": ARCHIVED, "value": True})
    client.patch(f"/Users/{ids[1]}", {"op": "replace", "path": ARCHIVED, "value": True})
    assert kept(world) == counted(world) == (4, 2)
    client.delete(f"/Users/{ids[0]}")
    client.delete(f"/Users/{ids[2]}")
    assert kept(world) == counted(world) == (3, 1)
    client.patch(f"/Users/{ids[1]}", {"op": "replace", "path": ARCHIVED, "value": False})
    client.patch(f"/Users/{ids[3]}", {"op": "replace", "path": "active", "value": False})
    assert kept(world) == counted(world) == (4, 0)


def test_a_refused_write_is_not_counted(world: World, client: Client) -> None:
    user = {"schemas": [USER_URN], "userName": "twice@x.test"}
    assert [client.post("/Users", user).status for _ in range(2)] == [201, 409]
    assert kept(world) == counted(world) == (2, 0)


def test_a_list_says_how_many_there_are_beyond_the_page(client: Client) -> None:
    for number in range(3):
        client.post("/Users", {"schemas": [USER_URN], "userName": f"u{number}@x.test"})
    for query in ("count=0", "count=1", "count=4", "count=5", "startIndex=3&count=5", "startIndex=9", "cursor&count=1"):
        assert client.get(f"/Users?{query}").json["totalResults"] == 4, query


def test_the_writers_share_the_work(world: World, client: Client) -> None:
    for number in range(40):
        client.post("/Users", {"schemas": [USER_URN], "userName": f"u{number}@x.test"})
    with transaction(world.directory.engine, "read") as db:
        rows = db.execute(select(contact_counts).where(contact_counts.c.workspace_id == world.workspace_id)).all()
    assert len(rows) > counts.SHARDS // 2
    assert all(0 <= row.shard < counts.SHARDS for row in rows)
