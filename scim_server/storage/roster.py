"""The list of contacts as a person pages through it: by name or creation, filtered, searched, fast among a million.

An index holds a range for each status, archived or not, in the order of names and in that of creation; a page is a
merge of such ranges, read where the page begins. What a search or a small group finds is few enough to be sorted.
Always by workspace. Knows no permission, no request and no page's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, CompoundSelect, Select, Table, func, literal, or_, select, tuple_, union_all
from sqlalchemy import Connection as Db

from scim_server.domain.contact import Status
from scim_server.domain.roles import Role
from scim_server.domain.seats import SeatState
from scim_server.scim.paging import Position
from scim_server.scim.schema import USER, fold
from scim_server.storage import counts, groups, tables
from scim_server.storage.comparison import starts_with
from scim_server.storage.contacts import HOLDS, chunked
from scim_server.storage.external_ids import of_connection
from scim_server.storage.tables import String, contact_emails, contact_external_ids, contacts, members, seats

CAP: Final = 1000
"""How many contacts a search shows at most."""
FEW: Final = 5000
"""So many rows are looked at one by one without a thought."""

Sort: TypeAlias = Literal["name", "-name", "created", "-created"]
Key: TypeAlias = tuple[str, str]
"""What a contact is sorted by: folded label (empty where it isn't by name), and id."""
Condition: TypeAlias = ColumnElement[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which contacts, and in which order.

    `text` is what the name, userName, family name or an e-mail begins with. A group's contacts are those in it and in
    the groups inside it, a connection's those that it gave an external id.
    """

    text: str = ""
    status: Status | None = None
    with_archived: bool = False
    group_id: str | None = None
    connection_id: str | None = None
    sort: Sort = "name"

    @property
    def everyone(self) -> bool:
        """Whether nothing is asked but, perhaps, to see archived contacts too."""
        return self == Wanted(with_archived=self.with_archived, sort=self.sort)

    @property
    def by_name(self) -> bool:
        """Whether names order the list; the order of creation is that of ids."""
        return self.sort in ("name", "-name")


@dataclass(frozen=True, slots=True)
class Found:
    """The keys on a page and one more, in walking order. `total`: how many are wanted in all, where that is known.

    `capped`: more are wanted than were found.
    """

    keys: Sequence[Key]
    total: int | None = None
    capped: bool = False


@dataclass(frozen=True, slots=True)
class _Query:
    """A question about one workspace: `within` are the group's own id and those inside it; `text` is folded."""

    workspace_id: str
    wanted: Wanted
    text: str
    within: Sequence[str]
    postgres: bool

    @property
    def key(self) -> ColumnElement[Any]:
        """The column beside the id that orders the list."""
        return (contacts.c.label_key if self.wanted.by_name else literal("", String)).label("key")

    @property
    def descending(self) -> bool:
        """Whether the list goes down."""
        return self.wanted.sort.startswith("-")


Rows: TypeAlias = Select[Any] | CompoundSelect[Any]


def find(db: Db, workspace_id: str, wanted: Wanted, position: Position | None, count: int) -> Found:
    """The page of `count` beyond `position` (None: the first one)."""
    text = fold(USER.attributes["username"], wanted.text.strip())
    within: Sequence[str] = ()
    if wanted.group_id is not None:
        within = groups.inside(db, workspace_id, wanted.group_id)
    query = _Query(workspace_id, wanted, text, within, db.dialect.name == "postgresql")
    if (few := _few(db, query)) is not None:
        return _page_of(db, query, few, position, count)
    if text:
        found, capped = _search(db, query)
        return _sorted(query, found, position, count, capped=capped)
    total = counts.total(db, workspace_id, with_archived=wanted.with_archived) if wanted.everyone else None
    return Found(_walk(db, query, position, count + 1), total)


def _keys(db: Db, rows: Rows) -> list[Key]:
    return [(row.key, row.id) for row in db.execute(rows)]


# The ordered scan


def _walk(db: Db, query: _Query, position: Position | None, count: int) -> list[Key]:
    """The first `count` keys beyond a position, in walking order.

    Where more than the status is asked, ever longer pieces are read and those kept that are wanted: a condition in the
    statement would make it look through a whole range for the first one that meets it.
    """
    back = position is not None and position.back
    by_membership = not query.wanted.by_name and len(query.within) == 1
    whole = by_membership or not _asked(query)
    size, found = (count if whole else 4 * count), list[Key]()
    while True:
        rows = _by_membership(query, position, size) if by_membership else _scan(query, position, size)
        keys = _keys(db, rows)
        wanted = set(keys if whole else _those(db, query, [contact_id for _, contact_id in keys]))
        found += [each for each in keys if each in wanted]
        if len(keys) < size or len(found) >= count:
            return found[:count]
        position = Position(keys[-1][1], keys[-1][0], back)
        size = min(2 * size, FEW)


def _scan(query: _Query, position: Position | None, count: int) -> Rows:
    """The first `count` of those of the wanted status beyond a position, in walking order."""
    down = query.descending is not (position is not None and position.back)
    beyond = [] if position is None else [_beyond(query, contacts.c.id, position, down=down)]
    order = ("key", "id") if query.wanted.by_name else ("id",)
    return _merged(query, _ranges(query, query.key, beyond), order, count, down=down).limit(count)


def _by_membership(query: _Query, position: Position | None, count: int) -> Rows:
    """As _scan, but all that is asked: a group's contacts in the order of their ids, which is that of memberships."""
    member = members.c.member_id
    down = query.descending is not (position is not None and position.back)
    asked = _asked(replace(query, wanted=replace(query.wanted, group_id=None)))
    wanted = select(contacts.c.id).where(contacts.c.id == member, *_in_ranges(query), *asked)
    beyond = [] if position is None else [_beyond(query, member, position, down=down)]
    rows = select(query.key, member.label("id")).where(*_of_group(query), *beyond, _has(wanted, members))
    return rows.order_by(member.desc() if down else member.asc()).limit(count)


def _ranges(query: _Query, key: ColumnElement[Any], conditions: Sequence[Condition]) -> list[Select[Any]]:
    """For each status, archived or not, those of its contacts that meet the conditions: `key` and id."""
    wanted, columns = query.wanted, contacts.c
    statuses = Status if wanted.status is None else (wanted.status,)
    return [
        select(key.label("key"), columns.id).where(
            columns.workspace_id == query.workspace_id,
            columns.archived == literal(archived),
            columns.status == literal(status.value, String),
            *conditions,
        )
        for status in statuses
        for archived in ((False, True) if wanted.with_archived else (False,))
    ]


def _merged(
    query: _Query, ranges: Sequence[Select[Any]], order: Sequence[str], limit: int, *, down: bool
) -> CompoundSelect[Any]:
    """The ranges as one, in order, of which no more than `limit` are read: both databases merge them row by row.

    PostgreSQL does so where each range is in that order by itself and has a limit, and sorts all of them otherwise.
    SQLite would sort what a limit leaves.
    """

    def directed(columns: Any) -> list[ColumnElement[Any]]:
        return [columns[name].desc() if down else columns[name].asc() for name in order]

    most = limit if query.postgres else None
    parts = [each.order_by(*directed(each.selected_columns)).limit(most).subquery() for each in ranges]
    merged = union_all(*(select(part.c.key, part.c.id) for part in parts))
    return merged.order_by(*directed(merged.selected_columns))


def _beyond(query: _Query, contact_id: ColumnElement[Any], position: Position, *, down: bool) -> Condition:
    if not query.wanted.by_name:
        return contact_id < position.id if down else contact_id > position.id
    here = tuple_(literal(position.value, String), literal(position.id, String))
    there = tuple_(contacts.c.label_key, contact_id)
    return there < here if down else there > here


# What is asked of a contact beside its status


def _in_ranges(query: _Query) -> list[Condition]:
    wanted = query.wanted
    found = [contacts.c.workspace_id == query.workspace_id]
    if wanted.status is not None:
        found.append(contacts.c.status == literal(wanted.status.value, String))
    if not wanted.with_archived:
        found.append(contacts.c.archived == literal(False))
    return found


def _asked(query: _Query) -> list[Condition]:
    """Conditions on a row of contacts: to be in the group, to be the connection's, to begin with the text."""
    found: list[Condition] = []
    if query.wanted.group_id is not None:
        found.append(_has(select(members.c.member_id).where(*_of_group(query), members.c.member_id == contacts.c.id)))
    if query.wanted.connection_id is not None:
        ids = contact_external_ids
        found.append(_has(select(ids.c.holder_id).where(of_connection(ids, contacts, query.wanted.connection_id))))
    if query.text:
        names = (contacts.c.label_key, contacts.c.user_name_key, contacts.c.family_name_key)
        address = _addresses(query).where(contact_emails.c.contact_id == contacts.c.id)
        found.append(or_(*(starts_with(name, query.text) for name in names), _has(address)))
    return found


def _has(rows: Select[Any], table: Table = contacts) -> Condition:
    """Whether a row of `table` has one of `rows`. As a value, which no planner makes a join of: it is looked up."""
    return rows.correlate(table).limit(1).scalar_subquery().is_not(None)


def _of_group(query: _Query) -> list[Condition]:
    columns = members.c
    return [
        columns.workspace_id == query.workspace_id,
        columns.group_id.in_(query.within),
        columns.contact_id.is_not(None),
    ]


def _addresses(query: _Query) -> Select[Any]:
    emails = contact_emails.c
    of_workspace = emails.workspace_id == query.workspace_id
    return select(emails.contact_id.label("id")).where(of_workspace, starts_with(emails.value_key, query.text))


# Few enough to be fetched


def _few(db: Db, query: _Query) -> Select[Any] | None:
    """All that are wanted, where the group, the connection or the status has few contacts; None where none has."""
    wanted = query.wanted
    if wanted.group_id is not None:
        # in the order of an index, as a planner that knows of few groups would rather walk all memberships
        side = select(members.c.contact_id.label("id")).where(*_of_group(query))
        if not _exceeds(db, side := side.order_by(members.c.group_id, members.c.member_id)):
            return _looked_up(replace(query, wanted=replace(wanted, group_id=None)), side)
    if wanted.connection_id is not None:
        called = contact_external_ids.c
        of_side = (called.workspace_id == query.workspace_id, called.connection_id == wanted.connection_id)
        side = select(called.holder_id.label("id")).where(*of_side).order_by(called.value_key)
        if not _exceeds(db, side):
            return _looked_up(replace(query, wanted=replace(wanted, connection_id=None)), side)
    if query.text or wanted.group_id is not None or wanted.connection_id is not None:
        of_status = union_all(*_ranges(query, contacts.c.id, ()))
        return None if _exceeds(db, of_status) else _looked_up(query, of_status)
    return None


def _looked_up(query: _Query, source: Rows) -> Select[Any]:
    """Those of the ids in `source` that are wanted, each once: `key` and id.

    By a look-up for each, as a join may be begun from the other side.
    """
    ids = source.subquery()
    each = select(ids.c.id).distinct().subquery()
    wanted = select(query.key).where(contacts.c.id == each.c.id, *_in_ranges(query), *_asked(query))
    keys = select(wanted.correlate(each).scalar_subquery().label("key"), each.c.id)
    looked_up = keys.offset(0).subquery()  # both planners leave it as it is then, and look each up once, not twice
    return select(looked_up.c.key, looked_up.c.id).where(looked_up.c.key.is_not(None))


def _page_of(db: Db, query: _Query, few: Select[Any], position: Position | None, count: int) -> Found:
    """The page of so few, and how many they are: sorted by the database, so that it hands over the page alone."""
    found = few.cte("found")
    down = query.descending is not (position is not None and position.back)
    total = select(func.count()).select_from(found).scalar_subquery()
    rows = select(found.c.key, found.c.id, total.label("total"))
    if position is not None:
        here = tuple_(literal(position.value, String), literal(position.id, String))
        there = tuple_(found.c.key, found.c.id)
        rows = rows.where(there < here if down else there > here)
    order = [column.desc() if down else column.asc() for column in (found.c.key, found.c.id)]
    page = db.execute(rows.order_by(*order).limit(count + 1)).all()
    counted = page[0].total if page else db.scalar(select(func.count()).select_from(found))
    return Found([(row.key, row.id) for row in page], counted)


def _those(db: Db, query: _Query, ids: Sequence[str]) -> list[Key]:
    """Those of `ids` that are wanted."""
    rows = select(query.key, contacts.c.id).where(*_in_ranges(query), *_asked(query))
    return [key for chunk in chunked(ids) for key in _keys(db, rows.where(contacts.c.id.in_(chunk)))]


def _exceeds(db: Db, rows: Rows) -> bool:
    """Whether there are more than FEW."""
    counted = select(func.count()).select_from(rows.limit(FEW + 1).subquery())
    return db.execute(counted).scalar_one() > FEW


def _sorted(query: _Query, keys: Sequence[Key], position: Position | None, count: int, *, capped: bool) -> Found:
    """The page of what was found, by code point as databases order it."""
    down = query.descending is not (position is not None and position.back)
    rows = sorted(keys, reverse=down)
    if position is not None:
        here = (position.value, position.id)
        rows = [each for each in rows if (each < here if down else each > here)]
    return Found(rows[: count + 1], None if capped else len(keys), capped)


# The search


def _search(db: Db, query: _Query) -> tuple[Sequence[Key], bool]:
    """Who begins with the text: CAP at most, and whether there may be more.

    Each index on what may begin so is walked from there; of what isn't wanted for other reasons FEW are passed.
    """
    others = replace(query, text="")
    found: dict[Key, None] = {}
    capped = False
    for place, source in enumerate(_sources(query)):
        is_exact = place == 0 and not _asked(others)  # the labels are found by status already
        rows = _keys(db, _looked_up(others, source.limit(CAP + 1 if is_exact else FEW)).limit(CAP + 1))
        found.update(dict.fromkeys(rows))
        if len(found) > CAP:
            return list(found)[:CAP], True
        capped = capped or (not is_exact and _exceeds(db, source))
    return list(found), capped


def _sources(query: _Query) -> list[Rows]:
    """Ids of contacts of which something begins with the text, each source in the order of its index."""
    labels = _ranges(query, contacts.c.label_key, [starts_with(contacts.c.label_key, query.text)])
    names = (
        select(contacts.c.id)
        .where(contacts.c.workspace_id == query.workspace_id, starts_with(name, query.text))
        .order_by(name)
        for name in (contacts.c.user_name_key, contacts.c.family_name_key)
    )
    addresses = _addresses(query).order_by(contact_emails.c.value_key)
    return [_merged(query, labels, ("key", "id"), max(CAP, FEW) + 1, down=False), *names, addresses]


# What a page shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A contact as a list shows it. `profile` is its JSON; the seat's state is None where it holds none."""

    id: str
    label: str
    user_name: str
    status: Status
    archived: bool
    role: Role
    licence: str
    seat: SeatState | None
    over: bool
    created: datetime
    status_changed_at: datetime | None
    profile: str


_SHOWN: Final = (
    "id",
    "label",
    "user_name",
    "status",
    "archived",
    "role",
    "licence",
    "profile",
    "created",
    "status_changed_at",
)


def rows_of(db: Db, workspace_id: str, ids: Sequence[str]) -> list[Row]:
    """The contacts with these ids, in their order."""
    own = (contacts.c[name] for name in _SHOWN)
    query = select(*own, seats.c.state, seats.c.over).select_from(contacts.outerjoin(seats, HOLDS))
    found = {
        row.id: row
        for chunk in chunked(ids)
        for row in db.execute(query.where(contacts.c.workspace_id == workspace_id, contacts.c.id.in_(chunk)))
    }
    return [_row(found[each]) for each in ids]


def _row(row: Any) -> Row:
    return Row(
        id=row.id,
        label=row.label,
        user_name=row.user_name,
        status=Status(row.status),
        archived=row.archived,
        role=Role(row.role),
        licence=row.licence,
        seat=None if row.state is None else SeatState(row.state),
        over=bool(row.over),
        created=row.created,
        status_changed_at=row.status_changed_at,
        profile=row.profile,
    )


def groups_by_name(db: Db, workspace_id: str, prefix: str, count: int) -> list[tuple[str, str]]:
    """Id and name of up to `count` groups whose folded names begin with `prefix`, in the order of names."""
    table = tables.groups.c
    begins = [starts_with(table.display_name_key, prefix)] if prefix else []
    query = select(table.id, table.display_name).where(table.workspace_id == workspace_id, *begins)
    rows = db.execute(query.order_by(table.display_name_key).limit(count))
    return [(row.id, row.display_name) for row in rows]
