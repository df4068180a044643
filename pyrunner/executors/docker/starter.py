"""Starts a container beside the supervisor, which meanwhile runs other stages (design 5).

The engine takes longer to start a container than a small project takes to be fetched. A process of its own
waits for it, since the supervisor's one thread may not, and must not fork while it has a second.
"""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import EngineError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine import Endpoint, Engine
from pyrunner.system.files import read_json, write_json

#: Seconds between two looks where no event tells of the file.
_LOOK: Final = 0.05


@dataclass
class Starter:
    """A start under way; for the process that began it."""

    container: str
    #: Written when the engine has answered.
    answer: Path
    #: The process that waits for it.
    pid: int

    @classmethod
    def begin(cls, endpoint: Endpoint, container: str, answer: Path) -> Starter:
        """Begin; the caller has no other thread."""
        answer.unlink(missing_ok=True)
        pid = os.fork()
        if not pid:
            try:
                _become_bare()
                _start(endpoint, container, answer)
            finally:
                os._exit(0)
        return cls(container, answer, pid)

    def finish(self, report: Report) -> bool:
        """Wait for the engine's answer; False when nobody will ever tell it.

        :raises EngineError: when the engine has refused.
        """
        while not self.answer.exists():
            if os.waitpid(self.pid, os.WNOHANG)[0] and not self.answer.exists():
                return False
            report.pause(_LOOK)
        told = read_json(self.answer)
        self.answer.unlink()
        if told["error"]:
            raise EngineError(told["error"], int(told["status"]))
        return True


def _become_bare() -> None:
    """Hold nothing of the supervisor's: neither its lock nor its log."""
    gc.disable()
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, max(65536, null + 1))


def _start(endpoint: Endpoint, container: str, answer: Path) -> None:
    told: dict[str, object] = {"error": "", "status": 0}
    try:
        Engine(endpoint).call(lambda api: api.start(container))
    except EngineError as error:
        told = {"error": str(error), "status": error.status}
    write_json(answer, told, durable=False)
