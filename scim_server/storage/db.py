"""The engine and its transactions: pragmas, locks, retries of lost races. Knows no table and no rule."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

T = TypeVar("T")

BUSY_SECONDS: Final = 30
ATTEMPTS: Final = 8
# PostgreSQL: serialization failure, deadlock. SQLite says "locked" or "busy".
_RETRIED_STATES: Final = frozenset(("40001", "40P01"))


class LostRace(Exception):
    """Another writer changed the same row first; the whole transaction may be tried again."""


class Busy(Exception):
    """Every attempt lost its race, or the database didn't let anyone write: the caller should come back later."""


def open_engine(url: str, *, pool_size: int = 8) -> Engine:
    """An engine for `sqlite:///…` or `postgresql+psycopg://…`; nothing is connected yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=64,
            connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.drivername != "postgresql+psycopg":
        raise ValueError("the database must be sqlite:///… or postgresql+psycopg://…")
    return create_engine(parsed, pool_size=pool_size, max_overflow=8, json_serializer=_json_text)


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own BEGIN comes too late and takes no lock; _begin_sqlite issues it.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent view on SQLite, the last committed rows on PostgreSQL."""
    with engine.connect() as connection, connection.begin():
        yield connection


def writing(engine: Engine, work: Callable[[Connection], T]) -> T:
    """`work` in a transaction that commits when it returns, tried again when a race is lost.

    `work` must be repeatable: everything it does is in the transaction. Raises Busy when no attempt succeeds, and
    whatever else `work` raises, after rolling back.
    """
    for attempt in range(ATTEMPTS):
        try:
            with engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection)
        except LostRace:
            pass
        except DBAPIError as error:
            if not _is_race(error):
                raise
        time.sleep(0.002 * attempt)
    raise Busy(f"gave up after {ATTEMPTS} attempts")


def _is_race(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in _RETRIED_STATES
    return isinstance(error, OperationalError) and any(word in str(error.orig) for word in ("locked", "busy"))
