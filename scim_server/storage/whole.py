"""A contact together with the groups around it, and with the token that asks for it, in one statement.

Reading one User is what identity providers do most, and each statement costs more than the work it does. Knows no
rule and no representation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Engine, and_, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from scim_server.domain.contact import Contact
from scim_server.domain.group import Membership
from scim_server.storage import access, external_ids, groups
from scim_server.storage.access_tables import tokens
from scim_server.storage.contacts import COLUMNS, HOLDS, STORED, contact_of
from scim_server.storage.prepared import Prepared
from scim_server.storage.tables import (
    String,
    connections,
    contact_external_ids,
    contacts,
    members,
    seats,
)


@dataclass(frozen=True, slots=True)
class Whole:
    """A contact and the groups it is in, direct ones and those around them."""

    contact: Contact
    memberships: list[Membership]


class _JsonRows(FunctionElement[str]):
    """All rows as one JSON text: a list of lists."""

    type = String
    inherit_cache = True
    name = "json_rows"


@compiles(_JsonRows, "sqlite")
def _sqlite(element: _JsonRows, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


@compiles(_JsonRows, "postgresql")
def _postgresql(element: _JsonRows, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_agg(json_build_array({compiler.process(element.clauses, **options)})) AS TEXT)"


def _memberships() -> ColumnElement[str]:
    rows = select(_JsonRows(members.c.group_id, groups.label_of_group(), groups.is_inside())).where(
        members.c.workspace_id == contacts.c.workspace_id, members.c.contact_id == contacts.c.id
    )
    return rows.correlate(contacts).scalar_subquery().label("memberships")


_SELECT: Final = (
    select(*COLUMNS, _memberships())
    .select_from(contacts.outerjoin(seats, HOLDS))
    .where(contacts.c.workspace_id == bindparam("workspace"))
)
_WHOLE: Final = Prepared(_SELECT.where(contacts.c.id == bindparam("contact")))
_CALLED_SO: Final = select(contact_external_ids.c.holder_id).where(
    contact_external_ids.c.workspace_id == bindparam("workspace"),
    contact_external_ids.c.connection_id == bindparam("connection"),
    contact_external_ids.c.value_key == bindparam("key"),
)
# In no order: asked for one, a planner may look for the key among all contacts in that order.
LOOKED_UP: Final = {
    "userName": Prepared(_SELECT.where(contacts.c.user_name_key == bindparam("key")).limit(bindparam("most"))),
    "externalId": Prepared(_SELECT.where(contacts.c.id.in_(_CALLED_SO)).limit(bindparam("most"))),
}
_ASKED_FOR: Final = and_(contacts.c.workspace_id == tokens.c.workspace_id, contacts.c.id == bindparam("contact"))
_GRANTED: Final = Prepared(
    select(
        *access.GRANT_COLUMNS,
        *STORED,
        external_ids.value_for(contact_external_ids, contacts, tokens.c.connection_id),
        _memberships(),
    )
    .select_from(tokens.join(connections, access.OF_CONNECTION).outerjoin(contacts, _ASKED_FOR).outerjoin(seats, HOLDS))
    .where(tokens.c.hash == bindparam("hash"))
)


def read(engine: Engine, workspace_id: str, contact_id: str, connection_id: str | None) -> Whole | None:
    """The contact as the connection knows it, and its groups; None where the workspace has no such contact."""
    named = {"workspace": workspace_id, "contact": contact_id, "connection": connection_id}
    rows = _WHOLE.rows(engine, named)
    return _whole(engine, rows[0]) if rows else None


def look_up(
    engine: Engine, workspace_id: str, connection_id: str | None, attribute: str, key: str, most: int
) -> list[Whole]:
    """Up to `most` of the contacts whose userName or externalId (the connection's own) is `key` when folded, by id."""
    named = {"workspace": workspace_id, "connection": connection_id, "key": key, "most": most}
    rows = LOOKED_UP[attribute].rows(engine, named)
    return [_whole(engine, row) for row in sorted(rows, key=lambda row: str(row.id))]


def read_granted(
    engine: Engine, token: str, contact_id: str, now: datetime
) -> tuple[access.Grant | None, Whole | None]:
    """What the token stands for, and the contact of that id in the token's workspace, where there is one."""
    rows = _GRANTED.rows(engine, {"hash": access.hash_of(token), "contact": contact_id})
    grant = access.grant_in(rows[0], now) if rows else None
    if grant is None or rows[0].id is None:
        return grant, None
    return grant, _whole(engine, rows[0])


def _whole(engine: Engine, row: Any) -> Whole:
    direct = orjson.loads(row.memberships or "[]")
    contact = contact_of(row)
    if any(inside for _, _, inside in direct):
        return Whole(contact, groups.read_memberships(engine, row.workspace_id, contact.id))
    memberships = (Membership(group_id, label, True) for group_id, label, _ in direct)
    return Whole(contact, sorted(memberships, key=groups.by_id))
