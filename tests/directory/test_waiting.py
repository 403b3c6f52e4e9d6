"""Two who change the same row on PostgreSQL: the second waits, sees what the first wrote, and decides by that."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection as Db
from sqlalchemy import update

from scim_server.directory import access, activity, clients, seats
from scim_server.directory.access import NotAllowed
from scim_server.domain.actor import system
from scim_server.storage import clients as stored
from scim_server.storage.tables import workspaces
from tests.storage.test_ledger import wait_for_a_lock
from tests.support import World

pytestmark = pytest.mark.parametrize("app", ["postgresql"], indirect=True)


def behind(world: World, first: Callable[[Db], object], second: Callable[[], object]) -> None:
    """Let `second` begin while `first` is written and not yet committed."""
    engine = world.directory.engine
    with ThreadPoolExecutor(1) as thread, engine.connect() as db:
        ending = db.begin()
        first(db)
        waiting = thread.submit(second)
        wait_for_a_lock(engine, waiting)
        ending.commit()
        waiting.result(30)


def facts(world: World, act: str) -> list[object]:
    actor = system(world.workspace_id)
    return [each.facts for each in activity.newest(world.directory, actor, activity.Wanted(acts=[act]))]


def written(world: World, **values: object) -> Callable[[Db], object]:
    return lambda db: db.execute(
        update(workspaces).where(workspaces.c.workspace_id == world.workspace_id).values(**values)
    )


def renaming(world: World, name: str) -> Callable[[], object]:
    return lambda: access.rename_workspace(world.directory, system(world.workspace_id), name)


def test_a_name_is_what_the_other_made_it(world: World) -> None:
    first, last = f"{world.name}-a", f"{world.name}-b"
    behind(world, written(world, name=first, name_key=first), renaming(world, last))
    assert facts(world, "workspace.renamed") == [{"name": [first, last]}]
    behind(world, written(world, name=first, name_key=first), renaming(world, first))
    assert len(facts(world, "workspace.renamed")) == 1, "it is called so already"


def test_a_billing_day_is_what_the_other_made_it(world: World) -> None:
    def second() -> object:
        return seats.set_billing_day(world.directory, system(world.workspace_id), 9)

    behind(world, written(world, billing_day=5), second)
    assert facts(world, "seats.billing_day_changed") == [{"billing_day": [5, 9]}]
    behind(world, written(world, billing_day=9), second)
    assert len(facts(world, "seats.billing_day_changed")) == 1


def test_a_client_that_is_being_revoked_gets_no_secret(world: World) -> None:
    directory, name = world.directory, world.name
    access.create_connection(directory, name, "idp")
    client, _, _ = clients.create_client(directory, name, "idp", "Sync")

    def rotate() -> None:
        with pytest.raises(NotAllowed, match="revoked"):
            clients.rotate(directory, name, client.id)

    behind(world, lambda db: stored.revoke_client(db, world.workspace_id, client.id, directory.now()), rotate)
    (listed,) = clients.list_clients(directory, name, "idp")
    assert [each.revoked is None for each in listed.secrets] == [False]
