"""How a row of the activity log reads on a page: who, what, to whom, by which door, and what changed by it.

Names come from the directory as they are today, "Deleted user" included. Knows no filters and no requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from scim_server.directory import activity, requests
from scim_server.directory.activity import WORDS_OF, Entry
from scim_server.domain.contact import Contact
from scim_server.domain.events import DELETED_USER
from scim_server.domain.roles import Permission
from scim_server.http.console.frame import Visitor, directory

DOORS: Final[Mapping[str, str]] = {
    "scim": "SCIM",
    "api": "API",
    "cli": "Command line",
    "console": "Console",
    "timer": "Timer",
}
# What an act is about, by how it begins, in the order in which a page offers them.
KINDS: Final[Mapping[str, str]] = {
    "contact": "Contacts",
    "group": "Groups",
    "seats": "Seats",
    "item": "Linked items",
    "workspace": "Workspace",
    "connection": "Connections",
    "token": "Tokens",
    "client": "OAuth clients",
    "trust": "Trusted issuers",
}
# Facts whose names don't say it; a fact that is an id is told apart.
_FACTS: Final[Mapping[str, str]] = {
    "account_linked": "Account linked",
    "over": "Seat beyond those purchased",
    "added": "Seats added",
    "quantity": "Seats to go",
    "effective": "From",
    "counted": "Seats are counted",
    "billing_day": "Billing cycles begin on day",
}
_SYSTEM: Final[Mapping[str, str]] = {"cli": "An operator"}
_IDS: Final = frozenset(("items_owner", "secret", "client"))
_WORDS: Final[Mapping[Any, str]] = {True: "yes", False: "no", None: "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed: its name, and how it was and is; `before` is "" where there was nothing."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A row in words. Paths are behind /console, "" where there is no page, or none for who looks.

    `request_path` is the page of the request that did it, `heir_path` that of whom linked items were handed to;
    `attributes` names what else changed.
    """

    id: str
    at: datetime
    who: str
    who_path: str
    what: str
    whom: str
    whom_path: str
    door: str
    request_path: str
    changes: tuple[Change, ...]
    heir_path: str
    attributes: str


def said(found: Visitor, entries: Iterable[Entry]) -> list[Said]:
    """The rows in words, a page of them at most, for one who looks."""
    rows = list(entries)
    asked = [entry.request_id for entry in rows if entry.request_id is not None]
    shown = requests.known(directory(), found.actor, asked) if found.may(Permission.WORKSPACE_MANAGE) else set()
    return [_said(found, entry, entry.request_id if entry.request_id in shown else None) for entry in rows]


def access_said(found: Visitor, contact: Contact) -> Said | None:
    """By what the contact came to have access, or none: the row of its last change of status, where there is one."""
    when = contact.status_changed_at or contact.created
    entries = activity.at_times(directory(), found.actor, [contact.id], (), [when])
    return next(iter(said(found, [entry for entry in entries if "status" in entry.facts][-1:])), None)


def choices() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(kind, its words, (act, its words) of each of its acts), for a filter."""
    return [
        (kind, words, sorted((act, capital(WORDS_OF[act])) for act in acts_of(kind))) for kind, words in KINDS.items()
    ]


def acts_of(text: str) -> list[str]:
    """The acts that a filter means: those of a kind, or the one; none for what is neither."""
    return [act for act in WORDS_OF if text in (act, _kind(act))]


def capital(words: str) -> str:
    """The words as a sentence begins."""
    return words[:1].upper() + words[1:]


def _said(found: Visitor, entry: Entry, request_id: str | None) -> Said:
    heir = (entry.facts.get("items_owner") or ("", None))[1]
    return Said(
        id=entry.id,
        at=entry.at,
        who=_SYSTEM.get(entry.door, "The system") if entry.actor_kind == "system" else entry.actor,
        who_path=_path(found, entry.actor_kind, entry.actor_id, entry.actor),
        what=capital(entry.words),
        whom=entry.subject or "",
        whom_path=_path(found, _kind(entry.act), entry.subject_id, entry.subject or ""),
        door=DOORS.get(entry.door, entry.door),
        request_path=f"/settings/requests/{request_id}" if request_id is not None else "",
        changes=tuple(_change(name, *change) for name, change in entry.facts.items() if name not in _IDS),
        heir_path=f"/contacts/{heir}" if heir else "",
        attributes=", ".join(each.rpartition(":")[2] for each in entry.attributes),
    )


def _kind(act: str) -> str:
    return act.partition(".")[0]


def _path(found: Visitor, kind: str, subject_id: str | None, name: str) -> str:
    if kind == "contact" and subject_id and name != DELETED_USER:
        return f"/contacts/{subject_id}"
    if kind == "connection" and subject_id and found.may(Permission.WORKSPACE_MANAGE):
        return f"/settings/provisioning/{subject_id}"
    return ""


def _change(name: str, before: Any, after: Any) -> Change:
    return Change(
        name=_FACTS.get(name) or capital(name.replace("_", " ")),
        before="" if before in (None, after) else _shown(before),  # the same is told for what the row is about
        after=_shown(after),
    )


def _shown(value: Any) -> str:
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)
