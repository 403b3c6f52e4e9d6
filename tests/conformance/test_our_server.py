"""Our own server passes the whole suite, on both databases."""

from __future__ import annotations

import httpx

from conformance.case import all_cases, in_order
from conformance.discovery import discover
from conformance.exchange import Target
from conformance.procedures import PROCEDURES
from conformance.runner import Outcome, run
from tests.conformance.planted import PREFIX
from tests.support import Client, World

# A profile of one provider's habits is run on a connection of its preset, one that forgives nothing on a strict one.
PRESETS = {"okta": "okta", "entra": "entra", "google": "google", "onelogin": "onelogin", "interop": "strict"}


def test_no_case_fails_and_nothing_that_was_made_is_left(world: World) -> None:
    profiles = {case.profile for case in all_cases()}
    scim = world.client()
    before = totals(scim)
    for profile in sorted(profiles):
        token = world.client(preset=PRESETS.get(profile, "generic")).token
        with httpx.Client(transport=httpx.WSGITransport(app=world.app.wsgi_app)) as client:
            target = Target(client, f"http://localhost{PREFIX}", token)
            cases = in_order(case for case in all_cases() if case.profile == profile)
            results = run(cases, target, discover(target), PROCEDURES)
        bad = (Outcome.FAIL, Outcome.BROKEN, Outcome.SETUP_FAILED, Outcome.BLOCKED)
        assert [f"{result.case.id}: {result.message}" for result in results if result.outcome in bad] == []
        assert totals(scim) == before, profile


def totals(scim: Client) -> tuple[int, int]:
    return scim.get("/Users").json["totalResults"], scim.get("/Groups").json["totalResults"]
