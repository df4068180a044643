"""``listen_address``: the pages of the metrics server, and all that is made only when there is one."""

from __future__ import annotations

import logging
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from pyrunner import COMPATIBLE_VERSION, __version__
from pyrunner.config.tables import MetricsAccess
from pyrunner.metrics import own, upstream
from pyrunner.metrics.access import access_of
from pyrunner.metrics.definition import Sample
from pyrunner.metrics.listen import ListenAddress, open_listener
from pyrunner.metrics.recorder import CallCounter, Counting, LogCounter, Recorder
from pyrunner.metrics.registry import CONTENT_TYPE, Registry
from pyrunner.metrics.room import Rooms
from pyrunner.metrics.server import MetricsServer, Page, Route
from pyrunner.metrics.view import Ask, LoopSilent, ManagerView
from pyrunner.protocol.runner import REVISION, go_architecture, go_platform

_log: Final = logging.getLogger(__name__)

#: Seconds that the manager's loop may take to answer; Prometheus itself waits 10.
_PATIENCE: Final = 8.0
_PRODUCT: Final = "gitlab-runner"


class Endpoint:
    """The metrics server, its counts, and what feeds them.

    :raises ListenAddressError: when nothing can listen there.
    :raises ConfigError: when a file of ``[pyrunner.metrics]`` cannot be used.
    """

    def __init__(
        self,
        address: ListenAddress,
        access: MetricsAccess,
        system_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        guard, certificate = access_of(access)
        self._registry = Registry()
        self._system_id = system_id
        self._clock = clock
        self._rooms = Rooms()
        self._ask: Ask | None = None
        self.recorder: Recorder = Counting(self._registry)
        self._log_counter = LogCounter(self._registry)
        listener = open_listener(address)
        #: Where it listens: the one that the kernel chose for port 0.
        self.port = int(listener.getsockname()[1])
        self._server = MetricsServer(listener, self._routes(), guard, certificate)
        logging.getLogger().addHandler(self._log_counter)

    def observer_for(self, runner: str) -> CallCounter:
        """Return what counts the calls of a runner.

        :param runner: its short token.
        """
        return CallCounter(self._registry, runner, self._system_id)

    def start(self, ask: Ask) -> None:
        """Begin to answer.

        :param ask: gets the manager's view of itself.
        """
        self._ask = ask
        self._server.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.close()
        logging.getLogger().removeHandler(self._log_counter)

    def _routes(self) -> dict[str, Route]:
        return {
            "/metrics": Route(self._metrics),
            "/health/live": Route(self._live, open=True),
            "/health/ready": Route(self._ready, open=True),
            "/debug/jobs/list": Route(self._jobs),
            "/debug/process/state": Route(self._state),
            "/debug/pprof/": Route(_stacks),
        }

    def _view(self) -> ManagerView:
        if self._ask is None:
            raise LoopSilent("the manager has not begun")
        return self._ask(_PATIENCE)

    def _metrics(self) -> Page:
        asked = self._clock()
        try:
            view = self._view()
        except LoopSilent as error:
            return _silent(error)
        delay = self._clock() - asked
        samples = [
            *view.samples,
            *self._rooms.samples(view.rooms),
            Sample(own.LOOP_DELAY, (), delay),
            Sample(own.BUILD, (__version__, platform.python_version()), 1.0),
            Sample(upstream.PROCESS_STATE, (view.state,), 1.0),
            Sample(upstream.VERSION_INFO, _version(), 1.0),
        ]
        return Page(self._registry.render(samples), content_type=CONTENT_TYPE)

    def _live(self) -> Page:
        try:
            self._view()
        except LoopSilent as error:
            return _silent(error)
        return Page("alive\n")

    def _ready(self) -> Page:
        try:
            view = self._view()
        except LoopSilent as error:
            return _silent(error)
        if not view.ready:
            return Page("boot-verify pending\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return Page("ready\n")

    def _jobs(self) -> Page:
        try:
            view = self._view()
        except LoopSilent as error:
            return _silent(error)
        return Page("".join(f"{one}\n" for one in view.jobs), headers={"X-List-Version": "2"})

    def _state(self) -> Page:
        try:
            return Page(f"{self._view().state}\n")
        except LoopSilent as error:
            return _silent(error)


def _silent(error: LoopSilent) -> Page:
    return Page(f"{error}\n", HTTPStatus.SERVICE_UNAVAILABLE)


def _version() -> tuple[str, ...]:
    major, minor, _ = COMPATIBLE_VERSION.split(".")
    built = time.gmtime(Path(__file__).stat().st_mtime)
    return (
        _PRODUCT,
        COMPATIBLE_VERSION,
        REVISION,
        f"{major}-{minor}-stable",
        f"pyrunner {__version__}, Python {platform.python_version()}",
        time.strftime("%Y-%m-%dT%H:%M:%SZ", built),
        go_platform(),
        go_architecture(),
    )


def _stacks() -> Page:
    """Show where every thread is; instead of the profiles that Go programs have here."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident, frame in sys._current_frames().items():
        lines = "".join(traceback.format_stack(frame))
        parts.append(f"thread {names.get(ident, '?')} ({ident}):\n{lines}\n")
    return Page("".join(parts))
