"""Who administers a workspace, which is few among many, is found by an index of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    role = sa.text("role = 'admin'")
    op.create_index(
        "ix_contacts_admin", "contacts", ["workspace_id", "id"], sqlite_where=role, postgresql_where=role, unique=False
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
