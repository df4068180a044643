"""``only`` and ``except`` (gitlab-ci-yml.md 3.4)."""

from __future__ import annotations

from typing import Any, Final

import re2  # type: ignore[import-untyped]

from pyrunner.ci.checks.entry import Entry, is_strings
from pyrunner.ci.expression import ExpressionError, compile_pattern, parse
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position

_KEYS: Final = ("refs", "kubernetes", "variables", "changes")
_REFS: Final = "should be an array of strings or regular expressions using re2 syntax"


def check_policy(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``only`` or ``except``."""
    if isinstance(value, list):
        if not _are_refs(value):
            findings.entry(where, f"config {_REFS}", place)
        return
    if not isinstance(value, Map):
        hint = "put it in a list: [main]" if isinstance(value, str) else ""
        findings.entry(where, "has to be either an array of conditions or a hash", place, hint)
        return
    entry = Entry(where, value, findings)
    if not value:
        entry.config("can't be blank", place)
    entry.allow(_KEYS)
    if entry.get("refs") is not None and not _are_refs(entry.get("refs")):
        entry.says("refs", _REFS)
    if entry.get("kubernetes") not in (None, "active"):
        entry.says("kubernetes", f"unknown value: {entry.get('kubernetes')}")
    entry.strings("variables", "changes")
    if is_strings(entry.get("variables")):
        for index, text in enumerate(entry.get("variables")):
            _check_expression(entry, text, index)


def _check_expression(entry: Entry, text: str, index: int) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        place = entry.get("variables").place(index)
        entry.findings.entry(entry.where, f"variables {error}", place)


def _are_refs(value: Any) -> bool:
    return is_strings(value) and all(map(_is_ref, value))


def _is_ref(text: str) -> bool:
    try:
        compile_pattern(text)
    except re2.error:
        return False
    return True
