"""The engine and its transactions: pragmas, locks, retries of lost races. Knows no table and no rule."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import RootTransaction
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import QueuePool

T = TypeVar("T")

BUSY_SECONDS: Final = 30
ATTEMPTS: Final = 8
# How a transaction begins, by database and purpose. SQLite's writers take the lock at once, as one that reads first
# could lose it later; PostgreSQL's readers see one state of things from their first statement to the last.
_BEGIN: Final = {
    ("sqlite", "write"): "BEGIN IMMEDIATE",
    ("postgresql", "read"): "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}
# PostgreSQL: serialization failure, deadlock; shutdown, crash, not up yet, too many connections
_AGAIN: Final = frozenset(("40001", "40P01", "57P01", "57P02", "57P03", "53300"))
_NO_DATABASE: Final = "The database must be sqlite:///path/to/file.db or postgresql+psycopg://user:password@host/name."
# What an operator mends and no client can: a full disk, a file or a database that can't be written, read or opened now.
# PostgreSQL: the disk is full, the database only reads
_ONLY_READS: Final = "25006"
_LATER: Final = frozenset(("53100", _ONLY_READS))
_SQLITE_LATER: Final = frozenset(
    (
        sqlite3.SQLITE_BUSY,  # after BUSY_SECONDS
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
    )
)


class Fate(Enum):
    """What becomes of work that the database failed: it is tried again, put off till later, or given up as faulty."""

    AGAIN = "again"
    LATER = "later"
    FAULT = "fault"


class LostRace(Exception):
    """Another writer changed the same row first; the whole transaction may be tried again."""


class Busy(Exception):
    """The database is away, full or closed to writers, or every attempt lost its race: come back later.

    Its text ends with the database's own words, without statements or parameters, which may hold personal data.
    """

    def __str__(self) -> str:
        words = str(getattr(self.__cause__, "orig", None) or self.__cause__ or "").strip()
        return ": ".join([super().__str__(), *words.splitlines()[:1]])


def open_engine(url: str, *, pool_size: int = 8) -> Engine:
    """An engine for `sqlite:///…` or `postgresql+psycopg://…`; nothing is connected yet. Raises ValueError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError(_NO_DATABASE) from error
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "json_serializer": _json_text,
        "pool_use_lifo": True,
        "pool_reset_on_return": None,
        "hide_parameters": True,  # an error's text goes to the log, and parameters may be personal data
    }
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise ValueError("A database in memory would be another one for each connection. Name a file.")
        waits = {"check_same_thread": False, "timeout": BUSY_SECONDS}
        engine = create_engine(parsed, poolclass=QueuePool, max_overflow=64, connect_args=waits, **options)
        event.listen(engine, "do_connect", _make_private)
        event.listen(engine, "connect", _prepare_sqlite)
    elif parsed.drivername == "postgresql+psycopg":
        plain = {"autocommit": True, "client_encoding": "utf8"}  # whatever the database's own is
        engine = create_engine(parsed, max_overflow=8, connect_args=plain, **options)
    else:
        raise ValueError(_NO_DATABASE)
    event.listen(engine, "begin", _begin)
    return engine


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _make_private(_dialect: Any, _record: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Make a new SQLite file one that only its owner can read; SQLite gives the same mode to what it puts beside it.

    A file that is there keeps its mode. Where none can be made, SQLite says why.
    """
    if not options.get("uri"):
        with suppress(OSError):
            os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    # secure_delete: what is deleted is overwritten, so that an erased person is in no free page either (R45b)
    _keep_a_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _keep_a_wal(connection: sqlite3.Connection) -> None:
    """Put the file into WAL mode, waiting for others: SQLite itself doesn't while one of them holds the lock to write.

    That is so for a new file alone, which stays in the mode, when several processes open it at once.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _begin(connection: Connection) -> None:
    """Begin in our own words: both drivers are in autocommit mode, as their own BEGIN comes late and says too little.

    It costs nothing, and a connection that the server closed while it lay in the pool is noticed before any work.
    """
    purpose = connection.get_execution_options().get("purpose", "")
    connection.exec_driver_sql(_BEGIN.get((connection.dialect.name, purpose), "BEGIN"))


@contextmanager
def transaction(engine: Engine, purpose: str) -> Iterator[Connection]:
    """A transaction to "read" or "write", committed at the end, rolled back by an exception; nothing is tried again.

    What was put off with after_commit is done then, with the connection given back.
    """
    later: list[Callable[[], None]] = []
    with engine.connect().execution_options(purpose=purpose, later=later) as connection, _begun(connection):
        yield connection
    for action in later:
        action()


def after_commit(db: Connection, action: Callable[[], None]) -> None:
    """Do `action` once the transaction is committed, and never if it isn't.

    What it raises comes out of the transaction, which stands; so it must not use the database, or be tried again.
    """
    later: list[Callable[[], None]] = db.get_execution_options()["later"]
    later.append(action)


def _begun(connection: Connection) -> RootTransaction:
    try:
        return connection.begin()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        return connection.begin()  # on a new connection: the pool has dropped all that are as old


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, and sees one consistent state. Raises Busy."""
    try:
        with transaction(engine, "read") as connection:
            yield connection
    except SQLAlchemyError as error:
        # a transaction that only reads is to blame itself if it wrote; to a writer the database may be a standby
        if fate_of(error) is Fate.FAULT or getattr(getattr(error, "orig", None), "sqlstate", "") == _ONLY_READS:
            raise
        raise Busy("the database can't be read now") from error


@contextmanager
def rehearsing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes and is rolled back at the end. It isn't tried again, as it may be long. Raises Busy."""
    try:
        with transaction(engine, "write") as connection:
            yield connection
            connection.rollback()
    except (LostRace, SQLAlchemyError) as error:
        if fate_of(error) is Fate.FAULT:
            raise
        raise Busy("others changed the same meanwhile, so it was given up; try again when they are done") from error


def writing(engine: Engine, work: Callable[[Connection], T]) -> T:
    """`work` in a transaction that commits when it returns, tried again when a race is lost.

    `work` must be repeatable: everything it does is in the transaction. Raises Busy when no attempt succeeds, and
    whatever else `work` raises, after rolling back.
    """
    last: Exception | None = None
    for attempt in range(ATTEMPTS):
        time.sleep(0.002 * attempt)
        try:
            return _attempt(engine, work)
        except (LostRace, SQLAlchemyError) as error:
            last, fate = error, fate_of(error)
        if fate is Fate.FAULT:
            raise last
        if fate is Fate.LATER:
            break
    raise Busy("the database can't be written to now") from last


def _attempt(engine: Engine, work: Callable[[Connection], T]) -> T:
    worked = False
    try:
        with transaction(engine, "write") as connection:
            result = work(connection)
            worked = True
        return result
    except DBAPIError as error:
        if worked and error.connection_invalidated:
            # It may have been committed; to try again could do it twice.
            raise Busy("the connection broke during a commit") from error
        raise


def fate_of(error: Exception) -> Fate:
    """What to do after `error`, SQLAlchemy's or a driver's own, judged by the database's codes."""
    if isinstance(error, LostRace):
        return Fate.AGAIN
    if isinstance(error, PoolExhausted):  # it has waited long enough
        return Fate.LATER
    fault = getattr(error, "orig", None) or error
    state = getattr(fault, "sqlstate", "")
    if getattr(fault, "sqlite_errorcode", -1) & 0xFF in _SQLITE_LATER or state in _LATER:
        return Fate.LATER
    again = state in _AGAIN or (state is None and _is_operational(fault)) or _is_lost(error)
    return Fate.AGAIN if again else Fate.FAULT


def _is_lost(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _is_operational(fault: BaseException) -> bool:
    """Whether it is the driver's OperationalError: without a state, one about the connection itself."""
    return any(kind.__name__ == "OperationalError" for kind in type(fault).__mro__)
