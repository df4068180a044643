"""Which job a runner gets, and which jobs are dropped on the way (runner-api.md 1.7, 2.4)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pyrunner.coordinator.records import JobRecord, JobStatus, ManagerRecord, RunnerRecord
from pyrunner.coordinator.store import Store


def next_job(store: Store, runner: RunnerRecord, manager: ManagerRecord) -> JobRecord | None:
    """Take the oldest job this runner may have out of the queue and assign it.

    The caller holds ``store.changed``. Jobs that cannot run there are dropped with GitLab's reason.
    """
    for job_id in list(store.queue):
        job = store.jobs[job_id]
        if job.runner_id not in (None, runner.id):
            continue
        job.assigned_runner_id, job.system_id = runner.id, manager.system_id
        if any(not manager.has(feature) for feature in required_features(job.payload)):
            store.drop(job, "runner_unsupported")
            continue
        if not _fill_dependencies(store, job):
            store.drop(job, "missing_dependency_failure")
            continue
        _assign(store, job, manager)
        return job
    return None


def _assign(store: Store, job: JobRecord, manager: ManagerRecord) -> None:
    store.queue.remove(job.id)
    job.assigned = True
    job.heard_at = time.time()
    store.add_event(job, "assigned", detail=manager.system_id)
    if store.settings.two_phase_commit and manager.has("two_phase_job_commit"):
        store.await_acknowledgement(job)
    else:
        store.set_state(job, JobStatus.RUNNING)


def required_features(payload: dict[str, Any]) -> set[str]:
    """Return the runner features without which GitLab does not hand a job out (2.4)."""
    return set(_required(payload))


def _required(payload: dict[str, Any]) -> Iterator[str]:
    for artifact in payload.get("artifacts") or []:
        if artifact.get("artifact_type", "archive") != "archive":
            yield "upload_multiple_artifacts"
        if artifact.get("exclude"):
            yield "artifacts_exclude"
    if str((payload.get("git_info") or {}).get("ref", "")).startswith("refs/merge-requests/"):
        yield "refspecs"
    if any(step.get("name") == "release" for step in payload.get("steps") or []):
        yield "multi_build_steps"
    if any(cache.get("fallback_keys") for cache in payload.get("cache") or []):
        yield "fallback_cache_keys"
    if payload.get("secrets"):
        yield "vault_secrets"


def _fill_dependencies(store: Store, job: JobRecord) -> bool:
    """Name the archives of dependencies known here; False when one that was promised is gone."""
    for dependency in job.payload.get("dependencies") or []:
        source = store.jobs.get(dependency.get("id"))
        if source is None:
            continue
        archive = source.artifacts.get("archive")
        if archive is None and (dependency.get("artifacts_file") or {}).get("filename"):
            return False
        if archive is not None and "artifacts_file" not in dependency:
            dependency["artifacts_file"] = {"filename": archive.filename, "size": archive.size}
    return True
