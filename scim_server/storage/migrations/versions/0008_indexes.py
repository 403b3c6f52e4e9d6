"""Indexes in the order in which logs are read, newest first, and of grants as they are asked for: a client's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels = None
depends_on = None

# index → (table, its columns behind workspace_id); those that were there before had others
_INDEXES = {
    "ix_activity_actor_id": ("activity", ["actor_id", "at", "id"]),
    "ix_activity_subject_id": ("activity", ["subject_id", "at", "id"]),
    "ix_activity_at": ("activity", ["at", "id"]),
    "ix_activity_act": ("activity", ["act", "at", "id"]),
    "ix_requests_newest": ("requests", ["at", "id"]),
    "ix_requests_connection_id": ("requests", ["connection_id", "at", "id"]),
    "ix_seat_changes_at": ("seat_changes", ["licence", "at"]),
    "ix_authorization_codes_client_id": ("authorization_codes", ["client_id", "expires"]),
    "ix_refresh_tokens_client_id": ("refresh_tokens", ["client_id", "expires"]),
    "ix_used_assertions_expires": ("used_assertions", ["expires"]),
}
_DROPPED = {
    "ix_activity_actor_id": "activity",
    "ix_activity_subject_id": "activity",
    "ix_requests_connection_id": "requests",
    "ix_authorization_codes_expires": "authorization_codes",
    "ix_refresh_tokens_expires": "refresh_tokens",
    "ix_used_assertions_expires": "used_assertions",
}


def upgrade() -> None:
    for name, table in _DROPPED.items():
        op.drop_index(name, table)
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, ["workspace_id", *columns], unique=False)
    refused = sa.text("status >= 400")
    op.create_index(
        "ix_requests_refused",
        "requests",
        ["workspace_id", "at", "id"],
        sqlite_where=refused,
        postgresql_where=refused,
        unique=False,
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
