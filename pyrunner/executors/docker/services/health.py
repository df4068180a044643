"""Waiting for services, and the warning about one that does not answer (docker-executor.md 5.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from pyrunner.errors import EngineError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.engine.container_log import read_log
from pyrunner.executors.docker.services.probe import Probe, ProbeEnd, check_name
from pyrunner.executors.docker.services.state import StartedService
from pyrunner.system.golang import quoted
from pyrunner.trace.lines import RESET, YELLOW
from pyrunner.trace.text import to_bytes

#: Seconds that a service without an answer gets to print why, at most.
_SETTLE: Final = 10.0
#: Seconds between two rounds, and between two looks at whether a service still runs.
_ROUND: Final = 0.05
_LOOK: Final = 1.0
_ENDED: Final = ("exited", "dead", "removing")


class HealthCheck:
    """Waits until each service answers or has had its time; that one does not is no failure of the job.

    :param make_probe: how a service with ports is asked.
    :param timeout: seconds for each; all are asked at the same time.
    :param meanwhile: called in each round.
    """

    def __init__(
        self,
        engine: Engine,
        report: Report,
        make_probe: Callable[[StartedService], Probe],
        timeout: int,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self._engine = engine
        self._report = report
        self._make_probe = make_probe
        self._timeout = timeout
        self._meanwhile = meanwhile

    def run(self, services: Sequence[StartedService]) -> None:
        """Wait for all of them, and warn of those that have not answered, in their order.

        :raises StageStopped: when the job is stopped meanwhile.
        """
        if self._timeout <= 0 or not services:
            return
        self._report.plain(f"Waiting for services to be up and running (timeout {self._timeout} seconds)...")
        self._report.once("services.checked", lambda: self._check(services))

    def _check(self, services: Sequence[StartedService]) -> bool:
        checks = [
            _Check(self._engine, self._report, one, self._make_probe, self._timeout) for one in services
        ]
        waiting = list(checks)
        try:
            while True:
                for check in waiting:
                    check.advance()
                while waiting and waiting[0].done:
                    self._tell(waiting.pop(0))
                if not waiting:
                    return True
                self._meanwhile()
                self._report.pause(_ROUND)
        finally:
            for check in checks:
                check.close()

    def _tell(self, check: _Check) -> None:
        """Write the warning, once however often the check is repeated by a restarted supervisor."""
        self._report.once(f"services.checked.{check.service.index}", lambda: self._written(check))

    def _written(self, check: _Check) -> bool:
        if check.warning:
            self._report.write_error(check.warning)
        return not check.warning


class _Check:
    """One service on its way: asked, given time to print, its warning written."""

    def __init__(
        self,
        engine: Engine,
        report: Report,
        service: StartedService,
        make_probe: Callable[[StartedService], Probe],
        timeout: float,
    ) -> None:
        self.service = service
        self.done = False
        #: What the trace gets; empty: the service answers.
        self.warning = b""
        self._engine = engine
        self._report = report
        self._ends = time.monotonic() + timeout
        self._settled_at = 0.0
        # One without an address may have ended before it had one: then nothing needs to be asked.
        self._look_at = time.monotonic() + (_LOOK if service.addresses else 0.0)
        self._ended = ""
        self._probe = make_probe(service) if service.ports else None
        self._end = (
            None if service.ports else ProbeEnd(f"service {quoted(service.name)} has no exposed ports")
        )
        if self._end is not None:
            self._settle()

    def advance(self) -> None:
        """Go on without waiting."""
        if self.done:
            return
        if self._end is None and self._probe is not None:
            self._end = self._ended_end(self._probe) or self._probe.step()
            if self._end is not None:
                self._probe.close()
                self._settle()
        if self._end is None:
            return
        if not self._end.error:
            self.done = True
        elif time.monotonic() >= self._settled_at or self._has_ended():
            log = in_background(lambda: read_log(self._engine, self.service.id), self._report)
            self.warning = warning_block(self.service.name, self._end, log)
            self.done = True

    def close(self) -> None:
        """Release what the probe holds."""
        if self._probe is not None and not self.done:
            self._probe.close()

    def _settle(self) -> None:
        now = time.monotonic()
        self._settled_at = now + min(self._ends - now, _SETTLE)

    def _ended_end(self, probe: Probe) -> ProbeEnd | None:
        """Return the end of a check whose service is gone: nothing will answer any more."""
        if not self._has_ended():
            return None
        text = f"service {quoted(check_name(self.service))} health check: {self._ended}"
        return ProbeEnd(text, probe.log())

    def _has_ended(self) -> bool:
        """Tell whether the service's container has ended; looks once a second."""
        if not self._ended and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK
            self._ended = in_background(lambda: _why_ended(self._engine, self.service.id), self._report)
        return bool(self._ended)


def _why_ended(engine: Engine, container: str) -> str:
    """Return why nothing runs in a container any more; empty when something does."""
    try:
        state: dict[str, Any] = engine.call(lambda api: api.inspect_container(container))["State"]
    except EngineError as error:
        return str(error) if error.not_found else ""
    if state["Status"] not in _ENDED:
        return ""
    return f"the service has ended with exit code {state['ExitCode']}"


def warning_block(name: str, end: ProbeEnd, log: bytes) -> bytes:
    """Return what the trace says of a service that does not answer.

    :param log: of the service's container.
    """
    parts = [
        b"\n",
        YELLOW
        + b"*** WARNING:"
        + RESET
        + b" Service "
        + to_bytes(name)
        + b" probably didn't start properly.\n",
        b"\nHealth check error:\n",
        to_bytes(end.error.strip()) + b"\n",
    ]
    if end.log is not None:
        parts.append(b"\nHealth check container logs:\n" + end.log + b"\n")
    parts.append(b"\nService container logs:\n" + log + b"\n")
    parts.append(b"\n" + YELLOW + b"*********" + RESET + b"\n\n")
    return b"".join(parts)
