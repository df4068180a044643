"""A reader that signals interrupt."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pyrunner.cli.interruptible import interruptible


class _Told(Exception):
    pass


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe."""
    ends = os.pipe()
    yield ends
    for one in ends:
        os.close(one)


def test_lines(pipe: tuple[int, int]) -> None:
    """Lines that came together are read one by one, and more when it comes."""
    reader = interruptible(pipe[0])
    os.write(pipe[1], b"one\ntwo\nthr")
    assert (reader.readline(), reader.readline()) == (b"one\n", b"two\n")
    os.write(pipe[1], b"ee\n")
    assert reader.readline() == b"three\n"


def test_end() -> None:
    """What comes before the end is the last line."""
    reading, writing = os.pipe()
    os.write(writing, b"last")
    os.close(writing)
    reader = interruptible(reading)
    assert (reader.readline(), reader.readline()) == (b"last", b"")
    os.close(reading)


def test_signal_while_it_waits(pipe: tuple[int, int]) -> None:
    """A handler that raises ends the wait; one that does not leaves it waiting, and wakes nobody later."""
    told: list[int] = []

    def tell(number: int, _frame: object) -> None:
        told.append(number)
        if len(told) > 1:
            raise _Told
        signal.setitimer(signal.ITIMER_REAL, 0.01)

    before = signal.signal(signal.SIGALRM, tell)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(_Told):
            interruptible(pipe[0]).readline()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(told) == 2
    assert signal.set_wakeup_fd(-1) == -1
