"""Which jobs of a pipeline are run, and which count as done."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.ci.slugs import group_name
from pyrunner.cli.exec.lastrun import LastRun
from pyrunner.coordinator.records import Artifact
from pyrunner.errors import UsageError


@dataclass(frozen=True, slots=True)
class Chosen:
    """A pipeline of the chosen jobs.

    :param auto_play: manual and delayed jobs that start as soon as they may.
    :param done: jobs that passed in the last run, with what they left.
    :param in_children: names of jobs to play in child pipelines, which are not known yet.
    """

    pipeline: Pipeline
    auto_play: frozenset[str] = frozenset()
    done: Mapping[str, Collection[Artifact]] = field(default_factory=dict)
    in_children: tuple[str, ...] = ()


def choose(
    pipeline: Pipeline,
    names: Iterable[str],
    *,
    with_needs: bool,
    manual: Iterable[str],
    only_failed: bool,
    last: LastRun | None,
) -> Chosen:
    """Return what to run.

    :param names: jobs as the user calls them; none: all.
    :param manual: jobs to play, likewise.
    :raises UsageError: for a name that no job has, and a last run that is missing.
    """
    manual = tuple(manual)
    has_children = any(job.trigger is not None and job.trigger.includes for job in pipeline.jobs)
    known = [job.name for job in pipeline.jobs]
    played = frozenset(
        one
        for name in manual
        for one in (named_jobs(known, name) if has_children else find_jobs(pipeline, name))
    )
    chosen = _chosen(pipeline, names, played, with_needs=with_needs, only_failed=only_failed, last=last)
    return replace(chosen, in_children=manual if has_children else ())


def _chosen(
    pipeline: Pipeline,
    names: Iterable[str],
    played: frozenset[str],
    *,
    with_needs: bool,
    only_failed: bool,
    last: LastRun | None,
) -> Chosen:
    if only_failed:
        return _failed(pipeline, played, last)
    wanted = frozenset(one for name in names for one in find_jobs(pipeline, name))
    if not wanted:
        return Chosen(pipeline, played)
    wanted |= played
    running = _closure(pipeline, wanted) if with_needs else wanted
    done: dict[str, Collection[Artifact]] = {}
    if not with_needs and last is not None:
        used = {one for job in pipeline.jobs if job.name in wanted for one in _before(job)}
        done = {name: last.artifacts(name) for name in used - running if last.passed(name)}
    return Chosen(_only(pipeline, running | set(done)), played | wanted, done)


def _failed(pipeline: Pipeline, played: frozenset[str], last: LastRun | None) -> Chosen:
    if last is None:
        raise UsageError("--only-failed: there is no earlier run of this working copy")
    pipeline = _only(pipeline, {job.name for job in pipeline.jobs if last.had(job.name)})
    done = {job.name: last.artifacts(job.name) for job in pipeline.jobs if last.passed(job.name)}
    if len(done) == len(pipeline.jobs):
        raise UsageError("--only-failed: all jobs of the last run passed")
    return Chosen(pipeline, played, done)


def find_jobs(pipeline: Pipeline, name: str) -> list[str]:
    """Return the jobs that a name means: itself, all of a parallel job, or those a pattern fits.

    :raises UsageError: when there is none; it says why one is left out, or what was meant perhaps.
    """
    names = [job.name for job in pipeline.jobs]
    if found := named_jobs(names, name):
        return found
    for left_out in pipeline.left_out:
        if name in (left_out.name, group_name(left_out.name)):
            raise UsageError(f"{name} is not in this pipeline: {left_out.reason}")
    near = difflib.get_close_matches(name, dict.fromkeys([*names, *map(group_name, names)]), 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else "; --list shows them"
    raise UsageError(f"there is no job {name}{hint}")


def named_jobs(names: Sequence[str], name: str) -> list[str]:
    """Return those of ``names`` that a name means, which may be none; see :func:`find_jobs`."""
    found = [one for one in names if one == name]
    found = found or [one for one in names if group_name(one) == name]
    return found or [one for one in names if fnmatch.fnmatchcase(one, name)]


def _before(job: PlannedJob) -> set[str]:
    return {*job.waits_for, *job.artifacts_from}


def _closure(pipeline: Pipeline, wanted: frozenset[str]) -> frozenset[str]:
    """Return the jobs and all that they wait for.

    Of the earlier stages, what only runs when somebody plays it, or after a failure, is left out.
    """
    by_name = {job.name: job for job in pipeline.jobs}
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        job = by_name[waiting.pop()]
        if job.name in found:
            continue
        found.add(job.name)
        for name in job.waits_for:
            if job.by_needs or by_name[name].when not in ("manual", "on_failure"):
                waiting.append(name)
    return frozenset(found)


def _only(pipeline: Pipeline, names: Collection[str]) -> Pipeline:
    """Return the pipeline without all other jobs; what waits for those does not any more."""
    jobs = []
    for job in pipeline.jobs:
        if job.name not in names:
            continue
        needs = None if job.needs is None else tuple(one for one in job.needs if one.name in names)
        jobs.append(
            replace(
                job,
                needs=needs,
                waits_for=tuple(one for one in job.waits_for if one in names),
                artifacts_from=tuple(one for one in job.artifacts_from if one in names),
            )
        )
    stages = tuple(stage for stage in pipeline.stages if any(job.stage == stage for job in jobs))
    return replace(pipeline, jobs=tuple(jobs), stages=stages)
