"""``python -m pyrunner.executors.terminal CONTROL``: serves one terminal of a job on standard input.

Standard input is one end of a stream socket pair. The first thing that is sent is a line of JSON:
``{"status": 101}``, or the HTTP status that tells why not, with ``error``; then come the terminal's bytes.
The session server's end of the pair is this process's life line: when it closes, the terminal hangs up.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.terminal.bridge import Ending, bridge
from pyrunner.executors.terminal.far_end import FarEnd
from pyrunner.executors.terminal.host import HostTerminal
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.terminal import TerminalKind, TerminalPlan
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import reset_oom_score

_IN_USE: Final = "another terminal of the job is connected"


def main() -> int:
    """Serve; returns the exit code."""
    near = socket.socket(fileno=os.dup(0))
    # A shell would inherit it, and keep the session server waiting for its end.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # The manager is protected (design R7); this is the job's.
    reset_oom_score()
    control = ControlDir(Path(sys.argv[1]))
    lock = OpenFileLock.take(control.terminal_lock)
    if lock is None:
        return _refuse(near, HTTPStatus.LOCKED, _IN_USE)
    try:
        return _serve(near, control)
    finally:
        lock.close()


def _serve(near: socket.socket, control: ControlDir) -> int:
    with contextlib.closing(Ending.watch(control)) as ending:
        return _serve_until(near, control, ending)


def _serve_until(near: socket.socket, control: ControlDir, ending: Ending) -> int:
    if ending.reached():
        return _refuse(near, HTTPStatus.SERVICE_UNAVAILABLE, "the job is over")
    try:
        far = _open(TerminalPlan.load(control.terminal))
    except PyrunnerError as error:
        return _refuse(near, HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    near.sendall(_line(HTTPStatus.SWITCHING_PROTOCOLS))
    bridge(near, far, ending)
    return 0


def _open(plan: TerminalPlan) -> FarEnd:
    if plan.kind == TerminalKind.HOST:
        return HostTerminal.open(plan)
    # The engine's library takes 130 ms.
    from pyrunner.executors.docker.stages.terminal import ContainerTerminal

    return ContainerTerminal.open(plan)


def _refuse(near: socket.socket, status: HTTPStatus, error: str) -> int:
    near.sendall(_line(status, error))
    return 1


def _line(status: HTTPStatus, error: str = "") -> bytes:
    return json.dumps({"status": int(status), "error": error}).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
