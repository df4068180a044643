"""The pump: a small process that follows a service's log and writes its lines into a FIFO (design R3).

It is a wrapper like that of a stage and outlives the supervisor: it holds the FIFO open, and waits for
whoever collects. When it is killed, a supervisor starts another where the raw log stands.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.container_log import log_pieces, open_log
from pyrunner.executors.docker.services.lines import LogPosition
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.system.process import boot_id

#: Seconds between two looks at whether the job's files are still there.
_LOOK: Final = 2.0
#: Keys of the exit record: the log was not read to its end; it was followed.
INTERRUPTED: Final = "interrupted"
FOLLOWED: Final = "followed"
#: Seconds that an engine gets to note that a container has ended, and between two looks.
_NOTED: Final = 10.0
_NOTED_LOOK: Final = 0.1


@dataclass(frozen=True)
class LogPump:
    """Follows one container's log; see :class:`pyrunner.executors.wrapper.WrapperWork`.

    Who follows misses what the engine stores last, such as a line without its end: when the container has
    ended, another pump reads the rest.
    """

    files: StageFiles
    endpoint: Endpoint
    #: Id of the container.
    container: str
    #: Begins each line.
    prefix: bytes
    position: LogPosition
    #: Wait for more until the container ends; else only read what there is once it has.
    follow: bool = True

    def run(self, out: int, err: int) -> dict[str, Any]:
        """Write lines until the container has ended and its log is read."""
        # It may live for hours: what it throws away is collected, what it shares is left alone.
        gc.freeze()
        gc.enable()
        threading.Thread(target=self._end_with_job, daemon=True).start()
        record: dict[str, Any] = {"boot_id": boot_id(), FOLLOWED: self.follow}
        with contextlib.closing(Engine(self.endpoint)) as engine:
            try:
                if self.follow:
                    self._read(engine, out)
                record[INTERRUPTED] = not _has_ended(engine, self.container)
                if not self.follow:
                    self._read(engine, out)
            except EngineError as error:
                record["text"] = str(error)
                record[INTERRUPTED] = not error.not_found
        return {**record, "ended_at": time.monotonic()}

    def _read(self, engine: Engine, out: int) -> None:
        response = open_log(engine, self.container, follow=self.follow, since=self.position.since)
        with contextlib.closing(response):
            for line in self.position.rest_of(log_pieces(response), self.prefix):
                view = memoryview(line)
                while view:
                    view = view[os.write(out, view) :]

    def _end_with_job(self) -> None:
        """End this process when the job's working files are gone: nobody will ever collect."""
        while self.files.claim.exists():
            time.sleep(_LOOK)
        os._exit(0)


def _has_ended(engine: Engine, container: str) -> bool:
    """Tell whether a container whose log has ended has ended itself: all its output is stored then."""
    ends = time.monotonic() + _NOTED
    while engine.call(lambda api: api.inspect_container(container))["State"].get("Running"):
        if time.monotonic() >= ends:
            return False
        time.sleep(_NOTED_LOOK)
    return True
