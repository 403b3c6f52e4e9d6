"""The documentation says what is so: settings, changes, and the README's commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
from joserfc.jwk import ECKey

from scim_server.cli import main
from scim_server.directory.activity import WORDS_OF, Entry
from scim_server.opening import open_directory
from scim_server.scim.errors import KINDS
from scim_server.scim.extensions import InvalidSchema
from scim_server.scim.protocol import ROUTES
from scim_server.scim.schema import USER, WORKSPACE_URN
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
    for page in [
        ROOT / "README.md",
        ROOT / "CHANGES.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "conformance").rglob("*.md"),
    ]:
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


def rows(page: str) -> list[list[str]]:
    """The cells of every table of a page."""
    lines = (ROOT / "docs" / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_every_endpoint_is_documented() -> None:
    told = {path.strip(): each[1] for each in rows("protocol.md") for path in each[0].replace("`", "").split(",")}
    for route in ROUTES:
        assert told[f"/{'/'.join(route.path)}"] == ", ".join(route.operations)


def test_every_attribute_of_the_workspace_extension_is_documented() -> None:
    told = [tuple(each[:3]) for each in rows("protocol.md")]
    for attribute in USER.extensions[WORKSPACE_URN].values():
        assert (f"`{attribute.name}`", attribute.type, attribute.mutability) in told
        for sub in attribute.sub.values():
            assert (f"`{attribute.name}.{sub.name}`", sub.type, sub.mutability) in told


def test_every_error_is_documented_and_no_other() -> None:
    raised = r'(?:ScimError\(\s*|ScimError = |syntax_error\(|kind: str = |")"?(\w+)"'
    source = "".join(path.read_text() for path in (ROOT / "scim_server").rglob("*.py") if path.name != "errors.py")
    used = {KINDS[name] for name in re.findall(raised, source) if name in KINDS}
    told = {(each[0], each[1].strip("`")) for each in rows("protocol.md") if each[0].isdecimal()}
    assert told == {(str(kind.status), kind.scim_type or "none") for kind in used}


def test_each_test_that_security_names_exists() -> None:
    tests = ROOT / "tests"
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 50
    for file, name in named:
        assert (tests / file).exists(), file
        assert re.search(rf"^ *def {name}\(", (tests / file).read_text(), re.M), f"{file}::{name}"


def test_each_threat_has_an_answer_and_a_test() -> None:
    (threats,) = (part for part in (ROOT / "docs" / "security.md").read_text().split("\n## ") if "| threat |" in part)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in threats.splitlines() if line[:1] == "|"]
    for threat, answer, shown in cells[2:]:
        assert threat
        assert answer
        assert "::test_" in shown, threat


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.S | re.M)


def shell(script: str, folder: Path, programs: Path, **environment: str) -> str:
    """What a script prints; `scim-server` in it is the one among `programs`."""
    variables = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environment}
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if not re.fullmatch(r"\S+: \d+ rows?", line)]
    assert (done.returncode, complaints) == (0, []), done.stderr
    return done.stdout


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command of the help tree by its full name, groups aside."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for inner in command.list_commands(context):
        each = command.get_command(context, inner)
        assert each is not None, inner
        yield from commands(each, f"{name} {inner}")


def test_every_command_has_a_section_with_an_example_and_its_options() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    sections = dict(re.findall(r"^## (scim-server [\w -]+)\n(.*?)(?=^## |\Z)", text, re.S | re.M))
    tree = dict(commands(main, "scim-server"))
    assert set(sections) == set(tree)
    for name, command in tree.items():
        assert re.search(rf"^(?:ID=\$\(|\$ )?{name}\b", sections[name], re.M), name
        for option in command.params:
            names = [each for each in option.opts + option.secondary_opts if each.startswith("--")]
            assert not names or any(each in text for each in names), (name, names)


def test_what_the_export_of_activity_holds_is_documented() -> None:
    told = rows("cli.md")
    acts = [(each[0].strip("`"), each[1]) for each in told if re.fullmatch(r"`[a-z]+\.[a-z_]+`", each[0])]
    assert acts == sorted(WORDS_OF.items()), "docs/cli.md lists the acts, as in directory.activity.WORDS_OF"
    columns = [each[0].strip("`") for each in told[told.index(["column or key", "what it holds"]) + 2 :]]
    assert columns[: len(fields(Entry))] == [field.name for field in fields(Entry)]


def test_the_examples_of_the_command_line_run(folder: Path, programs: Path) -> None:
    settings = {"SCIM_SERVER_DATABASE_URL": "sqlite:///cli.db", "SCIM_SERVER_BASE_URL": "https://scim.x.test"}
    printed = shell("\n".join(blocks("cli.md", "sh")), folder, programs, **settings)
    for expected in ("The database was brought up to date.", "ann@acme.example", "payroll", "delete: no", "revoked"):
        assert expected in printed


def test_the_example_of_a_custom_schema_runs(folder: Path, programs: Path, new_database: Callable[[str], str]) -> None:
    (folder / "User").mkdir()
    (folder / "User" / "staff.json").write_text(blocks("custom-schemas.md", "json")[0])
    (script,) = blocks("custom-schemas.md", "sh")
    with serving(new_database("sqlite"), environment={"SCIM_SERVER_SCHEMAS_FOLDER": str(folder)}) as server:
        printed = shell(script, folder, programs, TOKEN=server.token or "", BASE=f"{server.url}/scim/v2").splitlines()
    expected = [line.removeprefix("# ") for line in script.splitlines() if line.startswith("# ")]
    assert len(printed) == len(expected) > 5
    for answer, part in zip(printed, expected, strict=True):
        assert part in answer


def test_the_example_of_oauth_runs(folder: Path, programs: Path, new_database: Callable[[str], str]) -> None:
    script = blocks("oauth.md", "sh")[0]
    database = new_database("sqlite")
    with serving(database) as server:
        printed = shell(script, folder, programs, BASE=server.url, SCIM_SERVER_DATABASE_URL=database).splitlines()
    assert '"totalResults":1' in printed[-4]
    assert '"active": true' in printed[-3]
    assert printed[-2:] == ["{}", "401"]


def test_the_other_examples_of_oauth_run(folder: Path, programs: Path) -> None:
    page = (ROOT / "docs" / "oauth.md").read_text()
    scripts = [dedent(each) for each in re.findall(r"^ *```sh\n(.*?)^ *```$", page, re.S | re.M)][1:]
    (folder / "published.json").write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}))
    before = [
        "scim-server workspace create Acme --owner ann@acme.example",
        *(
            f"scim-server connection create --workspace Acme --name {name} --preset {name}"
            for name in ("entra", "okta")
        ),
    ]
    # a file stands for the one that is fetched from elsewhere
    script = re.sub(r"https://\S+(?= > keys.json)", f"file://{folder}/published.json", "\n".join((*before, *scripts)))
    settings = {"SCIM_SERVER_DATABASE_URL": "sqlite:///oauth.db", "SCIM_SERVER_BASE_URL": "https://scim.x.test"}
    printed = shell(script, folder, programs, **settings)
    for expected in ("subject 0a1b2c3d", "client Okta", "client Signer", "basic auth: yes"):
        assert expected in " ".join(printed.split())


STRING = {"name": "a", "type": "string"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "URN"),
        ({"name": ""}, "called"),
        ({"attributes": {}}, "at least one"),
        ({"attributes": [{**STRING, "type": "float"}]}, "type must be one of"),
        ({"attributes": [{**STRING, "uniqueness": "server"}]}, "uniqueness"),
        ({"attributes": [{**STRING, "mutability": "readOnly", "returned": "never"}]}, "ever see or set"),
        ({"attributes": [{**STRING, "subAttributes": [STRING]}]}, "only a complex"),
        *(
            ({"attributes": [{"name": "c", "type": "complex", "subAttributes": [{**STRING, **part}]}]}, said)
            for part, said in (
                ({"multiValued": True}, "single value"),
                ({"required": True}, "not required"),
                ({"returned": "request"}, "as its attribute is"),
                ({"returned": "never", "mutability": "writeOnly"}, "as its attribute is"),
            )
        ),
    ],
)
def test_what_is_said_to_be_refused_is_refused(folder: Path, change: dict[str, Any], said: str) -> None:
    document = {"id": "urn:example:x:1.0:User", "name": "X", "attributes": [STRING], **change}
    (folder / "User").mkdir()
    (folder / "User" / "x.json").write_text(json.dumps(document))
    with pytest.raises(InvalidSchema, match=said):
        open_directory(Settings(schemas_folder=str(folder)))


@pytest.mark.parametrize(("name", "text"), [("Device/x.json", "{}"), ("User/x.json", "{"), ("User/x.json", "[]")])
def test_a_folder_that_says_nothing_useful_is_refused(folder: Path, name: str, text: str) -> None:
    with pytest.raises(InvalidSchema, match="no schema documents"):
        open_directory(Settings(schemas_folder=str(folder)))
    (folder / name).parent.mkdir()
    (folder / name).write_text(text)
    with pytest.raises(InvalidSchema):
        open_directory(Settings(schemas_folder=str(folder)))
