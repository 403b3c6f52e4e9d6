"""Linked items: who may be linked to one, how they are listed, and whom a deleter may hand them to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask

from scim_server.directory import activity, contacts, items
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.directory.contacts import Call
from scim_server.directory.items import NewItem, ShownItem, Wanted
from scim_server.domain.actor import Actor, system
from scim_server.domain.errors import MissingPermission, OwnerProtected, ReassignmentNotPossible
from scim_server.domain.events import DELETED_CONTACT
from scim_server.domain.items import InvalidItem, ItemKind
from scim_server.domain.roles import Permission
from scim_server.scim.errors import ScimError
from tests.support import Client, World, new_world


@pytest.fixture
def actor(world: World) -> Actor:
    return system(world.workspace_id)


def added(world: World, owner: str, author: str | None = None, kind: str = "project", title: str = "T") -> ShownItem:
    new = NewItem(kind=kind, title=title, owner_id=owner, author_id=author, reference="R-1")
    return items.add(world.directory, system(world.workspace_id), new)


def delete(world: World, contact_id: str, reassign_to: str | None = None) -> None:
    contacts.delete(world.directory, Call(system(world.workspace_id), None, ""), contact_id, reassign_to=reassign_to)


def test_an_item_names_its_owner_and_its_author(world: World, client: Client, actor: Actor) -> None:
    ann, bob = client.user("ann@x.test", displayName="Ann")["id"], client.user("bob@x.test")["id"]
    shown = added(world, ann, bob, title=" The plan ")
    assert (shown.item.kind, shown.item.title, shown.item.reference) == (ItemKind.PROJECT, "The plan", "R-1")
    assert (shown.item.owner_id, shown.owner, shown.item.author_id, shown.author) == (ann, "Ann", bob, "bob@x.test")
    assert items.find(world.directory, actor).items == [shown]
    own = added(world, ann)
    assert (own.item.author_id, own.author) == (ann, "Ann"), "without an author, the owner is it"
    assert [each.act for each in activity.find(world.directory, actor, activity.Wanted(acts=["item.added"]))] == [
        "item.added",
        "item.added",
    ]


def test_only_contacts_of_the_workspace_can_be_linked(app: Flask, world: World, client: Client, actor: Actor) -> None:
    ann, stranger = client.user("ann@x.test")["id"], new_world(app).owner_id
    for owner, author in ((stranger, ann), (ann, stranger), ("", ann), ("\x00", ann), ("\ud800", ann), (ann, "none")):
        with pytest.raises(Unknown, match="no contact of this workspace"):
            added(world, owner, author)
    assert items.find(world.directory, actor).items == []
    assert not activity.find(world.directory, actor, activity.Wanted(acts=["item.added"]))


@pytest.mark.parametrize(
    "change", [{"kind": "car"}, {"title": " "}, {"title": "x" * 501}, {"title": "a\x00"}, {"reference": "a\nb"}]
)
def test_what_an_item_can_not_be(world: World, actor: Actor, change: dict[str, str]) -> None:
    new = NewItem(kind="file", title="T", owner_id=world.owner_id)
    with pytest.raises(InvalidItem):
        items.add(world.directory, actor, replace(new, **change))
    assert items.find(world.directory, actor).items == []


def test_lists_by_owner_author_and_kind(world: World, client: Client, actor: Actor) -> None:
    ann, bob = client.user("ann@x.test")["id"], client.user("bob@x.test")["id"]
    made = [added(world, owner, author, kind) for kind in ItemKind for owner in (ann, bob) for author in (ann, bob)]

    def listed(wanted: Wanted) -> list[ShownItem]:
        return list(items.find(world.directory, actor, wanted).items)

    assert listed(Wanted()) == made
    assert listed(Wanted(owner_id=ann)) == [each for each in made if each.item.owner_id == ann]
    assert listed(Wanted(author_id=bob)) == [each for each in made if each.item.author_id == bob]
    assert listed(Wanted(kind="File")) == [each for each in made if each.item.kind is ItemKind.FILE]
    both = listed(Wanted(owner_id=ann, author_id=bob, kind="invoice"))
    assert [(each.item.kind, each.item.owner_id, each.item.author_id) for each in both] == [("invoice", ann, bob)]
    for nobody in (world.owner_id, "none", "\x00"):
        assert listed(Wanted(owner_id=nobody)) == []
    with pytest.raises(InvalidItem, match="project, invoice, proposal, contract, conversation, file"):
        listed(Wanted(kind="car"))


def test_pages_follow_each_other(world: World, actor: Actor) -> None:
    made = [added(world, world.owner_id, title=str(number)) for number in range(5)]
    seen, after, pages = list[ShownItem](), None, 0
    while True:
        page = items.find(world.directory, actor, after=after, count=2)
        seen, pages = [*seen, *page.items], pages + 1
        after = page.next
        if after is None:
            break
        added(world, world.owner_id, kind="file") if pages == 1 else None
    assert [each.item.id for each in seen[:5]] == [each.item.id for each in made]
    assert (len(seen), pages) == (6, 3)
    for count in (0, -1, 1001):
        with pytest.raises(NotAllowed):
            items.find(world.directory, actor, count=count)


def test_permissions(world: World, actor: Actor) -> None:
    def only(permission: Permission) -> Actor:
        return replace(actor, permissions=frozenset({permission}))

    new = NewItem(kind="file", title="T", owner_id=world.owner_id)
    with pytest.raises(MissingPermission):
        items.add(world.directory, only(Permission.CONTACTS_VIEW), new)
    with pytest.raises(MissingPermission):
        items.find(world.directory, only(Permission.CONTACTS_EDIT))
    with pytest.raises(MissingPermission):
        activity.find(world.directory, only(Permission.CONTACTS_EDIT), activity.Wanted())


def test_a_deleter_may_name_who_takes_over(world: World, client: Client, actor: Actor) -> None:
    ann, bob, eve = (client.user(f"{name}@x.test")["id"] for name in ("ann", "bob", "eve"))
    both, owned, written = added(world, ann, ann), added(world, ann, bob), added(world, bob, ann)
    other = added(world, bob, eve)
    delete(world, ann, reassign_to=eve)
    links = [(each.item.owner_id, each.item.author_id) for each in items.find(world.directory, actor).items]
    assert links == [(eve, None), (eve, bob), (bob, None), (bob, eve)]
    assert items.find(world.directory, actor).items[0] == ShownItem(
        replace(both.item, owner_id=eve, author_id=None), "eve@x.test", DELETED_CONTACT
    )
    assert [owned.item.id, written.item.id, other.item.id] == [
        each.item.id for each in items.find(world.directory, actor).items[1:]
    ]
    (deleted,) = activity.find(world.directory, actor, activity.Wanted(acts=["contact.deleted"]))
    assert deleted.facts["items_owner"] == [ann, eve]


def test_who_can_not_take_over(app: Flask, world: World, client: Client, actor: Actor) -> None:
    ann, gone = client.user("ann@x.test")["id"], client.user("gone@x.test")["id"]
    delete(world, gone)
    kept = added(world, ann)
    before = items.find(world.directory, actor), activity.find(world.directory, actor, activity.Wanted())
    for heir in (ann, gone, new_world(app).owner_id, "", "none", "\x00"):
        with pytest.raises(ReassignmentNotPossible):
            delete(world, ann, reassign_to=heir)
    with pytest.raises(OwnerProtected):
        delete(world, world.owner_id, reassign_to=ann)
    with pytest.raises(ScimError):
        delete(world, "none", reassign_to=ann)
    assert client.get(f"/Users/{ann}").status == 200
    assert (items.find(world.directory, actor), activity.find(world.directory, actor, activity.Wanted())) == before
    assert list(before[0].items) == [kept]


def test_an_item_never_links_to_someone_who_is_gone(world: World, client: Client, actor: Actor) -> None:
    """However an item's adding and its owner's deletion meet, and whoever was to take over goes at the same time."""
    people = [client.user(f"p{number}@x.test")["id"] for number in range(16)]

    def add_some(owner: str) -> None:
        for _ in range(3):
            try:
                added(world, owner)
            except Unknown:
                return

    def remove(place: int) -> None:
        heir = people[place ^ 1]
        try:
            delete(world, people[place], reassign_to=heir)
        except ReassignmentNotPossible:
            delete(world, people[place])

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(add_some, each) for each in people] + [pool.submit(remove, place) for place in range(16)]
        for task in tasks:
            task.result()
    for each in items.find(world.directory, actor, count=1000).items:
        assert (each.item.owner_id, each.item.author_id, each.owner) == (None, None, DELETED_CONTACT)
