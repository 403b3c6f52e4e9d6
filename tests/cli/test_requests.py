"""`scim-server requests`: what connections asked, filtered, and swept."""

from __future__ import annotations

from scim_server.directory import requests
from tests.cli.conftest import Here
from tests.support import World


def test_list_and_its_filters(here: Here, world: World) -> None:
    client, other = world.client(), world.client(preset="okta")
    client.user("kim@x.test")
    client.get("/Users?filter=nothing")
    other.get("/Groups?count=1")
    world.app.extensions["guard"].log.flush()
    found = here.json("requests", "list")["requests"]
    assert [(each["status"], each["path"]) for each in found] == [
        (200, "/scim/v2/Groups?count=…"),
        (400, "/scim/v2/Users?filter=…"),
        (201, "/scim/v2/Users"),
    ]
    assert len(here.json("requests", "list", "--errors")["requests"]) == 1
    assert len(here.json("requests", "list", "--status", "201")["requests"]) == 1
    assert here.json("requests", "list", "--connection", found[0]["connection"])["requests"] == found[:1]
    assert here.json("requests", "list", "--since", "2999-01-01")["requests"] == []
    assert here.json("requests", "list", "--count", "2")["requests"] == found[:2]
    assert "invalidFilter" in here.run("requests", "list", "--errors").stdout
    assert here.json("requests", "list", "--id", found[1]["id"].upper())["requests"] == found[1:2]
    assert all(each["duration_us"] > 0 for each in found)
    for arguments in (("--status", "4xx"), ("--status", "99")):
        assert "--errors" in here.run("requests", "list", *arguments).stderr
    assert "no connection named 'none'" in here.fails("requests", "list", "--connection", "none")


def test_sweep(here: Here, world: World) -> None:
    world.client().get("/Users")
    world.app.extensions["guard"].log.flush()
    assert len(here.json("requests", "list")["requests"]) == 1
    assert requests.sweep(world.directory, 30) == 0
    assert len(here.json("requests", "list")["requests"]) == 1
