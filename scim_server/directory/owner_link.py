"""The owner's one-time link: by it the owner of a workspace sets the password of their account, first or anew.

It is kept and opened as an invitation's link is, but the contact is active already: nothing in its life changes. Only
an operator makes one, who hands it over. Knows no mail and no pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Db

from scim_server.directory import Directory
from scim_server.directory.contacts import email_to_invite
from scim_server.directory.links import PATH, new_secret
from scim_server.domain.actor import Actor
from scim_server.domain.contact import Contact
from scim_server.domain.roles import Permission
from scim_server.storage import accounts, contacts, ledger
from scim_server.storage.accounts import Account, Link
from scim_server.storage.db import LostRace, writing


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerLink:
    """A new link, whose text can't be had again, for whom it is, and until when it is good."""

    link: str
    email: str
    owner_id: str
    expires: datetime

    def __repr__(self) -> str:
        return f"OwnerLink(owner_id={self.owner_id!r}, expires={self.expires!r})"


def issue(directory: Directory, actor: Actor) -> OwnerLink:
    """Make the owner of the actor's workspace a link, in place of an older one. Raises MissingPermission."""
    actor.require(Permission.WORKSPACE_MANAGE)

    def work(db: Db) -> OwnerLink:
        owner = contacts.owner_of(db, actor.workspace_id)
        locked = contacts.load_to_change(db, actor.workspace_id, owner.id, None) if owner is not None else None
        if locked is None or not locked.owner:
            raise LostRace
        now, text = directory.now(), new_secret(directory.random_bytes)
        expires = now + directory.lifetime
        email = email_for(db, actor.workspace_id, locked)
        link = Link(workspace_id=actor.workspace_id, contact_id=locked.id, expires=expires, email=email, mailed=False)
        accounts.put_invitation(db, link, text)
        ledger.record_act(db, actor, "contact.owner_link_made", locked.id, now, directory.new_id())
        return OwnerLink(link=f"{directory.site}{PATH}{text}", email=email, owner_id=locked.id, expires=expires)

    return writing(directory.engine, work)


def email_for(db: Db, workspace_id: str, owner: Contact) -> str:
    """The e-mail of the account that the owner has or is to have. The link is bound to it when it is made.

    Later it would be too late to ask: the workspace's identity provider writes the owner's addresses, and would have
    the operator's link make an account of any address it likes.
    """
    own = accounts.account_of(db, workspace_id, owner.id)
    # not where an invitation would go: the owner gets none
    return own.email if own is not None else email_to_invite(None, owner.profile) or owner.user_name


def may_reset(db: Db, link: Link, account: Account) -> bool:
    """Whether the owner's link may give the account another password without the one that it has.

    Only where the account is linked to the owner and to nobody else: an operator who vouches for the owner of one
    workspace says nothing about who may enter the others. One that is only called so, or opens others too, is linked
    by its own password.
    """
    return list(accounts.links_of(db, account.id)) == [(link.workspace_id, link.contact_id)]


def finish(directory: Directory, db: Db, actor: Actor, link: Link) -> None:
    """Use the link up. Whoever was signed in as the owner before is so no longer."""
    accounts.drop_invitation(db, link.workspace_id, link.contact_id)
    accounts.end_sessions_of(db, link.workspace_id, link.contact_id)
    ledger.record_act(db, actor, "contact.password_set", link.contact_id, directory.now(), directory.new_id())
