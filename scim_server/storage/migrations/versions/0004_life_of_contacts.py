"""Accounts, invitation links, sessions, linked items, reductions and the ledger of seats."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from hashlib import sha256

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(JSONB(), "postgresql")

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("email_key", TEXT, nullable=False),
        sa.Column("password", TEXT, nullable=True),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email_key", name=op.f("uq_accounts_email_key")),
    )
    op.create_table(
        "items",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("reference", TEXT, nullable=True),
        sa.Column("owner_id", TEXT, nullable=True),
        sa.Column("author_id", TEXT, nullable=True),
        sa.Column("created", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"], name=op.f("fk_items_workspace_id")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_items")),
    )
    op.create_index("ix_items_author_id", "items", ["workspace_id", "author_id"], unique=False)
    op.create_index("ix_items_owner_id", "items", ["workspace_id", "owner_id", "id"], unique=False)
    op.create_table(
        "reductions",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("licence", TEXT, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("effective", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "licence"],
            ["licence_types.workspace_id", "licence_types.name"],
            name=op.f("fk_reductions_workspace_id_licence"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_reductions")),
    )
    op.create_index("ix_reductions_open", "reductions", ["workspace_id", "licence", "state"], unique=False)
    op.create_table(
        "seat_changes",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", TEXT, nullable=False),
        sa.Column("licence", TEXT, nullable=False),
        sa.Column("change", TEXT, nullable=False),
        sa.Column("purchased", sa.Integer(), nullable=False),
        sa.Column("assigned", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("over", sa.Integer(), nullable=False),
        sa.Column("contact_id", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "licence"],
            ["licence_types.workspace_id", "licence_types.name"],
            name=op.f("fk_seat_changes_workspace_id_licence"),
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_seat_changes")),
    )
    op.create_index("ix_seat_changes_licence", "seat_changes", ["workspace_id", "licence", "id"], unique=False)
    op.create_table(
        "account_links",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_account_links_account_id")),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_account_links_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", name=op.f("pk_account_links")),
        sa.UniqueConstraint("workspace_id", "account_id", name=op.f("uq_account_links_workspace_id_account_id")),
    )
    op.create_index("ix_account_links_account_id", "account_links", ["account_id"], unique=False)
    op.create_table(
        "invitation_links",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=True),
        sa.Column("expires", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_invitation_links_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "contact_id", name=op.f("pk_invitation_links")),
    )
    op.create_index("ix_invitation_links_due", "invitation_links", ["workspace_id", "expires"], unique=False)
    op.create_index("ix_invitation_links_expires", "invitation_links", ["expires"], unique=False)
    op.create_index("ix_invitation_links_hash", "invitation_links", ["hash"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("workspace_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=True),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("created", TEXT, nullable=False),
        sa.Column("expires", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "contact_id"],
            ["contacts.workspace_id", "contacts.id"],
            name=op.f("fk_sessions_workspace_id_contact_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"], unique=False)
    op.create_index("ix_sessions_contact_id", "sessions", ["workspace_id", "contact_id"], unique=False)
    op.create_index("ix_sessions_hash", "sessions", ["hash"], unique=False)
    op.create_index(
        "ix_seats_over",
        "seats",
        ["workspace_id", "licence"],
        unique=False,
        sqlite_where=sa.text("over"),
        postgresql_where=sa.text("over"),
    )
    op.create_index("ix_activity_actor_id", "activity", ["workspace_id", "actor_id", "id"], unique=False)
    _open_the_ledger()
    _let_invitations_expire()
    op.add_column("workspaces", sa.Column("billing_day", sa.Integer(), server_default=sa.text("1"), nullable=False))


def _open_the_ledger() -> None:
    """The ledger's first row for each pool: what is counted now, so that its sums are the counters from here on.

    Its id sorts before those that follow, which begin with the time.
    """
    statement = """
        INSERT INTO seat_changes
            (workspace_id, id, at, licence, change, purchased, assigned, reserved, over, contact_id)
        SELECT seats.workspace_id, '0-' || seats.licence, :now, seats.licence, 'opening',
            sum(CASE WHEN licence_types.counted AND NOT seats.over THEN 1 ELSE 0 END),
            sum(CASE WHEN seats.state = 'assigned' THEN 1 ELSE 0 END),
            sum(CASE WHEN seats.state = 'reserved' THEN 1 ELSE 0 END),
            sum(CASE WHEN seats.over THEN 1 ELSE 0 END), NULL
        FROM seats JOIN licence_types
            ON licence_types.workspace_id = seats.workspace_id AND licence_types.name = seats.licence
        GROUP BY seats.workspace_id, seats.licence
    """
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    op.get_bind().execute(sa.text(statement), {"now": now})


def _let_invitations_expire() -> None:
    """A link for each invitation under way, by which it is found once its time is up. Nobody has its text."""
    db = op.get_bind()
    invited = db.execute(sa.text("SELECT workspace_id, id, invitation FROM contacts WHERE status = 'invited'")).all()
    rows = []
    for contact in invited:
        invitation = json.loads(contact.invitation or "{}")
        if invitation.get("state") != "pending":
            continue
        expires = datetime.fromisoformat(invitation["expires_at"]).astimezone(UTC).replace(tzinfo=None)
        rows.append(
            {
                "workspace_id": contact.workspace_id,
                "contact_id": contact.id,
                "hash": sha256(secrets.token_bytes(32)).hexdigest(),
                "email": invitation["email"],
                "expires": expires.isoformat(timespec="microseconds") + "Z",
            }
        )
    if rows:
        columns = "workspace_id, contact_id, hash, email, expires"
        values = ":workspace_id, :contact_id, :hash, :email, :expires"
        db.execute(sa.text(f"INSERT INTO invitation_links ({columns}) VALUES ({values})"), rows)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead")
