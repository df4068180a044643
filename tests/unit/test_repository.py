"""The repository keeps its own rules: layers, file length, docstrings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pyrunner"
MODULES = sorted(PACKAGE.rglob("*.py"))
#: A file that holds more than one idea is split; this is where it is certain.
LONGEST = 400


def layer_table() -> dict[str, set[str]]:
    """Return package → importable packages from docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]*)\|$", text, re.MULTILINE)
    return {name: {one.strip() for one in allowed.split(",") if one.strip()} for name, allowed in rows}


def layer_of(module: str) -> str:
    """Return the layer of a dotted module name below pyrunner."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> set[str]:
    """Return the dotted pyrunner modules that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name for name in found if name.split(".")[0] == "pyrunner"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    """A module imports only its own layer and those its row in docs/architecture.md names (R1)."""
    table = layer_table()
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if layer in ("__init__", "__main__"):
        return
    assert layer in table, f"{layer} is missing in the layer table"
    for module in imports_of(path):
        target = layer_of(module)
        if target and target != layer:
            assert target in table[layer], f"{layer} must not import {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_hold_one_idea(path: Path) -> None:
    """No file grows beyond 400 lines, and every module says in its docstring what it is."""
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text))


def test_the_layer_table_has_no_cycle() -> None:
    """Following the table downward always ends."""
    table = layer_table()
    assert len(table) >= 13
    seen: set[str] = set()
    while len(seen) < len(table):
        ready = {name for name, allowed in table.items() if name not in seen and allowed <= seen}
        assert ready, f"a cycle among {set(table) - seen}"
        seen |= ready
