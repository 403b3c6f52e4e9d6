"""Linked items through the one door: added by the host application, listed, and never changed by anyone's life.

What becomes of them when a contact is deleted, contacts.delete sees to. Knows no HTTP and no exit codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.domain.actor import Actor
from scim_server.domain.events import DELETED_CONTACT
from scim_server.domain.items import Item, ItemKind, checked_reference, checked_title, kind_named
from scim_server.domain.roles import Permission
from scim_server.scim.values import is_sound
from scim_server.storage import items, ledger
from scim_server.storage.db import reading, writing

MOST_ON_A_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """What to register; without an author, the owner is the author."""

    kind: str
    title: str
    owner_id: str
    author_id: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item with the names to show for its owner and author (R32)."""

    item: Item
    owner: str
    author: str


@dataclass(frozen=True, slots=True)
class Items:
    """One page, oldest first; `next` is what to give as `after` for the one that follows, None on the last."""

    items: Sequence[ShownItem]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which items to list: all of these at once, each None for any."""

    owner_id: str | None = None
    author_id: str | None = None
    kind: str | None = None


def add(directory: Directory, actor: Actor, new: NewItem) -> ShownItem:
    """Register an item of the actor's workspace.

    Raises MissingPermission, InvalidItem for a kind, title or reference that can't be, and Unknown for an owner or
    author that is no contact of the workspace.
    """
    actor.require(Permission.CONTACTS_EDIT)
    owner_id = new.owner_id
    author_id = owner_id if new.author_id is None else new.author_id
    item = Item(
        id=directory.new_id(),
        kind=kind_named(new.kind),
        title=checked_title(new.title),
        reference=checked_reference(new.reference),
        owner_id=owner_id,
        author_id=author_id,
        created=directory.now(),
    )

    def work(db: Db) -> ShownItem:
        names = _names(db, actor, owner=owner_id, author=author_id)
        items.add(db, actor.workspace_id, item)
        ledger.record_act(db, actor, "item.added", item.id, item.created, directory.new_id())
        return ShownItem(item, names[owner_id], names[author_id])

    return writing(directory.engine, work)


def _names(db: Db, actor: Actor, **links: str) -> dict[str, str]:
    ids = [each for each in dict.fromkeys(links.values()) if is_sound(each)]
    names = items.holders(db, actor.workspace_id, ids)
    for link, contact_id in links.items():
        if contact_id not in names:
            raise Unknown(f"The {link} {contact_id[:64]!r} is no contact of this workspace.")
    return names


def find(
    directory: Directory, actor: Actor, wanted: Wanted | None = None, *, after: str | None = None, count: int = 100
) -> Items:
    """A page of the workspace's items. Raises MissingPermission, InvalidItem for a kind, NotAllowed for a count."""
    actor.require(Permission.CONTACTS_VIEW)
    wanted = wanted or Wanted()
    if not 1 <= count <= MOST_ON_A_PAGE:
        raise NotAllowed(f"A page has 1 to {MOST_ON_A_PAGE} items.")
    kind: ItemKind | None = None if wanted.kind is None else kind_named(wanted.kind)
    ids = (wanted.owner_id, wanted.author_id, after)
    if any(each is not None and not is_sound(each) for each in ids):
        return Items((), None)  # no id at all, and no text for a database either
    with reading(directory.engine) as db:
        found = items.page(
            db,
            actor.workspace_id,
            owner_id=wanted.owner_id,
            author_id=wanted.author_id,
            kind=kind,
            after=after,
            count=count + 1,  # the one more tells whether there is a next page
        )
    shown = [ShownItem(item, owner or DELETED_CONTACT, author or DELETED_CONTACT) for item, owner, author in found]
    return Items(shown[:count], shown[count - 1].item.id if len(shown) > count else None)
