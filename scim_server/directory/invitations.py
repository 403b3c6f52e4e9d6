"""Invitations through the one door: invite, send again, take back, accept, expire.

Each is one transaction; the mail goes out when it is committed. Knows neither SMTP nor pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection as Db

from scim_server import mail
from scim_server.directory import Directory, owner_link, signin_link
from scim_server.directory.access import NotAllowed, Taken
from scim_server.directory.contacts import (
    Call,
    context_of,
    email_to_invite,
    lapse_due,
    lapsed,
    save_decision,
    seating,
    to_change,
)
from scim_server.directory.links import is_pending
from scim_server.directory.passwords import hash_password, is_password
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Contact, Context, Event, Status, decide
from scim_server.domain.errors import InvitationExpired, InvitationNotPending, Refused, WrongAccount
from scim_server.mapping import first_value
from scim_server.storage import access, accounts, contacts
from scim_server.storage.accounts import Account, Link
from scim_server.storage.db import reading, writing

MailFailed = mail.MailFailed  # callers tell of it
# A link that was made once and one that never was look the same: only hashes are kept, and dead ones aren't.
_GONE: Final = "used, replaced or taken back"


class WrongPassword(Refused):
    """The invited address has an account already, and the password isn't its own (T4)."""

    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("There is an account under this e-mail address already. Accept with its password.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An invitation that was saved and mailed: the complete User, where the mail went, when its link ends."""

    user: dict[str, Any]
    email: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the holder of a link may see: to where it invites whom, and whether there is an account to sign in to.

    `joins`: it is an invitation; by other links somebody who has access sets a password.
    """

    workspace: str
    email: str
    expires: datetime
    has_account: bool
    joins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Who came in: the contact is active now, and the account with that e-mail opens it."""

    workspace_id: str
    contact_id: str
    account_id: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A link that is good so far, whom it was made for, and whether it is an invitation's."""

    link: Link
    email: str
    joins: bool


def addresses_of(contact: Contact) -> tuple[str, ...]:
    """The contact's addresses that an invitation can go to, each once (R19).

    First the one that it goes to unless another is chosen: the primary one, but for one that an identity provider
    asked for. The others stand in the contact's own order.
    """
    emails = contact.profile.get("emails") or ()
    primary = first_value(emails) or {}
    values = (email_to_invite(contact, contact.profile), *(each.get("value") for each in (primary, *emails)))
    found: dict[str, str] = {}
    for text in (str(each or "") for each in values):
        if mail.is_address(text):
            found.setdefault(accounts.email_key(text), text)
    return tuple(found.values())


def invite(directory: Directory, call: Call, contact_id: str, email: str | None) -> Invited:
    """Invite an uninvited contact (T2), or an inactive one again (T9), by a mail to `email` or the contact's own.

    Raises EmailMissing, NotAllowed for what is no address, NoFreeSeat, IllegalTransition, MissingPermission, ScimError
    notFound; MailFailed where the invitation is saved and the mail isn't sent.
    """

    def settle(contact: Contact) -> tuple[Event, str | None]:
        event = Event.REINVITE if contact.status is Status.INACTIVE else Event.INVITE
        return event, email or email_to_invite(contact, contact.profile)

    return _issue(directory, call, contact_id, settle)


def resend(directory: Directory, call: Call, contact_id: str, email: str | None) -> Invited:
    """Mail a new link, to `email` or where the last one went (T3); the old link is dead. Raises as invite does."""
    return _issue(directory, call, contact_id, lambda _: (Event.RESEND, email))


def revoke(directory: Directory, call: Call, contact_id: str) -> dict[str, Any]:
    """Take the invitation back (T6); return the complete User. Nobody is mailed.

    Raises IllegalTransition, MissingPermission, ScimError notFound.
    """

    def work(db: Db) -> dict[str, Any]:
        contact = to_change(directory, db, call, contact_id)
        now = directory.now()
        decision = decide(contact, Event.REVOKE, Context(now=now, permissions=call.actor.permissions))
        return save_decision(directory, db, call, contact, decision, now)

    return writing(directory.engine, work)


def _issue(
    directory: Directory,
    call: Call,
    contact_id: str,
    settle: Callable[[Contact], tuple[Event, str | None]],
) -> Invited:
    """Do what `settle` makes of the contact: an event, and the address that it is for."""

    def work(db: Db) -> Invited:
        contact = to_change(directory, db, call, contact_id)
        event, email = settle(contact)
        if email and not mail.is_address(email):
            raise NotAllowed(f"{email[:64]!r} is not an e-mail address.")
        context = replace(context_of(directory, db, call), email=email)
        decision = decide(contact, event, context)
        user = save_decision(directory, db, call, contact, decision, context.now)
        invitation = decision.contact.invitation
        if invitation is None:
            raise ValueError("an invitation was decided on and isn't there")
        return Invited(user=user, email=invitation.email, expires=invitation.expires_at)

    return seating(directory, call.workspace_id, work)


def offer(directory: Directory, text: str) -> Offer:
    """What a link offers; looking changes nothing. Raises InvitationNotPending, InvitationExpired."""
    with reading(directory.engine) as db:
        found = _found(db, text)
        workspace = access.workspace_name(db, found.link.workspace_id)
        has_account = _with_own_password(db, found) is not None
    if found.link.expires <= directory.now():
        raise InvitationExpired
    return Offer(
        workspace=workspace,
        email=found.email,
        expires=found.link.expires,
        has_account=has_account,
        joins=found.joins,
    )


def accept(
    directory: Directory, text: str, *, password: str | None = None, account_email: str | None = None
) -> Accepted:
    """Accept the invitation whose link ends in `text` (T4), or use another link: once, by the first who does.

    Either with a `password`, which becomes the new account's, or must be the one of an account that is there (but see
    _sets_password); or as the account that is signed in, `account_email`: Session.account_email, never the contact's
    own address. Raises
    InvitationNotPending, InvitationExpired, WrongAccount, WrongPassword, Taken for an account that belongs to another
    contact here, ScimError for a password that can't be.
    """
    with reading(directory.engine) as db:
        known = _with_own_password(db, _found(db, text))
    proof = _proof(known, password) if account_email is None else None  # slow, so before the transaction

    def work(db: Db) -> Accepted | None:
        link = _found(db, text).link
        contact = contacts.load_to_change(db, link.workspace_id, link.contact_id, None)
        found = _found(db, text)  # someone may have been first while this one waited
        if contact is None:
            raise InvitationNotPending(_GONE)
        signed_in_as = found.email if account_email is None else account_email
        if not found.joins:
            return _set_password(directory, db, found, proof, signed_in_as=signed_in_as)
        call = Call(_invited(link), None, "")
        if lapsed(directory, db, call, contact) is not contact:
            return None
        now = directory.now()
        decision = decide(contact, Event.ACCEPT, Context(now=now, account_email=signed_in_as))
        account = _account(directory, db, found, proof)
        _link(db, link, account)
        save_decision(directory, db, call, contact, decision, now)
        return _accepted(link, account)

    accepted = writing(directory.engine, work)
    if accepted is None:  # the expiry is saved, and the answer no
        raise InvitationExpired
    return accepted


def _set_password(
    directory: Directory, db: Db, found: _Found, proof: str | None, *, signed_in_as: str
) -> Accepted | None:
    """Set the password of the account of who has access, or link the one that is signed in; None for a link past its
    time."""
    link = found.link
    if link.expires <= directory.now():
        return None
    if accounts.email_key(signed_in_as) != accounts.email_key(found.email):
        raise WrongAccount
    account = _account(directory, db, found, proof)
    _link(db, link, account)
    owner_link.finish(directory, db, _invited(link), link)
    return _accepted(link, account)


def _accepted(link: Link, account: Account) -> Accepted:
    return Accepted(
        workspace_id=link.workspace_id, contact_id=link.contact_id, account_id=account.id, email=account.email
    )


def expire_due(directory: Directory) -> int:
    """Expire every invitation past its time (T5), in all workspaces; return how many there were. For a timer.

    Sessions that have ended are swept out too.
    """
    expired = lapse_due(directory)
    writing(directory.engine, lambda db: accounts.drop_ended_sessions(db, directory.now()))
    return expired


def _found(db: Db, text: str) -> _Found:
    """The link and the address that it was made for; the contact's own may be another. Raises InvitationNotPending."""
    link = accounts.invitation_of(db, text)
    contact = None if link is None else contacts.load(db, link.workspace_id, link.contact_id, None)
    if link is None or link.email is None or contact is None or not _is_good(db, link, link.email, contact):
        raise InvitationNotPending(_GONE)
    return _Found(link=link, email=link.email, joins=is_pending(contact))


def _is_good(db: Db, link: Link, email: str, contact: Contact) -> bool:
    """Whether the link still is for what the contact is now: invited, the owner, or somebody with that address."""
    if not link.mailed:
        return contact.owner
    return is_pending(contact) or signin_link.is_theirs(db, link.workspace_id, contact, email)


def _sets_password(db: Db, found: _Found, account: Account) -> bool:
    """Whether the link gives the account that is there a password, without the one that it has.

    A link that was mailed does where the account isn't proven. Such an account got its password by an owner's link,
    which an operator hands over: its holder may never have read the address's mail, and may have chosen the address
    because it is somebody else's. Whoever accepts now has read the mail, so the account becomes theirs, with a password
    of their own. Were the password that is there asked for, as a proven account's is, they couldn't accept; were it
    kept, its holder would come in wherever they are let in. A sign-in link that was mailed does where the
    account is that mailbox's: it is for who has no password, or forgot it, and who reads the mail has the account.

    An owner's link does as owner_link.may_reset says, and leaves the account unproven, also one that was proven: its
    new password came by no mail.
    """
    if found.link.mailed and not found.joins:
        return accounts.is_same_mailbox(account.email, found.email)
    if found.link.mailed:
        return not account.proven or account.password is None
    return owner_link.may_reset(db, found.link, account)


def _with_own_password(db: Db, found: _Found) -> Account | None:
    """The account whose own password must be given; None where the link sets one."""
    account = accounts.account_with(db, found.email)
    return None if account is None or _sets_password(db, found, account) else account


def _invited(link: Link) -> Actor:
    return Actor(
        workspace_id=link.workspace_id, kind="contact", door="console", permissions=frozenset(), id=link.contact_id
    )


def _proof(known: Account | None, password: str | None) -> str:
    """The hash that the account's password must have, or is to get. Raises WrongPassword, ScimError invalidValue."""
    if known is None:
        return hash_password(password or "")
    if known.password is None or not is_password(known.password, password or ""):
        raise WrongPassword
    return known.password


def _account(directory: Directory, db: Db, found: _Found, proof: str | None) -> Account:
    """The account under the link's address; without `proof` it is the one that is signed in.

    Raises WrongAccount, WrongPassword.
    """
    account = accounts.account_with(db, found.email, to_change=True)
    anew = account is None or _sets_password(db, found, account)
    if anew and proof is None:
        raise WrongAccount
    if account is None:
        account = Account(id=directory.new_id(), email=found.email, password=proof, proven=found.link.mailed)
        accounts.add_account(db, account, directory.now())
    elif anew and proof is not None:
        _hand_over(db, found, account, proof)
    elif proof is not None and account.password != proof:  # it was made, or changed, meanwhile
        raise WrongPassword
    return account


def _hand_over(db: Db, found: _Found, account: Account, proof: str) -> None:
    """Give the account another password: nobody who had the former one stays in.

    One that becomes proven lets go of what it opened in other workspaces: what is the person's there, their e-mail
    opens again (signin), and what somebody else linked to it isn't theirs.
    """
    accounts.end_sessions_by(db, account.id)
    if found.link.mailed and not account.proven:
        for workspace_id, contact_id in accounts.links_of(db, account.id):
            if workspace_id != found.link.workspace_id:
                accounts.unlink(db, workspace_id, contact_id)
    accounts.set_password(
        db, account.id, proof, proven=found.link.mailed, email=found.email if found.link.mailed else None
    )


def _link(db: Db, link: Link, account: Account) -> None:
    """Link the contact to the account; a former one that opens nothing else goes (R45b). Raises Taken."""
    if accounts.contact_linked_to(db, link.workspace_id, account.id) not in (None, link.contact_id):
        raise Taken("The account under this e-mail address belongs to another contact of the workspace.")
    former = accounts.account_of(db, link.workspace_id, link.contact_id)
    accounts.link(db, link.workspace_id, link.contact_id, account.id)
    if former is not None and former.id != account.id:  # nobody would know, once the contact is deleted, whose it was
        accounts.forget_account(db, former.id)
