"""Service containers are created in order and started at once (docker-executor.md 5.3)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from pyrunner.errors import BuildError, EngineError, PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL
from pyrunner.executors.docker.services.state import StartedService, addresses_of, ports_of
from pyrunner.protocol.states import FailureReason
from pyrunner.system.durations import format_duration

#: Containers that are started at the same time: a start keeps the engine busy for 100 ms.
_AT_ONCE: Final = 8
#: Pauses between two looks at a container that has not begun to run, seconds.
_FIRST_LOOK: Final = 0.05
_LAST_LOOK: Final = 1.0


@dataclass(frozen=True)
class ServiceContainer:
    """A service container that is to be."""

    index: int
    name: str
    image: str
    aliases: tuple[str, ...]
    #: The body of ``POST /containers/create``.
    body: dict[str, Any]
    #: ``os/architecture``; empty: the engine's own.
    platform: str = ""


class ServiceContainers:
    """Brings a job's service containers to life.

    All of it may be done again by a restarted supervisor: a container that is there already, with the
    job's label, is taken over.

    :param start_timeout: seconds until a container must have left the state ``created``.
    :param keep_volumes: anonymous volumes stay when a container is removed (``volume_keep``).
    """

    def __init__(self, engine: Engine, report: Report, start_timeout: float, keep_volumes: bool) -> None:
        self._engine = engine
        self._report = report
        self._start_timeout = start_timeout
        self._keep_volumes = keep_volumes

    def bring_up(self, wanted: Sequence[ServiceContainer]) -> list[StartedService]:
        """Create, start and inspect; returns them in order.

        :raises BuildError: when the engine does not understand a request.
        :raises PyrunnerError: when a container cannot be created or started.
        """
        found = [self._create(one) for one in wanted]
        self._start([identity for identity, waiting in found if waiting])
        return [self._started(one, identity) for one, (identity, _) in zip(wanted, found, strict=True)]

    def _create(self, wanted: ServiceContainer) -> tuple[str, bool]:
        """Return the container's id and whether it waits for its start."""
        there = self._inspect(wanted.name)
        if there is not None:
            if _label(there, JOB_LABEL) == wanted.body["Labels"][JOB_LABEL]:
                return str(there["Id"]), there["State"]["Status"] == "created"
            if _label(there, BUSINESS_LABEL) != wanted.body["Labels"][BUSINESS_LABEL]:
                raise PyrunnerError(
                    f"the container {wanted.name} is not this runner's, and has the name that a service "
                    "of this job needs: remove or rename it"
                )
            self._call(lambda: self._remove(wanted.name))
        return str(self._call(lambda: self._make(wanted))["Id"]), True

    def _make(self, wanted: ServiceContainer) -> dict[str, Any]:
        try:
            made: dict[str, Any] = self._engine.call(
                lambda api: api.create_container_from_config(  # type: ignore[no-untyped-call]
                    wanted.body, wanted.name, wanted.platform or None
                )
            )
        except EngineError as error:
            if error.status == 400:
                raise BuildError(str(error), FailureReason.CONFIGURATION_ERROR) from error
            raise
        return made

    def _remove(self, name: str) -> None:
        try:
            self._engine.call(lambda api: api.remove_container(name, force=True, v=not self._keep_volumes))
        except EngineError as error:
            if not error.not_found:
                raise

    def _start(self, identities: list[str]) -> None:
        """Start all of them; the error of the first that failed is raised when all have been tried."""
        if not identities:
            return
        errors = self._call(lambda: _start_at_once(self._engine, identities))
        for error in errors:
            if error is not None:
                raise error

    def _started(self, wanted: ServiceContainer, identity: str) -> StartedService:
        inspection = self._running(identity)
        return StartedService(
            index=wanted.index,
            id=identity,
            name=wanted.name,
            image=wanted.image,
            aliases=list(wanted.aliases),
            addresses=addresses_of(inspection),
            ports=ports_of(inspection),
        )

    def _running(self, identity: str) -> dict[str, Any]:
        """Wait until the container has left the state ``created``; that it ended at once is no error."""
        began, look = time.monotonic(), _FIRST_LOOK
        while True:
            inspection = self._inspect(identity)
            if inspection is None:
                raise EngineError(
                    f"getting exposed ports: Error response from daemon: No such container: {identity}", 404
                )
            if inspection["State"]["Status"] != "created":
                return inspection
            waited = time.monotonic() - began
            if waited > self._start_timeout:
                raise PyrunnerError(
                    f"getting exposed ports: service failed to start after {format_duration(waited)}"
                )
            self._report.pause(look)
            look = min(look * 2, _LAST_LOOK)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._call(
                lambda: self._engine.call(lambda api: api.inspect_container(name))
            )
        except EngineError as error:
            if error.not_found:
                return None
            raise
        return found

    def _call(self, work: Callable[[], Any]) -> Any:
        return in_background(work, self._report)


def _label(inspection: dict[str, Any], label: str) -> str:
    return str((inspection["Config"].get("Labels") or {}).get(label, ""))


def _start_at_once(engine: Engine, identities: list[str]) -> list[EngineError | None]:
    """Start containers at the same time, each over a connection of its own."""
    endpoint = replace(engine.endpoint, version=engine.call(lambda api: str(api.api_version)))

    def start(identity: str) -> EngineError | None:
        with contextlib.closing(Engine(endpoint)) as own:
            try:
                own.call(lambda api: api.start(identity))
            except EngineError as error:
                return error
        return None

    if len(identities) == 1:
        return [start(identities[0])]
    with ThreadPoolExecutor(min(len(identities), _AT_ONCE)) as pool:
        return list(pool.map(start, identities))
