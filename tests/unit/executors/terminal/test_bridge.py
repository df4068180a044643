"""Bytes between the session server and a terminal, and what ends them."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.executors.terminal.bridge import Ending, bridge
from pyrunner.jobdir.control import ControlDir


class Pair:
    """A far end that is a socket; the test holds the other end."""

    def __init__(self) -> None:
        self.socket, self.shell = socket.socketpair()
        self.socket.setblocking(False)
        self.closed = threading.Event()

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self, most: int) -> bytes | None:
        try:
            return self.socket.recv(most)
        except BlockingIOError:
            return None

    def send(self, data: memoryview) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        self.socket.close()
        self.closed.set()


class Bridge:
    """A bridge in a thread."""

    def __init__(self, control: ControlDir) -> None:
        self.far = Pair()
        self.server, near = socket.socketpair()
        self.server.settimeout(30)
        self.far.shell.settimeout(30)
        self.ending = Ending.watch(control)
        self.thread = threading.Thread(target=self._run, args=(near,))
        self.thread.start()

    def _run(self, near: socket.socket) -> None:
        with near:
            bridge(near, self.far, self.ending)

    def join(self) -> None:
        self.thread.join(30)
        self.far.shell.close()
        assert not self.thread.is_alive()
        assert self.far.closed.is_set()
        self.ending.close()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlDir]:
    before = signal.getsignal(signal.SIGTERM)
    control = ControlDir(tmp_path / "job")
    control.create()
    yield control
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, before)


def test_both_ways(control: ControlDir) -> None:
    """Bytes arrive as they are; the shell's last words come before its end."""
    one = Bridge(control)
    one.server.sendall(b"ls\n\x00\xff")
    assert one.far.shell.recv(100) == b"ls\n\x00\xff"
    one.far.shell.sendall(b"file\r\n")
    assert one.server.recv(100) == b"file\r\n"
    one.far.shell.sendall(b"logout\r\n")
    one.far.shell.close()
    one.join()
    said = b""
    while piece := one.server.recv(100):
        said += piece
    one.server.close()
    assert said == b"logout\r\n"


def test_more_than_anybody_takes_at_once(control: ControlDir) -> None:
    """What one end does not take, the other cannot send: nothing is lost, nothing is piled up."""
    one, data = Bridge(control), os.urandom(3_000_000)

    def send() -> None:
        one.far.shell.sendall(data)
        one.far.shell.close()

    sender = threading.Thread(target=send)
    sender.start()
    said = bytearray()
    while piece := one.server.recv(65536):
        said += piece
    sender.join()
    one.join()
    one.server.close()
    same = bytes(said) == data
    assert same


def test_the_server_hangs_up(control: ControlDir) -> None:
    """The terminal is closed with its connection, also where its shell takes nothing."""
    one = Bridge(control)
    one.server.close()
    one.join()


def test_the_job_is_over(control: ControlDir) -> None:
    """The supervisor's word ends it."""
    one = Bridge(control)
    control.terminal_closed.touch()
    one.join()
    one.server.close()


def test_the_job_is_stopped(control: ControlDir) -> None:
    """SIGTERM, which stops the job's whole tree, ends it at once."""
    one = Bridge(control)
    os.kill(os.getpid(), signal.SIGTERM)
    one.join()
    one.server.close()
