"""Child pipelines: what a trigger job starts in the same project (gitlab-ci-yml.md 3.14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pyrunner.ci.compiler import Sources, compile_tree
from pyrunner.ci.event import Upstream
from pyrunner.ci.expansion import expand
from pyrunner.ci.layers import Layers
from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.ci.planning import environment_variables
from pyrunner.ci.predefined import job_variables
from pyrunner.ci.tree import Map, Seq
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable

#: Levels of children below the first pipeline.
MAX_DEPTH: Final = 2


def compile_child(
    job: PlannedJob,
    upstream: Upstream,
    sources: Sources,
    artifacts: Callable[[str, str], str | None],
    dotenv: tuple[Variable, ...] = (),
) -> Pipeline:
    """Return the pipeline that a trigger job starts.

    :param upstream: the pipeline and the trigger job.
    :param artifacts: reads a file from the artifacts of a finished job: (job name, path).
    :param dotenv: variables from reports of the jobs that the trigger job needs.
    :raises PipelineError: for a configuration that is refused, and children of children of children.
    """
    trigger = job.trigger
    if trigger is None or not trigger.includes:
        raise PipelineError(f"{job.name} starts no child pipeline", *job.position)
    if job.event.depth >= MAX_DEPTH:
        message = f"{job.name}: reached_max_descendant_pipelines_depth"
        raise PipelineError(message, *trigger.position, hint=f"children nest {MAX_DEPTH} levels deep at most")
    event = job.event.child(upstream, forwarded_variables(job, dotenv))
    includes = Seq(trigger.position)
    for entry in trigger.includes:
        includes.put(entry, getattr(entry, "position", trigger.position))
    tree = Map(trigger.position)
    tree.put("include", includes, trigger.position)
    context = replace(sources.context(event), artifacts=artifacts)
    return compile_tree(tree, event, sources, context)


def forwarded_variables(job: PlannedJob, dotenv: tuple[Variable, ...] = ()) -> list[Variable]:
    """Return what the child gets as pipeline variables; they beat all that its YAML says.

    Predefined variables are never among them, but values of YAML variables may use them.
    """
    trigger, event = job.trigger, job.event
    found: list[Variable] = []
    if trigger is None:
        return found
    if trigger.forward_yaml_variables:
        environment = environment_variables(job.environment)[:3] if job.environment else []
        predefined = [*job_variables(job.instance, job.stage, job.when), *environment]
        view = Layers(event, job.pipeline_name).job(predefined, job.variables)
        for variable in job.variables.values():
            value = variable.value if variable.raw else expand(variable.value, view.expanded)
            found.append(replace(variable, value=value))
    if trigger.forward_pipeline_variables:
        found += [*event.pipeline_variables, *event.schedule_variables, *dotenv]
    return found
