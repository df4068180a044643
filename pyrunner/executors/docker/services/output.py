"""What services print, live in the trace: ``CI_DEBUG_SERVICES`` (docker-executor.md 5.6)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import struct
import termios
import time
from collections.abc import Sequence
from typing import Final

from pyrunner.errors import DiskFull, JobDirError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.connection import Endpoint
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.services.lines import LogPosition, line_prefix
from pyrunner.executors.docker.services.pump import FOLLOWED, INTERRUPTED, LogPump
from pyrunner.executors.docker.services.state import StartedService
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import read_exit, spawn_wrapper
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.files import create_exclusive
from pyrunner.system.lock import OpenFileLock, is_held
from pyrunner.system.process import ProcessIdentity
from pyrunner.trace.rawlog import SERVICES, RawLog
from pyrunner.trace.sideoutput import free_side_number, output_tail, side_number

logger = logging.getLogger(__name__)

#: Splices from one pipe before the others, and the stage, get a turn.
_SPLICES_PER_TURN: Final = 4
#: Seconds between two looks at whether a pump lives, and the longest pause before another is started.
_LOOK: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
#: Pumps of one service that may fail before a supervisor lets its log be.
_MOST_FAILURES: Final = 12
#: Seconds that pumps get for their last lines when the containers are gone.
_LAST_LINES: Final = 2.0
_LAST_LINES_LOOK: Final = 0.02
#: More than a line can be: 16 KiB come at once, and all aliases before them.
_TAIL: Final = 1024 * 1024
_INT: Final = struct.Struct("i")


class ServiceOutput:
    """Moves the lines of all services into the raw log; see :class:`pyrunner.executors.base.SideOutput`."""

    def __init__(self, job: DockerJob, endpoint: Endpoint, raw_log: RawLog) -> None:
        self._control = ControlDir(job.control)
        self._endpoint = endpoint
        self._raw_log = raw_log
        self._sources: list[_Source] = []

    def begin(self, services: Sequence[StartedService], report: Report) -> None:
        """Follow the logs of ``services``, or take up the pumps of a former supervisor."""
        first = int(report.once("services.output", lambda: free_side_number(self._control)))
        for place, service in enumerate(services):
            number = side_number(first, place)
            source = _Source(self._control, self._endpoint, self._raw_log, service, number)
            source.begin()
            self._sources.append(source)

    @property
    def fds(self) -> list[int]:
        """Readable when there is something to :meth:`drain`."""
        return [one.fd for one in self._sources if one.fd >= 0]

    def drain(self) -> bool:
        """Move some output; True when there may be more."""
        return self._turn(look=False)

    def close(self) -> None:
        """Collect what is left, then end the pumps. Safe twice."""
        ends = time.monotonic() + _LAST_LINES
        try:
            while any(not one.done for one in self._sources) and time.monotonic() < ends:
                if not self._turn(look=True):
                    time.sleep(_LAST_LINES_LOOK)
            for source in self._sources:
                source.end()
        except DiskFull:
            # How the job ends is known by now; these lines are all that is lost.
            logger.warning("the last lines of services find no room on the disk")
        finally:
            for source in self._sources:
                source.close()
            self._sources.clear()

    def _turn(self, look: bool) -> bool:
        # All get their turn, also when the first has more.
        busy = [source.turn(look) for source in self._sources]
        return any(busy)


class _Source:
    """The lines of one service."""

    def __init__(
        self, control: ControlDir, endpoint: Endpoint, raw_log: RawLog, service: StartedService, number: int
    ) -> None:
        self.fd = -1
        #: Nothing will come any more.
        self.done = False
        self._control = control
        self._endpoint = endpoint
        self._raw_log = raw_log
        self._service = service
        self._number = number
        self._prefix = line_prefix(service.aliases)
        self._failures = 0
        self._look_at = 0.0
        self._restart = self._latest()

    @property
    def _files(self) -> StageFiles:
        return self._files_of(self._restart)

    def _files_of(self, restart: int) -> StageFiles:
        return StageFiles.of(self._control, self._number, f"svc{self._service.short_id}", restart)

    def _latest(self) -> int:
        """Return which pump was started last, -1 when none was."""
        restart = 0
        while self._files_of(restart).claim.exists() or self._files_of(restart).lock.exists():
            restart += 1
        return restart - 1

    def begin(self) -> None:
        """Start a pump, or take up the one that runs; one that has ended and was collected stays ended."""
        if self._restart >= 0 and is_held(self._files.lock):
            self._open()
        elif self._restart >= 0 and self._files.drained.exists():
            self.done = True
        else:
            self._start()

    def turn(self, look: bool) -> bool:
        """Move some output, see now and then whether the pump lives; True when there may be more.

        :param look: see now.
        """
        if self.done:
            return False
        if _held(self.fd) and self._splice():
            return True
        now = time.monotonic()
        if look or now >= self._look_at:
            self._look_at = now + _LOOK
            self._look()
        return False

    def end(self) -> None:
        """End the pump; what it has written is taken."""
        if self.done:
            return
        self._void()
        with contextlib.suppress(OSError, ValueError, JobDirError):
            ProcessIdentity.from_dict(json.loads(self._files.claim.read_bytes())).send(signal.SIGKILL)
        self._finish()

    def close(self) -> None:
        """Release the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _look(self) -> None:
        record = read_exit(self._files.exit)
        if record is None:
            if is_held(self._files.lock):
                return
            # Looked at again: it may have written its last word between the two looks.
            record = read_exit(self._files.exit)
        self._drain_all()
        if record is None or record.get(INTERRUPTED):
            self._again()
        elif record.get(FOLLOWED):
            self._retire()
            self._start(follow=False)
        else:
            self._finish()

    def _again(self) -> None:
        """Replace a pump that was killed, or lost its engine."""
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            logger.warning("the log of service %s cannot be followed any more", self._service.name)
            self._finish()
            return
        self._retire()
        self._start()
        self._look_at = time.monotonic() + min(_LOOK * 2**self._failures, _LONGEST_PAUSE)

    def _finish(self) -> None:
        self._drain_all()
        self._raw_log.close_stage(self._number, time.time())
        self._retire()
        self.done = True

    def _void(self) -> None:
        """See to it that a pump which has not begun never will."""
        create_exclusive(self._files.claim, b"{}")

    def _retire(self) -> None:
        """Let the pump go: all that it has written is in the raw log."""
        self._void()
        create_exclusive(self._files.drained, b"")
        self._files.remove()

    def _start(self, follow: bool = True) -> None:
        """Start a pump that goes on where the raw log stands."""
        tail, whole = output_tail(self._control, self._number, _TAIL + 4 * len(self._prefix))
        position = LogPosition.behind(tail, whole, self._prefix)
        self._restart += 1
        files = self._files
        files.make_fifos()
        self._open()
        lock = OpenFileLock.take(files.lock)
        if lock is None:
            raise JobDirError(f"{files.lock} is held by another pump")
        container = self._service.id
        spawn_wrapper(LogPump(files, self._endpoint, container, self._prefix, position, follow), lock)

    def _open(self) -> None:
        # For writing as well: without a pump there is no end-of-file, which poll would tell for ever.
        fresh = os.open(self._files.stdout, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            self.fd = fresh
            return
        # Whoever waits for the descriptor keeps its number.
        os.dup2(fresh, self.fd, inheritable=False)
        os.close(fresh)

    def _splice(self) -> bool:
        """Move what the pipe holds; True when there may be more."""
        turns = range(_SPLICES_PER_TURN)
        return all(self._raw_log.splice(self.fd, SERVICES, self._number, time.time()) for _ in turns)

    def _drain_all(self) -> None:
        """Take what the pipe holds now."""
        left = _held(self.fd) if self.fd >= 0 else 0
        while left > 0 and (moved := self._raw_log.splice(self.fd, SERVICES, self._number, time.time())):
            left -= moved


def _held(fd: int) -> int:
    """Return how many bytes are in a pipe."""
    return int(_INT.unpack(fcntl.ioctl(fd, termios.FIONREAD, _INT.pack(0)))[0])
