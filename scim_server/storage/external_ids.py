"""External ids: what a connection calls a contact or a group, known to that connection alone (RFC 7643 §3.1).

Without a connection there are none to see and none to set. Decides nothing.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Table, and_, delete, insert, select, update
from sqlalchemy import Connection as Db

from scim_server.domain.contact import Contact
from scim_server.domain.group import Group
from scim_server.scim.schema import USER, fold
from scim_server.storage.tables import connections

_ATTRIBUTE: Final = USER.attributes["externalid"]


def of_connection(ids: FromClause, holders: Table, connection: Any) -> ColumnElement[bool]:
    """The condition that a row of `ids` is what `connection` (an id or an expression) calls a row of `holders`.

    A holder has one such row at most.
    """
    return and_(
        ids.c.workspace_id == holders.c.workspace_id,
        ids.c.holder_id == holders.c.id,
        ids.c.connection_id == connection,
    )


def value_for(ids: Table, holders: Table, connection: Any) -> ColumnElement[Any]:
    """The column external_id: what `connection` calls a row of `holders`.

    A subquery and no join, as a planner may begin a join with the external ids of everybody.
    """
    called = ids.alias()
    value = select(called.c.value).where(of_connection(called, holders, connection))
    return value.correlate_except(called).scalar_subquery().label("external_id")


def names_of(db: Db, ids: Table, workspace_id: str, holder_id: str) -> list[tuple[str, str, str]]:
    """(connection's id, its name, what it calls the holder) of each that calls it anything, by name."""
    query = (
        select(connections.c.id, connections.c.name, ids.c.value)
        .join_from(
            ids,
            connections,
            and_(connections.c.workspace_id == ids.c.workspace_id, connections.c.id == ids.c.connection_id),
        )
        .where(ids.c.workspace_id == workspace_id, ids.c.holder_id == holder_id)
        .order_by(connections.c.name)
    )
    return [(row.id, row.name, row.value) for row in db.execute(query)]


def save(
    db: Db,
    ids: Table,
    workspace_id: str,
    connection_id: str | None,
    holder: Contact | Group,
    previous: Contact | Group | None,
) -> None:
    """Store what the connection calls `holder`, where it called `previous`, as loaded for it, otherwise."""
    before, after = previous.external_id if previous else None, holder.external_id
    if connection_id is None or before == after:
        return
    key = {"workspace_id": workspace_id, "holder_id": holder.id, "connection_id": connection_id}
    of_key = [ids.c[name] == value for name, value in key.items()]
    if after is None:
        db.execute(delete(ids).where(*of_key))
    elif before is None:
        db.execute(insert(ids), {**key, **values_of(after)})
    else:
        db.execute(update(ids).where(*of_key).values(values_of(after)))


def values_of(value: str) -> dict[str, str]:
    """The columns of an external id, its key aside."""
    return {"value": value, "value_key": fold(_ATTRIBUTE, value)}
