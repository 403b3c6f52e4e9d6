"""Where a page begins and how it is ordered, as SQL. A cursor's page is found by its key and never by counting rows.

Knows no filter and no request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_
from sqlalchemy import Connection as Db

from scim_server.scim.paging import Position
from scim_server.scim.schema import Target
from scim_server.storage.query import sort_expression


@dataclass(frozen=True, slots=True)
class Order:
    """An order: by `key` (None: by id alone) and then by id; `back` walks it from its end (RFC 7644 §3.4.2.3)."""

    table: Table
    key: ColumnElement[Any] | None
    descending: bool
    back: bool

    @property
    def _down(self) -> bool:
        """Whether values go down as rows go on."""
        return self.descending is not self.back

    def columns(self) -> list[ColumnElement[Any]]:
        """What to order by: absent values are last, or first when descending."""
        by_id = self.table.c.id.desc() if self.back else self.table.c.id.asc()
        if self.key is None:
            return [by_id]
        return [self.key.desc().nulls_first() if self._down else self.key.asc().nulls_last(), by_id]

    def beyond(self, position: Position) -> ColumnElement[bool]:
        """The condition that a row comes after `position` in this order."""
        further = self.table.c.id < position.id if self.back else self.table.c.id > position.id
        key = self.key
        if key is None:
            return further
        if position.value is None:
            same = and_(key.is_(None), further)
            return or_(key.is_not(None), same) if self._down else same
        same = and_(key == position.value, further)
        if self._down:
            return or_(key < position.value, same)
        return or_(key > position.value, key.is_(None), same)


def order_of(
    db: Db,
    base: str,
    resource_type: str,
    table: Table,
    target: Target | None,
    *,
    connection_id: str | None,
    descending: bool,
    back: bool,
) -> Order:
    """The order for `sortBy`. Raises ScimError invalidPath for what can't be sorted by."""
    key = None if target is None else sort_expression(db, base, resource_type, target, connection_id)
    return Order(table, key, descending, back)
