"""A container's own streams: what its entrypoint prints and reads before, or instead of, a stage's script.

The engine multiplexes both output streams over one connection: frames of eight bytes of header (stream,
length) and the data (docker's API, container attach).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from typing import Any, Final, Self

from pyrunner.executors.docker.engine import Engine

_HEADER: Final = struct.Struct(">BxxxL")
_STDOUT: Final = 1
_STDERR: Final = 2
_CHUNK: Final = 64 * 1024
#: Seconds after a container's end for what is still on the way.
_LAST_BYTES: Final = 5.0


class Attachment:
    """Moves the streams of one run of a container; one thread reads, another writes its input."""

    def __init__(self, connection: Any, targets: dict[int, int], barrier: bytes) -> None:
        self._connection = connection
        self._targets = targets
        self._barrier = barrier
        self._streams = {number: _Stream(fd, barrier) for number, fd in targets.items()}
        self._passed = threading.Event()
        self._ended = threading.Event()
        if not barrier:
            self._passed.set()

    @classmethod
    def open(cls, engine: Engine, container: str, out: int, err: int, barrier: bytes) -> Self:
        """Attach to a container that is about to be started, so that nothing it prints is missed.

        :raises EngineError: when the engine refuses.
        """
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        connection = engine.call(lambda api: api.attach_socket(container, parameters))
        return cls(_socket_of(connection), {_STDOUT: out, _STDERR: err}, barrier)

    @classmethod
    def of_exec(cls, engine: Engine, identity: str, out: int, err: int) -> Self:
        """Start what ``exec_create`` has made, with its streams attached.

        :raises EngineError: when the engine refuses.
        """
        connection = engine.call(lambda api: api.exec_start(identity, socket=True))
        return cls(_socket_of(connection), {_STDOUT: out, _STDERR: err}, b"")

    def begin(self, script: bytes | None) -> None:
        """Start moving; the script goes to the container's standard input, which then ends."""
        threading.Thread(target=self._read, daemon=True).start()
        if script is not None:
            threading.Thread(target=self._write, args=(script,), daemon=True).start()

    def await_barrier(self, give_up_at: float) -> None:
        """Return when both streams have passed the barrier or have ended, or at a monotonic time."""
        self._passed.wait(max(0.0, give_up_at - time.monotonic()))

    def await_end(self, seconds: float) -> bool:
        """Wait until both streams have ended; False when they have not in time."""
        return self._ended.wait(seconds)

    def finish(self) -> None:
        """Return when all that the ended container has printed is moved."""
        self._ended.wait(_LAST_BYTES)
        with contextlib.suppress(OSError):
            self._connection.close()

    def _write(self, script: bytes) -> None:
        try:
            self._connection.sendall(script)
            if isinstance(self._connection, socket.socket) and not hasattr(self._connection, "context"):
                # TLS cannot end one direction only; every script of ours ends by itself.
                self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it does not read its input; the container's end tells what came of it

    def _read(self) -> None:
        try:
            while (header := self._exactly(_HEADER.size)) is not None:
                number, length = _HEADER.unpack(header)
                stream = self._streams.get(number)
                while length > 0:
                    data = self._connection.recv(min(length, _CHUNK))
                    if not data:
                        return
                    length -= len(data)
                    if stream is not None:
                        stream.feed(data)
                if all(one.passed for one in self._streams.values()):
                    self._passed.set()
        except OSError:
            return
        finally:
            for stream in self._streams.values():
                stream.end()
            self._passed.set()
            self._ended.set()

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            part = self._connection.recv(count - len(data))
            if not part:
                return None
            data += part
        return data


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


def _socket_of(connection: Any) -> Any:
    """Return the socket below what the SDK hands out, whichever transport it is."""
    raw = getattr(connection, "_sock", connection)
    raw.settimeout(None)
    return raw


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
