"""One long request to the engine that can be given up at any moment.

The SDK has no way to end a request whose answer has not begun, and a pull's answer begins only when the
registry's has. So the one request that may hang for minutes is made on a connection of its own, whose socket
another thread can shut down; the engine then cancels the work.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import posixpath
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Generator, Iterator
from typing import Any, Final

import docker.errors
import docker.utils

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint

#: Seconds to connect; an answer may take as long as it takes.
_CONNECT: Final = 10.0
#: Bytes of one event; longer is no engine.
_LONGEST_EVENT: Final = 1024 * 1024
_LONGEST_ERROR: Final = 64 * 1024
_PIECE: Final = 64 * 1024


class EngineStream:
    """A POST whose answer is a stream of JSON objects; used by one thread, given up by another."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._guard = threading.Lock()
        self._socket: socket.socket | None = None
        self._given_up = False

    def events(
        self, version: str, path: str, query: dict[str, str], headers: dict[str, str]
    ) -> Generator[Any, None, None]:
        """Yield the answer's objects; what it holds of errors is the caller's affair.

        :param version: of the API.
        :param path: below the version, e.g. ``/images/create``.
        :raises EngineError: with the engine's words, or for what the network did.
        """
        try:
            connection, prefix = _connection(self._endpoint)
            try:
                connection.connect()
                self._watch(connection)
                target = f"{prefix}/v{version}{path}?{urllib.parse.urlencode(query)}"
                connection.request("POST", target, headers={"Content-Length": "0", **headers})
                with connection.getresponse() as response:
                    _check(response)
                    yield from _objects(response)
            finally:
                self._forget()
                connection.close()
        except (OSError, http.client.HTTPException, docker.errors.DockerException, ValueError) as error:
            raise EngineError(_words(error)) from error

    def give_up(self) -> None:
        """End the request, from another thread; the engine cancels what it does for it."""
        with self._guard:
            self._given_up = True
            if self._socket is not None:
                # not SSLSocket.shutdown, which takes away what the other thread reads from
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _watch(self, connection: http.client.HTTPConnection) -> None:
        sock: socket.socket = connection.sock
        sock.settimeout(None)
        with self._guard:
            if self._given_up:
                raise ConnectionAbortedError("request canceled by the job")
            self._socket = sock

    def _forget(self) -> None:
        with self._guard:
            self._socket = None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_CONNECT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_CONNECT)
        self.sock.connect(self._path)


def _connection(point: Endpoint) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection and what paths begin with there."""
    base = str(docker.utils.parse_host(point.host, tls=bool(point.certificates)))
    scheme, _, rest = base.partition("://")
    if scheme == "http+unix":
        return _UnixConnection("/" + rest.lstrip("/")), ""
    host, _, prefix = rest.partition("/")
    prefix = f"/{prefix}".rstrip("/")
    if scheme == "http":
        return http.client.HTTPConnection(host, timeout=_CONNECT), prefix
    if scheme == "https":
        return http.client.HTTPSConnection(host, timeout=_CONNECT, context=_context(point)), prefix
    raise docker.errors.DockerException(f"cannot pull through {scheme}: use unix:// or tcp://")


def _context(point: Endpoint) -> ssl.SSLContext:
    ca, certificate, key = (
        posixpath.join(point.certificates, name) for name in ("ca.pem", "cert.pem", "key.pem")
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if point.verify:
        context.load_verify_locations(ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if os.path.exists(certificate) or os.path.exists(key):
        context.load_cert_chain(certificate, key)
    return context


def _check(response: http.client.HTTPResponse) -> None:
    if response.status < 300:
        return
    if response.status < 400:
        raise EngineError("redirects disallowed", response.status)
    body = response.read(_LONGEST_ERROR)
    text = body.decode(errors="replace").strip()
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(body).get("message", text))
    raise EngineError(f"Error response from daemon: {text}", response.status)


def _objects(response: http.client.HTTPResponse) -> Iterator[Any]:
    """Yield the objects of the answer, one a line.

    By ``read1``: ``readline`` takes a connection that breaks off between two chunks for the answer's end.
    """
    rest = b""
    while piece := response.read1(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_EVENT:
            raise ValueError("the engine sends what is no event")
        yield from (json.loads(one) for one in lines if one.strip())
    if response.length:
        raise http.client.IncompleteRead(rest)
    if rest.strip():
        yield json.loads(rest)


def _words(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
        return "unexpected EOF"
    return str(error) or type(error).__name__
