"""GET of a very large group without its members, against one of ten: one ratio within one run, by HTTP.

    python -m benchmarks.groups [--database sqlite|postgresql] [--members 100000] [--seconds 2] [--rounds 11]

Needs wrk, as benchmarks.protocol does. The runs alternate, and which group is first alternates too.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from benchmarks import million
from benchmarks.protocol import WORKERS, database, measure
from scim_server.directory import access
from scim_server.opening import open_directory
from scim_server.settings import Settings
from scim_server.storage import tables
from scim_server.storage.upgrade import upgrade
from tests.support import Served, serving

FEW: Final = 10


def load(database_url: str, members: int) -> str:
    """Two groups, of ten members and of `members`; gives a token."""
    directory = open_directory(Settings(database_url=database_url))
    upgrade(directory.engine)
    access.create_workspace(directory, "benchmark", "owner@example.com", seats=1)
    connection = access.create_connection(directory, "benchmark", "idp")
    _, token = access.create_token(directory, "benchmark", "idp", secrets.token_bytes)
    engine, workspace_id = directory.engine, connection.workspace_id
    million.load_contacts(engine, workspace_id, members)
    million.load_groups(engine, connection, 2)
    for number, size in enumerate((FEW, members)):
        million.load_members(engine, workspace_id, size, million.filled(million.GROUP_ID, number))
    engine.dispose()
    return token


def check(server: Served, token: str, paths: Mapping[int, str]) -> None:
    """Both groups are answered without members, and have as many as they should."""
    with server.client(token) as client:
        for path in paths.values():
            answer = client.get(path)
            assert answer.status_code == 200, answer.text  # noqa: S101
            assert "members" not in answer.json()  # noqa: S101
    with open_directory(Settings(database_url=server.database_url)).engine.connect() as db:
        found = db.scalars(select(func.count()).select_from(tables.members).group_by(tables.members.c.group_id))
        assert sorted(found) == sorted(paths)  # noqa: S101


def script(folder: Path, token: str, path: str) -> Path:
    """The Lua file that asks for one path."""
    file = folder / "group.lua"
    lines = [
        f'wrk.headers["Authorization"] = "Bearer {token}"',
        f'wrk.path = "/scim/v2{path}"',
        "function done(summary) local s = summary.errors if s.status > 0 then print('FAILED ' .. s.status) end end",
    ]
    file.write_text("\n".join(lines))
    return file


def main() -> None:
    """Load, run in alternation, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    sizes = (FEW, options.members)
    paths = {
        size: f"/Groups/{million.filled(million.GROUP_ID, number)}?excludedAttributes=members"
        for number, size in enumerate(sizes)
    }
    figures: dict[int, list[float]] = {size: [] for size in sizes}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        url = stack.enter_context(database(options.database, folder))
        token = load(url, options.members)
        server = stack.enter_context(serving(url, workers=WORKERS, environment={"SCIM_SERVER_RATE_LIMIT": "off"}))
        check(server, token, paths)
        for number in range(options.rounds):
            for size in sizes[:: 1 if number % 2 else -1]:
                figures[size].append(measure(server.url, options.seconds, script(folder, token, paths[size])))
    report(options.database, figures)


def report(kind: str, figures: Mapping[int, list[float]]) -> None:
    """Print medians, spreads and the ratio of times."""
    print(f"{kind}: GET of a group with excludedAttributes=members, requests/s, median (lowest to highest)")
    for size, found in figures.items():
        print(f"{size:7} members {statistics.median(found):8.0f}  ({min(found):.0f} to {max(found):.0f})")
    few, many = (statistics.median(found) for found in figures.values())
    print(f"time ratio, large to small: {few / many:.2f}")


if __name__ == "__main__":
    main()
