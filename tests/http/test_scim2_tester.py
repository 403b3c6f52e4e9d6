"""scim2-tester, an independent checker of SCIM servers, finds no breach of a MUST. The values that it sends are random.

It compares what it wrote with what it reads as a whole, so that an attribute which the server adds of its own, as
RFC 7643 §2.2 has it for read-only ones, counts as an error there. Those results are looked at again here: all that was
written must be there, and all that was removed and could be must be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel
from scim2_client.engines.wsgi import WSGISCIMClient
from scim2_tester import CheckResult, Status, check_server

from tests.support import WORKSPACE_URN, World

RUNS = 3
FAILED = (Status.ERROR, Status.CRITICAL)
WRITTEN = ("check_add_attribute", "check_replace_attribute")
# What holds read-only attributes beside what a client writes, and which those are.
SERVERS_OWN = {
    WORKSPACE_URN: "status, seat and the others that tell the contact's state",
    f"{WORKSPACE_URN}:invitation": "sentAt, expiresAt and state",
    "members": "display, the member's name",
}


@pytest.mark.parametrize("run", range(RUNS))
def test_check_server(world: World, run: int) -> None:
    # a plain list of this preset holds archived contacts too, which the checker makes of some and looks for in lists
    token = world.client(preset="okta").token
    headers = {"Authorization": f"Bearer {token}"}
    results = check_server(WSGISCIMClient(world.app, base_url="http://localhost/scim/v2", headers=headers))
    failures = [each for each in results if each.status in FAILED and not _is_the_servers_own(each)]
    assert not failures, "\n".join(map(_line, failures))
    assert sum(each.status is Status.SUCCESS for each in results) > 100


def _is_the_servers_own(result: CheckResult) -> bool:
    """Whether nothing is wrong but that the server added read-only attributes."""
    data = result.data if isinstance(result.data, dict) else {}
    if data.get("urn") not in SERVERS_OWN:
        return False
    actual = data.get("modify_actual", data.get("actual"))
    if result.title in WRITTEN and "expected" in data:
        return actual is not None and _holds(_plain(actual), _plain(data["expected"]))
    if result.title == "check_remove_attribute" and data["urn"] == WORKSPACE_URN:
        return not {"archived", "invitation"} & set(_plain(actual))
    return False


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_none=True)
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _holds(actual: Any, expected: Any) -> bool:
    """Whether all of `expected` is in `actual`."""
    if isinstance(expected, Mapping):
        return isinstance(actual, Mapping) and all(_holds(actual.get(name), each) for name, each in expected.items())
    if isinstance(expected, list):
        return isinstance(actual, list) and all(any(_holds(one, each) for one in actual) for each in expected)
    return bool(actual == expected)


def _line(result: CheckResult) -> str:
    return f"{result.status.name} {result.resource_type or ''} {result.title}: {result.reason} {result.data!r:.500}"
