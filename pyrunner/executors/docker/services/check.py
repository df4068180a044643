"""Does a service answer? Asked by a container beside it, where this host cannot (docker-executor.md 5.5)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import Report, StageStopped
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.engine.container_log import read_log
from pyrunner.executors.docker.labels import Role
from pyrunner.executors.docker.services.probe import ProbeEnd, check_name, timeout_text
from pyrunner.executors.docker.services.state import StartedService
from pyrunner.system.golang import quoted

#: What gitlab-runner's helper image runs.
COMMAND: Final = ("gitlab-runner-helper", "health-check")
#: Seconds between two looks at the check container.
_LOOK: Final = 0.25


def check_request(service: StartedService, image: str, network: str) -> ContainerRequest:
    """Return the container that checks a service.

    :param image: id of the helper image.
    :param network: of the job.
    """
    ports = [f"WAIT_FOR_SERVICE_{port}_TCP_PORT={port}" for port in service.ports]
    return ContainerRequest(
        Role.CHECK,
        image,
        network=network,
        command=COMMAND,
        environment=[f"WAIT_FOR_SERVICE_TCP_ADDR={service.short_id}", *ports],
        # Only the last address: gitlab-runner gives the name to one host.
        links=[f"{service.short_id}:{ip}" for ip in service.ips[-1:]],
        labels={"wait": service.id},
    )


class ContainerProbe:
    """Runs a check container; see :class:`~pyrunner.executors.docker.services.probe.Probe`.

    :param make_body: called once, may pull the helper image.
    """

    def __init__(
        self,
        engine: Engine,
        report: Report,
        service: StartedService,
        make_body: Callable[[], dict[str, Any]],
        timeout: float,
    ) -> None:
        self._engine = engine
        self._report = report
        self._service = service
        self._make_body = make_body
        self._timeout = timeout
        self._name = check_name(service)
        self._ends = 0.0
        self._look_at = 0.0
        self._started = False

    def step(self) -> ProbeEnd | None:
        """Start the container, then look at it."""
        if not self._started:
            self._started = True
            return self._start()
        if time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + _LOOK
        try:
            state = self._call(lambda api: api.inspect_container(self._name))["State"]
        except EngineError as error:
            return self._end(f"service {quoted(self._name)} health check: {error}")
        if state["Status"] in ("exited", "dead"):
            if state["ExitCode"] == 0:
                self._remove()
                return ProbeEnd()
            return self._end(f"service {quoted(self._name)} health check: exit code {state['ExitCode']}")
        if time.monotonic() >= self._ends:
            return self._end(timeout_text(self._service))
        return None

    def log(self) -> bytes | None:
        """Return what the check container has printed; None when there is none."""
        if not self._ends:
            return None
        return in_background(lambda: read_log(self._engine, self._name), self._report)

    def close(self) -> None:
        """Remove the container, if there is one."""
        if self._started:
            self._remove()

    def _start(self) -> ProbeEnd | None:
        try:
            body = self._make_body()
        except StageStopped:
            raise
        except PyrunnerError as error:
            return ProbeEnd(f"getPrebuiltImage: {error}")
        # A former supervisor may have been about to check, too.
        self._remove()
        try:
            self._call(
                lambda api: api.create_container_from_config(body, self._name),
                "create service container: ",
            )
            self._call(lambda api: api.start(self._name), "start service container: ")
        except EngineError as error:
            self._remove()
            return ProbeEnd(str(error))
        self._ends = time.monotonic() + self._timeout
        return None

    def _end(self, error: str) -> ProbeEnd:
        log = self.log()
        self._remove()
        return ProbeEnd(error, log)

    def _remove(self) -> None:
        """Remove the container; one that stays goes with all that has the job's label."""
        with contextlib.suppress(EngineError):
            self._call(lambda api: api.remove_container(self._name, force=True, v=True))

    def _call(self, request: Callable[[Any], Any], what: str = "") -> Any:
        return in_background(lambda: self._engine.call(request, what), self._report)
