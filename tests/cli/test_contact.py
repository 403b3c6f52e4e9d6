"""`scim-server contact …`: what the commands do, ask, print and refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Here
from tests.http.test_lifecycle import acts, pool, recorded


def _made(here: Here, name: str = "ann@x.test") -> Any:
    return here.world.client().user(name, displayName="Ann", emails=[{"value": name}])


def test_made_and_shown(here: Here) -> None:
    made = here.json(
        "contact", "create", "Ann@x.test", "--given-name", "Ann", "--email", "ann@x.test", "--role", "admin"
    )
    assert (made["status"], made["seat"], made["role"], made["account_linked"]) == ("uninvited", "none", "admin", False)
    assert acts(here.world, made["id"]) == ["contact.created"]
    assert pool(here.world).assigned == 1
    for who in ("ann@X.test", made["id"]):
        assert here.json("contact", "show", who) == {**made, "groups": []}
    plain = here.run("contact", "show", "ann@x.test")
    assert "uninvited" in plain.stdout
    assert "already in use" in here.fails("contact", "create", "ANN@x.test")
    assert "'golden'" in here.fails("contact", "create", "b@x.test", "--licence", "golden")
    assert "nobody@x.test" in here.fails("contact", "show", "nobody@x.test")


def test_an_id_comes_before_a_user_name_that_looks_like_it(here: Here) -> None:
    ann = _made(here)
    here.world.client().user(ann["id"])
    assert here.json("contact", "show", ann["id"])["user_name"] == "ann@x.test"


def test_a_whole_life(here: Here) -> None:
    ann = _made(here)
    who = ann["id"]
    off = here.json("contact", "deactivate", "ann@x.test", "--yes")
    assert (off["changed"], off["status"], off["seat"]) == (True, "inactive", "none")
    on = here.json("contact", "activate", "ann@x.test")
    assert (on["changed"], on["status"], on["seat"], on["id"]) == (True, "active", "assigned", who)
    assert here.json("contact", "archive", "ann@x.test")["archived"] is True
    assert here.json("contact", "unarchive", "ann@x.test")["archived"] is False
    assert here.json("contact", "delete", "ann@x.test", "--yes") == {"deleted": who}
    kinds = ["provisioned", "deactivated", "activated", "archived", "unarchived", "deleted"]
    assert acts(here.world, who) == [f"contact.{kind}" for kind in kinds]
    here.fails("contact", "show", who)


@pytest.mark.parametrize("act", ["deactivate", "activate", "archive", "unarchive"])
def test_a_repeat_changes_nothing_and_says_so(here: Here, act: str) -> None:
    _made(here)
    before = {"activate": "deactivate", "unarchive": "archive"}.get(act)
    yes = ["--yes"] if act == "deactivate" else []
    for each in filter(None, (before, act)):
        here.run("contact", each, "ann@x.test", *(["--yes"] if each == "deactivate" else []))
    noted, shown = recorded(here.world), here.json("contact", "show", "ann@x.test")
    again = here.run("contact", act, "ann@x.test", *yes)
    assert again.exit_code == 0
    assert "nothing changed" in again.stdout
    assert here.json("contact", act, "ann@x.test", *yes)["changed"] is False
    assert (recorded(here.world), here.json("contact", "show", "ann@x.test")) == (noted, shown)


@pytest.mark.parametrize("act", ["deactivate", "delete", "transfer"])
def test_destructive_ones_ask(here: Here, act: str) -> None:
    _made(here)
    noted = recorded(here.world)
    assert "Nothing was changed" in here.fails("contact", act, "ann@x.test", said="n\n")
    assert recorded(here.world) == noted
    done = here.run("contact", act, "ann@x.test", said="y\n")
    assert done.exit_code == 0
    assert "ann@x.test" in done.stderr, "the question names who it is about"
    assert recorded(here.world) > noted


def test_deleting_recommends_to_deactivate(here: Here) -> None:
    _made(here)
    asked = here.run("contact", "delete", "ann@x.test", said="n\n").stderr
    assert "deactivate them instead" in asked
    assert "may need access again" in asked


@pytest.mark.parametrize("act", ["deactivate", "delete"])
def test_the_owner_is_refused(here: Here, act: str) -> None:
    noted = recorded(here.world)
    assert "Transfer ownership first" in here.fails("contact", act, here.world.owner_id, "--yes")
    assert recorded(here.world) == noted


def test_someone_never_let_in_is_invited_and_not_activated(here: Here) -> None:
    here.json("contact", "create", "ann@x.test")
    assert "uninvited" in here.fails("contact", "activate", "ann@x.test")


def test_an_invitation(here: Here) -> None:
    here.json("contact", "create", "ann@x.test", "--email", "ann@x.test")
    sent = here.json("contact", "invite", "ann@x.test", "--email", "home@x.test")
    assert sent["email"] == "home@x.test"
    shown = here.json("contact", "show", "ann@x.test")
    assert (shown["status"], shown["seat"], shown["invitation"]["email"]) == ("invited", "reserved", "home@x.test")


def test_ownership_is_handed_over(here: Here) -> None:
    ann = _made(here)
    told = here.json("contact", "transfer", "ann@x.test", "--yes")
    assert (told["owner"], told["its_role"]) == ("ann@x.test", "team")
    assert here.json("contact", "show", ann["id"])["role"] == "owner"
    assert here.json("contact", "show", here.world.owner_id)["role"] == "team"
    assert "owns the workspace already" in here.fails("contact", "transfer", "ann@x.test", "--yes")
    here.json("contact", "deactivate", here.world.owner_id, "--yes")
    assert "inactive" in here.fails("contact", "transfer", here.world.owner_id, "--yes")
