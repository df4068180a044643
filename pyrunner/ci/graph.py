"""Stages, needs and dependencies of all jobs together (gitlab-ci-yml.md 3.2, 3.6, 6.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from pyrunner.ci.tree import NOWHERE, Position
from pyrunner.errors import PipelineError

#: Jobs that one job can need.
MAX_NEEDS: Final = 50


@dataclass(frozen=True, slots=True)
class Node:
    """One job after the expansion of ``parallel``.

    :param needs: full names with where each was written; None means the order of stages.
    :param dependencies: likewise; None means the artifacts of all earlier stages.
    """

    name: str
    stage: str
    needs: tuple[tuple[str, Position], ...] | None = None
    dependencies: tuple[tuple[str, Position], ...] | None = None
    position: Position = NOWHERE
    #: Names in ``rules:needs``: they must be jobs, in whatever stage (3.3).
    rule_needs: tuple[tuple[str, Position], ...] = ()
    #: Where ``stage`` is written.
    stage_position: Position = NOWHERE


def check_graph(stages: Sequence[str], jobs: Mapping[str, Node]) -> None:
    """Check all jobs in their order.

    :raises PipelineError: for the first mistake, in GitLab's words.
    """
    for job in jobs.values():
        if job.stage not in stages:
            message = (
                f"{job.name} job: chosen stage {job.stage} does not exist; "
                f"available stages are {', '.join(stages)}"
            )
            raise PipelineError(message, *job.stage_position, hint="add the stage to `stages`")
        for name, place in job.dependencies or ():
            _check_one(stages, jobs, job, name, place, "dependency")
        _check_needs(stages, jobs, job)
        for name, place in job.rule_needs:
            if name not in jobs:
                raise PipelineError(f"{job.name} job: undefined need: {name}", *place)
        if job.needs and job.dependencies:
            needed = {name for name, _ in job.needs}
            for name, place in job.dependencies:
                if name not in needed:
                    raise PipelineError(
                        f"jobs:{job.name} dependencies the {name} should be part of needs", *place
                    )
    _check_circles(jobs)


def _check_needs(stages: Sequence[str], jobs: Mapping[str, Node], job: Node) -> None:
    seen: set[str] = set()
    twice: list[str] = []
    for name, place in job.needs or ():
        _check_one(stages, jobs, job, name, place, "need")
        if name in seen and name not in twice:
            twice.append(name)
        seen.add(name)
    if twice:
        message = f"{job.name} has the following needs duplicated: {', '.join(twice)}."
        raise PipelineError(message, *job.position)
    if job.needs and len(job.needs) > MAX_NEEDS:
        message = (
            f"{job.name}: one job can only need {MAX_NEEDS} others, but you have listed {len(job.needs)}. "
            "See needs keyword documentation for more details"
        )
        raise PipelineError(message, *job.position)


def _check_one(
    stages: Sequence[str], jobs: Mapping[str, Node], job: Node, name: str, place: Position, kind: str
) -> None:
    other = jobs.get(name)
    if other is None:
        hint = "the name must be that of a job of this pipeline; hidden jobs are none"
        raise PipelineError(f"{job.name} job: undefined {kind}: {name}", *place, hint=hint)
    if other.stage in stages and stages.index(other.stage) > stages.index(job.stage):
        message = f"{job.name} job: {kind} {name} is not defined in current or prior stages"
        raise PipelineError(message, *place)


def _check_circles(jobs: Mapping[str, Node]) -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for job in jobs.values():
        names = [name for name, _ in job.needs or ()]
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
