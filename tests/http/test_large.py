"""Large requests and a large group: what they cost is counted, in statements and in rows that the database hands over.

A change of members costs the same in a group of two and in one of a hundred thousand, so that the list is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from threading import get_ident
from typing import Any, Final

import pytest
from sqlalchemy import ColumnElement, Engine, String, Table, cast, event, func, insert, literal, select
from sqlalchemy import Connection as Db

from scim_server.app import create_app
from scim_server.settings import Settings
from scim_server.storage.db import reading, writing
from scim_server.storage.tables import contacts, groups, members
from scim_server.storage.upgrade import upgrade
from tests.conftest import DATABASES
from tests.support import ENTERPRISE_URN, Answer, Client, World, new_world

SIZE: Final = 100_000
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
FEW_ROWS: Final = 20
FEW_STATEMENTS: Final = 25


@dataclass
class Meter:
    """Counts what an engine does for this thread: statements, and rows that come back.

    The request log's thread writes on the same engine whenever it likes.
    """

    statements: int = 0
    rows: int = 0
    thread: int = field(default_factory=get_ident)

    def watch(self, engine: Engine) -> None:
        """Begin, before the engine has any connection."""
        event.listen(engine, "before_cursor_execute", self._note_statement)
        event.listen(engine, "connect", self._watch_rows)

    def _note_statement(self, *_: object) -> None:
        self.statements += get_ident() == self.thread

    def _watch_rows(self, connection: Any, _: object) -> None:
        # both drivers make each row that they fetch by the connection's row_factory
        is_sqlite = type(connection).__module__ == "sqlite3"
        connection.row_factory = self._row if is_sqlite else lambda _: self._psycopg_row

    def _row(self, _: object, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.rows += get_ident() == self.thread
        return row

    def _psycopg_row(self, row: Any) -> tuple[Any, ...]:
        return self._row(None, tuple(row))

    def cost(self, work: Callable[[], Answer], *statuses: int) -> tuple[int, int]:
        """(statements, rows) of a request that is answered with one of `statuses`."""
        before = self.statements, self.rows
        answer = work()
        assert answer.status in statuses, answer.text[:500]
        return self.statements - before[0], self.rows - before[1]


@dataclass(frozen=True)
class Large:
    """A workspace with a group of SIZE members and one of two."""

    world: World
    client: Client
    meter: Meter
    large: str
    small: str

    def same_cost(self, request: Callable[[str], Answer], *statuses: int) -> None:
        """The request costs little, and the same on the large group and on the small one."""
        small = self.meter.cost(lambda: request(self.small), *statuses)
        large = self.meter.cost(lambda: request(self.large), *statuses)
        assert large == small, "(statements, rows)"
        assert large[0] <= FEW_STATEMENTS
        assert large[1] <= FEW_ROWS

    def low_cost(self, request: Callable[[], Answer], *statuses: int, named: int = 0) -> None:
        """The request costs little; `named` is how many members it names itself."""
        statements, rows = self.meter.cost(request, *statuses)
        assert statements <= FEW_STATEMENTS
        assert rows <= 2 * named + FEW_ROWS


def member(number: int) -> str:
    return f"c{number + 1_000_000}"


def insert_many(db: Db, table: Table, count: int, values: dict[str, Any], numbered: dict[str, str]) -> None:
    """Insert `count` rows: the same `values` in each, and in the columns `numbered` a prefix and the row's number."""
    first = select(literal(1_000_000).label("n")).cte(recursive=True)
    numbers = first.union_all(select(first.c.n + 1).where(first.c.n < 999_999 + count))
    columns: dict[str, ColumnElement[Any]] = {
        name: literal(value, table.c[name].type) for name, value in values.items()
    }
    columns |= {name: literal(prefix) + cast(numbers.c.n, String) for name, prefix in numbered.items()}
    db.execute(insert(table).from_select(list(columns), select(*columns.values()).select_from(numbers)))


def fill(db: Db, world: World, small: str, large: str) -> None:
    """SIZE contacts and some more, and both groups."""
    own = {"workspace_id": world.workspace_id}
    person = {
        "status": "inactive", "archived": False, "role": "team", "licence": "member", "account_linked": False,
        "profile": "{}", "search": {}, "version": 1, "created": NOW, "modified": NOW,
    }  # fmt: skip
    names = {"id": "c", "user_name": "user", "user_name_key": "user", "label": "User "}
    insert_many(db, contacts, SIZE + 1000, {**own, **person}, names)
    for group_id, size in ((small, 2), (large, SIZE)):
        name = {"display_name": group_id, "display_name_key": group_id}
        group: dict[str, Any] = {"id": group_id, "profile": "{}", "search": {"displayName": group_id}}
        db.execute(insert(groups), {**own, **name, **group, "version": 1, "created": NOW, "modified": NOW})
        insert_many(db, members, size, {**own, "group_id": group_id}, {"member_id": "c", "contact_id": "c"})


@pytest.fixture(scope="module", params=DATABASES)
def large(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Large]:
    """The workspace on a database of its own, filled once for each kind."""
    app = create_app(Settings(database_url=new_database(request.param)))
    engine, meter = app.extensions["directory"].engine, Meter()
    upgrade(engine)
    engine.dispose()
    meter.watch(engine)
    world = new_world(app)
    writing(engine, lambda db: fill(db, world, "small", "large"))
    with engine.connect() as db:  # a server does so by itself, a little later
        db.exec_driver_sql("ANALYZE")
    client = world.client()
    client.get("/Users?count=1")  # notes the token's use
    yield Large(world, client, meter, "large", "small")
    engine.dispose()


def size_of(large: Large) -> int:
    """How many members the large group has."""
    with reading(large.world.directory.engine) as db:
        of_group = members.c.workspace_id == large.world.workspace_id, members.c.group_id == large.large
        return db.scalar(select(func.count()).select_from(members).where(*of_group)) or 0


def test_the_meter_sees_a_list_that_is_read(large: Large) -> None:
    _, rows = large.meter.cost(lambda: large.client.get(f"/Groups/{large.large}"), 200)
    assert rows >= size_of(large) >= SIZE


LISTED: Final = {"op": "remove", "path": "members", "value": [{"value": member(SIZE + 1)}]}
BY_VALUE_PATH: Final = {"op": "remove", "path": f'members[value eq "{member(SIZE + 1)}"]'}


@pytest.mark.parametrize("removed", [LISTED, BY_VALUE_PATH], ids=["listed", "by value path"])
def test_one_member_joins_and_leaves(large: Large, removed: dict[str, Any]) -> None:
    added = {"op": "add", "path": "members", "value": [{"value": member(SIZE + 1)}]}
    patch = large.client.patch
    before = size_of(large)
    large.same_cost(lambda group: patch(f"/Groups/{group}", added), 204)
    assert size_of(large) == before + 1
    large.same_cost(lambda group: patch(f"/Groups/{group}", added), 204)  # D14: again, and nothing changes
    large.same_cost(lambda group: patch(f"/Groups/{group}", removed), 204)
    assert size_of(large) == before


def test_what_does_not_ask_for_members(large: Large) -> None:
    who = member(1)  # in both groups
    rename = {"op": "replace", "path": "externalId", "value": "x"}
    patch, get = large.client.patch, large.client.get
    large.same_cost(lambda group: patch(f"/Groups/{group}", rename), 204)
    large.same_cost(lambda group: patch(f"/Groups/{group}?excludedAttributes=members", rename), 200)
    for path in (
        "/Groups/{}?excludedAttributes=members",
        "/Groups/{}?attributes=displayName",
        '/Groups?excludedAttributes=members&filter=displayName eq "{}"',
        f'/Groups?attributes=id&filter=id eq "{{}}" and members.value eq "{who}"',
    ):
        large.same_cost(partial(lambda path, group: get(path.format(group)), path), 200)
    is_in = f'filter=members.value eq "{who}"'
    large.low_cost(lambda: get(f"/Groups?excludedAttributes=members&{is_in}"), 200)
    large.low_cost(lambda: get(f"/Users/{who}"), 200)
    assert sorted(group["id"] for group in get(f"/Groups?attributes=id&{is_in}").json["Resources"]) == [
        "large",
        "small",
    ]
    assert sorted(group["value"] for group in get(f"/Users/{who}").json["groups"]) == ["large", "small"]


def test_a_member_is_deleted(large: Large) -> None:
    who = large.client.user("short-lived")["id"]
    large.client.patch(f"/Groups/{large.large}", {"op": "add", "path": "members", "value": [{"value": who}]})
    before = size_of(large)
    large.low_cost(lambda: large.client.delete(f"/Users/{who}"), 204)
    assert size_of(large) == before - 1


def test_a_thousand_members_at_once(large: Large) -> None:
    many = [{"value": member(SIZE + number)} for number in range(1000)]
    joined = {"op": "add", "path": "members", "value": many}
    left = {"op": "remove", "path": "members", "value": many}
    before = size_of(large)
    for change, size in ((joined, before + 1000), (joined, before + 1000), (left, before)):
        large.low_cost(partial(large.client.patch, f"/Groups/{large.large}", change), 204, named=1000)
        assert size_of(large) == size


def test_a_filter_encoded_over_and_over(large: Large) -> None:
    """One look for each of two readings, whatever the number of encodings."""
    text = f"userName%20eq%20%22{'%25' + '25' * 3000}41%22"
    large.low_cost(lambda: large.client.get(f"/Users?filter={text}"), 200)


# A PATCH of many operations, as Microsoft's validator sends it: an attribute each, value paths where nothing is yet.
ADDRESS: Final = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
NAME: Final = ("givenName", "familyName", "formatted", "middleName", "honorificPrefix", "honorificSuffix")
SINGLE: Final = (
    "displayName",
    "title",
    "preferredLanguage",
    "nickName",
    "userType",
    "locale",
    "timezone",
    "profileUrl",
)
ENTERPRISE: Final = ("employeeNumber", "department", "costCenter", "organization", "division")
PHONES: Final = ("work", "mobile", "fax")
ADDED: Final[dict[str, Any]] = {
    **{name: f"any {name}" for name in SINGLE},
    **{f"name.{name}": f"any {name}" for name in NAME},
    'emails[type eq "work"].value': "work@x.test",
    'emails[type eq "work"].primary': True,
    **{f'addresses[type eq "work"].{name}': f"any {name}" for name in ADDRESS},
    'addresses[type eq "work"].primary': "True",
    'phoneNumbers[type eq "work"].primary': "True",
    **{f'phoneNumbers[type eq "{kind}"].value': "56-357-7743" for kind in PHONES},
    **{f"{ENTERPRISE_URN}:{name}": f"any {name}" for name in ENTERPRISE},
    f"{ENTERPRISE_URN}:manager": {"value": "GZFDHGRKQLCG"},
    **{f'roles[primary eq "True"].{name}': f"any {name}" for name in ("display", "value", "type")},
}


def test_a_patch_of_thirty_six_operations(world: World) -> None:
    client = world.client(preset="entra")
    path = f"/Users/{client.user('kim@x.test')['id']}"
    operations = [{"op": "add", "path": target, "value": value} for target, value in ADDED.items()]
    assert len(operations) == 36
    answer = client.patch(path, *operations)
    assert answer.status == 200, answer.text
    user = client.get(path).json
    assert answer.json == user
    for name in SINGLE:
        assert user[name] == f"any {name}"
    assert user["name"] == {name: f"any {name}" for name in NAME}
    assert user["emails"] == [{"type": "work", "value": "work@x.test", "primary": True}]
    assert user["addresses"] == [{"type": "work", **{name: f"any {name}" for name in ADDRESS}, "primary": True}]
    assert [phone["type"] for phone in user["phoneNumbers"]] == list(PHONES)
    assert [phone.get("primary") for phone in user["phoneNumbers"]] == [True, None, None]
    enterprise = dict(user[ENTERPRISE_URN])
    assert enterprise.pop("manager")["value"] == "GZFDHGRKQLCG"
    assert enterprise == {name: f"any {name}" for name in ENTERPRISE}
    role = {"primary": True, "display": "any display", "value": "any value", "type": "any type"}
    assert user["roles"] == [role]
    again = client.patch(path, *operations).json
    assert again == user, "a repeat changes nothing (D14)"
