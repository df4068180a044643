"""Calls with the standard library's HTTP client: for processes that make one or two and end.

The same rules as :mod:`.transport` (retries, redirects, TLS, time limits), without its pools, proxies and
libraries, which take longer to import than a small upload takes. What needs more goes through the other:
:func:`suits` tells.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import SplitResult, quote, urlsplit

from pyrunner.errors import ClientBuildError, RequestCanceled
from pyrunner.gitlab.answer import Reply, clean_url
from pyrunner.gitlab.call import Call, new_correlation_id
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.exchange import Exchange
from pyrunner.gitlab.failures import translated
from pyrunner.gitlab.redirects import Hop, next_hop
from pyrunner.gitlab.retries import Waits, log_wait, with_retries
from pyrunner.gitlab.trust import TlsFiles, build_trust
from pyrunner.protocol.runner import user_agent

#: As those of the other transport (runner-api.md 6.3, 6.6).
_CONNECT_TIMEOUT: Final = 30.0
_MOST_REDIRECTS: Final = 10
_BLOCK: Final = 256 * 1024

_PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"


def suits(url: str, environment: Mapping[str, str]) -> bool:
    """Tell whether calls below ``url`` can be made from here: no proxy, no user in it, plain ASCII."""
    if any(environment.get(name) for name in _PROXY_VARIABLES) or not url.isascii() or "@" in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class DirectAnswer:
    """An answer whose body is still on its way; see :class:`.streams.StreamedAnswer`."""

    def __init__(self, connection: http.client.HTTPConnection, hop: Hop, correlation_id: str) -> None:
        self._connection = connection
        try:
            self._response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        self._hop = hop
        self._sent_id = correlation_id
        self.attempts = 1
        self.retriable_seen = False

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, looked up without regard to case."""
        return cast("Mapping[str, str]", self._response.headers)

    @property
    def url(self) -> str:
        """Where the answer came from, after redirects."""
        return self._hop.url

    @property
    def correlation_id(self) -> str:
        """The answer's ``X-Request-Id``, else the one sent."""
        return self.headers.get("X-Request-Id") or self._sent_id

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the body, decompressed, in pieces of up to ``size`` bytes.

        :raises OSError: when it ends early or cannot be decompressed.
        """
        unpacked = self.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip")
        machine = zlib.decompressobj(31) if unpacked else None
        while block := self._response.read(size):
            if machine is None:
                yield block
                continue
            while block:
                try:
                    piece = machine.decompress(block, size)
                except zlib.error as error:
                    raise OSError(f"the answer cannot be decompressed: {error}") from None
                block = machine.unconsumed_tail
                if piece:
                    yield piece
        # A read of some bytes does not say that more were announced.
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)

    def read(self) -> Reply:
        """Read the body and return the whole answer."""
        return Reply(
            status=self.status,
            reason=self._response.reason or "",
            headers=self.headers,
            body=b"".join(self.chunks(_BLOCK)),
            method=self._hop.method,
            url=clean_url(self._hop.url),
            correlation_id=self.correlation_id,
            retriable_seen=self.retriable_seen,
            attempts=self.attempts,
        )

    def close(self) -> None:
        """End the connection, whatever is still on its way."""
        self._response.close()
        self._connection.close()


class DirectTransport:
    """The way to one coordinator; one connection a request.

    :param certificate_directory: where ``<host>.crt`` and the like are looked up.
    :param sleep: replaces the waits between attempts (seconds); they normally end with the stop.
    """

    def __init__(
        self,
        credentials: RunnerCredentials,
        *,
        certificate_directory: Path | None = None,
        sleep: Callable[[float], None] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._url = credentials.url
        self._base = credentials.url.rstrip("/").removesuffix("/ci") + "/api/v4/"
        files = TlsFiles(credentials.tls_ca_file, credentials.tls_cert_file, credentials.tls_key_file)
        self._files = files.completed(certificate_directory, urlsplit(self._base).hostname or "")
        self._context: Any = None
        self._agent = user_agent()
        self._sleep = sleep
        self._uniform = uniform

    @contextlib.contextmanager
    def stream(self, call: Call, stop: Stop | None = None, hold: bool = True) -> Iterator[DirectAnswer]:
        """Make a call and yield its answer with the body still to be read.

        :raises CoordinatorError: status -1, when no answer came or its body ends early.
        """
        if not suits(self._url, {}):
            raise ClientBuildError(
                f"only http or https scheme supported: check the url {clean_url(self._url)!r}"
            )
        correlation_id = call.correlation_id or new_correlation_id()
        headers = {"User-Agent": self._agent, "X-Request-Id": correlation_id, "Accept-Encoding": "gzip"}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        hop = Hop(call.method, call.url or self._base + call.path, {**headers, **call.headers}, call.body)
        exchange = Exchange(stop, call.read_timeout, call.total_timeout, hold)
        with (
            contextlib.closing(exchange),
            translated(call.method, hop.url, exchange, correlation_id, (http.client.HTTPException,)),
        ):
            answer = self._attempts(hop, call, exchange, correlation_id)
            try:
                yield answer
            finally:
                answer.close()

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _attempts(self, hop: Hop, call: Call, exchange: Exchange, correlation_id: str) -> DirectAnswer:
        def attempt() -> DirectAnswer:
            _go_on(exchange)
            exchange.begin_attempt()
            return self._follow(hop, call, exchange, correlation_id)

        def give_back(answer: DirectAnswer, wait: float) -> None:
            answer.close()
            log_wait(hop.method, answer.url, wait)

        def sleep(seconds: float) -> None:
            if self._sleep is not None:
                self._sleep(seconds)
            elif exchange.stop is not None:
                exchange.stop.wait(seconds)
            else:
                time.sleep(seconds)
            _go_on(exchange)

        if not call.retry:
            return attempt()
        answer, attempts, retriable = with_retries(
            attempt,
            status_of=lambda one: one.status,
            headers_of=lambda one: one.headers,
            give_back=give_back,
            sleep=sleep,
            waits=Waits(uniform=self._uniform),
        )
        answer.attempts, answer.retriable_seen = attempts, retriable
        return answer

    def _follow(self, hop: Hop, call: Call, exchange: Exchange, correlation_id: str) -> DirectAnswer:
        """Make one request and follow its redirects, at most ten (6.6)."""
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._send(hop, exchange, correlation_id)
            try:
                following = next_hop(hop, answer.status, answer.headers) if call.follow_redirects else None
            except ValueError:
                answer.close()
                raise
            if following is None:
                return answer
            answer.close()
            hop = following
        raise ValueError(f"stopped after {_MOST_REDIRECTS} redirects")

    def _send(self, hop: Hop, exchange: Exchange, correlation_id: str) -> DirectAnswer:
        parts = urlsplit(hop.url)
        connection = self._connect(parts, exchange)
        target = quote(parts.path or "/", safe=_SAFE) + (
            f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
        )
        body = iter(hop.body()) if callable(hop.body) else hop.body
        try:
            self._request(connection, hop, target, body)
        except (BrokenPipeError, ConnectionResetError) as error:
            # A server that refuses a body answers before it has read all of it.
            try:
                return DirectAnswer(connection, hop, correlation_id)
            except (OSError, http.client.HTTPException):
                raise error from None
        except BaseException:
            connection.close()
            raise
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()  # an archive that nobody reads any more stops being made
        return DirectAnswer(connection, hop, correlation_id)

    def _request(self, connection: http.client.HTTPConnection, hop: Hop, target: str, body: Any) -> None:
        connection.putrequest(hop.method, target, skip_accept_encoding=True)
        for name, value in hop.headers.items():
            connection.putheader(name, value)
        if body is None or isinstance(body, bytes):
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(body, encode_chunked=True)

    def _connect(self, parts: SplitResult, exchange: Exchange) -> http.client.HTTPConnection:
        host = parts.hostname or ""
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            if self._context is None:
                self._context = build_trust(self._files).context
            connection = http.client.HTTPSConnection(
                host, parts.port, timeout=_CONNECT_TIMEOUT, context=self._context, blocksize=_BLOCK
            )
        else:
            connection = http.client.HTTPConnection(
                host, parts.port, timeout=_CONNECT_TIMEOUT, blocksize=_BLOCK
            )
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.sock.settimeout(exchange.read_timeout)
        exchange.attach(connection.sock)
        return connection


def _go_on(exchange: Exchange) -> None:
    if exchange.stop is not None and exchange.stop.is_set():
        raise RequestCanceled("the call was given up: this process is stopping")
