"""Which files below ``docs/`` are made from the code; a test compares them with what stands there."""

from __future__ import annotations

from docsite.commands import commands_page
from docsite.configuration import configuration_page
from docsite.pictures import pictures


def generated_files() -> dict[str, str]:
    """Return path below ``docs/`` to content; the same code gives the same text, byte for byte."""
    files = {
        "reference/configuration.md": configuration_page(),
        "reference/commands.md": commands_page(),
    }
    return files | {f"pictures/{name}.svg": text for name, text in pictures().items()}
