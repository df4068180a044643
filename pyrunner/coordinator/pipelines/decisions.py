"""What a job does when all before it is decided, and whether a failed one runs again (6.3, 3.8)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from pyrunner.ci.plan import RetryPolicy
from pyrunner.coordinator.pipelines.status import FINISHED, Status

_STAGE_JOB: Final = {
    "on_success": {Status.SUCCESS, Status.SKIPPED},
    "on_failure": {Status.FAILED},
    "always": {Status.SUCCESS, Status.FAILED, Status.SKIPPED},
}
_NEEDS_JOB: Final = {**_STAGE_JOB, "on_success": {Status.SUCCESS}}
#: What no retry mends.
NEVER_RETRIED: Final = frozenset(
    {
        "ci_quota_exceeded",
        "no_matching_runner",
        "missing_dependency_failure",
        "forward_deployment_failure",
        "environment_creation_failure",
    }
)
_SCHEDULER_RETRIES: Final = 2


def next_status(when: str, by_needs: bool, before: Status) -> Status | None:
    """Return what a created job becomes; None while what is before it is not decided.

    ``pending`` stands for "may run": a resource group can still hold it.

    :param before: the composite of all that it waits for.
    """
    if before not in FINISHED:
        return None
    table = _NEEDS_JOB if by_needs else _STAGE_JOB
    if before not in table.get(when, table["on_success"]):
        return Status.SKIPPED
    return {"manual": Status.MANUAL, "delayed": Status.SCHEDULED}.get(when, Status.PENDING)


def runs_again(policy: RetryPolicy, attempt: int, reason: str, exit_code: int) -> bool:
    """Tell whether a failed job is retried.

    :param attempt: which one has failed; the first is 1.
    :param exit_code: 0 when the job ended without one.
    """
    if reason in NEVER_RETRIED:
        return False
    retries = attempt - 1
    if reason == "scheduler_failure" and retries < _SCHEDULER_RETRIES:
        return True
    if retries >= policy.max:
        return False
    matches_reason = "always" in policy.when or reason in policy.when
    return matches_reason or (exit_code != 0 and exit_code in policy.exit_codes)


def failure_allowed(allow_failure: bool, exit_codes: Collection[int], exit_code: int) -> bool:
    """Tell whether a job that has failed counts as allowed to."""
    return allow_failure or (exit_code != 0 and exit_code in exit_codes)
