"""Contacts through the one door: create, read, replace, patch, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.links import follow, forget, is_due, part_from_former
from scim_server.directory.passwords import hash_password, is_password
from scim_server.domain.actor import Actor, system
from scim_server.domain.connection import Connection
from scim_server.domain.contact import (
    Contact,
    Context,
    Decision,
    Event,
    Status,
    decide,
    decide_all,
    seated,
    steps_to,
)
from scim_server.domain.errors import ReassignmentNotPossible
from scim_server.domain.events import handed_over
from scim_server.domain.roles import Permission
from scim_server.domain.seats import SeatMove
from scim_server.mapping import Wish, first_value, invitation_email, to_user, to_wish
from scim_server.scim.errors import ScimError
from scim_server.scim.match import comparable
from scim_server.scim.patch import Operation, apply
from scim_server.scim.schema import ENTERPRISE_URN, WORKSPACE_URN, user_name_key
from scim_server.scim.values import check_immutable, is_sound, read_value
from scim_server.storage import accounts, contacts, groups, items, ledger, whole
from scim_server.storage.db import Busy, reading, writing

T = TypeVar("T")
Precondition = Callable[[int], None]

_SWEEPS: Final = 3  # one is enough, but for invitations whose time ends meanwhile


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, through which connection, and what URLs are to begin with; `precondition` checks a version."""

    actor: Actor
    connection: Connection | None
    base: str
    tolerance: frozenset[str] = frozenset()
    precondition: Precondition | None = None
    contact_id: str | None = None  # whom the caller is, where a token acts for a contact
    prefetched: whole.Whole | None = None  # a contact of the caller's workspace, read together with the token

    @property
    def workspace_id(self) -> str:
        """The caller's workspace: the only one it can reach."""
        return self.actor.workspace_id

    @property
    def connection_id(self) -> str | None:
        """Whose external ids the caller sees and sets."""
        return self.connection.id if self.connection is not None else None


def read(directory: Directory, call: Call, contact_id: str, *, with_groups: bool = True) -> dict[str, Any]:
    """The complete User. Raises ScimError notFound."""
    call.actor.require(Permission.CONTACTS_VIEW)
    whole_contact = call.prefetched
    if whole_contact is None or whole_contact.contact.id != contact_id:
        whole_contact = _whole(directory, call, contact_id, with_groups=with_groups)
    if is_due(whole_contact.contact, directory.now()):
        lapse(directory, call, contact_id)
        whole_contact = _whole(directory, call, contact_id, with_groups=with_groups)
    return to_user(whole_contact.contact, whole_contact.memberships, call.base)


def create(directory: Directory, call: Call, user: Mapping[str, Any]) -> dict[str, Any]:
    """Make a contact of `user`, or restore the deactivated one that it stands for (lifecycle.md D10)."""

    password = hash_password(user["password"]) if "password" in user else None

    def work(db: Db) -> dict[str, Any]:
        key = user_name_key(user["userName"])
        call.actor.require(Permission.CONTACTS_EDIT)
        taken = contacts.load_by_user_name(db, call.workspace_id, key, call.connection_id)
        if taken is not None:
            if _is_restored(call, taken, user):
                wish = to_wish({**user, "active": True}, taken, call.connection_id, patched=False, password=password)
                return _carry_out(directory, db, call, taken, wish)
            raise _taken(taken, user["userName"])
        wish = to_wish(user, None, call.connection_id, patched=False, password=password)
        event = Event.PROVISION_INACTIVE if wish.active is False else Event.PROVISION
        context = _context(directory, db, call, None, wish, new_id=directory.new_id())
        events = (event, Event.ARCHIVE) if wish.archived else (event,)
        return save_decision(directory, db, call, None, decide_all(None, events, context), context.now)

    return seating(directory, call.workspace_id, work)


def replace(directory: Directory, call: Call, contact_id: str, user: Mapping[str, Any]) -> dict[str, Any]:
    """PUT: the contact with `user`'s attributes; what the body doesn't mention of active and X is kept (D9)."""

    password = None
    if "password" in user:
        _require_change(call)
        password = _password(_read(directory, call, contact_id), user["password"])

    def work(db: Db) -> dict[str, Any]:
        contact = to_change(directory, db, call, contact_id)
        check_immutable(directory.types.user, to_user(contact, (), call.base), user)
        wish = to_wish(user, contact, call.connection_id, patched=False, password=password or contact.password)
        return _carry_out(directory, db, call, contact, wish)

    return seating(directory, call.workspace_id, work)


def patch(directory: Directory, call: Call, contact_id: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """PATCH: the contact after all operations, or a refusal of the whole."""

    attribute = directory.types.user.attributes["password"]
    texts = [
        None if each.op == "remove" else read_value(attribute, each.value, call.tolerance, attribute.name)
        for each in operations
        if _is_password(each)
    ]
    _require_change(call)
    # The work on the document is done before the lock is taken, and again only if someone else was first.
    seen = _read(directory, call, contact_id)
    if call.precondition is not None:
        call.precondition(seen.version)
    ahead = apply(directory.types.user, to_user(seen, (), call.base), operations, call.tolerance)
    password = _password(seen, texts[-1] if texts else None)

    def work(db: Db) -> dict[str, Any]:
        contact = to_change(directory, db, call, contact_id)
        patched = ahead
        if contact.version != seen.version:
            patched = apply(directory.types.user, to_user(contact, (), call.base), operations, call.tolerance)
        kept = None if texts and texts[-1] is None else contact.password
        wish = to_wish(patched, contact, call.connection_id, patched=True, password=password or kept)
        return _carry_out(directory, db, call, contact, wish)

    return seating(directory, call.workspace_id, work)


def delete(directory: Directory, call: Call, contact_id: str, *, reassign_to: str | None = None) -> None:
    """Delete the contact for good (T14, D6).

    Its linked items stay: the contact with the id `reassign_to` becomes their owner (never their author, R55), or
    nobody. Raises ReassignmentNotPossible where that can't be, beside what a deletion is refused for.
    """

    def work(db: Db) -> None:
        call.actor.require(Permission.CONTACTS_DELETE)
        contact = found(contacts.load_to_change(db, call.workspace_id, contact_id, call.connection_id), contact_id)
        if call.connection is not None and not call.connection.settings.allow_delete:
            raise ScimError("forbidden", "This connection may not delete users. Set active to false instead.")
        if call.precondition is not None:
            call.precondition(contact.version)
        now = directory.now()
        decision = decide(contact, Event.DELETE, Context(now=now, permissions=call.actor.permissions))
        events = decision.events
        if reassign_to is not None:
            _check_heir(db, call, contact, reassign_to)
            events = tuple(handed_over(event, reassign_to) for event in events)
        items.let_go(db, call.workspace_id, contact.id, reassign_to)
        ledger.release(db, call.workspace_id, contact.id, now, directory.new_id)
        forget(db, call.workspace_id, contact.id)
        contacts.erase(db, call.workspace_id, contact, now)
        ledger.record(db, call.actor, events, directory.new_id)

    writing(directory.engine, work)


def check_another(contact: Contact, heir_id: str) -> None:
    """Refuse to hand a contact's items to itself. Raises ReassignmentNotPossible."""
    if heir_id == contact.id:
        raise ReassignmentNotPossible("is the one that is to be deleted")


def _check_heir(db: Db, call: Call, contact: Contact, heir_id: str) -> None:
    check_another(contact, heir_id)
    if not is_sound(heir_id) or not items.holders(db, call.workspace_id, [heir_id]):
        raise ReassignmentNotPossible(f"{shortened(heir_id)!r} isn't in this workspace")


def found(contact: Contact | None, contact_id: str) -> Contact:
    """The contact, or ScimError notFound: the same answer for an id of another workspace."""
    if contact is None:
        raise missing(contact_id)
    return contact


def missing(contact_id: str) -> ScimError:
    """The refusal for an id that the workspace doesn't have."""
    return ScimError("notFound", f"There is no User with the id {shortened(contact_id)!r}.")


def shortened(text: str, length: int = 64) -> str:
    """`text`, cut where it is too long to quote."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _whole(directory: Directory, call: Call, contact_id: str, *, with_groups: bool) -> whole.Whole:
    if not with_groups:
        return whole.Whole(_read(directory, call, contact_id), [])
    if (whole_contact := whole.read(directory.engine, call.workspace_id, contact_id, call.connection_id)) is None:
        raise missing(contact_id)
    return whole_contact


def _read(directory: Directory, call: Call, contact_id: str) -> Contact:
    return found(contacts.read(directory.engine, call.workspace_id, contact_id, call.connection_id), contact_id)


def to_change(directory: Directory, db: Db, call: Call, contact_id: str) -> Contact:
    """The contact, locked, as it is after what time did to it. Raises MissingPermission, ScimError notFound."""
    _require_change(call)
    if not is_sound(contact_id):  # nothing else is stored
        raise missing(contact_id)
    contact = found(contacts.load_to_change(db, call.workspace_id, contact_id, call.connection_id), contact_id)
    if call.precondition is not None:
        call.precondition(contact.version)
    return lapsed(directory, db, call, contact)


def lapsed(directory: Directory, db: Db, call: Call, contact: Contact) -> Contact:
    """The contact, locked, with its invitation expired if its time is up (T5); as it is otherwise."""
    now = directory.now()
    if not is_due(contact, now):
        return contact
    decision = decide(contact, Event.EXPIRE, Context(now=now))
    sweep = replace_fields(call, actor=system(call.workspace_id, call.actor.door))
    save_decision(directory, db, sweep, contact, decision, now)
    return decision.contact


def lapse(directory: Directory, call: Call, contact_id: str) -> None:
    """As lapsed, before a read; a database that can only be read shows what it has."""

    def work(db: Db) -> None:
        contact = contacts.load_to_change(db, call.workspace_id, contact_id, call.connection_id)
        if contact is not None:
            lapsed(directory, db, call, contact)

    with suppress(Busy):
        writing(directory.engine, work)


def lapse_due(directory: Directory, workspace_id: str | None = None) -> int:
    """Expire the invitations past their time (T5), of one workspace or of all; return how many there were.

    Each is a transaction of its own, so that none waits for another's locks. Raises Busy.
    """
    with reading(directory.engine) as db:
        due = accounts.invitations_due(db, directory.now(), workspace_id)
    return sum(writing(directory.engine, partial(_lapse_link, directory, link)) for link in due)


def lapse_due_in(directory: Directory, db: Db, workspace_id: str) -> None:
    """As lapse_due of one workspace, in a transaction that is there."""
    for link in accounts.invitations_due(db, directory.now(), workspace_id):
        _lapse_link(directory, link, db)


def _lapse_link(directory: Directory, link: accounts.Link, db: Db) -> bool:
    contact = contacts.load_to_change(db, link.workspace_id, link.contact_id, None)
    if contact is None:
        return False
    if lapsed(directory, db, Call(system(link.workspace_id), None, ""), contact) is not contact:
        return True
    accounts.drop_invitation_due(db, link.workspace_id, link.contact_id, directory.now())  # no invitation's: an owner's
    return False


def seating(directory: Directory, workspace_id: str, work: Callable[[Db], T]) -> T:
    """`work`, which may take a seat, in a transaction; where none is free, expired invitations give theirs back first.

    They do so in transactions of their own, with `work` rolled back, so that who waits holds no seat. Raises as writing
    does, and whatever `work` raises.
    """
    for _ in range(_SWEEPS):
        try:
            return writing(directory.engine, work)
        except ledger.InvitationsDue:
            lapse_due(directory, workspace_id)
    return writing(directory.engine, work)


def _require_change(call: Call) -> None:
    """A caller who may change nothing learns nothing either; which right a change needs, its decision says."""
    if Permission.CONTACTS_DELETE not in call.actor.permissions:
        call.actor.require(Permission.CONTACTS_EDIT)


def _is_password(operation: Operation) -> bool:
    target = operation.path.target
    return target.extension is None and target.attribute is not None and target.attribute.name == "password"


def _password(contact: Contact, text: Any) -> str | None:
    """The hash of a new password; None where there is none or it is the contact's own already (D14)."""
    if not isinstance(text, str) or is_password(contact.password, text):
        return None
    return hash_password(text)


def _is_restored(call: Call, taken: Contact, user: Mapping[str, Any]) -> bool:
    """Whether a POST brings a deactivated contact back: same connection, same externalId, not wanted inactive."""
    return (
        call.connection is not None
        and call.connection.settings.restore_on_post
        and taken.status is Status.INACTIVE
        and taken.external_id is not None  # the connection's own: it sees no other's
        and taken.external_id == user.get("externalId")
        and user.get("active") is not False
    )


def _taken(contact: Contact, user_name: str) -> ScimError:
    detail = f"The userName {shortened(user_name)!r} is already in use."
    if contact.status is Status.INACTIVE:
        detail = (
            f"The userName {shortened(user_name)!r} belongs to a deactivated user. "
            f"PATCH active to true on {contact.id} to restore it."
        )
    return ScimError("uniqueness", detail)


def _carry_out(directory: Directory, db: Db, call: Call, contact: Contact, wish: Wish) -> dict[str, Any]:
    """Decide and save what `wish` asks of an existing contact."""
    events = steps_to(contact, draft=wish.draft, active=wish.active, archived=wish.archived, licence=wish.licence)
    if not events:
        return _shown(db, call, contact)
    if wish.draft.user_name != contact.user_name:
        _check_name(db, call, contact, wish.draft.user_name)
    context = _context(directory, db, call, contact, wish)
    return save_decision(directory, db, call, contact, decide_all(contact, events, context), context.now)


def _check_name(db: Db, call: Call, contact: Contact, user_name: str) -> None:
    key = user_name_key(user_name)
    other = contacts.load_by_user_name(db, call.workspace_id, key, call.connection_id)
    if other is not None and other.id != contact.id:
        raise ScimError("uniqueness", f"The userName {shortened(user_name)!r} is already in use.")


def context_of(directory: Directory, db: Db, call: Call) -> Context:
    """What every decision on a call is made in: the time, the caller's rights, the workspace's licence types."""
    return Context(
        now=directory.now(),
        permissions=call.actor.permissions,
        licences=ledger.licences(db, call.workspace_id),
        lifetime=directory.lifetime,
        actor_role=call.actor.role,
        actor_id=call.actor.id if call.actor.role is not None else None,
    )


def _context(
    directory: Directory, db: Db, call: Call, contact: Contact | None, wish: Wish, *, new_id: str = ""
) -> Context:
    return replace_fields(
        context_of(directory, db, call),
        invite=call.connection is not None and call.connection.settings.invite,
        email=email_to_invite(contact, wish.draft.profile),
        draft=wish.draft,
        new_id=new_id,
        licence=wish.licence,
    )


def email_to_invite(contact: Contact | None, profile: Mapping[str, Any]) -> str | None:
    """Where an invitation goes: X:invitation.email, else the primary or first e-mail (lifecycle.md D2)."""
    if contact is not None and (chosen := invitation_email(contact)) is not None:
        return chosen
    first = first_value(profile.get("emails", ()))
    return None if first is None else str(first["value"])


def save_decision(
    directory: Directory, db: Db, call: Call, before: Contact | None, decision: Decision, now: datetime
) -> dict[str, Any]:
    """Save and record a decision; return the User."""
    if not decision.changed:
        return _shown(db, call, decision.contact)
    if before is not None:
        decision = _seat(directory, db, call, decision, now)
    elif decision.seat.licence is not None:
        ledger.line_up(db, call.workspace_id, decision.seat.licence, now)
    search = comparable(directory.types.user, to_user(decision.contact, (), call.base))
    contacts.save(db, call.workspace_id, call.connection_id, decision.contact, before, searchable(search))
    if before is None:
        decision = _seat(directory, db, call, decision, now)
    if before is not None and before.password != decision.contact.password:  # who knew the former one stays out
        accounts.end_sessions_of(db, call.workspace_id, before.id, own_only=True)
    if before is not None and not before.account_linked and not decision.deleted:
        part_from_former(db, call.workspace_id, before, decision.contact)
    follow(directory, db, call.workspace_id, before, decision, quiet=call.connection is not None)
    ledger.record(db, call.actor, decision.events, directory.new_id)
    return _shown(db, call, decision.contact)


def searchable(form: Mapping[str, Any]) -> dict[str, Any]:
    """What of a comparable form is stored for searching: the rest is in columns or other tables, or is a URL."""
    elsewhere = ("meta", "groups", "members", "id", "externalId")
    kept = {name: value for name, value in form.items() if name not in elsewhere}
    for urn, name, part in ((WORKSPACE_URN, "seat", None), (ENTERPRISE_URN, "manager", "$ref")):
        branch = dict(kept.get(urn, {}))
        value = branch.pop(name, None)
        if value and part is not None:
            branch[name] = {key: inner for key, inner in value.items() if key != part}
        if branch:
            kept[urn] = branch
    return kept


def _seat(directory: Directory, db: Db, call: Call, decision: Decision, now: datetime) -> Decision:
    """Do to the contact's seat what the decision says. A seat's holder must exist, so a new contact is saved first."""
    change, holder, workspace_id = decision.seat, decision.contact.id, call.workspace_id
    if change.move in (SeatMove.RELEASE, SeatMove.SWITCH):
        ledger.release(db, workspace_id, holder, now, directory.new_id)
    if change.move is SeatMove.PROMOTE:
        ledger.promote(db, workspace_id, holder, now, directory.new_id)
    if not change.claims or change.licence is None or change.state is None:
        return decision
    licence = ledger.licences(db, workspace_id)[change.licence]
    return seated(decision, ledger.claim(db, workspace_id, licence, change.state, holder, now, directory.new_id))


def _shown(db: Db, call: Call, contact: Contact) -> dict[str, Any]:
    return to_user(contact, groups.memberships_of(db, call.workspace_id, [contact.id])[contact.id], call.base)
