"""Places in a body, and templates."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.places import MISSING, NotThere, at, filled, objects_at

URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
BODY = {
    "userName": "ann",
    "name": {"familyName": "Lee"},
    "emails": [{"type": "work", "value": "w"}, {"type": "Home", "value": "h"}, {"value": "a/b"}],
    "nothing": None,
    URN: {"department": "Ops", "manager": {"value": "1"}},
}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("userName", "ann"),
        ("USERNAME", "ann"),
        ("name/familyName", "Lee"),
        ("name/givenName", MISSING),
        ("userName/deeper", MISSING),
        ("nothing", None),
        ("emails/0/value", "w"),
        ("emails/-1/value", "a/b"),
        ("emails/3/value", MISSING),
        ("emails/*/type", ["work", "Home"]),
        ("emails[type=home]/value", "h"),
        ("emails[value=a/b]/value", "a/b"),
        ("emails[type=other]/value", MISSING),
        (f"{URN}/manager/value", "1"),
        ("", BODY),
    ],
)
def test_a_place_is_found(place: str, found: Any) -> None:
    assert at(BODY, place) == found


def test_a_body_that_is_none_has_no_places() -> None:
    assert at(None, "id") is MISSING


def test_a_template_is_filled_at_any_depth_and_a_lone_slot_keeps_its_type() -> None:
    saved = {"ann": {"id": 7, "emails": [{"value": "w"}]}, "run": "r"}
    template = {"${run}": ["${ann/id}", "/Users/${ann/id}", {"x": "${ann/emails}"}], "n": 1, "none": None}
    assert filled(template, saved) == {"r": [7, "/Users/7", {"x": [{"value": "w"}]}], "n": 1, "none": None}


def test_a_slot_of_nothing_saved_is_the_suites_own_fault() -> None:
    with pytest.raises(KeyError):
        filled("${bob/id}", {"ann": {"id": 7}})


def test_a_slot_that_an_answer_left_empty_is_the_answers_fault() -> None:
    with pytest.raises(NotThere):
        filled("${ann/missing}", {"ann": {"id": 7}})


def test_objects_are_those_of_a_list_and_nothing_else() -> None:
    assert objects_at({"a": [None, {"b": 1}, "x", []]}, "a") == [{"b": 1}]
    others: list[Any] = [None, {}, {"a": {}}, {"a": "text"}, []]
    assert not any(objects_at(body, "a") for body in others)
    assert bool(MISSING) is False
