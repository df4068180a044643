"""Build contexts for tests: a small payload and runner entry, changed by what a test is about."""

from __future__ import annotations

from typing import Any

from pyrunner.build.context import BuildContext
from pyrunner.executors.traits import SHELL_TRAITS, ExecutorTraits
from pyrunner.jobdir.record import JobRecord, TLSData

DOCKER_LIKE = ExecutorTraits(
    name="docker",
    shared=False,
    safe_directory=True,
    custom_build_dir=True,
    clean_git_config=True,
    login_shell=False,
    shows_host_name=True,
)
SHA = "1a2b3c4d" + "0" * 32


def payload(**changes: Any) -> dict[str, Any]:
    """Return a job payload with one ``script`` step."""
    value: dict[str, Any] = {
        "id": 4711,
        "token": "glcbt-64_secret",
        "allow_git_fetch": True,
        "job_info": {"name": "test", "project_id": 7},
        "git_info": {
            "repo_url": "https://gitlab-ci-token:glcbt-64_secret@gitlab.example.com/group/app.git",
            "ref": "main",
            "sha": SHA,
            "refspecs": ["+refs/heads/main:refs/remotes/origin/main"],
            "depth": 20,
        },
        "runner_info": {"timeout": 3600},
        "variables": [{"key": "CI_PROJECT_PATH", "value": "group/app", "public": True}],
        "steps": [{"name": "script", "script": ["echo hello"]}],
        "features": {"trace_sections": True},
    }
    git = changes.pop("git_info", {})
    value["git_info"].update(git)
    value["variables"] += changes.pop("variables", [])
    value.update(changes)
    return value


def variable(key: str, value: str, **flags: bool) -> dict[str, Any]:
    """Return one variable of a payload."""
    return {"key": key, "value": value, **flags}


def build_context(
    source: str = "/builds/app",
    *,
    job: dict[str, Any] | None = None,
    runner: dict[str, Any] | None = None,
    traits: ExecutorTraits = SHELL_TRAITS,
    tls: TLSData | None = None,
    login_dump: str | None = None,
) -> BuildContext:
    """Return the context of :func:`payload` on a shell runner."""
    entry = {"name": "desk", "url": "https://gitlab.example.com/", "token": "glrt-t1_abcdefghijkl"}
    record = JobRecord(
        payload=job or payload(),
        runner={**entry, "executor": traits.name, **(runner or {})},
        executor_id=3,
        concurrent_project_id=1,
        system_id="s_1234567890ab",
        correlation_id="01J00000CORRELATION",
        source=source,
        cache="/cache/app",
        tls=tls or TLSData(),
    )
    return BuildContext.create(record, traits, login_dump)
