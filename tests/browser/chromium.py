"""The system's Chromium, and a watch over what goes wrong in its windows. Knows no pages of ours.

Playwright's own download of a browser is never used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, Response, WebError, sync_playwright

from scim_server.loopback import is_loopback

# not called SCIM_SERVER_…: the server warns of variables that look like its own and are none
VARIABLE: Final = "TEST_CHROMIUM"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# names are looked up nowhere, so that nothing but this machine can be reached
ARGUMENTS: Final = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", "--disable-gpu")


def executable() -> str | None:
    """The path of Chromium: the one that the variable names, or the first on the path."""
    named = os.environ.get(VARIABLE)
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A Chromium without windows. Where there is none the test is skipped, and fails where CI=true."""
    path = executable()
    if path is None:
        reason = f"There is no Chromium: none of {', '.join(NAMES)} is on the path, and {VARIABLE} names none."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass  # not frozen: Playwright keeps its handlers on it
class Watch:
    """Faults of the contexts that it is over, one line each.

    Messages on the console (which tell of what the Content-Security-Policy stopped, too), exceptions that nobody
    caught, parts of a page that the server refused, and requests beyond this machine. What a page itself is answered
    with is the test's own matter.
    """

    faults: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch a context from now on."""
        context.on("console", self._said)
        context.on("weberror", self._raised)
        context.on("request", self._asked)
        context.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        told_by_answer = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not told_by_answer:
            self.faults.append(f"console: {message.text}")

    def _raised(self, error: WebError) -> None:
        self.faults.append(f"not caught: {error.error}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and not is_loopback(parts.hostname):
            self.faults.append(f"beyond this machine: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            self.faults.append(f"{response.status}: {response.url}")
