"""The manager's end of the fork server: starts it, asks it for supervisors, starts it again.

The manager is threaded and must never fork itself; the fork server is single-threaded, small, and
has imported all that a supervisor needs. A request is one message ``{"control": PATH}`` with the
descriptor of the job's lock attached; the answer ``{"pid": N}`` or ``{"error": TEXT}``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.jobdir.control import ControlDir
from pyrunner.system.lock import OpenFileLock

_log: Final = logging.getLogger(__name__)

#: Meant for this process alone: a job must neither speak to the service manager in our name, nor be led to
#: the service's secrets, nor take itself for the service.
_NOT_INHERITED: Final = (
    *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"),
    *("CREDENTIALS_DIRECTORY", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "JOURNAL_STREAM"),
    *("MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
)
#: Seconds between two starts of a fork server that keeps dying.
_RESTART_PAUSE: Final = 2.0

# Without -P, a module in the working directory could stand in for ours; with it, a plain checkout is
# not found. So the path of this very package is given, which also keeps both of one version.
_PROGRAM: Final = (
    "import runpy, sys; p = sys.argv.pop(1); p in sys.path or sys.path.insert(0, p); "
    "runpy.run_module('pyrunner.supervisor.spawner', run_name='__main__')"
)


@dataclass(frozen=True, slots=True)
class SpawnAnswer:
    """What came of a request."""

    #: The supervisor's process id; 0: there may be none.
    pid: int = 0
    #: Why not; empty when the fork server vanished and nobody knows.
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Request:
    control: ControlDir
    lock: OpenFileLock
    done: Callable[[SpawnAnswer], None]


class SpawnerClient:
    """Used by the main loop only.

    :param environ: environment of the fork server, and so of shell jobs.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {key: value for key, value in environ.items() if key not in _NOT_INHERITED}
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._waiting: deque[_Request] = deque()
        self._asked: deque[_Request] = deque()
        self._start_at = -math.inf
        self._closed = False
        self._executors: list[str] = []

    def expect(self, executors: Iterable[str]) -> None:
        """Take note of the executors that jobs will need: the fork server imports what they do."""
        self._executors = sorted(set(executors))

    def fileno(self) -> int:
        """Return the descriptor to watch for reading; -1 while no fork server runs."""
        return self._channel.fileno() if self._channel is not None else -1

    def spawn(self, control: ControlDir, lock: OpenFileLock, done: Callable[[SpawnAnswer], None]) -> None:
        """Ask for a supervisor; ``lock`` is given to it, our copy is closed before ``done`` is called."""
        self._waiting.append(_Request(control, lock, done))
        self._send()

    def step(self, now: float) -> float:
        """Start the fork server when none runs; return when to call again."""
        if self._channel is None and not self._closed:
            if now < self._start_at:
                return self._start_at
            self._start_at = now + _RESTART_PAUSE
            self._start()
            self._send()
        return math.inf

    def readable(self) -> None:
        """Take what the fork server has sent."""
        while self._channel is not None:
            try:
                message = self._channel.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lost()
                return
            self._answered(message)

    def close(self) -> None:
        """Let the fork server end; supervisors live on. Safe twice."""
        self._closed = True
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for request in (*self._asked, *self._waiting):
            request.lock.close()
        self._asked.clear()
        self._waiting.clear()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
            self._process = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package_parent = str(Path(__file__).resolve().parents[2])
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, package_parent, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=self._environ,
                pass_fds=(theirs.fileno(),),
                # A signal to our process group is for us alone.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            _log.error("the fork server cannot be started: %s; trying again", error)
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._channel = ours

    def _send(self) -> None:
        while self._waiting and self._channel is not None:
            request = self._waiting[0]
            message = json.dumps(
                {"control": str(request.control.path), "executors": self._executors}
            ).encode()
            try:
                socket.send_fds(self._channel, [message], [request.lock.fd])
            except BlockingIOError:
                return  # answers that make room call again
            except OSError:
                self._lost()
                return
            self._asked.append(self._waiting.popleft())

    def _answered(self, message: bytes) -> None:
        if not self._asked:
            return
        request = self._asked.popleft()
        # The supervisor holds the lock now; our copy would hide its death.
        request.lock.close()
        try:
            value = json.loads(message)
            answer = SpawnAnswer(int(value.get("pid", 0)), str(value.get("error", "")))
        except (ValueError, AttributeError, TypeError):
            answer = SpawnAnswer(error="the fork server's answer makes no sense")
        request.done(answer)
        self._send()

    def _lost(self) -> None:
        """The fork server has died: whoever was asked for may live or not; the locks tell."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        status = self._process.poll() if self._process is not None else None
        self._process = None
        _log.warning("the fork server has ended (status %s); starting another", status)
        lost, self._asked = self._asked, deque()
        for request in lost:
            request.lock.close()
            request.done(SpawnAnswer())
