"""A container's own streams: what its entrypoint prints and reads before, or instead of, a stage's script.

The engine multiplexes both output streams over one connection: frames of eight bytes of header (stream,
length) and the data (docker's API, container attach).
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import ssl
import struct
import threading
import time
from typing import Any, Final, Self

from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.engine.lost_output import LostOutput

_HEADER: Final = struct.Struct(">BxxxL")
_STDOUT: Final = 1
_STDERR: Final = 2
_CHUNK: Final = 64 * 1024
#: Seconds of silence after a container's end in which something may still be on the way.
_LAST_BYTES: Final = 5.0
#: The same where it is asked for anew.
_LAST_OF_LOG: Final = 60.0
_LOOK: Final = 0.2
#: Seconds between two signs of life on a connection to another machine.
_KEEP_ALIVE: Final = 30
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Attachment:
    """Moves the streams of one run of a container, both ways, in one thread.

    One, because a TLS connection may not be read and written by two at the same time.
    """

    def __init__(
        self, response: Any, targets: dict[int, int], barrier: bytes, lost: LostOutput | None = None
    ) -> None:
        # What the SDK hands out closes the socket when nobody holds it any more.
        self._response = response
        self._connection = socket_of(response)
        self._streams = {number: _Stream(fd, barrier) for number, fd in targets.items()}
        self._frames = _Frames(self._streams)
        self._script = memoryview(b"")
        self._lost = lost
        self._recovers = False
        #: Nothing of the output is known to be missing; after :meth:`finish`.
        self.complete = True
        self._passed = threading.Event()
        self._ended = threading.Event()
        #: When the connection was last seen to do something; infinite while its data is being written.
        self._alive_at = time.monotonic()
        #: Written to by :meth:`finish`, so that the thread lets go of a connection that says nothing more.
        self._enough = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        if not barrier:
            self._passed.set()

    @classmethod
    def open(
        cls,
        engine: Engine,
        container: str,
        out: int,
        err: int,
        barrier: bytes,
        lost: LostOutput | None = None,
    ) -> Self:
        """Attach to a container that is about to be started, so that nothing it prints is missed.

        :param lost: finds what is printed after the connection has ended too early.
        :raises EngineError: when the engine refuses.
        """
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        connection = engine.call(lambda api: api.attach_socket(container, parameters))
        return cls(connection, {_STDOUT: out, _STDERR: err}, barrier, lost)

    @classmethod
    def of_exec(cls, engine: Engine, identity: str, out: int, err: int) -> Self:
        """Start what ``exec_create`` has made, with its streams attached.

        :raises EngineError: when the engine refuses.
        """
        connection = engine.call(lambda api: api.exec_start(identity, socket=True))
        return cls(connection, {_STDOUT: out, _STDERR: err}, b"")

    def begin(self, script: bytes | None) -> None:
        """Start moving; the script goes to the container's standard input, which then ends."""
        self._script = memoryview(script or b"")
        threading.Thread(target=self._move, args=(script is not None,), daemon=True).start()

    def await_barrier(self, give_up_at: float) -> None:
        """Return when both streams have passed the barrier or have ended, or at a monotonic time."""
        self._passed.wait(max(0.0, give_up_at - time.monotonic()))

    def await_end(self, seconds: float) -> bool:
        """Wait until both streams have ended; False when they have not in time."""
        return self._ended.wait(seconds)

    def finish(self) -> None:
        """Return when all that the ended container has printed is moved.

        What is on its way comes as fast as the job's output is taken up: a supervisor that is being started
        again must not cost the rest. Only a connection that says nothing for a while is given up.
        """
        began = time.monotonic()
        while not self._ended.wait(_LOOK):
            silence = time.monotonic() - max(began, self._alive_at)
            if silence > (_LAST_OF_LOG if self._recovers else _LAST_BYTES):
                os.eventfd_write(self._enough, 1)
                self._ended.wait(_LAST_BYTES)
                break
        with contextlib.suppress(OSError):
            self._connection.close()

    def _move(self, has_input: bool) -> None:
        try:
            if self._pass_on(has_input) and self._lost is not None:
                self._recovers = True
                self.complete = self._lost.recover(self._frames.counts, self._feed_lost)
        finally:
            for stream in self._streams.values():
                stream.end()
            self._passed.set()
            self._ended.set()

    def _feed_lost(self, number: int, piece: bytes) -> None:
        self._alive_at = math.inf
        if (stream := self._streams.get(number)) is not None:
            stream.feed(piece)
        self._alive_at = time.monotonic()

    def _pass_on(self, has_input: bool) -> bool:
        """Move until the connection ends; False when nobody wants more of it."""
        connection = self._connection
        connection.setblocking(False)
        poller = select.poll()
        poller.register(self._enough, select.POLLIN)
        try:
            while True:
                events = select.POLLIN | (select.POLLOUT if self._script else 0)
                poller.register(connection, events)
                if has_input and not self._script:
                    has_input = False
                    _end_input(connection)
                if self._enough in (one for one, _ in poller.poll()):
                    return False
                if self._script:
                    self._send()
                if not self._receive():
                    return True
        except OSError:
            return True

    def _send(self) -> None:
        try:
            self._script = self._script[self._connection.send(self._script[:_CHUNK]) :]
        except _NOT_NOW:
            return
        except OSError:
            self._script = memoryview(b"")  # it does not read its input; its end tells what came of it

    def _receive(self) -> bool:
        """Move what is there; False at the stream's end."""
        while True:
            try:
                data = self._connection.recv(_CHUNK)
            except _NOT_NOW:
                return True
            if not data:
                return False
            self._alive_at = math.inf
            self._frames.feed(data)
            self._alive_at = time.monotonic()
            if all(one.passed for one in self._streams.values()):
                self._passed.set()
            if self._script:
                return True


class _Frames:
    """Takes the multiplexed stream apart, wherever the network cuts it."""

    def __init__(self, streams: dict[int, _Stream]) -> None:
        self._streams = streams
        self._header = b""
        self._number = 0
        self._left = 0
        #: Bytes of each stream so far.
        self.counts: dict[int, int] = {}

    def feed(self, data: bytes) -> None:
        """Hand the next bytes to their streams."""
        view = memoryview(data)
        while view:
            if not self._left:
                missing = _HEADER.size - len(self._header)
                self._header += view[:missing].tobytes()
                view = view[missing:]
                if len(self._header) < _HEADER.size:
                    return
                self._number, self._left = _HEADER.unpack(self._header)
                self._header = b""
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            self.counts[self._number] = self.counts.get(self._number, 0) + len(piece)
            if (stream := self._streams.get(self._number)) is not None:
                stream.feed(piece.tobytes())


class _Stream:
    """One output stream; the barrier is taken out wherever it is cut."""

    def __init__(self, fd: int, barrier: bytes) -> None:
        self._fd = fd
        self._barrier = barrier
        self._held = b""
        self.passed = not barrier

    def feed(self, data: bytes) -> None:
        """Write what is no part of the barrier."""
        if self.passed:
            _write_all(self._fd, data)
            return
        self._held += data
        before, found, after = self._held.partition(self._barrier)
        if found:
            self.passed, self._held = True, b""
            _write_all(self._fd, before + after)
            return
        # What may be the barrier's beginning waits for the next piece.
        kept = next(
            (n for n in range(len(self._barrier) - 1, 0, -1) if self._held.endswith(self._barrier[:n])), 0
        )
        split = len(self._held) - kept
        _write_all(self._fd, self._held[:split])
        self._held = self._held[split:]

    def end(self) -> None:
        """Write what turned out to be no barrier."""
        _write_all(self._fd, self._held)
        self._held = b""


def _end_input(connection: Any) -> None:
    """Tell the container that its input has ended; it may have ended itself."""
    if isinstance(connection, socket.socket) and not isinstance(connection, ssl.SSLSocket):
        # TLS cannot end one direction only without losing of the other; every script of ours ends by itself.
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)


def socket_of(connection: Any) -> Any:
    """Return the socket below what the SDK hands out, whichever transport it is."""
    found = getattr(connection, "_sock", connection)
    if isinstance(found, socket.socket) and found.family in (socket.AF_INET, socket.AF_INET6):
        # Silent for hours while a job computes: whoever translates addresses on the way would forget it.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            found.setsockopt(socket.IPPROTO_TCP, option, _KEEP_ALIVE)
    return found


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
