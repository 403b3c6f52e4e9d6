"""The page docs/lifecycle.md, printed from the tables: `python -m scim_server.domain.document > docs/lifecycle.md`.

Words that are in no table stand here. Reads the tables and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from scim_server.domain.events import WORDS, Kind
from scim_server.domain.roles import ROLE_PERMISSIONS, SCOPES, Permission, Role
from scim_server.domain.transitions import (
    TRANSITIONS,
    AccountEffect,
    InvitationEffect,
    Outcome,
    Status,
    Transition,
)

INTRO: Final = """\
# The life of a contact

Printed from the tables in `scim_server/domain/` by `python -m scim_server.domain.document`. A test compares the two,
so change the tables and print the page again.

A **contact** is a person's record in a workspace; SCIM calls it a User. Its **status** is uninvited, invited, active
or inactive. Two flags stand beside the status: **archived** hides the contact from default views, and exactly one
contact is the **owner**. A contact that may sign in holds a **seat** of some licence type; an invited one has a seat
reserved. Three things take a contact out of use, and they are three different things:

- **Deactivate** ends access and frees the seat. Everything else stays, and access can be given back.
- **Archive** hides. Access and seat stay as they are.
- **Delete** is for good. What the person made stays, without their name.

All of this is decided in one place, whichever door it is asked for at: SCIM, the command line, or an invitation's link.
"""

# What the table of transitions can't hold, as it isn't about one contact's row (number, what happens).
BESIDE: Final = (
    ("T11", "A seat is needed and none is free, under the policy `block`: refused, nothing changes."),
    ("T12", "The same under the policy `allow`: the seat is granted, and flagged `over` to be bought later."),
    (
        "T16",
        "Fewer seats are bought by a reduction (`seats:manage`) that takes effect at the next billing cycle and can be "
        "cancelled until then. One that would fall below the seats in use waits, and no new seat is given meanwhile.",
    ),
)

LAWS: Final = (
    "Reserved and assigned seats together never outnumber the purchased ones, unless the policy is `allow`. Each "
    "contact counts once, however many invitations it was sent.",
    "An invited or active contact holds exactly one seat; any other holds none.",
    "Archiving changes what is shown and nothing else.",
    "There is exactly one owner, and the owner is active.",
    "A transition is recorded once in the activity log and once as an event, in its own transaction. A refused one "
    "leaves no trace.",
    "Of any number of claims on the last seat at the same time, one wins.",
    "A contact keeps its id in every state, and the id of a deleted contact is never given out again.",
    "Whoever may take access away may give it back: undoing a deactivation needs the permission it took.",
)

DECISIONS: Final = (
    ("D1", "SCIM's `active` is true from the invitation on, so that an identity provider reads what it wrote. "
           "Whether the person can sign in yet is told beside it."),
    ("D2", "`active: true` on an inactive contact gives access back at once. A connection may be set to send an "
           "invitation instead; saying it again sends nothing."),
    ("D3", "The licence type is an entitlement and the role is a role. The owner's role can be read and never set."),
    ("D4", "What SCIM has no attribute for (status, archived, invitation, seat, …) is in an extension of its own."),
    ("D5", "A list without a filter leaves archived contacts out; a search finds everyone. A connection can ask for "
           "the archived ones in its lists. Inactive contacts are always listed."),
    ("D6", "DELETE deletes. The user name is free at once, and a new contact gets a new id. A connection may forbid "
           "deleting."),
    ("D7", "Without a free seat the whole request is refused (403) with the counters and what to do about it."),
    ("D8", "The owner is deactivated or deleted by no door at all."),
    ("D9", "A PUT that is silent on `active` or on the extension leaves them alone."),
    ("D10", "Creating someone whose user name is in use is a conflict, also where its holder is inactive or archived. "
            "The Okta preset reactivates its own inactive contact instead."),
    ("D11", "User names and group names are unique in a workspace, whatever their case. An external id belongs to its "
            "connection and need not be unique."),
    ("D12", "Membership of groups outlives deactivation and archiving, and ends with deletion."),
    ("D13", "OAuth scopes are the permissions. Who holds one of two that a request needs changes nothing."),
    ("D14", "A write that changes nothing leaves version, modification time and log alone."),
    ("D15", "What identity providers get wrong is forgiven by rows of data, and not at all under the preset `strict`."),
    ("D16", "Bad input is refused whole, naming the attribute and the reason."),
)  # fmt: skip


def page() -> str:
    """The whole page, ending in one newline."""
    sections = (
        INTRO,
        "## States\n\n" + diagram(),
        "## Transitions\n\n" + transition_table() + "\n" + BESIDE_INTRO + "\n\n" + table(("#", "what"), BESIDE),
        "## Records\n\nEach transition that changes something is recorded under one of these names, with the facts\n"
        "before and after and no personal data but the contact's id.\n\n" + record_table(),
        "## Permissions\n\n" + permission_table() + "\nThe scope `scim` is the first five of them.\n",
        "## Laws\n\n" + "".join(f"{number}. {law}\n" for number, law in enumerate(LAWS, start=1)),
        "## Decisions\n\n" + table(("#", "decision"), DECISIONS),
    )
    return "\n".join(sections)


BESIDE_INTRO: Final = (
    "`edit` and `licence` have no number in the rules' own count. A repeat (T17) makes no new version, no record and\n"
    "no mail; that holds for every row that finds things as it would leave them. A missing permission is reported\n"
    "before anything else, then the owner's protection, then a step that the status doesn't allow. Beside the rows:"
)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def diagram() -> str:
    """The states and every change of status, as a Mermaid state diagram."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in TRANSITIONS:
        for arrow in _arrows(row):
            arrows.setdefault(arrow, []).append(f"{row.number} {row.event}")
    lines = [f"    {source} --> {target}: {', '.join(labels)}" for (source, target), labels in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def _arrows(row: Transition) -> Iterator[tuple[str, str]]:
    """(from, to) for each arrow of a row; none where the status stays and nothing is sent."""
    if row.target is Outcome.KEEP:
        return
    # an invitation is issued to uninvited and inactive contacts, so that is where it falls back to
    targets = (Status.UNINVITED, Status.INACTIVE) if row.target is Outcome.BEFORE else (row.target,)
    for source in [str(status) for status in Status if status in row.sources] or ["[*]"]:
        for target in targets:
            yield source, "[*]" if target is Outcome.DELETED else str(target)


def transition_table() -> str:
    """Every row of TRANSITIONS."""
    heads = ("#", "event", "from", "to", "seat", "sign-in account", "invitation", "needs", "what")
    return table(heads, (_cells(row) for row in TRANSITIONS))


def _cells(row: Transition) -> tuple[str, ...]:
    sources = "any" if row.sources == frozenset(Status) else ", ".join(s for s in Status if s in row.sources)
    account = "unlink, end sessions" if row.account is AccountEffect.UNLINK else str(row.account)
    needs = f"`{row.permission}`" if row.permission else row.actor
    return (
        row.number,
        str(row.event) + ("; by invitation" if row.by_invitation else ""),
        sources or "-",
        str(row.target),
        str(row.seat),
        account,
        "revoke a pending one" if _revokes_any(row) else str(row.invitation),
        needs + (", **never for the owner**" if row.never_for_owner else ""),
        row.summary,
    )


def _revokes_any(row: Transition) -> bool:
    return row.invitation is InvitationEffect.REVOKE and row.never_for_owner


def record_table() -> str:
    """Each kind of record, how the activity log words it, and the event of RFC 9967 it goes out as."""
    return table(
        ("record", "activity log", "event"),
        ((f"`{kind}`", WORDS[kind].activity, f"`{WORDS[kind].outbox}`") for kind in Kind),
    )


def permission_table() -> str:
    """Permissions by role, those of the scope `scim` first."""
    ordered = sorted(Permission, key=lambda permission: permission not in SCOPES["scim"])
    rows = ((f"`{each}`", *("yes" if each in ROLE_PERMISSIONS[role] else "-" for role in Role)) for each in ordered)
    return table(("permission", *Role), (*rows, ("hand ownership over", "yes", "-", "-", "-")))


def main() -> None:
    """Prints the page."""
    sys.stdout.write(page())


if __name__ == "__main__":  # pragma: no cover
    main()
