"""Contact ⇄ SCIM User and Group ⇄ SCIM Group: pure, and the one place that knows both worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from scim_server.domain.contact import Contact, Draft
from scim_server.domain.group import Group, Member, Membership
from scim_server.domain.roles import Role
from scim_server.scim.errors import ScimError
from scim_server.scim.schema import ENTERPRISE_URN, GROUP, USER, WORKSPACE_URN

# Parts of a User that the server makes itself; a profile never holds them.
_DERIVED: Final = ("schemas", "id", "externalId", "userName", "active", "groups", "meta", "password", WORKSPACE_URN)
_OWNER_ROLE: Final = {"value": Role.OWNER.value, "display": "Workspace owner"}
_SETTABLE_ROLES: Final = {role.value: role for role in Role}


def instant(value: datetime) -> str:
    """A point in time as SCIM sends it (RFC 7643 §2.3.5): UTC with microseconds."""
    return value.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def etag(version: int) -> str:
    """The weak entity tag of a version (RFC 7644 §3.14)."""
    return f'W/"{version}"'


def _meta(kind: str, base: str, endpoint: str, row: Contact | Group) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "created": instant(row.created),
        "lastModified": instant(row.modified),
        "location": f"{base}{endpoint}/{row.id}",
        "version": etag(row.version),
    }


def to_user(contact: Contact, groups: Sequence[Membership], base: str) -> dict[str, Any]:
    """The complete User, its URLs under `base` (such as https://host/scim/v2)."""
    profile = {name: value for name, value in contact.profile.items() if value is not None}
    user: dict[str, Any] = {"schemas": [USER.schema, *_extensions(profile), WORKSPACE_URN], "id": contact.id}
    if contact.external_id is not None:
        user["externalId"] = contact.external_id
    user["userName"] = contact.user_name
    user.update(profile)
    if contact.owner:
        user["roles"] = [_OWNER_ROLE, *profile.get("roles", ())]
    if not _unassigned(contact, "active"):
        user["active"] = contact.active
    manager = user.get(ENTERPRISE_URN, {}).get("manager")
    if manager and "value" in manager:
        linked = {**manager, "$ref": f"{base}/Users/{manager['value']}"}
        user[ENTERPRISE_URN] = {**user[ENTERPRISE_URN], "manager": linked}
    if groups:
        user["groups"] = [_membership(group, base) for group in groups]
    user[WORKSPACE_URN] = _workspace_part(contact)
    user["meta"] = _meta("User", base, USER.endpoint, contact)
    return user


def _extensions(profile: Mapping[str, Any]) -> list[str]:
    """The extensions that a profile has attributes of, the workspace's own aside."""
    return [name for name in profile if name.startswith("urn:") and name != WORKSPACE_URN]


def _unassigned(contact: Contact, name: str) -> bool:
    return contact.profile.get(name, "") is None


def _membership(group: Membership, base: str) -> dict[str, Any]:
    return {
        "value": group.id,
        "$ref": f"{base}/Groups/{group.id}",
        "display": group.label,
        "type": "direct" if group.direct else "indirect",
    }


def _workspace_part(contact: Contact) -> dict[str, Any]:
    """The workspace extension: the contact's life as SCIM shows it (lifecycle.md D4)."""
    part: dict[str, Any] = {"status": contact.status.value}
    if not _unassigned(contact, "archived"):
        part["archived"] = contact.archived
    if contact.archived_at is not None:
        part["archivedAt"] = instant(contact.archived_at)
    if contact.status_changed_at is not None:
        part["statusChangedAt"] = instant(contact.status_changed_at)
    part |= {
        "owner": contact.owner,
        "accountLinked": contact.account_linked,
        "signInAllowed": contact.sign_in_allowed,
    }
    invitation = _invitation_part(contact)
    if invitation:
        part["invitation"] = invitation
    seat = contact.seat
    if seat is None:
        part["seat"] = {"state": "none"}
    else:
        part["seat"] = {
            "state": seat.state.value,
            "type": seat.licence,
            "assignedAt": instant(seat.since),
            "over": seat.over,
        }
    return part


def _invitation_part(contact: Contact) -> dict[str, Any]:
    invitation = contact.invitation
    wanted = invitation_email(contact)
    if invitation is None:
        return {"email": wanted} if wanted else {}
    return {
        "email": wanted or invitation.email,
        "sentAt": instant(invitation.sent_at),
        "expiresAt": instant(invitation.expires_at),
        "state": invitation.state.value,
    }


@dataclass(frozen=True, slots=True)
class Wish:
    """What a User as written by a client asks for; None where it says nothing (lifecycle.md D9)."""

    draft: Draft
    active: bool | None
    archived: bool | None
    licence: str | None


def to_wish(
    user: Mapping[str, Any],
    contact: Contact | None,
    connection_id: str | None,
    *,
    patched: bool,
    password: str | None = None,
) -> Wish:
    """What `user` asks for `contact` to become (None: a new one).

    `patched` tells a patched User, in which a missing `active` was removed, from a PUT or POST, in which it was just
    not mentioned. An externalId belongs to the connection that asks: without one there is none. `password` is the hash
    to keep. Raises ScimError forbidden where the owner's role is asked for.
    """
    workspace = user.get(WORKSPACE_URN, {})
    profile = {name: value for name, value in user.items() if name not in _DERIVED}
    profile["roles"] = _roles(user, contact)
    if not profile["roles"]:
        del profile["roles"]
    _keep_reference_out(profile)
    active, archived = user.get("active"), workspace.get("archived")
    _note_unassigned(profile, contact, {"active": active, "archived": archived}, patched=patched)
    if contact is not None and patched and archived is None:
        archived = False  # without the mark, the contact isn't archived
    _keep_invitation_email(profile, contact, workspace, patched=patched)
    draft = Draft(
        user_name=user["userName"],
        role=_role(profile.get("roles", ()), contact),
        external_id=user.get("externalId") if connection_id is not None else None,
        profile=profile,
        password=password,
    )
    return Wish(draft, active, archived, _licence(user))


def _note_unassigned(
    profile: dict[str, Any], contact: Contact | None, values: Mapping[str, bool | None], *, patched: bool
) -> None:
    """Mark in the profile which defaulted attributes a client has removed and not set since."""
    for name, value in values.items():
        before = contact is not None and _unassigned(contact, name)
        if value is None and (patched or before):
            profile[name] = None


def _keep_invitation_email(
    profile: dict[str, Any], contact: Contact | None, workspace: Mapping[str, Any], *, patched: bool
) -> None:
    """Keep the address that the next invitation is to go to, where one is asked for."""
    shown = _invitation_part(contact).get("email") if contact is not None else None
    email = workspace.get("invitation", {}).get("email")
    if email == shown or (email is None and not patched):
        email = invitation_email(contact) if contact is not None else None
    if email is not None:
        profile[WORKSPACE_URN] = {"invitation": {"email": email}}


def invitation_email(contact: Contact) -> str | None:
    """The address that the client chose for the next invitation."""
    email: str | None = contact.profile.get(WORKSPACE_URN, {}).get("invitation", {}).get("email")
    return email


def _keep_reference_out(profile: dict[str, Any]) -> None:
    """Drop what `to_user` makes from the manager's id, and what is then empty: a manager whose id was removed."""
    enterprise = dict(profile.pop(ENTERPRISE_URN, {}))
    manager = {name: value for name, value in enterprise.pop("manager", {}).items() if name != "$ref"}
    if manager:
        enterprise["manager"] = manager
    if enterprise:
        profile[ENTERPRISE_URN] = enterprise


def _roles(user: Mapping[str, Any], contact: Contact | None) -> list[dict[str, Any]]:
    """The roles to keep: the owner's own is the server's, and nobody else may be given it (lifecycle.md D3)."""
    roles: list[dict[str, Any]] = list(user.get("roles") or ())
    owner = contact is not None and contact.owner
    asked = [role for role in roles if str(role.get("value", "")).lower() == Role.OWNER.value]
    if asked and not owner:
        raise ScimError("forbidden", "The owner's role can't be given by provisioning. Transfer ownership instead.")
    return [role for role in roles if role not in asked]


def _role(roles: Sequence[Mapping[str, Any]], contact: Contact | None) -> Role:
    """The workspace role that SCIM's roles ask for; without one, team, or the contact's own that SCIM never gave."""
    if contact is not None and contact.owner:
        return Role.OWNER
    named = _named_role(roles)
    if named is None and contact is not None and _named_role(contact.profile.get("roles", ())) is None:
        return contact.role
    return named or Role.TEAM


def with_role(roles: Sequence[Mapping[str, Any]], role: Role) -> list[Mapping[str, Any]]:
    """SCIM's `roles`, of which `role` is the one that the workspace knows; the owner's is shown and never kept."""
    others = [each for each in roles if str(each.get("value", "")).lower() not in _SETTABLE_ROLES]
    return others if role is Role.OWNER else [{"value": role.value}, *others]


def handed_role(contact: Contact) -> Contact:
    """The contact, whose role has changed hands (T15), with a profile that says so.

    What SCIM once gave the new owner goes, and the old owner's is written down as if SCIM had given it.
    """
    kept = {name: value for name, value in contact.profile.items() if name != "roles"}
    roles = with_role(contact.profile.get("roles", ()), contact.role)
    return replace(contact, profile={**kept, "roles": roles} if roles else kept)


def _named_role(roles: Sequence[Mapping[str, Any]]) -> Role | None:
    """The first of SCIM's roles that the workspace knows."""
    values = (str(role.get("value", "")).lower() for role in roles)
    return next((_SETTABLE_ROLES[value] for value in values if value in _SETTABLE_ROLES), None)


def _licence(user: Mapping[str, Any]) -> str | None:
    """The licence type that `entitlements[type eq "license"].value` names (lifecycle.md D3)."""
    for entitlement in user.get("entitlements") or ():
        if is_licence(entitlement) and "value" in entitlement:
            return str(entitlement["value"])
    return None


def is_licence(entitlement: Mapping[str, Any]) -> bool:
    """Whether an entitlement names a licence type, in either spelling (lifecycle.md D3)."""
    return str(entitlement.get("type", "")).lower() in ("license", "licence")


def first_value(elements: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The element that stands for all, such as the e-mail to write to: the primary one, or the first with a value."""
    assigned = [each for each in elements if each.get("value")]
    return next((each for each in assigned if each.get("primary")), assigned[0] if assigned else None)


def to_group(group: Group, members: Sequence[Member] | None, base: str) -> dict[str, Any]:
    """The complete Group; without `members` where they weren't loaded."""
    result: dict[str, Any] = {"schemas": [GROUP.schema, *_extensions(group.profile)], "id": group.id}
    if group.external_id is not None:
        result["externalId"] = group.external_id
    result["displayName"] = group.display_name
    result.update(group.profile)
    if members:
        result["members"] = [
            {
                "value": member.id,
                "$ref": f"{base}/{member.kind}s/{member.id}",
                "type": member.kind,
                "display": member.label,
            }
            for member in members
        ]
    result["meta"] = _meta("Group", base, GROUP.endpoint, group)
    return result


def group_profile(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What of a Group resource is neither a column nor the server's own."""
    own = ("schemas", "id", "externalId", "displayName", "members", "meta")
    return {name: value for name, value in resource.items() if name not in own}
