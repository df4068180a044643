"""An HTTP proxy on loopback that knows CONNECT only, and leads every tunnel to one port."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class ConnectProxy:
    """Use it as a context manager; :attr:`requests` holds the head of each CONNECT.

    :param target: port on 127.0.0.1 where every tunnel ends, whatever host was asked for.
    """

    def __init__(self, target: int) -> None:
        self.requests: list[str] = []
        self._target = target
        self._sockets: list[socket.socket] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

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
        for one in self._sockets:
            with contextlib.suppress(OSError):  # gone already
                one.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def serve(self, client: socket.socket) -> None:
        """Answer one CONNECT and move bytes both ways until a side ends."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:  # somebody who only looked whether the port is open
                return
            head += data
        self.requests.append(head.decode())
        with socket.create_connection(("127.0.0.1", self._target)) as upstream:
            self._sockets += [client, upstream]
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_move, args=(upstream, client))
            back.start()
            _move(client, upstream)
            back.join()


def _move(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # reset: as good as an end
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _handler(proxy: ConnectProxy) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            proxy.serve(self.request)

    return Handler
