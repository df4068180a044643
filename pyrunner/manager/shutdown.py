"""How the manager comes to its end (design R7; config-and-commands.md 3)."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from pyrunner.jobdir.orders import Order
from pyrunner.manager.delivery import Delivery
from pyrunner.manager.roster import Roster
from pyrunner.manager.signals import NAMES
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.system.durations import format_duration
from pyrunner.system.logs import FATAL

_log: Final = logging.getLogger(__name__)

#: A request that is being answered with a job would be lost by cancelling it: seconds to wait.
POLL_GRACE: Final = 1.0
#: Seconds in which a detaching manager sends what there is.
DETACH_GRACE: Final = 5.0
#: Seconds in which the last jobs' secrets and working files are removed; the next start does the rest.
TIDY_GRACE: Final = 5.0
#: Tries to deliver a result after which nobody waits for it: as often as gitlab-runner tries (5.4).
PATIENT_TRIES: Final = 10
_LOOK_EVERY: Final = 0.2


class ProcessState(StrEnum):
    """As ``/debug/process/state`` shows it."""

    STARTING = "starting"
    RUNNING = "running"
    GRACEFUL = "graceful-shutdown"
    FORCEFUL = "forceful-shutdown"


class Shutdown:
    """Begun by the first stop signal; :attr:`exit_code` is set when the process may exit.

    :param stop_polling: asks for no more jobs.
    :param cancel_polls: gives up requests that are under way.
    :param polls: how many requests are under way.
    :param why_abort: why jobs cannot stay behind, empty when they can.
    """

    def __init__(
        self,
        roster: Roster,
        delivery: Delivery,
        *,
        stop_polling: Callable[[], None],
        cancel_polls: Callable[[], None],
        polls: Callable[[], int],
        why_abort: Callable[[], str],
    ) -> None:
        self._roster = roster
        self._delivery = delivery
        self._stop_polling = stop_polling
        self._cancel_polls = cancel_polls
        self._polls = polls
        self._why_abort = why_abort
        self.state = ProcessState.STARTING
        self.exit_code: int | None = None
        #: Seconds a forceful end may take; follows the configuration.
        self.timeout = 30.0
        self._signal: signal.Signals | None = None
        self._began = 0.0
        self._forced_at = math.inf
        self._tidy_by = math.inf
        #: Jobs are aborted with this signal's name; None: nobody aborts all of them.
        self._abort_all: str | None = None
        self._abort_configured = False
        self._leave_jobs = False

    @property
    def begun(self) -> bool:
        """A stop signal has come."""
        return self._signal is not None

    def received(self, number: signal.Signals, now: float) -> None:
        """Act on a stop signal."""
        name = NAMES.get(number, str(int(number)))
        if self.state is ProcessState.FORCEFUL:
            _log.error("forced exit with stop signal: %s", name)
            self._fail()
            return
        if self._signal is not None and number == signal.SIGQUIT:
            self._log_graceful()
            return
        first = self._signal is None
        self._signal = number
        if first:
            self._began = now
            _log.warning("[runWait] received stop signal", extra={"fields": {"stop-signal": name}})
            self._stop_polling()
        if number == signal.SIGQUIT:
            self._log_graceful()
        elif first and number == signal.SIGTERM:
            self._terminate(name, now)
        else:
            self._force(name, now)

    def leave(self, now: float) -> None:
        """Come to an end without a signal: ask for nothing more, wait for what runs."""
        if not self.begun:
            self._signal = signal.SIGQUIT
            self._began = now
            self.state = ProcessState.GRACEFUL
            self._stop_polling()

    def step(self, now: float) -> float:
        """Go on with stopping; return when to call again."""
        if not self.begun or self.exit_code is not None:
            return math.inf
        if now >= self._began + POLL_GRACE:
            self._cancel_polls()
        self._give_orders()
        if now >= self._forced_at + self.timeout:
            self._expire()
        elif self._polls() == 0 and self._at_rest(now) and self._tidy(now):
            self._finish()
        return now + _LOOK_EVERY

    def _terminate(self, name: str, now: float) -> None:
        reason = self._why_abort()
        if reason:
            _log.warning("jobs cannot go on without this process: %s", reason)
            self._force(name, now)
            return
        self._leave_jobs = True
        self._abort_configured = True
        stays = sum(1 for job in self._roster.running if _on_stop(job) == "detach")
        if stays:
            _log.warning("%d jobs go on without this process; its next start takes them up", stays)
        for job in self._roster:
            job.shipper.flush(now)
            job.due = min(job.due, now)
        if any(_on_stop(job) == "wait" for job in self._roster.running):
            self._log_graceful()
        if any(_on_stop(job) == "abort" for job in self._roster.running):
            self._forced_at = now
        if self.state is not ProcessState.GRACEFUL:
            self.state = ProcessState.GRACEFUL

    def _force(self, name: str, now: float) -> None:
        self.state = ProcessState.FORCEFUL
        self._forced_at = now
        self._abort_all = name
        self._leave_jobs = False
        _log.warning(
            "Graceful shutdown not finished properly. To gracefully clean up running plugins please use "
            "SIGQUIT (ctrl-\\) instead of SIGINT (ctrl-c)",
            extra={"fields": {"error": f"received stop signal: {name}"}},
        )
        fields = {"shutdown-timeout": format_duration(self.timeout)}
        _log.info("Starting forceful shutdown", extra={"fields": fields})

    def _log_graceful(self) -> None:
        self.state = ProcessState.GRACEFUL
        fields = {"StopSignal": "quit"} if self._signal == signal.SIGQUIT else {}
        _log.info("Starting graceful shutdown, waiting for builds to finish", extra={"fields": fields})

    def _give_orders(self) -> None:
        for job in self._roster.running:
            if self._abort_all is not None:
                job.order(Order.INTERRUPT, self._abort_all)
            elif self._abort_configured and _on_stop(job) == "abort":
                job.order(Order.INTERRUPT, NAMES[signal.SIGTERM])

    def _at_rest(self, now: float) -> bool:
        """Tell whether nothing is left that this process has to wait for."""
        patient = now < self._began + DETACH_GRACE
        for job in self._roster:
            if job.runs:
                stays = self._leave_jobs and _on_stop(job) == "detach"
                # A call under way, or a supervisor about to start: worth a moment.
                busy = job.calling or job.spawning or job.stage is Stage.ANNOUNCE
                if not stays or (busy and patient):
                    return False
            elif self._is_worth_waiting_for(job, patient):
                return False
        return True

    def _tidy(self, now: float) -> bool:
        """Tell whether nothing of the last jobs is left that has to go; called when none is waited for."""
        self._tidy_by = min(self._tidy_by, now + TIDY_GRACE)
        return self._roster.idle or now >= self._tidy_by

    def _is_worth_waiting_for(self, job: TrackedJob, patient: bool) -> bool:
        """Tell whether a result should go out before the exit; it is kept for the next start anyway."""
        if self._leave_jobs and _on_stop(job) == "detach":
            return patient and job.shipper.failures == 0
        return job.shipper.failures < PATIENT_TRIES

    def _expire(self) -> None:
        unfinished = [job for job in self._roster.running if not self._stays(job)]
        if unfinished:
            _log.error("shutdown timed out; %d jobs still run", len(unfinished))
            self._fail()
        else:
            _log.warning("results that could not be delivered are kept; the next start sends them")
            self._finish()

    def _stays(self, job: TrackedJob) -> bool:
        return self._leave_jobs and _on_stop(job) == "detach"

    def _finish(self) -> None:
        _log.info("All workers stopped.")
        _log.info("Shutting down executor providers")
        _log.info("All executor providers shut down.")
        _log.info("Can exit now!")
        self.exit_code = 0

    def _fail(self) -> None:
        _log.error("Forceful shutdown not finished properly")
        _log.log(FATAL, "Service run failed")
        self.exit_code = 1


def _on_stop(job: TrackedJob) -> str:
    return job.link.config.tristan.on_stop
