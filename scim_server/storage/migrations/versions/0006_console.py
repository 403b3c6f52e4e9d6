"""What the console lists contacts by: the folded label, and indexes in the order of names and of creation."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from scim_server.scim.schema import USER, fold

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
AT_ONCE = 5000
# Bytes, and characters: where they are as many, all are ASCII, and the database's own lower-casing is folding.
SIZES = {"sqlite": "length(CAST(label AS BLOB)) = length(label)", "postgresql": "octet_length(label) = length(label)"}

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # with a default, as SQLite would otherwise write the whole table anew, which takes minutes for a million
    op.add_column("contacts", sa.Column("label_key", TEXT, nullable=False, server_default=""))
    _fold_labels()
    columns = ["workspace_id", "archived", "status"]
    op.create_index("ix_contacts_label_key", "contacts", [*columns, "label_key", "id"], unique=False)
    op.create_index("ix_contacts_status", "contacts", [*columns, "id"], unique=False)
    op.create_index(
        "ix_members_inside",
        "members",
        ["workspace_id", "group_id", "child_id"],
        unique=False,
        sqlite_where=sa.text("child_id IS NOT NULL"),
        postgresql_where=sa.text("child_id IS NOT NULL"),
    )


def _fold_labels() -> None:
    db = op.get_bind()
    db.execute(sa.text(f"UPDATE contacts SET label_key = lower(label) WHERE {SIZES[db.dialect.name]}"))
    statement = sa.text("UPDATE contacts SET label_key = :label_key WHERE workspace_id = :workspace AND id = :id")
    for rows in _others(db):
        name = USER.attributes["displayname"]
        keys = [{"workspace": row.workspace_id, "id": row.id, "label_key": fold(name, row.label)} for row in rows]
        db.execute(statement, keys)


def _others(db: sa.Connection) -> Iterator[list[sa.Row[tuple[str, str, str]]]]:
    """The contacts that aren't folded yet, some at a time, in the order of their keys."""
    statement = sa.text(
        "SELECT workspace_id, id, label FROM contacts WHERE label_key = '' "
        "AND (workspace_id > :workspace OR (workspace_id = :workspace AND id > :id)) "
        "ORDER BY workspace_id, id LIMIT :count"
    )
    at = {"workspace": "", "id": ""}
    while rows := list(db.execute(statement, {**at, "count": AT_ONCE})):
        yield rows
        at = {"workspace": rows[-1].workspace_id, "id": rows[-1].id}


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
