"""Moves bytes between the session server and a terminal, until one of them or the job ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from types import FrameType
from typing import Final, Self

from pyrunner.executors.terminal.far_end import FarEnd
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.inotify import Inotify

#: Bytes moved at a time; what has not been taken is not read further: neither end can fill our memory.
_CHUNK: Final = 16 * 1024
#: Seconds between two looks at what no event announces.
_LOOK: Final = 1.0
#: Seconds that whoever listens has to take the last bytes.
_PATIENCE: Final = 2.0


class Ending:
    """Tells when the terminal has to end: SIGTERM, which stops the job's whole tree, or the job is over."""

    def __init__(self, control: ControlDir) -> None:
        self._closed = control.terminal_closed
        self._told = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._inotify: Inotify | None = None

    @classmethod
    def watch(cls, control: ControlDir) -> Self:
        """Watch from here on."""
        ending = cls(control)
        signal.set_wakeup_fd(ending._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, ending._signalled)
        # Without it the look of every second finds the same.
        with contextlib.suppress(OSError):
            ending._inotify = Inotify()
            ending._inotify.add(control.path)
        return ending

    @property
    def fds(self) -> list[int]:
        """Readable when there may be something to know."""
        return [self._read, *([self._inotify.fd] if self._inotify is not None else [])]

    def reached(self) -> bool:
        """Tell whether the terminal has to end."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 512):
                pass
        if self._inotify is not None:
            self._inotify.read()
        # The folder goes with a job that is dropped.
        return self._told or self._closed.exists() or not self._closed.parent.exists()

    def close(self) -> None:
        """Watch no longer."""
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
        if self._inotify is not None:
            self._inotify.close()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._told = True


def bridge(near: socket.socket, far: FarEnd, ending: Ending) -> None:
    """Move until either end is closed, or the terminal has to end; closes ``far``."""
    near.setblocking(False)
    to_far, to_near = b"", b""
    timeout = 0.0  # it may have said something already
    try:
        while not ending.reached():
            poller = select.poll()
            for fd in ending.fds:
                poller.register(fd, select.POLLIN)
            poller.register(near, (0 if to_far else select.POLLIN) | (select.POLLOUT if to_near else 0))
            if to_far or not to_near:  # one that has hung up says so all the time
                poller.register(far, (0 if to_near else select.POLLIN) | (select.POLLOUT if to_far else 0))
            events = dict(poller.poll(timeout * 1000))
            timeout = _LOOK
            if events.get(near.fileno(), 0) & (select.POLLHUP | select.POLLERR):
                return
            if not to_far:
                received = _receive(near)
                if received == b"":
                    return
                to_far = received or b""
            if to_far:
                to_far = to_far[far.send(memoryview(to_far)) :]
            if not to_near:
                said = far.receive(_CHUNK)
                if said == b"":
                    return
                to_near = said or b""
            if to_near:
                to_near = to_near[_send(near, to_near) :]
    except OSError:
        # One end is broken: for the other that is the end as well.
        return
    finally:
        far.close()
        _flush(near, to_near)


def _receive(near: socket.socket) -> bytes | None:
    try:
        return near.recv(_CHUNK)
    except BlockingIOError:
        return None


def _send(near: socket.socket, data: bytes) -> int:
    try:
        return near.send(data)
    except BlockingIOError:
        return 0


def _flush(near: socket.socket, rest: bytes) -> None:
    """Hand over what the terminal has said last, if somebody still listens."""
    with contextlib.suppress(OSError):
        near.settimeout(_PATIENCE)
        near.sendall(rest)
