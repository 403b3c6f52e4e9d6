"""What follows from a decision for invitation links and sessions, in the decision's own transaction.

The mail itself goes out after the commit: a link that was never saved must not be mailed. Decides nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection as Db

from scim_server import mail
from scim_server.directory import Directory
from scim_server.domain.contact import Contact, Decision
from scim_server.storage import access, accounts
from scim_server.storage.accounts import Link
from scim_server.storage.db import after_commit

# In the path, not in the fragment: the page must work without scripts. So it is single-use, a look at it changes
# nothing (a mail scanner follows links), and the server keeps no record of paths.
PATH: Final = "/invitation/"

_log = structlog.get_logger()


def follow(
    directory: Directory, db: Db, workspace_id: str, before: Contact | None, decision: Decision, *, quiet: bool
) -> None:
    """Make, replace or kill the contact's invitation link; end its sessions and tokens where its access ends.

    `quiet`: nobody is there to be told that a mail failed (lifecycle.md D2), so it is logged; else the mail's
    MailFailed comes out of the transaction, which stands.
    """
    contact = decision.contact
    if decision.end_sessions:
        access.revoke_tokens_of(db, workspace_id, contact.id, contact.modified)
        accounts.end_sessions_of(db, workspace_id, contact.id)
    if decision.send_invitation and contact.invitation is not None:
        text = new_secret(directory.random_bytes)
        sent_to, expires = contact.invitation.email, contact.invitation.expires_at
        link = Link(workspace_id=workspace_id, contact_id=contact.id, expires=expires, email=sent_to)
        accounts.put_invitation(db, link, text)
        letter = mail.Letter(
            to=sent_to,
            workspace=access.workspace_name(db, workspace_id),
            link=f"{directory.site}{PATH}{text}",
            sent=contact.invitation.sent_at,
            expires=expires,
        )
        after_commit(
            db, partial(post_quietly, directory, contact.id, letter) if quiet else partial(directory.post, letter)
        )
    elif decision.end_sessions or (before is not None and is_pending(before) and not is_pending(contact)):
        accounts.drop_invitation(db, workspace_id, contact.id)


def forget(db: Db, workspace_id: str, contact_id: str) -> None:
    """Unlink the account of a contact that is to be deleted; one that opens nothing else goes with it (R45b).

    Links, sessions and tokens go with the contact's row.
    """
    if (account := accounts.account_of(db, workspace_id, contact_id)) is not None:
        accounts.unlink(db, workspace_id, contact_id)
        accounts.forget_account(db, account.id)


def part_from_former(db: Db, workspace_id: str, before: Contact, after: Contact) -> None:
    """Forget the account of a contact without access whose change took the account's address away from it.

    It is somebody else's contact now, or the same person's at another address: either way who has the account isn't let
    in by giving access back (T10), but by the new address. An account that never had one of the contact's addresses
    stays: the person was invited at a private one.
    """
    if addresses(before) == addresses(after) or (account := accounts.account_of(db, workspace_id, after.id)) is None:
        return
    key = accounts.email_key(account.email)
    if key in addresses(before) and key not in addresses(after):
        forget(db, workspace_id, after.id)


def addresses(contact: Contact) -> frozenset[str]:
    """What the contact can be called by at sign-in: its userName and e-mails, folded."""
    return frozenset(accounts.email_key(each) for each in own_addresses(contact))


def own_addresses(contact: Contact) -> list[str]:
    """The same as they are stored."""
    return [contact.user_name, *(str(each.get("value") or "") for each in contact.profile.get("emails") or ())]


def is_pending(contact: Contact) -> bool:
    """Whether an answer to the contact's invitation is awaited."""
    return contact.invitation is not None and contact.invitation.pending


def is_due(contact: Contact, now: datetime) -> bool:
    """Whether the contact's invitation is past its time and nobody has noticed."""
    return contact.invitation is not None and contact.invitation.pending and contact.invitation.due(now)


def new_secret(random_bytes: Callable[[int], bytes], size: int = 32) -> str:
    """So many random bytes, by default 256 bits, as text that can stand in a URL."""
    return base64.urlsafe_b64encode(random_bytes(size)).rstrip(b"=").decode()


def post_quietly(directory: Directory, contact_id: str, letter: mail.Letter) -> None:
    """Send the letter; a mail that fails is logged, by the contact's id."""
    try:
        directory.post(letter)
    except mail.MailFailed as error:
        _log.warning(f"{letter.purpose}_mail_failed", contact_id=contact_id, reason=error.reason)
