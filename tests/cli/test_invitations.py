"""`scim-server invitations …` and `connection create --invite`, with mail in a folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DATABASES

HERE = ("--workspace", "Acme")


@pytest.mark.parametrize("kind", DATABASES)
def test_sent_again_taken_back_and_past_its_time(
    kind: str, new_database: Callable[[str], str], folder: Path, programs: Path
) -> None:
    database = new_database(kind)

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SCIM_SERVER_DATABASE_URL": database, "SCIM_SERVER_MAIL_FOLDER": str(folder)}
        command = [str(programs / "scim-server"), *arguments, "--json"]
        return subprocess.run(command, env={**environment, **settings}, capture_output=True, text=True, timeout=60)

    def done(*arguments: str) -> Any:
        result = run(*arguments)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    done("workspace", "create", "Acme", "--owner", "owner@acme.test", "--seats", "5")
    assert done("connection", "create", *HERE, "--name", "partners", "--invite")["settings"]["invite"] is True
    done("contact", "create", "ann@acme.test", *HERE)
    assert done("contact", "invite", "ann@acme.test", *HERE, "--email", "ann@home.test")["email"] == "ann@home.test"
    assert done("invitations", "resend", "ann@acme.test", *HERE)["email"] == "ann@home.test"
    assert len(list(folder.glob("*.eml"))) == 2
    assert done("invitations", "expire") == {"expired": 0}
    failed = run(
        "invitations", "resend", "ann@acme.test", *HERE, SCIM_SERVER_MAIL_FOLDER=f"{next(folder.glob('*.eml'))}/mail"
    )
    assert failed.returncode == 1
    assert "The invitation stands, but its mail was not sent" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert done("invitations", "revoke", "ann@acme.test", *HERE)["revoked"] == "ann@acme.test"
    again = run("invitations", "revoke", "ann@acme.test", *HERE)
    assert (again.returncode, "this contact is uninvited" in again.stderr) == (1, True)
    assert len(list(folder.glob("*.eml"))) == 2
