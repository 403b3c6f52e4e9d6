"""What a User and a Group consist of: attribute trees, resource types, and name resolution.

The trees are read off schema documents (RFC 7643 §7), so that what /Schemas publishes and what the server does are
one thing. Must not know values, requests, storage or which identity provider is asking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final
from unicodedata import decomposition, is_normalized, normalize

import scim2_models
from scim2_models import URN, CaseExact, ComplexAttribute, Extension, Mutability, Returned

USER_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_URN: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WORKSPACE_URN: Final = "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"
SEATS_ERROR_URN: Final = "urn:ietf:params:scim:schemas:extension:workspace:2.0:SeatError"

ReadOnlyString = Annotated[str | None, Mutability.read_only]
ReadOnlyBoolean = Annotated[bool | None, Mutability.read_only]
ReadOnlyDate = Annotated[datetime | None, Mutability.read_only]


class Invitation(ComplexAttribute):
    """The invitation that is under way, or the address the next one goes to."""

    email: str | None = None
    """The address that the invitation goes to; one of the contact's or a new one."""

    sent_at: ReadOnlyDate = None
    """When the invitation was sent last."""

    expires_at: ReadOnlyDate = None
    """When the link in the invitation stops working."""

    state: ReadOnlyString = None
    """What became of it: pending, accepted, revoked or expired."""


class Seat(ComplexAttribute):
    """The licence that the contact holds."""

    state: ReadOnlyString = None
    """none, reserved (by an invitation) or assigned."""

    type: ReadOnlyString = None
    """The name of the licence type."""

    assigned_at: ReadOnlyDate = None
    """When the seat was reserved or assigned."""

    over: ReadOnlyBoolean = None
    """Whether the seat was granted beyond what is purchased."""


class WorkspaceUser(Extension):
    """The workspace's own attributes of a contact (lifecycle.md D4)."""

    __schema__ = URN(WORKSPACE_URN)

    status: ReadOnlyString = None
    """uninvited, invited, active or inactive. Change it through 'active'."""

    archived: bool | None = None
    """Whether the contact is hidden from default views. Says nothing about access."""

    archived_at: ReadOnlyDate = None
    """When the contact was archived."""

    status_changed_at: ReadOnlyDate = None
    """When the status changed last."""

    owner: ReadOnlyBoolean = None
    """Whether the contact owns the workspace."""

    account_linked: ReadOnlyBoolean = None
    """Whether a sign-in account is linked to the contact."""

    sign_in_allowed: ReadOnlyBoolean = None
    """Whether the contact may sign in to the workspace now."""

    invitation: Invitation | None = None
    """The invitation that is under way."""

    seat: Annotated[Seat | None, Mutability.read_only] = None
    """The licence that the contact holds."""


class CommonAttributes(Extension):
    """The attributes every resource has (RFC 7643 §3.1); part of each tree, published by none."""

    __schema__ = URN("urn:ietf:params:scim:schemas:common:2.0")

    id: Annotated[str | None, Mutability.read_only, Returned.always, CaseExact.true] = None
    external_id: Annotated[str | None, CaseExact.true] = None
    meta: Annotated[scim2_models.Meta | None, Mutability.read_only] = None


# Characteristics where RFC 7643's text, or what identity providers bear, differs from the library's models.
# A path is "attribute" or "attribute.sub"; the reason stands beside each row.
OVERRIDES: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    USER_URN: {
        "userName": {"uniqueness": "server"},
    },
    GROUP_URN: {
        "displayName": {"uniqueness": "server"},  # lifecycle.md D11
        "members.display": {"mutability": "readOnly"},  # the server's own, from the member's name
    },
    ENTERPRISE_URN: {
        "manager.value": {"required": False},  # users arrive in any order; Entra sends null sub-attributes
        "manager.$ref": {"required": False},  # derived from value, whatever is sent
    },
    "urn:ietf:params:scim:schemas:common:2.0": {
        "meta.resourceType": {"caseExact": True},
        "meta.version": {"caseExact": True},
        "meta.location": {"caseExact": True, "type": "reference", "referenceTypes": ["uri"]},
    },
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute with its characteristics (RFC 7643 §2.2); `sub` maps folded names to sub-attributes."""

    name: str
    type: str
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    sub: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def has_primary(self) -> bool:
        """Whether at most one of its values may be marked primary (RFC 7643 §2.4)."""
        return self.multi_valued and "primary" in self.sub


@dataclass(frozen=True, slots=True)
class Target:
    """What an attribute name stands for: an attribute, one of its sub-attributes, or a whole extension."""

    extension: str | None
    attribute: Attribute | None
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute:
        """The attribute whose characteristics count: the sub-attribute where one is named."""
        leaf = self.sub or self.attribute
        if leaf is None:
            raise ValueError("a whole extension has no characteristics of its own")
        return leaf

    def __str__(self) -> str:
        names = [part.name for part in (self.attribute, self.sub) if part]
        dotted = ".".join(names)
        if self.extension is None:
            return dotted
        return f"{self.extension}:{dotted}" if dotted else self.extension


@dataclass(frozen=True)
class ResourceType:
    """One resource type: its endpoint, its schema and its extensions, as documents and as attribute trees.

    `attributes` maps folded names to the core and common attributes; `extensions` maps each extension's URN, as
    published, to its own such mapping. `documents` are the schema documents of RFC 7643 §7, core first.
    """

    name: str
    endpoint: str
    description: str
    documents: Sequence[Mapping[str, Any]]

    @property
    def schema(self) -> str:
        """The URN of the core schema."""
        return str(self.documents[0]["id"])

    @cached_property
    def attributes(self) -> Mapping[str, Attribute]:
        """Folded name → attribute, core and common ones."""
        return {**_COMMON, **_tree(self.documents[0])}

    @cached_property
    def extensions(self) -> Mapping[str, Mapping[str, Attribute]]:
        """Extension URN → folded name → attribute."""
        return {str(document["id"]): _tree(document) for document in self.documents[1:]}

    @cached_property
    def shown(self) -> Mapping[str | None, frozenset[str]]:
        """By extension (None for the core), the names that an answer may hold when nobody asks for certain ones."""
        found: dict[str | None, set[str]] = {None: set(self.extensions), **{urn: set() for urn in self.extensions}}
        for extension, attribute in self.all_attributes():
            if attribute.returned not in ("never", "request"):
                found[extension].add(attribute.name)
        return {extension: frozenset(names) for extension, names in found.items()}

    @cached_property
    def on_request(self) -> frozenset[tuple[str | None, str]]:
        """(extension or None, name) of each attribute that is returned on request alone."""
        return frozenset((urn, each.name) for urn, each in self.all_attributes() if each.returned == "request")

    @cached_property
    def _urns(self) -> Mapping[str, str]:
        # the longest first, as one may begin with another
        return {urn.lower(): urn for urn in sorted(self.extensions, key=len, reverse=True)}

    def is_core(self, urn: str) -> bool:
        """Whether `urn`, in any case, is the core schema's, which names all core attributes at once."""
        return urn.strip().lower() == self.schema.lower()

    def extension_named(self, urn: str) -> str | None:
        """The extension's URN as published, for a URN in any case; None where there is no such extension."""
        return self._urns.get(urn.lower())

    def resolve(self, name: str, *, bare_extensions: bool = True) -> Target | None:
        """What `name` stands for: `attr`, `attr.sub`, `URN:attr.sub` or an extension's bare URN, in any case.

        With `bare_extensions`, a name the core doesn't know is looked up in the extensions (clients send `manager`
        and `department` so). Returns None where nothing has that name (RFC 7644 §3.10).
        """
        extension, rest = self._split_urn(name)
        if extension is not None and not rest:
            return Target(extension, None)
        attributes = self.attributes if extension is None else self.extensions[extension]
        head, dot, tail = rest.lower().partition(".")
        attribute = attributes.get(head)
        if attribute is None and extension is None and bare_extensions and ":" not in rest:
            extension, attribute = self._find_bare(head)
        if attribute is None:
            return None
        if not dot:
            return Target(extension, attribute)
        sub = attribute.sub.get(tail)
        return None if sub is None else Target(extension, attribute, sub)

    def _split_urn(self, name: str) -> tuple[str | None, str]:
        """(extension URN or None for the core, rest of the name): matched by known prefix, as URNs contain dots."""
        folded = name.lower()
        if not folded.startswith("urn:"):
            return None, name
        for lowered, urn in (*self._urns.items(), (self.schema.lower(), None)):
            if folded == lowered:
                return urn, ""
            # a dot after the URN instead of a colon is what old Entra jobs still send
            if folded.startswith(lowered) and folded[len(lowered)] in ":." and name[len(lowered) + 1 :]:
                return urn, name[len(lowered) + 1 :]
        return None, name

    def _find_bare(self, head: str) -> tuple[str | None, Attribute | None]:
        for urn, attributes in self.extensions.items():
            if head in attributes:
                return urn, attributes[head]
        return None, None

    def all_attributes(self) -> Iterator[tuple[str | None, Attribute]]:
        """Every top-level attribute with the extension it belongs to (None for core and common ones)."""
        for attribute in self.attributes.values():
            yield None, attribute
        for urn, attributes in self.extensions.items():
            for attribute in attributes.values():
                yield urn, attribute


# Fullwidth and halfwidth characters → the ones they are forms of (RFC 8265 §3.1: the width mapping rule).
_WIDTHS: Final = {
    code: normalize("NFKC", chr(code))
    for code in (0x3000, *range(0xFF01, 0xFFEF))
    if decomposition(chr(code)).startswith(("<wide>", "<narrow>"))
}


def user_name_key(user_name: str) -> str:
    """What two userNames share that are the same; e-mail addresses of accounts are compared so too."""
    return fold(USER.attributes["username"], user_name)


def fold(attribute: Attribute, value: str) -> str:
    """The string that comparisons use in place of `value`: NFC; unless caseExact, of one width and in lower case.

    Lower case alone, as RFC 7643 asks for case-insensitive comparison and not for one that equates ß and ss. One width,
    as names of users are compared by PRECIS (RFC 7644 §5).
    """
    if value.isascii():
        return value if attribute.case_exact else value.lower()
    if not attribute.case_exact:
        value = value.translate(_WIDTHS)
    normal = value if is_normalized("NFC", value) else normalize("NFC", value)
    # A final sigma is lower-cased by its place in the word, so that a fragment would differ from the whole.
    return (
        normal
        if attribute.case_exact
        else normalize("NFC", normal.lower()).replace(
            "\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}"
        )
    )


def _tree(document: Mapping[str, Any]) -> dict[str, Attribute]:
    return {row["name"].lower(): _attribute(row) for row in document.get("attributes", ())}


def _attribute(row: Mapping[str, Any]) -> Attribute:
    return Attribute(
        name=row["name"],
        type=row.get("type", "string"),
        multi_valued=row.get("multiValued", False),
        required=row.get("required", False),
        case_exact=row.get("caseExact", False),
        mutability=row.get("mutability", "readWrite"),
        returned=row.get("returned", "default"),
        uniqueness=row.get("uniqueness", "none"),
        sub={sub["name"].lower(): _attribute(sub) for sub in row.get("subAttributes", ())},
    )


def _document(model: type[Any], name: str, description: str) -> dict[str, Any]:
    """The schema document of a scim2-models class with this server's overrides and wrapped prose made plain."""
    document: dict[str, Any] = model.to_schema().model_dump()
    urn = document["id"]
    document |= {"name": name, "description": description}
    overrides = OVERRIDES.get(urn, {})
    for row in document["attributes"]:
        _override(row, row["name"], overrides)
        for sub in row.get("subAttributes") or ():
            _override(sub, f"{row['name']}.{sub['name']}", overrides)
    return document


def _override(row: dict[str, Any], path: str, overrides: Mapping[str, Mapping[str, Any]]) -> None:
    row.update(overrides.get(path, {}))
    if row["type"] != "reference":
        row.pop("referenceTypes", None)
    row["description"] = " ".join((row.get("description") or "").split()) or f"The {path}."


_COMMON: Final = {
    **_tree(_document(CommonAttributes, "Common", "Common attributes")),
    "schemas": Attribute("schemas", "reference", multi_valued=True, case_exact=True, returned="always"),
}

USER: Final = ResourceType(
    "User",
    "/Users",
    "A contact of the workspace.",
    (
        _document(scim2_models.User, "User", "User Account"),
        _document(scim2_models.EnterpriseUser, "EnterpriseUser", "Enterprise User"),
        _document(WorkspaceUser, "WorkspaceUser", "A contact's life in the workspace"),
    ),
)
GROUP: Final = ResourceType(
    "Group", "/Groups", "A group of contacts and groups.", (_document(scim2_models.Group, "Group", "Group"),)
)


@dataclass(frozen=True, slots=True)
class ResourceTypes:
    """The resource types of one server, with the extensions it was started with."""

    user: ResourceType = USER
    group: ResourceType = GROUP

    def __iter__(self) -> Iterator[ResourceType]:
        return iter((self.user, self.group))


CORE: Final = ResourceTypes()


def with_extension(resource_type: ResourceType, document: Mapping[str, Any]) -> ResourceType:
    """`resource_type` extended by one more schema document (RFC 7643 §7)."""
    return replace(resource_type, documents=(*resource_type.documents, document))
