"""Creates and starts a container beside the supervisor, which meanwhile runs other stages (design 5).

The engine takes longer to start a container than a small project takes to be fetched. A process of its own
waits for it, since the supervisor's one thread may not, and must not fork while it has a second.

The process holds a lock as long as it lives: a supervisor that takes the place of a killed one can wait for
it, and never makes a second container of that name, or starts one that is about to be started.
"""

from __future__ import annotations

import gc
import json
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.system.lock import OpenFileLock, is_held

#: Seconds between two heartbeats of whoever waits, and how long one may take; between two looks at a lock.
_LOOK: Final = 0.05
_BEAT: Final = 0.001
_LOOK_AT_LOCK: Final = 0.01


@dataclass(frozen=True, slots=True)
class StarterLock:
    """Held by a starter that is at work, of whichever supervisor."""

    path: Path

    @classmethod
    def of(cls, folder: Path) -> StarterLock:
        """Return that of the container whose box is ``folder``."""
        return cls(folder.with_name(f"{folder.name}.starting"))

    @property
    def busy(self) -> bool:
        """Tell whether one is at work."""
        return is_held(self.path)

    def wait(self) -> None:
        """Return when none is at work; takes as long as the engine does."""
        while self.busy:
            time.sleep(_LOOK_AT_LOCK)


@dataclass
class Starter:
    """A start under way; for the process that began it."""

    #: The process that waits for it, and the pipe that it answers on.
    pid: int
    answer: int

    @classmethod
    def begin(cls, endpoint: Endpoint, create: Callable[[Engine], str], place: StarterLock) -> Starter | None:
        """Begin; the caller has no other thread. None while another one is at work.

        :param create: returns the id of the container that is to be started.
        """
        lock = OpenFileLock.take(place.path)
        if lock is None:
            return None
        answer, tell = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if not pid:
            try:
                _become_bare({lock.fd, tell})
                _start(endpoint, create, tell)
            finally:
                os._exit(0)
        lock.close()
        os.close(tell)
        return cls(pid, answer)

    def finish(self, report: Report) -> str:
        """Wait for the engine's answer and return the container's id; for one time.

        Empty when nobody will ever tell, or none could be created: the caller tries, and is told why.

        :raises EngineError: when the engine has refused to start it.
        """
        with open(self.answer, "rb") as answer:
            # Its end comes with the process, however that ends.
            while not select.select([answer], [], [], _LOOK)[0]:
                report.pause(_BEAT)
            text = answer.read()
        os.waitpid(self.pid, 0)
        if not text:
            return ""
        told = json.loads(text)
        if told["error"] and told["container"]:
            raise EngineError(told["error"], int(told["status"]))
        return str(told["container"])


def _become_bare(kept: set[int]) -> None:
    """Hold nothing of the supervisor's, neither its lock nor its log, but the descriptors ``kept``."""
    gc.disable()
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    bounds = sorted(kept)
    for first, last in zip((2, *bounds), (*bounds, 65536), strict=True):
        os.closerange(first + 1, last)


def _start(endpoint: Endpoint, create: Callable[[Engine], str], tell: int) -> None:
    told: dict[str, object] = {"container": "", "error": "", "status": 0}
    try:
        engine = Engine(endpoint)
        told["container"] = container = create(engine)
        engine.call(lambda api: api.start(container))
    except EngineError as error:
        told.update(error=str(error), status=error.status)
    except PyrunnerError as error:
        told.update(error=str(error))
    try:
        os.write(tell, json.dumps(told).encode())
    except BrokenPipeError:
        return  # the supervisor is gone; the next one finds the container by its name
