"""Who may ask for a job: ``concurrent`` and ``limit`` count jobs and requests alike (runner-api.md 4.1)."""

from __future__ import annotations

from collections import Counter


class Capacity:
    """Counts what runs and what is being asked for.

    A job occupies its place until its supervisor has finished, not until its result is delivered
    (design R9).

    :param concurrent: upper bound over all runners; may be changed at any time, what runs stays.
    """

    def __init__(self, concurrent: int = 1) -> None:
        self.concurrent = concurrent
        self._jobs: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """How many more jobs or requests there may be; negative after ``concurrent`` was lowered."""
        return self.concurrent - self._jobs.total() - self._requests.total()

    @property
    def jobs(self) -> int:
        """How many jobs occupy a place."""
        return self._jobs.total()

    def jobs_of(self, token: str) -> int:
        """How many jobs of one runner token occupy a place."""
        return self._jobs[token]

    def within_limit(self, token: str, limit: int) -> bool:
        """Tell whether ``limit`` of this token (0: none) leaves room for one more."""
        return limit <= 0 or self._jobs[token] + self._requests[token] < limit

    def begin_request(self, token: str) -> None:
        """Count a request that goes out."""
        self._requests[token] += 1

    def end_request(self, token: str) -> None:
        """Count a request's end."""
        self._decrease(self._requests, token)

    def begin_job(self, token: str) -> None:
        """Count a job."""
        self._jobs[token] += 1

    def end_job(self, token: str) -> None:
        """Count a job's end."""
        self._decrease(self._jobs, token)

    @staticmethod
    def _decrease(counter: Counter[str], token: str) -> None:
        counter[token] -= 1
        if counter[token] <= 0:
            del counter[token]
