"""A real server on each database, one Chromium, and for each test a workspace and windows of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from scim_server.app import create_app
from scim_server.settings import Settings
from tests.browser.chromium import launched
from tests.browser.desk import Desk
from tests.conftest import DATABASES
from tests.http.conftest import Site
from tests.support import serving


# Not for the session: while Playwright runs, no other test in this thread can run an event loop.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for each process of tests."""
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that servers post letters into; addresses are each test's own."""
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="session", params=DATABASES)
def site(request: pytest.FixtureRequest, new_database: Callable[[str], str], letters: Path) -> Iterator[Site]:
    """One running server for each kind of database."""
    settings = {"SCIM_SERVER_MAIL_FOLDER": str(letters), "SCIM_SERVER_RATE_LIMIT": "off"}
    with serving(new_database(request.param), environment=settings) as served:
        app = create_app(Settings(database_url=served.database_url, mail_folder=str(letters)))
        yield Site(served, app)
        app.extensions["directory"].engine.dispose()


@pytest.fixture
def desk(chromium: Browser, site: Site, letters: Path) -> Iterator[Desk]:
    """A workspace of the test's own. What goes wrong in its windows, or in the server, fails the test."""
    desk, said = Desk(site, site.world(), letters, chromium), len(site.served.lines)
    yield desk
    for context in chromium.contexts:
        context.close()
    errors = [line for line in site.served.lines[said:] if '"level": "error"' in line]
    assert not (faults := [*desk.watch.faults, *errors]), "\n".join(faults)


@pytest.fixture
def page(desk: Desk) -> Page:
    """A window that nobody has signed in with."""
    return desk.page()
