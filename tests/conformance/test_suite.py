"""The suite keeps to itself and small: it knows no server's code, and its files and functions have the usual sizes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from conformance.case import all_cases
from conformance.coverage import covering, requirements, uncovered
from tests.test_architecture import LONGEST_FILE, LONGEST_FUNCTION, _code_lines

MODULES = sorted((Path(__file__).parents[2] / "conformance").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_knows_no_server_and_is_small(path: Path) -> None:
    lines = path.read_text().splitlines()
    tree = ast.parse("\n".join(lines))
    assert ast.get_docstring(tree)
    assert len(lines) <= LONGEST_FILE
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert not {name for name in roots if name.startswith("scim")}
    assert "tests" not in roots
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert _code_lines(node, lines) <= LONGEST_FUNCTION, node.name


def test_most_requirements_have_a_case() -> None:
    found = covering(all_cases())
    assert len(requirements()) == 404
    assert sum(map(bool, found.values())) >= 300


def test_what_has_no_case_says_why() -> None:
    without = [each for each, cases in covering(all_cases()).items() if not cases]
    assert sorted(uncovered()) == sorted(without)
    assert all(why.endswith(".") for why in uncovered().values())


def test_every_must_of_an_rfc_names_its_requirement() -> None:
    rfcs = ("rfc", "cursor", "events")
    unnamed = [case.id for case in all_cases() if case.level == "MUST" and case.profile in rfcs and not case.covers]
    assert unnamed == []


def test_the_project_has_the_command_and_the_data() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'scim-conformance = "conformance.cli:main"' in project
    assert 'packages = ["scim_server", "conformance"]' in project
