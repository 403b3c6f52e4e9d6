"""How many contacts each workspace has, in a table of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_counts",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("archived", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_contact_counts_workspace_id")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "shard", name=op.f("pk_contact_counts")),
    )
    op.execute(
        "INSERT INTO contact_counts (workspace_id, shard, listed, archived) "
        "SELECT workspace_id, 0, sum(CASE WHEN archived THEN 0 ELSE 1 END), sum(CASE WHEN archived THEN 1 ELSE 0 END) "
        "FROM contacts GROUP BY workspace_id"
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
