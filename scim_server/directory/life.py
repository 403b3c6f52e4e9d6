"""A person's, or an operator's, acts on one contact: the console's and the command line's way through the one door.

A contact is named by its id or its userName. Each act is decided by domain.contact and saved in one transaction. Knows
no commands, pages or forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection as Db

from scim_server.directory import Directory, contacts
from scim_server.directory.access import Taken, Unknown
from scim_server.directory.columns import COLUMNS, FLAGS, Values, body_of, is_so, read_row, wish_of
from scim_server.directory.contacts import Call, save_decision, shortened
from scim_server.directory.links import is_due
from scim_server.domain.actor import Actor
from scim_server.domain.acts import is_for_people
from scim_server.domain.contact import Contact, Context, Decision, Event, Status, decide, decide_all
from scim_server.domain.errors import IllegalTransition, Refused
from scim_server.domain.group import Membership
from scim_server.domain.roles import Permission
from scim_server.domain.seats import DEFAULT_LICENCE
from scim_server.domain.workspace import transfer as hand_over
from scim_server.mapping import handed_role, to_wish
from scim_server.scim.schema import user_name_key
from scim_server.scim.values import is_sound
from scim_server.storage import accounts, groups, items
from scim_server.storage import contacts as stored
from scim_server.storage.db import LostRace, reading, writing

MOST_ADMINISTRATORS: Final = 100
# What the actions of a contact's menu ask for; the other ones have functions of their own.
ACTS: Final = (Event.DEACTIVATE, Event.ACTIVATE, Event.ARCHIVE, Event.UNARCHIVE)
# What a form may set: access is given and taken by acts, and groups have members of their own.
FIELDS: Final = tuple(name for name in COLUMNS if name not in (*FLAGS, "groups"))


class Outdated(Refused):
    """A form shows what the contact was, and someone has changed it since."""

    code = "outdated"

    def __init__(self) -> None:
        super().__init__("Someone changed this contact meanwhile. Look at what it is now, then make your change again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The contact after an act; `changed` is False where it was so before (T17)."""

    contact: Contact
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A contact and the groups it is in."""

    contact: Contact
    groups: tuple[Membership, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What an act would come to: on whom, whether it changes anything, and how many linked items its contact owns.

    `heir` is who would get them, None for nobody.
    """

    contact: Contact
    changed: bool = True
    items: int = 0
    heir: Contact | None = None


def show(directory: Directory, actor: Actor, who: str) -> Shown:
    """The contact with that id or userName. Raises Unknown, MissingPermission."""
    actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        contact = find(db, actor.workspace_id, who)
        around = groups.memberships_of(db, actor.workspace_id, [contact.id])[contact.id]
    if is_due(contact, directory.now()):
        contacts.lapse(directory, Call(actor, None, ""), contact.id)
        with reading(directory.engine) as db:
            contact = find(db, actor.workspace_id, contact.id)
    return Shown(contact=contact, groups=tuple(around))


def owner(directory: Directory, actor: Actor) -> Contact:
    """Who owns the workspace. Raises MissingPermission."""
    actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        found = stored.owner_of(db, actor.workspace_id)
    if found is None:
        raise Unknown("The workspace has no owner.")
    return found


def administrators(directory: Directory, actor: Actor, *, count: int = MOST_ADMINISTRATORS) -> Sequence[Contact]:
    """Up to `count` administrators, oldest first; the owner isn't among them. Raises MissingPermission."""
    actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        return stored.administrators(db, actor.workspace_id, count)


def create(directory: Directory, actor: Actor, values: Mapping[str, Any]) -> Contact:
    """Make an uninvited contact (T1) of `values`: name of FIELDS → text, empty or None for none; others are ignored.

    Raises Taken for a userName in use, BadRow and ScimError for a value that doesn't fit, and domain refusals:
    MissingPermission without seats:manage for a person who names another licence type than the usual one.
    """
    body = body_of(directory.types, _read(values), None)
    wish = to_wish(body, None, None, patched=False)

    def work(db: Db) -> Contact:
        actor.require(Permission.CONTACTS_EDIT)
        _check_licence(actor, wish.licence, DEFAULT_LICENCE)
        _check_name(db, actor, wish.draft.user_name, None)
        context = replace(
            contacts.context_of(directory, db, Call(actor, None, "")), draft=wish.draft, new_id=directory.new_id()
        )
        decision = decide(None, Event.CREATE, replace(context, licence=wish.licence))
        return _saved(directory, db, actor, None, decision)

    return writing(directory.engine, work)


def edit(
    directory: Directory, actor: Actor, who: str, values: Mapping[str, Any], *, version: int | None = None
) -> Done:
    """Give a contact other `values`: as create takes them, and only those that are there. A new licence swaps the seat.

    `version` is that of the contact as the form showed it. What is so already changes nothing, whatever the version
    (T17). Raises Unknown, Outdated, Taken for a userName in use, BadRow and ScimError for a value that doesn't fit, and
    domain refusals: RoleAboveOwn, SignInOfAnother, OwnerRoleNotSettable, UnknownLicence, NoFreeSeat, and
    MissingPermission for a person without seats:manage who names another licence type.
    """

    def work(db: Db) -> Done:
        actor.require(Permission.CONTACTS_EDIT)
        found = find(db, actor.workspace_id, who, to_change=True)
        asked = _read({"userName": found.user_name, **values})
        new = {name: value for name, value in asked.items() if not is_so({name: value}, found, ())}
        if not new:
            return Done(contact=found, changed=False)
        if version not in (None, found.version):
            raise Outdated
        contact = contacts.lapsed(directory, db, Call(actor, None, ""), found)
        wish, events = wish_of(directory.types, new, contact, None)
        _check_licence(actor, wish.licence, contact.licence)
        _check_name(db, actor, wish.draft.user_name, contact)
        context = contacts.context_of(directory, db, Call(actor, None, ""))
        decision = decide_all(contact, events, replace(context, draft=wish.draft, licence=wish.licence))
        return Done(contact=_saved(directory, db, actor, contact, decision), changed=decision.changed)

    return contacts.seating(directory, actor.workspace_id, work)


def change_role(directory: Directory, actor: Actor, who: str, role: str, *, version: int | None = None) -> Done:
    """Make a contact an admin, team member or client; the owner's role is transferred. Raises as edit does."""
    return edit(directory, actor, who, {"role": role}, version=version)


def set_licence(directory: Directory, actor: Actor, who: str, licence: str, *, version: int | None = None) -> Done:
    """Swap a contact's seat for one of another type, or change what it asks for next. Raises as edit does."""
    return edit(directory, actor, who, {"licence": licence}, version=version)


def act(directory: Directory, actor: Actor, who: str, event: Event) -> Done:
    """Carry out one of ACTS (T8, T10, T13), or change nothing where it is so already (T17).

    Raises Unknown, and domain refusals: OwnerProtected (R40), NoFreeSeat (T11), MissingPermission (R41),
    IllegalTransition for activating someone who was never let in: they are invited instead (T2).
    """
    if event not in ACTS:
        raise ValueError(f"{event} has a function of its own")

    def work(db: Db) -> Done:
        found = find(db, actor.workspace_id, who, to_change=True)
        contact = contacts.lapsed(directory, db, Call(actor, None, ""), found)
        decision = decide(contact, event, contacts.context_of(directory, db, Call(actor, None, "")))
        if not is_for_people(event, contact.status):
            raise IllegalTransition(event, contact.status, (Status.INACTIVE,))
        if not decision.changed:
            return Done(contact=contact, changed=False)
        return Done(contact=_saved(directory, db, actor, contact, decision), changed=True)

    return contacts.seating(directory, actor.workspace_id, work)


def foresee(directory: Directory, actor: Actor, who: str, event: Event, *, reassign_to: str | None = None) -> Prospect:
    """What deactivating, deleting or transferring to the contact would come to, for who is to be asked first.

    Nothing is written, and the act decides anew. Raises as act, delete and transfer do.
    """
    actor.require(Permission.CONTACTS_VIEW)
    with reading(directory.engine) as db:
        contact = find(db, actor.workspace_id, who)
        if event is Event.TRANSFER:
            owner = stored.owner_of(db, actor.workspace_id)
            if owner is None:
                raise LostRace
            _handed_over(directory, actor, owner, contact)
            return Prospect(contact=contact)
        decision = decide(contact, event, Context(now=directory.now(), permissions=actor.permissions))
        heir = None if reassign_to is None else find(db, actor.workspace_id, reassign_to)
        if heir is not None:
            contacts.check_another(contact, heir.id)
        owned = items.owned(db, actor.workspace_id, contact.id)
    return Prospect(contact=contact, changed=decision.changed, items=owned, heir=heir)


def delete(directory: Directory, actor: Actor, who: str, *, reassign_to: str | None = None) -> str:
    """Delete the contact for good (T14); returns its id. Its linked items go to the contact `reassign_to` or to nobody.

    Raises Unknown, OwnerProtected, MissingPermission, ReassignmentNotPossible.
    """
    actor.require(Permission.CONTACTS_DELETE)
    with reading(directory.engine) as db:
        contact = find(db, actor.workspace_id, who)
        heir = None if reassign_to is None else find(db, actor.workspace_id, reassign_to)
    contacts.delete(directory, Call(actor, None, ""), contact.id, reassign_to=heir.id if heir else None)
    return contact.id


def transfer(directory: Directory, actor: Actor, who: str) -> tuple[Contact, Contact]:
    """Hand ownership to `who` (T15): the two roles swap in one transaction. Returns the old and the new owner.

    The owner may ask, or an operator at the command line. Raises Unknown, OnlyOwner, TargetNotEligible.
    """

    def work(db: Db) -> tuple[Contact, Contact]:
        owner = _owner_to_change(db, actor.workspace_id)
        target = find(db, actor.workspace_id, who, to_change=True)
        given, received = _handed_over(directory, actor, owner, target)
        accounts.drop_invitation(db, actor.workspace_id, owner.id)  # an owner's link, which is no longer theirs
        # in this order: no workspace has two owners, not even between two statements
        return (
            _saved(directory, db, actor, owner, replace(given, contact=handed_role(given.contact))),
            _saved(directory, db, actor, target, replace(received, contact=handed_role(received.contact))),
        )

    return writing(directory.engine, work)


def find(db: Db, workspace_id: str, who: str, *, to_change: bool = False) -> Contact:
    """The contact with that id, or else with that userName; locked where it is to be changed. Raises Unknown."""
    load = stored.load_to_change if to_change else stored.load
    known = is_sound(who)  # nothing else is stored
    contact = load(db, workspace_id, who, None) if known else None
    if contact is None and known:  # an id comes first: nobody takes another's place by a userName that looks like it
        contact = stored.load_by_user_name(db, workspace_id, user_name_key(who), None, lock_row=to_change)
    if contact is None:
        raise Unknown(f"The workspace has no contact with the userName or id {shortened(who)!r}.")
    return contact


def _read(values: Mapping[str, Any]) -> Values:
    return read_row({name: values[name] for name in FIELDS if name in values})


def _check_licence(actor: Actor, wanted: str | None, present: str) -> None:
    """Let a person choose another licence type only if they look after seats. Raises MissingPermission."""
    if actor.kind == "contact" and wanted not in (None, present):
        actor.require(Permission.SEATS_MANAGE)


def _check_name(db: Db, actor: Actor, user_name: str, contact: Contact | None) -> None:
    """Refuse a userName that another contact has. Raises Taken."""
    if contact is not None and user_name == contact.user_name:
        return
    other = stored.load_by_user_name(db, actor.workspace_id, user_name_key(user_name), None)
    if other is not None and (contact is None or other.id != contact.id):
        raise Taken(f"The userName {shortened(user_name)!r} is already in use.")


def _handed_over(directory: Directory, actor: Actor, owner: Contact, target: Contact) -> tuple[Decision, Decision]:
    asked_by = None if actor.kind == "system" else (actor.id or "")
    return hand_over(owner, target, directory.now(), actor_id=asked_by)


def _owner_to_change(db: Db, workspace_id: str) -> Contact:
    owner = stored.owner_of(db, workspace_id)
    locked = stored.load_to_change(db, workspace_id, owner.id, None) if owner is not None else None
    if locked is None or not locked.owner:
        raise LostRace
    return locked


def _saved(directory: Directory, db: Db, actor: Actor, before: Contact | None, decision: Decision) -> Contact:
    """Save and record the decision; the contact as it is stored then."""
    save_decision(directory, db, Call(actor, None, ""), before, decision, decision.contact.modified)
    return find(db, actor.workspace_id, decision.contact.id)
