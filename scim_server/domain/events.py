"""What is recorded when a contact changes: kinds, their words, and the record itself. No personal data but ids.

Must not know who stores, shows or sends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

Fact = str | bool | None

# What stands in place of a deleted person's name: on linked objects, and in the activity log (R32, R45b).
DELETED_CONTACT: Final = "Deleted contact"
DELETED_USER: Final = "Deleted user"


class Kind(StrEnum):
    """The tag of a record: one for each transition that changes something."""

    CREATED = "contact.created"
    PROVISIONED = "contact.provisioned"
    INVITED = "contact.invited"
    RESENT = "contact.invitation_resent"
    ACCEPTED = "contact.invitation_accepted"
    EXPIRED = "contact.invitation_expired"
    REVOKED = "contact.invitation_revoked"
    DEACTIVATED = "contact.deactivated"
    REINVITED = "contact.reinvited"
    ACTIVATED = "contact.activated"
    ARCHIVED = "contact.archived"
    UNARCHIVED = "contact.unarchived"
    EDITED = "contact.edited"
    LICENCE_CHANGED = "contact.licence_changed"
    DELETED = "contact.deleted"
    OWNERSHIP_GIVEN = "contact.ownership_given"
    OWNERSHIP_RECEIVED = "contact.ownership_received"


@dataclass(frozen=True, slots=True)
class Words:
    """How a kind reads in the activity log ("… by NAME") and which event of RFC 9967 it goes out as."""

    activity: str
    outbox: str


_PROV: Final = "urn:ietf:params:scim:event:prov:"
_CREATE, _PATCH, _DELETE = _PROV + "create:notice", _PROV + "patch:notice", _PROV + "delete"
_ACTIVATE, _DEACTIVATE = _PROV + "activate", _PROV + "deactivate"

# RFC 9967 §2.4: "activate" and "deactivate" follow what SCIM shows as active, true for an invited contact too (D1).
WORDS: Final[Mapping[Kind, Words]] = {
    Kind.CREATED: Words("created", _CREATE),
    Kind.PROVISIONED: Words("provisioned", _CREATE),
    Kind.INVITED: Words("invited", _ACTIVATE),
    Kind.RESENT: Words("sent the invitation again", _PATCH),
    Kind.ACCEPTED: Words("accepted the invitation", _PATCH),
    Kind.EXPIRED: Words("invitation expired", _DEACTIVATE),
    Kind.REVOKED: Words("revoked the invitation", _DEACTIVATE),
    Kind.DEACTIVATED: Words("deactivated", _DEACTIVATE),
    Kind.REINVITED: Words("invited again", _ACTIVATE),
    Kind.ACTIVATED: Words("activated", _ACTIVATE),
    Kind.ARCHIVED: Words("archived", _PATCH),
    Kind.UNARCHIVED: Words("unarchived", _PATCH),
    Kind.EDITED: Words("edited", _PATCH),
    Kind.LICENCE_CHANGED: Words("changed the licence type", _PATCH),
    Kind.DELETED: Words("deleted", _DELETE),
    Kind.OWNERSHIP_GIVEN: Words("handed ownership over", _PATCH),
    Kind.OWNERSHIP_RECEIVED: Words("received ownership", _PATCH),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactEvent:
    """One transition of one contact, as a record.

    `facts` maps what changed to (before, after), such as {"status": ("active", "inactive")}; its keys are status,
    archived, role, licence, seat, over, account_linked, invitation and items_owner (ids). `attributes` are the names,
    never the values, of what else changed.
    """

    kind: Kind
    contact_id: str
    at: datetime
    facts: Mapping[str, tuple[Fact, Fact]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()

    @property
    def words(self) -> Words:
        """The row of WORDS for this event's kind."""
        return WORDS[self.kind]


def handed_over(event: ContactEvent, heir_id: str) -> ContactEvent:
    """The event of a deletion, with whom the contact's linked items were handed to (R55)."""
    return replace(event, facts={**event.facts, "items_owner": (event.contact_id, heir_id)})
