"""Where a job stands, in the words of gitlab-runner's metrics (config-and-commands.md 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyrunner.jobdir.journal import JobResult
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.protocol.states import FailureReason, JobState

_DOCKER: Final = "docker"
#: Until the first script runs.
_FIRST: Final = "prepare_executor"
_ENDS: Final = {
    FailureReason.CANCELED: "canceled",
    FailureReason.TIMEOUT: "timedout",
    FailureReason.INTERRUPTED: "terminated",
}


@dataclass(frozen=True, slots=True)
class Phase:
    """Values of the labels ``state``, ``stage`` and ``executor_stage``."""

    state: str
    stage: str
    executor_stage: str


def phase_of(job: TrackedJob) -> Phase:
    """Return where a job stands, by what the manager knows."""
    on_docker = job.link.config.executor == _DOCKER
    stage = job.progress.stage
    if job.result is not None:
        return Phase(_end_of(job.result), job.progress.last_stage or _FIRST, "finish")
    if job.stage is Stage.ANNOUNCE or not job.progress.started_at:
        return Phase("pending", _FIRST, "created")
    if not stage:
        return Phase("pending", _FIRST, "docker_prepare" if on_docker else "prepare")
    # gitlab-runner's shell executor stays in "prepare" until its scripts have ended.
    return Phase("running", stage, "docker_run" if on_docker else "prepare")


def _end_of(result: JobResult) -> str:
    if result.state == JobState.SUCCESS:
        return "success"
    return next((word for reason, word in _ENDS.items() if reason == result.failure_reason), "failed")
