"""Groups through the one door: create, read, replace, patch, delete; memberships change by rows, never as a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace as changed
from typing import Any, Final

from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.contacts import Call, searchable, shortened
from scim_server.domain.group import Group
from scim_server.domain.roles import Permission
from scim_server.mapping import group_profile, to_group
from scim_server.scim.errors import ScimError
from scim_server.scim.match import comparable
from scim_server.scim.patch import Operation, apply, as_elements, split
from scim_server.scim.schema import GROUP, fold
from scim_server.scim.values import check_immutable, read_value
from scim_server.storage import groups, ledger
from scim_server.storage.db import reading, writing
from scim_server.storage.query import member_condition

_MEMBERS: Final = GROUP.attributes["members"]


def read(directory: Directory, call: Call, group_id: str, *, with_members: bool = True) -> dict[str, Any]:
    """The complete Group; without its members where they aren't wanted, and then they aren't loaded either."""
    call.actor.require(Permission.GROUPS_VIEW)
    with reading(directory.engine) as db:
        group = _found(groups.load(db, call.workspace_id, group_id, call.connection_id), group_id)
        return _shown(db, call, group, with_members=with_members)


def create(
    directory: Directory, call: Call, resource: Mapping[str, Any], *, with_members: bool = True
) -> dict[str, Any]:
    """Make a group. Raises ScimError uniqueness for a displayName in use (D11)."""

    def work(db: Db) -> dict[str, Any]:
        call.actor.require(Permission.GROUPS_EDIT)
        _check_name(db, call, resource["displayName"], None)
        now = directory.now()
        group = Group(
            id=directory.new_id(),
            display_name=resource["displayName"],
            external_id=_external_id(call, resource),
            profile=group_profile(resource),
            created=now,
            modified=now,
        )
        _store(directory, db, call, group, None)
        _add(db, call, group, resource.get("members") or ())
        ledger.record_act(db, call.actor, "group.created", group.id, now, directory.new_id())
        return _shown(db, call, group, with_members=with_members)

    return writing(directory.engine, work)


def replace(
    directory: Directory, call: Call, group_id: str, resource: Mapping[str, Any], *, with_members: bool = True
) -> dict[str, Any]:
    """PUT: the group with exactly the attributes and members of `resource`."""

    def work(db: Db) -> dict[str, Any]:
        group = _to_change(db, call, group_id)
        check_immutable(directory.types.group, to_group(group, None, call.base), resource)
        wanted = _with(group, call, resource)
        touched = _set_members(db, call, group, resource.get("members") or ())
        return _finish(directory, db, call, group, wanted, touched=touched, with_members=with_members)

    return writing(directory.engine, work)


def patch(
    directory: Directory, call: Call, group_id: str, operations: Sequence[Operation], *, with_members: bool = True
) -> dict[str, Any]:
    """PATCH: the group after all operations, in order, or a refusal of the whole."""

    def work(db: Db) -> dict[str, Any]:
        group = _to_change(db, call, group_id)
        about_members, others = split(operations, _MEMBERS.name)
        patched = apply(directory.types.group, to_group(group, None, call.base), others, call.tolerance)
        wanted = _with(group, call, patched)
        counts = [_change_members(db, call, group, operation) for operation in about_members]
        return _finish(directory, db, call, group, wanted, touched=any(counts), with_members=with_members)

    return writing(directory.engine, work)


def delete(directory: Directory, call: Call, group_id: str) -> None:
    """Delete the group; its members stay."""

    def work(db: Db) -> None:
        group = _to_change(db, call, group_id)
        groups.erase(db, call.workspace_id, group)
        ledger.record_act(db, call.actor, "group.deleted", group.id, directory.now(), directory.new_id())

    writing(directory.engine, work)


def join(directory: Directory, db: Db, call: Call, name: str, contact_ids: Sequence[str]) -> None:
    """Make contacts members of the group of that name, in the caller's transaction; the group is made where needed."""
    call.actor.require(Permission.GROUPS_EDIT)
    now = directory.now()
    group_id = groups.id_of_name(db, call.workspace_id, fold(GROUP.attributes["displayname"], name))
    if group_id is None:
        group = Group(id=directory.new_id(), display_name=name, created=now, modified=now)
        _store(directory, db, call, group, None)
        ledger.record_act(db, call.actor, "group.created", group.id, now, directory.new_id())
    else:
        group = _to_change(db, call, group_id)
    added = groups.add_members(db, call.workspace_id, group.id, dict.fromkeys(contact_ids, "User"))
    if added and group_id is not None:
        groups.touch(db, call.workspace_id, group, now)
        ledger.record_act(db, call.actor, "group.edited", group.id, now, directory.new_id())


def _to_change(db: Db, call: Call, group_id: str) -> Group:
    call.actor.require(Permission.GROUPS_EDIT)
    group = _found(groups.load_to_change(db, call.workspace_id, group_id, call.connection_id), group_id)
    if call.precondition is not None:
        call.precondition(group.version)
    return group


def _found(group: Group | None, group_id: str) -> Group:
    if group is None:
        raise ScimError("notFound", f"There is no Group with the id {shortened(group_id)!r}.")
    return group


def _external_id(call: Call, resource: Mapping[str, Any]) -> str | None:
    """What `resource` sets as its externalId; it belongs to a connection, so that without one there is none."""
    return resource.get("externalId") if call.connection is not None else None


def _check_name(db: Db, call: Call, name: str, own_id: str | None) -> None:
    other_id = groups.id_of_name(db, call.workspace_id, fold(GROUP.attributes["displayname"], name))
    if other_id is not None and other_id != own_id:
        raise ScimError("uniqueness", f"The group displayName {shortened(name)!r} is already in use.")


def _with(group: Group, call: Call, resource: Mapping[str, Any]) -> Group:
    """The group as `resource` describes it, members aside."""
    return changed(
        group,
        display_name=resource["displayName"],
        external_id=_external_id(call, resource),
        profile=group_profile(resource),
    )


def _finish(
    directory: Directory, db: Db, call: Call, group: Group, wanted: Group, *, touched: bool, with_members: bool
) -> dict[str, Any]:
    """Save what changed, with one new version; nothing at all where nothing did (D14)."""
    now = directory.now()
    if wanted != group:
        if wanted.display_name != group.display_name:
            _check_name(db, call, wanted.display_name, group.id)
        group = _store(directory, db, call, changed(wanted, version=group.version + 1, modified=now), group)
    elif touched:
        group = groups.touch(db, call.workspace_id, group, now)
    else:
        return _shown(db, call, group, with_members=with_members)
    ledger.record_act(db, call.actor, "group.edited", group.id, now, directory.new_id())
    return _shown(db, call, group, with_members=with_members)


def _store(directory: Directory, db: Db, call: Call, group: Group, previous: Group | None) -> Group:
    search = comparable(directory.types.group, to_group(group, None, call.base))
    groups.save(db, call.workspace_id, call.connection_id, group, previous, searchable(search))
    return group


def _shown(db: Db, call: Call, group: Group, *, with_members: bool) -> dict[str, Any]:
    members = groups.members_of(db, call.workspace_id, [group.id])[group.id] if with_members else None
    return to_group(group, members, call.base)


def _ids(elements: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(str(element["value"]) for element in elements if element.get("value")))


def _known(db: Db, call: Call, group: Group, ids: Sequence[str]) -> dict[str, str]:
    """Id → kind of those that exist; the others are left out where that is forgiven. No group may contain itself."""
    kinds = groups.kinds_of(db, call.workspace_id, ids)
    unknown = next((each for each in ids if each not in kinds), None)
    if unknown is not None and "skip-unknown-members" not in call.tolerance:
        raise ScimError("invalidValue", f"There is no User or Group with the id {shortened(unknown)!r} to be a member.")
    children = [each for each in ids if kinds.get(each) == "Group"]
    if children:
        above = groups.ancestors_of(db, call.workspace_id, group.id)
        circular = next((child for child in children if child in above), None)
        if circular is not None:
            raise ScimError("invalidValue", f"The group {circular} contains this group and can't become its member.")
    return {each: kinds[each] for each in ids if each in kinds}


def _add(db: Db, call: Call, group: Group, elements: Sequence[Mapping[str, Any]]) -> int:
    kinds = _known(db, call, group, _ids(elements))
    return groups.add_members(db, call.workspace_id, group.id, kinds) if kinds else 0


def _set_members(db: Db, call: Call, group: Group, elements: Sequence[Mapping[str, Any]]) -> bool:
    kinds = _known(db, call, group, _ids(elements))
    removed = groups.remove_others(db, call.workspace_id, group.id, kinds)
    added = groups.add_members(db, call.workspace_id, group.id, kinds) if kinds else 0
    return bool(removed or added)


def _change_members(db: Db, call: Call, group: Group, operation: Operation) -> int:
    """Carry out one operation on `members` and return how many rows it changed."""
    term = operation.path.term
    if term is not None or operation.path.target.sub is not None:
        if operation.op != "remove" or operation.path.target.sub is not None:
            raise ScimError("mutability", "A member can be added or removed, not changed.")
        if term is not None:
            condition = member_condition(db, call.base, term)
            return groups.remove_where(db, call.workspace_id, group.id, condition)
    value = _unwrapped(operation.value)
    given = as_elements(value) if operation.op == "add" else value
    elements = read_value(_MEMBERS, given, call.tolerance, _MEMBERS.name)
    return _MEMBER_CHANGES[operation.op](db, call, group, operation, elements or [])


def _unwrapped(value: Any) -> Any:
    """`{"members": […]}` as the value of an operation on members means the list inside."""
    if isinstance(value, dict) and list(value) == ["members"]:
        return value["members"]
    return value


def _added(db: Db, call: Call, group: Group, _: Operation, elements: Sequence[Mapping[str, Any]]) -> int:
    return _add(db, call, group, elements)


def _replaced(db: Db, call: Call, group: Group, _: Operation, elements: Sequence[Mapping[str, Any]]) -> int:
    return int(_set_members(db, call, group, elements))


def _removed(db: Db, call: Call, group: Group, operation: Operation, elements: Sequence[Mapping[str, Any]]) -> int:
    if operation.value is None or "remove-listed-values" not in call.tolerance:
        return groups.remove_members(db, call.workspace_id, group.id, None)
    return groups.remove_members(db, call.workspace_id, group.id, _ids(elements))


_MEMBER_CHANGES: Final[Mapping[str, Callable[[Db, Call, Group, Operation, Sequence[Mapping[str, Any]]], int]]] = {
    "add": _added,
    "replace": _replaced,
    "remove": _removed,
}
