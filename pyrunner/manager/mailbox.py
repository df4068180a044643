"""How threads hand results to the main loop: a queue, and a descriptor that wakes the loop."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Final

_log: Final = logging.getLogger(__name__)


class Mailbox:
    """Callables posted by any thread are called by the main loop, in order."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._posted: deque[Callable[[], None]] = deque()

    def fileno(self) -> int:
        """Return the descriptor that is readable when something was posted."""
        return self._read

    @property
    def wakeup_fd(self) -> int:
        """The end to write to, for ``signal.set_wakeup_fd``."""
        return self._write

    def post(self, call: Callable[[], None]) -> None:
        """Have ``call`` called in the main loop; safe from any thread, also after :meth:`close`."""
        self._posted.append(call)
        # Full means that the loop is about to wake up anyway.
        with contextlib.suppress(OSError):
            os.write(self._write, b"\0")

    def deliver(self) -> None:
        """Call what was posted up to now."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass
        for _ in range(len(self._posted)):
            call = self._posted.popleft()
            try:
                call()
            except Exception:  # noqa: BLE001 - a bug with one job must not stop the others
                # Recovery looks after the job again within a second.
                _log.exception("a result could not be handled")

    def close(self) -> None:
        """Release the descriptors."""
        # Forgotten first: a thread that posts late must not write into whatever gets the number next.
        read, self._read = self._read, -1
        write, self._write = self._write, -1
        os.close(read)
        os.close(write)
