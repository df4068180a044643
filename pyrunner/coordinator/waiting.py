"""Looking at jobs and waiting for what happens to them, without polling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.store import Store

#: :meth:`JobWatch.wait_for` understands this beside the states of a job.
FINISHED_STATE: Final = "finished"


class JobWatch:
    """Reads the jobs of a store; every wait ends by the store's condition."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def job(self, job_id: int) -> JobRecord:
        """Return a job's live record: state, failure_reason, exit_code, events, artifacts.

        :raises KeyError: when there is no such job.
        """
        return self.store.jobs[job_id]

    def trace(self, job_id: int) -> bytes:
        """Return what has arrived of a job's trace."""
        with self.store.changed:
            return self.job(job_id).trace.read()

    def wait_for(self, job_id: int, state: str = FINISHED_STATE, timeout: float = 30.0) -> JobRecord:
        """Wait until a job is in a state, or ``finished``, and return it.

        :raises TimeoutError: after ``timeout`` seconds, naming the state and the end of the trace; at once
            when the job has ended otherwise.
        """
        job = self.job(job_id)

        def reached() -> bool:
            return job.finished if state == FINISHED_STATE else job.state == state or job.finished

        self.wait_until(reached, timeout, lambda: self._describe(job, state))
        if state != FINISHED_STATE and job.state != state:
            raise TimeoutError(self._describe(job, state))
        return job

    def wait_for_trace(self, job_id: int, text: bytes, timeout: float = 30.0) -> bytes:
        """Wait until a job's trace holds ``text`` and return the trace.

        :raises TimeoutError: after ``timeout`` seconds.
        """
        job = self.job(job_id)
        description = f"trace to hold {text!r}"
        self.wait_until(lambda: text in job.trace.read(), timeout, lambda: self._describe(job, description))
        return self.trace(job_id)

    def wait_for_event(self, job_id: int, name: str, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until a job has ``count`` events of a name, e.g. ``trace``.

        :raises TimeoutError: after ``timeout`` seconds.
        """
        job = self.job(job_id)
        self.wait_until(
            lambda: sum(one.name == name for one in job.events) >= count,
            timeout,
            lambda: self._describe(job, f"{count} events {name}"),
        )

    def wait_until(
        self, predicate: Callable[[], bool], timeout: float = 30.0, describe: Callable[[], str] | None = None
    ) -> None:
        """Wait for a predicate over this coordinator's records; it is asked after each change.

        :raises TimeoutError: after ``timeout`` seconds.
        """
        with self.store.changed:
            if not self.store.changed.wait_for(predicate, timeout):
                raise TimeoutError(describe() if describe else f"not within {timeout} s")

    @staticmethod
    def _describe(job: JobRecord, wanted: str) -> str:
        end = job.trace.read()[-2000:].decode(errors="replace")
        return f"job {job.id} is {job.state} ({job.failure_reason}), wanted {wanted}; its trace ends:\n{end}"
