"""OAuth clients with their secrets and grants, trusted issuers, signing keys; the requests that connections make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("created", name=op.f("uq_signing_keys_created")),
    )
    op.create_table(
        "used_assertions",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_used_assertions_workspace_id")
        ),
        sa.PrimaryKeyConstraint("workspace_id", "hash", name=op.f("pk_used_assertions")),
    )
    op.create_index("ix_used_assertions_expires", "used_assertions", ["expires"], unique=False)
    op.create_table(
        "clients",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("key_set", sa.Text(), nullable=True),
        sa.Column("pkce", sa.Boolean(), nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("revoked", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_clients_workspace_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_clients")),
    )
    op.create_index("ix_clients_id", "clients", ["id"], unique=False)
    op.create_table(
        "requests",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("duration", sa.Integer(), nullable=False),
        sa.Column("resource_id", TEXT, nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_requests_workspace_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_requests")),
    )
    op.create_index("ix_requests_at", "requests", ["at"], unique=False)
    op.create_index("ix_requests_connection_id", "requests", ["workspace_id", "connection_id", "id"], unique=False)
    op.create_table(
        "authorization_codes",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("family_id", TEXT, nullable=False),
        sa.Column("redirect_uri", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("challenge", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("used", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "client_id"],
            ["clients.workspace_id", "clients.id"],
            name=op.f("fk_authorization_codes_workspace_id_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "hash", name=op.f("pk_authorization_codes")),
    )
    op.create_index("ix_authorization_codes_expires", "authorization_codes", ["expires"], unique=False)
    op.create_index("ix_authorization_codes_hash", "authorization_codes", ["hash"], unique=False)
    op.create_table(
        "client_secrets",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("hint", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=True),
        sa.Column("revoked", TEXT, nullable=True),
        sa.Column("last_used", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "client_id"],
            ["clients.workspace_id", "clients.id"],
            name=op.f("fk_client_secrets_workspace_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_client_secrets")),
    )
    op.create_index("ix_client_secrets_client_id", "client_secrets", ["workspace_id", "client_id"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("family_id", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.Column("used", TEXT, nullable=True),
        sa.Column("revoked", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "client_id"],
            ["clients.workspace_id", "clients.id"],
            name=op.f("fk_refresh_tokens_workspace_id_client_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_expires", "refresh_tokens", ["expires"], unique=False)
    op.create_index("ix_refresh_tokens_family_id", "refresh_tokens", ["workspace_id", "family_id"], unique=False)
    op.create_index("ix_refresh_tokens_hash", "refresh_tokens", ["hash"], unique=False)
    op.create_table(
        "trusts",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=True),
        sa.Column("issuer", TEXT, nullable=False),
        sa.Column("audience", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=True),
        sa.Column("key_set", sa.Text(), nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("revoked", TEXT, nullable=True),
        sa.Column("last_used", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "client_id"],
            ["clients.workspace_id", "clients.id"],
            name=op.f("fk_trusts_workspace_id_client_id"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "connection_id"],
            ["connections.workspace_id", "connections.id"],
            name=op.f("fk_trusts_workspace_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_trusts")),
    )
    op.create_index("ix_trusts_client_id", "trusts", ["workspace_id", "client_id"], unique=False)
    op.create_index("ix_trusts_issuer", "trusts", ["issuer", "audience"], unique=False)
    with op.batch_alter_table("tokens") as batch:
        batch.add_column(sa.Column("client_id", TEXT, nullable=True))
        batch.add_column(sa.Column("family_id", TEXT, nullable=True))
        batch.create_foreign_key(
            op.f("fk_tokens_workspace_id_client_id"),
            "clients",
            ["workspace_id", "client_id"],
            ["workspace_id", "id"],
            ondelete="CASCADE",
        )
        batch.create_index("ix_tokens_client_id", ["workspace_id", "client_id", "expires"])
        batch.create_index("ix_tokens_family_id", ["workspace_id", "family_id"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
