"""Settings: names that are none, limits on filters, and values that can't be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from pydantic import ValidationError

from scim_server.app import close, create_app
from scim_server.cli import main
from scim_server.directory import Directory
from scim_server.scim.filter import Limits
from scim_server.settings import Settings, misspelt
from tests.support import Client, new_world


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SCIM_SERVER_DATABSE_URL", "SCIM_SERVER_DATABASE_URL"),
        ("SCIM_SERVER_DATABASE", "SCIM_SERVER_DATABASE_URL"),
        ("SCIM_SERVER_FILTER_LENGHT", "SCIM_SERVER_FILTER_LENGTH"),
        ("scim_server_thread", "SCIM_SERVER_THREADS"),
        ("SCIM_SERVER_COLOUR", None),
        ("SCIM_SERVER_", None),
    ],
)
def test_what_looks_like_a_setting_and_is_none(name: str, nearest: str | None) -> None:
    assert list(misspelt(["PATH", name, "SCIM_SERVER_THREADS", "scim_server_page_most"])) == [(name, nearest)]


def test_a_misspelt_setting_is_told_by_every_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCIM_SERVER_DATABASE_URL", f"sqlite:///{tmp_path / 'a.db'}")
    monkeypatch.setenv("SCIM_SERVER_TREADS", "8")
    monkeypatch.setenv("SCIM_SERVER_COLOUR", "red")
    result = CliRunner().invoke(main, ["migrate", "--json"])
    assert (result.exit_code, result.stdout) == (0, '{"upgraded":true}\n')
    assert sorted(result.stderr.splitlines()) == [
        "Warning: there is no setting SCIM_SERVER_COLOUR; it is ignored.",
        "Warning: there is no setting SCIM_SERVER_TREADS; it is ignored. Is SCIM_SERVER_THREADS meant?",
    ]


def test_serve_tells_it_once_before_it_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCIM_SERVER_TREADS", "8")
    command = [sys.executable, "-m", "scim_server.cli", "serve", "--host", "no.such.host.invalid"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("Warning: there is no setting SCIM_SERVER_TREADS;")
    assert done.stderr.count("SCIM_SERVER_TREADS") == 1


# Limits on filters


def with_limits(app: Flask, **limits: int) -> Client:
    """A client of a server on the same database with limits of its own."""
    directory: Directory = app.extensions["directory"]
    url = directory.engine.url.render_as_string(hide_password=False)
    return new_world(create_app(Settings(database_url=url, **limits))).client()  # type: ignore[arg-type]


@pytest.fixture
def limited(app: Flask) -> Iterator[Client]:
    """A client of a server that takes nothing but short and simple filters."""
    client = with_limits(app, filter_length=60, filter_depth=2, filter_terms=3)
    yield client
    close(client.app)


@pytest.mark.parametrize("path", ["/Users", "/Groups", "", "/Users/.search"])
@pytest.mark.parametrize(
    ("within", "beyond", "detail"),
    [
        (
            'displayName eq "{}"'.format("x" * 43),
            'displayName eq "{}"'.format("x" * 44),
            'The text is longer than 60 characters at position 61: …{}▶"'.format("x" * 30),
        ),
        ("((id pr))", "(((id pr)))", "Brackets are nested deeper than 2 at position 3: ((▶(id pr)))"),
        (
            "not (not (id pr))",
            "not (not (not (id pr)))",
            "Brackets are nested deeper than 2 at position 15: not (not (not ▶(id pr)))",
        ),
        (
            "id pr or id pr or id pr",
            "id pr or id pr or id pr or id pr",
            "There are more than 3 comparisons at position 30: id pr or id pr or id pr or id▶ pr",
        ),
    ],
    ids=["length", "brackets", "not", "terms"],
)
def test_the_limits_are_settings(limited: Client, path: str, within: str, beyond: str, detail: str) -> None:
    def ask(text: str) -> Any:
        if path.endswith(".search"):
            return limited.post(path, {"filter": text})
        return limited.get(f"{path}?filter={text}")

    assert ask(within).status == 200
    answer = ask(beyond)
    assert (answer.status, answer.scim_type, answer.json["detail"]) == (400, "invalidFilter", detail)


def test_the_limits_are_the_same_wherever_they_are_told() -> None:
    settings = Settings()
    assert Limits() == Limits(settings.filter_length, settings.filter_depth, settings.filter_terms)


# Whatever stays within the largest limits that can be set is answered, on SQLite too, whose parser has a stack of its
# own and whose expressions have a depth. These are the attributes that become the most SQL.
MOST_DEPTH, MOST_TERMS = 20, 150
RICHEST = {
    "/Users": ['groups[type co "x"]', 'groups.type ne "x"', "name pr", 'roles.value ne "x"', 'meta.version sw "x"'],
    "/Groups": ['members[display co "x"]', 'members.$ref ne "x"', "meta pr", 'externalId co "x"'],
}


@pytest.fixture(scope="module")
def generous(app: Flask) -> Iterator[Client]:
    """A client of a server with the largest limits there can be."""
    client = with_limits(app, filter_length=100_000, filter_depth=MOST_DEPTH, filter_terms=MOST_TERMS)
    yield client
    close(client.app)


@pytest.mark.parametrize("name", ["filter_depth", "filter_terms"])
def test_limits_that_sqlite_would_not_bear_cannot_be_set(name: str) -> None:
    most = {"filter_depth": MOST_DEPTH, "filter_terms": MOST_TERMS}[name]
    with pytest.raises(ValidationError, match=f"less than or equal to {most}"):
        Settings.model_validate({name: most + 1})
    with pytest.raises(ValidationError):
        Settings.model_validate({name: 0})


@pytest.mark.parametrize(("path", "one"), [(path, one) for path, terms in RICHEST.items() for one in terms])
def test_the_deepest_filters_are_answered(generous: Client, path: str, one: str) -> None:
    text = one
    for level in range(MOST_DEPTH - ("[" in one)):
        text = f'not (displayName eq "x" {"and" if level % 2 else "or"} {text})'
    assert generous.post(f"{path}/.search", {"filter": text, "sortBy": "displayName", "cursor": ""}).status == 200
    refused = generous.post(f"{path}/.search", {"filter": f"({text})"})
    assert (refused.status, refused.scim_type) == (400, "invalidFilter")


@pytest.mark.parametrize(("path", "one"), [(path, one) for path, terms in RICHEST.items() for one in terms])
@pytest.mark.parametrize("join", [" or ", " and "])
def test_the_longest_filters_are_answered(generous: Client, path: str, one: str, join: str) -> None:
    text = join.join([one] * MOST_TERMS)
    assert generous.post(f"{path}/.search", {"filter": text, "count": 1}).status == 200
