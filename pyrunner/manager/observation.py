"""The manager as its metrics show it: asked for by other threads, answered by the main loop.

The loop only reads its own memory, and the size of each trace; what takes longer is left to whoever asked.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyrunner.config.model import Config, RunnerConfig
from pyrunner.manager.fleet import Fleet
from pyrunner.manager.health import Health
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.phase import phase_of
from pyrunner.manager.poller import Poller
from pyrunner.manager.reloading import Reloading
from pyrunner.manager.roster import Roster
from pyrunner.manager.rotation import Rotation
from pyrunner.manager.shutdown import ProcessState, Shutdown
from pyrunner.manager.tracked import TrackedJob
from pyrunner.metrics import own, upstream
from pyrunner.metrics.definition import Metric, Sample
from pyrunner.metrics.recorder import RunnerLabels
from pyrunner.metrics.view import JobLine, LoopSilent, ManagerView, RunnerRoom

if TYPE_CHECKING:
    from pyrunner.metrics.endpoint import Endpoint

_log: Final = logging.getLogger(__name__)

_IDLE: Final = ("idle", "idle", "idle")
_ADAPTIVE: Final = "FF_USE_ADAPTIVE_REQUEST_CONCURRENCY"


@dataclass(frozen=True, slots=True)
class Observed:
    """The parts of a manager that are looked at."""

    config: Callable[[], Config]
    system_id: str
    roster: Roster
    fleet: Fleet
    poller: Poller
    health: Health
    shutdown: Shutdown
    reloading: Reloading
    rotation: Rotation | None


class Observation:
    """Answers threads that ask how the manager is.

    :param endpoint: shows the answers; None: nobody asks.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        observed: Observed,
        endpoint: Endpoint | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mailbox = mailbox
        self._observed = observed
        self._endpoint = endpoint
        self._clock = clock
        self._slots = 0
        self._address: str | None = None

    def start(self) -> None:
        """Let others ask."""
        if self._endpoint is not None:
            self._endpoint.start(self.ask)

    def close(self) -> None:
        """Nobody asks any more."""
        if self._endpoint is not None:
            self._endpoint.close()

    def applied(self, config: Config) -> None:
        """A configuration has come into force."""
        if self._address not in (None, config.listen_address):
            _log.warning("listen_address is read at start only; restart the manager to use the new one")
        self._address = config.listen_address
        if self._endpoint is None:
            return
        recorder = self._endpoint.recorder
        recorder.slots_changed(self._slots, config.concurrent)
        self._slots = config.concurrent
        for runner in self._observed.fleet.runners.values():
            recorder.runner_known(RunnerLabels(*self._labels(runner.link.config)))

    def ask(self, patience: float) -> ManagerView:
        """Return the manager's view of itself; for other threads than the main loop's.

        :param patience: seconds.
        :raises LoopSilent: when the loop does not answer in time.
        """
        answered = threading.Event()
        views: list[ManagerView] = []

        def answer() -> None:
            # What the loop could not make is reported as any bug in a posting is; nobody waits for it.
            with contextlib.ExitStack() as stack:
                stack.callback(answered.set)
                views.append(self.view())

        self._mailbox.post(answer)
        if not answered.wait(patience):
            raise LoopSilent(f"the manager's loop did not answer within {patience:g} s")
        if not views:
            raise LoopSilent("the manager's loop could not answer; see the log")
        return views[0]

    def view(self) -> ManagerView:
        """Return the manager's view of itself, in the main loop."""
        observed, now = self._observed, self._clock()
        state = observed.shutdown.state
        return ManagerView(
            state=str(state),
            ready=state is not ProcessState.STARTING,
            samples=list(self._samples(now)),
            jobs=[_line(job) for job in observed.roster],
            rooms=list(self._rooms()),
        )

    def _labels(self, config: RunnerConfig) -> tuple[str, str, str]:
        return (config.short_token, config.name, self._observed.system_id)

    def _samples(self, now: float) -> Iterator[Sample]:
        observed = self._observed
        config = observed.config()
        yield Sample(upstream.CONCURRENT, (), config.concurrent)
        yield Sample(upstream.SLOTS, (), config.concurrent)
        yield Sample(upstream.CONFIG_LOADED, (), observed.reloading.loaded)
        yield Sample(upstream.CONFIG_LOAD_ERRORS, (), observed.reloading.failed)
        if observed.rotation is not None:
            yield Sample(upstream.CONFIG_SAVED, (), observed.rotation.saved)
            yield Sample(upstream.CONFIG_SAVE_ERRORS, (), observed.rotation.not_saved)
        seen: set[tuple[str, ...]] = set()
        for key, runner in observed.fleet.runners.items():
            entry = runner.link.config
            labels = self._labels(entry)
            yield Sample(upstream.LIMIT, labels, entry.limit)
            feeds, failures = observed.poller.feeds_of(key)
            yield Sample(upstream.FEEDS, labels, feeds)
            yield Sample(upstream.FEED_FAILURES, labels, failures)
            if labels not in seen:
                # Counted by token: a second entry of the same runner would count the same again.
                seen.add(labels)
                yield Sample(upstream.HEALTH_FAILURES, labels, observed.health.failures_of(entry.unique_id))
                yield from self._requests(entry, (labels[0], labels[2]))
        yield from self._jobs(now)

    def _requests(self, entry: RunnerConfig, labels: tuple[str, ...]) -> Iterator[Sample]:
        limit = entry.effective_request_concurrency
        requests = self._observed.poller.requests_of(entry.token)
        adaptive = entry.feature_flags.get(_ADAPTIVE, True)
        values: tuple[tuple[Metric, float], ...] = (
            (upstream.REQUESTS, requests.in_flight if requests else 0),
            (upstream.REQUESTS_EXCEEDED, requests.exceeded if requests else 0),
            (upstream.REQUESTS_HARD_LIMIT, limit),
            (upstream.REQUESTS_ADAPTIVE_LIMIT, requests.value if requests else 0.0),
            (upstream.REQUESTS_USED_LIMIT, requests.allowed(limit, adaptive) if requests else 0),
        )
        for metric, value in values:
            yield Sample(metric, labels, value)

    def _jobs(self, now: float) -> Iterator[Sample]:
        """Yield what is summed up over jobs: no series is one job's."""
        running: Counter[tuple[str, ...]] = Counter()
        unsent: Counter[tuple[str, ...]] = Counter()
        undelivered: Counter[tuple[str, ...]] = Counter()
        late: dict[tuple[str, ...], float] = {}
        for runner in self._observed.fleet.runners.values():
            labels = self._labels(runner.link.config)
            running[*labels, *_IDLE] = unsent[labels] = undelivered[labels] = 0
            late[labels] = 0.0
        for job in self._observed.roster:
            labels = self._labels(job.link.config)
            if job.runs:
                phase = phase_of(job)
                running[*labels, phase.state, phase.stage, phase.executor_stage] += 1
            else:
                undelivered[labels] += 1
            behind = job.shipper.behind
            unsent[labels] += behind
            lag = now - job.shipper.caught_up_at if behind else 0.0
            late[labels] = max(late.get(labels, 0.0), lag)
        for metric, values in (
            (upstream.JOBS, running),
            (own.TRACE_LAG, unsent),
            (own.UNDELIVERED, undelivered),
            (own.TRACE_LAG_TIME, late),
        ):
            yield from _all(metric, values.items())

    def _rooms(self) -> Iterator[RunnerRoom]:
        for runner in self._observed.fleet.runners.values():
            entry, business = runner.link.config, runner.slots.business
            yield RunnerRoom(
                labels=self._labels(entry),
                folder=business.path,
                cache=business.cache / "projects",
                measured=business.measured,
                budget=entry.tristan.disk_budget,
                min_free=entry.tristan.min_free,
            )


def _all(metric: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> Iterator[Sample]:
    for labels, value in values:
        yield Sample(metric, labels, value)


def _line(job: TrackedJob) -> JobLine:
    phase = phase_of(job)
    repository = str(job.summary.begin_fields.get("repo_url", "")).removesuffix(".git")
    began = job.progress.started_at or job.summary.received_at
    ended = job.progress.finished_at or time.time()
    return JobLine(
        url=f"{repository}/-/jobs/{job.id}",
        state=phase.state,
        stage=phase.stage,
        executor_stage=phase.executor_stage,
        duration=max(0.0, ended - began),
    )
