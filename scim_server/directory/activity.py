"""The activity log through the one door: who did what to whom, with the names that people and things have now.

A deleted contact is nobody in particular in it (R45b); a deactivated one keeps its name (R46). Knows no file format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from scim_server.directory import Directory
from scim_server.directory.access import check_ids
from scim_server.domain.actor import Actor
from scim_server.domain.events import DELETED_USER, WORDS, Kind
from scim_server.domain.roles import Permission
from scim_server.storage import activity
from scim_server.storage.activity import Row
from scim_server.storage.activity import Wanted as Wanted  # callers say what they want by it
from scim_server.storage.db import reading

ROWS_AT_ONCE: Final = 1000
PAGE: Final = 50
_SYSTEM: Final = "system"
_DOORS: Final = {"cli": "command line"}
# What an act is about, by how it begins: the words for one that is gone.
_GONE: Final = {
    "contact": DELETED_USER,
    "group": "Deleted group",
    "connection": "Deleted connection",
    "token": "Deleted token",
}
# Act → how it reads: "WORDS by NAME". Every act that is written has its row.
WORDS_OF: Final[Mapping[str, str]] = {
    **{kind.value: WORDS[kind].activity for kind in Kind},
    "contact.owner_link_made": "made a sign-in link for the owner",
    "contact.password_set": "set a password",
    "contact.sign_in_link_mailed": "mailed a sign-in link",
    "group.created": "created a group",
    "group.edited": "edited a group",
    "group.deleted": "deleted a group",
    "connection.created": "created a connection",
    "connection.edited": "changed a connection",
    "client.created": "created a client",
    "client.rotated": "made a new secret of a client",
    "client.secret_revoked": "revoked a secret of a client",
    "client.revoked": "revoked a client",
    "client.consented": "let a client in",
    "client.reuse_detected": "ended a client's tokens, as a code or refresh token came twice",
    "trust.created": "trusted an issuer",
    "trust.revoked": "ended the trust in an issuer",
    "token.created": "created a token",
    "token.revoked": "revoked a token",
    "item.added": "added an item",
    "workspace.renamed": "renamed the workspace",
    "seats.added": "added seats",
    "seats.licence_added": "added a licence type",
    "seats.policy_changed": "changed what happens when no seat is left",
    "seats.billing_day_changed": "changed the day on which billing cycles begin",
    "seats.reduction_scheduled": "scheduled a reduction of seats",
    "seats.reduction_cancelled": "cancelled a reduction of seats",
    "seats.reduction_applied": "applied a reduction of seats",
    "seats.reduction_waiting": "held a reduction of seats until enough are free",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as it is shown: `words` say what was done, `actor` by whom, `subject` to whom or what.

    `facts` maps what changed to [before, after]; `attributes` names what else changed, never its values.
    """

    id: str
    at: datetime
    act: str
    words: str
    door: str
    actor_kind: str
    actor_id: str | None
    actor: str
    subject_id: str | None
    subject: str | None
    facts: Mapping[str, Any]
    attributes: Sequence[str]
    request_id: str | None


def find(
    directory: Directory, actor: Actor, wanted: Wanted, *, after: str | None = None, count: int = 100
) -> Sequence[Entry]:
    """Up to `count` entries beyond the one with the id `after`, oldest first. Raises MissingPermission, NotAllowed."""
    actor.require(Permission.CONTACTS_VIEW)
    check_ids(after, wanted.contact_id, *wanted.acts)
    with reading(directory.engine) as db:
        return [_entry(row) for row in activity.page(db, actor.workspace_id, wanted, after=after, count=count)]


def newest(
    directory: Directory, actor: Actor, wanted: Wanted, *, before: str | None = None, count: int = PAGE
) -> Sequence[Entry]:
    """Up to `count` entries (ROWS_AT_ONCE at most) older than the one with the id `before`, newest first.

    Raises MissingPermission, NotAllowed.
    """
    actor.require(Permission.CONTACTS_VIEW)
    check_ids(before, wanted.contact_id, *wanted.acts)
    count = min(count, ROWS_AT_ONCE)
    with reading(directory.engine) as db:
        return [_entry(row) for row in activity.newest(db, actor.workspace_id, wanted, before=before, count=count)]


def at_times(
    directory: Directory, actor: Actor, subject_ids: Sequence[str], acts: Sequence[str], times: Sequence[datetime]
) -> Sequence[Entry]:
    """The entries of exactly these times that are about one of the subjects or are one of `acts`, oldest first.

    For what is written in one transaction with them, a page of it at most. Raises MissingPermission, NotAllowed.
    """
    actor.require(Permission.CONTACTS_VIEW)
    check_ids(*subject_ids, *acts)
    with reading(directory.engine) as db:
        return [_entry(row) for row in activity.at_times(db, actor.workspace_id, subject_ids, acts, times)]


def stream(directory: Directory, actor: Actor, wanted: Wanted) -> Iterator[Entry]:
    """All entries up to now, oldest first. Raises MissingPermission.

    In short transactions: one that lasted as long as a slow reader would hold up the database's cleaning.
    """
    now, after = directory.now(), None
    until = now if wanted.until is None else min(wanted.until, now)
    wanted = replace(wanted, until=until)
    while entries := find(directory, actor, wanted, after=after, count=ROWS_AT_ONCE):
        yield from entries
        after = entries[-1].id


def _entry(row: Row) -> Entry:
    facts = dict(row.facts)
    attributes = facts.pop("attributes", ())
    return Entry(
        id=row.id,
        at=row.at,
        act=row.act,
        words=WORDS_OF.get(row.act, row.act),
        door=row.door,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor=_actor(row),
        subject_id=row.subject_id,
        subject=_subject(row),
        facts=facts,
        attributes=attributes,
        request_id=row.request_id,
    )


def _actor(row: Row) -> str:
    if row.actor_kind == _SYSTEM:
        return _DOORS.get(row.door, _SYSTEM)
    return row.actor or _GONE.get(row.actor_kind, _SYSTEM)


def _subject(row: Row) -> str | None:
    if row.subject is not None or row.subject_id is None:
        return row.subject
    return _GONE.get(row.act.split(".", 1)[0], row.subject_id)
