"""The command line as a contract: one JSON object, exit codes, which database, and what is never shown."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

import scim_server.cli
from scim_server.cli import main
from scim_server.directory import Directory
from scim_server.opening import open_directory
from scim_server.settings import Settings
from scim_server.storage.db import reading, writing
from tests.conftest import DATABASES
from tests.support import Served, cli, free_port, kill_group, serving

VARIABLE = "SCIM_SERVER_DATABASE_URL"


@dataclass
class Shell:
    """Runs commands in this process against one database, named by the environment."""

    url: str
    opened: list[Directory] = field(default_factory=list)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, prog_name="scim-server")

    def json(self, *arguments: str) -> Any:
        """The one JSON object that a command prints on one line, with nothing else anywhere."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        assert result.stdout.count("\n") == 1
        printed = json.loads(result.stdout)
        assert isinstance(printed, dict)
        return printed

    def fails(self, *arguments: str) -> str:
        """The sentence on standard error of a command that is refused."""
        result = self.run(*arguments)
        assert result.exit_code == 1, (result.output, result.exception)
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr
        return result.stderr

    def found(self) -> str:
        """Make a workspace with a connection and a token; returns the token's text."""
        self.json("workspace", "create", "Acme", "--owner", "ann@acme.test", "--seats", "5")
        self.json("connection", "create", "--workspace", "Acme", "--name", "idp")
        token: str = self.json("token", "create", *HERE)["token"]
        return token


HERE = ("--workspace", "Acme", "--connection", "idp")


@pytest.fixture(params=DATABASES)
def shell(
    request: pytest.FixtureRequest, new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """A shell on a new, empty database; the engines that commands leave open to the end of the process are closed."""
    shell = Shell(new_database(request.param))

    def open_and_keep(settings: Settings) -> Directory:
        shell.opened.append(open_directory(settings))
        return shell.opened[-1]

    monkeypatch.setenv(VARIABLE, shell.url)
    monkeypatch.setenv("SCIM_SERVER_BASE_URL", "http://127.0.0.1:8000")  # else links are warned about
    monkeypatch.setattr(scim_server.cli, "open_directory", open_and_keep)
    yield shell
    for directory in shell.opened:
        directory.engine.dispose()


# What commands print


def test_each_command_prints_one_json_object(shell: Shell) -> None:
    assert shell.json("migrate") == {"upgraded": True}
    assert shell.json("migrate") == {"upgraded": False}
    workspace = shell.json("workspace", "create", " Acme ", "--owner", "ann@acme.test", "--seats", "5")
    assert workspace == {
        "workspace": "Acme",
        "id": workspace["id"],
        "owner": "ann@acme.test",
        "owner_id": workspace["owner_id"],
        "seats": 5,
        "owner_link": workspace["owner_link"],
        "expires": workspace["expires"],
    }
    again = shell.json("workspace", "owner-link", "acme")
    assert (again["owner"], again["owner_id"]) == ("ann@acme.test", workspace["owner_id"])
    for each in (workspace, again):
        assert each["owner_link"].startswith("http://127.0.0.1:8000/invitation/")
        assert each["expires"].endswith("Z")
    assert again["owner_link"] != workspace["owner_link"]
    connection = shell.json("connection", "create", "--workspace", "ACME", "--name", "idp", "--preset", "okta")
    assert (connection["connection"], connection["preset"]) == ("idp", "okta")
    assert connection["settings"]["list_archived"] is True
    token = shell.json(
        "token", "create", *HERE, "--scope", "contacts:view", "--scope", "groups:view", "--expires-in", "30"
    )
    assert (token["connection"], token["scope"]) == ("idp", "contacts:view groups:view")
    assert token["token"].startswith("scim_")
    assert token["expires"].endswith("Z")
    (listed,) = shell.json("token", "list", *HERE)["tokens"]
    assert (listed["id"], listed["scopes"], listed["revoked"]) == (token["id"], token["scope"], None)
    assert shell.json("token", "revoke", token["id"], *HERE) == {"revoked": token["id"]}
    (listed,) = shell.json("token", "list", *HERE)["tokens"]
    assert listed["revoked"].endswith("Z")


def test_without_json_a_person_can_read_it(shell: Shell) -> None:
    made = shell.run("workspace", "create", "Acme", "--owner", "ann@acme.test")
    assert made.exit_code == 0
    assert "owner" in made.stdout
    assert "ann@acme.test" in made.stdout
    shell.run("connection", "create", "--workspace", "Acme", "--name", "idp")
    token = shell.run("token", "create", *HERE)
    assert "scim_" in token.stdout
    assert "never" not in token.stdout, "it has an end"
    assert shell.run("token", "list", *HERE).exit_code == 0
    assert shell.run("--version").stdout.startswith("scim-server")


def test_a_token_has_an_end(shell: Shell) -> None:
    """[7644-7.4-03]: in a year, where nobody says when."""
    shell.found()
    for wanted, days in (((), 365), (("--expires-in", "1"), 1), (("--expires-in", "3650"), 3650)):
        made = shell.json("token", "create", *HERE, *wanted)
        left = datetime.fromisoformat(made["expires"]) - datetime.now(UTC)
        assert timedelta(days=days) - timedelta(minutes=5) < left <= timedelta(days=days)
    ends = [each["expires"] for each in shell.json("token", "list", *HERE)["tokens"]]
    assert len(ends) == 4
    assert all(ends)
    for wrong in ("0", "3651", "never"):
        assert shell.run("token", "create", *HERE, "--expires-in", wrong).exit_code == 2


def test_a_token_is_shown_once(shell: Shell) -> None:
    token = shell.found()
    outputs = [shell.run("token", "list", *HERE).output, json.dumps(shell.json("token", "list", *HERE))]
    (listed,) = shell.json("token", "list", *HERE)["tokens"]
    assert listed["hint"] == token[-4:]
    outputs.append(shell.run("token", "revoke", listed["id"], *HERE).output)
    for output in outputs:
        assert token not in output
        assert token.removeprefix("scim_")[:-4] not in output
    assert not _tables_hold(shell, token)
    assert _tables_hold(shell, "ann@acme.test"), "the search itself works"


def _tables_hold(shell: Shell, word: str) -> bool:
    """Whether any text in the database holds `word`."""
    directory = shell.opened[-1]
    names = ("workspaces", "connections", "tokens", "contacts", "activity", "outbox")
    with reading(directory.engine) as db:
        return any(word in str(tuple(row)) for name in names for row in db.execute(text(f"SELECT * FROM {name}")))


# Refusals and misuse


def test_refusals_are_a_sentence_and_exit_code_1(shell: Shell) -> None:
    shell.found()
    create = ("workspace", "create")
    for word, arguments in (
        ("already", (*create, "ACME", "--owner", "x@x.test")),
        ("name", (*create, "  ", "--owner", "x@x.test")),
        ("e-mail", (*create, "Other", "--owner", "nobody")),
        ("seat", (*create, "Other", "--owner", "x@x.test", "--seats", "0")),
        ("no workspace", ("connection", "create", "--workspace", "Nowhere", "--name", "idp")),
        ("already", ("connection", "create", "--workspace", "Acme", "--name", "IDP")),
        ("name", ("connection", "create", "--workspace", "Acme", "--name", " ")),
        ("no workspace", ("token", "create", "--workspace", "Nowhere", "--connection", "idp")),
        ("no connection", ("token", "create", "--workspace", "Acme", "--connection", "other")),
        ("scope", ("token", "create", *HERE, "--scope", "contacts:view everything")),
        ("scope", ("token", "create", *HERE, "--scope", " ")),
        ("no connection", ("token", "list", "--workspace", "Acme", "--connection", "other")),
        ("no token", ("token", "revoke", "unknown", *HERE)),
    ):
        assert word in shell.fails(*arguments), arguments
        assert word in shell.fails(*arguments, "--json"), arguments
    assert len(shell.json("token", "list", *HERE)["tokens"]) == 1, "nothing was made"


@pytest.mark.parametrize(
    "url", ["mysql://localhost/x", "postgresql://localhost/x", "nonsense", "sqlite:////nowhere/at/all/x.db"]
)
@pytest.mark.parametrize("command", [("migrate",), ("token", "list", *HERE)], ids=["migrate", "token list"])
def test_a_database_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch, url: str, command: tuple[str, ...]) -> None:
    monkeypatch.setenv(VARIABLE, url)
    assert "database" in Shell(url).fails(*command).lower()


def test_a_database_without_a_server_names_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/x?connect_timeout=5"
    monkeypatch.setenv(VARIABLE, url)
    assert "secret" not in Shell(url).fails("migrate")


@pytest.mark.parametrize("command", [("migrate",), ("token", "list", *HERE)], ids=["migrate", "token list"])
def test_a_newer_database_is_left_alone(shell: Shell, command: tuple[str, ...]) -> None:
    shell.found()
    engine = shell.opened[0].engine
    writing(engine, lambda db: db.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    assert "too old" in shell.fails(*command)


@pytest.mark.parametrize("command", [("migrate",), ("token", "list", *HERE)], ids=["migrate", "token list"])
def test_a_setting_that_does_not_fit(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setenv("SCIM_SERVER_THREADS", "none")
    assert "SCIM_SERVER_THREADS" in shell.fails(*command)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("--nothing",),
        ("workspace", "create"),
        ("workspace", "create", "Acme"),
        ("workspace", "create", "Acme", "--owner", "a@x.test", "--seats", "many"),
        ("workspace", "create", "Acme", "More", "--owner", "a@x.test"),
        ("connection", "create", "--workspace", "Acme"),
        ("connection", "create", "--workspace", "Acme", "--name", "x", "--preset", "other"),
        ("token", "create", "--workspace", "Acme"),
        ("token", "create", *HERE, "--expires-in", "soon"),
        ("token", "revoke", *HERE),
        ("migrate", "--database"),
        ("serve", "--port", "x"),
        ("serve", "--workers", "0"),
    ],
)
def test_misuse_is_exit_code_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert not list(tmp_path.iterdir()), "no database was made"


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("token", "create", "--help"), ("serve", "-h")])
def test_help_is_no_error(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "--database" in result.stdout


def test_no_summary_is_cut_off() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    for group in ("", *(name for name, each in commands.items() if isinstance(each, click.Group))):
        listed = CliRunner().invoke(main, [*filter(None, (group,)), "--help"], terminal_width=80).stdout
        assert "..." not in listed.partition("Commands:")[2], listed


# Which database


def test_the_database_is_named_before_or_after_the_command_or_by_the_environment(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way leads to a database of its own; the nearest one to the command wins."""
    first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))

    def upgraded(*arguments: str) -> bool:
        outcome: bool = shell.json(*arguments)["upgraded"]
        monkeypatch.setenv(VARIABLE, shell.url)
        return outcome

    assert upgraded("migrate")
    assert not upgraded("migrate")
    assert upgraded("--database", first, "migrate")
    assert not upgraded("migrate", "--database", first)
    assert upgraded("--database", first, "migrate", "--database", second)
    assert {path.name for path in tmp_path.glob("*.db")} == {"first.db", "second.db"}


def test_a_process_of_its_own(new_database: Callable[[str], str]) -> None:
    url = new_database("sqlite")
    assert cli(url, "workspace", "create", "Acme", "--owner", "ann@acme.test")["workspace"] == "Acme"
    command = [sys.executable, "-m", "scim_server.cli", "--database", url, "workspace", "create", "Acme"]
    refused = subprocess.run([*command, "--owner", "x@x.test"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "already" in refused.stderr


# serve


@pytest.mark.parametrize("kind", DATABASES)
def test_serve_on_an_empty_database(kind: str, new_database: Callable[[str], str]) -> None:
    url = new_database(kind)
    with serving(url) as server:
        assert server.token
        assert server.token.startswith("scim_")
        with server.client() as http:
            assert http.get("/Users").json()["totalResults"] == 1, "the owner"
            assert http.post("/Users", json={"userName": "ann@x.test"}).status_code == 201
    with serving(url) as again:
        assert again.token is None, "the token was shown once"
        assert any("scim-server connection list --workspace NAME" in line for line in again.lines)


def test_serve_says_where_and_with_what(new_database: Callable[[str], str]) -> None:
    environment = {**os.environ, VARIABLE: new_database("sqlite"), "SCIM_SERVER_BASE_URL": "https://scim.x.test/"}
    command = [sys.executable, "-m", "scim_server.cli", "serve", "--port", str(free_port())]
    silent: Any = {"stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **silent) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(5)]
        kill_group(process)
    assert lines[0] == "SCIM base URL: https://scim.x.test/scim/v2\n"
    assert lines[1].startswith("Bearer token: scim_")
    assert lines[4].startswith("The owner sets a password by this link, once: https://scim.x.test/invitation/")


@pytest.mark.parametrize("kind", DATABASES)
def test_sigterm_finishes_what_is_under_way(kind: str, new_database: Callable[[str], str]) -> None:
    body = b'{"userName": "last@x.test"}'
    url = new_database(kind)
    with serving(url, workers=2) as server:
        with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=60) as wire:
            wire.sendall(_head(server, len(body)))
            # the server asks for the body only when the application reads it: from here on the request is under way
            assert b"100 Continue" in wire.recv(1000)
            server.process.send_signal(signal.SIGTERM)
            _wait_until_closed(server)
            wire.sendall(body)
            answer = b"".join(iter(lambda: wire.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 201 "), answer
        assert server.process.wait(timeout=60) == 0
    token = server.token
    with serving(url) as again, again.client(token) as http:
        assert http.get('/Users?filter=userName eq "last@x.test"').json()["totalResults"] == 1


def _head(server: Served, length: int) -> bytes:
    lines = (
        "POST /scim/v2/Users HTTP/1.1",
        f"Host: {urlsplit(server.url).netloc}",
        f"Authorization: Bearer {server.token}",
        "Content-Type: application/scim+json",
        f"Content-Length: {length}",
        "Expect: 100-continue",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _wait_until_closed(server: Served) -> None:
    """Until the server takes no new connection, which shows that the signal has arrived."""
    for _ in range(10_000):
        try:
            httpx.get(f"{server.url}/healthz", timeout=5)
        except httpx.TransportError:
            return
    raise AssertionError("the server goes on listening")
