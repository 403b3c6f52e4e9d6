"""The few statements that carry the load: compiled once and run on the driver's own cursor.

SQLAlchemy's execution costs more than such a query itself. Reads alone, each a statement of its own that sees one
consistent state; values come as the driver gives them. Knows no table.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select

from scim_server.storage.db import Busy, Fate, fate_of


@dataclass(frozen=True, slots=True)
class _Compiled:
    """The statement as text; `order` lists its parameters where the driver takes them by position."""

    text: str
    constants: Mapping[str, Any]
    order: Sequence[str] | None


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
        values = named if compiled.order is None else [named[name] for name in compiled.order]
        try:
            return self._fetched(engine, compiled.text, values)
        except Exception as error:
            if fate_of(error) is Fate.FAULT:
                raise
        engine.dispose()  # the connections beside it are as old
        try:
            return self._fetched(engine, compiled.text, values)
        except Exception as error:
            if fate_of(error) is Fate.FAULT:
                raise
            raise Busy("the database can't be read now") from error

    def _compile(self, engine: Engine) -> _Compiled:
        compiled = self._statement.compile(dialect=engine.dialect)
        found = _Compiled(str(compiled), compiled.params, getattr(compiled, "positiontup", None))
        self._compiled[engine.dialect.name] = found
        return found

    def _fetched(self, engine: Engine, text: str, values: Any) -> list[Any]:
        pooled = engine.raw_connection()
        try:
            # the driver is in autocommit mode (db): one statement needs no BEGIN and COMMIT, each a round trip
            driver: Any = pooled.driver_connection
            return [self._row._make(row) for row in driver.execute(text, values).fetchall()]
        finally:
            pooled.close()
