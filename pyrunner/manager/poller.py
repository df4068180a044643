"""When to ask which runner's coordinator for a job (runner-api.md 4; config-and-commands.md 1.13).

Each runner is asked about once per ``check_interval``, the runners evenly staggered; the time counts
from the start of a request, so that a long poll that comes back is renewed at once. A request is
counted like a job. So that one runner's long poll never keeps another from asking, a request is sent
in a way that the coordinator does not hold it when its place may be needed by another runner.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from pyrunner.config.model import RunnerConfig
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.concurrency import RequestConcurrency
from pyrunner.manager.health import Health

_log: Final = logging.getLogger(__name__)
_ADAPTIVE: Final = "FF_USE_ADAPTIVE_REQUEST_CONCURRENCY"


@dataclass
class _Entry:
    key: str
    config: RunnerConfig
    due: float
    in_flight: int = 0
    #: When it was asked out of turn last.
    repeated_at: float = -math.inf
    #: Passes and skips, for metrics.
    feeds: int = 0
    feed_failures: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the poller has to know about the answer to a job request."""

    got_job: bool
    healthy: bool
    retriable_seen: bool = False
    #: A long poll has ended without a job; one may be had with the next request.
    held: bool = False


class Poller:
    """Decides; the asking is done by ``ask(key, hold)``, whose end is told to :meth:`answered`.

    :param ask: starts a job request for a runner; ``hold``: the coordinator may keep it waiting.
    :param executors: names of executors that jobs can run on.
    :param may_ask: tells whether this host can take another job of a runner at all.
    """

    def __init__(
        self,
        capacity: Capacity,
        health: Health,
        ask: Callable[[str, bool], None],
        executors: Collection[str],
        may_ask: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._capacity = capacity
        self._health = health
        self._ask = ask
        self._executors = frozenset(executors)
        self._may_ask = may_ask
        self._entries: dict[str, _Entry] = {}
        self._requests: dict[str, RequestConcurrency] = {}
        self._interval = 3.0
        self._stopped = False

    def configure(
        self, runners: Sequence[tuple[str, RunnerConfig]], check_interval: float, now: float
    ) -> None:
        """Take over the runners of a configuration, in file order; requests under way go on.

        :param runners: key and entry; a key that stays keeps its place in the rhythm.
        """
        self._interval = check_interval
        former = self._entries
        self._entries = {}
        for index, (key, config) in enumerate(runners):
            entry = former.get(key) or _Entry(key, config, now + index * check_interval / len(runners))
            entry.config = config
            entry.due = min(entry.due, now + check_interval)
            self._entries[key] = entry

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True

    def step(self, now: float) -> float:
        """Ask whom it is time to ask; return when to call again.

        A runner that is due but finds no free place stays due: the first place that becomes free is
        given to the one that has waited longest.
        """
        if self._stopped:
            return math.inf
        for entry in sorted(self._entries.values(), key=lambda one: one.due):
            if entry.due > now:
                return entry.due
            if self._passed_over(entry):
                entry.due = now + self._interval
                continue
            if self._capacity.free <= 0:
                return min((one.due for one in self._entries.values() if one.due > now), default=math.inf)
            self._offer(entry, now)
        return min((one.due for one in self._entries.values()), default=math.inf)

    def answered(self, key: str, token: str, limit: int, answer: Answer, unique_id: str, now: float) -> None:
        """Take note of an answer; a job keeps its request slot until :meth:`launched`.

        :param limit: the ``request_concurrency`` that was in force.
        :param unique_id: what the runner's health is kept by.
        """
        self._capacity.end_request(token)
        self._health.note(unique_id, answer.healthy)
        requests = self._requests_of(token)
        requests.learn(limit, answer.got_job, answer.retriable_seen)
        entry = self._entries.get(key)
        if entry is not None:
            # The entry may have been made anew while its request was under way.
            entry.in_flight = max(0, entry.in_flight - 1)
            if answer.got_job:
                entry.repeated_at = -math.inf
            if answer.held and now - entry.repeated_at >= self._interval:
                entry.repeated_at = now
                entry.due = min(entry.due, now)
        if not answer.got_job:
            requests.release()

    def launched(self, key: str, token: str, now: float) -> None:
        """A job that came has been answered for: its request slot is free, and the next may be asked for."""
        self._requests_of(token).release()
        self.freed(key, now)

    def freed(self, key: str, now: float) -> None:
        """A place of this runner has become free, or may be used at once: do not wait for its turn."""
        entry = self._entries.get(key)
        if entry is not None and not entry.config.effective_strict_check_interval:
            entry.due = min(entry.due, now)

    def requests_of(self, token: str) -> RequestConcurrency | None:
        """Return the request slots of a token, for metrics."""
        return self._requests.get(token)

    def feeds_of(self, key: str) -> tuple[int, int]:
        """Return how often a runner was offered and how often it was passed over, for metrics."""
        entry = self._entries.get(key)
        return (entry.feeds, entry.feed_failures) if entry else (0, 0)

    def _requests_of(self, token: str) -> RequestConcurrency:
        return self._requests.setdefault(token, RequestConcurrency())

    def _passed_over(self, entry: _Entry) -> bool:
        """Tell whether a runner that is due must not be asked, for reasons of its own."""
        config = entry.config
        if not config.has_token or not self._is_healthy(config):
            entry.feed_failures += 1
            return True
        if config.executor not in self._executors:
            self._health.note(config.unique_id, healthy=False)
            _log.error(
                'Executor "%s" is not known; marking Runner as unhealthy',
                config.executor,
                extra={
                    "fields": {
                        "builds": self._capacity.jobs,
                        "max_builds": self._capacity.concurrent,
                        "runner": config.short_token,
                        "runner_name": config.name,
                    }
                },
            )
            entry.feed_failures += 1
            return True
        return not self._capacity.within_limit(config.token, config.limit) or not self._may_ask(entry.key)

    def _offer(self, entry: _Entry, now: float) -> None:
        config = entry.config
        entry.feeds += 1
        entry.due = now + self._interval
        adaptive = config.feature_flags.get(_ADAPTIVE, True)
        if not self._requests_of(config.token).acquire(config.effective_request_concurrency, adaptive):
            return
        self._capacity.begin_request(config.token)
        entry.in_flight += 1
        self._ask(entry.key, self._may_hold(entry))

    def _may_hold(self, asking: _Entry) -> bool:
        """Tell whether enough places are left for every other runner that is not asking yet."""
        others = sum(
            1
            for entry in self._entries.values()
            if entry is not asking
            and entry.in_flight == 0
            and entry.config.has_token
            and self._is_healthy(entry.config)
            and self._capacity.within_limit(entry.config.token, entry.config.limit)
        )
        return others <= self._capacity.free

    def _is_healthy(self, config: RunnerConfig) -> bool:
        return self._health.is_healthy(
            config.unique_id, config.effective_unhealthy_requests_limit, config.effective_unhealthy_interval
        )
