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
    assert "Invite it instead" in here.fails("contact", "activate", "ann@x.test")


def test_what_can_not_be_says_what_can(here: Here) -> None:
    _made(here)
    assert "uninvited or inactive" in here.fails("contact", "invite", "ann@x.test")
    assert "No invitation is pending" in here.fails("invitations", "resend", "ann@x.test")
    here.json("contact", "create", "bob@x.test", "--email", "bob@x.test")
    here.json("contact", "invite", "bob@x.test")
    assert "Send the invitation again instead" in here.fails("contact", "invite", "bob@x.test")


def test_without_a_terminal_it_says_how(here: Here) -> None:
    _made(here)
    asked = here.run("contact", "delete", "ann@x.test")
    assert (asked.exit_code, asked.stderr.splitlines()[-1]) == (1, "Error: Not a terminal to ask on; say --yes.")
    assert asked.stdout == ""


def test_what_is_refused_or_so_already_is_not_asked_about(here: Here) -> None:
    ann, owner = _made(here)["id"], here.world.owner_id
    for act in (
        ("deactivate", owner),
        ("delete", owner),
        ("transfer", owner),
        ("delete", ann, "--reassign-to", ann),
        ("delete", ann, "--reassign-to", "nobody"),
    ):
        refused = here.run("contact", *act)
        assert (refused.exit_code, refused.stderr.count("\n"), "?" in refused.stderr) == (1, 1, False)
    here.json("contact", "deactivate", ann, "--yes")
    again = here.run("contact", "deactivate", ann)
    assert (again.exit_code, again.stderr) == (0, "")


def test_deleting_says_what_becomes_of_linked_items(here: Here) -> None:
    _made(here)
    ask = ("contact", "delete", "ann@x.test")
    assert "They own no linked items." in here.run(*ask, said="n\n").stderr
    here.json("item", "add", "--kind", "project", "--title", "Plan", "--owner", "ann@x.test")
    assert "1 linked item, left without an owner; --reassign-to hands" in here.run(*ask, said="n\n").stderr
    owner = here.json("contact", "show", here.world.owner_id)["user_name"]
    assert f"handed on to {owner}" in here.run(*ask, "--reassign-to", owner, said="n\n").stderr


def test_lists(here: Here) -> None:
    ann = _made(here)["id"]
    here.json("contact", "create", "bob@x.test", "--email", "bob@x.test", "--title", "Boss")
    shown = here.json("contact", "show", "bob@x.test")
    assert (shown["email"], shown["title"]) == ("bob@x.test", "Boss")
    assert here.json("invitations", "list") == {"total": 0, "invitations": []}
    sent = here.json("contact", "invite", "bob@x.test", "--email", "home@x.test")
    (pending,) = here.json("invitations", "list")["invitations"]
    assert (pending["user_name"], pending["email"]) == ("bob@x.test", "home@x.test")
    assert pending["expires"][:19] == sent["expires"][:19]
    assert "home@x.test" in here.run("invitations", "list").stdout
    here.json("contact", "archive", ann)

    def names(*options: str) -> list[str]:
        return [each["user_name"] for each in here.json("contact", "list", *options)["contacts"]][-2:]

    assert names("--status", "invited") == ["bob@x.test"]
    assert "ann@x.test" not in names()
    assert names("--archived") == ["ann@x.test", "bob@x.test"]
    assert "ann@x.test" not in names("--status", "active")
    assert "ann@x.test" in names("--status", "active", "--archived")
    assert "1 of 2 are shown" in here.run("contact", "list", "--limit", "1").stdout


def test_a_link_to_nowhere_is_warned_about(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.json("contact", "create", "bob@x.test", "--email", "bob@x.test")
    warned = here.run("contact", "invite", "bob@x.test").stderr
    assert (warned.count("Warning"), "http://127.0.0.1:8000" in warned) == (1, True)
    monkeypatch.setenv("SCIM_SERVER_BASE_URL", "https://scim.x.test")
    assert here.run("invitations", "resend", "bob@x.test").stderr == ""


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
