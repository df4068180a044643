"""From the jobs as written to the nodes of the graph: ``parallel`` expanded, names rewritten.

gitlab-ci-yml.md 1.1 step 8, 3.6, 3.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pyrunner.ci.graph import Need, Node, StopJob
from pyrunner.ci.matrix import Instance, expand_parallel, selected_names
from pyrunner.ci.tree import Map, Position, Seq, as_text, flatten
from pyrunner.errors import PipelineError

_MATRIX_VALUE: Final = re.compile(r"\$\[\[\s*matrix\.(\w+)\s*\]\]")

#: The instances of every job, by the name it is written under; one that is not parallel has itself.
Instances = Mapping[str, list[Instance]]


def instances_of(jobs: Mapping[str, Map]) -> dict[str, list[Instance]]:
    """Return what each job becomes, in order; a job that is not parallel is its only instance."""
    return {
        name: [Instance(name, 0, 1)]
        if job.get("parallel") is None
        else expand_parallel(name, job["parallel"])
        for name, job in jobs.items()
    }


def graph_of(jobs: Mapping[str, Map], instances: Instances | None = None) -> dict[str, Node]:
    """Return the graph of jobs that passed their own checks, in order of writing.

    :raises PipelineError: for a value of a matrix that does not exist.
    """
    instances = instances_of(jobs) if instances is None else instances
    nodes: dict[str, Node] = {}
    for name, job in jobs.items():
        rules = flatten(job.get("rules") or [], 10) or []
        for one in instances[name]:
            nodes[one.name] = Node(
                one.name,
                job.get("stage") or "test",
                None if job.get("needs") is None else needs_of(job, one, instances),
                None if job.get("dependencies") is None else _dependencies(job, instances),
                job.position,
                tuple(need for rule in rules for need in needs_of(rule, one, instances)),
                job.place("stage"),
                _generators(job),
                _stop_job(job),
            )
    return nodes


def needs_of(holder: Map, instance: Instance, instances: Instances) -> tuple[Need, ...]:
    """Return the jobs that the ``needs`` of a job or a rule name; those of other pipelines are left out.

    :raises PipelineError: for a value of a matrix that does not exist.
    """
    written = holder.get("needs")
    found: list[Need] = []
    place = holder.place("needs")
    for one, at in _items(written, place):
        if isinstance(one, str):
            found += [Need(full, at) for full in _full_names(one, instances)]
        elif isinstance(one, Map) and "job" in one and "pipeline" not in one:
            artifacts, optional = one.get("artifacts") is not False, one.get("optional") is True
            found += [
                Need(full, one.place("job"), artifacts, optional)
                for full in _selected(one, instance, instances)
            ]
    return tuple(found)


def _items(written: Any, place: Position) -> Iterator[tuple[Any, Position]]:
    if written is None:
        return
    if not isinstance(written, Seq):
        yield written, place
        return
    for index, one in enumerate(written):
        if isinstance(one, list):
            yield from _items(one, written.place(index))
        else:
            yield one, written.place(index)


def _full_names(name: str, instances: Instances) -> list[str]:
    return [one.name for one in instances[name]] if name in instances else [name]


def _selected(need: Map, instance: Instance, instances: Instances) -> list[str]:
    name, parallel = as_text(need["job"]), need.get("parallel")
    if parallel is None or not _is_parallel(name, instances):
        return _full_names(name, instances)
    return selected_names(name, [_filled(row, instance) for row in parallel["matrix"]])


def _is_parallel(name: str, instances: Instances) -> bool:
    return name in instances and any(one.index for one in instances[name])


def _filled(row: Map, instance: Instance) -> Map:
    """Return a row of a needed matrix with ``$[[ matrix.X ]]`` replaced by the instance's own values."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in instance.variables:
            message = f"{instance.name} job: '{match[1]}' does not exist in matrix configuration"
            raise PipelineError(message, *row.position)
        return instance.variables[match[1]]

    def filled(one: Any) -> Any:
        return _MATRIX_VALUE.sub(value, one) if isinstance(one, str) else one

    made = Map(row.position)
    for key, one in row.items():
        made.put(key, [filled(item) for item in one] if isinstance(one, list) else filled(one), row.position)
    return made


def _dependencies(job: Map, instances: Instances) -> tuple[tuple[str, Position], ...]:
    place = job.place("dependencies")
    return tuple(
        (full, at) for name, at in _items(job["dependencies"], place) for full in _full_names(name, instances)
    )


def _generators(job: Map) -> tuple[tuple[str, Position], ...]:
    trigger = job.get("trigger")
    includes = trigger.get("include") if isinstance(trigger, Map) else None
    if not isinstance(includes, list):
        return ()
    return tuple(
        (as_text(one["job"]), one.place("job"))
        for one in includes
        if isinstance(one, Map) and "artifact" in one and "job" in one
    )


def _stop_job(job: Map) -> StopJob | None:
    environment = job.get("environment")
    if isinstance(environment, str):
        return StopJob(environment)
    if not isinstance(environment, Map):
        return None
    return StopJob(
        as_text(environment.get("name")),
        environment.get("action") or "start",
        environment.get("on_stop") or "",
        environment.place("on_stop"),
    )
