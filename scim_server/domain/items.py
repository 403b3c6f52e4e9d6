"""What a contact leaves linked to it: projects, invoices and the like, as the host application registers them.

An item is a name and two links; its content stays with the host. Knows no storage, request or representation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from scim_server.domain.errors import Refused

LONGEST: Final = 500  # characters of a title or a reference


class ItemKind(StrEnum):
    """The six kinds of linked data that no event of a contact's life deletes or moves (R5, R32)."""

    PROJECT = "project"
    INVOICE = "invoice"
    PROPOSAL = "proposal"
    CONTRACT = "contract"
    CONVERSATION = "conversation"
    FILE = "file"


class InvalidItem(Refused):
    """A value that an item can't have; the message says which and why."""

    code = "invalid_item"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One linked item. `reference` is what the host calls it; an owner or author is None once that contact is gone."""

    id: str
    kind: ItemKind
    title: str
    reference: str | None
    owner_id: str | None
    author_id: str | None
    created: datetime


def kind_named(name: str) -> ItemKind:
    """The kind of that name, in any case. Raises InvalidItem."""
    try:
        return ItemKind(name.strip().lower())
    except ValueError as error:
        kinds = ", ".join(ItemKind)
        raise InvalidItem(f"There is no kind of item {name[:64]!r}. There are: {kinds}.") from error


def checked_title(title: str) -> str:
    """The title without the spaces around it. Raises InvalidItem."""
    return _checked(title, "title")


def checked_reference(reference: str | None) -> str | None:
    """The reference without the spaces around it; None where there is none. Raises InvalidItem."""
    return None if reference is None else _checked(reference, "reference")


def _checked(text: str, what: str) -> str:
    text = text.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise InvalidItem(f"An item's {what} has 1 to {LONGEST} characters, all of them printable.")
    return text
