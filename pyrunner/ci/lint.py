"""All that is wrong with a .gitlab-ci.yml, before there is any pipeline (gitlab-ci-yml.md 1.1, steps 1 to 9).

Examined are: YAML, inputs, includes, extends, references, stages, ``workflow:rules``, names of jobs, and per
job its keywords, scripts, ``stage rules when start_in allow_failure retry timeout tags interruptible
resource_group parallel needs dependencies``. What stands *inside* the other keywords is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyrunner.ci.extends import resolve_extends, resolve_references
from pyrunner.ci.finding import Finding, Findings
from pyrunner.ci.graph import Node, check_graph
from pyrunner.ci.include import IncludeContext, load_configuration
from pyrunner.ci.jobs import check_job, check_rules, check_script
from pyrunner.ci.matrix import expand_parallel, selected_names
from pyrunner.ci.tree import NOWHERE, Map, Position, as_text, flatten
from pyrunner.errors import PipelineError

_GLOBAL: Final = frozenset(
    [
        "default",
        "include",
        "stages",
        "variables",
        "workflow",
        "image",
        "services",
        "cache",
        "before_script",
        "after_script",
    ]
)
_DEFAULT_KEYS: Final = frozenset(
    [
        "before_script",
        "after_script",
        "hooks",
        "cache",
        "image",
        "services",
        "interruptible",
        "timeout",
        "retry",
        "tags",
        "artifacts",
        "id_tokens",
        "identity",
    ]
)
_DEFAULT_STAGES: Final = ("build", "test", "deploy")
_LONGEST_NAME: Final = 255

Needed = tuple[tuple[str, Position], ...]


def lint(
    text: str, file: str, context: IncludeContext, inputs: Mapping[str, Any] | None = None
) -> list[Finding]:
    """Return every finding about a configuration; an empty list when there is none.

    :param file: its name, as it shall stand in findings.
    """
    try:
        tree = load_configuration(text, file, inputs or {}, context)
        tree = resolve_references(resolve_extends(tree))
    except PipelineError as error:
        return [Finding.of(error)]
    findings = Findings()
    stages = _stages(tree, findings)
    _check_global(tree, findings)
    jobs = _jobs(tree, findings)
    for name, job in jobs.items():
        check_job(name, job, findings)
    if not findings:
        try:
            check_graph(stages, graph_of(jobs))
        except PipelineError as error:
            findings.append(Finding.of(error))
    return findings


def _stages(tree: Map, findings: Findings) -> list[str]:
    written = tree.get("stages")
    if written is None:
        return [".pre", *_DEFAULT_STAGES, ".post"]
    flat = flatten(written, 10) if isinstance(written, list) else None
    if flat is None or not all(isinstance(one, str) for one in flat):
        message = "config should be an array of strings or a nested array of strings up to 10 levels deep"
        findings.entry("stages", message, tree.place("stages"))
        return []
    if not flat:
        return []
    inner = [one for one in dict.fromkeys(flat) if one not in (".pre", ".post")]
    return [".pre", *inner, ".post"]


def _check_global(tree: Map, findings: Findings) -> None:
    default = tree.get("default")
    if isinstance(default, Map) and "script" not in default:
        if unknown := [as_text(key) for key in default if key not in _DEFAULT_KEYS]:
            message = f"config contains unknown keys: {', '.join(unknown)}"
            findings.entry("default", message, default.place(unknown[0]))
        for key in ("before_script", "after_script"):
            if default.get(key) is not None:
                check_script(f"default:{key}", default[key], default.place(key), findings)
            if default.get(key) is not None and tree.get(key) is not None:
                message = f"{key} is defined in top-level and `default:` entry"
                findings.add(message, tree.place(key))
    elif default is not None and not isinstance(default, Map):
        findings.entry("default", "config should be a hash", tree.place("default"))
    workflow = tree.get("workflow")
    if isinstance(workflow, Map) and workflow.get("rules") is not None:
        check_rules("workflow", workflow["rules"], workflow.place("rules"), findings, ("always", "never"))
    elif workflow is not None and not isinstance(workflow, Map):
        findings.entry("workflow", "config should be a hash", tree.place("workflow"))


def _jobs(tree: Map, findings: Findings) -> dict[str, Map]:
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
        if not name:
            findings.entry(
                "jobs:job", "name can't be blank", place, "quote the name: YAML reads off, no and ~"
            )
        elif not isinstance(name, str):
            findings.entry(f"jobs:{as_text(name)}", "name should be a symbol", place, "quote the name")
        elif len(name) > _LONGEST_NAME:
            message = f"name is too long (maximum is {_LONGEST_NAME} characters)"
            findings.entry(f"jobs:{name}", message, place)
        elif not isinstance(value, Map) or all(
            value.get(one) is None for one in ("script", "run", "trigger")
        ):
            message = "config should implement the script:, run:, or trigger: keyword"
            hint = "a name that begins with a dot is no job, and can be extended"
            findings.entry(f"jobs {name}", message, place, hint)
        else:
            jobs[name] = value
    if not seen:
        findings.entry("jobs", "config should contain at least one visible job", NOWHERE)
    return jobs


def graph_of(jobs: Mapping[str, Map]) -> dict[str, Node]:
    """Return the graph of jobs that passed their own checks, ``parallel`` expanded, in order."""
    instances = {
        name: [one.name for one in expand_parallel(name, job["parallel"])]
        for name, job in jobs.items()
        if job.get("parallel") is not None
    }
    nodes: dict[str, Node] = {}
    for name, job in jobs.items():
        needs, dependencies = job.get("needs"), job.get("dependencies")
        rules = flatten(job.get("rules") or [], 10) or []
        rule_needs = [
            one for rule in rules for one in _needed(rule.get("needs") or [], rule.place("needs"), instances)
        ]
        for full in instances.get(name, [name]):
            nodes[full] = Node(
                full,
                job.get("stage") or "test",
                None if needs is None else _needed(needs, job.place("needs"), instances),
                None if dependencies is None else _needed(dependencies, job.place("dependencies"), instances),
                job.position,
                tuple(rule_needs),
                job.place("stage"),
            )
    return nodes


def _needed(written: Any, place: Position, instances: Mapping[str, list[str]]) -> Needed:
    found: list[tuple[str, Position]] = []
    for one in flatten(written if isinstance(written, list) else [written], 10) or []:
        if not isinstance(one, Map):
            found += [(name, place) for name in instances.get(one, [one])]
        elif "job" in one and "pipeline" not in one:
            name, at = as_text(one["job"]), one.place("job")
            parallel = one.get("parallel")
            if parallel is not None and name in instances:
                names = selected_names(name, parallel["matrix"])
                if any("$[[" in full for full in names):  # decided for each instance of its own matrix
                    continue
            else:
                names = instances.get(name, [name])
            found += [(full, at) for full in names]
    return tuple(found)
