"""How many contacts a workspace has, kept by every write: counting a hundred thousand rows for each page takes longer
than the page. Decides nothing.

Several rows share the count of a workspace, so that simultaneous writers seldom wait for one of them.
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from sqlalchemy import Connection as Db
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from scim_server.domain.contact import Contact
from scim_server.storage.tables import contact_counts

SHARDS: Final = 16


def note(db: Db, workspace_id: str, before: Contact | None, after: Contact | None) -> None:
    """Count a contact that has become `after` (None: erased) from `before` (None: new)."""
    listed = _listed(after) - _listed(before)
    archived = _archived(after) - _archived(before)
    holder = after or before
    if holder is None or not (listed or archived):
        return
    row = {"workspace_id": workspace_id, "shard": shard_of(holder.id), "listed": listed, "archived": archived}
    add(db, row)


def add(db: Db, row: dict[str, Any]) -> None:
    """Add the numbers in a row of contact_counts to what is there."""
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    counted = dialect.insert(contact_counts)
    sums = {
        name: contact_counts.c[name] + counted.excluded[name]  # what was there, and what is added
        for name in ("listed", "archived")
    }
    db.execute(counted.on_conflict_do_update(index_elements=["workspace_id", "shard"], set_=sums), row)


def shard_of(contact_id: str) -> int:
    """Which of the workspace's rows counts the contact."""
    return crc32(contact_id.encode()) % SHARDS


def total(db: Db, workspace_id: str, *, with_archived: bool) -> int:
    """How many contacts the workspace has, archived ones among them or not."""
    counted = contact_counts.c.listed + contact_counts.c.archived if with_archived else contact_counts.c.listed
    return int(db.scalar(select(func.sum(counted)).where(contact_counts.c.workspace_id == workspace_id)) or 0)


def _listed(contact: Contact | None) -> int:
    return int(contact is not None and not contact.archived)


def _archived(contact: Contact | None) -> int:
    return int(contact is not None and contact.archived)
