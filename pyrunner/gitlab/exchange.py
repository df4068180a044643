"""One logical call while it is made: its time limits, and how it is given up from outside."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from pyrunner.gitlab.cancel import Stop


class Exchange:
    """One logical call: what its connections ask and what they leave behind.

    :param stop: ends the call; at once when it has ``on_set`` (:class:`.Cancellation`).
    :param read_timeout: longest silence of the server, and of the network while sending, in seconds.
    :param total_timeout: seconds for each attempt, body included; None for no limit.
    :param hold: stay able to end the call while its body is read (a streamed answer).
    """

    def __init__(
        self,
        stop: Stop | None,
        read_timeout: float,
        total_timeout: float | None = None,
        hold: bool = False,
    ) -> None:
        self.stop = stop
        self.read_timeout = read_timeout
        self.hold = hold
        self.chain: tuple[bytes, ...] = ()
        self.timed_out = False
        self._aborted = False
        self._socket: Any = None
        self._lock = threading.Lock()
        register = getattr(stop, "on_set", None)
        self._undo: Callable[[], None] = register(self._abort) if register else lambda: None
        self._total_timeout = total_timeout
        self._timer: threading.Timer | None = None

    def begin_attempt(self) -> None:
        """Start the clock of an attempt."""
        self._stop_clock()
        if self._total_timeout:
            self._timer = threading.Timer(self._total_timeout, self._expire)
            self._timer.daemon = True
            self._timer.start()

    def attach(self, sock: Any) -> None:
        """Tie the call to the connection it now uses."""
        with self._lock:
            self._socket = sock
            if self._aborted:
                _shut_down(sock)

    def detach(self) -> None:
        """Forget the connection: it is about to serve others."""
        with self._lock:
            self._socket = None

    def close(self) -> None:
        """End the call's claims; safe twice."""
        self.detach()
        self._undo()
        self._stop_clock()

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self.timed_out = True
        self._abort()

    def _abort(self) -> None:
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                _shut_down(self._socket)


def _shut_down(sock: Any) -> None:
    # SSLSocket.shutdown would take the TLS state away below the thread that reads
    plain = getattr(sock, "socket", sock)
    with contextlib.suppress(OSError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)
