"""Runners that the coordinator refuses are given a rest (runner-api.md 4.6)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyrunner.system.durations import format_duration

_log: Final = logging.getLogger(__name__)


@dataclass
class _Record:
    failures: int
    #: The last healthy answer, creation or forced round; failures do not move it.
    stamp: float
    reported: bool = False


class Health:
    """Keeps count of unhealthy answers per URL and short token; forgotten at each reload.

    :param clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}
        #: Unhealthy answers since the start, for metrics.
        self._failures: Counter[str] = Counter()

    def is_healthy(self, key: str, limit: int, interval: float) -> bool:
        """Tell whether a runner may be asked; a rest that is over starts a new count.

        :param limit: ``unhealthy_requests_limit``.
        :param interval: ``unhealthy_interval`` in seconds, from the last healthy moment.
        """
        record = self._record(key)
        if record.failures < limit:
            return True
        if self._clock() - record.stamp > interval:
            record.failures = 0
            record.stamp = self._clock()
            record.reported = False
            return True
        if not record.reported:
            record.reported = True
            _log.error(
                'Runner "%s" is unhealthy and will be disabled for %s seconds!',
                key,
                format_duration(interval),
                extra={"fields": {"unhealthy_requests": record.failures, "unhealthy_requests_limit": limit}},
            )
        return False

    def note(self, key: str, healthy: bool) -> None:
        """Take note of an answer."""
        record = self._record(key)
        if healthy:
            record.failures = 0
            record.stamp = self._clock()
            record.reported = False
        else:
            record.failures += 1
            self._failures[key] += 1

    def failures_of(self, key: str) -> int:
        """Return how often a runner was refused since the start; a reload does not change that."""
        return self._failures[key]

    def forget(self) -> None:
        """Begin anew, as after a reload of the configuration."""
        self._records.clear()

    def _record(self, key: str) -> _Record:
        return self._records.setdefault(key, _Record(0, self._clock()))
