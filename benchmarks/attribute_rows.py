"""The other way of storing contacts, for benchmarks.storage alone: a row for each value of each attribute.

It is given what makes it fast: small whole numbers as keys, rows that lie together on SQLite, the text as sent only
where folding changed it, and an index in which each attribute's values are in the order of the contacts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Index,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy import Connection as Db

from benchmarks import million
from scim_server.domain.connection import Connection
from scim_server.scim.schema import USER, fold
from scim_server.storage import contacts, external_ids, tables
from scim_server.storage.contacts import SEAT
from scim_server.storage.tables import String, seats
from scim_server.storage.tables import contact_external_ids as called

WORKSPACE: Final = 1  # there is one; its number, as text would cost twenty times as much in every row
_metadata: Final = MetaData()
_LEFT_OUT: Final = ("profile", "search")
_KEPT: Final = [
    column
    for column in tables.contacts.c
    if column.name == "user_name_key" or not (column.name in _LEFT_OUT or column.name.endswith("_key"))
]

people: Final = Table(
    "people",
    _metadata,
    *(Column(each.name, each.type, primary_key=each.primary_key, nullable=each.nullable) for each in _KEPT),
    Column("number", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "user_name_key"),
    UniqueConstraint("workspace_id", "number"),
)
values: Final = Table(
    "attribute_values",
    _metadata,
    Column("workspace", Integer, primary_key=True, autoincrement=False),
    Column("contact", BigInteger, primary_key=True, autoincrement=False),
    Column("path", SmallInteger, primary_key=True, autoincrement=False),
    Column("place", SmallInteger, primary_key=True, autoincrement=False),
    Column("sent", String),  # null where the folded text is the same
    Column("text_key", String),  # folded; a number would be tables.number_text here
    Column("truth", Boolean),
    Index("ix_attribute_values", "workspace", "path", "text_key", "contact"),
    sqlite_with_rowid=False,
)


def _leaves(value: Any, path: tuple[str, ...] = (), place: int = 0) -> Iterator[tuple[tuple[str, ...], int, Any]]:
    """Path, place and value of each scalar in a document."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name), place)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, path, number)
    else:
        yield path, place, value


_ONE: Final = million.contact()
PATHS: Final = list(dict.fromkeys(path for path, _, _ in _leaves(_ONE.profile)))
NUMBERS: Final = {path: number for number, path in enumerate(PATHS)}
LISTS: Final = {name for name, value in _ONE.profile.items() if isinstance(value, list)}


def rows_of(profile: Mapping[str, Any], search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that hold `profile`, whose comparable form is in `search`."""
    folded = {(path, place): value for path, place, value in _leaves(search)}
    rows = []
    for path, place, value in _leaves(profile):
        key = folded[path, place]
        row: dict[str, Any] = {"path": NUMBERS[path], "place": place, "sent": None, "text_key": None, "truth": None}
        is_truth = isinstance(value, bool)
        rows.append(
            {**row, "truth": value} if is_truth else {**row, "text_key": key, "sent": value if value != key else None}
        )
    return rows


def profile_of(rows: Iterable[Any]) -> dict[str, Any]:
    """The profile that rows of `values` hold."""
    profile: dict[str, Any] = {}
    for row in rows:
        path = PATHS[row.path]
        holder = profile
        if path[0] in LISTS:
            elements = profile.setdefault(path[0], [])
            while len(elements) <= row.place:
                elements.append({})
            holder = elements[row.place]
        else:
            for name in path[:-1]:
                holder = holder.setdefault(name, {})
        text = row.text_key if row.sent is None else row.sent
        holder[path[-1]] = text if row.truth is None else row.truth
    return profile


def load(engine: Engine, workspace_id: str, count: int) -> None:
    """The same contacts as million.load_contacts makes."""
    _metadata.create_all(engine)
    search = million.search_form(_ONE)
    made = {"id": million.ID, **contacts.values_of(_ONE, search)}
    person = {column.name: made[column.name] for column in _KEPT if column.name in made} | {"number": lambda n: n}
    rows = [{"workspace": WORKSPACE, "contact": lambda n: n, **row} for row in rows_of(_ONE.profile, search)]
    million.load(engine, workspace_id, count, [(people, person), *((values, row) for row in rows)])


_READ: Final = [column for column in people.c if column.name != "label" and not column.name.endswith("_key")]
_PEOPLE: Final[Select[Any]] = select(*_READ, *SEAT, called.c.value.label("external_id")).select_from(
    people.outerjoin(
        seats, and_(seats.c.workspace_id == people.c.workspace_id, seats.c.holder_id == people.c.id)
    ).outerjoin(called, external_ids.of_connection(called, people, bindparam("connection")))
)
_VALUES: Final = select(values).where(values.c.workspace == WORKSPACE).order_by(values.c.contact)
_BY_ID: Final = _PEOPLE.where(people.c.workspace_id == bindparam("w"), people.c.id == bindparam("id"))
_OF_ONE: Final = _VALUES.where(values.c.contact == bindparam("number"))
_OF_SEVERAL: Final = _VALUES.where(values.c.contact.in_(bindparam("numbers", expanding=True)))


def read(db: Db, connection: Connection, contact_id: str) -> tuple[Any, dict[str, Any]]:
    """A contact's row and its profile."""
    key = {"w": connection.workspace_id, "id": contact_id, "connection": connection.id}
    row = db.execute(_BY_ID, key).one()
    return row, profile_of(db.execute(_OF_ONE, {"number": row.number}))


def page(db: Db, connection: Connection, start: int) -> list[tuple[Any, dict[str, Any]]]:
    """A hundred contacts, without the archived ones."""
    listed = and_(people.c.workspace_id == connection.workspace_id, people.c.archived.is_(False))
    rows = _PEOPLE.where(listed).order_by(people.c.id).limit(100).offset(start)
    return _whole(db, db.execute(rows, {"connection": connection.id}).all())


def find(db: Db, connection: Connection, asked: Mapping[str, str]) -> tuple[int, list[tuple[Any, dict[str, Any]]]]:
    """How many contacts have all these values (counted where a page can't tell), and the first hundred."""
    first, *others = [(values.alias(), path, value.lower()) for path, value in asked.items()]
    source: Any = first[0]
    for table, path, value in others:
        joined = and_(table.c.workspace == WORKSPACE, table.c.contact == first[0].c.contact)
        source = source.join(table, and_(joined, table.c.path == NUMBERS[(path,)], table.c.text_key == value))
    table, path, value = first
    wanted = and_(table.c.workspace == WORKSPACE, table.c.path == NUMBERS[(path,)], table.c.text_key == value)
    of_page = select(table.c.contact).select_from(source).where(wanted).order_by(table.c.contact).limit(100)
    numbers = list(db.scalars(of_page))
    total = len(numbers)
    if total == 100:
        total = db.scalar(select(func.count()).select_from(source).where(wanted)) or 0
    mine = and_(people.c.workspace_id == connection.workspace_id, people.c.number.in_(numbers))
    rows = _PEOPLE.where(mine).order_by(people.c.number)
    return total, _whole(db, db.execute(rows, {"connection": connection.id}).all())


def _whole(db: Db, rows: Sequence[Any]) -> list[tuple[Any, dict[str, Any]]]:
    found: dict[int, list[Any]] = {row.number: [] for row in rows}
    for value in db.execute(_OF_SEVERAL, {"numbers": list(found)}):
        found[value.contact].append(value)
    return [(row, profile_of(found[row.number])) for row in rows]


def change_title(db: Db, connection: Connection, contact_id: str, title: str, now: datetime) -> None:
    """Read the contact, and store what differs: the row of the title and the contact's own."""
    row, _ = read(db, connection, contact_id)
    mine = and_(
        people.c.workspace_id == connection.workspace_id, people.c.id == contact_id, people.c.version == row.version
    )
    db.execute(update(people).where(mine).values(version=row.version + 1, modified=now))
    of_contact = (values.c.workspace == WORKSPACE, values.c.contact == row.number)
    key = fold(USER.attributes["title"], title)
    new = {"text_key": key, "sent": None if title == key else title}
    db.execute(update(values).where(*of_contact, values.c.path == NUMBERS[("title",)], values.c.place == 0).values(new))
