"""The process of one terminal, started by the session server (:mod:`pyrunner.executors.terminal.__main__`).

A process of its own: a pseudo-terminal needs a fork, which a threaded process must not do, and a container
needs its engine's library, which the manager does without.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final, Self

from pyrunner.errors import PyrunnerError
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.proctree import MARKER

#: Seconds that it has to say how it stands: it may wait 15 s each for a container and for its shell.
_PATIENCE: Final = 60.0
#: Seconds that it has to end its shell and itself.
_FAREWELL: Final = 15.0
_LONGEST_LINE: Final = 8192

_PROGRAM: Final = (
    "import runpy, sys; p = sys.argv.pop(1); p in sys.path or sys.path.insert(0, p); "
    "runpy.run_module('pyrunner.executors.terminal', run_name='__main__')"
)


class TerminalRefused(PyrunnerError):
    """There is no terminal for this request.

    :param status: what the coordinator is answered.
    """

    def __init__(self, message: str, status: HTTPStatus) -> None:
        super().__init__(message)
        self.status = status


class TerminalProcess:
    """One running terminal; :attr:`stream` is its terminal's bytes, both ways."""

    def __init__(self, process: subprocess.Popen[bytes], stream: socket.socket) -> None:
        self._process = process
        self.stream = stream

    @classmethod
    def start(cls, control: ControlDir, marker: str, environ: Mapping[str, str]) -> Self:
        """Open a terminal of a job; returns when it is open.

        :param marker: makes the process one of the job's (:mod:`pyrunner.system.proctree`).
        :raises TerminalRefused: when there is none.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, _log_of(control) as log:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _PROGRAM, _package_parent(), str(control.path)],
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    env={**environ, MARKER: marker},
                    start_new_session=True,
                )
        except OSError as error:
            ours.close()
            raise TerminalRefused(
                f"no process can be started for it: {error}", HTTPStatus.INTERNAL_SERVER_ERROR
            ) from None
        terminal = cls(process, ours)
        try:
            terminal._await_open()
        except BaseException:
            terminal.close()
            raise
        return terminal

    def _await_open(self) -> None:
        """Read how it stands.

        :raises TerminalRefused: when it is not open.
        """
        ends, line = time.monotonic() + _PATIENCE, b""
        while not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            self.stream.settimeout(max(0.01, ends - time.monotonic()))
            try:
                # One by one: what follows the line is the terminal's.
                byte = self.stream.recv(1)
            except OSError:
                byte = b""
            if not byte:
                break
            line += byte
        try:
            value = json.loads(line)
            status, error = HTTPStatus(value["status"]), str(value["error"])
        except (ValueError, KeyError, TypeError):
            status, error = HTTPStatus.INTERNAL_SERVER_ERROR, "its process has said nothing; see terminal.log"
        if status is not HTTPStatus.SWITCHING_PROTOCOLS:
            raise TerminalRefused(error, status)

    def close(self) -> None:
        """Hang up, and see the process off."""
        self.stream.close()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()


def _log_of(control: ControlDir) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.fdopen(os.open(control.terminal_log, flags, 0o600), "ab")


def _package_parent() -> str:
    return str(Path(__file__).resolve().parents[3])
