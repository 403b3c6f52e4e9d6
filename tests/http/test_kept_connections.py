"""Requests after something happened to the connections to PostgreSQL that lay in the pool or were kept for reads."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from scim_server.storage.prepared import _IDLE
from tests.support import Client, World

pytestmark = pytest.mark.parametrize("app", ["postgresql"], indirect=True)  # SQLite's connections are files


@pytest.fixture
def engine(world: World) -> Engine:
    return world.directory.engine


def beside(engine: Engine, statement: str, *values: Any) -> None:
    """Run a statement on a connection of one's own."""
    url = engine.url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(statement.encode(), values)


def test_a_use_is_noted_after_a_pooled_connection_was_closed(engine: Engine, client: Client) -> None:
    user = client.user("kim@x.test")  # by a connection that goes back to the pool
    assert client.get(f"/Users/{user['id']}").status == 200  # by one that is kept
    kept = [each.driver_connection.info.backend_pid for each in _IDLE[engine] if each.driver_connection]
    beside(
        engine,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL(%s)",
        kept,
    )
    beside(engine, "UPDATE tokens SET last_used = NULL")
    assert [client.get(f"/Users/{user['id']}").status for _ in range(3)] == [200] * 3


def test_a_statement_that_the_session_lost_is_prepared_again(engine: Engine, client: Client) -> None:
    user = client.user("kim@x.test")
    assert client.get(f"/Users/{user['id']}").status == 200
    for kept in _IDLE[engine]:
        assert kept.driver_connection is not None
        kept.driver_connection.execute("DEALLOCATE ALL")
    assert [client.get(f"/Users/{user['id']}").status for _ in range(3)] == [200] * 3


def test_a_migration_beside_the_server_ends_no_reads(engine: Engine, client: Client) -> None:
    user = client.user("kim@x.test")
    assert client.get(f"/Users/{user['id']}").status == 200
    beside(engine, "ALTER TABLE contacts ALTER COLUMN password TYPE varchar(4000)")
    try:
        assert [client.get(f"/Users/{user['id']}").status for _ in range(3)] == [200] * 3
    finally:
        beside(engine, "ALTER TABLE contacts ALTER COLUMN password TYPE varchar")
