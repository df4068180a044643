"""``script``, ``before_script``, ``after_script``, ``hooks`` and ``run`` (gitlab-ci-yml.md 3.2)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import flat_strings, mapping
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position

HOOKS: Final = ("pre_get_sources_script",)
_SCRIPT: Final = "config should be a string or a nested array of strings up to 10 levels deep"
_STEP_FORMS: Final = ("step", "script", "func", "exec", "steps", "delegate", "builtin")


def check_script(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add a finding when ``value`` is no script."""
    if flat_strings(value) is None:
        hint = "quote a line that has a colon and a space: YAML reads it as a mapping"
        findings.entry(where, _SCRIPT, place, hint)


def check_hooks(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``hooks``."""
    entry = mapping(where, value, place, findings)
    if entry is None or not entry.allow(HOOKS):
        return
    for key, script in entry.value.items():
        if script is not None:
            check_script(f"{where}:{key}", script, entry.value.place(key), findings)


def check_run(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``run``: a list of steps, each with a name and one thing to do."""
    if not isinstance(value, list) or not value:
        findings.entry(where, "should be an array of steps", place)
        return
    for step in value:
        if not isinstance(step, Map) or not any(form in step for form in _STEP_FORMS):
            findings.entry(where, "step must have a script or a step", getattr(step, "position", place))
        elif not isinstance(step.get("name"), str):
            findings.entry(where, "step must have a name", step.position)
