"""A planned job to the body a runner gets for it (gitlab-ci-yml.md 7, runner-api.md 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.ci.checks.entry import flat_strings
from pyrunner.ci.event import Event
from pyrunner.ci.layers import Layers
from pyrunner.ci.outputs import artifact_entries, cache_entries
from pyrunner.ci.plan import PlannedJob
from pyrunner.ci.planning import environment_variables
from pyrunner.ci.predefined import job_variables
from pyrunner.ci.releases import release_script
from pyrunner.ci.repository import Repository
from pyrunner.ci.tree import Map, as_text, flatten
from pyrunner.ci.variables import expanded
from pyrunner.protocol.variables import Variable

_DEFAULT_DEPTH: Final = 20
#: What a coordinator of today understands (runner-api.md 5.9).
FAILURE_REASONS: Final = (
    "unknown_failure",
    "script_failure",
    "api_failure",
    "runner_system_failure",
    "runner_unsupported",
    "job_execution_timeout",
    "trace_size_exceeded",
    "runner_configuration_error",
    "runner_external_dependency_failure",
    "runner_interrupted",
)


@dataclass(frozen=True, slots=True)
class RunnerFacts:
    """The runner that takes the job."""

    id: int = 0
    description: str = ""
    tags: tuple[str, ...] = ()
    short_token: str = ""
    uuid: str = ""
    #: Seconds; 0: no limit of its own.
    maximum_timeout: int = 0


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is only known when a job is given to a runner.

    :param git_info: the whole ``git_info`` of the payload; None: made from ``repo_url``.
    :param dependencies: the entries of the payload's ``dependencies``, in order.
    :param dotenv: variables from the reports of the jobs whose artifacts are fetched.
    :param manual_variables: given when a manual job was played.
    :param id_tokens: values by name; those not here are left out.
    :param release: add the step that makes the release.
    """

    job_id: int
    token: str
    pipeline_id: int
    repo_url: str = ""
    started_at: str = ""
    runner: RunnerFacts = RunnerFacts()
    git_info: Mapping[str, Any] | None = None
    dependencies: Sequence[Mapping[str, Any]] = ()
    credentials: Sequence[Mapping[str, Any]] = ()
    dotenv: Sequence[Variable] = ()
    manual_variables: Sequence[Variable] = ()
    id_tokens: Mapping[str, str] = field(default_factory=dict)
    release: bool = False
    failure_reasons: Sequence[str] = FAILURE_REASONS
    time_in_queue: float = 0.0


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


def payload_variables(job: PlannedJob, facts: JobFacts) -> list[Variable]:
    """Return all layers in the order of the payload, references followed (5.1, 5.3)."""
    event = job.event
    layers = Layers(event, job.pipeline_name)
    environment = environment_variables(job.environment) if job.environment else []
    predefined = [*job_variables(job.instance, job.stage, job.when), *environment[:3]]
    scope = job.environment.name if job.environment else None
    below = [*layers.pipeline_layers(), *_runner_variables(facts.runner)]
    return expanded(
        [
            *_persisted(job, facts),
            *_id_tokens(job, facts),
            *predefined,
            *below,
            *job.variables.values(),
            *layers.user,
            *facts.dotenv,
            *event.secrets(scope),
            *event.pipeline_variables,
            *event.schedule_variables,
            *facts.manual_variables,
            *environment[3:],
        ]
    )


def _persisted(job: PlannedJob, facts: JobFacts) -> list[Variable]:
    project = job.event.project
    url = project.url or f"{project.server_url}/{project.path}"
    public = {
        "CI_PIPELINE_ID": str(facts.pipeline_id),
        "CI_PIPELINE_URL": f"{url}/-/pipelines/{facts.pipeline_id}",
        "CI_JOB_ID": str(facts.job_id),
        "CI_JOB_URL": f"{url}/-/jobs/{facts.job_id}",
    }
    variables = [Variable(key, value, public=True) for key, value in public.items()]
    variables.append(Variable("CI_JOB_TOKEN", facts.token, masked=True, raw=True))
    if facts.started_at:
        variables.append(Variable("CI_JOB_STARTED_AT", facts.started_at, public=True))
    if project.registry:
        variables.append(Variable("CI_REGISTRY_USER", "gitlab-ci-token", public=True))
        variables.append(Variable("CI_REGISTRY_PASSWORD", facts.token, masked=True, raw=True))
    if facts.repo_url:
        variables.append(Variable("CI_REPOSITORY_URL", facts.repo_url, raw=True))
    return variables


def _id_tokens(job: PlannedJob, facts: JobFacts) -> list[Variable]:
    declared = job.options.get("id_tokens") or {}
    return [
        Variable(name, facts.id_tokens[name], masked=True, raw=True)
        for name in map(as_text, declared)
        if name in facts.id_tokens
    ]


def _runner_variables(runner: RunnerFacts) -> list[Variable]:
    if not runner.id:
        return []
    pairs = {
        "CI_RUNNER_ID": str(runner.id),
        "CI_RUNNER_DESCRIPTION": runner.description,
        "CI_RUNNER_TAGS": json.dumps(list(runner.tags)),
        "CI_RUNNER_SHORT_TOKEN": runner.short_token,
    }
    return [Variable(key, value, public=True) for key, value in pairs.items()]


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
