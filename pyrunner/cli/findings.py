"""Findings about a .gitlab-ci.yml in the forms that people, editors and CI systems read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from pyrunner.ci.finding import Finding
from pyrunner.cli.terminal_text import harmless


def as_plain(findings: Sequence[Finding]) -> str:
    """Return a line a finding, with its hint indented below it."""
    lines = []
    for one in findings:
        kind = "warning: " if one.warning else ""
        lines.append(f"{_place(one)}: {kind}{one.message}")
        if one.hint:
            lines.append(f"    hint: {one.hint}")
    return _shown(lines)


def as_gcc(findings: Sequence[Finding]) -> str:
    """Return what editors take from a compiler: ``file:line:column: error: message``, hints as notes."""
    lines = []
    for one in findings:
        place = ":".join(str(part) for part in (one.position.file, *_numbers(one)))
        lines.append(f"{place}: {'warning' if one.warning else 'error'}: {one.message}")
        if one.hint:
            lines.append(f"{place}: note: {one.hint}")
    return _shown(lines)


def as_github(findings: Sequence[Finding]) -> str:
    """Return workflow commands that annotate a change on GitHub."""
    lines = []
    for one in findings:
        line, column = _numbers(one)
        kind = "warning" if one.warning else "error"
        text = one.message + (f"\nhint: {one.hint}" if one.hint else "")
        file = _escaped(one.position.file).replace(":", "%3A").replace(",", "%2C")
        lines.append(f"::{kind} file={file},line={line},col={column}::{_escaped(text)}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Return a JSON list of objects: ``file line column severity message hint``."""
    shown: list[dict[str, Any]] = [
        {
            "message": one.message,
            "hint": one.hint,
            "severity": "warning" if one.warning else "error",
            **one.position._asdict(),
        }
        for one in findings
    ]
    return json.dumps(shown, indent=2)


#: The values of ``--format``.
FORMATS: Final[dict[str, Callable[[Sequence[Finding]], str]]] = {
    "text": as_plain,
    "json": as_json,
    "gcc": as_gcc,
    "github": as_github,
}


def _shown(lines: Sequence[str]) -> str:
    """Return lines for a terminal: names in a stranger's file do nothing there."""
    parts = (part for line in lines for part in line.split("\n"))
    return "\n".join(harmless(part.encode("utf-8", "replace"), colours=False) for part in parts)


def _place(one: Finding) -> str:
    return ":".join(str(part) for part in one.position if part)


def _numbers(one: Finding) -> tuple[int, int]:
    return one.position.line or 1, one.position.column or 1


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
