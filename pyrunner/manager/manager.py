"""The manager: wires its parts, and is the one loop that sleeps."""

from __future__ import annotations

import logging
import math
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from pyrunner.config.locations import certificate_folder
from pyrunner.config.model import Config
from pyrunner.config.watch import ConfigWatcher
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.jobs import JobRequestOutcome
from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.layout import Business
from pyrunner.manager.calls import Calls
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.caretaker import Caretaker
from pyrunner.manager.delivery import Delivery, coordinator_is_back
from pyrunner.manager.fleet import ActiveRunner, Fleet
from pyrunner.manager.health import Health
from pyrunner.manager.housekeeping import Housekeeping
from pyrunner.manager.intake import HostSettings
from pyrunner.manager.jobevents import JobEvents
from pyrunner.manager.launcher import Launcher
from pyrunner.manager.leftovers import Leftovers
from pyrunner.manager.link import Links, known_executors, offers_terminal
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.notify import ServiceNotifier
from pyrunner.manager.observation import Observation, Observed
from pyrunner.manager.poller import Poller
from pyrunner.manager.reaping import reap
from pyrunner.manager.recovery import Recovery
from pyrunner.manager.reloading import Reloading
from pyrunner.manager.requests import Requests, answer_of, coordinator_answered
from pyrunner.manager.roster import Roster
from pyrunner.manager.rotation import Rotation
from pyrunner.manager.shortages import Shortages
from pyrunner.manager.shutdown import ProcessState, Shutdown
from pyrunner.manager.signals import Signals
from pyrunner.manager.spawner_client import SpawnerClient
from pyrunner.manager.survival import why_jobs_would_die
from pyrunner.manager.tracked import TrackedJob
from pyrunner.metrics.recorder import Recorder
from pyrunner.protocol.session import SessionOffer
from pyrunner.system.inotify import Inotify

if TYPE_CHECKING:
    from pyrunner.manager.sessions.server import SessionServer
    from pyrunner.metrics.endpoint import Endpoint

_log: Final = logging.getLogger(__name__)

#: Seconds between two looks at every job (design R3).
LOOK_EVERY: Final = 1.0
_STATE_FILE: Final = "state.json"


class Manager:
    """All parts of a runner manager, and the loop that steps them.

    :param watcher: of the configuration file; None: the configuration never changes.
    :param apply_logging: takes over the log settings of a configuration.
    :param detaches: jobs may outlive this process: another will take them up.
    :param endpoint: shows metrics; it is started, fed and closed here.
    :param sessions: opens terminals of jobs; it is started and closed here.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        host: HostSettings,
        watcher: ConfigWatcher | None = None,
        apply_logging: Callable[[Config], None] = lambda _: None,
        detaches: bool = True,
        endpoint: Endpoint | None = None,
        sessions: SessionServer | None = None,
    ) -> None:
        self.config = config
        events = JobEvents(Recorder() if endpoint is None else endpoint.recorder, host.system_id)
        #: A further part of the loop; as all of them, it returns when to be called again.
        self.companion: Callable[[float], float] = lambda _: math.inf
        self.mailbox = Mailbox()
        self.stop = Cancellation()
        self._host = host
        self._clock = time.monotonic
        self._look_at = -math.inf
        self.capacity = Capacity(config.concurrent)
        self._inotify = _inotify()
        observer_for = None if endpoint is None else endpoint.observer_for
        self.links = Links(environ, certificate_folder(environ), observer_for)
        self.links.connection_max_age = config.connection_max_age
        self.fleet = Fleet(environ, os.geteuid(), self.links)
        self._sessions = sessions
        registry = sessions.registry if sessions is not None else None
        self.roster = Roster(self.mailbox, self.capacity, self._inotify, self._freed, events, registry)
        self._spawner = SpawnerClient(environ)
        self._reaping = Calls(self.mailbox, "reaping", 1)
        self._caretaker = Caretaker(
            self._spawner, self._ended, self._reap, restarted=events.supervisor_restarted
        )
        self._delivery = Delivery(self.mailbox, self._clock, self.stop, self.roster.acknowledged)
        self.health = Health(self._clock)
        self._requests = Requests(self.mailbox, host.system_id, self._answered, self._session)
        self.poller = Poller(self.capacity, self.health, self._ask, known_executors(), self._may_ask)
        self._launcher = Launcher(
            self.mailbox,
            self.roster,
            self._caretaker,
            self._delivery,
            host,
            lambda key, token: self.poller.launched(key, token, self._clock()),
            self.stop,
        )
        self._recovery = Recovery(self.roster, self._launcher, self.links)
        self.shutdown = Shutdown(
            self.roster,
            self._delivery,
            stop_polling=self.poller.stop,
            cancel_polls=self._requests.cancel,
            polls=lambda: self._requests.under_way,
            why_abort=lambda: why_jobs_would_die(environ) if detaches else "nobody would take them up",
        )
        self._housekeeping = Housekeeping(self.mailbox, self.fleet, environ)
        self._shortages = Shortages()
        self._leftovers = Leftovers(self.mailbox, environ)
        self._notifier = ServiceNotifier(environ)
        self.reloading = Reloading(watcher, self._apply, apply_logging)
        self._rotation = (
            Rotation(self.mailbox, watcher.path, environ, self._rotated) if watcher is not None else None
        )

        observed = Observed(
            config=lambda: self.config,
            system_id=host.system_id,
            roster=self.roster,
            fleet=self.fleet,
            poller=self.poller,
            health=self.health,
            shutdown=self.shutdown,
            reloading=self.reloading,
            rotation=self._rotation,
        )
        self.observation = Observation(self.mailbox, observed, endpoint)

    # Life

    def run(self) -> int:
        """Work until a stop signal; return the exit code.

        :raises PyrunnerError: when the work cannot be begun.
        """
        signals = Signals(self.mailbox.wakeup_fd)
        try:
            self._begin()
            while self.shutdown.exit_code is None:
                self._turn(signals)
            return self.shutdown.exit_code
        finally:
            self._end()
            signals.close()

    def _begin(self) -> None:
        self.reloading.log_notices(self.config)
        # Started before any thread is, and while nothing waits for it.
        self._spawner.step(self._clock())
        self.fleet.load(self.config.runners, strict=True)
        self.fleet.adopt_orphans()
        resumed = sum(self._recovery.resume(slots, self.fleet.runners) for slots in self.fleet.slots())
        if resumed:
            _log.info("Resuming %d jobs", resumed)
        self._apply_settings(self.config)
        self.shutdown.state = ProcessState.RUNNING
        self.observation.start()
        if self._sessions is not None:
            self._sessions.start()
        self._notifier.ready()

    def _end(self) -> None:
        self._notifier.stopping()
        self.observation.close()
        if self._sessions is not None:
            self._sessions.close()
        self.stop.set()
        self._requests.cancel()
        self._spawner.close()
        self.fleet.close()
        self.links.close()
        if self._inotify is not None:
            self._inotify.close()
        self.mailbox.close()

    def _turn(self, signals: Signals) -> None:
        """One turn of the loop: step all parts, then sleep until the first is due or something happens."""
        for number in signals.take():
            self._signal(number)
        now = self._clock()
        due = min(
            self._spawner.step(now),
            self.reloading.step(now),
            self._look(now),
            self.companion(now),
            self.poller.step(now),
            self._delivery.step_due(self.roster, now),
            self._rotation.step(self.fleet.runners.values(), now) if self._rotation else math.inf,
            self._housekeeping.step(now),
            self.shutdown.step(now),
            self._notifier.step(now),
        )
        if self.shutdown.exit_code is None:
            self._sleep(due - self._clock())

    def _sleep(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self.mailbox, select.POLLIN)
        if self._spawner.fileno() >= 0:
            poll.register(self._spawner, select.POLLIN)
        if self._inotify is not None:
            poll.register(self._inotify, select.POLLIN)
        poll.poll(None if seconds == math.inf else max(0.0, seconds) * 1000)
        self.mailbox.deliver()
        self._spawner.readable()
        self._notice()

    def _notice(self) -> None:
        """Look at the jobs whose journals have changed."""
        if self._inotify is None:
            return
        for event in self._inotify.read():
            job = self.roster.in_folder(event.folder)
            if job is not None and event.name == _STATE_FILE:
                self._caretaker.look(job, self._clock())

    def _look(self, now: float) -> float:
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            for job in self.roster.running:
                self._caretaker.look(job, now)
        return self._look_at

    def _signal(self, number: signal.Signals) -> None:
        if number != signal.SIGHUP:
            self.shutdown.received(number, self._clock())
        elif not self.reloading.now():
            self.shutdown.received(signal.SIGTERM, self._clock())

    # Jobs

    def _ask(self, key: str, hold: bool) -> None:
        self._requests.send(self.fleet.runners[key], hold)

    def _session(self, runner: ActiveRunner) -> SessionOffer | None:
        """Return a fresh session for a job request, where jobs can have a terminal (runner-api.md 4.2)."""
        if self._sessions is None or not offers_terminal(runner.link):
            return None
        return self._sessions.offer(float(self.config.session_server.effective_session_timeout))

    def _may_ask(self, key: str) -> bool:
        runner = self.fleet.runners[key]
        shortage = runner.shortage()
        self._shortages.note(runner, shortage)
        if not shortage:
            return True
        self._housekeeping.hurry()
        return False

    def _answered(self, runner: ActiveRunner, outcome: JobRequestOutcome) -> None:
        config = runner.link.config
        self.poller.answered(
            runner.key,
            config.token,
            config.effective_request_concurrency,
            answer_of(outcome),
            config.unique_id,
            self._clock(),
        )
        if coordinator_answered(outcome):
            coordinator_is_back(self.roster, config.url, self._clock())
        if outcome.payload is not None:
            self._launcher.accept(runner, outcome)

    def _ended(self, job: TrackedJob, result: JobResult) -> None:
        now = self._clock()
        self.roster.finish(job, result, now)
        # The result goes out first: somebody waits for it.
        self._delivery.step(job, now)
        self.roster.ended(job, result)

    def _reap(self, job: TrackedJob) -> None:
        control = job.control
        if control is not None:
            self._reaping.submit(
                lambda: reap(control),
                lambda none_left: None if none_left else job.warn("some of its processes cannot be killed"),
                lambda error: job.warn("its processes cannot be ended: %s", error),
            )

    def _freed(self, key: str) -> None:
        self.poller.freed(key, self._clock())

    # Configuration

    def _apply(self, config: Config) -> None:
        """Take over a new configuration.

        :raises PyrunnerError: when it cannot be used; the former then stays in force.
        """
        self.fleet.load(
            config.runners,
            in_use=self._in_use,
        )
        self._apply_settings(config)
        self.health.forget()
        for slots in self.fleet.slots():
            self._recovery.resume(slots, self.fleet.runners)

    def _in_use(self, business: Business) -> bool:
        """Tell whether a business has jobs, or may get one: with a new lock come new, empty slots."""
        return self._requests.asks_for(str(business.path)) or any(
            job.slots.business == business for job in self.roster
        )

    def _apply_settings(self, config: Config) -> None:
        self.config = config
        self.observation.applied(config)
        self.capacity.concurrent = config.concurrent
        self.links.connection_max_age = config.connection_max_age
        self.shutdown.timeout = config.effective_shutdown_timeout
        runners = [(key, runner.link.config) for key, runner in self.fleet.runners.items()]
        self.poller.configure(runners, config.effective_check_interval, self._clock())
        links = [runner.link.config for runner in self.fleet.runners.values()]
        self.links.keep(links + [job.link.config for job in self.roster])
        self._spawner.expect(one.executor for one in links)
        self._leftovers.look(self.fleet.runners.values())

    def _rotated(self, runner: ActiveRunner, token: str) -> None:
        self.fleet.token_changed(runner, token)
        self.capacity.rename(runner.link.config.token, token)
        self.reloading.now()


def _inotify() -> Inotify | None:
    try:
        return Inotify()
    except OSError as error:  # the look of every second finds what it would have told
        _log.warning("no inotify: %s; ends of jobs are noticed up to a second later", error)
        return None
