"""Two ways of storing a million contacts, measured against each other: documents, and rows of attribute values.

    python -m benchmarks.storage [--database sqlite|postgresql] [--contacts 1000000] [--rounds 5]

Documents are the product's way, through its own tables and functions; the other way is benchmarks.attribute_rows. Both
hold the same contacts in one database, and the runs of a round alternate. Times are of the storage alone: a statement
and its rows made into a profile, without HTTP. What was decided by it is in docs/decisions/.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Connection as Db
from sqlalchemy import Engine, Select, and_, bindparam, func, select

from benchmarks import attribute_rows, million
from benchmarks.protocol import database
from scim_server.directory import access
from scim_server.domain.connection import Connection
from scim_server.opening import open_directory
from scim_server.scim.filter import parse_filter
from scim_server.scim.schema import USER
from scim_server.settings import Settings
from scim_server.storage import contacts, tables
from scim_server.storage.db import reading, writing
from scim_server.storage.query import compile_filter
from scim_server.storage.upgrade import upgrade

Found = list[tuple[Any, dict[str, Any]]]
ASKED: Final[Mapping[str, Mapping[str, str]]] = {
    "title eq, ten match": {"title": "Title 77"},
    "userType eq, half match": {"userType": "Kind 0"},
    "locale and userType, 0.5 % match": {"locale": "locale-7", "userType": "Kind 1"},
}
_BY_ID: Final = contacts.SELECT.where(
    tables.contacts.c.workspace_id == bindparam("w"), tables.contacts.c.id == bindparam("id")
)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of storing contacts: what is measured of it."""

    load: Callable[[Engine, str, int], None]
    read: Callable[[Db, Connection, str], tuple[Any, dict[str, Any]]]
    page: Callable[[Db, Connection, int], Found]
    find: Callable[[Db, Connection, Mapping[str, str]], tuple[int, Found]]
    change_title: Callable[[Db, Connection, str, str, datetime], None]


def _rows(db: Db, connection: Connection, query: Select[Any], **key: str) -> Found:
    rows = db.execute(query, {"connection": connection.id, **key})
    return [(row, orjson.loads(row.profile)) for row in rows]


def _read(db: Db, connection: Connection, contact_id: str) -> tuple[Any, dict[str, Any]]:
    return _rows(db, connection, _BY_ID, w=connection.workspace_id, id=contact_id)[0]


def _page(db: Db, connection: Connection, start: int) -> Found:
    listed = and_(tables.contacts.c.workspace_id == connection.workspace_id, tables.contacts.c.archived.is_(False))
    rows = contacts.SELECT.where(listed).order_by(tables.contacts.c.id)
    return _rows(db, connection, rows.limit(100).offset(start))


def _find(db: Db, connection: Connection, asked: Mapping[str, str]) -> tuple[int, Found]:
    text = " and ".join(f'{name} eq "{value}"' for name, value in asked.items())
    condition = compile_filter(db, connection.workspace_id, "", USER.name, parse_filter(USER, text), connection.id)
    found = and_(tables.contacts.c.workspace_id == connection.workspace_id, condition)
    rows = contacts.SELECT.where(found).order_by(tables.contacts.c.id).limit(100).offset(0)
    page = _rows(db, connection, rows)
    total = len(page)
    if total == 100:  # as directory.search does: what a page says needs no counting
        total = db.scalar(select(func.count()).select_from(tables.contacts).where(found)) or 0
    return total, page


def _change_title(db: Db, connection: Connection, contact_id: str, title: str, now: datetime) -> None:
    before = contacts.load_to_change(db, connection.workspace_id, contact_id, connection.id)
    if before is None:
        raise LookupError(contact_id)
    after = replace(before, profile={**before.profile, "title": title}, version=before.version + 1, modified=now)
    contacts.save(db, connection.workspace_id, connection.id, after, before, million.search_form(after))


WAYS: Final[Mapping[str, Way]] = {
    "documents": Way(million.load_contacts, _read, _page, _find, _change_title),
    "rows": Way(
        attribute_rows.load,
        attribute_rows.read,
        attribute_rows.page,
        attribute_rows.find,
        attribute_rows.change_title,
    ),
}


def operations(
    engine: Engine, way: Way, connection: Connection, total: int
) -> dict[str, tuple[int, Callable[[int], Any]]]:
    """Name → how often in a round, and what is done at the nth time."""

    def in_reading(work: Callable[[Db], Any]) -> Any:
        with reading(engine) as db:
            return work(db)

    def name(n: int) -> str:
        return million.filled(million.ID, n * 7919 % total)

    def change(n: int) -> None:
        now = million.NOW + timedelta(seconds=n + 1)
        writing(engine, lambda db: way.change_title(db, connection, name(n), f"Changed {n}", now))

    found = {
        title: (1, lambda _, asked=asked: in_reading(lambda db: way.find(db, connection, asked)))
        for title, asked in ASKED.items()
    }
    return {
        "a contact": (300, lambda n: in_reading(lambda db: way.read(db, connection, name(n)))),
        "a page of 100": (50, lambda n: in_reading(lambda db: way.page(db, connection, n % 9 * 100))),
        **found,
        "a changed title": (100, change),
    }


def size(engine: Engine) -> int:
    """Bytes that the database takes, its log aside."""
    with reading(engine) as db:
        if engine.dialect.name == "postgresql":
            return int(db.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
        pages, each = (db.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
        return int(pages) * int(each)


def load(engine: Engine, connection: Connection, total: int) -> None:
    """Fill both and print how long it took and how much room they need."""
    for name, way in WAYS.items():
        before, started = size(engine), time.perf_counter()
        way.load(engine, connection.workspace_id, total)
        took, grown = time.perf_counter() - started, size(engine) - before
        print(f"{name:10} loaded in {took:6.1f} s, {grown / 2**20:6.0f} MiB, {grown / total:5.0f} bytes a contact")
        if name == "documents":
            million.load_belongings(engine, connection, total)


def check(engine: Engine, connection: Connection) -> None:
    """Both hold and find the same."""
    with reading(engine) as db:
        one, other = (way.read(db, connection, million.filled(million.ID, 77))[1] for way in WAYS.values())
        assert one == other  # noqa: S101
        for asked in ASKED.values():
            both = [way.find(db, connection, asked) for way in WAYS.values()]
            (total, rows), (other_total, other_rows) = both
            same = [row.id for row, _ in rows] == [row.id for row, _ in other_rows]
            assert (total, same, rows[0][1]) == (other_total, True, other_rows[0][1])  # noqa: S101


def main() -> None:
    """Load, measure in alternation, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    figures: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        directory = open_directory(Settings(database_url=stack.enter_context(database(options.database, folder))))
        stack.callback(directory.engine.dispose)
        upgrade(directory.engine)
        access.create_workspace(directory, "benchmark", "owner@example.com", seats=1)
        connection = access.create_connection(directory, "benchmark", "idp")
        load(directory.engine, connection, options.contacts)
        check(directory.engine, connection)
        for number in range(options.rounds):
            measure(directory.engine, connection, options.contacts, number, figures)
    report(options.database, options.rounds, figures)


def measure(
    engine: Engine, connection: Connection, total: int, number: int, figures: dict[tuple[str, str], list[float]]
) -> None:
    """One round: each operation in both ways, which of them first by turns."""
    done = {name: operations(engine, way, connection, total) for name, way in WAYS.items()}
    for title in done["rows"]:
        for name in list(WAYS)[:: 1 if number % 2 else -1]:
            times, act = done[name][title]
            taken = []
            for n in range(number * times, (number + 1) * times):
                started = time.perf_counter()
                act(n)
                taken.append(time.perf_counter() - started)
            figures.setdefault((title, name), []).append(statistics.median(taken))


def report(kind: str, rounds: int, figures: Mapping[tuple[str, str], list[float]]) -> None:
    """Print medians, spreads and ratios."""
    print(f"{kind}: milliseconds, median of {rounds} rounds (lowest to highest)")
    for title in dict.fromkeys(title for title, _ in figures):
        of_both = [[1000 * each for each in figures[(title, name)]] for name in WAYS]
        shown = "  ".join(
            f"{name} {statistics.median(of):9.2f} ({min(of):.2f} to {max(of):.2f})"
            for name, of in zip(WAYS, of_both, strict=True)
        )
        a, b = map(statistics.median, of_both)
        print(f"{title:34} {shown}  documents : rows = {a / b:.2f}")


if __name__ == "__main__":
    main()
