"""A shell whose commands run in this process, on a workspace of the test's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

import scim_server.cli
from scim_server.cli import main
from tests.support import World


@dataclass(frozen=True)
class Here:
    """Runs commands with --workspace of a world."""

    world: World

    def run(self, *arguments: str, said: str | None = None, workspace: str | None = None) -> Result:
        named = ("--workspace", workspace or self.world.name)
        return CliRunner().invoke(main, [*arguments, *named], input=said, prog_name="scim-server")

    def json(self, *arguments: str, workspace: str | None = None) -> Any:
        """The one JSON object that a command prints."""
        result = self.run(*arguments, "--json", workspace=workspace)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count("\n") == 1
        return json.loads(result.stdout)

    def fails(self, *arguments: str, said: str | None = None) -> str:
        """The last sentence on standard error of a command that is refused."""
        result = self.run(*arguments, said=said)
        assert result.exit_code == 1, (result.output, result.exception)
        assert isinstance(result.exception, SystemExit)
        return result.stderr.strip().splitlines()[-1]


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Commands on the test's own workspace."""
    monkeypatch.setattr(scim_server.cli, "open_directory", lambda settings: world.directory)
    return Here(world)
