"""Loads very many contacts straight into the tables, a hundred thousand to a statement.

One contact is made by the product's own functions, with marks where a number belongs; the database repeats its rows
and replaces the marks. So the rows are those that the product would have written, but nothing of it ran a million times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import BigInteger, ColumnElement, Engine, Table, Text, cast, func, insert, literal, select
from sqlalchemy import Connection as Db
from sqlalchemy.dialects.postgresql import JSONB

from scim_server.directory.contacts import searchable
from scim_server.domain.connection import Connection
from scim_server.domain.contact import Contact, Status
from scim_server.mapping import to_user
from scim_server.scim.match import comparable
from scim_server.scim.schema import ENTERPRISE_URN, USER
from scim_server.storage import contacts, counts, external_ids, tables
from scim_server.storage.db import transaction

CHUNK: Final = 100_000
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
ID: Final = "00000000-0000-7000-8000-~i~"
GROUP_ID: Final = "00000000-0000-7000-9000-~i~"
GROUP_OF_TEN: Final = "00000000-0000-7000-9000-~g~"
# What stands for each mark in the row of number n. All are digits, which folding leaves as they are.
MARKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "~n~": lambda n: n,
    "~i~": lambda n: n + 10**11,  # always twelve digits
    "~g~": lambda n: n // 10 + 10**11,
    "~f~": lambda n: n % 9973,
    "~d~": lambda n: n % 5003,
    "~t~": lambda n: n % 100_003,
    "~l~": lambda n: n % 101,
    "~u~": lambda n: n % 2,
}


def filled(template: str, number: int) -> str:
    """`template` with its marks replaced, as the database does it."""
    for mark, made in MARKS.items():
        template = template.replace(mark, str(made(number)))
    return template


def contact() -> Contact:
    """The contact that all others are copies of."""
    return Contact(
        id=ID,
        user_name="User~n~@example.com",
        status=Status.ACTIVE,
        status_changed_at=NOW,
        account_linked=True,
        external_id="00u~n~",
        profile={
            "name": {"givenName": "Given~l~", "familyName": "Family~f~", "formatted": "Given~l~ Family~f~"},
            "displayName": "Person ~n~",
            "title": "Title ~t~",
            "userType": "Kind ~u~",
            "locale": "locale-~l~",
            "emails": [{"value": "User~n~@example.com", "type": "work", "primary": True}],
            "phoneNumbers": [{"value": "+1-555-~n~", "type": "mobile"}],
            ENTERPRISE_URN: {"employeeNumber": "7~n~", "department": "Department ~d~"},
        },
        created=NOW,
        modified=NOW,
    )


def search_form(one: Contact) -> dict[str, Any]:
    """What is stored of a contact for comparisons."""
    return searchable(comparable(USER, to_user(one, (), "")))


def load_contacts(engine: Engine, workspace_id: str, count: int) -> None:
    """Contacts 0 to `count` with their addresses."""
    one = contact()
    search = search_form(one)
    row = {"id": ID, **contacts.values_of(one, search)}
    email = {"contact_id": ID, "place": 0, "value_key": search["emails"][0]["value"]}
    load(engine, workspace_id, count, [(tables.contacts, row), (tables.contact_emails, email)])
    with transaction(engine, "write") as db:
        counts.add(db, {"workspace_id": workspace_id, "shard": 0, "listed": count, "archived": 0})


def load_belongings(engine: Engine, connection: Connection, count: int) -> None:
    """What is stored beside the contacts, however those are: what the connection calls them, and a seat for each."""
    called = {"holder_id": ID, "connection_id": connection.id, **external_ids.values_of(contact().external_id or "")}
    seat = {"id": ID, "licence": "member", "holder_id": ID, "state": "assigned", "since": NOW, "over": False}
    load(engine, connection.workspace_id, count, [(tables.contact_external_ids, called), (tables.seats, seat)])


def load_groups(engine: Engine, connection: Connection, count: int) -> None:
    """Groups 0 to `count`, without members."""
    group = {
        "id": GROUP_ID,
        "display_name": "Team ~n~",
        "display_name_key": "team ~n~",
        "profile": "{}",
        "search": {"displayName": "team ~n~"},
        "version": 1,
        "created": NOW,
        "modified": NOW,
    }
    called = {"holder_id": GROUP_ID, "connection_id": connection.id, **external_ids.values_of("Team~n~")}
    load(engine, connection.workspace_id, count, [(tables.groups, group), (tables.group_external_ids, called)])


def load_members(engine: Engine, workspace_id: str, count: int, group_id: str = GROUP_OF_TEN) -> None:
    """The contacts 0 to `count` as members of one group, or of groups of ten."""
    member = {"group_id": group_id, "member_id": ID, "contact_id": ID}
    load(engine, workspace_id, count, [(tables.members, member)])


def load(engine: Engine, workspace_id: str, count: int, rows: Sequence[tuple[Table, Mapping[str, Any]]]) -> None:
    """For each number below `count` a row of each table, made of its template (column → value with marks)."""
    for start in range(0, count, CHUNK):
        with transaction(engine, "write") as db:
            if engine.dialect.name == "sqlite":  # its default is too small for so many rows in a transaction
                db.exec_driver_sql("PRAGMA cache_size = -1000000")
            for table, template in rows:
                key = {"workspace_id": workspace_id} if "workspace_id" in table.c else {}
                insert_filled(db, table, {**key, **template}, start, min(start + CHUNK, count))
    settle(engine)


def settle(engine: Engine) -> None:
    """What a database does by itself a little later: the log written back, the rows counted."""
    statement = "PRAGMA wal_checkpoint(TRUNCATE)" if engine.dialect.name == "sqlite" else "VACUUM ANALYZE"
    pooled = engine.raw_connection()
    try:
        driver: Any = pooled.driver_connection  # in autocommit mode: neither statement can be in a transaction
        driver.execute(statement)
    finally:
        pooled.close()


def insert_filled(db: Db, table: Table, template: Mapping[str, Any], start: int, end: int) -> None:
    """A row of `template` for each number from `start` to `end`; what is None is left to the column's default."""
    number, source = _numbers(start, end)
    given = {name: value for name, value in template.items() if value is not None}
    values = [_value(db, table.c[name], value, number) for name, value in given.items()]
    db.execute(insert(table).from_select(list(given), select(*values).select_from(source), include_defaults=False))


def _numbers(start: int, end: int) -> tuple[ColumnElement[int], Any]:
    """The numbers from `start` to `end`: the column and what it is selected from."""
    source = select(cast(literal(start), BigInteger).label("number")).cte("numbers", recursive=True)
    source = source.union_all(select(source.c.number + 1).where(source.c.number < end - 1))
    return source.c.number, source


def _value(db: Db, column: Any, value: Any, number: ColumnElement[int]) -> ColumnElement[Any]:
    if callable(value):
        made: ColumnElement[Any] = value(number)
        return made
    if isinstance(value, Mapping):
        document = replaced(orjson.dumps(value).decode(), number)
        return cast(document, JSONB) if db.dialect.name == "postgresql" else document
    return replaced(value, number) if isinstance(value, str) else literal(value, column.type)


def replaced(template: str, number: ColumnElement[int]) -> ColumnElement[Any]:
    """`template` with its marks replaced by the database."""
    made: ColumnElement[Any] = literal(template, Text())
    for mark in marks_in(template):
        made = func.replace(made, mark, cast(MARKS[mark](number), Text))
    return made


def marks_in(template: str) -> Iterator[str]:
    """The marks that `template` has."""
    return (mark for mark in MARKS if mark in template)
