"""Signals to the manager, taken by the main loop (config-and-commands.md 3)."""

from __future__ import annotations

import signal
from collections import deque
from types import FrameType
from typing import Any, Final

#: Names as Go prints them: in the log and in ``aborted: <name>``.
NAMES: Final = {
    signal.SIGTERM: "terminated",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGHUP: "hangup",
}


class Signals:
    """Collects signals; their arrival wakes the main loop through ``wakeup_fd``."""

    def __init__(self, wakeup_fd: int) -> None:
        self._came: deque[signal.Signals] = deque()
        self._former: dict[signal.Signals, Any] = {}
        for number in NAMES:
            self._former[number] = signal.signal(number, self._take)
        self._former_fd = signal.set_wakeup_fd(wakeup_fd, warn_on_full_buffer=False)

    def take(self) -> list[signal.Signals]:
        """Return what has come since the last call, in order."""
        came = []
        while self._came:
            came.append(self._came.popleft())
        return came

    def close(self) -> None:
        """Put back how signals were handled before."""
        signal.set_wakeup_fd(self._former_fd)
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(signal.Signals(number))
