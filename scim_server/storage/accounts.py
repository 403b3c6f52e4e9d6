"""Accounts, their links to contacts, invitation links and sessions. Secrets are kept as hashes alone; decides nothing.

An account is found by its folded e-mail. A link's or a session's text finds its workspace by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, exists, insert, select, update
from sqlalchemy import Connection as Db
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from scim_server.domain.transitions import Status
from scim_server.scim.schema import user_name_key
from scim_server.storage.access import hash_of
from scim_server.storage.db import LostRace
from scim_server.storage.tables import account_links, accounts, contact_emails, contacts, invitation_links, sessions

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's sign-in identity; `password` is an Argon2id hash.

    `proven`: whoever set the password came by a link that was mailed to `email`.
    """

    id: str
    email: str
    password: str | None
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Which contact an invitation link or a session belongs to, and until when it is good.

    `account_id`: the account whose password opened the session; None for the contact's own password, and for links.
    `email`: whom an invitation link was made for; None for sessions. `mailed`: it was sent there, not handed over.
    """

    workspace_id: str
    contact_id: str
    expires: datetime
    account_id: str | None = None
    email: str | None = None
    mailed: bool = True


def email_key(email: str) -> str:
    """The folded form that e-mail addresses are compared by: the one of userNames."""
    return user_name_key(email.strip())


def is_same_mailbox(one: str, other: str) -> bool:
    """Whether a mail to the one arrives at the other: equal but for the case of ASCII letters.

    What email_key takes for equal may be two mailboxes: IDNA has different domains for the two forms of sigma, and a
    server may have an address in full-width letters. Whoever reads the one mustn't have the other's account by it.
    """
    return one.strip().translate(_LOWER) == other.strip().translate(_LOWER)


def account_with(db: Db, email: str, *, to_change: bool = False) -> Account | None:
    """The account with that e-mail, in any case; locked where it is to be changed."""
    query = select(accounts).where(accounts.c.email_key == email_key(email))
    return _account(db.execute(query.with_for_update() if to_change else query).one_or_none())


def account_to_keep(db: Db, account_id: str) -> Account | None:
    """The account of that id, which nobody changes until the transaction ends."""
    query = select(accounts).where(accounts.c.id == account_id)
    return _account(db.execute(query.with_for_update(read=True)).one_or_none())


def _account(row: Row[Any] | None) -> Account | None:
    if row is None:
        return None
    return Account(id=row.id, email=row.email, password=row.password, proven=row.proven)


def account_of(db: Db, workspace_id: str, contact_id: str) -> Account | None:
    """The account that is, or was, linked to the contact: whether it is now, the contact says."""
    row = db.execute(
        select(accounts)
        .join(account_links, account_links.c.account_id == accounts.c.id)
        .where(account_links.c.workspace_id == workspace_id, account_links.c.contact_id == contact_id)
    ).one_or_none()
    return _account(row)


def add_account(db: Db, account: Account, now: datetime) -> None:
    """Insert an account. Raises LostRace where another of that e-mail came first."""
    row = {"id": account.id, "email": account.email, "email_key": email_key(account.email)}
    try:
        db.execute(insert(accounts), {**row, "password": account.password, "proven": account.proven, "created": now})
    except IntegrityError as error:
        raise LostRace from error


def set_password(db: Db, account_id: str, password: str, *, proven: bool, email: str | None = None) -> None:
    """Give the account a password, as a hash, and say whether who set it is proven to read the address's mail.

    `email` is the address as it was mailed to, where it is to be the account's from now on; folded it is the same.
    """
    values = {"password": password, "proven": proven, **({} if email is None else {"email": email})}
    db.execute(update(accounts).where(accounts.c.id == account_id).values(values))


def contact_linked_to(db: Db, workspace_id: str, account_id: str) -> str | None:
    """The id of the workspace's contact that the account is, or was, linked to."""
    mine = (account_links.c.workspace_id == workspace_id, account_links.c.account_id == account_id)
    found: str | None = db.scalar(select(account_links.c.contact_id).where(*mine))
    return found


def link(db: Db, workspace_id: str, contact_id: str, account_id: str) -> None:
    """Link the contact to the account, in place of any other. Raises LostRace where either is gone or taken."""
    mine = (account_links.c.workspace_id == workspace_id, account_links.c.contact_id == contact_id)
    try:
        db.execute(delete(account_links).where(*mine, account_links.c.account_id != account_id))
        insert_new = (postgresql if db.dialect.name == "postgresql" else sqlite).insert(account_links)
        row = {"workspace_id": workspace_id, "contact_id": contact_id, "account_id": account_id}
        keys = [account_links.c.workspace_id, account_links.c.contact_id]
        db.execute(insert_new.values(row).on_conflict_do_nothing(index_elements=keys))
    except IntegrityError as error:
        raise LostRace from error


def unlink(db: Db, workspace_id: str, contact_id: str) -> None:
    """Forget which account the contact is linked to."""
    mine = (account_links.c.workspace_id == workspace_id, account_links.c.contact_id == contact_id)
    db.execute(delete(account_links).where(*mine))


def forget_account(db: Db, account_id: str) -> None:
    """Delete the account if no contact anywhere is linked to it: nobody would be left whose identity it is."""
    linked = exists().where(account_links.c.account_id == accounts.c.id)
    try:
        db.execute(delete(accounts).where(accounts.c.id == account_id, ~linked))
    except IntegrityError as error:  # linked elsewhere meanwhile
        raise LostRace from error


def contact_named(db: Db, workspace_id: str, email: str) -> str | None:
    """The id of the active contact who is meant by an e-mail: by its userName, else the only one with that address.

    Others, who may not sign in, are passed over: whoever may make contacts could else keep somebody out by one.
    """
    key = email_key(email)
    may_sign_in = and_(contacts.c.workspace_id == workspace_id, contacts.c.status == Status.ACTIVE.value)
    named: str | None = db.scalar(select(contacts.c.id).where(may_sign_in, contacts.c.user_name_key == key))
    if named is not None:
        return named
    mine = and_(contact_emails.c.workspace_id == contacts.c.workspace_id, contact_emails.c.contact_id == contacts.c.id)
    of_email = (
        select(contacts.c.id)
        .join(contact_emails, mine)
        .where(may_sign_in, contact_emails.c.workspace_id == workspace_id, contact_emails.c.value_key == key)
        .distinct()
        .limit(2)
    )
    found = db.scalars(of_email).all()
    return found[0] if len(found) == 1 else None


def contacts_meant(db: Db, workspace_id: str, email: str) -> list[str]:
    """The ids of the contacts whom an e-mail may mean at sign-in: that of the account with it, and the one named so."""
    account = account_with(db, email)
    linked = None if account is None else contact_linked_to(db, workspace_id, account.id)
    return [each for each in (linked, contact_named(db, workspace_id, email)) if each is not None]


def put_invitation(db: Db, link: Link, text: str) -> None:
    """Keep the hash of the contact's link, in place of an older one, which is dead from here on."""
    drop_invitation(db, link.workspace_id, link.contact_id)
    row = {"workspace_id": link.workspace_id, "contact_id": link.contact_id, "hash": hash_of(text)}
    db.execute(insert(invitation_links), {**row, "email": link.email, "expires": link.expires, "mailed": link.mailed})


def drop_invitation(db: Db, workspace_id: str, contact_id: str) -> None:
    """Make the contact's invitation link useless, if it has one."""
    of_contact = (invitation_links.c.workspace_id == workspace_id, invitation_links.c.contact_id == contact_id)
    db.execute(delete(invitation_links).where(*of_contact))


def drop_invitation_due(db: Db, workspace_id: str, contact_id: str, now: datetime) -> None:
    """Forget the contact's link if its time is up."""
    db.execute(delete(invitation_links).where(_due(now, workspace_id), invitation_links.c.contact_id == contact_id))


def invitation_of(db: Db, text: str) -> Link | None:
    """Whose link it is; None for one that was used, replaced or taken back, or never made."""
    return _invitation(
        db.execute(select(invitation_links).where(invitation_links.c.hash == hash_of(text))).one_or_none()
    )


def invitation_for(db: Db, workspace_id: str, contact_id: str) -> Link | None:
    """The contact's link, if it has one."""
    of_contact = (invitation_links.c.workspace_id == workspace_id, invitation_links.c.contact_id == contact_id)
    return _invitation(db.execute(select(invitation_links).where(*of_contact)).one_or_none())


def _invitation(row: Row[Any] | None) -> Link | None:
    if row is None:
        return None
    return Link(
        workspace_id=row.workspace_id,
        contact_id=row.contact_id,
        expires=row.expires,
        email=row.email,
        mailed=row.mailed,
    )


def invitations_due(db: Db, now: datetime, workspace_id: str | None = None) -> Sequence[Link]:
    """The links whose time is up, of one workspace or of all, the oldest first."""
    query = select(invitation_links).where(_due(now, workspace_id)).order_by(invitation_links.c.expires)
    return [
        Link(workspace_id=row.workspace_id, contact_id=row.contact_id, expires=row.expires) for row in db.execute(query)
    ]


def any_invitation_due(db: Db, workspace_id: str, now: datetime) -> bool:
    """Whether the workspace has a link whose time is up: one look into an index."""
    query = select(invitation_links.c.contact_id).where(_due(now, workspace_id)).limit(1)
    return db.scalar(query) is not None


def _due(now: datetime, workspace_id: str | None) -> ColumnElement[bool]:
    due = invitation_links.c.expires <= now
    return due if workspace_id is None else and_(invitation_links.c.workspace_id == workspace_id, due)


def add_session(db: Db, link: Link, session_id: str, text: str, now: datetime) -> None:
    """Insert a session by the hash of its text."""
    row = {"workspace_id": link.workspace_id, "contact_id": link.contact_id, "account_id": link.account_id}
    times = {"created": now, "expires": link.expires}
    db.execute(insert(sessions), {**row, **times, "id": session_id, "hash": hash_of(text)})


def session_of(db: Db, text: str, now: datetime) -> Link | None:
    """Whose session it is; None for one that has ended or never was."""
    query = select(sessions).where(sessions.c.hash == hash_of(text), sessions.c.expires > now)
    row = db.execute(query).one_or_none()
    if row is None:
        return None
    return Link(
        workspace_id=row.workspace_id, contact_id=row.contact_id, expires=row.expires, account_id=row.account_id
    )


def end_session(db: Db, text: str) -> None:
    """End one session."""
    db.execute(delete(sessions).where(sessions.c.hash == hash_of(text)))


def end_sessions_of(db: Db, workspace_id: str, contact_id: str, *, own_only: bool = False) -> None:
    """End every session of the contact, or those alone that its own password opened."""
    query = delete(sessions).where(sessions.c.workspace_id == workspace_id, sessions.c.contact_id == contact_id)
    db.execute(query.where(sessions.c.account_id.is_(None)) if own_only else query)


def end_sessions_by(db: Db, account_id: str, *, but: str = "") -> None:
    """End every session that the account opened, in all workspaces, except the one with the text `but`."""
    db.execute(delete(sessions).where(sessions.c.account_id == account_id, sessions.c.hash != hash_of(but)))


def links_of(db: Db, account_id: str) -> Sequence[tuple[str, str]]:
    """The workspace and id of every contact that the account is, or was, linked to."""
    query = select(account_links.c.workspace_id, account_links.c.contact_id)
    return [
        (row.workspace_id, row.contact_id) for row in db.execute(query.where(account_links.c.account_id == account_id))
    ]


def drop_ended_sessions(db: Db, now: datetime) -> None:
    """Delete the sessions whose time is up."""
    db.execute(delete(sessions).where(sessions.c.expires <= now))
