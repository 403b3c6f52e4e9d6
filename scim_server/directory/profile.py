"""What stands beside a contact on its own page: its linked items by kind, and who provisions it. Reads alone.

Knows no pages. The contact itself and its groups are life.show's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scim_server.directory import Directory
from scim_server.directory.access import check_ids
from scim_server.domain.actor import Actor
from scim_server.domain.items import Item, ItemKind
from scim_server.domain.roles import Permission
from scim_server.storage import external_ids, items
from scim_server.storage.db import reading
from scim_server.storage.tables import contact_external_ids

FIRST: Final = 5  # items of each kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The items of one kind that a contact owns: how many there are, and the `first` of them, oldest first."""

    kind: ItemKind
    count: int
    first: Sequence[Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A connection that provisions the contact, and the external id that it calls it by."""

    connection_id: str
    connection: str
    external_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """`shelves` are those of the kinds that the contact owns anything of, in the order of ItemKind."""

    shelves: Sequence[Shelf]
    origins: Sequence[Origin]

    @property
    def items(self) -> int:
        """How many items the contact owns in all."""
        return sum(each.count for each in self.shelves)


def around(directory: Directory, actor: Actor, contact_id: str, *, first: int = FIRST) -> Around:
    """What stands beside the contact with that id; nothing where there is no such contact.

    Raises MissingPermission, NotAllowed for what can't be an id.
    """
    actor.require(Permission.CONTACTS_VIEW)
    check_ids(contact_id)
    workspace_id = actor.workspace_id
    with reading(directory.engine) as db:
        counts = items.owned_by_kind(db, workspace_id, contact_id)
        shelves = [
            Shelf(
                kind=kind,
                count=counts[kind],
                first=[item for item, *_ in items.page(db, workspace_id, owner_id=contact_id, kind=kind, count=first)],
            )
            for kind in ItemKind
            if kind in counts
        ]
        named = external_ids.names_of(db, contact_external_ids, workspace_id, contact_id)
    origins = [Origin(connection_id=key, connection=name, external_id=value) for key, name, value in named]
    return Around(shelves=shelves, origins=origins)
