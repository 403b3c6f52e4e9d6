"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(JSONB(), "postgresql")

revision: str = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "workspaces",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("name_key", name=op.f("uq_workspaces_name_key")),
    )
    op.create_table(
        "activity",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("act", TEXT, nullable=False),
        sa.Column("door", TEXT, nullable=False),
        sa.Column("actor_kind", TEXT, nullable=False),
        sa.Column("actor_id", TEXT, nullable=True),
        sa.Column("subject_id", TEXT, nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("request_id", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_activity_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_activity")),
    )
    op.create_index("ix_activity_subject_id", "activity", ["workspace_id", "subject_id", "id"], unique=False)
    op.create_table(
        "connections",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("preset", TEXT, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_connections_workspace_id")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_connections")),
        sa.UniqueConstraint("workspace_id", "name_key", name=op.f("uq_connections_workspace_id_name_key")),
    )
    op.create_table(
        "licence_types",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("policy", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_licence_types_workspace_id")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "name", name=op.f("pk_licence_types")),
    )
    op.create_table(
        "outbox",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("event", TEXT, nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_outbox_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "contacts",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("user_name", TEXT, nullable=False),
        sa.Column("user_name_key", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=True),
        sa.Column("connection_id", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("status_changed_at", TEXT, nullable=True),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("archived_at", TEXT, nullable=True),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("licence", TEXT, nullable=False),
        sa.Column("account_linked", sa.Boolean(), nullable=False),
        sa.Column("invitation", sa.Text(), nullable=True),
        sa.Column("unassigned", TEXT, nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("search", JSON, nullable=False),
        sa.Column("external_id_key", TEXT, nullable=True),
        sa.Column("display_name_key", TEXT, nullable=True),
        sa.Column("family_name_key", TEXT, nullable=True),
        sa.Column("employee_number_key", TEXT, nullable=True),
        sa.Column("department_key", TEXT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("modified", TEXT, nullable=False),
        sa.CheckConstraint("role <> 'owner' OR status = 'active'", name=op.f("ck_contacts_owner_is_active")),
        sa.CheckConstraint("status IN ('uninvited', 'invited', 'active', 'inactive')", name=op.f("ck_contacts_status")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_contacts_workspace_id_connection_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "licence"],
            ["licence_types.workspace_id", "licence_types.name"],
            name=op.f("fk_contacts_workspace_id_licence"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("workspace_id", "user_name_key", name=op.f("uq_contacts_workspace_id_user_name_key")),
    )
    op.create_index("ix_contacts_department_key", "contacts", ["workspace_id", "department_key"], unique=False)
    op.create_index("ix_contacts_display_name_key", "contacts", ["workspace_id", "display_name_key"], unique=False)
    op.create_index(
        "ix_contacts_employee_number_key", "contacts", ["workspace_id", "employee_number_key"], unique=False
    )
    op.create_index("ix_contacts_external_id_key", "contacts", ["workspace_id", "external_id_key"], unique=False)
    op.create_index("ix_contacts_family_name_key", "contacts", ["workspace_id", "family_name_key"], unique=False)
    op.create_index(
        "uq_contacts_owner",
        "contacts",
        ["workspace_id"],
        unique=True,
        sqlite_where=sa.text("role = 'owner'"),
        postgresql_where=sa.text("role = 'owner'"),
    )
    op.create_table(
        "groups",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("display_name", TEXT, nullable=False),
        sa.Column("display_name_key", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=True),
        sa.Column("external_id_key", TEXT, nullable=True),
        sa.Column("connection_id", TEXT, nullable=True),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("search", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("modified", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_groups_workspace_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_groups")),
        sa.UniqueConstraint("workspace_id", "display_name_key", name=op.f("uq_groups_workspace_id_display_name_key")),
    )
    op.create_index("ix_groups_external_id_key", "groups", ["workspace_id", "external_id_key"], unique=False)
    op.create_table(
        "contact_emails",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("value_key", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_contact_emails_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", "place", name=op.f("pk_contact_emails")),
    )
    op.create_index(
        "ix_contact_emails_value_key", "contact_emails", ["workspace_id", "value_key", "contact_id"], unique=False
    )
    op.create_table(
        "members",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("member_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=True),
        sa.Column("child_id", TEXT, nullable=True),
        sa.CheckConstraint("(contact_id IS NULL) <> (child_id IS NULL)", name=op.f("ck_members_contact_or_group")),
        sa.CheckConstraint("member_id = coalesce(contact_id, child_id)", name=op.f("ck_members_member")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "child_id"],
            ["groups.workspace_id", "groups.id"],
            name=op.f("fk_members_workspace_id_child_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_members_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "group_id"],
            ["groups.workspace_id", "groups.id"],
            name=op.f("fk_members_workspace_id_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "group_id", "member_id", name=op.f("pk_members")),
    )
    op.create_index(
        "ix_members_child_id",
        "members",
        ["workspace_id", "child_id"],
        unique=False,
        sqlite_where=sa.text("child_id IS NOT NULL"),
        postgresql_where=sa.text("child_id IS NOT NULL"),
    )
    op.create_index(
        "ix_members_contact_id",
        "members",
        ["workspace_id", "contact_id"],
        unique=False,
        sqlite_where=sa.text("contact_id IS NOT NULL"),
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_table(
        "seats",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("licence", TEXT, nullable=False),
        sa.Column("holder_id", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("since", TEXT, nullable=True),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.CheckConstraint("(state = 'free') = (holder_id IS NULL)", name=op.f("ck_seats_holder")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "holder_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_seats_workspace_id_holder_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "licence"],
            ["licence_types.workspace_id", "licence_types.name"],
            name=op.f("fk_seats_workspace_id_licence"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_seats")),
        sa.UniqueConstraint("workspace_id", "holder_id", name=op.f("uq_seats_workspace_id_holder_id")),
    )
    op.create_index(
        "ix_seats_free",
        "seats",
        ["workspace_id", "licence"],
        unique=False,
        sqlite_where=sa.text("holder_id IS NULL"),
        postgresql_where=sa.text("holder_id IS NULL"),
    )
    op.create_table(
        "tokens",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=True),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("hint", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=True),
        sa.Column("revoked", TEXT, nullable=True),
        sa.Column("last_used", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_tokens_workspace_id_connection_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_tokens_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("workspace_id", "hash", name=op.f("uq_tokens_workspace_id_hash")),
    )
    op.create_index("ix_tokens_contact_id", "tokens", ["workspace_id", "contact_id"], unique=False)
    op.create_index("ix_tokens_hash", "tokens", ["hash"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
