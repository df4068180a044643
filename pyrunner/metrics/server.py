"""The HTTP server of metrics and debug pages: threads of its own, bounded in number and patience.

It serves what its pages return and knows nothing of the manager.
"""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import urlsplit

from pyrunner.metrics.access import Certificate, TokenGuard
from pyrunner.system.bounded_server import BoundedServer, Bounds

_log: Final = logging.getLogger(__name__)

#: Connections at a time; more are closed at once.
MOST_CONNECTIONS: Final = 16
#: Seconds of silence after which a connection is closed.
PATIENCE: Final = 15.0
#: Seconds after which a connection goes when another wants its place.
LIFETIME: Final = 30.0
_TEXT: Final = "text/plain; charset=utf-8"
_WORTH_PACKING: Final = 1024


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


class _Server(BoundedServer):
    def __init__(
        self,
        listener: socket.socket,
        routes: Mapping[str, Route],
        guard: TokenGuard,
        certificate: Certificate | None,
        lifetime: float,
    ) -> None:
        super().__init__(listener, _Handler, Bounds(MOST_CONNECTIONS, PATIENCE, lifetime))
        self.routes = routes
        self.guard = guard
        self._certificate = certificate

    def encrypted(self, connection: socket.socket) -> socket.socket:
        """Wrap it, where there is a certificate."""
        if self._certificate is None:
            return connection
        self._certificate.refresh()
        return self._certificate.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )

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
