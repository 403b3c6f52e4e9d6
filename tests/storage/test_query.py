"""The corpus of filters against both databases, and what the random draws of the filter law can't aim at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from flask import Flask
from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql

from scim_server.directory import access
from scim_server.directory.contacts import searchable
from scim_server.domain.contact import Contact, Status
from scim_server.domain.group import Group
from scim_server.domain.roles import Role
from scim_server.scim.errors import ScimError
from scim_server.scim.filter import FILTER_TOLERANCES, Limits, parse_filter
from scim_server.scim.filter_tree import Compare, ValuePath
from scim_server.scim.match import comparable
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER, WORKSPACE_URN, Target
from scim_server.storage import contacts, groups, tables
from scim_server.storage.db import reading, writing
from scim_server.storage.query import compile_filter, member_condition, sort_expression
from tests.support import CORPUS, Client, World, new_world

BASE: Final = "https://example.com/v2"
NOW: Final = datetime(2020, 3, 1, tzinfo=UTC)
TYPES: Final = {"User": USER, "Group": GROUP}
TABLES: Final = {"User": tables.contacts, "Group": tables.groups}
PEOPLE: Final[dict[str, list[dict[str, Any]]]] = json.loads((CORPUS / "people.json").read_text())
CASES: Final = [case for case in json.loads((CORPUS / "filters.json").read_text()) if "matches" in case]

# Cases about resources that the server can't hold as the corpus has them: why, and what is found then.
ALWAYS_MODIFIED: Final = "a stored resource always has meta.lastModified; here it is meta.created where it is absent"
DERIVED: Final = {
    "date-absent": (ALWAYS_MODIFIED, ["u1", "u2", "u3", "u4", "u5"]),
    "null-date": (ALWAYS_MODIFIED, []),
    "fig2-06": (ALWAYS_MODIFIED, ["u2", "u3", "u4", "u5"]),
    "fig2-07": (ALWAYS_MODIFIED, ["u1", "u2", "u3", "u4", "u5"]),
    "ref": ("the server gives every membership its $ref", ["u1", "u2"]),
}


def moment(person: dict[str, Any], name: str) -> datetime | None:
    text = person.get("meta", {}).get(name)
    return datetime.fromisoformat(text) if text else None


def contact_of(person: dict[str, Any]) -> Contact:
    created = moment(person, "created") or NOW
    workspace = person.get(WORKSPACE_URN, {})
    return Contact(
        id=person["id"],
        user_name=person["userName"],
        status=Status(workspace.get("status", "active")),
        archived=workspace.get("archived", False),
        role=Role.TEAM,
        external_id=person.get("externalId"),
        profile={"displayName": person["displayName"]} if "displayName" in person else {},
        created=created,
        modified=moment(person, "lastModified") or created,
    )


def group_of(team: dict[str, Any]) -> Group:
    return Group(
        id=team["id"],
        display_name=team["displayName"],
        external_id=team.get("externalId"),
        created=NOW,
        modified=NOW,
    )


def fill(db: Connection, workspace_id: str, by: str) -> None:
    """The corpus's people as rows, with the document that it gives them and not one that we derive."""
    for person in PEOPLE["User"]:
        contacts.save(db, workspace_id, by, contact_of(person), None, searchable(comparable(USER, person)))
    for team in PEOPLE["Group"]:
        groups.save(db, workspace_id, by, group_of(team), None, searchable(comparable(GROUP, team)))
    for team in PEOPLE["Group"]:
        kinds = {each["value"]: each["type"] for each in team["members"]}
        if kinds:
            groups.add_members(db, workspace_id, team["id"], kinds)
    seat = {"workspace_id": workspace_id, "id": "s1", "licence": "member", "state": "assigned", "holder_id": "u1"}
    db.execute(insert(tables.seats), {**seat, "since": NOW, "over": False})


@dataclass(frozen=True)
class People:
    """A workspace with the corpus's people, beside its owner, and the connection that named them."""

    world: World
    by: str


@pytest.fixture(scope="module")
def people(app: Flask) -> People:
    world = new_world(app)
    by = access.create_connection(world.directory, world.name, "by").id
    writing(world.directory.engine, lambda db: fill(db, world.workspace_id, by))
    return People(world, by)


def found(people: People, kind: str, filter: str, **options: Any) -> list[str]:
    term = parse_filter(TYPES[kind], filter, **options)
    world, table = people.world, TABLES[kind]
    with reading(world.directory.engine) as db:
        condition = compile_filter(db, world.workspace_id, BASE, kind, term, people.by)
        query = select(table.c.id).where(table.c.workspace_id == world.workspace_id, condition).order_by(table.c.id)
        return [each for each in db.scalars(query) if each != world.owner_id]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_corpus(people: People, case: dict[str, Any]) -> None:
    tolerance = frozenset(case.get("tolerance", FILTER_TOLERANCES))
    _, expected = DERIVED.get(case["id"], ("", case["matches"]))
    assert found(people, case.get("type", "User"), case["filter"], tolerance=tolerance) == expected


def test_exceptions_are_cases() -> None:
    assert set(DERIVED) <= {case["id"] for case in CASES}


@pytest.mark.parametrize(
    ("kind", "one"),
    [
        ("User", 'groups.display co "{}"'),
        ("User", 'groups[value eq "{}"]'),
        ("User", 'emails.value eq "{}"'),
        ("User", 'emails.display co "{}"'),
        ("User", 'externalId eq "{}"'),
        ("User", 'externalId co "{}"'),
        ("Group", 'members.display co "{}"'),
        ("Group", 'members.value eq "{}"'),
    ],
)
def test_a_filter_as_rich_as_may_be(people: People, kind: str, one: str) -> None:
    """PostgreSQL would look for the best order of so many joins for minutes."""
    text = " and ".join(one.format(f"none{number}") for number in range(150))
    assert found(people, kind, text, limits=Limits(length=100_000, terms=150)) == []


def test_brackets_as_deep_as_may_be(people: People) -> None:
    deep = Limits().depth - 1
    assert found(people, "User", "not (" * deep + "title pr" + ")" * deep) == ["u2", "u3", "u4"]


@pytest.mark.parametrize(
    "filter",
    [
        'meta.resourceType gt "a"', 'meta.version gt "W"', 'meta.location gt "a"', 'groups.type gt "a"',
        'groups.$ref gt "a"', f'{WORKSPACE_URN}:seat.state gt "a"', f'{ENTERPRISE_URN}:manager.$ref gt "a"',
        'title gt "a"', 'schemas gt "a"', 'externalId gt "a"',
    ],
)  # fmt: skip
def test_postgres_compares_by_code_point_whatever_its_locale(filter: str) -> None:
    class Postgres:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    condition = compile_filter(Postgres, "w", BASE, "User", parse_filter(USER, filter), "c")  # type: ignore[arg-type]
    assert 'COLLATE "C") > ' in str(condition.compile(dialect=Postgres.dialect))


@pytest.mark.parametrize("name", ["groups.value", "groups.display", "name", "emails", ENTERPRISE_URN])
def test_what_users_are_not_sorted_by(people: People, name: str) -> None:
    target = USER.resolve(name)
    assert target is not None
    with reading(people.world.directory.engine) as db, pytest.raises(ScimError) as refusal:
        sort_expression(db, BASE, "User", target, people.by)
    assert refusal.value.kind == "invalidValue"


def test_brackets_are_not_nested(people: People) -> None:
    path = parse_filter(GROUP, 'members[type eq "user"]')
    extension = Compare(Target(ENTERPRISE_URN, None), "eq", "x")
    assert isinstance(path, ValuePath)
    with reading(people.world.directory.engine) as db:
        for term in (ValuePath(path.target, path), extension):
            with pytest.raises(ScimError) as refusal:
                compile_filter(db, people.world.workspace_id, BASE, "Group", term, people.by)
            assert refusal.value.kind == "invalidFilter"
        with pytest.raises(ScimError):
            member_condition(db, BASE, path)


def test_empty_strings_are_values(world: World) -> None:
    """Where no tolerance makes them nothing, as with the preset strict."""
    client = world.client(preset="strict")
    schemas = [USER.schema, ENTERPRISE_URN]
    user = client.user("ann", schemas=schemas, displayName="", **{ENTERPRISE_URN: {"manager": {"value": ""}}})
    client.group("Team", user["id"])
    finds = {
        'displayName eq ""': 1,
        "displayName pr": 0,
        f"{ENTERPRISE_URN}:manager.value pr": 0,
        f"{ENTERPRISE_URN}:manager pr": 1,  # its $ref is
        f'{ENTERPRISE_URN}:manager[$ref ew "/Users/"]': 1,
    }
    for filter, total in finds.items():
        assert client.get(f'/Users?filter=userName eq "ann" and {filter}').json["totalResults"] == total, filter
    assert client.get('/Groups?filter=members.display eq "ann"').json["totalResults"] == 1


def test_external_ids_compare_in_normal_form(client: Client) -> None:
    user = client.user("ann", externalId="\N{OHM SIGN}1")
    answer = client.get('/Users?filter=externalId eq "\N{GREEK CAPITAL LETTER OMEGA}1"')
    assert [each["externalId"] for each in answer.json["Resources"]] == [user["externalId"]] == ["\N{OHM SIGN}1"]
