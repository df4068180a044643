"""What the manager keeps in memory of a job: no payload, no variable."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.config.model import RunnerConfig
from pyrunner.gitlab.answer import clean_url
from pyrunner.gitlab.credentials import JobCredentials
from pyrunner.protocol.job import Job
from pyrunner.protocol.variables import parse_bool

_DEBUG_TRACE: Final = "CI_DEBUG_TRACE"
_DEBUG_SERVICES: Final = "CI_DEBUG_SERVICES"


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One job, as far as its coordinator and the log are concerned."""

    credentials: JobCredentials
    #: What this coordinator knows (payload ``features``).
    failure_reasons: tuple[str, ...] = ()
    #: The trace may hold secrets (runner-api.md 1.9).
    debug_trace: bool = False
    received_at: float = field(default_factory=time.time)
    #: Fields of the lines about its begin (config-and-commands.md 5).
    begin_fields: dict[str, Any] = field(default_factory=dict)
    #: Fields of the line about its end.
    end_fields: dict[str, Any] = field(default_factory=dict)
    #: As the payload says it; a label of a metric.
    project_jobs_running: str = ""

    @property
    def id(self) -> int:
        """The job's id."""
        return self.credentials.id


def summary_of(job: Job, config: RunnerConfig, received_at: float) -> JobSummary:
    """Return the summary of a decoded job."""
    info = job.job_info
    project = {
        "job": job.id,
        "pipeline_id": info.pipeline_id,
        "project": info.project_id,
        "project_full_path": info.project_full_path,
        "namespace_id": info.namespace_id,
        "root_namespace_id": info.root_namespace_id,
        "organization_id": info.organization_id,
        "gitlab_user_id": info.user_id,
    }
    scoped = {"gitlab_scoped_user_id": info.scoped_user_id} if info.scoped_user_id else {}
    return JobSummary(
        credentials=JobCredentials(job.id, job.token),
        failure_reasons=tuple(job.features.failure_reasons),
        debug_trace=_is_debug(job, config),
        received_at=received_at,
        begin_fields={
            **project,
            **scoped,
            "repo_url": clean_url(job.git_info.repo_url),
            "time_in_queue_seconds": info.time_in_queue_seconds,
            "queue_size": info.queue_size,
            "queue_depth": info.queue_depth,
            "runner_uuid": job.runner_info.uuid,
        },
        end_fields=project,
        project_jobs_running=info.project_jobs_running_on_instance_runners_count,
    )


def _is_debug(job: Job, config: RunnerConfig) -> bool:
    pairs = [one.partition("=")[::2] for one in config.environment]
    pairs += [(one.key, one.value) for one in job.variables]
    trace = _is_true(pairs, _DEBUG_TRACE) and not config.debug_trace_disabled
    return trace or _is_true(pairs, _DEBUG_SERVICES)


def _is_true(pairs: Iterable[tuple[str, str]], key: str) -> bool:
    values = [value for name, value in pairs if name == key]
    return bool(values) and parse_bool(values[-1]) is True
