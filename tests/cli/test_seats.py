"""`scim-server seats …`: what an administrator buys, gives up and reads, as a person and as a program sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

import scim_server.cli
from scim_server.cli import main
from scim_server.directory import Directory
from scim_server.opening import open_directory
from scim_server.settings import Settings
from tests.conftest import DATABASES

HERE = ("--workspace", "Acme")


@pytest.fixture(params=DATABASES)
def run(
    request: pytest.FixtureRequest, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """Runs `scim-server seats` against a database with a workspace of three seats."""
    opened: list[Directory] = []

    def open_and_keep(settings: Settings) -> Directory:
        opened.append(open_directory(settings))
        return opened[-1]

    monkeypatch.setenv("SCIM_SERVER_DATABASE_URL", new_database(request.param))
    monkeypatch.setattr(scim_server.cli, "open_directory", open_and_keep)

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["seats", *arguments], prog_name="scim-server")

    made = CliRunner().invoke(main, ["workspace", "create", "Acme", "--owner", "ann@acme.test", "--seats", "3"])
    assert made.exit_code == 0, made.output
    yield command
    for directory in opened:
        directory.engine.dispose()


def told(result: Result) -> Any:
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_show(run: Callable[..., Result]) -> None:
    client, member = told(run("show", *HERE, "--json"))["types"]
    assert client == {
        "type": "client", "counted": False, "policy": None, "purchased": None, "assigned": 0, "reserved": 0,
        "available": None, "over": 0, "withheld": 0, "reductions": [], "notes": [],
    }  # fmt: skip
    assert (member["purchased"], member["assigned"], member["available"]) == (3, 1, 2)
    text = run("show", *HERE, "--type", "member").stdout.splitlines()
    assert text[0].split() == [
        "type", "policy", "purchased", "assigned", "reserved", "available", "over", "withheld",
    ]  # fmt: skip
    assert text[1].split() == ["member", "block", "3", "1", "0", "2", "0", "0"]
    assert run("show", *HERE, "--type", "client").stdout.splitlines()[1].split()[1:] == [
        "unlimited", "0", "0", "unlimited", "0", "0",
    ]  # fmt: skip
    assert all(len(line) <= 80 for line in run("show", *HERE).stdout.splitlines())
    assert len(text) == 3, "the header, the type and the billing day"


def test_holders(run: Callable[..., Result]) -> None:
    (holder,) = told(run("show", *HERE, "--holders", "--json"))["holders"]
    assert (holder["user_name"], holder["licence"], holder["state"]) == ("ann@acme.test", "member", "assigned")
    assert "ann@acme.test" in run("show", *HERE, "--holders", "--count", "1").stdout
    assert run("show", *HERE, "--holders", "--after", holder["contact_id"]).stdout == "Nobody holds a seat.\n"


def test_add_reduce_and_cancel(run: Callable[..., Result]) -> None:
    assert told(run("add", "2", *HERE, "--json"))["purchased"] == 5
    assert "purchased  6" in run("add", "1", *HERE).stdout
    made = told(run("reduce", "4", *HERE, "--json"))
    assert (made["type"], made["quantity"], made["state"]) == ("member", 4, "scheduled")
    assert made["effective"] > datetime.now(UTC).date().isoformat()
    assert f"scheduled: 4 'member' seats less from {made['effective']}" in run("show", *HERE).stdout
    assert run("apply").stdout == "No reduction is due.\n"
    assert told(run("apply", "--json")) == {"reductions": []}
    assert told(run("cancel", made["reduction"], *HERE, "--json"))["state"] == "cancelled"
    again = run("cancel", made["reduction"], *HERE)
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "Error: This reduction is cancelled already.\n"


def test_a_refused_reduction_says_what_goes_already(run: Callable[..., Result]) -> None:
    day = told(run("reduce", "2", *HERE, "--json"))["effective"]
    refused = "Error: 3 'member' seats are purchased and 2 go already on {day}; at most 1 more can go.\n"
    assert run("reduce", "2", *HERE).stderr == refused.format(day=day)
    told(run("reduce", "1", *HERE, "--json"))
    assert "3 go already" in run("reduce", "1", *HERE).stderr
    assert run("reduce", "1", *HERE).stderr.endswith("no more can go.\n")


def test_policy_and_type(run: Callable[..., Result]) -> None:
    made = told(run("type", "support", *HERE, "--json"))
    assert (made["counted"], made["policy"], made["purchased"]) == (True, "block", 0)
    assert told(run("type", "guest", *HERE, "--unlimited", "--json"))["counted"] is False
    assert told(run("policy", "allow", *HERE, "--type", "support", "--json"))["policy"] == "allow"
    assert run("policy", "never", *HERE).exit_code == 2


def test_ledger_and_usage(run: Callable[..., Result]) -> None:
    run("add", "2", *HERE)
    changes = told(run("ledger", *HERE, "--json"))["changes"]
    assert [(each["change"], each["purchased"], each["assigned"]) for each in changes] == [
        ("added", 3, 0),
        ("assigned", 0, 1),
        ("added", 2, 0),
    ]
    lines = run("ledger", *HERE, "--after", changes[0]["id"]).stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[-3:] == ["assigned", "+1", "ann@acme.test"]
    assert f"--after {changes[1]['id']}" in run("ledger", *HERE, "--count", "2").stdout
    assert run("ledger", *HERE, "--after", changes[-1]["id"]).stdout == "The ledger has no more rows.\n"
    day = told(run("usage", *HERE, "--json"))["days"][-1]
    assert (day["licence"], day["purchased"], day["assigned"]) == ("member", 5, 1)
    assert run("usage", *HERE, "--type", "client").stdout == "No seat has changed yet.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "0", *HERE), "Between 1 and 10,000,000 seats can be added, not 0."),
        (
            ("add", "1", *HERE, "--type", "client"),
            "'client' seats aren't counted: there are as many as anyone asks for.",
        ),
        (("reduce", "4", *HERE), "A reduction is by 1 to 3 'member' seats, not 4."),
        (("show", "--workspace", "Nobody"), "There is no workspace named 'Nobody'."),
        (("cancel", "none", *HERE), "There is no reduction 'none'."),
        (("type", "Member", *HERE), "There is a licence type named 'Member' already."),
        (("usage", *HERE, "--type", "x"), "There is no licence type 'x'. This workspace has: 'client', 'member'."),
        (("show", *HERE, "--type", "x"), "There is no licence type 'x'. This workspace has: 'client', 'member'."),
    ],
)
def test_refusals_are_one_sentence(run: Callable[..., Result], arguments: tuple[str, ...], sentence: str) -> None:
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout, refused.stderr) == (1, "", f"Error: {sentence}\n")


def test_the_billing_day(run: Callable[..., Result]) -> None:
    assert told(run("show", *HERE, "--json"))["billing_day"] == 1
    assert told(run("billing-day", "15", *HERE, "--json")) == {"workspace": "Acme", "billing_day": 15}
    assert "Billing cycles begin on day 15 of the month." in run("show", *HERE).stdout
    refused = run("billing-day", "29", *HERE)
    assert (refused.exit_code, "1 to 28" in refused.stderr) == (1, True)
