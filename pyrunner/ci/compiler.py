"""From a .gitlab-ci.yml and an event to a pipeline: steps 10 and 11 of gitlab-ci-yml.md 1.1, and 6.4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pyrunner.ci.conditions import FileConditions
from pyrunner.ci.configuration import Configuration, examine, read_configuration
from pyrunner.ci.event import Event
from pyrunner.ci.expansion import expand
from pyrunner.ci.files import Folder
from pyrunner.ci.finding import Finding, Findings
from pyrunner.ci.include import expand_includes
from pyrunner.ci.layers import Layers
from pyrunner.ci.locations import IncludeContext
from pyrunner.ci.plan import LeftOut, Pipeline, PlannedJob
from pyrunner.ci.planning import JobPlanner
from pyrunner.ci.repository import Repository
from pyrunner.ci.rules import RuleContext, Verdict, decide
from pyrunner.ci.tree import Map
from pyrunner.ci.variables import read_variables, values_of
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable

_FILTERED: Final = "The pipeline did not run. Review the workflow:rules configuration for the pipeline."
_EMPTY: Final = (
    "The resulting pipeline would have been empty. Review the rules configuration for the relevant jobs."
)
_SKIPPED: Final = "The commit message asks for no pipeline."
_LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class Sources:
    """Where files come from.

    :param tree: what local includes are read from.
    :param repository: what rules and cache keys ask.
    :param elsewhere: the folder with the files of other projects, templates and addresses.
    """

    tree: Folder
    repository: Repository
    elsewhere: Folder | None = None

    def context(self, event: Event) -> IncludeContext:
        """Return what the includes of a pipeline for ``event`` depend on."""
        changed = self.repository.changed()
        return IncludeContext(
            self.tree,
            self.elsewhere,
            values_of(Layers(event).early()),
            None if changed is None else frozenset(changed),
        )


def compile_pipeline(
    text: str,
    event: Event,
    sources: Sources,
    file: str = ".gitlab-ci.yml",
    inputs: Mapping[str, Any] | None = None,
    *,
    honor_skip: bool = False,
) -> Pipeline:
    """Return the pipeline that a configuration makes of an event.

    A pipeline that the rules do not let come about is returned with its ``refusal`` and the reasons.

    :param file: its name, as it shall stand in errors.
    :param inputs: values for ``spec:inputs``.
    :param honor_skip: let ``[ci skip]`` in the commit message prevent the pipeline.
    :raises PipelineError: for a configuration that GitLab would refuse, with its first message.
    """
    context = sources.context(event)
    configuration = read_configuration(text, file, context, inputs)
    return _compiled(configuration, event, sources, context, honor_skip)


def compile_tree(tree: Map, event: Event, sources: Sources, context: IncludeContext) -> Pipeline:
    """Return the pipeline that a tree, and what it includes, makes of an event.

    :raises PipelineError: as :func:`compile_pipeline`.
    """
    configuration = examine(expand_includes(tree, context))
    return _compiled(configuration, event, sources, context, False)


def _compiled(
    configuration: Configuration,
    event: Event,
    sources: Sources,
    context: IncludeContext,
    honor_skip: bool,
) -> Pipeline:
    if errors := configuration.findings.errors:
        raise errors[0].error()
    files = FileConditions(sources.repository, context)
    root = configuration.variables
    verdict = _workflow(configuration, event, files, root)
    rule = verdict.rule or Map()
    root = root | read_variables(rule.get("variables"))
    warnings = tuple(one for one in configuration.findings if one.warning)
    cancel = _auto_cancel(configuration, rule)
    pipeline = Pipeline(
        event,
        variables=root,
        warnings=warnings,
        reason=verdict.reason,
        on_new_commit=cancel[0],
        on_job_failure=cancel[1],
    )
    if not verdict.included:
        return _refused(pipeline, configuration, _FILTERED, f"workflow {verdict.reason}")
    if honor_skip and event.commit.skips_ci:
        return _refused(pipeline, configuration, _SKIPPED, "[ci skip]")
    name = _name(configuration, event, root)
    planner = JobPlanner(configuration, Layers(event, name), files, root, name)
    planned = [
        planner.plan(job, instance)
        for written, job in configuration.jobs.items()
        for instance in configuration.instances[written]
    ]
    order = {stage: index for index, stage in enumerate(configuration.stages)}
    planned.sort(key=lambda one: order[one.stage])
    jobs = [one for one in planned if isinstance(one, PlannedJob)]
    left_out = tuple(one for one in planned if isinstance(one, LeftOut))
    _check_needed(configuration, jobs)
    pipeline = replace(pipeline, left_out=left_out, name=name)
    if all(one.stage in (".pre", ".post") for one in jobs):
        reason = "only jobs in .pre and .post make no pipeline"
        more = tuple(LeftOut(one.name, one.stage, reason, one.position) for one in jobs)
        return replace(pipeline, left_out=left_out + more, refusal=_EMPTY)
    stages = tuple(dict.fromkeys(one.stage for one in jobs))
    warnings = (*warnings, *_local_warnings(jobs))
    return replace(pipeline, stages=stages, jobs=_connected(configuration, jobs, order), warnings=warnings)


def _workflow(
    configuration: Configuration, event: Event, files: FileConditions, root: Mapping[str, Variable]
) -> Verdict:
    rules = configuration.workflow.get("rules")
    if rules is None:
        return Verdict(Map(), "no workflow:rules")
    return decide(rules, RuleContext("workflow", files, Layers(event).workflow(root)))


def _auto_cancel(configuration: Configuration, rule: Map) -> tuple[str, str]:
    chosen = {**(configuration.workflow.get("auto_cancel") or {}), **(rule.get("auto_cancel") or {})}
    return chosen.get("on_new_commit") or "conservative", chosen.get("on_job_failure") or "none"


def _name(configuration: Configuration, event: Event, root: Mapping[str, Variable]) -> str:
    written = configuration.workflow.get("name")
    if written is None:
        return ""
    view = Layers(event).workflow(root)
    return expand(written, view.expanded).strip()[:_LONGEST_NAME]


def _refused(pipeline: Pipeline, configuration: Configuration, refusal: str, reason: str) -> Pipeline:
    left_out = tuple(
        LeftOut(node.name, node.stage, reason, node.position) for node in configuration.nodes.values()
    )
    return replace(pipeline, refusal=refusal, left_out=left_out)


def _check_needed(configuration: Configuration, jobs: Sequence[PlannedJob]) -> None:
    """Refuse needs of jobs that are not in this pipeline; those of rules are not looked at (3.3)."""
    present = {job.name for job in jobs}
    for job in jobs:
        for need in configuration.nodes[job.name].needs or ():
            if need.name not in present and not need.optional:
                message = (
                    f"'{job.name}' job needs '{need.name}' job, but '{need.name}' does not exist in the "
                    "pipeline. This might be because of the only, except, or rules keywords. To need a "
                    "job that sometimes does not exist in the pipeline, use needs:optional."
                )
                raise PipelineError(message, *need.place, hint="add `optional: true` to the need")


def _connected(
    configuration: Configuration, jobs: Sequence[PlannedJob], order: Mapping[str, int]
) -> tuple[PlannedJob, ...]:
    """Return the jobs with what they wait for and whose artifacts they get (3.6, 7.5)."""
    present = {job.name for job in jobs}
    earlier: dict[str, tuple[str, ...]] = {}
    for stage in dict.fromkeys(job.stage for job in jobs):
        earlier[stage] = tuple(job.name for job in jobs if order[job.stage] < order[stage])
    archives = {job.name for job in jobs if job.trigger is None}
    connected = []
    for job in jobs:
        needs = job.needs
        if needs is None:
            waits = given = earlier[job.stage]
        else:
            needs = tuple(one for one in needs if one.name in present)
            waits = tuple(one.name for one in needs)
            wanted = {one.name for one in needs if one.artifacts}
            given = tuple(one.name for one in jobs if one.name in wanted) if wanted else ()
        dependencies = configuration.nodes[job.name].dependencies
        if dependencies is not None:
            chosen = {name for name, _ in dependencies}
            given = tuple(name for name in given if name in chosen)
        given = tuple(name for name in given if name in archives)
        connected.append(replace(job, needs=needs, waits_for=waits, artifacts_from=given))
    return tuple(connected)


def _local_warnings(jobs: Sequence[PlannedJob]) -> list[Finding]:
    findings = Findings()
    for job in jobs:
        if job.trigger is not None and (job.trigger.project or job.trigger.mirrors):
            project = job.trigger.project or job.trigger.mirrors
            findings.warn(f"{job.name}: the pipeline of {project} is not run here", job.trigger.position)
        given = {variable.key for variable in job.event.pipeline_variables}
        given |= {setting.variable.key for layer in job.event.settings for setting in layer}
        if missing := [one for one in job.options.get("id_tokens") or () if one not in given]:
            message = f"{job.name}: id_tokens are only set to values that are given: {', '.join(missing)}"
            findings.warn(message, job.options.place("id_tokens"))
        if job.options.get("release") is not None:
            findings.warn(f"{job.name}: no release is made here", job.options.place("release"))
    return findings
