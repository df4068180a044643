"""Case folders of the compiler: an event and files in JSON, a pipeline as plain data to compare with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pyrunner.ci.compiler import Sources, compile_pipeline
from pyrunner.ci.event import Commit, Event, MergeRequest, Project, Setting
from pyrunner.ci.facts import JobFacts
from pyrunner.ci.files import Folder
from pyrunner.ci.payload import make_payload
from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.protocol.variables import Variable
from tests.support.known_files import KnownFiles


def event_of(case: dict[str, Any]) -> Event:
    """Return the event a case asks for: branch main, pushed, unless it says otherwise."""
    given = case.get("event", {})
    project = Project(path="group/project", separate_caches=given.get("separate_caches", False))
    settings = tuple(Setting(Variable(key, value)) for key, value in given.get("project", {}).items())
    variables = tuple(Variable(key, value) for key, value in given.get("variables", {}).items())
    event = Event(
        given.get("source", "push"),
        given.get("ref", "main"),
        given.get("tag", False),
        commit=Commit("a" * 40, message=given.get("message", "a title\n\nand more")),
        project=project,
        settings=(settings,),
        pipeline_variables=variables,
    )
    if "merge_request" not in given:
        return event
    request = MergeRequest(given["merge_request"], given.get("ref", "feature"))
    return replace(event, source="merge_request_event", ref=request.source_branch, merge_request=request)


def repository_of(case: dict[str, Any]) -> KnownFiles:
    """Return the files of a case; the list of changed ones is unknown unless it is given."""
    blobs = case.get("blobs", {})
    files = [*case.get("tree", []), *blobs]
    return KnownFiles(files, case.get("changed"), case.get("since", {}), blobs, case.get("commits", {}))


def compile_case(folder: Path, case: dict[str, Any]) -> Pipeline:
    """Return the pipeline of a variant of a case."""
    elsewhere = folder / "elsewhere"
    sources = Sources(Folder(folder), repository_of(case), Folder(elsewhere) if elsewhere.exists() else None)
    name = case.get("file", ".gitlab-ci.yml")
    text = (folder / name).read_text()
    return compile_pipeline(text, event_of(case), sources, name, case.get("inputs"))


def describe(job: PlannedJob, case: dict[str, Any]) -> dict[str, Any]:
    """Return all of a job that a case may speak about."""
    payload = make_payload(job, JobFacts(7, "token", 9, "http://host/p.git"), repository_of(case))
    sent = {one["key"]: one["value"] for one in payload["variables"]}
    steps = {one["name"]: one["script"] for one in payload.get("steps", [])}
    trigger = job.trigger
    return {
        "stage": job.stage,
        "when": job.when,
        "start_in": job.start_in,
        "allow_failure": job.allow_failure,
        "exit_codes": list(job.exit_codes),
        "needs": None if job.needs is None else [one.name for one in job.needs],
        "waits_for": list(job.waits_for),
        "artifacts_from": list(job.artifacts_from),
        "retry": job.retry.max,
        "timeout": job.timeout,
        "tags": list(job.tags),
        "interruptible": job.interruptible,
        "resource_group": job.resource_group,
        "variables": {one.key: one.value for one in job.variables.values()},
        "raw": [one["key"] for one in payload["variables"] if one.get("raw") and one["key"] in job.variables],
        "environment": job.environment.name if job.environment else None,
        "script": steps.get("script"),
        "after_script": steps.get("after_script"),
        "image": payload["image"]["name"] if payload["image"] else None,
        "services": [one["name"] for one in payload["services"]],
        "artifacts": payload["artifacts"],
        "paths": next((one["paths"] for one in payload["artifacts"] or [] if "paths" in one), None),
        "cache": payload["cache"],
        "cache_keys": [one["key"] for one in payload["cache"]],
        "sent": sent,
        "reason": job.reason,
        "triggers": None if trigger is None else (trigger.project or len(trigger.includes)),
    }


def summary(pipeline: Pipeline) -> list[str]:
    """Return a pipeline as lines that a person can review."""
    lines = [f"pipeline: {pipeline.name or '-'}  [{' > '.join(pipeline.stages)}]"]
    if pipeline.refusal:
        lines.append(f"refused: {pipeline.refusal}")
    for job in pipeline.jobs:
        words = [f"{job.stage}/{job.name}:"]
        words.append(job.when + (f" {job.start_in}s" if job.start_in else ""))
        words += ["may fail"] if job.allow_failure else []
        words += [f"may exit {', '.join(map(str, job.exit_codes))}"] if job.exit_codes else []
        if job.needs is not None:
            words.append(f"needs [{', '.join(job.waits_for)}]")
        if job.artifacts_from and (job.needs is not None or len(job.artifacts_from) != len(job.waits_for)):
            words.append(f"fetches [{', '.join(job.artifacts_from)}]")
        words += [f"env {job.environment.name} ({job.environment.tier})"] if job.environment else []
        words += [f"tags {list(job.tags)}"] if job.tags else []
        words += [f"retry {job.retry.max}"] if job.retry.max else []
        words += [f"timeout {job.timeout}"] if job.timeout else []
        words += [f"one of {job.resource_group}"] if job.resource_group else []
        words += [f"triggers {job.trigger.project or 'a child'}"] if job.trigger else []
        lines.append(" ".join(words) + f"  # {job.reason}")
    lines += [f"not {one.stage}/{one.name}  # {one.reason}" for one in pipeline.left_out]
    return lines
