"""External ids of connections: each has its own for a contact or a group, in tables of their own.

What is there goes to the connection that set it; what none has set is dropped.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for holders, ids in (("contacts", "contact_external_ids"), ("groups", "group_external_ids")):
        _create(ids, holders)
        _move(ids, holders)
        _drop(holders)


def _create(ids: str, holders: str) -> None:
    op.create_table(
        ids,
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("holder_id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("value_key", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "holder_id"],
            [f"{holders}.workspace_id", f"{holders}.id"],
            name=op.f(f"fk_{ids}_workspace_id_holder_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f(f"fk_{ids}_workspace_id_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "holder_id", "connection_id", name=op.f(f"pk_{ids}")),
        sqlite_with_rowid=False,
    )
    columns = ["workspace_id", "connection_id", "value_key", "holder_id"]
    op.create_index(f"ix_{ids}_value_key", ids, columns, unique=False)


def _move(ids: str, holders: str) -> None:
    op.execute(
        f"INSERT INTO {ids} (workspace_id, holder_id, connection_id, value, value_key) "
        "SELECT workspace_id, id, connection_id, external_id, coalesce(external_id_key, external_id) "
        f"FROM {holders} WHERE external_id IS NOT NULL AND connection_id IS NOT NULL"
    )
    without = {
        "sqlite": "json_remove(search, '$.externalId')",
        "postgresql": "search - 'externalId'",
    }
    op.execute(f"UPDATE {holders} SET search = {without[op.get_context().dialect.name]} WHERE external_id IS NOT NULL")


def _drop(holders: str) -> None:
    op.drop_index(f"ix_{holders}_external_id_key", holders)
    with op.batch_alter_table(holders) as batch:
        batch.drop_constraint(f"fk_{holders}_workspace_id_connection_id", type_="foreignkey")
        for column in ("external_id", "external_id_key", "connection_id"):
            batch.drop_column(column)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
