"""What the docker executor has to know of a job; worked out by the build, from record and payload."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import BuildError
from pyrunner.jobdir.record import JobRecord, job_marker
from pyrunner.protocol.job import Image, Job
from pyrunner.protocol.states import FailureReason
from pyrunner.protocol.variables import VariableSet

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_.-]+")


@dataclass(frozen=True)
class DockerJob:
    """One job as the docker executor sees it; nothing in it changes while the job runs."""

    #: The payload, job inputs interpolated.
    job: Job
    runner: RunnerConfig
    record: JobRecord
    #: The job's control directory on this host.
    control: Path
    #: All of them, expanded.
    variables: VariableSet
    #: Tells whether a feature flag is on.
    flag: Callable[[str], bool]
    #: Folders as the job's containers see them.
    builds_dir: str
    project_dir: str
    temporary_dir: str
    cache_dir: str
    #: The job's ref is protected (job-execution.md 7.6).
    protected: bool
    git_strategy: str
    #: ``CI_DEBUG_SERVICES``.
    debug_services: bool
    #: ``DOCKER_AUTH_CONFIG``; empty when there is none.
    auth_config: str
    #: ``EXECUTOR_JOB_SECTION_ATTEMPTS``.
    section_attempts: int = 1

    @property
    def config(self) -> DockerConfig:
        """``[runners.docker]``.

        :raises BuildError: when config.toml has no such table (docker-executor.md 1.1 step 1).
        """
        if self.runner.docker is None:
            raise BuildError("missing docker configuration", FailureReason.CONFIGURATION_ERROR)
        return self.runner.docker

    @cached_property
    def name(self) -> str:
        """Name of the build container, and what the names of all others begin with (tristan-layout.md 2)."""
        business = _NOT_IN_NAMES.sub("-", self.record.business_id)
        return f"execute_{business}_{self.record.executor_id}_{self.job.id}"

    @cached_property
    def marker(self) -> str:
        """Value of the label by which all that belongs to this job is found; no other job has it."""
        return job_marker(self.control, self.record.received_at)

    @property
    def upstream_name(self) -> str:
        """``runner-<short token>-project-<id>-concurrent-<n>``: gitlab-runner's host name (1.2)."""
        runner, project = self.runner.short_token, self.job.job_info.project_id
        text = f"runner-{runner}-project-{project}-concurrent-{self.record.concurrent_project_id}"
        return re.sub(r"[^-a-z0-9]", "", text.lower()).lstrip("-")[:63]


def platform_option(image: Image) -> str:
    """Return ``executor_opts.docker.platform`` of an image or service, as it is written."""
    options = image.executor_opts.get("docker")
    value = options.get("platform") if isinstance(options, dict) else None
    return value if isinstance(value, str) else ""


def business_label(business: str) -> str:
    """Return what the label of all containers of a business folder says; no other folder's do."""
    return hashlib.sha256(business.encode("utf-8", "surrogateescape")).hexdigest()[:16]
