"""Every row of the tolerances has a case in a corpus that shows what it forgives, and what happens without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any, Final

import pytest

from scim_server.scim.errors import ScimError
from scim_server.scim.filter import FILTER_TOLERANCES, parse_filter
from scim_server.scim.schema import GROUP, USER
from scim_server.scim.tolerance import EVERYTHING, NOTHING, PRESETS, ROWS, tolerance_of
from tests.scim import test_patch, test_values
from tests.support import CORPUS, World

FILTERS: Final[list[dict[str, Any]]] = json.loads((CORPUS / "filters.json").read_text())

# Rows that the pure ring hands on: what is forgiven shows only where there are other users, or none.
ELSEWHERE: Final = frozenset({"skip-unknown-members", "filter-double-encoding"})


OUTCOMES: Final = ("after", "expected", "error")


def test_rows_are_named_once_and_explained() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert all((row.clients, row.arrives, row.meaning)), row.id
        assert row.meaning.endswith("."), row.id


@pytest.mark.parametrize("preset", PRESETS)
def test_strict_alone_forgives_nothing(preset: str) -> None:
    assert tolerance_of(preset) == (NOTHING if preset == "strict" else EVERYTHING)


def shown_by_pairs(cases: list[dict[str, Any]], tolerance: Any) -> Iterator[str]:
    """The rows for which there are two cases that differ in that row alone, with different outcomes."""
    together: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        given = {
            name: value for name, value in case.items() if name not in ("id", "source", "tolerance", *OUTCOMES, "again")
        }
        together.setdefault(json.dumps(given, sort_keys=True), []).append(case)
    for alike in together.values():
        for one, other in permutations(alike, 2):
            more = tolerance(one) - tolerance(other)
            if len(more) == 1 and tolerance(other) < tolerance(one) and outcome(one) != outcome(other):
                assert "error" not in one, one["id"]
                yield from more


def outcome(case: dict[str, Any]) -> Any:
    return next(case[name] for name in OUTCOMES if name in case)


def shown_by_filters() -> Iterator[str]:
    """The rows that some filter of the corpus needs, and needs alone."""
    for case in FILTERS:
        if "matches" in case and "tolerance" not in case:
            yield from (
                row for row in FILTER_TOLERANCES if parses(case, {row}) and not parses(case, EVERYTHING - {row})
            )


def parses(case: dict[str, Any], tolerance: Any) -> bool:
    try:
        parse_filter({"User": USER, "Group": GROUP}[case.get("type", "User")], case["filter"], tolerance=tolerance)
    except ScimError:
        return False
    return True


def test_every_row_has_its_cases() -> None:
    patches = set(shown_by_pairs(test_patch.CASES, test_patch.tolerance_of))
    bodies = set(shown_by_pairs(test_values.CASES, test_values.tolerance_of))
    assert patches | bodies | set(shown_by_filters()) | ELSEWHERE == EVERYTHING
    in_bodies = {
        "boolean-strings", "number-strings", "dotted-keys", "bare-extension-attributes", "bare-values",
        "empty-string-clears", "unwrap-single", "wrap-single", "ignore-unknown", "ignore-unknown-schemas",
        "first-primary", "country-names", "any-photo",
    }  # fmt: skip
    in_patches = {"operation-case", "value-path-creates", "remove-listed-values", "empty-operations"}
    assert bodies == in_bodies
    assert patches == in_bodies | in_patches
    assert not ELSEWHERE & (patches | bodies)


@pytest.mark.parametrize("case", test_patch.CASES, ids=lambda case: case["id"])
def test_tolerances_of_the_patches_exist(case: dict[str, Any]) -> None:
    assert test_patch.tolerance_of(case) <= EVERYTHING


@pytest.mark.parametrize("case", test_values.CASES, ids=lambda case: case["id"])
def test_tolerances_of_the_bodies_exist(case: dict[str, Any]) -> None:
    assert test_values.tolerance_of(case) <= EVERYTHING


def test_skip_unknown_members(world: World) -> None:
    forgiving, strict = world.client(), world.client(preset="strict")
    kim, crew = forgiving.user("kim")["id"], forgiving.group("Crew")["id"]
    change = {"op": "add", "path": "members", "value": [{"value": "nobody"}, {"value": kim}]}
    refused = strict.patch(f"/Groups/{crew}", change)
    assert (refused.status, refused.scim_type) == (400, "invalidValue")
    assert "members" not in strict.get(f"/Groups/{crew}").json
    assert forgiving.patch(f"/Groups/{crew}", change).status in (200, 204)
    assert [member["value"] for member in forgiving.get(f"/Groups/{crew}").json["members"]] == [kim]


def test_filter_double_encoding(world: World) -> None:
    forgiving, strict = world.client(), world.client(preset="strict")
    forgiving.user("kim@example.com")
    path = "/Users?filter=userName%20eq%20%22kim%2540example.com%22"
    assert forgiving.get(path).json["totalResults"] == 1
    assert strict.get(path).json["totalResults"] == 0
