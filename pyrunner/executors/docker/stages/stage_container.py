"""A container that stages run in: created once a job, found again at need (docker-executor.md 1.3).

The build container is started as soon as its image allows, while sources are still being fetched, and waits
at its box for the word to go; unless an entrypoint would run before the sources are there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pyrunner.errors import BuildError, ContainerGone, EngineError, PyrunnerError
from pyrunner.executors.base import Report, StageStopped
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.labels import JOB_LABEL
from pyrunner.executors.docker.stages.box import Box
from pyrunner.executors.docker.stages.starter import Starter, StarterLock
from pyrunner.protocol.states import FailureReason

T = TypeVar("T")

#: Body of the request that creates a container.
Body = dict[str, Any]


class StageContainer:
    """One container that stages run in, found by its name and label whoever made it.

    :param body: returns the body of the request that creates it; called only when there is none.
    """

    def __init__(
        self,
        engine: Engine,
        report: Report,
        name: str,
        marker: str,
        box: Box | None,
        body: Callable[[], tuple[Body, str]],
    ) -> None:
        self._engine = engine
        self._report = report
        self._body = body
        self.name = name
        self._marker = marker
        self.box = box
        #: Id of a container that was started by this supervisor and has not been told to go.
        self._waiting = ""
        self._starter: Starter | None = None
        self._starting = StarterLock.of(box.folder) if box is not None else None

    def create(self) -> str:
        """Return the id of a container that does not run, made now if need be.

        :raises BuildError: when the engine does not understand the request.
        :raises EngineError: when it cannot be created.
        """
        identity = self._not_running()
        if identity:
            return identity
        body, platform = self._body()
        return self._call(lambda: _create(self._engine, body, self.name, platform))

    def _not_running(self) -> str:
        """Return the id of the container as one that does not run; empty when there is none."""
        self.settle()
        there = self._inspect()
        if there is not None:
            if not there["State"]["Running"]:
                return str(there["Id"])
            # Started by a supervisor that was killed then: nobody knows what it waits for.
            self.discard()
        return ""

    def begin(self) -> None:
        """Have it created and started beside what the caller does next."""
        if self.box is None or self._starting is None or self._starter is not None or self._waiting:
            return
        identity = self._not_running()
        body, platform = ({}, "") if identity else self._body()
        self.box.renew_go()
        self._starter = Starter.begin(
            self._engine.pinned,
            lambda engine: identity or _create(engine, body, self.name, platform),
            self._starting,
        )

    def settle(self) -> None:
        """Wait until nobody is starting it, neither a process of ours nor of a supervisor that was killed."""
        starting = self._starting
        if starting is not None and starting.busy:
            self._call(starting.wait)

    def start(self) -> str:
        """Return the id of a container that runs and waits at its box."""
        if self.box is None:
            raise RuntimeError("a container without a box waits for nothing")
        starter, self._starter = self._starter, None
        if starter is not None:
            self._waiting = starter.finish(self._report)
        if self._waiting and self._runs(self._waiting):
            return self._waiting
        identity = self.create()
        self.box.renew_go()
        self._start(identity)
        self._waiting = identity
        return identity

    def known(self) -> str:
        """Return the id of the container as it is, running or not; made now if need be."""
        self.settle()
        there = self._inspect()
        return self.create() if there is None else str(there["Id"])

    def keep_running(self) -> str:
        """Return the id of a container that runs, whoever started it: its command only lives on."""
        there = self._inspect()
        if there is not None and there["State"]["Running"]:
            return str(there["Id"])
        identity = self.create()
        self._start(identity)
        return identity

    def _start(self, identity: str) -> None:
        try:
            self._call(lambda: self._engine.call(lambda api: api.start(identity)))
        except EngineError as error:
            if is_gone(error):
                raise ContainerGone(str(error), identity) from error
            raise

    def told(self) -> None:
        """Take note that it has been told to go."""
        self._waiting = ""

    def discard(self) -> None:
        """Remove it, whatever it does; what has gone is no error."""
        self._waiting = ""
        self.settle()
        there = self._inspect()
        if there is None:
            return
        try:
            # A stop is told only when the work is done.
            with contextlib.suppress(StageStopped):
                self._call(
                    lambda: self._engine.call(
                        lambda api: api.remove_container(there["Id"], force=True, v=True)
                    )
                )
        except EngineError as error:
            if not error.not_found and error.status != _BEING_REMOVED:
                raise

    def inspect(self) -> dict[str, Any] | None:
        """Return what the engine tells of it; None when there is none."""
        return self._inspect()

    def _inspect(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._engine.call(lambda api: api.inspect_container(self.name))
        except EngineError as error:
            if error.not_found:
                return None
            raise
        if (found["Config"].get("Labels") or {}).get(JOB_LABEL) != self._marker:
            raise PyrunnerError(
                f"the container {self.name} is not this job's, and has the name that the job needs: remove it"
            )
        return found

    def _runs(self, identity: str) -> bool:
        there = self._inspect()
        return there is not None and there["Id"] == identity and bool(there["State"]["Running"])

    def _call(self, work: Callable[[], T]) -> T:
        return in_background(work, self._report)


def is_gone(error: EngineError) -> bool:
    """Tell whether an error says that there is no such container, and not that something else is missing."""
    return error.not_found and "no such container" in str(error).lower()


#: Answer to a removal that another one is at work on.
_BEING_REMOVED: Final = 409


def _create(engine: Engine, body: Body, name: str, platform: str) -> str:
    try:
        made: dict[str, Any] = engine.call(
            lambda api: api.create_container_from_config(  # type: ignore[no-untyped-call]
                body, name, platform or None
            )
        )
    except EngineError as error:
        if error.status == 400:
            raise BuildError(str(error), FailureReason.CONFIGURATION_ERROR) from error
        raise
    return str(made["Id"])
