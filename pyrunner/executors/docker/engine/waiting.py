"""Waiting for a container's end, through restarts of the engine."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Final

import docker

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.deaths import in_time, passed

#: Seconds that an engine has to come back, e.g. when it is updated.
RECONNECT: Final = 120.0
#: Seconds after which a wait is asked for again: deadlines pass, connections die without a word.
_TURN: Final = 60.0
#: What containers end with when the engine stops them for its own sake.
_STOPPED_CODES: Final = frozenset({137, 143})
#: The same, and what engines put down for a container of whose end they know nothing.
_UNKNOWN_CODES: Final = _STOPPED_CODES | {255}
_REMOVED: Final = "the container was removed while the job ran"
#: ``FinishedAt`` of a container of whose end the engine knows nothing begins like this.
_NEVER: Final = "0001-"
#: Seconds that an engine which is stopping may still answer.
_STOPPING: Final = 2.0


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """How a container's run ended."""

    exit_code: int = 0
    #: The kernel killed a process of it for want of memory.
    out_of_memory: bool = False
    #: Why nothing is known of its end, or the end means nothing; empty: ``exit_code`` counts.
    vanished: str = ""
    #: It did not end in time.
    given_up: bool = False


class ContainerWait:
    """Waits for one run of one container; for one thread.

    :param give_up_at: monotonic.
    """

    def __init__(self, endpoint: Endpoint, container: str, give_up_at: float) -> None:
        self._endpoint = endpoint
        self._container = container
        self._give_up_at = give_up_at
        self._engine = Engine(endpoint)

    def end(self) -> ContainerEnd:
        """Return when the container has ended, is gone, or is overdue."""
        while True:
            left = self._give_up_at - time.monotonic()
            if left <= 0:
                return ContainerEnd(given_up=True)
            try:
                seconds = min(left, _TURN)
                # An engine tells of a death as soon as it knows, and answers those who wait, or ask, when it
                # has taken the container's network down, 60 ms later: only failures need to know more.
                if self._engine.call(lambda api, s=seconds: passed(api, self._container, s)):  # type: ignore[misc]
                    return ContainerEnd()
                if self._ended(seconds):
                    return self._outcome()
            except EngineError as error:
                if error.not_found:
                    return ContainerEnd(vanished=_REMOVED)
                if error.status:
                    return ContainerEnd(vanished=f"waiting for the container failed: {error}")
                end = self._after_restart()
                if end is not None:
                    return end

    def _ended(self, seconds: float) -> bool:
        """Wait for a while; True when the container does not run any more."""

        def wait(api: docker.APIClient) -> bool:
            api.wait(self._container, timeout=max(1, math.ceil(seconds)))
            return True

        return self._engine.call(lambda api: in_time(lambda: wait(api)))

    def _state(self) -> dict[str, Any]:
        container = self._engine.call(lambda api: api.inspect_container(self._container))
        state: dict[str, Any] = container["State"]
        return state

    def _outcome(self) -> ContainerEnd:
        state = self._state()
        code = int(state["ExitCode"])
        oom = bool(state.get("OOMKilled"))
        if code in _STOPPED_CODES and not oom and (why := self._why_killed()):
            return ContainerEnd(vanished=why)
        return ContainerEnd(code, oom)

    def _why_killed(self) -> str:
        """Return what else than a signal has ended the container; empty: nothing else.

        Whoever removes a container, and an engine that goes down, kills it first.
        """
        ends = time.monotonic() + _STOPPING
        while time.monotonic() < ends:
            try:
                if self._state().get("Status") == "removing":
                    return _REMOVED
            except EngineError as error:
                return _REMOVED if error.not_found else "the container engine was stopped while the job ran"
            time.sleep(0.2)
        return ""

    def _after_restart(self) -> ContainerEnd | None:
        """Return how the container has come through a restart of the engine; None when it still runs."""
        ends = min(time.monotonic() + RECONNECT, self._give_up_at)
        pause = 0.1
        while True:
            self._engine.close()
            self._engine = Engine(self._endpoint)
            try:
                state = self._state()
            except EngineError as error:
                if error.not_found:
                    return ContainerEnd(vanished="the container engine has lost the container")
                if time.monotonic() >= ends:
                    return ContainerEnd(vanished=f"the container engine does not come back: {error}")
                time.sleep(pause)
                pause = min(pause * 1.5, 2.0)
                continue
            if state.get("Running"):
                return None
            return _end_meanwhile(state)


def _end_meanwhile(state: dict[str, Any]) -> ContainerEnd:
    """Return how a container has ended while its engine was away.

    By itself, with ``live-restore`` or before an engine that was killed came back: then its exit code is in
    the keeping of its shim. By the engine: then the code says nothing about the job.
    """
    code, finished = int(state["ExitCode"]), str(state.get("FinishedAt") or _NEVER)
    if code in _UNKNOWN_CODES or finished.startswith(_NEVER):
        return ContainerEnd(vanished="the container engine was restarted while the job ran")
    return ContainerEnd(code, bool(state.get("OOMKilled")))
