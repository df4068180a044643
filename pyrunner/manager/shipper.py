"""The trace and status protocol of one job, as a state machine that is asked for its next call.

Source: runner-api.md 5.4 to 5.8. It knows neither threads nor clocks nor files: :meth:`Shipper.next`
says what to do now, the answers come back through :meth:`Shipper.patched` and :meth:`Shipper.updated`.
Where gitlab-runner gives a result up after ``job_status_final_update_retry_limit`` tries, this one
goes on until the coordinator has answered (design R9).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pyrunner.gitlab.updates import PatchResult, PatchState, UpdateResult, UpdateState
from pyrunner.jobdir.journal import JobResult
from pyrunner.protocol.states import JobState, map_failure_reason

#: Seconds until the first tick. gitlab-runner waits 3; somebody who has just started a job looks at it.
FIRST_TICK: Final = 1.0
#: Seconds between ticks until the coordinator asks for others, and again when finalizing begins.
FIRST_INTERVAL: Final = 3.0
#: Bytes of one PATCH at most.
CHUNK: Final = 1024 * 1024
#: Without output, the coordinator hears of the job this often, in seconds.
FORCE_SEND: Final = 30.0
LONGEST_FORCE_SEND: Final = 1800.0
#: Longest pause between two tries to deliver a result, in seconds.
LONGEST_PAUSE: Final = 600.0


class Phase(Enum):
    """Where the protocol stands (5.4)."""

    INCREMENTAL = auto()
    #: The coordinator has closed the job: nothing is sent until it has ended here too.
    ABORTED = auto()
    FINALIZING = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Patch:
    """Send ``length`` bytes of the trace from ``offset``."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Update:
    """Report a state, with size and checksum of the trace's first ``size`` bytes."""

    state: JobState
    size: int
    failure_reason: str = ""
    exit_code: int = 0


class Shipper:
    """Decides what is sent next for one job; one call at a time.

    :param size: bytes of the trace that may be shipped now.
    :param offset: bytes that the coordinator has.
    :param failure_reasons: what this coordinator knows (payload ``features``).
    :param dynamic_force_send: ``FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL`` of the runner.
    :param uniform: a random number between its two arguments, for the jitter of pauses.
    """

    def __init__(
        self,
        size: Callable[[], int],
        now: float,
        *,
        offset: int = 0,
        failure_reasons: list[str] | tuple[str, ...] = (),
        dynamic_force_send: bool = False,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.phase = Phase.INCREMENTAL
        self.offset = offset
        #: The coordinator is cancelling the job gracefully.
        self.cancel_requested = False
        #: The coordinator has closed the job.
        self.aborted = False
        #: How often in a row the result could not be delivered.
        self.failures = 0
        #: When the coordinator was last known to have all there was, monotonic.
        self.caught_up_at = now
        self._size = size
        self._failure_reasons = tuple(failure_reasons)
        self._dynamic = dynamic_force_send
        self._uniform = uniform
        self._interval = FIRST_INTERVAL
        self._due = now + FIRST_TICK
        self._last_sent = -math.inf
        #: The call under way is a touch; the job may end before its answer is here.
        self._touching = False
        #: The PATCH under way was made when the job had not ended.
        self._patching_early = False
        #: The trace is delivered as far as it can be.
        self._reporting = False
        self._mismatched = False
        self._result: JobResult | None = None

    # What happens to the job

    def finish(self, result: JobResult, now: float) -> None:
        """Deliver the result and the rest of the trace, beginning at once; only the first call counts."""
        if self._result is None:
            self._result = result
            self.phase = Phase.FINALIZING
            self._interval = FIRST_INTERVAL
            self._due = now

    def flush(self, now: float) -> None:
        """Send what there is without waiting for the tick: the manager is about to stop."""
        if self.phase is Phase.INCREMENTAL:
            self._due = min(self._due, now)

    @property
    def behind(self) -> int:
        """How many bytes the coordinator does not have yet, and may still get."""
        if self.phase in (Phase.ABORTED, Phase.DONE):
            return 0
        return max(0, self._size() - self.offset)

    def retry_now(self, now: float, spread: float) -> None:
        """The coordinator is back: try again within ``spread`` seconds."""
        if self.failures and self.phase is Phase.FINALIZING:
            self._due = min(self._due, now + self._uniform(0.0, spread))

    # What to do

    def next(self, now: float) -> Patch | Update | float:
        """Return the call to make now, or when to ask again."""
        if self.phase in (Phase.ABORTED, Phase.DONE):
            return math.inf
        if now < self._due:
            return self._due
        if self.phase is Phase.FINALIZING:
            return self._next_final()
        waiting = self._size() - self.offset
        if waiting > 0:
            self._patching_early = True
            return Patch(self.offset, min(waiting, CHUNK))
        self.caught_up_at = now
        if now - self._last_sent > self._force_send:
            self._touching = True
            return Update(JobState.RUNNING, self._size())
        self._tick(now)
        return self._due

    def _next_final(self) -> Patch | Update:
        waiting = self._size() - self.offset
        if waiting > 0 and not self._reporting:
            return Patch(self.offset, min(waiting, CHUNK))
        assert self._result is not None
        if self._result.state == JobState.SUCCESS:
            return Update(JobState.SUCCESS, self._size())
        reason = self._result.failure_reason
        if not self._result.reason_is_final:
            reason = map_failure_reason(reason, self._failure_reasons)
        return Update(JobState.FAILED, self._size(), reason, self._result.exit_code)

    # What came of it

    def patched(self, result: PatchResult, now: float) -> None:
        """Take the answer to a :class:`Patch`."""
        self._heard(result.cancel_requested, result.interval)
        early, self._patching_early = self._patching_early, False
        if result.state in (PatchState.SUCCEEDED, PatchState.RANGE_MISMATCH):
            self.offset = result.offset
            if not self.behind:
                self.caught_up_at = now
        if self.phase is Phase.FINALIZING:
            if early and result.state is PatchState.NOT_FOUND:
                return  # meant for a job that ran, where it counts for nothing; the rest is due already
            self._patched_finally(result, now)
            return
        if result.state is PatchState.ABORT:
            self._abort()
            return
        if result.state in (PatchState.SUCCEEDED, PatchState.RANGE_MISMATCH):
            self._last_sent = now
        self._tick(now)

    def _patched_finally(self, result: PatchResult, now: float) -> None:
        mismatched, self._mismatched = self._mismatched, result.state is PatchState.RANGE_MISMATCH
        if result.state is PatchState.SUCCEEDED:
            self._due = now
        elif result.state in (PatchState.ABORT, PatchState.NOT_FOUND):
            self._reporting = True
            self._due = now
        elif result.state is PatchState.RANGE_MISMATCH:
            # With more there than here, nothing can be reconciled; the result still counts.
            self._reporting = result.offset > self._size()
            self._due = now + (self._interval if mismatched else 0.0)
        else:
            self._fail(now)

    def updated(self, result: UpdateResult, now: float) -> None:
        """Take the answer to an :class:`Update`."""
        self._heard(result.cancel_requested, result.interval)
        if not self._touching:
            self._updated_finally(result, now)
            return
        self._touching = False
        if self.phase is Phase.FINALIZING:  # the job has ended meanwhile; that is due already
            return
        if result.state is UpdateState.ABORT:
            self._abort()
            return
        if result.state is UpdateState.SUCCEEDED:
            self._last_sent = now
        self._tick(now)

    def _updated_finally(self, result: UpdateResult, now: float) -> None:
        self._reporting = False
        if result.state in (UpdateState.SUCCEEDED, UpdateState.ABORT):
            self.phase = Phase.DONE
        elif result.state is UpdateState.ACCEPTED_BUT_NOT_COMPLETED:
            self.failures = 0
            self._due = now + self._interval
        elif result.state is UpdateState.TRACE_VALIDATION_FAILED:
            self.failures = 0
            self.offset = 0
            self._due = now + self._interval
        else:
            self._fail(now)

    def broken(self, now: float) -> None:
        """The trace cannot be read; at the end, the result counts without the rest of it."""
        self._touching = self._patching_early = False
        if self.phase is Phase.FINALIZING:
            self._fail(now)
            self._reporting = True
        else:
            self._tick(now)

    def _fail(self, now: float) -> None:
        self._reporting = False
        pause = min(2.0 ** min(self.failures, 20), LONGEST_PAUSE)
        self.failures += 1
        self._due = now + self._uniform(pause * 0.75, pause * 1.25)

    def _heard(self, cancel_requested: bool, interval: int | None) -> None:
        self.cancel_requested = self.cancel_requested or cancel_requested
        if interval is not None:
            self._interval = float(interval)

    def _abort(self) -> None:
        self.aborted = True
        self.phase = Phase.ABORTED

    def _tick(self, now: float) -> None:
        self._due = now + self._interval

    @property
    def _force_send(self) -> float:
        if not self._dynamic:
            return FORCE_SEND
        return min(max(4 * self._interval, FORCE_SEND), LONGEST_FORCE_SEND)
