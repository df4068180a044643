"""Names that ``[runners.tristan] dependency_lib`` takes: types of projects, and their tools."""

from __future__ import annotations

from typing import Final

#: Folder of a type (tristan-layout.md 1) → the tools whose libraries are kept in it.
TOOLS: Final[dict[str, tuple[str, ...]]] = {
    "java": ("maven", "gradle"),
    "nodejs": ("npm", "yarn", "pnpm"),
    "python": ("pip",),
    "go": ("go",),
    "rust": ("cargo",),
    "php": ("composer",),
}
#: All that may stand in the list.
NAMES: Final = tuple(dict.fromkeys(name for kind, tools in TOOLS.items() for name in (kind, *tools)))


def chosen_tools(setting: bool | list[str]) -> frozenset[str]:
    """Return the tools that a setting of ``dependency_lib`` means; a type means all of its tools."""
    if isinstance(setting, bool):
        return frozenset(tool for tools in TOOLS.values() for tool in tools) if setting else frozenset()
    return frozenset(tool for name in setting for tool in TOOLS.get(name, (name,)))


def unknown_names(setting: bool | list[str]) -> list[str]:
    """Return what a list has that is the name of nothing."""
    return [] if isinstance(setting, bool) else [name for name in setting if name not in NAMES]
