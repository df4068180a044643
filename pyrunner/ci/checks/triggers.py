"""``trigger`` (gitlab-ci-yml.md 3.14)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position

MAX_INCLUDES: Final = 3
_STRATEGIES: Final = ("depend", "mirror")
_KINDS: Final = ("local", "project", "remote", "template", "component", "artifact")
_INCLUDE_KEYS: Final = (*_KINDS, "file", "ref", "job", "inputs", "rules", "integrity", "cache")


def check_trigger(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``trigger``."""
    if isinstance(value, str):
        if not value:
            findings.entry(where, "config can't be blank", place)
        return
    if not isinstance(value, Map):
        findings.entry(where, "has to be either a string or a hash", place)
        return
    entry = Entry(where, value, findings)
    if "include" in value:
        hint = "a child pipeline has no project or branch" if "project" in value else "check the spelling"
        entry.allow(("strategy", "include", "forward"), hint)
        _check_strategy(entry)
        _check_includes(entry)
    else:
        entry.allow(("project", "branch", "strategy", "forward", "inputs"))
        entry.present("project")
        entry.string("branch")
        _check_strategy(entry)
    _check_forward(entry)


def _check_strategy(entry: Entry) -> None:
    entry.one_of("strategy", _STRATEGIES, "should be depend or mirror")


def _check_forward(entry: Entry) -> None:
    forward = entry.get("forward")
    if forward is None:
        return
    if not isinstance(forward, Map):
        entry.within("forward", "should be a hash")
        return
    inner = Entry(f"{entry.where}:forward", forward, entry.findings)
    inner.allow(("yaml_variables", "pipeline_variables"))
    inner.boolean("yaml_variables", "pipeline_variables")


def _check_includes(entry: Entry) -> None:
    value, where = entry.get("include"), f"{entry.where}:include"
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        entry.within("include", "should be an array or a string", "put the mapping in a list")
        return
    if len(value) > MAX_INCLUDES:
        entry.within("include", f"is too long (maximum is {MAX_INCLUDES})")
    for one in value:
        if isinstance(one, str):
            continue
        if not isinstance(one, Map):
            entry.findings.entry(
                f"{where}:include", "config should be a hash or a string", entry.value.position
            )
            continue
        _check_include(Entry(f"{where}:include", one, entry.findings))


def _check_include(include: Entry) -> None:
    include.allow(_INCLUDE_KEYS)
    if not any(kind in include.value for kind in _KINDS):
        include.config("must specify the file where to fetch the config from")
    elif "artifact" in include.value and include.get("job") is None:
        include.config("must specify the job where to fetch the artifact from")
    elif "project" in include.value and include.get("file") is None:
        include.config("must specify the file where to fetch the config from")
