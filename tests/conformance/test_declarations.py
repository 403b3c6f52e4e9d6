"""Cases about what our server doesn't declare bite too: each is tried on a server that declares it, truly or not."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.runner import Outcome
from tests.conformance.planted import Answered, Asked, Fault, Serve
from tests.conformance.test_faults import examined
from tests.support import World

EVENT = "urn:ietf:params:scim:event:"
TRUE_EVENTS = {"asyncRequest": "none", "eventUris": [f"{EVENT}prov:create:notice", f"{EVENT}prov:delete"]}
LATER = {"asyncRequest": "request", "eventUris": [f"{EVENT}misc:asyncresp"]}
HEADERS = {"set-txn": "1", "preference-applied": "respond-async", "location": "/later/1"}


def with_events(events: dict[str, Any], headers: dict[str, str] | None = None) -> Fault:
    """A server that declares those events, and answers what prefers it by 202 with those headers, if any."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        if asked.path == "/ServiceProviderConfig":
            answered.body["securityEvents"] = events
        if headers is not None and "respond-async" in asked.headers.get("prefer", ""):
            return Answered(status=202, headers=headers, body=None)
        return answered

    return Fault(name="with_events", caught_by="", plant=plant)


def declaring(**said: Any) -> Fault:
    """A server whose User schema says something else of displayName, or whose enterprise extension is required."""

    def plant(asked: Asked, serve: Serve) -> Answered:
        answered = serve(asked)
        if asked.path == "/Schemas" and "returned" in said:
            found = next(each for each in answered.resources[0]["attributes"] if each["name"] == "displayName")
            found["returned"] = said["returned"]
        if asked.path == "/ResourceTypes" and "required" in said:
            answered.resources[0]["schemaExtensions"][0]["required"] = said["required"]
        if asked.path == "/ServiceProviderConfig":
            answered.body |= {name: {"supported": False} for name in ("patch",) if said.get("patch") is False}
            answered.body |= {name: True for name in ("interopProfileConformant",) if said.get("interop")}
        return answered

    return Fault(name="declaring", caught_by="", plant=plant)


GOOD = [
    ("rfc9967/4/async-request", with_events(TRUE_EVENTS)),
    ("rfc9967/4/event-uris", with_events(TRUE_EVENTS)),
    ("rfc9967/4/known-events", with_events(TRUE_EVENTS)),
    ("rfc9967/4/notice-or-full", with_events(TRUE_EVENTS)),
    ("rfc9967/4/no-events-of-none", with_events(TRUE_EVENTS)),
    ("rfc9967/4/no-events-of-none", with_events(LATER)),
    ("rfc9967/2.5.1.1/answered-at-once", with_events(TRUE_EVENTS)),
    ("rfc9967/2.5.1.1/accepted", with_events(LATER, HEADERS)),
    ("rfc9967/2.5.1.1/accept-ignored", with_events(LATER, HEADERS)),
]
BAD = [
    ("rfc9967/4/async-request", with_events({**TRUE_EVENTS, "asyncRequest": "maybe"})),
    ("rfc9967/4/event-uris", with_events({**TRUE_EVENTS, "eventUris": "all"})),
    ("rfc9967/4/known-events", with_events({**TRUE_EVENTS, "eventUris": [f"{EVENT}prov:undelete"]})),
    ("rfc9967/4/notice-or-full", with_events({**TRUE_EVENTS, "eventUris": [f"{EVENT}prov:put"]})),
    ("rfc9967/4/no-events-of-none", with_events({**LATER, "asyncRequest": "none"})),
    ("rfc9967/2.5.1.1/answered-at-once", with_events(TRUE_EVENTS, HEADERS)),
    ("rfc9967/2.5.1.1/accepted", with_events(LATER, {"set-txn": "1"})),
    ("rfc7643/7/request", declaring(returned="request")),
    ("rfc7643/6/required-extension", declaring(required=True)),
    ("rfc7643/5/what-is-not-declared", declaring(patch=False)),
    ("interop/says-so-truly", declaring(interop=True)),
]


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("case", "server"), GOOD, ids=[case for case, _ in GOOD])
def test_what_is_declared_truly_passes(world: World, case: str, server: Fault) -> None:
    assert examined(world, server, case).outcome is Outcome.PASS


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("case", "server"), BAD, ids=[case for case, _ in BAD])
def test_what_is_declared_falsely_is_noticed(world: World, case: str, server: Fault) -> None:
    assert examined(world, server, case).outcome in (Outcome.FAIL, Outcome.WARN)


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
@pytest.mark.parametrize("case", sorted({case for case, _ in BAD}))
def test_what_is_not_declared_is_unsupported(world: World, case: str) -> None:
    assert examined(world, None, case).outcome is Outcome.UNSUPPORTED
