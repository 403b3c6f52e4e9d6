"""Groups and memberships: load, save, erase; a membership is a row, so that a change never reads the whole list.

Always by workspace and, for changes to a group itself, by the expected version. A group is loaded as a connection
knows it, by the external id that this connection gave it. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Engine,
    Exists,
    Insert,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy import Connection as Db
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from scim_server.domain.group import Group, Member, Membership
from scim_server.storage import external_ids
from scim_server.storage.contacts import chunked, existing, lock
from scim_server.storage.db import LostRace, reading
from scim_server.storage.prepared import Prepared
from scim_server.storage.tables import contacts, group_external_ids, groups, members, workspaces

SELECT: Final[Select[Any]] = select(
    *(column for column in groups.c if column.name != "search"),
    external_ids.value_for(group_external_ids, groups, bindparam("connection")),
)
_BY_ID: Final = and_(groups.c.workspace_id == bindparam("workspace"), groups.c.id == bindparam("group"))
_LOADED: Final = SELECT.where(_BY_ID)
_LOCKED: Final = select(groups.c.id).where(_BY_ID).with_for_update()
_ID_OF_NAME: Final = select(groups.c.id).where(
    groups.c.workspace_id == bindparam("workspace"), groups.c.display_name_key == bindparam("key")
)


def load(db: Db, workspace_id: str, group_id: str, connection_id: str | None) -> Group | None:
    """The group, or None."""
    named = {"workspace": workspace_id, "group": group_id, "connection": connection_id}
    row = db.execute(_LOADED, named).one_or_none()
    return None if row is None else group_of(row)


def load_to_change(db: Db, workspace_id: str, group_id: str, connection_id: str | None) -> Group | None:
    """The group, its row locked until the transaction ends, or None."""
    lock(db, _LOCKED, {"workspace": workspace_id, "group": group_id})
    return load(db, workspace_id, group_id, connection_id)


def id_of_name(db: Db, workspace_id: str, key: str) -> str | None:
    """The id of the group whose folded displayName is `key`, or None."""
    return db.scalar(_ID_OF_NAME, {"workspace": workspace_id, "key": key})


def group_of(row: Any) -> Group:
    """The group that a row of SELECT describes."""
    return Group(
        id=row.id,
        display_name=row.display_name,
        external_id=row.external_id,
        profile=orjson.loads(row.profile),
        created=row.created,
        modified=row.modified,
        version=row.version,
    )


def save(
    db: Db,
    workspace_id: str,
    connection_id: str | None,
    group: Group,
    previous: Group | None,
    search: Mapping[str, Any],
) -> None:
    """Insert `group`, or update it from `previous` if that is still what is stored. Raises LostRace when it isn't.

    Both are as `connection_id` knows them; `search` is the comparable form.
    """
    values = {
        "display_name": group.display_name,
        "display_name_key": search["displayName"],
        "profile": orjson.dumps(group.profile).decode(),
        "search": search,
        "version": group.version,
        "created": group.created,
        "modified": group.modified,
    }
    try:
        if previous is None:
            db.execute(insert(groups), {"workspace_id": workspace_id, "id": group.id, **values})
        else:
            changed = db.execute(
                update(groups)
                .where(
                    groups.c.workspace_id == workspace_id,
                    groups.c.id == group.id,
                    groups.c.version == previous.version,
                )
                .values(values)
            )
            if changed.rowcount != 1:
                raise LostRace
        external_ids.save(db, group_external_ids, workspace_id, connection_id, group, previous)
    except IntegrityError as error:
        raise LostRace from error


def erase(db: Db, workspace_id: str, group: Group) -> None:
    """Delete the group and its memberships for good."""
    erased = db.execute(
        delete(groups).where(
            groups.c.workspace_id == workspace_id, groups.c.id == group.id, groups.c.version == group.version
        )
    )
    if erased.rowcount != 1:
        raise LostRace


def kinds_of(db: Db, workspace_id: str, ids: Sequence[str]) -> dict[str, str]:
    """Id → "User" or "Group" for those of `ids` that the workspace has."""
    kinds = dict.fromkeys(existing(db, workspace_id, ids), "User")
    rest = [each for each in ids if each not in kinds]
    for chunk in chunked(rest):
        query = select(groups.c.id).where(groups.c.workspace_id == workspace_id, groups.c.id.in_(chunk))
        kinds.update(dict.fromkeys(db.scalars(query), "Group"))
    return kinds


def add_members(db: Db, workspace_id: str, group_id: str, kinds: Mapping[str, str]) -> int:
    """Add members (id → User or Group) and return how many weren't members before."""
    added = 0
    ids = list(kinds)
    for chunk in chunked(ids):
        rows = [
            {
                "workspace_id": workspace_id,
                "group_id": group_id,
                "member_id": member,
                "contact_id": member if kinds[member] == "User" else None,
                "child_id": member if kinds[member] == "Group" else None,
            }
            for member in chunk
        ]
        try:
            # the rows that come back, as not every driver counts the inserted ones
            added += len(db.execute(_insert_new(db).values(rows).returning(members.c.member_id)).all())
        except IntegrityError as error:  # the member was deleted meanwhile
            raise LostRace from error
    return added


def _insert_new(db: Db) -> Insert:
    if db.dialect.name == "postgresql":
        return postgresql.insert(members).on_conflict_do_nothing()
    return sqlite.insert(members).on_conflict_do_nothing()


def remove_members(db: Db, workspace_id: str, group_id: str, ids: Sequence[str] | None) -> int:
    """Remove the listed members, or all of them (None), and return how many there were."""
    of_group = and_(members.c.workspace_id == workspace_id, members.c.group_id == group_id)
    if ids is None:
        return db.execute(delete(members).where(of_group)).rowcount
    return sum(
        db.execute(delete(members).where(of_group, members.c.member_id.in_(chunk))).rowcount for chunk in chunked(ids)
    )


def remove_others(db: Db, workspace_id: str, group_id: str, kept: Iterable[str]) -> int:
    """Remove every member but `kept` and return how many there were."""
    query = select(members.c.member_id).where(members.c.workspace_id == workspace_id, members.c.group_id == group_id)
    return remove_members(db, workspace_id, group_id, sorted(set(db.scalars(query)) - set(kept)))


def remove_where(db: Db, workspace_id: str, group_id: str, condition: ColumnElement[bool]) -> int:
    """Remove the members for which `condition` (on the members table) holds and return how many there were."""
    of_group = and_(members.c.workspace_id == workspace_id, members.c.group_id == group_id)
    return db.execute(delete(members).where(of_group, condition)).rowcount


def members_of(db: Db, workspace_id: str, group_ids: Sequence[str]) -> dict[str, list[Member]]:
    """Group id → its members, in the order of their ids, for each of `group_ids`."""
    # a subquery and no join, as for label_of_group
    child = select(groups.c.display_name).where(
        groups.c.workspace_id == members.c.workspace_id, groups.c.id == members.c.child_id
    )
    query = (
        select(
            members.c.group_id,
            members.c.member_id,
            members.c.child_id,
            func.coalesce(contacts.c.label, child.scalar_subquery()).label("label"),
        )
        .select_from(
            members.outerjoin(
                contacts, and_(contacts.c.workspace_id == members.c.workspace_id, contacts.c.id == members.c.contact_id)
            )
        )
        .where(members.c.workspace_id == workspace_id, members.c.group_id.in_(group_ids))
        .order_by(members.c.group_id, members.c.member_id)
    )
    found: dict[str, list[Member]] = {group_id: [] for group_id in group_ids}
    for group_id, member_id, child_id, label in db.execute(query):
        found[group_id].append(Member(member_id, "User" if child_id is None else "Group", label))
    return found


def label_of_group() -> ScalarSelect[Any]:
    """The name of a membership's group."""
    # a subquery and no join, so that no planner begins with all groups of the workspace
    named = groups.alias()
    label = select(named.c.display_name).where(
        named.c.workspace_id == members.c.workspace_id, named.c.id == members.c.group_id
    )
    return label.scalar_subquery()


def is_inside() -> Exists:
    """Whether the group of a membership is itself a member of another group."""
    outer = members.alias()
    found = select(literal(1)).where(
        outer.c.workspace_id == members.c.workspace_id, outer.c.child_id == members.c.group_id
    )
    return found.exists()


def _around(member: ColumnElement[Any], chosen: ColumnElement[bool]) -> Select[Any]:
    """Member, group, its name and whether it is inside others, for the members that are `chosen`."""
    columns = (
        member.label("member"),
        members.c.group_id,
        label_of_group().label("label"),
        is_inside().label("inside"),
    )
    return select(*columns).where(members.c.workspace_id == bindparam("workspace"), chosen)


_OF_CONTACT: Final = Prepared(_around(members.c.contact_id, members.c.contact_id == bindparam("contact")))
_OF_CONTACTS: Final = _around(members.c.contact_id, members.c.contact_id.in_(bindparam("ids", expanding=True)))
_OF_GROUPS: Final = _around(members.c.child_id, members.c.child_id.in_(bindparam("ids", expanding=True)))


def read_memberships(engine: Engine, workspace_id: str, contact_id: str) -> list[Membership]:
    """The groups that one contact is in, in a transaction of its own and without the cost of one."""
    rows = _OF_CONTACT.rows(engine, {"workspace": workspace_id, "contact": contact_id})
    if any(row.inside for row in rows):
        with reading(engine) as db:
            return memberships_of(db, workspace_id, [contact_id])[contact_id]
    return sorted((Membership(row.group_id, row.label, True) for row in rows), key=by_id)


def memberships_of(db: Db, workspace_id: str, contact_ids: Sequence[str]) -> dict[str, list[Membership]]:
    """Contact id → the groups it is in, direct ones and those around them, for each of `contact_ids`."""
    direct = _rows_for(db, _OF_CONTACTS, workspace_id, contact_ids)
    parents: dict[str, list[str]] = {}
    labels = {row.group_id: row.label for row in direct}
    frontier = sorted({row.group_id for row in direct if row.inside})
    while frontier:
        rows = _rows_for(db, _OF_GROUPS, workspace_id, frontier)
        for row in rows:
            parents.setdefault(row.member, []).append(row.group_id)
            labels[row.group_id] = row.label
        frontier = sorted({row.group_id for row in rows if row.inside} - parents.keys())
    inner: dict[str, set[str]] = {contact_id: set() for contact_id in contact_ids}
    for row in direct:
        inner[row.member].add(row.group_id)
    return {
        contact_id: sorted((Membership(g, labels[g], g in own) for g in _above(own, parents)), key=by_id)
        for contact_id, own in inner.items()
    }


def _rows_for(db: Db, query: Select[Any], workspace_id: str, ids: Sequence[str]) -> list[Any]:
    return [row for chunk in chunked(ids) for row in db.execute(query, {"workspace": workspace_id, "ids": chunk})]


def _above(own: set[str], parents: Mapping[str, Sequence[str]]) -> set[str]:
    """The groups in `own` and all groups around them."""
    found: set[str] = set()
    left = list(own)
    while left:
        group_id = left.pop()
        if group_id not in found:
            found.add(group_id)
            left.extend(parents.get(group_id, ()))
    return found


def by_id(membership: Membership) -> str:
    """The key that memberships are listed by."""
    return membership.id


def ancestors_of(db: Db, workspace_id: str, group_id: str) -> set[str]:
    """The ids of all groups that the group is in, at any depth, and its own; no other caller gets them until the end.

    Two changes that don't see each other could close a circle, so that nesting is changed by one at a time.
    """
    lock = select(workspaces.c.workspace_id).where(workspaces.c.workspace_id == workspace_id)
    db.execute(lock.with_for_update(key_share=True))
    own = select(groups.c.id.label("group_id")).where(groups.c.workspace_id == workspace_id, groups.c.id == group_id)
    above = own.cte("above", recursive=True)
    above = above.union(
        select(members.c.group_id).where(members.c.workspace_id == workspace_id, members.c.child_id == above.c.group_id)
    )
    return set(db.scalars(select(above.c.group_id)))


def inside(db: Db, workspace_id: str, group_id: str) -> Sequence[str]:
    """The id of the group and those of all groups inside it, at any depth.

    Level by level, as SQLite prepares for a recursive query by a walk through all memberships.
    """
    found, frontier = {group_id: None}, [group_id]
    while frontier:
        below = [child for chunk in chunked(frontier) for child in db.scalars(_children(workspace_id, chunk))]
        frontier = [child for child in dict.fromkeys(below) if child not in found]
        found.update(dict.fromkeys(frontier))
    return list(found)


def _children(workspace_id: str, group_ids: Sequence[str]) -> Select[Any]:
    return select(members.c.child_id).where(
        members.c.workspace_id == workspace_id, members.c.group_id.in_(group_ids), members.c.child_id.is_not(None)
    )


def touch(db: Db, workspace_id: str, group: Group, now: datetime) -> Group:
    """The group with a new version, stored, after its members changed. Raises LostRace."""
    touched = replace(group, version=group.version + 1, modified=now)
    changed = db.execute(
        update(groups)
        .where(groups.c.workspace_id == workspace_id, groups.c.id == group.id, groups.c.version == group.version)
        .values(version=touched.version, modified=now)
    )
    if changed.rowcount != 1:
        raise LostRace
    return touched
