"""Labels: gitlab-runner's, the file's, and ours, which nothing can take the place of."""

from __future__ import annotations

import pytest

from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.labels import (
    BUSINESS_LABEL,
    JOB_LABEL,
    PREFIX,
    ROLE_LABEL,
    Role,
    container_labels,
    job_labels,
    volume_labels,
)
from tests.support.contexts import SHA, variable
from tests.support.docker_jobs import docker_job


def test_gitlab_runners_labels() -> None:
    """All of docker-executor.md 10; the URL holds no token, the duration is Go's."""
    job = docker_job(job={"git_info": {"before_sha": "0" * 40}}, variables={"CI_PIPELINE_ID": "99"})
    labels = {key.removeprefix(PREFIX): value for key, value in job_labels(job).items() if PREFIX in key}
    assert labels == {
        "job.id": "4711",
        "job.url": "https://gitlab.example.com/group/app/-/jobs/4711",
        "job.sha": SHA,
        "job.before_sha": "0" * 40,
        "job.ref": "main",
        "job.timeout": "1h0m0s",
        "project.id": "7",
        "project.runner_id": "1",
        "pipeline.id": "99",
        "runner.id": job.runner.short_token,
        "runner.local_id": "2",
        "runner.system_id": "s_1234567890ab",
        "managed": "true",
    }


def test_the_payloads_pipeline_id_wins() -> None:
    """The variable serves coordinators that do not send it."""
    job = docker_job(
        job={"job_info": {"project_id": 7, "pipeline_id": 5}}, variables={"CI_PIPELINE_ID": "99"}
    )
    assert job_labels(job)[f"{PREFIX}pipeline.id"] == "5"


@pytest.mark.parametrize(
    ("role", "kind", "name"),
    [
        (Role.BUILD, "build", "build"),
        (Role.HELPER, "predefined", "helper"),
        (Role.SERVICE, "service", "service"),
        (Role.CHECK, "wait", "check"),
        (Role.PERMISSION, "cache-init", "permission"),
    ],
)
def test_roles(role: Role, kind: str, name: str) -> None:
    """gitlab-runner's word and ours."""
    labels = container_labels(docker_job(), role, {"wait": "x"})
    assert (labels[f"{PREFIX}type"], labels[ROLE_LABEL], labels[f"{PREFIX}wait"]) == (kind, name, "x")


def test_container_labels_see_the_payloads_variables_only() -> None:
    """On build, helper and service containers; services have them with the prefix, too."""
    job = docker_job(
        docker={"container_labels": {"team": "$TEAM-$OTHER", f"{PREFIX}managed": "no"}},
        job={"variables": [variable("TEAM", "core")]},
        variables={"OTHER": "x"},
    )
    for role in (Role.BUILD, Role.HELPER, Role.SERVICE):
        labels = container_labels(job, role)
        assert labels["team"] == "core-"
        assert labels[f"{PREFIX}managed"] == "no"
        assert (labels.get(f"{PREFIX}team") == "core-") is (role is Role.SERVICE)
    for role in (Role.CHECK, Role.PERMISSION):
        assert "team" not in container_labels(job, role)


def test_no_label_of_the_file_takes_the_place_of_ours() -> None:
    """What is found by our labels is removed: they have to be true."""
    wrong = dict.fromkeys((JOB_LABEL, BUSINESS_LABEL, ROLE_LABEL), "forged")
    job = docker_job(docker={"container_labels": wrong})
    labels = container_labels(job, Role.SERVICE)
    assert labels[JOB_LABEL] == job.marker
    assert labels[BUSINESS_LABEL] == business_label(job.record.business)
    assert labels[ROLE_LABEL] == "service"


def test_a_reusable_volume_belongs_to_no_job() -> None:
    """Nothing that removes a job's things can choose it."""
    job = docker_job()
    kept, thrown = (volume_labels(job, "/cache", True, reusable) for reusable in (True, False))
    assert JOB_LABEL not in kept
    assert thrown[JOB_LABEL] == job.marker
    assert kept[BUSINESS_LABEL] == thrown[BUSINESS_LABEL]
    for labels, reusable in ((kept, "true"), (thrown, "false")):
        told = {key: labels[PREFIX + key] for key in ("destination", "protected", "reusable", "type")}
        assert told == {"destination": "/cache", "protected": "true", "reusable": reusable, "type": "cache"}
