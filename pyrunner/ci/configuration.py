"""A .gitlab-ci.yml read, merged and examined: steps 1 to 9 of gitlab-ci-yml.md 1.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.ci.checks.job import check_job
from pyrunner.ci.checks.root import check_global, read_jobs, read_stages
from pyrunner.ci.defaults import inherited_variables, with_defaults
from pyrunner.ci.extends import resolve_extends, resolve_references
from pyrunner.ci.finding import Finding, Findings
from pyrunner.ci.graph import Node, check_graph
from pyrunner.ci.include import load_configuration
from pyrunner.ci.locations import IncludeContext
from pyrunner.ci.matrix import Instance
from pyrunner.ci.nodes import graph_of, instances_of
from pyrunner.ci.tree import Map, flatten
from pyrunner.ci.variables import circular_references, read_variables
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable

_DUPLICATES: Final = (
    "may allow multiple pipelines to run for a single action due to `rules:when` clause with no "
    "`workflow:rules` - read more: https://docs.gitlab.com/ci/troubleshooting.html#pipeline-warnings"
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a configuration says, before there is any event.

    :param tree: all files merged, extends and references resolved.
    :param stages: all of them, in order, ``.pre`` and ``.post`` included.
    :param jobs: the jobs as written, defaults applied, by name.
    :param instances: what each becomes by ``parallel``.
    :param nodes: the instances, by full name; empty when there is an error.
    :param findings: errors, and warnings.
    """

    tree: Map
    stages: list[str]
    jobs: dict[str, Map]
    instances: dict[str, list[Instance]]
    nodes: dict[str, Node]
    findings: Findings

    @property
    def workflow(self) -> Map:
        """The ``workflow`` keyword; empty when there is none."""
        written = self.tree.get("workflow")
        return written if isinstance(written, Map) else Map(self.tree.position)

    @property
    def variables(self) -> dict[str, Variable]:
        """The root variables."""
        return read_variables(self.tree.get("variables"))


def read_configuration(
    text: str, file: str, context: IncludeContext, inputs: Mapping[str, Any] | None = None
) -> Configuration:
    """Read a configuration from its text; see :func:`examine`.

    :param file: its name, as it shall stand in findings.
    """
    try:
        tree = load_configuration(text, file, inputs or {}, context)
    except PipelineError as error:
        return _refused(error)
    return examine(tree)


def examine(tree: Map) -> Configuration:
    """Resolve and examine a merged tree; all that is wrong with it is in ``findings``."""
    try:
        tree = resolve_references(resolve_extends(tree))
    except PipelineError as error:
        return _refused(error)
    findings = Findings()
    stages = read_stages(tree, findings)
    check_global(tree, findings)
    written = read_jobs(tree, findings)
    for name, job in written.items():
        check_job(name, job, findings)
    if findings.errors:
        return Configuration(tree, stages, written, {}, {}, findings)
    jobs = {name: with_defaults(job, tree) for name, job in written.items()}
    nodes: dict[str, Node] = {}
    instances = instances_of(jobs)
    try:
        nodes = graph_of(jobs, instances)
        check_graph(stages, nodes)
    except PipelineError as error:
        findings.append(Finding.of(error))
    found = Configuration(tree, stages, jobs, instances, nodes, findings)
    if not findings.errors:
        _check_circles(found)
        _warn(found)
    return found


def _refused(error: PipelineError) -> Configuration:
    findings = Findings()
    findings.append(Finding.of(error))
    return Configuration(Map(), [], {}, {}, {}, findings)


def _check_circles(found: Configuration) -> None:
    """Find variables of the file that refer to one another; those of other layers can add to it later."""
    root = found.variables
    for name, job in found.jobs.items():
        variables = inherited_variables(job, root) | read_variables(job.get("variables"))
        if circle := circular_references(list(variables.values())):
            shown = ", ".join(f'"{one}"' for one in circle)
            message = f"{name}: circular variable reference detected: [{shown}]"
            place = job.place("variables") if "variables" in job else found.tree.place("variables")
            found.findings.add(message, place, "a variable can use one that is defined without it only")


def _warn(found: Configuration) -> None:
    if found.workflow.get("rules") is not None:
        return
    for name, job in found.jobs.items():
        rules = flatten(job.get("rules") or [], 10) or []
        last = rules[-1] if rules else None
        if isinstance(last, Map) and set(last) == {"when"} and last["when"] != "never":
            message = f"jobs:{name} {_DUPLICATES}"
            found.findings.warn(message, last.place("when"), "add workflow:rules")
