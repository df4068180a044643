"""A container as a stage's process tree: how it is stopped, what it uses (docker-executor.md 11.1)."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import EngineError, JobDirError
from pyrunner.executors.docker.container.command_line import TERMINATE
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.system.cgroup_path import CgroupPath, group_of
from pyrunner.system.process import ProcessIdentity
from pyrunner.system.usage import ResourceUsage

#: Seconds between two looks at a container whose figures go with it.
SAMPLE_EVERY: Final = 1.0


@dataclass
class ContainerTree:
    """Everything that runs in one container; see :class:`pyrunner.executors.process.ProcessTree`."""

    engine: Engine
    container: str
    #: Names the stage's wrapper.
    claim: Path
    #: ``FF_USE_NATIVE_CONTAINER_STOP``: the first process alone is asked to end.
    native_stop: bool
    #: Group above the container's own, where we could give it one; else its own is looked up and sampled.
    group: CgroupPath | None
    #: What :attr:`group` had counted when the stage began.
    before: ResourceUsage = field(default_factory=ResourceUsage)
    _sampled: ResourceUsage | None = None
    _sample_at: float = 0.0

    def terminate(self) -> None:
        """Ask all of it to end; returns at once."""
        if self.native_stop or not self._terminate_inside():
            self._signal(None)

    def kill(self) -> None:
        """End it, unless it has ended."""
        self._signal(signal.SIGKILL)

    def abandon(self) -> None:
        """End the wrapper, which does not tell of the stage's end."""
        with contextlib.suppress(FileNotFoundError, ValueError, JobDirError):
            ProcessIdentity.from_dict(json.loads(self.claim.read_bytes())).send(signal.SIGKILL)

    def alive(self) -> bool:
        """Tell whether it runs."""
        state = self._state()
        return state is not None and bool(state.get("Running"))

    def sample(self) -> None:
        """Look at figures that will be gone with the container; at most once a second."""
        now = time.monotonic()
        if self.group is not None or now < self._sample_at or not self.engine.endpoint.local:
            return
        self._sample_at = now + SAMPLE_EVERY
        state = self._state() or {}
        path = group_of(int(state.get("Pid") or 0)) if state.get("Pid") else None
        if path is not None:
            self._sampled = CgroupPath(path).usage()

    def usage(self) -> ResourceUsage | None:
        """Return what the stage has used so far; None where nothing measures it."""
        if self.group is None:
            return self._sampled
        return self.group.usage() - self.before

    def _terminate_inside(self) -> bool:
        """Start what asks every process by itself; False when the container cannot run it."""
        try:
            made = self.engine.call(lambda api: api.exec_create(self.container, ["sh", "-c", TERMINATE]))
            self.engine.call(lambda api: api.exec_start(made["Id"], detach=True))
        except EngineError:
            return False
        return True

    def _signal(self, number: signal.Signals | None) -> None:
        """Send a signal to the first process: the image's own stop signal when it is None."""
        # Not running any more, or gone: then there is nothing to stop.
        with contextlib.suppress(EngineError):
            if number is None:
                config = self.engine.call(lambda api: api.inspect_container(self.container))["Config"]
                name = config.get("StopSignal") or "SIGTERM"
                self.engine.call(lambda api: api.kill(self.container, name))
            else:
                self.engine.call(lambda api: api.kill(self.container, int(number)))

    def _state(self) -> dict[str, Any] | None:
        try:
            inspected = self.engine.call(lambda api: api.inspect_container(self.container))
        except EngineError:
            return None
        state: dict[str, Any] = inspected["State"]
        return state
