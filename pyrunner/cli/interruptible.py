"""Standard input whose reader no signal can miss.

Python looks for signals between two of its steps. One that comes after the last look and before the system
call that waits is noticed when the wait is over: a Ctrl-C would have no effect until the next key.
"""

from __future__ import annotations

import io
import os
import select
import signal
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _Interruptible(io.RawIOBase):
    """Reads a descriptor, which stays open; used in the main thread only, as signal handlers are."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for data or a signal; the handler of a signal may raise."""
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        try:
            while self._descriptor not in select.select([self._descriptor, woken], [], [])[0]:
                os.read(woken, 4096)
            return os.readv(self._descriptor, [buffer])
        finally:
            signal.set_wakeup_fd(before)
            os.close(woken)
            os.close(waker)


def interruptible(descriptor: int) -> BinaryIO:
    """Return a reader of ``descriptor``."""
    return io.BufferedReader(_Interruptible(descriptor))
