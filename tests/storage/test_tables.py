"""What holds for the tables as a whole, and how values are kept in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint

import scim_server.storage.access_tables  # noqa: F401 - its tables are of the same metadata
from scim_server.storage.tables import Instant, Searchable, String, instant_text, metadata, number_text

# Keys that don't begin with the workspace, and why.
EXCEPTIONS: Final = {
    "uq_workspaces_name_key": "a workspace is found by its name",
    "ix_tokens_hash": "a token is what tells the workspace",
    "ix_clients_id": "a client is what tells the workspace",
    "ix_trusts_issuer": "an issuer is what tells the workspace",
    "ix_authorization_codes_hash": "a code is what tells the workspace",
    "ix_refresh_tokens_hash": "a refresh token is what tells the workspace",
    "ix_requests_at": "the sweep looks at all workspaces",
    "pk_signing_keys": "the server's own keys belong to no workspace",
    "uq_signing_keys_created": "the server's own keys belong to no workspace",
    "pk_secrets": "the server's own keys belong to no workspace",
    "pk_accounts": "an account is a person's own, in any workspace",
    "uq_accounts_email_key": "an account is a person's own, in any workspace",
    "fk_account_links_account_id": "an account is a person's own, in any workspace",
    "ix_account_links_account_id": "the workspaces that an account opens",
    "ix_invitation_links_hash": "a link is what tells the workspace",
    "ix_invitation_links_expires": "the timer looks at all workspaces",
    "fk_sessions_account_id": "an account is a person's own, in any workspace",
    "ix_sessions_account_id": "an account that is forgotten takes its sessions along, in any workspace",
    "ix_sessions_hash": "a session is what tells the workspace",
}


def keys(table: Table) -> Iterator[tuple[str, list[str]]]:
    """Name and columns of each key and index."""
    for each in (*table.constraints, *table.indexes):
        if isinstance(each, PrimaryKeyConstraint | UniqueConstraint | ForeignKeyConstraint | Index):
            yield str(each.name), [column.name for column in each.columns]


def test_every_key_begins_with_the_workspace() -> None:
    others = {
        name: columns
        for table in metadata.sorted_tables
        for name, columns in keys(table)
        if columns[0] != "workspace_id"
    }
    assert set(others) == set(EXCEPTIONS)


def test_foreign_keys_stay_in_their_workspace() -> None:
    for table in metadata.sorted_tables:
        for constraint in table.foreign_key_constraints:
            first = constraint.elements[0].column.name
            assert first == "workspace_id" or str(constraint.name) in EXCEPTIONS, constraint.name


def test_all_text_compares_by_code_point() -> None:
    plain = {
        "payload",
        "facts",
        "profile",
        "settings",
        "invitation",
        "password",
        "redirect_uris",
        "key_set",
        "private_key",
    }  # JSON and hashes, never compared
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind = column.type
            if kind.python_type is str and not isinstance(kind, Instant | Searchable):
                assert kind is String or column.name in plain, column


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000006Z"),
        (datetime(7, 1, 1, tzinfo=UTC), "0007-01-01T00:00:00.000000Z"),
    ],
)
def test_instants(moment: datetime, expected: str) -> None:
    assert instant_text(moment) == expected


NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.integers(-200, 200),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=3),
)


def exact(number: int | float | Decimal) -> Decimal:
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


@given(NUMBERS, NUMBERS)
def test_text_of_numbers_compares_as_they_do(one: int | float | Decimal, other: int | float | Decimal) -> None:
    assert (number_text(one) < number_text(other)) is (exact(one) < exact(other))
    assert (number_text(one) == number_text(other)) is (exact(one) == exact(other))


@pytest.mark.parametrize(
    "same", [(1, 1.0, Decimal("1.00"), Decimal("1E0")), (0, 0.0, -0.0, Decimal("0E5")), (100, 1e2)]
)
def test_one_number_has_one_text(same: tuple[int | float | Decimal, ...]) -> None:
    assert len({number_text(number) for number in same}) == 1
