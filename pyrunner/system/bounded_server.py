"""An HTTP server in threads, bounded in number and patience: for where strangers may connect."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

#: Seconds to wait when no connection can be accepted.
_BREATH: Final = 0.1


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a server takes from its peers."""

    #: Connections at a time; more are closed at once.
    connections: int
    #: Seconds of silence after which a connection is closed.
    patience: float
    #: Seconds after which one that is not admitted goes when another wants its place.
    lifetime: float


class BoundedServer(ThreadingHTTPServer):
    """Serves connections of ``listener``, which it takes over, each in a thread of its own."""

    daemon_threads = True
    # A connection that hangs must not keep the process from exiting.
    block_on_close = False

    def __init__(
        self, listener: socket.socket, handler: type[BaseHTTPRequestHandler], bounds: Bounds
    ) -> None:
        super().__init__(listener.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._bounds = bounds
        self._places = threading.Semaphore(bounds.connections)
        #: Connections that are not admitted, and since when, monotonic.
        self._strangers: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def encrypted(self, connection: socket.socket) -> socket.socket:
        """Return what to speak on: the connection, or a TLS object whose handshake is still to be done."""
        return connection

    def serve(self) -> None:
        """Accept connections until :meth:`stop`; without the library's wake-up twice a second."""
        while not self._stopped.is_set():
            try:
                connection, peer = self.get_request()
            except OSError:
                # Out of descriptors, or the peer has gone already; or we are being stopped.
                self._stopped.wait(_BREATH)
                continue
            self.process_request(connection, peer)

    def stop(self) -> None:
        """Close the socket; whoever waits for a connection wakes up. Safe twice."""
        if not self._stopped.is_set():
            self._stopped.set()
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its handshake is done by its own thread."""
        connection, peer = super().get_request()
        connection.settimeout(self._bounds.patience)
        return self.encrypted(connection), peer

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to a thread; without a place for one it is closed."""
        if not self._places.acquire(blocking=False):
            self._end_a_stranger()
            self.shutdown_request(request)
            return
        with self._lock:
            self._strangers[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            self.admitted(request)
            self._places.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.admitted(request)
            self._places.release()

    def admitted(self, connection: socket.socket) -> None:
        """Let a connection be: it has shown what it needs to stay, or is over."""
        with self._lock:
            self._strangers.pop(connection, None)

    def _end_a_stranger(self) -> None:
        """End the oldest connection that has had its time: one that sends a byte now and then goes on."""
        with self._lock:
            oldest = min(self._strangers, key=lambda one: self._strangers[one], default=None)
            if oldest is None or time.monotonic() - self._strangers[oldest] < self._bounds.lifetime:
                return
            with contextlib.suppress(OSError):
                # Not the TLS object's own, which takes that from under the thread that works with it.
                socket.socket.shutdown(oldest, socket.SHUT_RDWR)
