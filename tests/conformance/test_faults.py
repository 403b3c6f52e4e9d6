"""The suite bites: each fault that is planted in our server is noticed by the case that names it."""

from __future__ import annotations

import importlib
from pathlib import Path

import httpx
import pytest

from conformance.case import all_cases, with_dependencies
from conformance.discovery import discover
from conformance.exchange import Target
from conformance.procedures import PROCEDURES
from conformance.runner import Outcome, Result, run
from tests.conformance.planted import FAULTS, PREFIX, Fault, planted
from tests.support import World

for _path in sorted(Path(__file__).parent.glob("faults_*.py")):
    importlib.import_module(f"tests.conformance.{_path.stem}")


def examined(world: World, fault: Fault | None, case_id: str) -> Result:
    """How the case ends against the application with the fault in it."""
    app = world.app.wsgi_app if fault is None else planted(world.app.wsgi_app, fault)
    cases = all_cases()
    chosen = with_dependencies([case for case in cases if case.id == case_id], cases)
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://localhost") as client:
        target = Target(client, f"http://localhost{PREFIX}", world.client().token)
        results = run(chosen, target, discover(target), PROCEDURES)
    return next(result for result in results if result.case.id == case_id)


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(world: World, fault: Fault) -> None:
    result = examined(world, fault, fault.caught_by)
    assert result.outcome in (Outcome.FAIL, Outcome.WARN), result.message
    assert examined(world, None, fault.caught_by).outcome is Outcome.PASS


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 120
