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
        self._renamed: dict[str, str] = {}

    def rename(self, old: str, new: str) -> None:
        """A runner has got a new token: what counted for the old one counts for the new."""
        if self._now(old) == self._now(new):
            return
        for counter in (self._jobs, self._requests):
            counter[new] += counter.pop(self._now(old), 0)
        self._renamed[self._now(old)] = new

    def _now(self, token: str) -> str:
        while token in self._renamed:
            token = self._renamed[token]
        return token

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
        return self._jobs[self._now(token)]

    def within_limit(self, token: str, limit: int) -> bool:
        """Tell whether ``limit`` of this token (0: none) leaves room for one more."""
        token = self._now(token)
        return limit <= 0 or self._jobs[token] + self._requests[token] < limit

    def begin_request(self, token: str) -> None:
        """Count a request that goes out."""
        self._requests[self._now(token)] += 1

    def end_request(self, token: str) -> None:
        """Count a request's end."""
        self._decrease(self._requests, self._now(token))

    def begin_job(self, token: str) -> None:
        """Count a job."""
        self._jobs[self._now(token)] += 1

    def end_job(self, token: str) -> None:
        """Count a job's end."""
        self._decrease(self._jobs, self._now(token))

    @staticmethod
    def _decrease(counter: Counter[str], token: str) -> None:
        counter[token] -= 1
        if counter[token] <= 0:
            del counter[token]
