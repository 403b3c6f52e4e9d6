"""The page docs/deviations.md, built of the rows of tolerance.py: `python -m scim_server.scim.deviations`.

What is in no row stands here as text. Must not forgive anything itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from scim_server.scim.tolerance import ROWS, Row

_INTRO: Final = """\
# Where the server departs from the RFCs

Printed from `scim_server/scim/tolerance.py` by `python -m scim_server.scim.deviations > docs/deviations.md`. A test
compares the two, so change the rows and print the page again.

## What is forgiven

Identity providers send what RFC 7643 and RFC 7644 don't allow, or don't mention. Each row is one such thing: the
section that it bends, and a case in `tests/corpus/` that shows it (file and id). All of it is forgiven to the
connections of every preset but `strict`, to which none of it is: they get the error that the section asks for.

"""

_RULES_INTRO: Final = """
## The product's own rules

These hold for every preset, `strict` too. The numbers are those of the decisions in [lifecycle.md](lifecycle.md).

"""

# Where, what the RFC says of it, what the server does, and why.
_RULES: Final = (
    (
        "lists without a filter (D5)",
        "RFC 7644 §3.4.2: all resources",
        "Archived contacts are left out, unless the connection lists them, as the preset `okta` does. A filter "
        "searches everyone.",
        "Archiving takes a contact out of default views. A client that looks for a name must still find it, or it "
        "would make a second one.",
    ),
    (
        "POST of a deactivated contact (D10)",
        "RFC 7644 §3.3: 409",
        "409. Under the preset `okta`, with the same connection and externalId, the contact is active again: 201, "
        "with the id it had.",
        "Okta creates again whom it has deactivated.",
    ),
    (
        "`active` removed by PATCH",
        "RFC 7644 §3.5.2.2: unassigned",
        "It is gone from the answers, and the contact's state is kept.",
        "Who says nothing must neither shut anybody out nor let anybody in. A PUT without `active` keeps the state "
        "for the same reason (D9).",
    ),
    (
        "`replace` of values that a filter selects",
        "RFC 7644 §3.5.2.3: they are replaced",
        "Sub-attributes that the value names are replaced, and the others kept.",
        "The same section keeps what isn't named of a complex value, and each selected value is one.",
    ),
    (
        "no free seat (D7), the owner (D8)",
        "not foreseen",
        "403 with a detail that says what to do; for a seat also the counters, in an extension of the error.",
        "409 would read as a duplicate, and 503 as a request to wait.",
    ),
    (
        "PATCH of a group",
        "RFC 7644 §3.5.2: 200 or 204",
        "204; 200 where `attributes` or `excludedAttributes` say what to send.",
        "To add one member must not mean to send all hundred thousand.",
    ),
    (
        "groups in groups",
        "RFC 7643 §4.2: nothing of circles",
        "A member that would make a group contain itself, at any depth, is refused: 400 invalidValue.",
        "What groups a user is in would have no end.",
    ),
    (
        "displayName of a group (D11)",
        "RFC 7643 §4.2: any",
        "Unique in the workspace, compared without case: 409 uniqueness.",
        "Identity providers look their groups up by it.",
    ),
    (
        "versions",
        "RFC 7644 §3.14: strong or weak",
        "Weak, and compared as weak ones, in If-Match too. They stay when nothing but `groups` of a user, or "
        "`display` of a group's members, changes.",
        "Those belong to other resources: one new name would change the versions of a hundred thousand.",
    ),
    (
        "`/Me`",
        "RFC 7644 §3.11: optional",
        "GET, PUT, PATCH and DELETE for a token that acts for a contact, 404 for any other. No POST.",
        "A connection is no contact, and nobody signs up here.",
    ),
    (
        "queries at the root",
        "RFC 7644 §3.4.2.1: optional",
        "Users first, then groups, paged by index alone. `sortBy` and `cursor` are answered with 501.",
        "The two types have no order in common.",
    ),
)


def page() -> str:
    """The whole page, ending in one newline."""
    heads = ("tolerance", "bends", "sent by", "what arrives", "what becomes of it", "case")
    forgiven = _table(heads, map(_cells, ROWS))
    return _INTRO + forgiven + _RULES_INTRO + _table(("where", "the RFC", "the server", "why"), _RULES)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    # what arrives is a piece of JSON or of a filter in most rows, and a description in the others
    literal = row.arrives[0] in '"{' or " eq " in row.arrives
    arrives = f"`{row.arrives}`" if literal else row.arrives
    return f"`{row.id}`", row.bends, row.clients, arrives, row.meaning, f"`{row.case}`"


def main() -> None:
    """Prints the page."""
    sys.stdout.write(page())


if __name__ == "__main__":  # pragma: no cover
    main()
