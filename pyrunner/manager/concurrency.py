"""How many job requests of one token may be under way at once (runner-api.md 4.3)."""

from __future__ import annotations

import math
from typing import Final

_GROW: Final = 1.1
_SHRINK: Final = 0.95
_HALVE: Final = 0.5


class RequestConcurrency:
    """Counts the requests of one token and adapts how many are allowed.

    The adaptive value begins at 0 and moves with each answer, so that only a queue that keeps
    bringing jobs is asked by several requests at once.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        #: Requests refused for lack of a slot, for metrics.
        self.exceeded = 0
        self._value = 0.0

    @property
    def value(self) -> float:
        """The adaptive value, before it is rounded and limited."""
        return self._value

    def allowed(self, limit: int, adaptive: bool = True) -> int:
        """Return how many requests may be under way.

        :param limit: ``request_concurrency`` of the runner that asks.
        :param adaptive: ``FF_USE_ADAPTIVE_REQUEST_CONCURRENCY``.
        """
        limit = max(1, limit)
        return min(max(1, math.ceil(self._value)), limit) if adaptive else limit

    def acquire(self, limit: int, adaptive: bool = True) -> bool:
        """Take a request slot; False, and counted, when all are in use."""
        if self.in_flight >= self.allowed(limit, adaptive):
            self.exceeded += 1
            return False
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Give a request slot back."""
        self.in_flight = max(0, self.in_flight - 1)

    def learn(self, limit: int, got_job: bool, retriable_seen: bool) -> None:
        """Move the adaptive value after an answer.

        :param retriable_seen: a status that asks for patience came, whatever the final answer.
        """
        factor = _HALVE if retriable_seen else _GROW if got_job else _SHRINK
        self._value = min(max(self._value * factor, 1.0), float(max(1, limit)))
