"""Contacts as rows: nothing is lost on the way in and out, and no writer overwrites what it hasn't seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from scim_server.directory import access
from scim_server.directory.contacts import searchable
from scim_server.domain.contact import Contact, Status
from scim_server.domain.invitation import Invitation, InvitationState
from scim_server.domain.roles import Role
from scim_server.mapping import to_user
from scim_server.scim.match import comparable
from scim_server.scim.schema import USER
from scim_server.storage import contacts, groups
from scim_server.storage.db import LostRace, reading, transaction, writing
from scim_server.storage.tables import contact_emails, members
from tests.support import Client, World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = TEXT.map(lambda text: f"{text}.")
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
INVITATIONS = st.builds(
    Invitation,
    email=TEXT,
    sent_at=MOMENTS,
    expires_at=MOMENTS,
    state=st.sampled_from(InvitationState),
    status_before=st.sampled_from(Status),
)
ADDRESSES = st.lists(st.fixed_dictionaries({"value": NAMES}, optional={"type": TEXT}), min_size=1, max_size=3)
PROFILES = st.fixed_dictionaries(
    {},
    optional={
        "displayName": TEXT,
        "nickName": TEXT,
        "name": st.dictionaries(st.sampled_from(["familyName", "givenName"]), TEXT, min_size=1),
        "emails": ADDRESSES,
        "active": st.none(),
        "archived": st.none(),
    },
)
CONTACTS = st.builds(
    Contact,
    id=st.uuids().map(str),
    user_name=NAMES,
    status=st.sampled_from(Status),
    archived=st.booleans(),
    archived_at=st.none() | MOMENTS,
    status_changed_at=st.none() | MOMENTS,
    role=st.sampled_from([role for role in Role if role is not Role.OWNER]),
    licence=st.sampled_from(["member", "client"]),
    seat=st.none(),
    invitation=st.none() | INVITATIONS,
    account_linked=st.booleans(),
    external_id=st.none() | TEXT,
    profile=PROFILES,
    password=st.none() | TEXT,
    created=MOMENTS,
    modified=MOMENTS,
    version=st.integers(1, 2**31 - 1),
)


@pytest.fixture
def by(world: World) -> str:
    """The id of a connection."""
    return access.create_connection(world.directory, world.name, "by").id


def save(
    db: Connection, world: World, contact: Contact, previous: Contact | None = None, by: str | None = None
) -> None:
    form = comparable(USER, to_user(contact, (), "https://x.test"))
    contacts.save(db, world.workspace_id, by, contact, previous, searchable(form))


def load(world: World, contact_id: str, by: str | None = None) -> Contact:
    with reading(world.directory.engine) as db:
        contact = contacts.load(db, world.workspace_id, contact_id, by)
    assert contact is not None
    return contact


@contextmanager
def undone(world: World) -> Iterator[Connection]:
    """A transaction that leaves nothing behind."""
    with world.directory.engine.connect() as db:
        ending = db.begin()
        yield db
        ending.rollback()


def addresses(db: Connection, contact_id: str) -> list[str]:
    place = contact_emails.c
    return list(db.scalars(select(place.value_key).where(place.contact_id == contact_id).order_by(place.place)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(CONTACTS)
def test_what_is_saved_is_loaded(world: World, by: str, contact: Contact) -> None:
    with undone(world) as db:
        save(db, world, contact, by=by)
        assert contacts.load(db, world.workspace_id, contact.id, by) == contact
        assert contacts.load_to_change(db, world.workspace_id, contact.id, by) == contact
        for other in ("other", None):
            assert contacts.load(db, world.workspace_id, contact.id, other) == replace(contact, external_id=None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(CONTACTS, CONTACTS)
def test_what_is_changed_is_loaded(world: World, by: str, before: Contact, after: Contact) -> None:
    after = replace(after, id=before.id)
    with undone(world) as db:
        save(db, world, before, by=by)
        save(db, world, after, before, by)
        assert contacts.load(db, world.workspace_id, after.id, by) == after
        kept = [each["value"] for each in after.profile.get("emails", ())]
        assert len(addresses(db, after.id)) == len(kept)


def test_a_seat_is_loaded_with_its_holder(world: World) -> None:
    owner = load(world, world.owner_id)
    assert owner.seat is not None
    assert (owner.seat.licence, owner.seat.over) == ("member", False)
    assert contacts.read(world.directory.engine, world.workspace_id, world.owner_id) == owner
    with reading(world.directory.engine) as db:
        assert contacts.owner_of(db, world.workspace_id) == owner


def test_nobody_is_loaded_from_another_workspace(world: World) -> None:
    with transaction(world.directory.engine, "write") as db:
        assert contacts.load(db, "elsewhere", world.owner_id, None) is None
        assert contacts.load_to_change(db, "elsewhere", world.owner_id, None) is None
        assert contacts.owner_of(db, "elsewhere") is None
        assert contacts.existing(db, "elsewhere", [world.owner_id]) == set()
    assert contacts.read(world.directory.engine, "elsewhere", world.owner_id) is None


@pytest.mark.parametrize("change", [{}, {"version": 9}])
def test_a_writer_that_is_behind_has_lost(world: World, client: Client, change: dict[str, Any]) -> None:
    contact = load(world, client.user("ann")["id"])
    behind = replace(contact, version=contact.version - 1)
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        save(db, world, replace(contact, **change), behind)
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        contacts.erase(db, world.workspace_id, behind, NOW)
    assert load(world, contact.id) == contact


def test_a_name_that_is_taken_meanwhile_is_a_lost_race(world: World, client: Client) -> None:
    ann, bea = (load(world, client.user(name)["id"]) for name in ("ann", "bea"))
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        save(db, world, replace(ann, user_name="BEA", version=2), ann)
    with pytest.raises(LostRace), transaction(world.directory.engine, "write") as db:
        save(db, world, replace(bea, id="new"))


def test_a_user_name_is_found_in_any_case(world: World, client: Client) -> None:
    contact = load(world, client.user("Ann@X.test")["id"])
    with transaction(world.directory.engine, "write") as db:
        assert contacts.load_by_user_name(db, world.workspace_id, "ann@x.test", None) == contact
        assert contacts.load_by_user_name(db, world.workspace_id, "Ann@X.test", None) is None
        assert contacts.load_by_user_name(db, "elsewhere", "ann@x.test", None) is None


@pytest.mark.parametrize(
    ("emails", "rows"),
    [
        ([{"value": "B@x.test"}, {"value": "a@x.test", "type": "work"}], ["b@x.test", "a@x.test"]),
        ([{"value": "a@x.test", "type": "work"}, {"value": "A@x.test", "type": "home"}], ["a@x.test", "a@x.test"]),
        ([{"type": "work"}], []),
        ([], []),
    ],
)
def test_rows_of_addresses_follow_the_document(
    world: World, client: Client, emails: list[dict[str, Any]], rows: list[str]
) -> None:
    user = client.user("ann", emails=[{"value": "first@x.test"}, {"value": "second@x.test"}])
    answer = client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "emails", "value": emails})
    assert answer.status == 200
    with reading(world.directory.engine) as db:
        assert addresses(db, user["id"]) == rows


def test_who_is_erased_leaves_every_group(world: World, client: Client) -> None:
    ann, bea = client.user("ann")["id"], client.user("bea", active=False)["id"]
    group, other = client.group("With", ann, bea)["id"], client.group("Without", ann)["id"]
    contact = load(world, bea)
    writing(world.directory.engine, lambda db: contacts.erase(db, world.workspace_id, contact, NOW))
    with reading(world.directory.engine) as db:
        after, untouched = (groups.load(db, world.workspace_id, each, None) for each in (group, other))
        assert after is not None
        assert untouched is not None
        assert (after.version, after.modified, untouched.version) == (2, NOW, 1)
        rows = db.scalars(select(members.c.member_id).where(members.c.workspace_id == world.workspace_id))
        assert sorted(rows) == sorted([ann, ann])
        assert addresses(db, bea) == []


def test_many_ids_are_asked_for_in_pieces(world: World, client: Client) -> None:
    ids = [client.user(f"user{number}", active=False)["id"] for number in range(3)]
    asked = [*ids[:1], *(f"nobody{number}" for number in range(1200)), *ids[1:]]
    with reading(world.directory.engine) as db:
        assert contacts.existing(db, world.workspace_id, asked) == set(ids)
        assert contacts.existing(db, world.workspace_id, []) == set()
    assert [len(piece) for piece in contacts.chunked(asked)] == [500, 500, 203]
