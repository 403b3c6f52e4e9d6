"""Links that are mailed to people who may sign in: to set a first password by, or another for one that is forgotten.

Whoever was provisioned may sign in without ever having been invited, and knows no password. The link is kept and opened
as an invitation's is, but nothing in the contact's life changes by it. Knows no pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection as Db

from scim_server import mail
from scim_server.directory import Directory
from scim_server.directory.access import NotAllowed, Unknown
from scim_server.directory.contacts import email_to_invite
from scim_server.directory.links import PATH, new_secret, own_addresses, post_quietly
from scim_server.domain.actor import Actor, system
from scim_server.domain.contact import Contact
from scim_server.domain.roles import Permission
from scim_server.scim.values import is_sound
from scim_server.storage import access, accounts, activity, contacts, ledger
from scim_server.storage.accounts import Link
from scim_server.storage.db import after_commit, reading, writing

AN_HOUR: Final = timedelta(hours=1)
"""How long a link is good for who asked for it, and waits; one that somebody else sends is as good as an invitation."""
MOST_AN_HOUR: Final = 5
"""So many links go to one person, by whatever name they are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Where a link was mailed to, and until when it is good."""

    email: str
    expires: datetime


def ask(directory: Directory, workspace_name: str, email: str) -> None:
    """Mail a link to whom the e-mail or userName means at sign-in, if they may get one.

    Tells nobody whether there was anybody, nor whether the mail went out: a stranger asks. Raises Busy.
    """
    if not is_sound(email):  # nothing else is stored
        return
    with reading(directory.engine) as db:
        workspace = access.workspace_named(db, workspace_name)
        meant = () if workspace is None else accounts.contacts_meant(db, workspace.id, email)
    if workspace is None:
        return
    actor = system(workspace.id, "console")
    for contact_id in meant:
        work = partial(_asked, directory, actor, contact_id, email)
        if writing(directory.engine, work):
            return


def send(directory: Directory, actor: Actor, contact_id: str) -> Sent:
    """Mail the contact a link. Raises Unknown, MissingPermission, NotAllowed; MailFailed where the mail isn't sent."""
    actor.require(Permission.CONTACTS_EDIT)

    def work(db: Db) -> Sent:
        contact = contacts.load_to_change(db, actor.workspace_id, contact_id, None)
        email = _destination(db, actor, contact, now := directory.now())
        sent = Sent(email=email, expires=now + directory.lifetime)
        after_commit(db, partial(directory.post, _letter(directory, db, actor, contact_id, sent)))
        return sent

    return writing(directory.engine, work)


def destination(directory: Directory, actor: Actor, contact_id: str) -> str:
    """Where `send` would mail to. Raises Unknown, MissingPermission, NotAllowed."""
    actor.require(Permission.CONTACTS_EDIT)
    with reading(directory.engine) as db:
        contact = contacts.load(db, actor.workspace_id, contact_id, None)
        return _destination(db, actor, contact, directory.now())


def is_offered(contact: Contact, actor: Actor) -> bool:
    """Whether the actor is to be offered `send`, as far as the contact itself tells. The owner asks alone."""
    return contact.sign_in_allowed and not contact.owner and Permission.CONTACTS_EDIT in actor.permissions


def is_theirs(db: Db, workspace_id: str, contact: Contact, email: str) -> bool:
    """Whether a link that was mailed to `email` still is for the contact, who may have another address by now."""
    if not contact.sign_in_allowed:
        return False
    account = accounts.account_of(db, workspace_id, contact.id)
    if account is not None:
        return accounts.is_same_mailbox(account.email, email) and (account.proven or not contact.owner)
    return not contact.owner and any(accounts.is_same_mailbox(each, email) for each in own_addresses(contact))


def _asked(directory: Directory, actor: Actor, contact_id: str, typed: str, db: Db) -> bool:
    contact = contacts.load_to_change(db, actor.workspace_id, contact_id, None)
    now = directory.now()
    email = None if contact is None else _address(db, actor.workspace_id, contact, now, typed)
    if email is None:
        return False
    lately = activity.count_since(db, actor.workspace_id, contact_id, "contact.sign_in_link_mailed", now - AN_HOUR)
    if lately >= MOST_AN_HOUR:
        return True
    before = accounts.invitation_for(db, actor.workspace_id, contact_id)
    expires = now + AN_HOUR
    if before is not None and accounts.is_same_mailbox(before.email or "", email):
        expires = max(expires, before.expires)  # a stranger may have asked, and mustn't shorten what was sent
    letter = _letter(directory, db, actor, contact_id, Sent(email=email, expires=expires))
    after_commit(db, partial(post_quietly, directory, contact_id, letter))
    return True


def _destination(db: Db, actor: Actor, contact: Contact | None, now: datetime) -> str:
    if contact is None:
        raise Unknown("The workspace has no contact with that id.")
    if not contact.sign_in_allowed:
        raise NotAllowed("Only somebody who may sign in gets a link to set a password.")
    email = _address(db, actor.workspace_id, contact, now)
    if email is None and contact.owner:
        raise NotAllowed("The owner gets a link from whoever runs the server.")
    if email is None:
        raise NotAllowed("There is no e-mail address that this contact could sign in by.")
    return email


def _address(db: Db, workspace_id: str, contact: Contact, now: datetime, typed: str = "") -> str | None:
    """The address that a link for the contact goes to: its account's, else the one of its own that was typed, or the
    first. None where there is none, or its account is another contact's, or another mailbox's that is written alike.

    Never as it was typed: what is compared equal may be somebody else's mailbox. For the owner nothing but the address
    of a proven account will do, as an identity provider writes the others (owner_link.email_for).
    """
    if not contact.sign_in_allowed or _is_handed_a_link(db, workspace_id, contact, now):
        return None
    account = accounts.account_of(db, workspace_id, contact.id)
    if contact.owner:
        return account.email if account is not None and account.proven else None
    if account is not None:
        return account.email
    own = (email_to_invite(None, contact.profile) or "", *own_addresses(contact))
    possible = [text for text in own if mail.is_address(text)]
    wanted = [text for text in possible if accounts.email_key(text) == accounts.email_key(typed)]
    email = next(iter(wanted or possible), None)
    if email is None or (other := accounts.account_with(db, email)) is None:
        return email
    is_free = accounts.contact_linked_to(db, workspace_id, other.id) is None
    return email if is_free and accounts.is_same_mailbox(other.email, email) else None


def _is_handed_a_link(db: Db, workspace_id: str, contact: Contact, now: datetime) -> bool:
    """Whether an operator's link waits for its owner: a stranger who asks for another must not make it useless."""
    link = accounts.invitation_for(db, workspace_id, contact.id) if contact.owner else None
    return link is not None and not link.mailed and link.expires > now


def _letter(directory: Directory, db: Db, actor: Actor, contact_id: str, sent: Sent) -> mail.Letter:
    """Make the link, in place of an older one, and write the letter that has it."""
    text, now = new_secret(directory.random_bytes), directory.now()
    link = Link(workspace_id=actor.workspace_id, contact_id=contact_id, expires=sent.expires, email=sent.email)
    accounts.put_invitation(db, link, text)
    ledger.record_act(db, actor, "contact.sign_in_link_mailed", contact_id, now, directory.new_id())
    return mail.Letter(
        to=sent.email,
        workspace=access.workspace_name(db, actor.workspace_id),
        link=f"{directory.site}{PATH}{text}",
        sent=now,
        expires=sent.expires,
        purpose="sign_in",
    )
