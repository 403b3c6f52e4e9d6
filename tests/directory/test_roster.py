"""Pages of the list of contacts, walked both ways, against a plain list of everybody."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any, Final

import orjson
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from scim_server.directory import access, contacts, groups, roster
from scim_server.directory.access import NotAllowed
from scim_server.directory.roster import Page, Wanted
from scim_server.domain.actor import Actor
from scim_server.domain.connection import Connection
from scim_server.domain.contact import Status
from scim_server.domain.errors import MissingPermission
from scim_server.domain.roles import Permission, Role
from scim_server.domain.seats import SeatState
from scim_server.scim.schema import USER, fold
from scim_server.storage import roster as stored
from scim_server.storage import tables
from scim_server.storage.db import writing
from scim_server.storage.roster import Sort
from tests.directory.desk import Desk
from tests.support import WORKSPACE_URN, Client, World, new_world

PEOPLE: Final = 40
SORTS: Final[Sequence[Sort]] = ("name", "-name", "created", "-created")
# Beginnings of one another, in two cases and widths, with what LIKE takes for any text, and the last of characters.
WORDS: Final = (
    "ann", "Ann", "ANNA", "an", "a", "a%", "a_b", "%", "_", "á", "a\u0301", "Zoë", "Å", "\N{ANGSTROM SIGN}",
    "\N{FULLWIDTH LATIN SMALL LETTER A}n",
    "\U0010ffff", "\U0010ffffx", "ΣΊΣΥΦΟΣ", "Σίσ", "ß", "10%", "o'neil", "ann b", "x\\", "😀",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """What the oracle knows of a contact; the words are folded."""

    id: str
    label: str
    words: Sequence[str]
    status: Status
    archived: bool = False
    groups: frozenset[str] = frozenset()
    connections: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Crowd:
    """A workspace, and what is in it."""

    desk: Desk
    people: Sequence[Person]
    group_ids: Sequence[str]
    connection_ids: Sequence[str]

    def page(self, wanted: Wanted, position: str | None = None, count: int = 7) -> Page:
        return roster.page(self.desk.directory, self.desk.call.actor, wanted, position=position, count=count)


def folded(text: str) -> str:
    return fold(USER.attributes["username"], text)


def name(random: Random) -> str:
    return random.choice(WORDS) + random.choice(("", "", " ", *WORDS))


@cache
def crowd(app: Flask, seed: int) -> Crowd:
    """Made once and never changed: forty people, three groups of which one is inside another, two connections."""
    random = Random(seed)
    desk = Desk(new_world(app))
    made = [access.create_connection(desk.directory, desk.world.name, each) for each in ("one", "other")]
    found = [_person(desk, random, number, made) for number in range(PEOPLE)]
    inside = [{each.id for each in random.sample(found, 8)} for _ in range(3)]
    ids: list[str] = []
    for number, people in enumerate(inside):
        members = [{"value": each} for each in [*people, *ids[:1]]]  # the first group is inside the others
        resource = {"displayName": f"Team {number}", "members": members}
        ids.append(groups.create(desk.directory, desk.call, resource)["id"])
    for others in inside[1:]:
        others |= inside[0]
    owner = f"owner@{desk.world.name}.test"
    everybody = [Person(desk.world.owner_id, owner, [owner], Status.ACTIVE), *found]
    grouped = [
        replace(each, groups=frozenset(ids[place] for place in range(3) if each.id in inside[place]))
        for each in everybody
    ]
    return Crowd(desk, grouped, ids, [each.id for each in made])


def _person(desk: Desk, random: Random, number: int, made: Sequence[Connection]) -> Person:
    user_name = f"{name(random).strip()}{number}"
    display, family = random.choice((None, name(random))), random.choice((None, name(random)))
    emails = [f"{random.choice(('ann', 'Zoe', 'x'))}{number}{place}@x.test" for place in range(random.randrange(3))]
    connection, archived = random.choice((None, *made)), random.random() < 0.3
    user: dict[str, Any] = {
        "userName": user_name,
        "active": random.random() < 0.4,
        "emails": [{"value": each} for each in emails],
        WORKSPACE_URN: {"archived": archived},
    }
    user |= {"displayName": display} if display else {}
    user |= {"name": {"familyName": family}} if family else {}
    user |= {"externalId": f"e{number}"} if connection else {}
    contact_id = contacts.create(desk.directory, replace(desk.call, connection=connection), user)["id"]
    status = Status.ACTIVE if user["active"] else random.choice((Status.INACTIVE, Status.INVITED, Status.UNINVITED))
    if status is Status.INVITED:
        desk.invite(contact_id, f"{secrets.token_hex(6)}@x.test")
    if status is Status.UNINVITED:  # as one is whom a person made
        of_contact = (tables.contacts.c.workspace_id == desk.world.workspace_id, tables.contacts.c.id == contact_id)
        changed = update(tables.contacts).where(*of_contact).values(status=status.value)
        writing(desk.directory.engine, lambda db: db.execute(changed))
    words = [folded(each) for each in (display or user_name, user_name, family, *emails) if each]
    own = frozenset({connection.id}) if connection else frozenset[str]()
    return Person(contact_id, words[0], words, status, archived, connections=own)


def expected(people: Sequence[Person], wanted: Wanted) -> list[str]:
    """The ids that are wanted, in order, told by looking at everybody."""
    text = folded(wanted.text.strip())
    found = [
        each
        for each in people
        if (wanted.with_archived or not each.archived)
        and wanted.status in (None, each.status)
        and (wanted.group_id is None or wanted.group_id in each.groups)
        and (wanted.connection_id is None or wanted.connection_id in each.connections)
        and any(word.startswith(text) for word in each.words)
    ]
    by_name = wanted.sort in ("name", "-name")
    found.sort(key=lambda each: (each.label if by_name else "", each.id), reverse=wanted.sort.startswith("-"))
    return [each.id for each in found]


def walked(crowd: Crowd, wanted: Wanted, count: int, *, back: bool, start: Page) -> Iterator[Page]:
    """The pages from `start` on, to the end or back to the beginning."""
    page: Page | None = start
    while page is not None:
        yield page
        position = page.previous if back else page.next
        page = None if position is None else crowd.page(wanted, position, count)


@st.composite
def wants(draw: st.DrawFn, crowd: Crowd) -> Wanted:
    some_text = st.sampled_from([*WORDS, *(word for each in crowd.people for word in each.words)])
    prefix = some_text.flatmap(lambda text: st.integers(1, len(text)).map(lambda length: text[:length]))
    return Wanted(
        text=draw(st.one_of(st.just(""), st.just("  "), prefix)),
        status=draw(st.sampled_from((None, None, *Status))),
        with_archived=draw(st.booleans()),
        group_id=draw(st.sampled_from((None, None, *crowd.group_ids, "nobody"))),
        connection_id=draw(st.sampled_from((None, None, *crowd.connection_ids, "nobody"))),
        sort=draw(st.sampled_from(SORTS)),
    )


@pytest.mark.parametrize("few", [5000, 4], ids=["few fetched", "all walked"])
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_pages_are_what_a_look_at_everybody_finds(app: Flask, few: int, data: st.DataObject) -> None:
    one = crowd(app, data.draw(st.integers(0, 1)))
    wanted, count = data.draw(wants(one)), data.draw(st.integers(2, 12))
    ids = expected(one.people, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "FEW", few)
        patch.setattr(stored, "CAP", data.draw(st.sampled_from((1000, 3))))
        first = one.page(wanted, count=count)
        pages = list(walked(one, wanted, count, back=False, start=first))
        back = list(walked(one, wanted, count, back=True, start=pages[-1]))
    found = [line.id for page in pages for line in page.lines]
    assert found == [line.id for page in reversed(back) for line in page.lines]
    assert first.previous is None
    assert {page.capped for page in pages} == {first.capped}
    assert first.total in (None, len(ids))
    if first.capped:
        assert wanted.text.strip()
        assert first.total is None
        assert found == [each for each in ids if each in set(found)]
    else:
        assert found == ids


def test_a_capped_search_shows_the_first_that_it_finds(world: World) -> None:
    desk = Desk(world)
    for number in range(6):
        desk.person(f"ann{number}@x.test")
    one = Crowd(desk, (), (), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "CAP", 4)
        patch.setattr(stored, "FEW", 3)
        page = one.page(Wanted(text="ann"))
        last = one.page(Wanted(text="ann", sort="-name"), count=1)
        whole = one.page(Wanted(text="ann1"))
    assert ([line.name[:4] for line in page.lines], page.capped, page.total) == (
        [f"ann{n}" for n in range(4)],
        True,
        None,
    )
    assert last.lines[0].name == "ann3@x.test"
    assert (whole.capped, whole.total) == (False, 1)


def test_what_a_line_says(client: Client, world: World) -> None:
    desk = Desk(world)
    emails = [{"value": "a@x.test"}, {"value": "B@x.test", "primary": True}]
    kim = client.user("kim@x.test", displayName="Kim Ö", emails=emails, name={"familyName": "Ito"})["id"]
    gone = client.user("gone@x.test", active=False)["id"]
    page = roster.page(desk.directory, desk.call.actor, Wanted(sort="created"))
    owner, line, other = page.lines
    assert (owner.id, owner.role, owner.status, owner.over) == (world.owner_id, Role.OWNER, Status.ACTIVE, False)
    assert (line.id, line.name, line.user_name, line.email) == (kim, "Kim Ö", "kim@x.test", "B@x.test")
    assert (line.seat, line.licence, line.archived) == (SeatState.ASSIGNED, "member", False)
    assert (other.id, other.name, other.email, other.seat, other.status) == (
        gone, "gone@x.test", None, None, Status.INACTIVE,
    )  # fmt: skip
    assert line.created.isoformat().replace("+00:00", "Z") == client.get(f"/Users/{kim}").json["meta"]["created"]
    assert line.status_changed_at == line.created
    assert (page.total, page.capped, page.next, page.previous) == (3, False, None, None)
    client.patch(f"/Users/{kim}", {"op": "replace", "path": "displayName", "value": "ÅSA"})
    found = roster.page(desk.directory, desk.call.actor, Wanted(text="\N{ANGSTROM SIGN}s"))
    assert [each.name for each in found.lines] == ["ÅSA"]


def test_totals_are_counted_for_everybody_alone(client: Client, world: World) -> None:
    desk = Desk(world)
    client.user("kim@x.test", **{WORKSPACE_URN: {"archived": True}})
    one = Crowd(desk, (), (), ())
    assert one.page(Wanted()).total == 1
    assert one.page(Wanted(with_archived=True, sort="-created")).total == 2
    assert one.page(Wanted(status=Status.ACTIVE)).total is None
    assert one.page(Wanted(text="kim")).total == 0
    assert one.page(Wanted(text="kim", with_archived=True)).total == 1


def test_an_invitation_past_its_time_is_expired_first(world: World) -> None:
    desk = Desk(world)
    kim = desk.person("kim@x.test")
    desk.invite(kim, "kim@x.test")
    one = Crowd(desk, (), (), ())
    assert [line.id for line in one.page(Wanted(status=Status.INVITED)).lines] == [kim]
    desk.now += timedelta(days=8)
    assert not one.page(Wanted(status=Status.INVITED)).lines
    line = one.page(Wanted(status=Status.INACTIVE)).lines[0]
    assert (line.id, line.seat) == (kim, None)


def sealed(*parts: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "position",
    [
        "", "%", "é", "a", "aaaaa", "/+==", sealed(), sealed("name"), sealed("-name", "k", "i", False),
        sealed("name", "k", "i", 1), sealed("name", None, "i", False), sealed("name", "k\x00", "i", False),
        sealed("created", "", "i", False), base64.urlsafe_b64encode(b'{"name": 1}').decode(), "A" * 100_001,
    ],
)  # fmt: skip
def test_positions_of_other_lists_are_refused(world: World, position: str) -> None:
    with pytest.raises(NotAllowed, match="Begin with the first"):
        Crowd(Desk(world), (), (), ()).page(Wanted(), position)


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_text_that_no_database_keeps_is_refused(world: World, text: str) -> None:
    one = Crowd(Desk(world), (), (), ())
    for wanted in (Wanted(text=text), Wanted(group_id=text), Wanted(connection_id=text)):
        with pytest.raises(NotAllowed):
            one.page(wanted)
    directory, actor = one.desk.directory, one.desk.call.actor
    with pytest.raises(NotAllowed):
        roster.groups_named(directory, actor, text)
    assert roster.group_with_name(directory, actor, text) is None


def test_another_workspace_shows_nothing(app: Flask, world: World) -> None:
    other = crowd(app, 0)
    one = Crowd(Desk(world), (), (), ())
    assert [line.id for line in one.page(Wanted(with_archived=True)).lines] == [world.owner_id]
    assert not one.page(Wanted(group_id=other.group_ids[0], with_archived=True)).lines
    assert not one.page(Wanted(connection_id=other.connection_ids[0], with_archived=True)).lines
    assert not one.page(Wanted(text="ann", with_archived=True)).lines


def test_groups_to_choose_from(client: Client, world: World) -> None:
    desk = Desk(world)
    directory, actor = desk.directory, desk.call.actor
    made = {each: client.group(each)["id"] for each in ("Zebra", "ann", "Ann B", "100%")}
    assert [each.name for each in roster.groups_named(directory, actor)] == ["100%", "ann", "Ann B", "Zebra"]
    assert [each.name for each in roster.groups_named(directory, actor, " ANN")] == ["ann", "Ann B"]
    assert [each.name for each in roster.groups_named(directory, actor, count=1)] == ["100%"]
    assert roster.groups_named(directory, actor, "%") == []
    found = roster.group_with_name(directory, actor, "ANN b")
    assert found == roster.Named(made["Ann B"], "Ann B")
    assert roster.group_with_name(directory, actor, "An") is None


def test_connections_to_choose_from(world: World) -> None:
    desk = Desk(world)
    made = {each: access.create_connection(desk.directory, world.name, each).id for each in ("beta", "Alpha")}
    found = roster.connections(desk.directory, desk.call.actor)
    assert found == [roster.Named(made[each], each) for each in ("Alpha", "beta")]


def test_permissions(world: World) -> None:
    desk = Desk(world)
    nobody = replace(desk.call.actor, permissions=frozenset())
    viewer = replace(desk.call.actor, permissions=frozenset({Permission.CONTACTS_VIEW}))
    directory = desk.directory
    roster.page(directory, viewer, Wanted())
    roster.connections(directory, viewer)
    refused: list[tuple[Actor, Callable[[Actor], object]]] = [
        (nobody, lambda actor: roster.page(directory, actor, Wanted())),
        (nobody, lambda actor: roster.connections(directory, actor)),
        (viewer, lambda actor: roster.groups_named(directory, actor)),
        (viewer, lambda actor: roster.group_with_name(directory, actor, "x")),
    ]
    for actor, asked in refused:
        with pytest.raises(MissingPermission):
            asked(actor)
