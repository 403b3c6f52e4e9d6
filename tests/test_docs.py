"""The documentation says what is so: settings, changes, and the README's commands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scim_server.settings import Settings
from tests.support import serving

ROOT = Path(__file__).parent.parent


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    for name, option in Settings.model_fields.items():
        row = next((line for line in text.splitlines() if f"`SCIM_SERVER_{name.upper()}`" in line), None)
        assert row is not None, name
        assert option.description
        assert option.description in row
        assert option.default == "" or f"`{option.default}`" in row


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CHANGES.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("kind", ["sqlite"])
def test_the_tour_in_the_readme_runs(kind: str, new_database: Callable[[str], str]) -> None:
    tour = next(
        block for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S) if "scim()" in block
    )
    with serving(new_database(kind)) as server:
        environment = {**os.environ, "TOKEN": server.token or "", "BASE": f"{server.url}/scim/v2"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", tour], env=environment, capture_output=True, text=True, check=True
        )
    answers = done.stdout.strip().splitlines()
    assert '"active":false' in answers[0]
    assert '"active":true' in answers[1]
    assert '"archived":true' in answers[2]
    assert len(answers) == 3, "DELETE answers with nothing"
    assert not done.stderr
