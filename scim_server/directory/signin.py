"""Signing in to a workspace, and the sessions that come of it. A session's text is shown once and kept as a hash.

Knows no cookies and no pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.access import NotAllowed
from scim_server.directory.links import new_secret, own_addresses
from scim_server.directory.passwords import hash_password, is_password
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Contact
from scim_server.domain.errors import Refused
from scim_server.scim.values import is_sound
from scim_server.storage import access, accounts, contacts, ledger
from scim_server.storage.accounts import Account, Link
from scim_server.storage.db import reading, writing

LIFETIME: Final = timedelta(hours=12)  # a working day; whoever is still there signs in again


class SignInRefused(Refused):
    """No access. The message is the same whatever was wrong, so that it tells a stranger nothing."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__("The e-mail or the password is wrong, or there is no access to this workspace.")


class OldPasswordWrong(Refused):
    """Someone who is signed in, and wants another password, doesn't know the one they have."""

    code = "old_password_wrong"

    def __init__(self) -> None:
        super().__init__("The present password is wrong.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A new session: its `text` is the secret, and can't be had again."""

    text: str
    workspace_id: str
    contact_id: str
    expires: datetime

    def __repr__(self) -> str:
        return f"SignedIn(contact_id={self.contact_id!r}, expires={self.expires!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A living session: the active contact, its workspace's name, and the e-mail of the account that opened it.

    `account_email` is None where the contact's own password did, or an account that isn't proven: its workspace can set
    the one, and had an operator make the other, and must not become the person in other workspaces by it.
    """

    workspace_id: str
    workspace: str
    contact: Contact
    account_email: str | None
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """One way in: a stored hash, and the contact whom it opens; `account_id` where the hash is an account's."""

    workspace_id: str = ""
    contact_id: str = ""
    password: str | None = None
    account_id: str | None = None


_NO_CLAIM: Final = _Claim()


def sign_in(directory: Directory, workspace_name: str, email: str, password: str) -> SignedIn:
    """A session of the active contact whom the e-mail means, by its account's password or its own of that workspace.

    Two hashes are compared whatever is found, so that the time it takes tells nothing either. Raises SignInRefused.
    """
    with reading(directory.engine) as db:
        claims = _claims(db, workspace_name, email)
    # a list, as a generator would stop at the first that fits
    fitting = [claim for claim in claims if is_password(claim.password or _nobodys(), password) and claim.password]

    def work(db: Db) -> SignedIn:
        for claim in fitting:
            contact = contacts.load_to_change(db, claim.workspace_id, claim.contact_id, None)
            if contact is not None and _opens(db, claim, contact):
                return _opened(directory, db, claim)
        raise SignInRefused

    if not fitting:
        raise SignInRefused
    return writing(directory.engine, work)


def enter(directory: Directory, workspace_id: str, contact_id: str, account_id: str) -> SignedIn:
    """A session of someone whose account was just proven by accepting an invitation (T4). Raises SignInRefused."""

    def work(db: Db) -> SignedIn:
        contact = contacts.load_to_change(db, workspace_id, contact_id, None)
        account = accounts.account_of(db, workspace_id, contact_id)
        if contact is None or account is None or account.id != account_id:
            raise SignInRefused
        claim = _Claim(
            workspace_id=workspace_id, contact_id=contact_id, password=account.password, account_id=account_id
        )
        if not _opens(db, claim, contact):
            raise SignInRefused
        return _opened(directory, db, claim)

    return writing(directory.engine, work)


def name_tried(workspace_name: str, email: str) -> str:
    """What all spellings share by which the same person is found in the same workspace: for counting failed tries."""
    return f"{access.name_key(workspace_name)}\n{accounts.email_key(email)}"


def session_of(directory: Directory, text: str) -> Session | None:
    """Whose session it is, looked up at each request; None once it has ended or its contact may not sign in."""
    with reading(directory.engine) as db:
        link = accounts.session_of(db, text, directory.now())
        contact = None if link is None else contacts.load(db, link.workspace_id, link.contact_id, None)
        if link is None or contact is None or not contact.sign_in_allowed:
            return None
        account = accounts.account_of(db, link.workspace_id, contact.id)
        workspace = access.workspace_name(db, link.workspace_id)
    return Session(
        workspace_id=link.workspace_id,
        workspace=workspace,
        contact=contact,
        account_email=account.email if account is not None and _is_proven(account, link) else None,
        expires=link.expires,
    )


def sign_out(directory: Directory, text: str) -> None:
    """End the session; one that has ended stays so."""
    writing(directory.engine, lambda db: accounts.end_session(db, text))


def sign_out_everywhere(directory: Directory, text: str) -> None:
    """End all sessions of the session's person: this contact's, and those of its account in other workspaces.

    One that the contact's own password opened ends this contact's alone.
    """

    def work(db: Db) -> None:
        link = accounts.session_of(db, text, directory.now())
        if link is None:
            return
        elsewhere = accounts.links_of(db, link.account_id) if link.account_id is not None else ()
        for workspace_id, contact_id in {(link.workspace_id, link.contact_id), *elsewhere}:
            accounts.end_sessions_of(db, workspace_id, contact_id)

    writing(directory.engine, work)


def change_password(directory: Directory, actor: Actor, text: str, *, old: str, new: str) -> None:
    """Give the account that opened the actor's session, whose text is `text`, another password.

    All its other sessions end, in other workspaces too. Whether it is proven stays as it was. Raises OldPasswordWrong,
    SignInRefused for a session that has ended, NotAllowed for one that the contact's own password opened, ScimError
    invalidValue for a password that can't be.
    """
    with reading(directory.engine) as db:
        known = _account_to_change(db, actor, text, directory.now())
    if not is_password(known.password, old):
        raise OldPasswordWrong
    hashed = hash_password(new)  # slow, so before the transaction

    def work(db: Db) -> None:
        now = directory.now()
        contact = contacts.load_to_change(db, actor.workspace_id, actor.id or "", None)
        locked = accounts.account_with(db, known.email, to_change=True)
        account = _account_to_change(db, actor, text, now)
        if contact is None or not contact.sign_in_allowed or locked is None or locked.id != account.id:
            raise SignInRefused
        if account.password != known.password:  # it was changed meanwhile
            raise OldPasswordWrong
        accounts.set_password(db, account.id, hashed, proven=account.proven)
        accounts.end_sessions_by(db, account.id, but=text)
        ledger.record_act(db, actor, "contact.password_set", contact.id, now, directory.new_id())

    writing(directory.engine, work)


def _account_to_change(db: Db, actor: Actor, text: str, now: datetime) -> Account:
    """The account that opened the session and is linked to its contact. Raises SignInRefused, NotAllowed."""
    link = accounts.session_of(db, text, now)
    if link is None or (link.workspace_id, link.contact_id) != (actor.workspace_id, actor.id):
        raise SignInRefused
    if link.account_id is None:
        raise NotAllowed("You signed in with a password that this workspace keeps for you, so it is changed there.")
    account = accounts.account_of(db, link.workspace_id, link.contact_id)
    if account is None or account.id != link.account_id:
        raise SignInRefused
    return account


def _claims(db: Db, workspace_name: str, email: str) -> tuple[_Claim, _Claim]:
    """The account's way in and the contact's own; _NO_CLAIM for what isn't there."""
    nothing = (_NO_CLAIM, _NO_CLAIM)
    if not is_sound(email):  # nothing else is stored
        return nothing
    workspace = access.workspace_named(db, workspace_name)
    if workspace is None:
        return nothing
    account = accounts.account_with(db, email)
    named_id = accounts.contact_named(db, workspace.id, email)
    named = None if named_id is None else contacts.load(db, workspace.id, named_id, None)
    by_account, own = nothing
    linked = None if account is None else accounts.contact_linked_to(db, workspace.id, account.id)
    if account is not None and account.proven:
        linked = linked or named_id
    if account is not None and linked is not None:
        by_account = _Claim(
            workspace_id=workspace.id, contact_id=linked, password=account.password, account_id=account.id
        )
    if named is not None:
        own = _Claim(workspace_id=workspace.id, contact_id=named.id, password=named.password)
    return by_account, own


def _opens(db: Db, claim: _Claim, contact: Contact) -> bool:
    """Whether the claim still holds, now that the contact is locked, and its password is the one compared with."""
    if not contact.sign_in_allowed:
        return False
    if claim.account_id is None:
        return contact.password == claim.password
    account = accounts.account_to_keep(db, claim.account_id)
    if account is None or account.password != claim.password or not contact.account_linked:
        return False
    linked = accounts.account_of(db, claim.workspace_id, contact.id)
    if linked is not None:
        return linked.id == account.id
    # a provisioned contact has no account yet: the one with its e-mail, if its mailbox made it, becomes it. Not the
    # owner, whose e-mail an identity provider writes: their link alone lets them in
    theirs = (accounts.is_same_mailbox(account.email, each) for each in own_addresses(contact))
    return account.proven and not contact.owner and any(theirs)


def _is_proven(account: Account, link: Link) -> bool:
    """Whether the session is the account's, whose password came by its own mail."""
    return account.proven and account.id == link.account_id


def _opened(directory: Directory, db: Db, claim: _Claim) -> SignedIn:
    if claim.account_id is not None:
        accounts.link(db, claim.workspace_id, claim.contact_id, claim.account_id)
    now, text = directory.now(), new_secret(directory.random_bytes)
    link = Link(
        workspace_id=claim.workspace_id,
        contact_id=claim.contact_id,
        expires=now + LIFETIME,
        account_id=claim.account_id,
    )
    accounts.add_session(db, link, directory.new_id(), text, now)
    return SignedIn(text=text, workspace_id=link.workspace_id, contact_id=link.contact_id, expires=link.expires)


@cache
def _nobodys() -> str:
    """A hash to compare with where there is none."""
    return hash_password("nobody's password")
