"""The activity log through the one door: every act that the code writes is shown in words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

import scim_server
from scim_server.directory import activity, seats
from scim_server.domain.actor import system
from scim_server.domain.events import Kind
from scim_server.domain.seats import Policy, ReductionState
from tests.directory.desk import Desk, address
from tests.support import World

_PACKAGE: Final = Path(scim_server.__file__).parent
_WRITERS: Final = {"record_act", "_record"}
_ROOMS: Final = ("directory", "storage")


def _calls() -> Iterator[ast.Call]:
    """Every call in the package of what writes an act's row."""
    for room in _ROOMS:
        for file in sorted((_PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and _name(node.func) in _WRITERS:
                    yield node


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _acts_written() -> set[str]:
    """The names of acts that stand in those calls; one that is passed on stands in the call that it came by."""
    literal = {
        each.value
        for call in _calls()
        for each in (*call.args, *(keyword.value for keyword in call.keywords))
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }
    return literal | {f"seats.reduction_{state.value}" for state in ReductionState} | {kind.value for kind in Kind}


def test_every_act_that_the_code_writes_has_words() -> None:
    acts = _acts_written()
    assert {"group.edited", "token.revoked", "item.added", "seats.policy_changed", "contact.deleted"} <= acts
    assert acts == set(activity.WORDS_OF), "each has words, and no words are of an act that nobody writes"
    assert all(words and "." not in words for words in activity.WORDS_OF.values())


def test_no_act_is_written_by_a_name_that_the_test_above_can_not_see() -> None:
    """Each call names its act in place, or passes on a parameter or variable called `act`."""
    for call in _calls():
        named = [each for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        passed = [each for each in call.args if isinstance(each, ast.Name) and each.id == "act"]
        assert len(named) + len(passed) == 1, ast.unparse(call)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def test_acts_on_seats_are_shown_in_words(desk: Desk) -> None:
    actor = system(desk.world.workspace_id)
    seats.add_licence(desk.directory, actor, "guest", counted=True)
    seats.add(desk.directory, actor, "guest", 2)
    seats.set_policy(desk.directory, actor, "guest", Policy.ALLOW)
    seats.cancel_reduction(desk.directory, actor, seats.reduce(desk.directory, actor, "guest", 1).id)
    desk.person(address(), active=True, entitlements=[{"value": "guest", "type": "license"}])
    desk.person(address(), active=True, entitlements=[{"value": "guest", "type": "license"}])
    seats.reduce(desk.directory, actor, "guest", 1)
    desk.now += timedelta(days=40)
    seats.apply_due(desk.directory)
    seats.add(desk.directory, actor, "guest", 1)
    desk.now += timedelta(seconds=1)
    shown = [each for each in activity.stream(desk.directory, actor, activity.Wanted()) if each.act.startswith("seats")]
    done = {"added", "licence_added", "policy_changed"}
    reductions = {f"reduction_{state.value}" for state in ReductionState}
    assert {each.act for each in shown} == {f"seats.{each}" for each in done | reductions}
    assert [each.act for each in shown if each.words == each.act] == []
