"""The import rule and the size stops of docs/architecture.md, checked on the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "scim_server"
MODULES = sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)

# room → what of ours it may import; a room may always import itself
MAY_IMPORT = {
    "scim": set(),
    "domain": set(),
    "settings": set(),
    "loopback": set(),
    "mapping": {"scim", "domain"},
    "storage": {"scim", "domain"},
    "mail": {"domain", "loopback"},
    "keys": set(),
    "directory": {"mapping", "storage", "domain", "scim", "mail", "keys", "loopback"},
    "http": {
        "directory",
        "keys",
        "loopback",
        "scim",
        "domain",
        "mapping",
        "storage.access",
        "storage.contacts",
        "storage.db",
        "storage.whole",
    },
    "opening": {"directory", "storage.db", "settings", "scim", "mail", "keys"},
    "app": {"http", "directory", "opening", "settings", "scim"},
    "cli": {
        "directory",
        "storage",
        "opening",
        "app",
        "settings",
        "domain",
        "scim",
        "http.scim",
        "http.intake",
        "loopback",
    },
}
# library → the rooms that may import it
MAY_USE = {
    "flask": {"http", "app"},
    "flask_login": {"http"},
    "flask_wtf": {"http"},
    "werkzeug": {"http", "app"},
    "authlib": {"http"},
    "limits": {"http"},
    "joserfc": {"keys", "http"},
    "httpx": {"keys"},
    "sqlalchemy": {"storage", "directory", "http.ops", "cli"},
    "alembic": {"storage"},
    "scim2_models": {"scim"},
    "click": {"cli"},
    "granian": {"cli"},
}
PURE = {"scim", "domain", "mapping"}
IMPURE = {"os", "random", "secrets", "socket", "time", "uuid", "subprocess", "pathlib", "threading", "uuid_utils"}
LONGEST_FILE = 500
LONGEST_FUNCTION = 40
MOST_LOCAL_IMPORTS = 3


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _room(name: str) -> str:
    return name.split(".")[0]


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module and whether the import stands inside a function."""
    tree = ast.parse(path.read_text())
    inside = {id(node) for outer in ast.walk(tree) if isinstance(outer, ast.FunctionDef) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or "", id(node) in inside
            if node.module and node.module.startswith("scim_server"):
                for alias in node.names:
                    yield f"{node.module}.{alias.name}", id(node) in inside


def _allowed(name: str, allowed: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") or each.startswith(f"{name}.") for each in allowed)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_import_rule(path: Path) -> None:
    room = _room(_name(path))
    if not room:
        return
    for module, _ in _imports(path):
        if not module.startswith("scim_server."):
            continue
        imported = module.removeprefix("scim_server.")
        if _room(imported) != room:
            assert _allowed(imported, MAY_IMPORT[room]), f"{_name(path)} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    name = _name(path)
    for module, _ in _imports(path):
        library = module.split(".")[0]
        if library in MAY_USE:
            assert _allowed(name, MAY_USE[library]) or _room(name) in MAY_USE[library], f"{name} imports {library}"
        if _room(name) in PURE:
            assert library not in IMPURE, f"{name} is pure and imports {library}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_pure_rings_take_no_clock(path: Path) -> None:
    if _room(_name(path)) in PURE:
        calls = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not calls & {"now", "utcnow", "today", "time"}


def test_no_module_imports_itself_in_a_circle() -> None:
    names = {f"scim_server.{_name(path)}".rstrip("."): path for path in MODULES}
    graph = {
        name: {module for module, local in _imports(path) if module in names and module != name and not local}
        for name, path in names.items()
    }
    # a package's own modules register themselves with it (cli), which is no circle of logic
    graph = {name: {each for each in found if not name.startswith(f"{each}.")} for name, found in graph.items()}
    settled: set[str] = set()
    while open_names := {name for name in graph if name not in settled}:
        ready = {name for name in open_names if graph[name] <= settled}
        assert ready, f"circle among {sorted(open_names)}"
        settled |= ready


def test_sizes() -> None:
    for path in MODULES:
        lines = path.read_text().splitlines()
        assert len(lines) <= LONGEST_FILE, f"{_name(path)} has {len(lines)} lines"
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                size = _code_lines(node, lines)
                assert size <= LONGEST_FUNCTION, f"{_name(path)}.{node.name} has {size} lines of code"


def _code_lines(node: ast.FunctionDef, lines: list[str]) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    first = body[0].lineno if body else node.lineno
    code = lines[first - 1 : node.end_lineno]
    return sum(1 for line in code if line.strip() and not line.strip().startswith("#"))


def test_every_module_says_what_it_is() -> None:
    for path in MODULES:
        assert ast.get_docstring(ast.parse(path.read_text())), f"{_name(path)} has no docstring"


def test_local_imports_are_few() -> None:
    local = [(_name(path), module) for path in MODULES for module, inside in _imports(path) if inside]
    assert len(local) <= MOST_LOCAL_IMPORTS, local
