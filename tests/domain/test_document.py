"""The committed page is the one the tables print, and the tables are whole."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from scim_server.domain import document, errors
from scim_server.domain.events import WORDS, Kind
from scim_server.domain.transitions import TRANSITIONS, Event, Status

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


def test_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    document.main()
    printed = capsys.readouterr().out
    assert printed == PAGE.read_text(encoding="utf-8"), "run: python -m scim_server.domain.document > docs/lifecycle.md"


def test_every_event_has_rows_and_no_two_rows_meet() -> None:
    assert {row.event for row in TRANSITIONS} == set(Event)
    for event in Event:
        for status in (None, *Status):
            for invite in (False, True):
                assert sum(row.applies(event, status, invite=invite) for row in TRANSITIONS) <= 1


def test_every_kind_has_words() -> None:
    assert WORDS.keys() == set(Kind)
    assert {row.kind for row in TRANSITIONS if row.kind} == set(Kind) - {Kind.OWNERSHIP_RECEIVED}


def test_codes_are_unique() -> None:
    refusals = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.Refused)]
    assert len({refusal.code for refusal in refusals}) == len(refusals)
