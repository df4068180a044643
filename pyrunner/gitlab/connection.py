"""Connections that can be given up from outside and that remember their verified chain."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final

from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from pyrunner.gitlab.exchange import Exchange
from pyrunner.gitlab.trust import verified_chain

#: Seconds to reach the coordinator, TLS handshake included (runner-api.md 6.3).
CONNECT_TIMEOUT: Final = 30.0

#: Idle connections kept at most (6.3).
MAX_IDLE: Final = 100

# a dead peer of a long poll is found out by the kernel, not by the read timeout
_SOCKET_OPTIONS: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *([(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)] if hasattr(socket, "TCP_KEEPIDLE") else []),
    *([(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)] if hasattr(socket, "TCP_KEEPINTVL") else []),
]


# urllib3 makes its connections itself: the context is the only way from a call to its connection
_exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextlib.contextmanager
def current(exchange: Exchange) -> Iterator[None]:
    """Make ``exchange`` the one that connections used in this thread belong to."""
    token = _exchange.set(exchange)
    try:
        yield
    finally:
        _exchange.reset(token)


class _PlainConnection(HTTPConnection):
    """A connection that belongs to an exchange while it is used."""

    chain: tuple[bytes, ...] = ()
    _connecting = False

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        exchange = _exchange.get()
        if self.sock is None and self.auto_open:
            self.connect()
        if exchange is not None and self.sock is not None:
            exchange.attach(self.sock)
            exchange.chain = self.chain
            if not self._connecting:  # what is said to a proxy belongs to connecting
                # urllib3 leaves the connect timeout on while sending: too short for a slow uplink
                self.sock.settimeout(exchange.read_timeout)
        super().send(data)

    def getresponse(self) -> Any:
        response = super().getresponse()
        exchange = _exchange.get()
        if exchange is not None and not exchange.hold:
            exchange.detach()
        return response


class _TlsConnection(_PlainConnection, HTTPSConnection):
    """The same over TLS, with the chain that was verified when it was made."""

    def connect(self) -> None:
        super().connect()
        self.chain = verified_chain(self.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class CoordinatorAdapter(HTTPAdapter):
    """Connections by our TLS configuration alone: certifi's pool and requests' files do not count."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=10, pool_maxsize=MAX_IDLE, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """Make the pools for direct connections."""
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs, **self._pool_options())
        _use_our_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Make the pools for connections through ``proxy``."""
        options = {**self._pool_options(), **proxy_kwargs}
        if proxy.startswith("https:") and self._context is not None:
            options["proxy_ssl_context"] = self._context
        if proxy.startswith("socks"):
            options.pop("socket_options")
            return super().proxy_manager_for(proxy, **options)
        manager = super().proxy_manager_for(proxy, **options)
        _use_our_connections(manager)
        return manager

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Choose the pool by scheme, host and port only."""
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        return host, {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the pool as it is: requests would add certifi's certificates to the trust."""

    def _pool_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"socket_options": _SOCKET_OPTIONS}
        if self._context is not None:
            options["ssl_context"] = self._context
        return options


def _use_our_connections(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class CoordinatorSession(Session):
    """A session without netrc, environment, cookies and redirects of its own.

    :param context: makes the TLS configuration, when the first https call needs it.
    """

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        super().__init__()
        self.trust_env = False
        self._context = context
        self._lock = threading.Lock()
        self.adapters.clear()
        self.mount("http://", CoordinatorAdapter(None))

    def get_adapter(self, url: str) -> Any:
        """Return the adapter of a scheme; the one for https is made on demand."""
        if url.lower().startswith("https://"):
            with self._lock:
                if "https://" not in self.adapters:
                    self.mount("https://", CoordinatorAdapter(self._context()))
        return super().get_adapter(url)

    def get_redirect_target(self, resp: Any) -> str | None:
        """Report no redirect: they are followed by :mod:`.transport`, by Go's rules."""
        return None
