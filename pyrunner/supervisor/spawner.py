"""The fork server: a small single-threaded process that has imported all a supervisor needs.

``python -m pyrunner.supervisor.spawner FD``, where FD is one end of a SOCK_SEQPACKET pair. A request
is one message, JSON ``{"control": PATH, "executors": [NAME, ...]}``, with the descriptor of the job's lock
attached; the answer is ``{"pid": N}`` or ``{"error": TEXT}``. What the executors named need is imported here
once: all supervisors share it. Forking takes 0.2 ms and shares the imported modules' memory
(design 5). It may be killed at any time: the manager starts another, supervisors live on.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from pyrunner.jobdir.control import ControlDir
from pyrunner.supervisor.main import run_job
from pyrunner.system.process import protect_from_oom
from pyrunner.system.sampler import ProcessSampler

logger = logging.getLogger(__name__)

#: What executors need beyond what all do.
_MODULES: Final = {"docker": "pyrunner.executors.docker.factory"}
#: Imported before the first fork although only long stages need it: all supervisors share its pages.
_SHARED = (ProcessSampler,)


def main() -> None:
    """Serve until the manager closes its end."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        # The manager decides about stopping; a signal to the group must not take the jobs' parent.
        signal.signal(ignored, signal.SIG_IGN)
    protect_from_oom()
    serve(channel)


def serve(channel: socket.socket) -> None:
    """Fork a supervisor for each request on ``channel``; returns at its end-of-file."""
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # What is imported now is shared by all children for good: collecting would copy its pages.
    gc.collect()
    gc.disable()
    gc.freeze()
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    poller.register(wakeup_read, select.POLLIN)
    while True:
        events = dict(poller.poll())
        if wakeup_read in events:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup_read, 4096)
        _reap()
        if channel.fileno() in events and not _serve_one(channel):
            return


def _serve_one(channel: socket.socket) -> bool:
    """Answer one request; False at end-of-file."""
    message, descriptors, _, _ = socket.recv_fds(channel, 65536, 1)
    if not message:
        return False
    try:
        request = json.loads(message)
        control = ControlDir(Path(request["control"]))
        _import_for(request.get("executors", []))
        pid = os.fork()
    except (OSError, ValueError, KeyError, ImportError) as error:
        _close(descriptors)
        return _answer(channel, {"error": f"cannot fork a supervisor: {error}"})
    if pid == 0:
        _become_supervisor(control, channel)
    # Only the supervisor may hold the lock, or its death would go unnoticed.
    _close(descriptors)
    return _answer(channel, {"pid": pid})


def _import_for(executors: list[str]) -> None:
    """Import and find out what supervisors of these executors need, before the first of them is forked."""
    wanted = [_MODULES[name] for name in executors if name in _MODULES]
    missing = [name for name in wanted if name not in sys.modules]
    for name in wanted:
        importlib.import_module(name).warm_up()
    if missing:
        gc.collect()
        gc.freeze()


def _answer(channel: socket.socket, answer: dict[str, object]) -> bool:
    try:
        channel.send(json.dumps(answer).encode())
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _close(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_supervisor(control: ControlDir, channel: socket.socket) -> None:
    """Never returns: run the job in this freshly forked process."""
    status = 1
    try:
        channel.close()
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        redirect_output(control)
        gc.enable()
        run_job(control)
        status = 0
    except Exception:
        logger.exception("the supervisor could not work on its job")
    finally:
        logging.shutdown()
        os._exit(status)


def redirect_output(control: ControlDir) -> None:
    """Send everything this process prints to supervisor.log, and read from nowhere."""
    log = os.open(
        control.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
    )
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.close(null)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True
    )


if __name__ == "__main__":
    main()
