"""What becomes of a created job, and whether a failed one runs again (gitlab-ci-yml.md 6.3, 3.8)."""

from __future__ import annotations

import pytest

from pyrunner.ci.plan import RetryPolicy
from pyrunner.coordinator.pipelines.decisions import NEVER_RETRIED, failure_allowed, next_status, runs_again
from pyrunner.coordinator.pipelines.status import FINISHED, Status

#: when, by needs: the composites with which it goes on.
GOES_ON = {
    ("on_success", False): {"success", "skipped"},
    ("manual", False): {"success", "skipped"},
    ("delayed", False): {"success", "skipped"},
    ("on_failure", False): {"failed"},
    ("always", False): {"success", "failed", "skipped"},
    ("on_success", True): {"success"},
    ("manual", True): {"success"},
    ("delayed", True): {"success"},
    ("on_failure", True): {"failed"},
    ("always", True): {"success", "failed", "skipped"},
}
ROWS = [(*key, before) for key in GOES_ON for before in sorted(FINISHED)]


@pytest.mark.parametrize(("when", "by_needs", "before"), ROWS)
def test_decided(when: str, by_needs: bool, before: Status) -> None:
    """The table of 6.3: with these composites the job goes on, with all other final ones it is skipped."""
    on = {"manual": Status.MANUAL, "delayed": Status.SCHEDULED}.get(when, Status.PENDING)
    expected = on if before in GOES_ON[when, by_needs] else Status.SKIPPED
    assert next_status(when, by_needs, before) is expected


@pytest.mark.parametrize("before", sorted(set(Status) - FINISHED))
def test_not_decided_yet(before: Status) -> None:
    """While anything before it is under way or waits, a job stays as it is."""
    assert all(next_status(when, needs, before) is None for when, needs in GOES_ON)


@pytest.mark.parametrize(
    ("policy", "attempt", "reason", "code", "expected"),
    [
        (RetryPolicy(), 1, "script_failure", 1, False),
        (RetryPolicy(1), 1, "script_failure", 1, True),
        (RetryPolicy(1), 2, "script_failure", 1, False),
        (RetryPolicy(2), 2, "runner_system_failure", 0, True),
        (RetryPolicy(2, ("runner_system_failure",)), 1, "script_failure", 1, False),
        (RetryPolicy(2, ("runner_system_failure",)), 1, "runner_system_failure", 0, True),
        (RetryPolicy(2, (), (137,)), 1, "script_failure", 137, True),
        (RetryPolicy(2, (), (137,)), 1, "script_failure", 1, False),
        (RetryPolicy(2, ("api_failure",), (137,)), 1, "script_failure", 137, True),
        (RetryPolicy(2, (), (0,)), 1, "runner_system_failure", 0, False),
        (RetryPolicy(0), 1, "scheduler_failure", 0, True),
        (RetryPolicy(0), 2, "scheduler_failure", 0, True),
        (RetryPolicy(0), 3, "scheduler_failure", 0, False),
    ],
)
def test_retry(policy: RetryPolicy, attempt: int, reason: str, code: int, expected: bool) -> None:
    """Reason or exit code has to fit, and fewer than ``max`` retries to be made."""
    assert runs_again(policy, attempt, reason, code) is expected


@pytest.mark.parametrize("reason", sorted(NEVER_RETRIED))
def test_no_retry_mends_it(reason: str) -> None:
    """Some reasons are never tried again, whatever the policy says."""
    assert not runs_again(RetryPolicy(2), 1, reason, 0)


def test_allowed_exit_codes() -> None:
    """An exit code of the list is an allowed failure; having none is not one of them."""
    assert failure_allowed(False, [3], 3)
    assert not failure_allowed(False, [3], 1)
    assert not failure_allowed(False, [0], 0)
    assert failure_allowed(True, [], 1)
