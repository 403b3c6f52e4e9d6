"""People as rows of plain columns, as spreadsheets and the command line have them: to a SCIM User and back. Pure.

Must not know files, transactions or storage; what a User may hold is judged by the schema, as for any other door.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from scim_server.domain.contact import Contact, Event, Status, steps_to
from scim_server.domain.errors import OwnerRoleNotSettable, Refused
from scim_server.domain.roles import Role
from scim_server.mail import is_address
from scim_server.mapping import Wish, first_value, is_licence, to_user, to_wish, with_role
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER, ResourceTypes, fold
from scim_server.scim.tolerance import tolerance_of
from scim_server.scim.values import Resource, read_resource, read_value

Values: TypeAlias = Mapping[str, Any]
"""A row read: column → text, None for an empty cell; true, false or None for FLAGS; a list of names for groups."""

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "userName": ("userName",),
    "givenName": ("name", "givenName"),
    "familyName": ("name", "familyName"),
    "displayName": ("displayName",),
    "title": ("title",),
    "department": (ENTERPRISE_URN, "department"),
    "employeeNumber": (ENTERPRISE_URN, "employeeNumber"),
    "externalId": ("externalId",),
}
LISTS: Final[Mapping[str, str]] = {"email": "emails", "phone": "phoneNumbers"}
FLAGS: Final = ("active", "archived")
COLUMNS: Final = (
    "userName",
    "givenName",
    "familyName",
    "displayName",
    "email",
    "phone",
    "title",
    "department",
    "employeeNumber",
    "role",
    "licence",
    "active",
    "archived",
    "groups",
)
EXTERNAL_ID: Final = "externalId"
# Left alone by an empty cell: a contact always has one of each.
_KEPT: Final = ("role", "licence", *FLAGS)
_ROLES: Final = tuple(role.value for role in Role)
# True is for those who may sign in; an empty cell for those who never could: uninvited and invited ones.
_ACTIVE: Final = {Status.ACTIVE: True, Status.INACTIVE: False}
_TOLERANCE: Final = tolerance_of("generic")


class BadRow(Refused):
    """A row that can't be a contact; the message says why."""

    code = "bad_row"


def check_columns(names: Iterable[str], *, external_id: bool) -> None:
    """Refuse a name that is no column, one that stands twice, and the lack of userName. Raises BadRow.

    `external_id`: whether there is a connection that external ids could belong to.
    """
    found: set[str] = set()
    for name in names:
        if name == EXTERNAL_ID and not external_id:
            raise BadRow("The column 'externalId' belongs to a connection: name one with --connection.")
        if name not in COLUMNS and name != EXTERNAL_ID:
            raise BadRow(f"There is no column {name[:64]!r}. There are: {', '.join(COLUMNS)}.")
        if name in found:
            raise BadRow(f"The column {name!r} stands there twice.")
        found.add(name)
    if "userName" not in found:
        raise BadRow("The column 'userName' is missing.")


def read_row(raw: Mapping[str, Any]) -> Values:
    """The values of a row's columns, whose names have been checked. Raises BadRow, ScimError."""
    values: dict[str, Any] = {}
    for name, cell in raw.items():
        if name in FLAGS:
            values[name] = _flag(name, cell)
        elif name == "groups":
            values[name] = _names(cell)
        else:
            values[name] = _text(name, cell)
    if not values.get("userName"):
        raise BadRow("The userName is empty.")
    read_value(USER.attributes["username"], values["userName"], _TOLERANCE, "userName")  # before it is looked up
    role = values.get("role")
    if role is not None and role not in _ROLES:
        raise BadRow(f"There is no role {role[:64]!r}. There are: {', '.join(_ROLES[1:])}.")
    return values


def _text(name: str, cell: Any) -> str | None:
    if cell is None or cell == "":
        return None
    if not isinstance(cell, str):
        raise BadRow(f"{name} must be text.")
    return cell


def _flag(name: str, cell: Any) -> bool | None:
    if cell is None or isinstance(cell, bool):
        return cell
    found = {"": None, "true": True, "false": False}
    text = cell.lower() if isinstance(cell, str) else "?"
    if text not in found:
        raise BadRow(f"{name} must be true, false or empty.")
    return found[text]


def _names(cell: Any) -> list[str]:
    """Names of groups: a list, or one cell in which `;` stands between them."""
    try:
        if isinstance(cell, str):
            cell = next(csv.reader(io.StringIO(cell, newline=""), delimiter=";"), [])
    except csv.Error as error:
        raise BadRow(f"groups can't be read: {error}.") from error
    names = [] if cell is None else cell
    if not isinstance(names, list):
        raise BadRow("groups must be a list of names.")
    for name in names:
        read_value(GROUP.attributes["displayname"], name, frozenset(), "displayName")
        if not name:
            raise BadRow("The name of a group is empty.")
    return list({fold(GROUP.attributes["displayname"], name): name for name in names}.values())


def joined(names: Sequence[str]) -> str:
    """Names of groups in one cell, as `read_row` reads them."""
    if not names:
        return ""
    cell = io.StringIO(newline="")
    # a writer quotes the characters of its own line terminator: both, so that a lone one comes back too
    csv.writer(cell, delimiter=";", lineterminator="\r\n").writerow(names)
    return cell.getvalue().removesuffix("\r\n")


def body_of(types: ResourceTypes, values: Values, user: Resource | None, *, owner: bool = False) -> Resource:
    """The User that `values` make of `user` (None: a new one), judged by the schema.

    An empty cell takes the attribute away; a column that isn't there leaves it alone. Raises ScimError, BadRow for a
    new e-mail that is no address, and OwnerRoleNotSettable where the owner's role is given or taken.
    """
    _check_email(values.get("email"), user or {})
    body: Resource = {"schemas": [USER.schema], **(user or {})}
    body["schemas"] = [USER.schema]
    for name, path in TEXTS.items():
        if name in values:
            _put(body, path, values[name])
    if user and {"givenName", "familyName"} & values.keys() and body.get("name") != user.get("name"):
        body["name"] = {name: part for name, part in body.get("name", {}).items() if name != "formatted"}
    for name, attribute in LISTS.items():
        if name in values:
            body[attribute] = _with_first(body.get(attribute) or [], values[name])
    _put_role(body, values.get("role"), owner=owner)
    if values.get("licence") is not None:
        others = [each for each in body.get("entitlements") or () if not is_licence(each)]
        body["entitlements"] = [*others, {"type": "license", "value": values["licence"]}]
    return read_resource(types.user, body, _TOLERANCE)


def wish_of(
    types: ResourceTypes, values: Values, contact: Contact, connection_id: str | None
) -> tuple[Wish, tuple[Event, ...]]:
    """What `values` ask an existing contact to become, and the events that lead there. Raises as body_of does."""
    body = body_of(types, values, to_user(contact, (), ""), owner=contact.owner)
    wish = to_wish(body, contact, connection_id, patched=False, password=contact.password)
    events = steps_to(
        contact,
        draft=wish.draft,
        active=values.get("active"),
        archived=values.get("archived"),
        licence=wish.licence if values.get("licence") is not None else None,
    )
    return wish, events


def _check_email(email: str | None, user: Resource) -> None:
    """Refuse what nobody could be mailed at; what the contact has already, an identity provider's, is left to it."""
    first = first_value(user.get("emails") or [])
    known = None if first is None else first["value"]
    if email is not None and email != known and not is_address(email):
        raise BadRow(f"{email[:64]!r} is not an e-mail address.")


def _put(body: Resource, path: tuple[str, ...], value: str | None) -> None:
    if len(path) == 1:
        body[path[0]] = value
    else:
        body[path[0]] = {**body.get(path[0], {}), path[1]: value}


def _with_first(elements: Sequence[Mapping[str, Any]], value: str | None) -> list[Mapping[str, Any]]:
    first = first_value(elements)
    if first is None:
        return [] if value is None else [{"value": value, "type": "work", "primary": True}]
    if value is None:
        return [each for each in elements if each is not first]
    return [{**each, "value": value} if each is first else each for each in elements]


def _put_role(body: Resource, role: str | None, *, owner: bool) -> None:
    if role is None or (owner and role == Role.OWNER):
        return
    if owner or role == Role.OWNER:
        raise OwnerRoleNotSettable
    body["roles"] = with_role(body.get("roles") or (), Role(role))


def row_of(contact: Contact, groups: Sequence[str], *, external_id: bool = False) -> dict[str, Any]:
    """The row of a contact that is in `groups` (names): every column, in order."""
    profile = contact.profile
    row: dict[str, Any] = {"userName": contact.user_name}
    for name, path in TEXTS.items():
        if name not in ("userName", EXTERNAL_ID):
            part = profile.get(path[0])
            row[name] = part if len(path) == 1 else (part or {}).get(path[1])
    for name, attribute in LISTS.items():
        first = first_value(profile.get(attribute) or [])
        row[name] = None if first is None else str(first["value"])
    row |= {
        "role": contact.role.value,
        "licence": contact.licence,
        "active": _ACTIVE.get(contact.status),
        "archived": contact.archived,
        "groups": sorted(groups),
    }
    ordered = {name: row[name] for name in COLUMNS}
    return {**ordered, EXTERNAL_ID: contact.external_id} if external_id else ordered


def is_so(values: Values, contact: Contact, groups: Sequence[str]) -> bool:
    """Whether the contact, in `groups` (names), is already what the row says."""
    row = row_of(contact, groups, external_id=True)
    inside = {fold(GROUP.attributes["displayname"], name) for name in groups}
    for name, value in values.items():
        if name == "groups":
            if not {fold(GROUP.attributes["displayname"], each) for each in value} <= inside:
                return False
        elif value != row[name] and not (value is None and name in _KEPT):
            return False
    return True
