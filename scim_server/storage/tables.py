"""Every table, with the constraints that back the domain's laws. Knows no rule, request or representation.

Each primary, unique and foreign key begins with `workspace_id`: isolation by construction, and the key by which a
distributed PostgreSQL shards. Text compares by code point on both databases (COLLATE "C" on PostgreSQL, BINARY on
SQLite), so that an order or a range means the same everywhere. A column named `…_key` holds the folded form
(scim.schema.fold) of what a client sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import orjson
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

String: Final = Text().with_variant(Text(collation="C"), "postgresql")


def instant_text(value: datetime) -> str:
    """A point in time as stored and sent: UTC, microseconds, so that text order is time order."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def number_text(value: int | float | Decimal) -> str:
    """A number as text that compares as the number does: sign, exponent and digits, the other way round below zero.

    Exact, and the same on every database; a float is the decimal that it is written as.
    """
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number:
        return "1"
    digits = "".join(map(str, number.as_tuple().digits)).lstrip("0").rstrip("0")
    text = f"{number.adjusted() + 5000:04}{digits}"
    if number > 0:
        return f"2{text}"
    return f"0{text.translate(_COMPLEMENT)}~"  # the end sorts behind further digits


_COMPLEMENT: Final = str.maketrans("0123456789", "9876543210")


class Instant(TypeDecorator[datetime]):
    """A point in time, kept as UTC text with microseconds."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else instant_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class Searchable(TypeDecorator[Mapping[str, Any]]):
    """A JSON object that queries look into: text for SQLite's json functions, jsonb on PostgreSQL. Never read back.

    Numbers in it are kept as number_text, so that all comparisons are of text or truth values.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> Any:
        kept = _without_numbers(value)
        return kept if kept is None or dialect.name == "postgresql" else orjson.dumps(kept).decode()


def _without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_numbers(inner) for inner in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return number_text(value)
    return value


def _id(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String, nullable=nullable)


workspaces = Table(
    "workspaces",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("name_key", String, nullable=False, unique=True),
    Column("created", Instant, nullable=False),
    Column("billing_day", Integer, nullable=False, server_default=text("1")),  # of the month, 1 to 28
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),  # base64; made once, of random bytes
)

licence_types = Table(
    "licence_types",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("counted", Boolean, nullable=False),
    Column("policy", String, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
)

connections = Table(
    "connections",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("name_key", String, nullable=False),
    Column("preset", String, nullable=False),
    Column("settings", Text, nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("workspace_id", "name_key"),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
)

contacts = Table(
    "contacts",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("user_name", String, nullable=False),
    Column("user_name_key", String, nullable=False),
    Column("status", String, nullable=False),
    Column("status_changed_at", Instant),
    Column("archived", Boolean, nullable=False),
    Column("archived_at", Instant),
    Column("role", String, nullable=False),
    Column("licence", String, nullable=False),
    Column("account_linked", Boolean, nullable=False),
    Column("invitation", Text),  # JSON: the invitation under way or the last one
    Column("unassigned", String),  # attributes with a default that the client has unassigned: "active archived"
    Column("password", Text),  # Argon2id
    Column("label", String, nullable=False),  # what to call the contact in lists
    Column("label_key", String, nullable=False, server_default=text("''")),  # always written; it came later
    Column("profile", Text, nullable=False),  # JSON: the person's SCIM attributes exactly as sent
    Column("search", Searchable(), nullable=False),  # JSON: the profile's comparable form
    Column("display_name_key", String),
    Column("family_name_key", String),
    Column("employee_number_key", String),
    Column("department_key", String),
    Column("version", Integer, nullable=False),
    Column("created", Instant, nullable=False),
    Column("modified", Instant, nullable=False),
    UniqueConstraint("workspace_id", "user_name_key"),
    ForeignKeyConstraint(["workspace_id", "licence"], ["licence_types.workspace_id", "licence_types.name"]),
    CheckConstraint("status IN ('uninvited', 'invited', 'active', 'inactive')", name="status"),
    CheckConstraint("role <> 'owner' OR status = 'active'", name="owner_is_active"),
    Index("ix_contacts_display_name_key", "workspace_id", "display_name_key"),
    Index("ix_contacts_family_name_key", "workspace_id", "family_name_key"),
    Index("ix_contacts_employee_number_key", "workspace_id", "employee_number_key"),
    Index("ix_contacts_department_key", "workspace_id", "department_key"),
    # the list of contacts by name, and by creation: each a merge of a few ranges, and nothing to sort
    Index("ix_contacts_label_key", "workspace_id", "archived", "status", "label_key", "id"),
    Index("ix_contacts_status", "workspace_id", "archived", "status", "id"),
    Index(
        "uq_contacts_owner",
        "workspace_id",
        unique=True,
        sqlite_where=text("role = 'owner'"),
        postgresql_where=text("role = 'owner'"),
    ),
    Index(
        "ix_contacts_admin",
        "workspace_id",
        "id",
        sqlite_where=text("role = 'admin'"),
        postgresql_where=text("role = 'admin'"),
    ),
)

contact_emails = Table(
    "contact_emails",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("contact_id", String, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("value_key", String, nullable=False),
    ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"),
    Index("ix_contact_emails_value_key", "workspace_id", "value_key", "contact_id"),
)

contact_counts = Table(
    "contact_counts",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("listed", Integer, nullable=False),
    Column("archived", Integer, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
)

seats = Table(
    "seats",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("licence", String, nullable=False),
    _id("holder_id", nullable=True),
    Column("state", String, nullable=False),
    Column("since", Instant),
    Column("over", Boolean, nullable=False),
    UniqueConstraint("workspace_id", "holder_id"),  # a contact holds one seat at most
    ForeignKeyConstraint(["workspace_id", "licence"], ["licence_types.workspace_id", "licence_types.name"]),
    ForeignKeyConstraint(["workspace_id", "holder_id"], ["contacts.workspace_id", "contacts.id"]),
    CheckConstraint("(state = 'free') = (holder_id IS NULL)", name="holder"),
    Index(
        "ix_seats_free",
        "workspace_id",
        "licence",
        sqlite_where=text("holder_id IS NULL"),
        postgresql_where=text("holder_id IS NULL"),
    ),
    # few seats are over: who looks for one needn't walk them all
    Index(
        "ix_seats_over",
        "workspace_id",
        "licence",
        sqlite_where=text("over"),
        postgresql_where=text("over"),
    ),
)

groups = Table(
    "groups",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("display_name", String, nullable=False),
    Column("display_name_key", String, nullable=False),
    Column("profile", Text, nullable=False),
    Column("search", Searchable(), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Instant, nullable=False),
    Column("modified", Instant, nullable=False),
    UniqueConstraint("workspace_id", "display_name_key"),
)


def _external_ids(name: str, holders: Table) -> Table:
    """What each connection calls the `holders`; they may be called the same (RFC 7643 §3.1)."""
    return Table(
        name,
        metadata,
        Column("workspace_id", String, primary_key=True),
        Column("holder_id", String, primary_key=True),
        Column("connection_id", String, primary_key=True),
        Column("value", String, nullable=False),
        Column("value_key", String, nullable=False),
        ForeignKeyConstraint(["workspace_id", "holder_id"], [holders.c.workspace_id, holders.c.id], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["workspace_id", "connection_id"], ["connections.workspace_id", "connections.id"], ondelete="CASCADE"
        ),
        Index(f"ix_{name}_value_key", "workspace_id", "connection_id", "value_key", "holder_id"),
        sqlite_with_rowid=False,  # a row is found by its key alone, in one step
    )


contact_external_ids = _external_ids("contact_external_ids", contacts)
group_external_ids = _external_ids("group_external_ids", groups)

members = Table(
    "members",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("group_id", String, primary_key=True),
    Column("member_id", String, primary_key=True),
    _id("contact_id", nullable=True),
    _id("child_id", nullable=True),
    ForeignKeyConstraint(["workspace_id", "group_id"], ["groups.workspace_id", "groups.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["workspace_id", "child_id"], ["groups.workspace_id", "groups.id"], ondelete="CASCADE"),
    CheckConstraint("member_id = coalesce(contact_id, child_id)", name="member"),
    CheckConstraint("(contact_id IS NULL) <> (child_id IS NULL)", name="contact_or_group"),
    Index(
        "ix_members_contact_id",
        "workspace_id",
        "contact_id",
        sqlite_where=text("contact_id IS NOT NULL"),
        postgresql_where=text("contact_id IS NOT NULL"),
    ),
    # few members are groups: an index that held the others too would look useless to a planner
    Index(
        "ix_members_inside",
        "workspace_id",
        "group_id",
        "child_id",
        sqlite_where=text("child_id IS NOT NULL"),
        postgresql_where=text("child_id IS NOT NULL"),
    ),
    Index(
        "ix_members_child_id",
        "workspace_id",
        "child_id",
        sqlite_where=text("child_id IS NOT NULL"),
        postgresql_where=text("child_id IS NOT NULL"),
    ),
)

activity = Table(
    "activity",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("act", String, nullable=False),
    Column("door", String, nullable=False),
    Column("actor_kind", String, nullable=False),
    _id("actor_id", nullable=True),
    _id("subject_id", nullable=True),
    Column("facts", Text, nullable=False),  # JSON: fact → [before, after]; never personal data
    Column("request_id", String),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
    # each in the order of time, in which logs are read from their end
    Index("ix_activity_at", "workspace_id", "at", "id"),
    Index("ix_activity_act", "workspace_id", "act", "at", "id"),
    Index("ix_activity_actor_id", "workspace_id", "actor_id", "at", "id"),
    Index("ix_activity_subject_id", "workspace_id", "subject_id", "at", "id"),
)

# An account is a person's own, and may be linked to contacts of several workspaces: the one table without a workspace.
accounts = Table(
    "accounts",
    metadata,
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False),
    Column("email_key", String, nullable=False, unique=True),
    Column("password", String),  # Argon2id
    Column("proven", Boolean, nullable=False),  # who has the password has read the address's mail
    Column("created", Instant, nullable=False),
)

# Kept while the contact is inactive, so that it can be linked again; whether it is linked now, the contact says.
account_links = Table(
    "account_links",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("contact_id", String, primary_key=True),
    _id("account_id"),
    ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["account_id"], ["accounts.id"]),
    UniqueConstraint("workspace_id", "account_id"),
    Index("ix_account_links_account_id", "account_id"),
)

invitation_links = Table(
    "invitation_links",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("contact_id", String, primary_key=True),  # one link at a time: a new one replaces the old
    Column("hash", String, nullable=False),
    Column("email", String),  # whom it is for, whatever the contact's addresses become
    Column("mailed", Boolean, nullable=False, server_default=text("true")),  # to there; an owner's is handed over
    Column("expires", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"),
    Index("ix_invitation_links_hash", "hash"),  # as with tokens: it finds the workspace
    Index("ix_invitation_links_due", "workspace_id", "expires"),
    Index("ix_invitation_links_expires", "expires"),  # the timer looks at all workspaces
)

sessions = Table(
    "sessions",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    _id("contact_id"),
    _id("account_id", nullable=True),  # whose password opened it; none where the contact's own password did
    Column("hash", String, nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id", "contact_id"], ["contacts.workspace_id", "contacts.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["account_id"], ["accounts.id"], ondelete="CASCADE"),
    Index("ix_sessions_account_id", "account_id"),
    Index("ix_sessions_hash", "hash"),
    Index("ix_sessions_contact_id", "workspace_id", "contact_id"),
)

# Linked items outlive their contacts (R5, R32): owner and author are no foreign keys, and empty once those are deleted.
items = Table(
    "items",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("title", String, nullable=False),
    Column("reference", String),
    _id("owner_id", nullable=True),
    _id("author_id", nullable=True),
    Column("created", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
    Index("ix_items_owner_id", "workspace_id", "owner_id", "id"),
    Index("ix_items_author_id", "workspace_id", "author_id"),
)

reductions = Table(
    "reductions",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("licence", String, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("effective", String, nullable=False),  # a day: 2026-01-31
    Column("state", String, nullable=False),
    Column("created", Instant, nullable=False),
    ForeignKeyConstraint(["workspace_id", "licence"], ["licence_types.workspace_id", "licence_types.name"]),
    Index("ix_reductions_open", "workspace_id", "licence", "state"),
)

# Explains every change of every pool: what was bought, given, reserved, promoted, freed or taken away, and for whom.
seat_changes = Table(
    "seat_changes",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("licence", String, nullable=False),
    Column("change", String, nullable=False),
    Column("purchased", Integer, nullable=False),  # by how much each counter changed
    Column("assigned", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("over", Integer, nullable=False),
    _id("contact_id", nullable=True),
    ForeignKeyConstraint(["workspace_id", "licence"], ["licence_types.workspace_id", "licence_types.name"]),
    Index("ix_seat_changes_licence", "workspace_id", "licence", "id"),
    Index("ix_seat_changes_at", "workspace_id", "licence", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("event", String, nullable=False),
    Column("payload", Text, nullable=False),  # JSON, by ids alone
    ForeignKeyConstraint(["workspace_id"], ["workspaces.workspace_id"]),
)
