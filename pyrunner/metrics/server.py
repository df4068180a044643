"""The HTTP server of metrics and debug pages: threads of its own, bounded in number and patience.

It serves what its pages return and knows nothing of the manager.
"""

from __future__ import annotations

import contextlib
import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from pyrunner.metrics.access import Certificate, TokenGuard

_log: Final = logging.getLogger(__name__)

#: Connections at a time; more are closed at once.
MOST_CONNECTIONS: Final = 16
#: Seconds of silence after which a connection is closed.
PATIENCE: Final = 15.0
#: Seconds after which a connection goes when another wants its place.
LIFETIME: Final = 30.0
_TEXT: Final = "text/plain; charset=utf-8"
_WORTH_PACKING: Final = 1024
#: Seconds to wait when no connection can be accepted.
_BREATH: Final = 0.1


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    text: str | bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = _TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """Where a page comes from.

    :param open: readable without the token: probes have none.
    """

    page: Callable[[], Page]
    open: bool = False


class MetricsServer:
    """Serves routes on a listening socket, which it takes over.

    :param routes: by path.
    :param lifetime: seconds, see :data:`LIFETIME`.
    """

    def __init__(
        self,
        listener: socket.socket,
        routes: Mapping[str, Route],
        guard: TokenGuard,
        certificate: Certificate | None = None,
        lifetime: float = LIFETIME,
    ) -> None:
        self._server = _Server(listener, routes, guard, certificate, lifetime)
        self._thread = threading.Thread(target=self._server.serve, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more. Safe twice, and before :meth:`start`."""
        self._server.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A connection that hangs must not keep the process from exiting.
    block_on_close = False

    def __init__(
        self,
        listener: socket.socket,
        routes: Mapping[str, Route],
        guard: TokenGuard,
        certificate: Certificate | None,
        lifetime: float,
    ) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.routes = routes
        self.guard = guard
        self._certificate = certificate
        self._lifetime = lifetime
        self._places = threading.Semaphore(MOST_CONNECTIONS)
        #: Connections that are served, and since when, monotonic.
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

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
        """Close the socket; whoever waits for a connection wakes up."""
        if not self._stopped.is_set():
            self._stopped.set()
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its handshake is done by its own thread."""
        connection, peer = super().get_request()
        connection.settimeout(PATIENCE)
        if self._certificate is not None:
            self._certificate.refresh()
            connection = self._certificate.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, peer

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to a thread; without a place for one it is closed."""
        if not self._places.acquire(blocking=False):
            self._end_a_slow_one()
            self.shutdown_request(request)
            return
        with self._lock:
            self._open[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            with self._lock:
                self._open.pop(request, None)
            self._places.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
            self._places.release()

    def _end_a_slow_one(self) -> None:
        """End the oldest connection when it has had its time: one that sends a byte now and then goes on."""
        with self._lock:
            oldest = min(self._open, key=lambda one: self._open[one], default=None)
            if oldest is None or time.monotonic() - self._open[oldest] < self._lifetime:
                return
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a failure of ours; what the peer does is no news."""
        _log.debug("a connection to the metrics server failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "pyrunner"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def setup(self) -> None:
        """Do the handshake."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        """Answer with a page."""
        page = self._page()
        body = page.text.encode() if isinstance(page.text, str) else page.text
        packs = "gzip" in self.headers.get("Accept-Encoding", "")
        if packed := packs and len(body) >= _WORTH_PACKING:
            body = gzip.compress(body, compresslevel=1)
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        # Scrapes are rare: no connection is worth keeping, and none may be kept for ever.
        self.send_header("Connection", "close")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def __getattr__(self, name: str) -> Any:
        """Refuse every other method: the library looks one up as ``do_<METHOD>``."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        # A body that may follow is not read: the connection ends here.
        body = b"Method Not Allowed\n"
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Content-Type", _TEXT)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _page(self) -> Page:
        route = self.server.routes.get(urlsplit(self.path).path)
        if route is None:
            return Page("404 page not found\n", HTTPStatus.NOT_FOUND)
        if not route.open and not self.server.guard.admits(self.headers.get("Authorization", "")):
            return Page(
                "Unauthorized\n",
                HTTPStatus.UNAUTHORIZED,
                headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
            )
        try:
            return route.page()
        except Exception:  # noqa: BLE001 - said in the log; the next request may fare better
            _log.exception("a page of the metrics server cannot be made")
            return Page("the page cannot be made; see the log\n", HTTPStatus.INTERNAL_SERVER_ERROR)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: a scrape every few seconds is no news."""
