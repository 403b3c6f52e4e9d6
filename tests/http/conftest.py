"""A real server on each database, which the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from flask import Flask

from scim_server.app import close, create_app
from scim_server.settings import Settings
from tests.conftest import DATABASES
from tests.support import Client, Served, World, new_world, serving


@dataclass(frozen=True)
class Site:
    """A running server with two worker processes, and an application on its database to make workspaces with."""

    served: Served
    app: Flask

    def world(self, seats: int = 100) -> World:
        return new_world(self.app, seats)

    def http(self, client: Client) -> httpx.Client:
        """Speaks to the server with the client's token."""
        return self.served.client(client.token)


@pytest.fixture(scope="session", params=DATABASES)
def site(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Site]:
    """One running server for each kind of database."""
    with serving(new_database(request.param), workers=2) as served:
        app = create_app(Settings(database_url=served.database_url))
        yield Site(served, app)
        close(app)
