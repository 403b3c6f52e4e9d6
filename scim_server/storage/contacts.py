"""Contacts: load, save, erase, always by workspace and, for changes, by the expected version. Decides nothing.

A contact is loaded as a connection knows it, by the external id that this connection gave it; without one it has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Connection as Db
from sqlalchemy import Engine, Select, and_, bindparam, delete, insert, select, type_coerce, update
from sqlalchemy.exc import IntegrityError

from scim_server.domain.contact import Contact, Status
from scim_server.domain.invitation import Invitation, InvitationState
from scim_server.domain.roles import Role
from scim_server.domain.seats import Seat, SeatState
from scim_server.scim.schema import ENTERPRISE_URN, USER, fold
from scim_server.storage import counts, external_ids
from scim_server.storage.db import LostRace
from scim_server.storage.prepared import Prepared
from scim_server.storage.tables import (
    Instant,
    String,
    contact_emails,
    contact_external_ids,
    contacts,
    groups,
    members,
    seats,
)

# Attributes with a default that a client can unassign; the profile holds them as None then.
DEFAULTED: Final = ("active", "archived")
_DISPLAY_NAME: Final = USER.attributes["displayname"]

# Points in time come as text, which is what answers hold; contact_of reads them where they are needed as such.
SEAT: Final = (
    seats.c.id.label("seat_id"),
    seats.c.licence.label("seat_licence"),
    seats.c.state.label("seat_state"),
    type_coerce(seats.c.since, String).label("seat_since"),
    seats.c.over.label("seat_over"),
)
STORED: Final = (
    *(
        type_coerce(column, String).label(column.name) if isinstance(column.type, Instant) else column
        for column in contacts.c
        if column.name not in ("search", "label") and not column.name.endswith("_key")  # written, and never read back
    ),
    *SEAT,
)
COLUMNS: Final = (*STORED, external_ids.value_for(contact_external_ids, contacts, bindparam("connection")))

HOLDS: Final = and_(seats.c.workspace_id == contacts.c.workspace_id, seats.c.holder_id == contacts.c.id)
SELECT: Final[Select[Any]] = select(*COLUMNS).select_from(contacts.outerjoin(seats, HOLDS))
_BY_ID: Final = SELECT.where(contacts.c.workspace_id == bindparam("workspace"), contacts.c.id == bindparam("contact"))
_BY_NAME: Final = SELECT.where(
    contacts.c.workspace_id == bindparam("workspace"), contacts.c.user_name_key == bindparam("key")
)
_LOCKED: Final = select(contacts.c.id).with_for_update()
_ID_LOCKED: Final = _LOCKED.where(
    contacts.c.workspace_id == bindparam("workspace"), contacts.c.id == bindparam("contact")
)
_NAME_LOCKED: Final = _LOCKED.where(
    contacts.c.workspace_id == bindparam("workspace"), contacts.c.user_name_key == bindparam("key")
)


def load(db: Db, workspace_id: str, contact_id: str, connection_id: str | None) -> Contact | None:
    """The contact, or None."""
    named = {"workspace": workspace_id, "contact": contact_id, "connection": connection_id}
    row = db.execute(_BY_ID, named).one_or_none()
    return None if row is None else contact_of(row)


_PREPARED: Final = Prepared(_BY_ID)


def read(engine: Engine, workspace_id: str, contact_id: str, connection_id: str | None = None) -> Contact | None:
    """As load, in a transaction of its own and without the cost of one."""
    rows = _PREPARED.rows(engine, {"workspace": workspace_id, "contact": contact_id, "connection": connection_id})
    return contact_of(rows[0]) if rows else None


def load_to_change(db: Db, workspace_id: str, contact_id: str, connection_id: str | None) -> Contact | None:
    """The contact, its row locked until the transaction ends, or None."""
    lock(db, _ID_LOCKED, {"workspace": workspace_id, "contact": contact_id})
    return load(db, workspace_id, contact_id, connection_id)


def load_by_user_name(
    db: Db, workspace_id: str, key: str, connection_id: str | None, *, lock_row: bool = True
) -> Contact | None:
    """The contact whose folded userName is `key`, its row locked unless it is only to be looked at, or None."""
    named = {"workspace": workspace_id, "key": key}
    if lock_row:
        lock(db, _NAME_LOCKED, named)
    row = db.execute(_BY_NAME, {**named, "connection": connection_id}).one_or_none()
    return None if row is None else contact_of(row)


def lock(db: Db, query: Select[Any], parameters: Mapping[str, str]) -> None:
    """Wait for a row in a statement of its own: one that waits sees the row anew, but what is joined to it as before.

    SQLite's writers have the whole database.
    """
    if db.dialect.name == "postgresql":
        db.execute(query, parameters)


def owner_of(db: Db, workspace_id: str) -> Contact | None:
    """The contact that owns the workspace."""
    query = SELECT.where(contacts.c.workspace_id == workspace_id, contacts.c.role == Role.OWNER)
    row = db.execute(query, {"connection": None}).one_or_none()
    return None if row is None else contact_of(row)


def administrators(db: Db, workspace_id: str, count: int) -> list[Contact]:
    """Up to `count` contacts with the role of an administrator, oldest first."""
    query = SELECT.where(contacts.c.workspace_id == workspace_id, contacts.c.role == Role.ADMIN)
    rows = db.execute(query.order_by(contacts.c.id).limit(count), {"connection": None})
    return [contact_of(row) for row in rows]


def user_names(db: Db, workspace_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Id → userName of those of `ids` that are contacts of the workspace."""
    found: dict[str, str] = {}
    for chunk in chunked(list(ids)):
        query = select(contacts.c.id, contacts.c.user_name)
        rows = db.execute(query.where(contacts.c.workspace_id == workspace_id, contacts.c.id.in_(chunk)))
        found.update((row.id, row.user_name) for row in rows)
    return found


def existing(db: Db, workspace_id: str, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that are contacts of the workspace."""
    found: set[str] = set()
    for chunk in chunked(list(ids)):
        query = select(contacts.c.id).where(contacts.c.workspace_id == workspace_id, contacts.c.id.in_(chunk))
        found.update(db.scalars(query))
    return found


def chunked(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    """`items` in pieces that fit a statement's limit on parameters."""
    return (items[start : start + size] for start in range(0, len(items), size))


def save(
    db: Db,
    workspace_id: str,
    connection_id: str | None,
    contact: Contact,
    previous: Contact | None,
    search: Mapping[str, Any],
) -> None:
    """Insert `contact`, or update it from `previous` if that is still what is stored; `search` is its comparable form.

    Both are as `connection_id` knows them. Raises LostRace when another writer was first (or took the userName); the
    transaction must then be given up.
    """
    values = values_of(contact, search)
    try:
        if previous is None:
            db.execute(insert(contacts), {"workspace_id": workspace_id, "id": contact.id, **values})
        else:
            changed = db.execute(
                update(contacts)
                .where(
                    contacts.c.workspace_id == workspace_id,
                    contacts.c.id == contact.id,
                    contacts.c.version == previous.version,
                )
                .values(values)
            )
            if changed.rowcount != 1:
                raise LostRace
        external_ids.save(db, contact_external_ids, workspace_id, connection_id, contact, previous)
    except IntegrityError as error:
        raise LostRace from error
    _save_emails(db, workspace_id, contact.id, previous is None, previous, search)
    counts.note(db, workspace_id, previous, contact)


def erase(db: Db, workspace_id: str, contact: Contact, now: datetime) -> None:
    """Delete the contact and its memberships for good; the groups it was in get a new version."""
    of_contact = select(members.c.group_id).where(
        members.c.workspace_id == workspace_id, members.c.contact_id == contact.id
    )
    db.execute(
        update(groups)
        .where(groups.c.workspace_id == workspace_id, groups.c.id.in_(of_contact))
        .values(version=groups.c.version + 1, modified=now)
    )
    erased = db.execute(
        delete(contacts).where(
            contacts.c.workspace_id == workspace_id,
            contacts.c.id == contact.id,
            contacts.c.version == contact.version,
        )
    )
    if erased.rowcount != 1:
        raise LostRace
    counts.note(db, workspace_id, contact, None)


def _save_emails(
    db: Db, workspace_id: str, contact_id: str, new: bool, previous: Contact | None, search: Mapping[str, Any]
) -> None:
    keys = [str(email["value"]) for email in search.get("emails", ()) if email.get("value")]
    if not new:
        place = contact_emails.c
        stored = db.scalars(
            select(place.value_key)
            .where(place.workspace_id == workspace_id, place.contact_id == contact_id)
            .order_by(place.place)
        ).all()
        if list(stored) == keys:
            return
        db.execute(delete(contact_emails).where(place.workspace_id == workspace_id, place.contact_id == contact_id))
    if keys:
        rows = [
            {"workspace_id": workspace_id, "contact_id": contact_id, "place": number, "value_key": key}
            for number, key in enumerate(keys)
        ]
        db.execute(insert(contact_emails), rows)


def values_of(contact: Contact, search: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a contact's row, its key aside; `search` is the contact's comparable form."""
    enterprise = search.get(ENTERPRISE_URN, {})
    profile = {name: value for name, value in contact.profile.items() if value is not None}
    label = str(profile.get("displayName") or contact.user_name)
    return {
        "user_name": contact.user_name,
        "user_name_key": search["userName"],
        "status": contact.status.value,
        "status_changed_at": contact.status_changed_at,
        "archived": contact.archived,
        "archived_at": contact.archived_at,
        "role": contact.role.value,
        "licence": contact.licence,
        "account_linked": contact.account_linked,
        "invitation": _dump_invitation(contact.invitation),
        "unassigned": " ".join(name for name in DEFAULTED if contact.profile.get(name, "") is None) or None,
        "password": contact.password,
        "label": label,
        "label_key": fold(_DISPLAY_NAME, label),
        "profile": orjson.dumps(profile).decode(),
        "search": search,
        "display_name_key": search.get("displayName"),
        "family_name_key": search.get("name", {}).get("familyName"),
        "employee_number_key": enterprise.get("employeeNumber"),
        "department_key": enterprise.get("department"),
        "version": contact.version,
        "created": contact.created,
        "modified": contact.modified,
    }


def contact_of(row: Any) -> Contact:
    """The contact that a row of SELECT describes."""
    profile = orjson.loads(row.profile)
    if row.unassigned:
        profile.update(dict.fromkeys(row.unassigned.split()))
    seat = None
    if row.seat_id is not None:
        seat = Seat(
            id=row.seat_id,
            licence=row.seat_licence,
            state=SeatState(row.seat_state),
            since=datetime.fromisoformat(row.seat_since),
            over=bool(row.seat_over),
        )
    return Contact(
        id=row.id,
        user_name=row.user_name,
        status=Status(row.status),
        archived=bool(row.archived),
        archived_at=_instant(row.archived_at),
        status_changed_at=_instant(row.status_changed_at),
        role=Role(row.role),
        licence=row.licence,
        seat=seat,
        invitation=_load_invitation(row.invitation),
        account_linked=bool(row.account_linked),
        external_id=row.external_id,
        profile=profile,
        password=row.password,
        created=datetime.fromisoformat(row.created),
        modified=datetime.fromisoformat(row.modified),
        version=row.version,
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _dump_invitation(invitation: Invitation | None) -> str | None:
    if invitation is None:
        return None
    return orjson.dumps(
        {
            "email": invitation.email,
            "sent_at": invitation.sent_at,
            "expires_at": invitation.expires_at,
            "state": invitation.state.value,
            "status_before": invitation.status_before.value,
        }
    ).decode()


def _load_invitation(text: str | None) -> Invitation | None:
    if text is None:
        return None
    stored = orjson.loads(text)
    return Invitation(
        email=stored["email"],
        sent_at=datetime.fromisoformat(stored["sent_at"]),
        expires_at=datetime.fromisoformat(stored["expires_at"]),
        state=InvitationState(stored["state"]),
        status_before=Status(stored["status_before"]),
    )
