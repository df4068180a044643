"""``environment`` (gitlab-ci-yml.md 3.13)."""

from __future__ import annotations

import re
from typing import Any, Final

from pyrunner.ci.checks.entry import Entry
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position

ACTIONS: Final = ("start", "stop", "prepare", "verify", "access")
TIERS: Final = ("production", "staging", "testing", "development", "other")
_KEYS: Final = ("name", "url", "action", "on_stop", "auto_stop_in", "kubernetes", "deployment_tier")
_NAME: Final = re.compile(r"[a-zA-Z0-9_$\{\}. -](?:[a-zA-Z0-9_$\{\}. /-]*[a-zA-Z0-9_$\{\}. -])?")
_NAME_MESSAGE: Final = (
    "can contain only letters, digits, '-', '_', '/', '$', '{', '}', '.', and spaces, "
    "but it cannot start or end with '/'"
)
_LONGEST_URL: Final = 255


def check_environment(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``environment``."""
    if not isinstance(value, (str, Map)):
        findings.entry(where, "config should be a hash or a string", place)
        return
    name = value.get("name") if isinstance(value, Map) else value
    at = value.place("name") if isinstance(value, Map) else place
    if name is None or name == "":
        findings.entry(where, "name can't be blank", at)
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        findings.entry(where, f"name {_NAME_MESSAGE}", at)
    if isinstance(value, Map):
        _check_attributes(Entry(where, value, findings))


def _check_attributes(entry: Entry) -> None:
    entry.allow(_KEYS)
    entry.string("url", "on_stop")
    if isinstance(entry.get("url"), str) and len(entry.get("url")) > _LONGEST_URL:
        entry.says("url", f"is too long (maximum is {_LONGEST_URL} characters)")
    entry.one_of("action", ACTIONS, "should be start, stop, prepare, verify, or access")
    tiers = "must be one of development, testing, staging, production, or other"
    entry.one_of("deployment_tier", TIERS, tiers)
    kubernetes = entry.get("kubernetes")
    if kubernetes is not None and not isinstance(kubernetes, Map):
        entry.says("kubernetes", "should be a hash")
    entry.duration("auto_stop_in", never=True, variable=True)
