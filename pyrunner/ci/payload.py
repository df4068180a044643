"""A planned job to the body a runner gets for it (gitlab-ci-yml.md 7, runner-api.md 3)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from pyrunner.ci.checks.entry import flat_strings
from pyrunner.ci.event import Event
from pyrunner.ci.facts import JobFacts
from pyrunner.ci.outputs import artifact_entries, cache_entries
from pyrunner.ci.plan import PlannedJob
from pyrunner.ci.releases import release_script
from pyrunner.ci.repository import Repository
from pyrunner.ci.sent_variables import payload_variables
from pyrunner.ci.tree import Map, as_text, flatten
from pyrunner.protocol.variables import Variable

_DEFAULT_DEPTH: Final = 20


def make_payload(job: PlannedJob, facts: JobFacts, repository: Repository) -> dict[str, Any]:
    """Return the body of the answer to a job request; a trigger job has none and must not come here."""
    event, project, options = job.event, job.event.project, job.options
    timeout = job.timeout or project.timeout
    if 0 < facts.runner.maximum_timeout < timeout:
        timeout = facts.runner.maximum_timeout
    variables = payload_variables(job, facts)
    protected = event.is_protected if project.separate_caches else None
    payload: dict[str, Any] = {
        "id": facts.job_id,
        "token": facts.token,
        "allow_git_fetch": project.allow_git_fetch,
        "job_info": _job_info(job, facts),
        "git_info": dict(facts.git_info)
        if facts.git_info is not None
        else make_git_info(event, facts.repo_url, facts.pipeline_id, _depth(variables)),
        "runner_info": {"uuid": facts.runner.uuid, "timeout": timeout, "runner_session_url": None},
        "inputs": _inputs(options.get("inputs")),
        "variables": [_wire(one) for one in variables],
        "image": image_entry(options.get("image")),
        "services": [
            entry for one in flatten(options.get("services") or [], 10) or [] if (entry := image_entry(one))
        ],
        "artifacts": artifact_entries(job.name, options),
        "cache": cache_entries(
            options.get("cache"), repository, counter=project.cache_counter, protected=protected
        ),
        "credentials": [dict(one) for one in facts.credentials],
        "dependencies": [dict(one) for one in facts.dependencies],
        "features": {"trace_sections": True, "failure_reasons": list(facts.failure_reasons)},
        "hooks": [
            {"name": name, "script": flat_strings(script)}
            for name, script in (options.get("hooks") or {}).items()
            if script is not None
        ],
    }
    if options.get("run") is not None:
        payload["run"] = json.dumps(options["run"])
    else:
        payload["steps"] = _steps(options, timeout, facts.release)
    return payload


def _steps(options: Map, timeout: int, release: bool) -> list[dict[str, Any]]:
    before, script = (flat_strings(options.get(key) or []) or [] for key in ("before_script", "script"))
    steps = [_step("script", [*before, *script], timeout)]
    if release and options.get("release") is not None:
        steps.append(_step("release", [release_script(options["release"])], timeout))
    after = options.get("after_script")
    if after is not None:
        step = _step("after_script", flat_strings(after) or [], timeout)
        steps.append({**step, "when": "always", "allow_failure": True})
    return steps


def _step(name: str, script: list[str], timeout: int) -> dict[str, Any]:
    return {
        "name": name,
        "script": script,
        "timeout": timeout,
        "when": "on_success",
        "allow_failure": False,
    }


def image_entry(written: Any) -> dict[str, Any] | None:
    """Return ``image`` or a service as the payload carries it; None without a name (7.3)."""
    if isinstance(written, str):
        return {"name": written, "ports": [], "executor_opts": {}} if written else None
    if not isinstance(written, Map):
        return None
    policy = written.get("pull_policy")
    entry: dict[str, Any] = {
        "name": written["name"],
        "entrypoint": written.get("entrypoint"),
        "ports": [],
        "executor_opts": {key: written[key] for key in ("docker", "kubernetes") if written.get(key)},
        "pull_policy": [policy] if isinstance(policy, str) else policy,
    }
    for key in ("alias", "command"):
        if written.get(key) is not None:
            entry[key] = written[key]
    if written.get("variables") is not None:
        pairs = written["variables"].items()
        entry["variables"] = [{"key": as_text(key), "value": as_text(value)} for key, value in pairs]
    return entry


def _inputs(written: Any) -> list[dict[str, Any]]:
    if not isinstance(written, Map):
        return []
    return [
        {
            "key": as_text(name),
            "value": {"type": one.get("type") or "string", "content": one.get("default")},
        }
        for name, one in written.items()
    ]


def _job_info(job: PlannedJob, facts: JobFacts) -> dict[str, Any]:
    project = job.event.project
    return {
        "id": facts.job_id,
        "name": job.name,
        "stage": job.stage,
        "pipeline_id": facts.pipeline_id,
        "project_id": project.number,
        "project_name": project.name,
        "project_full_path": project.path,
        "namespace_id": project.namespace_number,
        "root_namespace_id": project.namespace_number,
        "organization_id": 1,
        "user_id": job.event.user.id,
        "time_in_queue_seconds": facts.time_in_queue,
        "project_jobs_running_on_instance_runners_count": "+Inf",
        "queue_size": 0,
        "queue_depth": 0,
    }


def _depth(variables: Sequence[Variable]) -> int:
    written = next((one.value for one in reversed(variables) if one.key == "GIT_DEPTH"), "")
    return int(written) if written.isascii() and written.isdigit() else _DEFAULT_DEPTH


def make_git_info(event: Event, repo_url: str, pipeline_id: int, depth: int) -> dict[str, Any]:
    """Return ``git_info``; the coordinator has to serve ``refs/pipelines/<id>`` (7.1)."""
    refspecs = [f"+refs/pipelines/{pipeline_id}:refs/pipelines/{pipeline_id}"]
    if depth == 0:
        refspecs += ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
    elif event.kind == "tag":
        refspecs.append(f"+refs/tags/{event.ref}:refs/tags/{event.ref}")
    elif event.kind == "branch":
        refspecs.append(f"+refs/heads/{event.ref}:refs/remotes/origin/{event.ref}")
    return {
        "repo_url": repo_url,
        "ref": event.git_ref,
        "sha": event.commit.sha,
        "before_sha": event.commit.before_sha,
        "ref_type": "tag" if event.kind == "tag" else "branch",
        "refspecs": refspecs,
        "depth": depth,
        "repo_object_format": event.commit.object_format,
        "protected": event.is_protected,
    }


def _wire(variable: Variable) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "key": variable.key,
        "value": variable.value,
        "public": variable.public,
        "masked": variable.masked,
    }
    if variable.file:
        entry["file"] = True
    if variable.raw:
        entry["raw"] = True
    return entry
