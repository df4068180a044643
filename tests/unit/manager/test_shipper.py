"""Rules of :mod:`pyrunner.manager.shipper` (runner-api.md 5.4 to 5.8, design R9)."""

from __future__ import annotations

import math

import pytest

from pyrunner.gitlab.updates import PatchResult, PatchState, UpdateResult, UpdateState
from pyrunner.jobdir.journal import JobResult
from pyrunner.manager.shipper import CHUNK, Patch, Phase, Shipper, Update
from pyrunner.protocol.states import JobState


class Job:
    """A shipper with a trace of a size that the test sets, and a clock that it turns."""

    def __init__(self, size: int = 0, **options: object) -> None:
        self.size = size
        self.now = 1000.0
        self.shipper = Shipper(
            lambda: self.size,
            self.now,
            uniform=lambda low, high: (low + high) / 2,
            **options,  # type: ignore[arg-type]
        )

    def next(self) -> Patch | Update | float:
        return self.shipper.next(self.now)

    def wait(self) -> Patch | Update:
        """Turn the clock to the next call."""
        due = self.next()
        if isinstance(due, float):
            assert due < math.inf, "the protocol has come to rest"
            self.now = due
            due = self.next()
        assert not isinstance(due, float)
        return due

    def patched(self, state: PatchState = PatchState.SUCCEEDED, offset: int = 0, **more: object) -> None:
        self.shipper.patched(PatchResult(state, offset, **more), self.now)  # type: ignore[arg-type]

    def updated(self, state: UpdateState = UpdateState.SUCCEEDED, **more: object) -> None:
        self.shipper.updated(UpdateResult(state, **more), self.now)  # type: ignore[arg-type]

    def succeed(self) -> None:
        self.shipper.finish(JobResult("success"), self.now)

    def fail(self, reason: str = "script_failure", code: int = 1, final: bool = False) -> None:
        self.shipper.finish(JobResult("failed", reason, code, "", final), self.now)


def test_first_tick_comes_after_a_second() -> None:
    """Nothing is sent before the first second is over, even when there is output; then every three."""
    job = Job(size=10)
    assert job.next() == job.now + 1
    job.wait()
    job.patched(offset=10)
    assert job.next() == job.now + 3


def test_one_chunk_a_tick() -> None:
    """While the job runs, each tick sends one chunk of at most 1 MiB."""
    job = Job(size=CHUNK + 5)
    assert job.wait() == Patch(0, CHUNK)
    job.patched(offset=CHUNK)
    assert job.next() == job.now + 3
    assert job.wait() == Patch(CHUNK, 5)


def test_first_tick_without_output_touches() -> None:
    """The clock of touches starts at never: a silent job reports running on its first tick."""
    job = Job()
    assert job.wait() == Update(JobState.RUNNING, 0)


def test_touch_only_after_thirty_silent_seconds() -> None:
    """A successful send postpones the next touch by 30 seconds."""
    job = Job(size=1)
    job.wait()
    job.patched(offset=1)
    sent = job.now
    assert _next_call(job) == Update(JobState.RUNNING, 1)
    assert job.now - sent > 30


def _next_call(job: Job) -> Patch | Update:
    while isinstance(due := job.next(), float):
        job.now = due
    return due


def test_failed_touch_is_repeated_on_the_next_tick() -> None:
    """A touch that failed does not reset the clock."""
    job = Job()
    job.wait()
    job.updated(UpdateState.FAILED)
    before = job.now
    assert job.wait() == Update(JobState.RUNNING, 0)
    assert job.now == before + 3


@pytest.mark.parametrize("state", [PatchState.FAILED, PatchState.NOT_FOUND])
def test_failed_patch_is_repeated(state: PatchState) -> None:
    """While the job runs, a failed or not found patch is sent again on the next tick."""
    job = Job(size=5)
    job.wait()
    job.patched(state, 0)
    assert job.wait() == Patch(0, 5)
    assert job.shipper.phase is Phase.INCREMENTAL


def test_range_mismatch_moves_the_offset() -> None:
    """On 416 the coordinator's count is where the next patch starts."""
    job = Job(size=9)
    job.wait()
    job.patched(PatchState.RANGE_MISMATCH, 4)
    assert job.wait() == Patch(4, 5)


def test_offset_beyond_the_trace_waits_for_it() -> None:
    """When the coordinator has more than may be shipped, nothing is sent until the trace has grown."""
    job = Job(size=9)
    job.wait()
    job.patched(PatchState.RANGE_MISMATCH, 20)
    job.size = 25
    assert job.wait() == Patch(20, 5)


def test_abort_of_a_patch_silences_until_the_job_has_ended() -> None:
    """A closed job is sent nothing more, until it has ended; then it finalizes after all."""
    job = Job(size=5)
    job.wait()
    job.patched(PatchState.ABORT, 0)
    assert job.shipper.aborted
    assert job.next() == math.inf
    job.fail("job_canceled", 0)
    assert job.next() == Patch(0, 5)
    job.patched(PatchState.ABORT, 0)
    assert isinstance(job.next(), Update)
    job.updated(UpdateState.ABORT)
    assert job.shipper.phase is Phase.DONE


def test_abort_of_a_touch_counts_as_well() -> None:
    """A touch answered with abort stops the job too."""
    job = Job()
    job.wait()
    job.updated(UpdateState.ABORT)
    assert job.shipper.phase is Phase.ABORTED


def test_cancel_request_is_remembered() -> None:
    """``canceling`` on any answer asks for a graceful cancel; sending goes on."""
    job = Job(size=5)
    job.wait()
    job.patched(offset=5, cancel_requested=True)
    assert job.shipper.cancel_requested
    assert job.shipper.phase is Phase.INCREMENTAL


def test_interval_is_obeyed() -> None:
    """The coordinator's interval applies to the next tick, whatever the answer's status."""
    job = Job(size=5)
    job.wait()
    job.patched(PatchState.FAILED, 0, interval=60)
    assert job.next() == job.now + 60


def test_dynamic_force_send_follows_the_interval() -> None:
    """With the flag, touches are four intervals apart."""
    job = Job(dynamic_force_send=True)
    job.wait()
    job.updated(interval=60)
    touched = job.now
    _next_call(job)
    assert job.now - touched > 240


def test_the_end_is_sent_at_once() -> None:
    """When the job ends, chunk follows chunk and the result, without any pause."""
    job = Job(size=2 * CHUNK)
    job.succeed()
    assert job.next() == Patch(0, CHUNK)
    job.patched(offset=CHUNK)
    assert job.next() == Patch(CHUNK, CHUNK)
    job.patched(offset=2 * CHUNK)
    assert job.next() == Update(JobState.SUCCESS, 2 * CHUNK)
    job.updated()
    assert job.shipper.phase is Phase.DONE
    assert job.next() == math.inf


def test_touch_under_way_at_the_end_is_no_result() -> None:
    """The answer to a touch that was sent before the job ended does not end the protocol."""
    job = Job()
    assert job.wait() == Update(JobState.RUNNING, 0)
    job.succeed()
    job.updated()
    assert job.shipper.phase is Phase.FINALIZING
    assert job.next() == Update(JobState.SUCCESS, 0)


def test_patch_under_way_at_the_end_counts() -> None:
    """The answer to a patch that was sent before the job ended moves the offset; the end follows at once."""
    job = Job(size=5)
    job.wait()
    job.size = 8
    job.succeed()
    job.patched(offset=5)
    assert job.next() == Patch(5, 3)


def test_202_waits_and_asks_again() -> None:
    """Accepted but not completed: the same final update after the interval, in the server's pace."""
    job = Job()
    job.succeed()
    job.next()
    job.updated(UpdateState.ACCEPTED_BUT_NOT_COMPLETED, interval=2)
    assert job.next() == job.now + 2
    assert job.wait() == Update(JobState.SUCCESS, 0)


def test_412_sends_everything_again() -> None:
    """Trace validation failed: the whole trace is sent again, then the result."""
    job = Job(size=5, offset=5)
    job.succeed()
    assert isinstance(job.next(), Update)
    job.updated(UpdateState.TRACE_VALIDATION_FAILED)
    assert job.wait() == Patch(0, 5)


def test_404_of_a_final_patch_goes_on_to_the_result() -> None:
    """A trace that is not found does not keep the result back."""
    job = Job(size=5)
    job.succeed()
    job.next()
    job.patched(PatchState.NOT_FOUND, 0)
    assert job.next() == Update(JobState.SUCCESS, 5)


def test_final_mismatch_beyond_the_trace_still_reports() -> None:
    """When the coordinator has more bytes than there are, the result is reported all the same."""
    job = Job(size=5)
    job.succeed()
    job.next()
    job.patched(PatchState.RANGE_MISMATCH, 9)
    assert job.wait() == Update(JobState.SUCCESS, 5)


def test_final_mismatch_does_not_spin() -> None:
    """The first 416 is corrected at once, the next waits for the interval."""
    job = Job(size=5)
    job.succeed()
    job.next()
    job.patched(PatchState.RANGE_MISMATCH, 2)
    assert job.next() == Patch(2, 3)
    job.patched(PatchState.RANGE_MISMATCH, 0)
    assert job.next() == job.now + 3


def test_results_are_retried_for_ever_with_growing_pauses() -> None:
    """A result that cannot be delivered is tried again, up to ten minutes apart, without an end (R9)."""
    job = Job()
    job.succeed()
    pauses = []
    for _ in range(40):
        assert isinstance(job.wait(), Update)
        job.updated(UpdateState.FAILED)
        due = job.next()
        assert isinstance(due, float)
        pauses.append(due - job.now)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == 600
    assert pauses == sorted(pauses)


def test_failed_final_patch_is_retried_too() -> None:
    """A failed final patch pauses and then goes on at the same offset."""
    job = Job(size=5)
    job.succeed()
    job.next()
    job.patched(PatchState.FAILED, 0)
    assert job.next() == job.now + 1
    assert job.wait() == Patch(0, 5)


def test_returning_coordinator_is_used_at_once() -> None:
    """When the coordinator answers others again, a waiting result does not sit its pause out."""
    job = Job()
    job.succeed()
    for _ in range(12):
        job.wait()
        job.updated(UpdateState.FAILED)
    job.shipper.retry_now(job.now, 2.0)
    assert job.next() == job.now + 1


@pytest.mark.parametrize(
    ("reason", "final", "sent"),
    [
        ("script_failure", False, "script_failure"),
        ("", False, "script_failure"),
        ("job_canceled", False, "unknown_failure"),
        ("job_canceled", True, "job_canceled"),
        ("image_pull_failure", False, "runner_system_failure"),
        ("runner_interrupted", False, "runner_interrupted"),
    ],
)
def test_failure_reason_is_mapped(reason: str, final: bool, sent: str) -> None:
    """The reason is one that the coordinator lists, unless an early exit says it raw (5.9)."""
    job = Job(failure_reasons=["runner_interrupted"])
    job.fail(reason, 3, final)
    assert job.next() == Update(JobState.FAILED, 0, sent, 3)


def test_only_the_first_result_counts() -> None:
    """A second end of the same job changes nothing."""
    job = Job()
    job.succeed()
    job.fail()
    assert job.next() == Update(JobState.SUCCESS, 0)


def test_flush_sends_before_the_tick() -> None:
    """A manager that stops sends what there is without waiting."""
    job = Job(size=5)
    job.shipper.flush(job.now)
    assert job.next() == Patch(0, 5)


def test_a_trace_that_cannot_be_read_is_tried_again() -> None:
    """A failure of our own neither ends the protocol nor repeats without a pause."""
    job = Job(size=5)
    job.succeed()
    job.next()
    job.shipper.broken(job.now)
    assert job.next() == job.now + 1


def test_404_of_a_patch_made_while_the_job_ran_costs_nothing_at_its_end() -> None:
    """A running job's 404 is ignored (5.4), also when its answer comes after the job has ended."""
    job = Job(size=10)
    assert job.wait() == Patch(0, 10)
    job.succeed()
    job.patched(PatchState.NOT_FOUND)
    assert job.next() == Patch(0, 10)
    job.patched(PatchState.NOT_FOUND)
    assert isinstance(job.next(), Update)
