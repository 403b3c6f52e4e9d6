"""Alembic's entry: runs the migrations on the connection it is handed, in the caller's transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from scim_server.storage import access_tables  # noqa: F401 - its tables are of the same metadata
from scim_server.storage.tables import Instant, Searchable, String, metadata


def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Our own column types by the names that each migration defines for itself, so that it never changes."""
    if kind == "type" and (item is String or isinstance(item, Instant)):
        return "TEXT"
    return "JSON" if kind == "type" and isinstance(item, Searchable) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=render_item,
)
context.run_migrations()
