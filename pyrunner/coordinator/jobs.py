"""Realistic job payloads: what GitLab would answer to a job request (runner-api.md 3)."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pyrunner.coordinator.predefined import Commit, JobFacts, predefined_variables

#: Reasons that a current GitLab accepts (runner-api.md 5.9).
FAILURE_REASONS: Final = (
    "unknown_failure",
    "script_failure",
    "api_failure",
    "stuck_or_timeout_failure",
    "runner_system_failure",
    "missing_dependency_failure",
    "runner_unsupported",
    "scheduler_failure",
    "data_integrity_failure",
    "job_execution_timeout",
    "job_execution_server_timeout",
    "no_updates_running",
    "trace_size_exceeded",
    "job_token_expired",
    "job_router_failure",
    "runner_configuration_error",
    "runner_external_dependency_failure",
    "runner_interrupted",
)

#: One variable: its value, or the whole object as in 3.5.
VariableLike = str | Mapping[str, Any]


def make_payload(
    job_id: int,
    script: Sequence[str] = ("echo hello",),
    *,
    after_script: Sequence[str] | None = None,
    variables: Mapping[str, VariableLike] | Sequence[Mapping[str, Any]] = (),
    token: str = "",
    name: str = "test",
    stage: str = "test",
    server_url: str = "http://127.0.0.1",
    project: str = "group/project",
    project_id: int = 1,
    pipeline_id: int = 0,
    repo_url: str = "",
    commit: Commit | None = None,
    ref: str = "main",
    tag: bool = False,
    default_branch: str = "main",
    protected: bool = False,
    depth: int = 20,
    timeout: int = 3600,
    image: str | Mapping[str, Any] | None = None,
    services: Sequence[str | Mapping[str, Any]] = (),
    artifacts: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    cache: Sequence[Mapping[str, Any]] = (),
    dependencies: Sequence[int | Mapping[str, Any]] = (),
    hooks: Mapping[str, Sequence[str]] | None = None,
    allow_failure: bool = False,
    allow_git_fetch: bool = True,
    failure_reasons: Iterable[str] = FAILURE_REASONS,
    **overrides: Any,
) -> dict[str, Any]:
    """Return the payload of one job.

    Without ``repo_url`` the job has no sources: a variable ``GIT_STRATEGY=none`` says so. Entries of
    ``artifacts``, ``cache`` and ``services`` need only name what differs from GitLab's defaults;
    ``dependencies`` may be job ids. ``overrides`` replace whole top-level keys; None removes one.

    :param timeout: of the job, seconds.
    :param depth: ``GIT_DEPTH``; 0 is the full history.
    """
    commit = commit or Commit()
    pipeline_id = pipeline_id or 1000 + job_id
    token = token or new_job_token()
    picture = _image(image) if image is not None else None
    facts = JobFacts(
        job_id=job_id,
        token=token,
        name=name,
        stage=stage,
        server_url=server_url.rstrip("/"),
        project_path=project,
        project_id=project_id,
        pipeline_id=pipeline_id,
        ref=ref,
        tag=tag,
        default_branch=default_branch,
        protected=protected,
        commit=commit,
        timeout=timeout,
        image=picture["name"] if picture else "",
    )
    user_variables = _variables(variables)
    if not repo_url and not any(one["key"] == "GIT_STRATEGY" for one in user_variables):
        user_variables.insert(0, {"key": "GIT_STRATEGY", "value": "none", "public": True, "masked": False})
    payload: dict[str, Any] = {
        "id": job_id,
        "token": token,
        "allow_git_fetch": allow_git_fetch,
        "job_info": _job_info(facts),
        "git_info": _git_info(facts, repo_url, depth),
        "runner_info": {"uuid": str(uuid.uuid4()), "timeout": timeout, "runner_session_url": None},
        "inputs": [],
        "variables": predefined_variables(facts) + user_variables,
        "steps": _steps(script, after_script, timeout, allow_failure),
        "hooks": [{"name": hook, "script": list(lines)} for hook, lines in (hooks or {}).items()],
        "image": picture,
        "services": [_service(one) for one in services],
        "artifacts": _artifacts(artifacts),
        "cache": [_cache(one) for one in cache],
        "credentials": [
            {
                "type": "registry",
                "url": urlsplit(facts.server_url).netloc,
                "username": "gitlab-ci-token",
                "password": token,
            }
        ],
        "dependencies": [_dependency(one, token) for one in dependencies],
        "features": {
            "trace_sections": True,
            "token_mask_prefixes": [],
            "failure_reasons": list(failure_reasons),
        },
        "secrets": {},
        "policy_options": None,
    }
    payload.update(overrides)
    return {key: value for key, value in payload.items() if key not in overrides or value is not None}


def new_job_token() -> str:
    """Return a fresh job token of GitLab's shape."""
    return f"glcbt-64_{secrets.token_hex(10)}"


def authenticated(repo_url: str, token: str) -> str:
    """Return ``repo_url`` with the credentials GitLab puts into it."""
    parts = urlsplit(repo_url)
    return parts._replace(netloc=f"gitlab-ci-token:{token}@{parts.netloc.rpartition('@')[2]}").geturl()


def _job_info(facts: JobFacts) -> dict[str, Any]:
    return {
        "id": facts.job_id,
        "name": facts.name,
        "stage": facts.stage,
        "pipeline_id": facts.pipeline_id,
        "project_id": facts.project_id,
        "project_name": facts.project_path.rpartition("/")[2],
        "project_full_path": facts.project_path,
        "namespace_id": 1,
        "root_namespace_id": 1,
        "organization_id": 1,
        "instance_id": "9d2f0c55",
        "instance_uuid": "0f4c1f0e-5d0a-4c41-9a5d-0d7a6a3d2b11",
        "user_id": 1,
        "scoped_user_id": None,
        "time_in_queue_seconds": 0.5,
        "project_jobs_running_on_instance_runners_count": "+Inf",
        "queue_size": 1,
        "queue_depth": 1,
    }


def _git_info(facts: JobFacts, repo_url: str, depth: int) -> dict[str, Any]:
    kind = "tag" if facts.tag else "branch"
    refspecs = [f"+refs/pipelines/{facts.pipeline_id}:refs/pipelines/{facts.pipeline_id}"]
    if depth == 0:
        refspecs += ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
    elif facts.tag:
        refspecs.append(f"+refs/tags/{facts.ref}:refs/tags/{facts.ref}")
    elif not facts.ref.startswith("refs/"):
        refspecs.append(f"+refs/heads/{facts.ref}:refs/remotes/origin/{facts.ref}")
    return {
        "repo_url": authenticated(repo_url or f"{facts.server_url}/{facts.project_path}.git", facts.token),
        "repo_object_format": "sha256" if len(facts.commit.sha) == 64 else "sha1",
        "ref": facts.ref,
        "sha": facts.commit.sha,
        "before_sha": facts.commit.before_sha,
        "ref_type": kind,
        "refspecs": refspecs,
        "depth": depth,
        "protected": facts.protected,
    }


def _steps(
    script: Sequence[str], after_script: Sequence[str] | None, timeout: int, allow_failure: bool
) -> list[dict[str, Any]]:
    steps = [
        {
            "name": "script",
            "script": list(script),
            "timeout": timeout,
            "when": "on_success",
            "allow_failure": allow_failure,
        }
    ]
    if after_script:
        steps.append(
            {
                "name": "after_script",
                "script": list(after_script),
                "timeout": timeout,
                "when": "always",
                "allow_failure": True,
            }
        )
    return steps


def _variables(variables: Mapping[str, VariableLike] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    pairs: Iterable[Mapping[str, Any]]
    if isinstance(variables, Mapping):
        pairs = [
            {"key": key, **(value if isinstance(value, Mapping) else {"value": value})}
            for key, value in variables.items()
        ]
    else:
        pairs = variables
    return [{"public": True, "masked": False, **one} for one in pairs]


def _image(image: str | Mapping[str, Any]) -> dict[str, Any]:
    given = {"name": image} if isinstance(image, str) else image
    empty: dict[str, Any] = {"entrypoint": None, "executor_opts": {}, "ports": [], "pull_policy": None}
    return {**empty, **given}


def _service(service: str | Mapping[str, Any]) -> dict[str, Any]:
    return {"alias": None, "command": None, "variables": None, **_image(service)}


def _artifacts(
    artifacts: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
) -> list[dict[str, Any]] | None:
    if artifacts is None:
        return None
    entries = [artifacts] if isinstance(artifacts, Mapping) else artifacts
    defaults: dict[str, Any] = {
        "name": None,
        "untracked": False,
        "paths": [],
        "when": "on_success",
        "expire_in": None,
        "artifact_type": "archive",
        "artifact_format": "zip",
    }
    return [{**defaults, **one} for one in entries]


def _cache(cache: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "key": "default-non_protected",
        "untracked": False,
        "paths": [],
        "policy": "pull-push",
        "when": "on_success",
        "fallback_keys": [],
    }
    return {**defaults, **cache}


def _dependency(dependency: int | Mapping[str, Any], token: str) -> dict[str, Any]:
    if isinstance(dependency, int):
        return {"id": dependency, "name": f"job-{dependency}", "token": token}
    return {"token": token, **dependency}
