"""Tells systemd how the service is doing (sd_notify(3)), where it asks for it."""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections.abc import Mapping


class ServiceNotifier:
    """Sends states to ``NOTIFY_SOCKET``; does nothing without one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = environ.get("WATCHDOG_USEC", "")
        # Twice in each interval, as sd_watchdog_enabled(3) advises.
        self._every = int(interval) / 2e6 if mine and interval.isdecimal() and int(interval) else math.inf
        self._beat_at = -math.inf

    def ready(self) -> None:
        """The manager polls."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The manager is about to exit."""
        self._send("STOPPING=1")

    def step(self, now: float) -> float:
        """Feed the watchdog; return when to call again."""
        if self._every == math.inf:
            return math.inf
        if now >= self._beat_at + self._every:
            self._beat_at = now
            self._send("WATCHDOG=1")
        return self._beat_at + self._every

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A service manager that does not listen is no reason to stop serving jobs.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(text.encode(), self._address)
