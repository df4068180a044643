"""Job states and failure reasons (runner-api.md 1.8, 5.6, 5.9)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """What a runner may report; ``canceled`` never goes over the wire (runner-api.md 8.2 trap 4)."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


class FailureReason(StrEnum):
    """Why a job failed, as the runner words it before :func:`map_failure_reason`."""

    SCRIPT_FAILURE = "script_failure"
    SYSTEM_FAILURE = "runner_system_failure"
    TIMEOUT = "job_execution_timeout"
    IMAGE_PULL_FAILURE = "image_pull_failure"
    CONFIGURATION_ERROR = "runner_configuration_error"
    EXTERNAL_DEPENDENCY_FAILURE = "runner_external_dependency_failure"
    INTERRUPTED = "runner_interrupted"
    CANCELED = "job_canceled"
    UNKNOWN = "unknown_failure"


_ALWAYS_ACCEPTED: Final = frozenset(
    {FailureReason.SCRIPT_FAILURE, FailureReason.SYSTEM_FAILURE, FailureReason.TIMEOUT}
)
_COMPATIBLE: Final[dict[str, str]] = {
    FailureReason.IMAGE_PULL_FAILURE: FailureReason.SYSTEM_FAILURE,
    FailureReason.CONFIGURATION_ERROR: FailureReason.SCRIPT_FAILURE,
    FailureReason.EXTERNAL_DEPENDENCY_FAILURE: FailureReason.SYSTEM_FAILURE,
}


def map_failure_reason(reason: str, supported: list[str] | tuple[str, ...]) -> str:
    """Return the reason to report to a coordinator that lists ``supported`` (runner-api.md 5.9)."""
    reason = reason or FailureReason.SCRIPT_FAILURE
    accepted = _ALWAYS_ACCEPTED.union(supported)
    for _ in range(10):
        if reason in accepted:
            return str(reason)
        if reason not in _COMPATIBLE:
            break
        reason = _COMPATIBLE[reason]
    return str(FailureReason.UNKNOWN)
