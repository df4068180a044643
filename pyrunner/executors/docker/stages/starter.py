"""Creates and starts a container beside the supervisor, which meanwhile runs other stages (design 5).

The engine takes longer to start a container than a small project takes to be fetched. A process of its own
waits for it, since the supervisor's one thread may not, and must not fork while it has a second.

The process holds a lock as long as it lives: a supervisor that takes the place of a killed one can wait for
it, and never makes a second container of that name, or starts one that is about to be started.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.system.files import read_json, write_json
from pyrunner.system.lock import OpenFileLock, is_held

#: Seconds between two looks where no event tells of the file.
_LOOK: Final = 0.05
_LOOK_AT_LOCK: Final = 0.01


@dataclass(frozen=True, slots=True)
class StarterFiles:
    """Where a starter is known by."""

    #: Written when the engine has answered.
    answer: Path
    #: Held by a starter that is at work.
    lock: Path

    @classmethod
    def of(cls, folder: Path) -> StarterFiles:
        """Return those of the container whose box is ``folder``."""
        return cls(folder.with_name(f"{folder.name}.started"), folder.with_name(f"{folder.name}.starting"))

    @property
    def busy(self) -> bool:
        """Tell whether one is at work, of whichever supervisor."""
        return is_held(self.lock)

    def wait(self) -> None:
        """Return when none is at work; takes as long as the engine does."""
        while self.busy:
            time.sleep(_LOOK_AT_LOCK)


@dataclass
class Starter:
    """A start under way; for the process that began it."""

    files: StarterFiles
    #: The process that waits for it.
    pid: int

    @classmethod
    def begin(
        cls, endpoint: Endpoint, create: Callable[[Engine], str], files: StarterFiles
    ) -> Starter | None:
        """Begin; the caller has no other thread. None while another one is at work.

        :param create: returns the id of the container that is to be started.
        """
        lock = OpenFileLock.take(files.lock)
        if lock is None:
            return None
        files.answer.unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            try:
                _become_bare(lock.fd)
                _start(endpoint, create, files.answer)
            finally:
                os._exit(0)
        lock.close()
        return cls(files, pid)

    def finish(self, report: Report) -> str:
        """Wait for the engine's answer and return the container's id.

        Empty when nobody will ever tell, or none could be created: the caller tries, and is told why.

        :raises EngineError: when the engine has refused to start it.
        """
        answer = self.files.answer
        while not answer.exists():
            if os.waitpid(self.pid, os.WNOHANG)[0] and not answer.exists():
                return ""
            report.pause(_LOOK)
        told = read_json(answer)
        answer.unlink()
        if told["error"] and told["container"]:
            raise EngineError(told["error"], int(told["status"]))
        return str(told["container"])


def _become_bare(kept: int) -> None:
    """Hold nothing of the supervisor's, neither its lock nor its log, but the descriptor ``kept``."""
    gc.disable()
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, kept)
    os.closerange(kept + 1, max(65536, null + 1))


def _start(endpoint: Endpoint, create: Callable[[Engine], str], answer: Path) -> None:
    told: dict[str, object] = {"container": "", "error": "", "status": 0}
    try:
        engine = Engine(endpoint)
        told["container"] = container = create(engine)
        engine.call(lambda api: api.start(container))
    except EngineError as error:
        told.update(error=str(error), status=error.status)
    except PyrunnerError as error:
        told.update(error=str(error))
    write_json(answer, told, durable=False)
