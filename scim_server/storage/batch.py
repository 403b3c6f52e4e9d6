"""Many new contacts in few statements: their rows, seats, counts and records. Decides nothing.

What comes of it is what storage.contacts and storage.ledger write for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Db
from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from scim_server.domain.contact import Contact
from scim_server.domain.seats import LicenceType, Seat, SeatState
from scim_server.storage import counts, external_ids, ledger
from scim_server.storage import seats as pools
from scim_server.storage.contacts import SELECT, chunked, contact_of, values_of
from scim_server.storage.db import LostRace
from scim_server.storage.tables import contact_emails, contact_external_ids, contacts, groups, members, seats


def by_user_names(
    db: Db, workspace_id: str, keys: Sequence[str], connection_id: str | None, *, to_change: bool
) -> dict[str, Contact]:
    """Folded userName → contact, for those of `keys` that there are; their rows locked where they are `to_change`."""
    found: dict[str, Contact] = {}
    for chunk in chunked(keys):
        chosen = (contacts.c.workspace_id == workspace_id, contacts.c.user_name_key.in_(chunk))
        if to_change and db.dialect.name == "postgresql":
            db.execute(select(contacts.c.id).where(*chosen).order_by(contacts.c.id).with_for_update())
        query = SELECT.add_columns(contacts.c.user_name_key).where(*chosen)
        for row in db.execute(query, {"connection": connection_id}):
            found[row.user_name_key] = contact_of(row)
    return found


def page(db: Db, workspace_id: str, connection_id: str | None, after: str, count: int) -> list[Contact]:
    """At most `count` contacts in the order of their ids, those behind the id `after`."""
    query = SELECT.where(contacts.c.workspace_id == workspace_id, contacts.c.id > after)
    rows = db.execute(query.order_by(contacts.c.id).limit(count), {"connection": connection_id})
    return [contact_of(row) for row in rows]


def group_names(db: Db, workspace_id: str, contact_ids: Sequence[str]) -> dict[str, list[str]]:
    """Contact id → the names of the groups that it is in directly, for those that are in any."""
    found: dict[str, list[str]] = {}
    for chunk in chunked(contact_ids):
        for contact_id, name in db.execute(_names_for(workspace_id, chunk)):
            found.setdefault(contact_id, []).append(name)
    return found


def _names_for(workspace_id: str, contact_ids: Sequence[str]) -> Select[Any]:
    joined = (members.c.workspace_id == groups.c.workspace_id) & (members.c.group_id == groups.c.id)
    query = select(members.c.contact_id, groups.c.display_name).join_from(members, groups, joined)
    return query.where(members.c.workspace_id == workspace_id, members.c.contact_id.in_(contact_ids))


def add_contacts(
    db: Db, workspace_id: str, connection_id: str | None, added: Sequence[tuple[Contact, Mapping[str, Any]]]
) -> None:
    """Insert new contacts, each with its comparable form. Raises LostRace when another writer took a userName."""
    if not added:
        return
    rows = [{"workspace_id": workspace_id, "id": each.id, **values_of(each, search)} for each, search in added]
    emails = [
        {"workspace_id": workspace_id, "contact_id": each.id, "place": place, "value_key": str(email["value"])}
        for each, search in added
        for place, email in enumerate(email for email in search.get("emails", ()) if email.get("value"))
    ]
    called = [
        {
            "workspace_id": workspace_id,
            "holder_id": each.id,
            "connection_id": connection_id,
            **external_ids.values_of(each.external_id),
        }
        for each, _ in added
        if each.external_id is not None and connection_id is not None
    ]
    try:
        for table, values in ((contacts, rows), (contact_emails, emails), (contact_external_ids, called)):
            if values:
                db.execute(insert(table), values)
    except IntegrityError as error:
        raise LostRace from error
    _count(db, workspace_id, (each for each, _ in added))


def _count(db: Db, workspace_id: str, added: Iterable[Contact]) -> None:
    """Count them once for each shard, in the order of shards, so that no two writers wait for each other."""
    numbers = Counter((counts.shard_of(each.id), each.archived) for each in added)
    for shard in sorted({shard for shard, _ in numbers}):
        row = {"workspace_id": workspace_id, "shard": shard}
        counts.add(db, {**row, "listed": numbers[shard, False], "archived": numbers[shard, True]})


def free_seats(
    db: Db, workspace_id: str, licence: LicenceType, count: int, now: datetime, new_id: Callable[[], str]
) -> list[str]:
    """The ids of at most `count` seats, kept from others until the transaction ends; they are still to be taken.

    None where a seat can't be taken without a look at the whole pool: then each is claimed by itself. Of a type that
    isn't counted there are as many as are asked for. Raises LostRace.
    """
    if not licence.counted:
        return [new_id() for _ in range(count)]
    if not ledger.enter(db, workspace_id, licence.name, now).quiet:
        return []
    seats_left = ledger.free(db, workspace_id, licence.name)
    return list(db.scalars(seats_left.limit(count).with_for_update(skip_locked=True)))


def take_seats(
    db: Db,
    workspace_id: str,
    licences: Mapping[str, LicenceType],
    taken: Mapping[str, Seat],
    now: datetime,
    new_id: Callable[[], str],
) -> None:
    """Give each holder (id → seat, which `free_seats` found) its seat, and write the ledger's rows."""
    query = update(seats).where(
        seats.c.workspace_id == workspace_id, seats.c.id == bindparam("seat"), seats.c.holder_id.is_(None)
    )
    values = {"state": SeatState.ASSIGNED.value, "since": now}
    rows = [{"seat": seat.id, "holder": holder} for holder, seat in taken.items() if licences[seat.licence].counted]
    if rows:
        db.execute(query.values({"holder_id": bindparam("holder"), **values}), rows)
    key = {"workspace_id": workspace_id, "over": False, **values}
    made = [
        {**key, "id": seat.id, "licence": seat.licence, "holder_id": holder}
        for holder, seat in taken.items()
        if not licences[seat.licence].counted
    ]
    if made:
        db.execute(insert(seats), made)
    change = pools.Change.ASSIGNED
    entries = [
        pools.Entry(id=new_id(), at=now, licence=seat.licence, change=change, assigned=1, contact_id=holder)
        for holder, seat in taken.items()
    ]
    pools.note(db, workspace_id, *entries)
