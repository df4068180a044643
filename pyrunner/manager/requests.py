"""Job requests: one thread each, since a coordinator may hold one for a minute."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.jobs import JobRequestOutcome, request_job
from pyrunner.manager.calls import Calls
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.poller import Answer
from pyrunner.protocol.session import SessionOffer

_log: Final = logging.getLogger(__name__)


class Requests:
    """Asks for jobs and hands the answers to the main loop.

    :param answered: called with the runner that asked, and the outcome.
    :param offer: returns a session for the next job of a runner; None: it offers none.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        system_id: str,
        answered: Callable[[ActiveRunner, JobRequestOutcome], None],
        offer: Callable[[ActiveRunner], SessionOffer | None] = lambda _: None,
    ) -> None:
        self._calls = Calls(mailbox, "request")
        self._system_id = system_id
        self._answered = answered
        self._offer = offer
        self._stop = Cancellation()
        #: Requests under way by runner key.
        self._asking: Counter[str] = Counter()

    @property
    def under_way(self) -> int:
        """How many requests have not been answered."""
        return self._asking.total()

    def asks_for(self, key: str) -> bool:
        """Tell whether a job may still come for a runner."""
        return self._asking[key] > 0

    def send(self, runner: ActiveRunner, hold: bool) -> None:
        """Ask for a job.

        :param hold: the coordinator may wait for one before it answers.
        """
        link, stop = runner.link, self._stop
        session = self._offer(runner)
        self._asking[runner.key] += 1

        def call() -> JobRequestOutcome:
            offered = session.payload() if session is not None else None
            outcome = request_job(link.transport, link.info, self._system_id, offered, stop=stop, hold=hold)
            return replace(outcome, session=session)

        def done(outcome: JobRequestOutcome) -> None:
            self._asking[runner.key] -= 1
            self._answered(runner, outcome)

        def failed(error: Exception) -> None:
            _log.error("a job request failed unexpectedly", exc_info=error)
            done(JobRequestOutcome(None, True, -1, str(error)))

        self._calls.submit(call, done, failed)

    def cancel(self) -> None:
        """Give up the requests under way. Safe twice."""
        if not self._stop.is_set():
            self._stop.set()


def answer_of(outcome: JobRequestOutcome) -> Answer:
    """Return what the poller has to know of an outcome."""
    return Answer(outcome.payload is not None, outcome.healthy, outcome.retriable_seen, outcome.held)


def coordinator_answered(outcome: JobRequestOutcome) -> bool:
    """Tell whether a working coordinator has spoken."""
    return 0 < outcome.status < 500
