"""The session server: HTTPS in threads of its own; the answers of runner-api.md 9.1."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pyrunner.config.tables import SessionServer as Settings
from pyrunner.manager.sessions.address import SessionAddress
from pyrunner.manager.sessions.certificate import SessionCertificate, load_certificate
from pyrunner.manager.sessions.registry import Session, SessionRegistry, new_endpoint, new_token
from pyrunner.manager.sessions.terminal_process import TerminalProcess, TerminalRefused
from pyrunner.manager.sessions.websocket import WebSocket, is_upgrade
from pyrunner.protocol.session import SessionOffer
from pyrunner.system.bounded_server import BoundedServer, Bounds

_log: Final = logging.getLogger(__name__)

#: Connections at a time; more are closed at once.
MOST_CONNECTIONS: Final = 128
#: Seconds of silence before a request is complete.
PATIENCE: Final = 15.0
#: Seconds after which a connection that has shown no token goes when another wants its place.
LIFETIME: Final = 30.0
#: Seconds that a request waits for a job that is not ready for terminals yet, and between two looks.
_NOT_READY: Final = 60.0
_LOOK: Final = 0.25
_EXEC: Final = "/exec"
_PROXY: Final = "/proxy/"


class SessionServer:
    """Listens from construction on, answers from :meth:`start` on.

    :param environ: of the processes that serve terminals.
    :param lifetime: seconds, see :data:`LIFETIME`.
    """

    def __init__(
        self,
        address: SessionAddress,
        certificate: SessionCertificate,
        environ: Mapping[str, str],
        listener: socket.socket,
        lifetime: float = LIFETIME,
    ) -> None:
        self._address = address
        self._certificate = certificate
        self.registry = SessionRegistry()
        self._server = _Server(listener, certificate.context(), self.registry, environ, lifetime)
        self._thread = threading.Thread(target=self._server.serve, name="sessions", daemon=True)

    @classmethod
    def open(cls, settings: Settings, folder: Path, environ: Mapping[str, str]) -> Self:
        """Return the server that is configured, listening already.

        :param folder: where its certificate is kept.
        :raises ConfigError: when an address cannot be used.
        :raises ListenAddressError: when nothing can listen there.
        """
        address = SessionAddress.of(settings)
        certificate = load_certificate(folder, address.host)
        return cls(address, certificate, environ, address.listen())

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End all terminals, and answer no more. Safe twice, and before :meth:`start`."""
        self._server.stop()
        self.registry.end()

    def offer(self, timeout: float) -> SessionOffer:
        """Return a fresh session for a job request.

        :param timeout: seconds that an open terminal keeps an ended job alive.
        """
        url = self._address.url + new_endpoint()
        return SessionOffer(url, self._certificate.public, new_token(), timeout)


class _Server(BoundedServer):
    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        registry: SessionRegistry,
        environ: Mapping[str, str],
        lifetime: float,
    ) -> None:
        super().__init__(listener, _Handler, Bounds(MOST_CONNECTIONS, PATIENCE, lifetime))
        self.registry = registry
        self.environ = environ
        self._context = context

    def encrypted(self, connection: socket.socket) -> socket.socket:
        """Wrap it."""
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say why a connection has ended early; anybody may cause that."""
        _log.debug("a session connection from %s has broken off", client_address[0], exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # What follows the request is the WebSocket's: nothing of it may be read ahead.
    rbufsize = 0

    def setup(self) -> None:
        """Do the TLS handshake first."""
        self.request.do_handshake()
        super().setup()

    def answer(self) -> None:
        """Answer one request, whatever its method."""
        self.close_connection = True
        path = urlsplit(self.path).path
        found = self.server.registry.find(path)
        if found is None:
            _log.error("Mux handler not found", extra={"fields": {"client": self.client_address[0]}})
            self._refuse(HTTPStatus.NOT_FOUND, "404 page not found")
            return
        session, rest = found
        if rest != _EXEC and not rest.startswith(_PROXY):
            self._refuse(HTTPStatus.NOT_FOUND, "404 page not found")
        elif not session.admits(self.headers.get("Authorization", "")):
            self._log(logging.ERROR, session, "Authorization header is not valid")
            self._refuse(HTTPStatus.UNAUTHORIZED)
        elif rest != _EXEC:
            # Services are only reached through the kubernetes executor's proxy (runner-api.md 2.3).
            self._log(logging.WARNING, session, "Proxy not found")
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not is_upgrade(self.headers) or self.command != "GET":
            self._log(logging.ERROR, session, "Request is not a web socket connection")
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED)
        else:
            self.server.admitted(self.connection)
            self._terminal(session)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def _terminal(self, session: Session) -> None:
        if not _await_offer(session):
            self._log(logging.ERROR, session, "Interactive terminal not set")
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        if not session.take():
            self._log(logging.WARNING, session, "Terminal already connected, revoking connection")
            self._refuse(HTTPStatus.LOCKED)
            return
        try:
            self._connect(session)
        finally:
            session.release()

    def _connect(self, session: Session) -> None:
        try:
            terminal = TerminalProcess.start(session.control, session.marker, self.server.environ)
        except TerminalRefused as refusal:
            self._log(logging.ERROR, session, "Failed to connect to terminal", error=str(refusal))
            self._refuse(refusal.status)
            return
        try:
            websocket = WebSocket(self.connection)
            if websocket.accept(self.path, self.headers.items()):
                self._log(logging.INFO, session, "Terminal connected")
                websocket.serve(terminal.stream, session.fileno())
                self._log(logging.INFO, session, "Terminal disconnected")
        finally:
            terminal.close()

    def _refuse(self, status: HTTPStatus, text: str = "") -> None:
        body = f"{text or status.phrase}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _log(self, level: int, session: Session, text: str, **fields: str) -> None:
        everything = {"job": session.control.path.name, "client": self.client_address[0], **fields}
        _log.log(level, "%s", text, extra={"fields": everything})

    def version_string(self) -> str:
        """Tell nothing of what serves."""
        return "pyrunner"

    def log_message(self, format: str, *args: object) -> None:
        """What matters is logged where it is decided."""


def _await_offer(session: Session) -> bool:
    """Wait until a terminal of the job can be opened; False when that takes too long, or it is over."""
    for _ in range(round(_NOT_READY / _LOOK)):
        if session.over or session.control.terminal_closed.exists():
            return False
        if session.control.terminal.exists():
            return True
        session.await_over(_LOOK)
    return False
