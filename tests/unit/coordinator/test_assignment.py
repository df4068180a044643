"""Who gets which job, and which jobs nobody gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.assignment import next_job, required_features
from pyrunner.coordinator.jobs import make_payload
from pyrunner.coordinator.records import Artifact, JobStatus, ManagerRecord, RunnerRecord
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.coordinator.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path, CoordinatorSettings())


def manager_of(store: Store, runner: RunnerRecord, **features: bool) -> ManagerRecord:
    """Return a manager with these features."""
    return store.manager(runner, "s_1", {"features": features})


def archive(path: Path) -> Artifact:
    """Return a stored archive."""
    return Artifact("archive", "zip", "artifacts.zip", path, 12, "0" * 64)


def test_the_oldest_job_comes_first_and_once(store: Store) -> None:
    """The queue is drained in order."""
    runner = store.add_runner()
    manager = manager_of(store, runner)
    store.add_job(make_payload(1))
    store.add_job(make_payload(2))
    taken = [next_job(store, runner, manager) for _ in range(3)]
    assert [job.id if job else None for job in taken] == [1, 2, None]


def test_a_job_waits_for_its_runner(store: Store) -> None:
    """Another runner passes it by."""
    mine, other = store.add_runner("a"), store.add_runner("b")
    store.add_job(make_payload(1), mine.id)
    assert next_job(store, other, manager_of(store, other)) is None
    job = next_job(store, mine, manager_of(store, mine))
    assert job is not None
    assert job.state is JobStatus.RUNNING


def test_two_phase_commit_needs_both_sides(store: Store) -> None:
    """With the setting and the feature the job stays pending (1.7)."""
    store.settings.two_phase_commit = True
    runner = store.add_runner()
    for job_id, feature in ((1, True), (2, False)):
        store.add_job(make_payload(job_id))
        job = next_job(store, runner, manager_of(store, runner, two_phase_job_commit=feature))
        assert job is not None
        assert job.waiting is feature
        assert (job.state is JobStatus.PENDING) is feature


@pytest.mark.parametrize(
    ("arguments", "feature"),
    [
        ({"artifacts": {"artifact_type": "junit", "artifact_format": "gzip"}}, "upload_multiple_artifacts"),
        ({"artifacts": {"paths": ["a"], "exclude": ["b"]}}, "artifacts_exclude"),
        ({"ref": "refs/merge-requests/1/head"}, "refspecs"),
        ({"steps": [{"name": "script"}, {"name": "release"}]}, "multi_build_steps"),
        ({"cache": [{"fallback_keys": ["x"]}]}, "fallback_cache_keys"),
        ({"secrets": {"A": {"vault": {}}}}, "vault_secrets"),
    ],
)
def test_a_job_that_the_runner_cannot_do_is_dropped(
    store: Store, arguments: dict[str, Any], feature: str
) -> None:
    """`runner_unsupported` without the feature, assigned with it (2.4)."""
    assert required_features(make_payload(1, **arguments)) == {feature}
    runner = store.add_runner()
    dropped = store.add_job(make_payload(1, **arguments))
    assert next_job(store, runner, manager_of(store, runner)) is None
    assert (dropped.state, dropped.failure_reason) == (JobStatus.FAILED, "runner_unsupported")
    store.add_job(make_payload(2, **arguments))
    assert next_job(store, runner, manager_of(store, runner, **{feature: True})) is not None


def test_dependencies_name_the_archive_that_is_there(store: Store, tmp_path: Path) -> None:
    """File name and size are filled in when the job is handed out (3.11)."""
    runner = store.add_runner()
    source = store.add_job(make_payload(1))
    next_job(store, runner, manager_of(store, runner))
    source.artifacts["archive"] = archive(tmp_path)
    store.add_job(make_payload(2, dependencies=[1]))
    job = next_job(store, runner, manager_of(store, runner))
    assert job is not None
    assert job.payload["dependencies"][0]["artifacts_file"] == {"filename": "artifacts.zip", "size": 12}


def test_a_promised_archive_that_is_gone_drops_the_job(store: Store) -> None:
    """`missing_dependency_failure` (1.7)."""
    runner = store.add_runner()
    store.add_job(make_payload(1))
    next_job(store, runner, manager_of(store, runner))
    promised = {"id": 1, "artifacts_file": {"filename": "artifacts.zip", "size": 3}}
    job = store.add_job(make_payload(2, dependencies=[promised]))
    assert next_job(store, runner, manager_of(store, runner)) is None
    assert job.failure_reason == "missing_dependency_failure"
