"""Labels of what a job makes: gitlab-runner's, and ours, by which it is found again (docker-executor.md 10).

Ours are on everything that goes with the job. A reusable volume belongs to no job and has no job label:
nothing that removes a job's things can ever choose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pyrunner.executors.docker.job import DockerJob, business_label
from pyrunner.protocol.variables import Variable, VariableSet
from pyrunner.system.durations import format_duration

PREFIX: Final = "com.gitlab.gitlab-runner."
#: The job's marker (:attr:`DockerJob.marker`): all that has it is removed with the job.
JOB_LABEL: Final = "com.pyrunner.job"
#: The business folder (:func:`business_label`): what a manager may clear away after its jobs.
BUSINESS_LABEL: Final = "com.pyrunner.business"
ROLE_LABEL: Final = "com.pyrunner.role"


class Role(StrEnum):
    """What a container of a job is for; the value is gitlab-runner's ``type`` label."""

    BUILD = "build"
    HELPER = "predefined"
    SERVICE = "service"
    #: Looks whether a service answers.
    CHECK = "wait"
    #: Opens the root of a new volume.
    PERMISSION = "cache-init"


#: ``type`` of volumes.
VOLUME: Final = "cache"
#: Roles whose containers get ``container_labels``.
_CONFIGURED: Final = frozenset((Role.BUILD, Role.HELPER, Role.SERVICE))


def job_labels(job: DockerJob, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return gitlab-runner's labels and ours for something that goes with the job.

    :param extra: further ones, without gitlab-runner's prefix.
    """
    return {
        **_upstream(job, extra or {}),
        JOB_LABEL: job.marker,
        BUSINESS_LABEL: business_label(job.record.business),
    }


def volume_labels(job: DockerJob, destination: str, protected: bool, reusable: bool) -> dict[str, str]:
    """Return the labels of a volume; one that outlives the job has no job label of ours."""
    flags = {"protected": str(protected).lower(), "reusable": str(reusable).lower()}
    labels = job_labels(job, {"destination": destination, "type": VOLUME, **flags})
    labels[ROLE_LABEL] = VOLUME
    if reusable:
        del labels[JOB_LABEL]
    return labels


def container_labels(job: DockerJob, role: Role, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels of a container.

    Values of ``container_labels`` see the variables of the payload only; on services they are there a second
    time, with gitlab-runner's prefix. No label of a file can take the place of ours.

    :param extra: further ones of this role, without the prefix: ``service``, ``service.version``, ``wait``.
    """
    labels = job_labels(job, {"type": role, **(extra or {})})
    ours = {key: labels[key] for key in (JOB_LABEL, BUSINESS_LABEL)}
    if role in _CONFIGURED:
        payload = VariableSet(Variable.from_payload(one) for one in job.job.variables)
        for key, value in job.config.container_labels.items():
            text = payload.expand_value(value)
            labels[key] = text
            if role is Role.SERVICE:
                labels[PREFIX + key] = text
    return {**labels, **ours, ROLE_LABEL: role.name.lower()}


def _upstream(job: DockerJob, extra: Mapping[str, str]) -> dict[str, str]:
    payload, record = job.job, job.record
    pipeline = payload.job_info.pipeline_id
    labels = {
        "job.id": str(payload.id),
        "job.url": f"{_clean(payload.git_info.repo_url).removesuffix('.git')}/-/jobs/{payload.id}",
        "job.sha": payload.git_info.sha,
        "job.before_sha": payload.git_info.before_sha,
        "job.ref": payload.git_info.ref,
        "job.timeout": format_duration(payload.timeout),
        "project.id": str(payload.job_info.project_id),
        "project.runner_id": str(record.concurrent_project_id),
        "pipeline.id": str(pipeline) if pipeline > 0 else job.variables.value("CI_PIPELINE_ID"),
        "runner.id": job.runner.short_token,
        "runner.local_id": str(record.executor_id - 1),
        "runner.system_id": record.system_id,
        "managed": "true",
    }
    return {PREFIX + key: str(value) for key, value in {**labels, **extra}.items()}


def _clean(url: str) -> str:
    """Return a URL without user, password, query and fragment: labels are for everybody to read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
