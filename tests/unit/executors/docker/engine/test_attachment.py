"""A container's own streams, moved between a socket and pipes."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import pytest

from pyrunner.executors.docker.engine.attachment import Attachment

_OUT, _ERR = 1, 2
_BARRIER = b"\0barrier"


def _frame(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


@dataclass
class _Line:
    """An attachment with the engine's end of its connection, and what comes out of it."""

    attachment: Attachment
    engine: socket.socket
    out: IO[bytes]
    err: IO[bytes]
    _held: list[int]

    def end(self) -> tuple[bytes, bytes]:
        """End the connection; return what came out of both streams."""
        self.engine.close()
        self.attachment.finish()
        for fd in self._held:
            os.close(fd)
        self._held.clear()
        return self.out.read(), self.err.read()


@contextlib.contextmanager
def _attached(barrier: bytes = b"") -> Iterator[_Line]:
    near, far = socket.socketpair()
    (out_read, out), (err_read, err) = os.pipe(), os.pipe()
    with near, far, os.fdopen(out_read, "rb") as out_file, os.fdopen(err_read, "rb") as err_file:
        line = _Line(Attachment(near, {_OUT: out, _ERR: err}, barrier), far, out_file, err_file, [out, err])
        try:
            yield line
        finally:
            for fd in line._held:
                os.close(fd)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 4096])
def test_frames_wherever_they_are_cut(size: int) -> None:
    """Each stream gets its bytes in order, whatever pieces the network makes of the frames."""
    data = _frame(_OUT, b"one") + _frame(_ERR, b"wrong") + _frame(_OUT, b"") + _frame(_OUT, b"two\n")
    with _attached() as line:
        line.attachment.begin(None)
        for at in range(0, len(data), size):
            line.engine.sendall(data[at : at + size])
        assert line.end() == (b"onetwo\n", b"wrong")


def test_a_stream_that_nobody_knows_is_left_out() -> None:
    """The engine's own messages are no output of the job."""
    with _attached() as line:
        line.attachment.begin(None)
        line.engine.sendall(_frame(3, b"system") + _frame(_OUT, b"mine"))
        assert line.end() == (b"mine", b"")


def test_the_barrier_is_taken_out() -> None:
    """What an entrypoint printed before is complete when both streams have passed it; it is in neither."""
    with _attached(_BARRIER) as line:
        line.attachment.begin(None)
        line.engine.sendall(_frame(_OUT, b"prepared" + _BARRIER[:4]) + _frame(_ERR, _BARRIER))
        line.engine.sendall(_frame(_OUT, _BARRIER[4:] + b"rest"))
        line.attachment.await_barrier(time.monotonic() + 60)
        assert line.end() == (b"preparedrest", b"")


def test_half_a_barrier_is_output() -> None:
    """What only begins like it was printed by the job, and is not lost."""
    with _attached(_BARRIER) as line:
        line.attachment.begin(None)
        line.engine.sendall(_frame(_OUT, b"text" + _BARRIER[:5]))
        assert line.end() == (b"text" + _BARRIER[:5], b"")


def test_the_script_and_then_the_end_of_input() -> None:
    """The whole script arrives, then end-of-file; also where it is larger than what a socket holds."""
    script = random.Random(1).randbytes(3_000_000)
    with _attached() as line:
        line.attachment.begin(script)
        received = b""
        while piece := line.engine.recv(1 << 16):
            received += piece
        assert received == script
        line.engine.sendall(_frame(_OUT, b"read"))
        assert line.end() == (b"read", b"")


def test_output_while_the_script_is_not_read() -> None:
    """A container that prints before it reads is waited for by nobody: both directions go on."""
    with _attached() as line:
        line.attachment.begin(b"x" * 3_000_000)
        line.engine.sendall(_frame(_OUT, b"first"))
        assert os.read(line.out.fileno(), 5) == b"first"
        line.end()


def test_a_container_that_does_not_read_its_input() -> None:
    """Its output counts, although the script cannot be delivered."""
    with _attached() as line:
        line.engine.shutdown(socket.SHUT_RD)
        line.attachment.begin(b"x" * 3_000_000)
        line.engine.sendall(_frame(_OUT, b"mine"))
        assert line.end() == (b"mine", b"")


def test_a_slow_taker_loses_nothing() -> None:
    """More than a pipe holds waits until somebody takes it, the connection's end notwithstanding."""
    data = random.Random(2).randbytes(1_000_000)
    taken: list[bytes] = []
    with _attached() as line:
        line.attachment.begin(None)
        sender = threading.Thread(target=line.engine.sendall, args=(_frame(_OUT, data),))
        sender.start()
        finisher = threading.Thread(target=line.attachment.finish)
        finisher.start()
        while sum(map(len, taken)) < len(data):
            taken.append(os.read(line.out.fileno(), 65536))
        sender.join()
        line.engine.close()
        finisher.join()
    assert b"".join(taken) == data
