"""What a pipeline is, without running it: ``--list``, ``--graph``, ``--dry-run``, ``--preview``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.cli.exec.words import seconds


def tree(pipeline: Pipeline) -> Iterator[str]:
    """Yield the jobs below their stages."""
    yield f"{pipeline.name or 'pipeline'} ({pipeline.event.source}, {pipeline.event.ref})"
    for index, stage in enumerate(pipeline.stages):
        last_stage = index == len(pipeline.stages) - 1
        yield f"{'└' if last_stage else '├'}── {stage}"
        jobs = [one for one in pipeline.jobs if one.stage == stage]
        for number, job in enumerate(jobs):
            branch = "└" if number == len(jobs) - 1 else "├"
            words = _remarks(job)
            yield f"{' ' if last_stage else '│'}   {branch}── {job.name}" + (f"  ({words})" if words else "")


def _remarks(job: PlannedJob) -> str:
    words = []
    if job.when == "delayed":
        words.append(f"delayed by {seconds(job.start_in)}")
    elif job.when != "on_success":
        words.append(job.when.replace("_", " "))
    if job.by_needs:
        words.append("needs " + ", ".join(job.waits_for) if job.waits_for else "needs nothing")
    if job.allow_failure:
        words.append("may fail")
    if job.trigger is not None:
        words.append(f"triggers {job.trigger.project or job.trigger.mirrors or 'a child pipeline'}")
    return "; ".join(words)


def as_json(pipeline: Pipeline) -> str:
    """Return the pipeline for programs."""
    return json.dumps(
        {
            "name": pipeline.name,
            "source": pipeline.event.source,
            "ref": pipeline.event.ref,
            "stages": list(pipeline.stages),
            "jobs": [_job(one) for one in pipeline.jobs],
            "left_out": [
                {"name": one.name, "stage": one.stage, "reason": one.reason} for one in pipeline.left_out
            ],
        },
        indent=2,
    )


def _job(job: PlannedJob) -> dict[str, Any]:
    image = job.options.get("image")
    return {
        "name": job.name,
        "stage": job.stage,
        "when": job.when,
        "start_in": job.start_in,
        "allow_failure": job.allow_failure or list(job.exit_codes),
        "needs": None if job.needs is None else [one.name for one in job.needs],
        "waits_for": list(job.waits_for),
        "artifacts_from": list(job.artifacts_from),
        "image": image.get("name") if isinstance(image, dict) else image,
        "tags": list(job.tags),
        "environment": job.environment.name if job.environment else None,
        "resource_group": job.resource_group or None,
        "trigger": job.trigger is not None,
        "reason": job.reason,
        "file": job.position.file,
        "line": job.position.line,
    }


def reasons(pipeline: Pipeline, basis: str) -> Iterator[str]:
    """Yield for each job why it is in or out.

    :param basis: what the changed files were found by.
    """
    yield f"{pipeline.event.source} of {pipeline.event.ref}; changed files: {basis}"
    if pipeline.reason:
        yield f"workflow: {pipeline.reason}"
    if pipeline.refusal:
        yield pipeline.refusal
    names = [one.name for one in pipeline.jobs] + [one.name for one in pipeline.left_out]
    width = max(map(len, names), default=0)
    for job in pipeline.jobs:
        words = _remarks(job)
        yield f"in   {job.name:<{width}}  {job.reason}" + (f"  [{words}]" if words else "")
    for left_out in pipeline.left_out:
        yield f"out  {left_out.name:<{width}}  {left_out.reason}"


def graph(pipeline: Pipeline) -> Iterator[str]:
    """Yield a Mermaid flow chart: an arrow from each job to those that wait for it."""
    numbers = {job.name: f"j{index}" for index, job in enumerate(pipeline.jobs)}
    yield "flowchart LR"
    for index, stage in enumerate(pipeline.stages):
        yield f'  subgraph s{index}["{_quoted(stage)}"]'
        for job in pipeline.jobs:
            if job.stage == stage:
                yield f'    {numbers[job.name]}["{_quoted(job.name)}"]'
        yield "  end"
    for index in range(1, len(pipeline.stages)):
        if any(job.stage == pipeline.stages[index] and not job.by_needs for job in pipeline.jobs):
            yield f"  s{index - 1} --> s{index}"
    for job in pipeline.jobs:
        for name in job.waits_for if job.by_needs else ():
            yield f"  {numbers[name]} --> {numbers[job.name]}"


def _quoted(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
