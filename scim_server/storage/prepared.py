"""The few statements that carry the load: compiled once and run on the driver's own cursor.

SQLAlchemy's execution costs more than such a query itself. Reads alone, each a statement of its own that sees one
consistent state; values come as the driver gives them. Knows no table.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from sqlalchemy import Engine, PoolProxiedConnection, Select, event

from scim_server.storage.db import Busy, Fate, fate_of

# What a kept connection meets when its statement is gone, or planned for tables that have been migrated since.
_OUTLIVED: Final = frozenset(("26000", "0A000"))


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The statement as text; `order` lists its parameters where the driver takes them by position."""

    text: str
    constants: Mapping[str, Any]
    order: Sequence[str]


# By engine, the connections that such reads have for themselves: to take one from the pool and give it back takes as
# long as half a query. As many as ever read at the same time, each of them of the pool's own number.
_IDLE: Final[WeakKeyDictionary[Engine, list[PoolProxiedConnection]]] = WeakKeyDictionary()


def _idle(engine: Engine) -> list[PoolProxiedConnection]:
    idle = _IDLE.get(engine)
    if idle is None:
        idle = _IDLE.setdefault(engine, [])
        event.listen(engine, "engine_disposed", _close_idle)
    return idle


def _close_idle(engine: Engine) -> None:
    idle = _IDLE.get(engine, [])
    while idle:
        idle.pop().invalidate()  # to give it back would be to keep it open


class Prepared:
    """One SELECT with named parameters, compiled at its first use for each kind of database."""

    __slots__ = ("_compiled", "_row", "_statement")

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        names = [column.name for column in statement.selected_columns]
        self._row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, engine: Engine, parameters: Mapping[str, Any]) -> list[Any]:
        """The rows, as named tuples. Raises Busy.

        A connection that the database closed while it lay in the pool is replaced: a read can be tried again.
        """
        compiled = self._compiled.get(engine.dialect.name) or self._compile(engine)
        named = {**compiled.constants, **parameters}
        values = [named[name] for name in compiled.order]
        try:
            return self._fetched(engine, compiled.text, values)
        except Exception as error:
            if fate_of(error) is Fate.FAULT and getattr(error, "sqlstate", None) not in _OUTLIVED:
                raise
        engine.dispose()  # the connections beside it are as old
        try:
            return self._fetched(engine, compiled.text, values)
        except Exception as error:
            if fate_of(error) is Fate.FAULT:
                raise
            raise Busy("the database can't be read now") from error

    def _compile(self, engine: Engine) -> _Compiled:
        style = "qmark" if engine.dialect.name == "sqlite" else "numeric_dollar"
        dialect: Any = type(engine.dialect)
        compiled: Any = self._statement.compile(dialect=dialect(paramstyle=style))
        found = _Compiled(str(compiled), compiled.params, compiled.positiontup)
        self._compiled[engine.dialect.name] = found
        return found

    def _fetched(self, engine: Engine, text: str, values: Any) -> list[Any]:
        idle = _idle(engine)
        pooled = idle.pop() if idle else engine.raw_connection()
        try:
            # the driver is in autocommit mode (db): one statement needs no BEGIN and COMMIT, each a round trip
            driver: Any = pooled.driver_connection
            if engine.dialect.name == "sqlite":
                rows = driver.execute(text, values).fetchall()
                found = [self._row._make(row) for row in rows]
            else:
                found = self._executed(driver, pooled.info, text, values)
        except BaseException:
            pooled.close()
            raise
        idle.append(pooled)
        return found

    def _executed(self, driver: Any, known: dict[Any, Any], text: str, values: Sequence[Any]) -> list[Any]:
        """The rows by libpq's own calls: psycopg's cursor takes as long as the database. `known` is the connection's.

        Raises what psycopg would.
        """
        libpq = driver.pgconn
        name = known.get(self)
        if name is None:
            name = f"prepared_{id(self)}".encode()
            _check(libpq, libpq.prepare(name, text.encode()))
            known[self] = name
        result = libpq.exec_prepared(name, [None if value is None else str(value).encode() for value in values])
        _check(libpq, result)
        rows = Transformer(driver)
        rows.set_pgresult(result)
        return rows.load_rows(0, result.ntuples, self._row._make)


def _check(libpq: Any, result: Any) -> None:
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return
    if libpq.status != ConnStatus.OK:
        raise OperationalError("the connection was closed by the database")
    raise error_from_result(result)
