"""A real HTTP server on loopback that answers by script and keeps what it was sent, byte for byte."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from types import TracebackType
from typing import Any, Self

#: Answered when the script is at its end: no rule of ours retries it, and tests see it at once.
UNSCRIPTED = 418


@dataclass
class Scripted:
    """One answer; ``drop`` closes the connection instead, ``hold`` waits first."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    #: Bytes of the body that are really sent before the connection is closed; None for all.
    cut: int | None = None
    hold: threading.Event | None = None


@dataclass
class Received:
    """One request as it came."""

    method: str
    #: With its query.
    target: str
    headers: Message
    body: bytes
    #: The client's port: equal for requests on one connection.
    port: int
    chunked: bool

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def header_names(self) -> list[str]:
        """The names of the headers in lower case."""
        return [name.lower() for name in self.headers]


class ScriptedServer:
    """Answers each request with the next scripted answer.

    Use it as a context manager; :attr:`arrived` is set when a request has been read.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.arrived = threading.Event()
        self.closed = threading.Event()
        self._script: list[Scripted] = []
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        for connection in self._connections:
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue  # gone already
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def answer(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        json: object = None,
        drop: bool = False,
        cut: int | None = None,
        hold: threading.Event | None = None,
        times: int = 1,
    ) -> None:
        """Add an answer to the script; ``json`` sets body and media type."""
        merged = dict(headers or {})
        if json is not None:
            body = _encoded(json)
            merged.setdefault("Content-Type", "application/json")
        with self._lock:
            self._script.extend(
                Scripted(status, body, merged, drop=drop, cut=cut, hold=hold) for _ in range(times)
            )

    def take(self, request: Received) -> Scripted:
        """Note a request and return what to answer."""
        with self._lock:
            self.requests.append(request)
            answer = self._script.pop(0) if self._script else Scripted(UNSCRIPTED)
        self.arrived.set()
        return answer

    def opened(self, connection: socket.socket) -> None:
        """Note a connection, to end it with the server."""
        self._connections.append(connection)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    server_address: tuple[str, int]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are what some tests are about."""


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def _handler(script: ScriptedServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves in one piece

        def setup(self) -> None:
            script.opened(self.request)
            super().setup()

        def finish(self) -> None:
            try:
                super().finish()
            finally:
                script.closed.set()

        def handle_method(self) -> None:
            chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
            body = self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Received(self.command, self.path, self.headers, body, self.client_address[1], chunked)
            answer = script.take(request)
            if answer.hold is not None:
                answer.hold.wait(30)
            if answer.drop:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_method  # noqa: N815 - http.server's names

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test output clean."""

    return Handler
