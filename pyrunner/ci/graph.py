"""Stages, needs, dependencies and stop jobs of all jobs together (gitlab-ci-yml.md 3.2, 3.6, 3.13, 6.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final, NamedTuple

from pyrunner.ci.tree import NOWHERE, Position
from pyrunner.errors import PipelineError

#: Jobs that one job can need.
MAX_NEEDS: Final = 50
_LONGEST_NAME: Final = 255


class Need(NamedTuple):
    """A job that is needed, by its full name."""

    name: str
    place: Position = NOWHERE
    artifacts: bool = True
    optional: bool = False


class StopJob(NamedTuple):
    """What the ``environment`` of a job says, as far as other jobs are concerned."""

    name: str
    action: str = "start"
    on_stop: str = ""
    place: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class Node:
    """One job after the expansion of ``parallel``.

    :param needs: None means the order of stages.
    :param dependencies: full names with where each was written; None means all earlier stages.
    """

    name: str
    stage: str
    needs: tuple[Need, ...] | None = None
    dependencies: tuple[tuple[str, Position], ...] | None = None
    position: Position = NOWHERE
    #: Names in ``rules:needs``: they must be jobs, in whatever stage (3.3).
    rule_needs: tuple[Need, ...] = ()
    #: Where ``stage`` is written.
    stage_position: Position = NOWHERE
    #: Jobs whose artifacts hold the configuration of a child pipeline.
    generators: tuple[tuple[str, Position], ...] = ()
    environment: StopJob | None = None


def check_graph(stages: Sequence[str], jobs: Mapping[str, Node]) -> None:
    """Check all jobs in their order.

    :raises PipelineError: for the first mistake, in GitLab's words.
    """
    _check_dependencies_are_needed(jobs)
    order = {stage: index for index, stage in enumerate(stages)}
    for job in jobs.values():
        if job.stage not in order:
            message = (
                f"{job.name} job: chosen stage {job.stage} does not exist; "
                f"available stages are {', '.join(stages)}"
            )
            raise PipelineError(message, *job.stage_position, hint="add the stage to `stages`")
        for name, place in job.dependencies or ():
            _check_one(order, jobs, job, Need(name, place), "dependency")
        _check_needs(order, jobs, job)
        for need in job.rule_needs:
            if need.name not in jobs:
                raise PipelineError(f"{job.name} job: undefined need: {need.name}", *need.place)
        for name, place in job.generators:
            _check_one(order, jobs, job, Need(name, place), "dependency")
        _check_stop_job(jobs, job)
    _check_circles(jobs)


def _check_dependencies_are_needed(jobs: Mapping[str, Node]) -> None:
    for job in jobs.values():
        if not (job.needs and job.dependencies):
            continue
        needed = {need.name for need in job.needs}
        missing = [(name, place) for name, place in job.dependencies if name not in needed]
        if missing:
            names = ", ".join(name for name, _ in missing)
            message = f"jobs:{job.name} dependencies the {names} should be part of needs".lower()
            raise PipelineError(message, *missing[0][1], hint="add the job to `needs`")


def _check_needs(order: Mapping[str, int], jobs: Mapping[str, Node], job: Node) -> None:
    seen: set[str] = set()
    twice: list[str] = []
    for need in job.needs or ():
        if len(need.name) > _LONGEST_NAME:
            message = f"{job.name} job: need `{need.name}` name is too long"
            raise PipelineError(f"{message} (maximum is {_LONGEST_NAME} characters)", *need.place)
        _check_one(order, jobs, job, need, "need")
        if need.name in seen and need.name not in twice:
            twice.append(need.name)
        seen.add(need.name)
    if twice:
        message = f"{job.name} has the following needs duplicated: {', '.join(twice)}."
        raise PipelineError(message, *job.position)
    if job.needs and len(job.needs) > MAX_NEEDS:
        message = (
            f"{job.name}: one job can only need {MAX_NEEDS} others, but you have listed {len(job.needs)}. "
            "See needs keyword documentation for more details"
        )
        raise PipelineError(message, *job.position)


def _check_one(order: Mapping[str, int], jobs: Mapping[str, Node], job: Node, need: Need, kind: str) -> None:
    other = jobs.get(need.name)
    if other is None:
        if need.optional:
            return
        hint = "the name must be that of a job of this pipeline; hidden jobs are none"
        raise PipelineError(f"{job.name} job: undefined {kind}: {need.name}", *need.place, hint=hint)
    if order.get(other.stage, -1) > order[job.stage]:
        message = f"{job.name} job: {kind} {need.name} is not defined in current or prior stages"
        raise PipelineError(message, *need.place)


def _check_stop_job(jobs: Mapping[str, Node], job: Node) -> None:
    if job.environment is None or not job.environment.on_stop:
        return
    stop = job.environment.on_stop
    other = jobs.get(stop)
    if other is None:
        complaint = "is not defined"
    elif other.environment is None:
        complaint = "does not have environment defined"
    elif other.environment.name != job.environment.name:
        complaint = "have different environment name"
    elif other.environment.action != "stop":
        complaint = "needs to have action stop defined"
    else:
        return
    raise PipelineError(f"{job.name} job: on_stop job {stop} {complaint}", *job.environment.place)


def _check_circles(jobs: Mapping[str, Node]) -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for job in jobs.values():
        names = [need.name for need in job.needs or () if need.name in jobs]
        if job.name in names:
            message = f"The pipeline has circular dependencies: self-dependency: {job.name}"
            raise PipelineError(message, *job.position)
        sorter.add(job.name, *names)
    try:
        sorter.prepare()
    except CycleError as error:
        members = set(error.args[1])
        circle = [name for name in jobs if name in members]
        message = f"The pipeline has circular dependencies: topological sort failed: {json.dumps(circle)}"
        raise PipelineError(message, *jobs[circle[0]].position) from None
