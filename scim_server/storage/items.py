"""Linked items: add, list, and what a deleted contact leaves behind. Always by workspace; decides nothing.

An item's links are no foreign keys: it outlives its owner and its author.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection as Db
from sqlalchemy import and_, func, insert, select, update

from scim_server.domain.items import Item, ItemKind
from scim_server.storage.tables import contacts, items

_OWNERS: Final = contacts.alias("owners")
_AUTHORS: Final = contacts.alias("authors")
_OWNED: Final = and_(_OWNERS.c.workspace_id == items.c.workspace_id, _OWNERS.c.id == items.c.owner_id)
_WRITTEN: Final = and_(_AUTHORS.c.workspace_id == items.c.workspace_id, _AUTHORS.c.id == items.c.author_id)
_SELECT: Final = select(
    items, _OWNERS.c.label.label("owner_label"), _AUTHORS.c.label.label("author_label")
).select_from(items.outerjoin(_OWNERS, _OWNED).outerjoin(_AUTHORS, _WRITTEN))


def add(db: Db, workspace_id: str, item: Item) -> None:
    """Insert an item."""
    row = {
        "workspace_id": workspace_id,
        "id": item.id,
        "kind": item.kind.value,
        "title": item.title,
        "reference": item.reference,
        "owner_id": item.owner_id,
        "author_id": item.author_id,
        "created": item.created,
    }
    db.execute(insert(items), row)


def holders(db: Db, workspace_id: str, ids: Sequence[str]) -> dict[str, str]:
    """Id → label of those of `ids` that are contacts of the workspace; none is deleted before the transaction ends.

    In the order of their ids, so that two such locks never wait for each other.
    """
    query = (
        select(contacts.c.id, contacts.c.label)
        .where(contacts.c.workspace_id == workspace_id, contacts.c.id.in_(ids))
        .order_by(contacts.c.id)
        .with_for_update(read=True)  # SQLite's writers have the whole database
    )
    return {row.id: row.label for row in db.execute(query)}


def page(
    db: Db,
    workspace_id: str,
    *,
    owner_id: str | None = None,
    author_id: str | None = None,
    kind: ItemKind | None = None,
    after: str | None = None,
    count: int,
) -> list[tuple[Item, str | None, str | None]]:
    """Up to `count` items beyond the id `after`, oldest first, each with its owner's and its author's label."""
    query = _SELECT.where(items.c.workspace_id == workspace_id).order_by(items.c.id).limit(count)
    wanted = ((items.c.owner_id, owner_id), (items.c.author_id, author_id), (items.c.kind, kind and kind.value))
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(items.c.id > after)
    return [(_item(row), row.owner_label, row.author_label) for row in db.execute(query)]


def owned(db: Db, workspace_id: str, contact_id: str) -> int:
    """How many items the contact owns."""
    mine = (items.c.workspace_id == workspace_id, items.c.owner_id == contact_id)
    return int(db.scalar(select(func.count()).select_from(items).where(*mine)) or 0)


def owned_by_kind(db: Db, workspace_id: str, contact_id: str) -> dict[ItemKind, int]:
    """How many items of each kind the contact owns; a kind that it has none of is left out."""
    mine = (items.c.workspace_id == workspace_id, items.c.owner_id == contact_id)
    query = select(items.c.kind, func.count()).where(*mine).group_by(items.c.kind)
    return {ItemKind(kind): int(count) for kind, count in db.execute(query)}


def let_go(db: Db, workspace_id: str, contact_id: str, new_owner_id: str | None) -> None:
    """Take the contact out of all items: what it owned is `new_owner_id`'s (None: nobody's), what it wrote nobody's."""
    for column, value in ((items.c.owner_id, new_owner_id), (items.c.author_id, None)):
        linked = (items.c.workspace_id == workspace_id, column == contact_id)
        db.execute(update(items).where(*linked).values({column: value}))


def _item(row: Any) -> Item:
    return Item(
        id=row.id,
        kind=ItemKind(row.kind),
        title=row.title,
        reference=row.reference,
        owner_id=row.owner_id,
        author_id=row.author_id,
        created=row.created,
    )
