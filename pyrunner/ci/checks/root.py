"""The global keywords, and which top-level keys are jobs (gitlab-ci-yml.md 3.1, 1.8)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry
from pyrunner.ci.checks.identity import DEFAULT_KEYS
from pyrunner.ci.checks.job import INHERITED
from pyrunner.ci.checks.rules import check_auto_cancel, check_workflow_rules
from pyrunner.ci.checks.variables import ROOT_KEYS, check_variable_data
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import NOWHERE, Map, Position, as_text, flatten

#: The old form of `default`.
OLD_DEFAULTS: Final = ("image", "services", "cache", "before_script", "after_script")
_GLOBAL: Final = frozenset(("default", "include", "stages", "variables", "workflow", *OLD_DEFAULTS))
_DEFAULT_STAGES: Final = ("build", "test", "deploy")
_LONGEST_NAME: Final = 255
_STAGES: Final = "config should be an array of strings or a nested array of strings up to 10 levels deep"


def read_stages(tree: Map, findings: Findings) -> list[str]:
    """Return the stages, `.pre` and `.post` around them; each counts where it is written first."""
    written = tree.get("stages")
    if written is None:
        return [".pre", *_DEFAULT_STAGES, ".post"]
    flat = flatten(written, 10) if isinstance(written, list) else None
    if flat is None or not all(isinstance(one, str) for one in flat):
        findings.entry("stages", _STAGES, tree.place("stages"))
        return []
    if not flat:
        return []
    inner = [one for one in dict.fromkeys(flat) if one not in (".pre", ".post")]
    return [".pre", *inner, ".post"]


def check_global(tree: Map, findings: Findings) -> None:
    """Add what is wrong with the global keywords."""
    default = tree.get("default")
    if isinstance(default, Map) and "script" not in default:
        Entry("default", default, findings).allow(DEFAULT_KEYS)
    elif default is not None and not isinstance(default, Map):
        findings.entry("default", "config should be a hash", tree.place("default"))
    if isinstance(default, Map):
        for key, check in INHERITED.items():
            if default.get(key) is not None:
                check(f"default:{key}", default[key], default.place(key), findings)
    for key in OLD_DEFAULTS:
        if tree.get(key) is None:
            continue
        if isinstance(default, Map) and default.get(key) is not None:
            message = f"{key} is defined in top-level and `default:` entry"
            findings.add(message, tree.place(key), "keep the one below `default`")
        INHERITED[key](key, tree[key], tree.place(key), findings)
    if tree.get("variables") is not None:
        check_variable_data("variables", tree["variables"], tree.place("variables"), findings, ROOT_KEYS)
    if tree.get("workflow") is not None:
        _check_workflow(tree["workflow"], tree.place("workflow"), findings)


def _check_workflow(value: Any, place: Position, findings: Findings) -> None:
    if not isinstance(value, Map):
        findings.entry("workflow", "config should be a hash", place)
        return
    entry = Entry("workflow", value, findings)
    entry.allow(("rules", "name", "auto_cancel"))
    name = entry.get("name")
    entry.string("name")
    if isinstance(name, str) and len(name) > _LONGEST_NAME:
        entry.says("name", f"is too long (maximum is {_LONGEST_NAME} characters)")
    elif name == "":
        entry.says("name", "is too short (minimum is 1 character)")
    if entry.get("rules") is not None:
        check_workflow_rules(value["rules"], value.place("rules"), findings)
    if entry.get("auto_cancel") is not None:
        path = "workflow:auto_cancel"
        check_auto_cancel(path, value["auto_cancel"], value.place("auto_cancel"), findings)


def read_jobs(tree: Map, findings: Findings) -> dict[str, Map]:
    """Return the visible jobs by name; names and contents that are none are complained about."""
    jobs: dict[str, Map] = {}
    seen = False
    for name, value in tree.items():
        place = tree.place(name)
        is_default_job = name == "default" and isinstance(value, Map) and "script" in value
        if isinstance(name, str) and name in _GLOBAL and not is_default_job:
            continue
        if isinstance(name, str) and name.startswith("."):
            if value is None or value in ({}, [], "", False):
                findings.entry(f"jobs:{name}", "config can't be blank", place)
            continue
        seen = True
        if _is_job(name, value, place, findings):
            jobs[name] = value
    if not seen:
        findings.entry("jobs", "config should contain at least one visible job", NOWHERE)
    return jobs


def _is_job(name: Any, value: Any, place: Position, findings: Findings) -> bool:
    if not name:
        hint = "quote the name: YAML reads off, no and ~"
        findings.entry("jobs:job", "name can't be blank", place, hint)
    elif not isinstance(name, str):
        findings.entry(f"jobs:{as_text(name)}", "name should be a symbol", place, "quote the name")
    elif len(name) > _LONGEST_NAME:
        message = f"name is too long (maximum is {_LONGEST_NAME} characters)"
        findings.entry(f"jobs:{name}", message, place)
    elif not isinstance(value, Map) or not _has_work(value):
        message = "config should implement the script:, run:, or trigger: keyword"
        hint = "a name that begins with a dot is no job, and can be extended"
        findings.entry(f"jobs {name}", message, place, hint)
    else:
        return True
    return False


def _has_work(job: Map) -> bool:
    if any(one in job for one in ("script", "run", "trigger")):
        return True
    # a job that mirrors the pipeline of another project has nothing but the need
    needs = job.get("needs")
    needed = needs if isinstance(needs, list) else [needs]
    return any(isinstance(one, Map) and "pipeline" in one and "job" not in one for one in needed)
