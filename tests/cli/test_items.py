"""`scim-server item` and `scim-server activity export`: what they print, write and refuse."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

import scim_server.cli
from scim_server.cli import main
from scim_server.directory import Directory, access, contacts
from scim_server.directory.contacts import Call
from scim_server.directory.sheet import harmless
from scim_server.domain.actor import system
from scim_server.opening import open_directory
from scim_server.settings import Settings
from tests.conftest import DATABASES

ACME = ("--workspace", "Acme")


@dataclass
class Shell:
    """Runs commands in this process on a database with the workspace Acme, whose owner is ann@acme.test."""

    directory: Directory
    workspace_id: str

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, prog_name="scim-server")

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, ""), result.exc_info
        return json.loads(result.stdout)

    def fails(self, *arguments: str, code: int = 1) -> str:
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        return result.stderr

    def user(self, user_name: str, **attributes: Any) -> str:
        user = contacts.create(self.directory, self.call(), {"userName": user_name, **attributes})
        return str(user["id"])

    def call(self) -> Call:
        return Call(system(self.workspace_id), None, "")

    def exported(self, *arguments: str) -> list[dict[str, Any]]:
        result = self.run("activity", "export", *ACME, "--format", "jsonl", *arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.exc_info
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(params=DATABASES)
def shell(
    request: pytest.FixtureRequest,
    new_database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> Iterator[Shell]:
    opened: list[Directory] = []

    def open_and_keep(settings: Settings) -> Directory:
        opened.append(open_directory(settings))
        return opened[-1]

    monkeypatch.setenv("SCIM_SERVER_DATABASE_URL", new_database(request.param))
    monkeypatch.setattr(scim_server.cli, "open_directory", open_and_keep)
    assert CliRunner().invoke(main, ["migrate"]).exit_code == 0
    founded = access.create_workspace(opened[0], "Acme", "ann@acme.test", owner_name="Ann Lee")
    yield Shell(opened[0], founded.workspace.id)
    for directory in opened:
        directory.engine.dispose()


def test_items_are_added_and_listed(shell: Shell) -> None:
    assert "There are no such items." in shell.run("item", "list", *ACME).stdout
    bob = shell.user("bob@acme.test", displayName="Bob")
    plan = shell.json(
        *("item", "add", *ACME, "--kind", "PROJECT", "--title", "Plan", "--reference", "P-1"),
        *("--owner", "ANN@acme.test", "--author", bob),
    )
    assert {name: plan[name] for name in ("kind", "title", "reference", "owner", "author", "author_id")} == {
        "kind": "project",
        "title": "Plan",
        "reference": "P-1",
        "owner": "Ann Lee",
        "author": "Bob",
        "author_id": bob,
    }
    bill = shell.json("item", "add", *ACME, "--kind", "invoice", "--title", "Bill", "--owner", "bob@acme.test")
    assert (bill["owner"], bill["author"], bill["reference"]) == ("Bob", "Bob", None)
    assert shell.json("item", "list", *ACME) == {"items": [plan, bill]}
    assert shell.json("item", "list", *ACME, "--owner", "bob@acme.test") == {"items": [bill]}
    assert shell.json("item", "list", *ACME, "--author", bob, "--kind", "project") == {"items": [plan]}
    lines = shell.run("item", "list", *ACME).stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:3] == ["project", "Plan", "P-1"]
    assert all(len(line) <= 80 for line in lines)
    contacts.delete(shell.directory, shell.call(), bob)
    left = shell.json("item", "list", *ACME)["items"]
    assert [(each["owner"], each["author"]) for each in left] == [
        ("Ann Lee", "Deleted contact"),
        ("Deleted contact", "Deleted contact"),
    ]


def test_what_is_refused_is_told_in_a_sentence(shell: Shell) -> None:
    add = ("item", "add", *ACME, "--kind", "file", "--title", "F")
    assert "'bob@acme.test'" in shell.fails(*add, "--owner", "bob@acme.test")
    assert "printable" in shell.fails(
        "item", "add", *ACME, "--kind", "file", "--title", " ", "--owner", "ann@acme.test"
    )
    assert "car" in shell.fails("item", "list", *ACME, "--kind", "car", code=2)
    for command in (("item", "list"), ("activity", "export")):
        assert "no workspace named 'Other'" in shell.fails(*command, "--workspace", "Other")
    assert "'bob@acme.test'" in shell.fails("activity", "export", *ACME, "--person", "bob@acme.test")
    assert "'contact.deleted'" in shell.fails("activity", "export", *ACME, "--act", "foo", code=2)
    times = ("--since", "2026-02-01", "--until", "2026-01-01")
    assert "--since must be before" in shell.fails("activity", "export", *ACME, *times, code=2)
    assert "no time" in shell.fails("activity", "export", *ACME, "--since", "yesterday", code=2)
    assert "can't be written" in shell.fails("activity", "export", *ACME, "/nowhere/at/all.csv")
    assert shell.json("item", "list", *ACME) == {"items": []}


def test_an_export_tells_who_did_what_to_whom(shell: Shell) -> None:
    shell.json("connection", "create", *ACME, "--name", "idp")
    bob = shell.user("bob@acme.test", displayName="Bob")
    shell.json("item", "add", *ACME, "--kind", "file", "--title", "Notes", "--owner", "bob@acme.test")
    rows = shell.exported()
    assert [(row["act"], row["actor"], row["subject"]) for row in rows] == [
        ("contact.provisioned", "command line", "Ann Lee"),
        ("connection.created", "command line", "idp"),
        ("contact.provisioned", "command line", "Bob"),
        ("item.added", "command line", "Notes"),
    ]
    assert (rows[2]["words"], rows[2]["subject_id"]) == ("provisioned", bob)
    assert rows[2]["facts"]["status"] == [None, "active"]
    assert rows[2]["at"].endswith("Z")
    text = shell.run("activity", "export", *ACME).stdout
    table = list(csv.DictReader(io.StringIO(text)))
    assert [{**row, "facts": row["facts"] or {}} for row in table]
    assert [(row["id"], row["at"], row["subject"]) for row in table] == [
        (row["id"], row["at"], row["subject"]) for row in rows
    ]
    assert orjson.loads(table[2]["facts"]) == rows[2]["facts"]


def test_an_export_by_person_act_and_time(shell: Shell, folder: Path) -> None:
    bob = shell.user("bob@acme.test")
    shell.user("eve@acme.test")
    contacts.patch(shell.directory, shell.call(), bob, [])
    shell.json("item", "add", *ACME, "--kind", "file", "--title", "Notes", "--owner", "bob@acme.test")
    rows = shell.exported()
    assert len(rows) == 4
    assert shell.exported("--person", "BOB@acme.test") == rows[1:2]
    assert shell.exported("--act", "item.added", "--act", "contact.deleted") == rows[3:]
    assert shell.exported("--since", rows[2]["at"]) == rows[2:]
    assert shell.exported("--until", rows[2]["at"]) == rows[:2]
    assert shell.exported("--since", "2001-01-01", "--until", "2001-01-02T00:00:00+05:00") == []
    file = folder / "log.jsonl"
    done = shell.run("activity", "export", *ACME, "--format", "jsonl", str(file))
    assert (done.stdout, done.stderr) == ("", f"{file}: 4 rows\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [json.loads(line) for line in file.read_text().splitlines()] == rows
    assert list(folder.iterdir()) == [file]


def test_a_long_export_holds_every_row_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from scim_server.directory import activity

    for number in range(6):
        shell.user(f"p{number}@acme.test")
    whole = shell.exported()
    monkeypatch.setattr(activity, "ROWS_AT_ONCE", 2)
    assert shell.exported() == whole
    assert len(whole) == 7


def test_a_name_that_is_a_formula_stays_text(shell: Shell) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "  =1+1", "\uff1d1", 'a"b,c']
    for number, name in enumerate(names):
        shell.user(f"p{number}@acme.test", displayName=name)
    table = list(csv.DictReader(io.StringIO(shell.run("activity", "export", *ACME).stdout)))
    assert [row["subject"] for row in table[1:]] == [*(f"'{name}" for name in names[:6]), names[6]]
    assert [row["subject"] for row in shell.exported()[1:]] == names, "JSON has no formulas"
    assert [harmless(text) for text in ("\tx", "\r=x", "\n=x", "x=", "")] == ["'\tx", "'\r=x", "'\n=x", "x=", ""]
