"""An ASGI application served by uvicorn in a thread, which can stop at once and come back on its port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds an idle keep-alive connection stays open; clients keep theirs up to 90 s (runner-api.md 6.3).
KEEP_ALIVE_SECONDS: Final = 120
#: Seconds until handlers that still run after all connections are gone are cancelled.
GRACE_SECONDS: Final = 5
_START_SECONDS: Final = 10.0


class DroppableProtocol(H11Protocol):
    """Gives a handler its connection (``request.state.transport``), so that it can drop it unanswered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Offer the transport to the handlers of this connection."""
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """Signals when it serves, and ends on an event instead of asking ten times a second."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.exit_requested = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        counter = 0
        while not self.exit_requested.is_set():
            await self.on_tick(counter)
            counter += 10
            try:
                await asyncio.wait_for(self.exit_requested.wait(), 1.0)
            except TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


class ThreadedServer:
    """Serves an application on ``host``; the port is kept from one start to the next."""

    def __init__(self, application: Any, host: str, port: int) -> None:
        self._application = application
        self._host = host
        self._port = port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        self._failure: BaseException | None = None
        #: Called in the server's thread when it is about to stop: handlers that wait should end.
        self.on_stopping: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash; only known after the first start."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the server is up."""
        return self._thread is not None

    def start(self) -> None:
        """Listen and serve; nothing happens when it does already.

        :raises OSError: when the address cannot be had.
        """
        if self._thread is not None:
            return
        listener = self._listen()
        ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(
            target=self._serve, args=(listener, ready), name=f"coordinator:{self._port}", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise TimeoutError(f"the coordinator does not start within {_START_SECONDS:.0f} s")
        if self._failure is not None:
            failure = self._failure
            self.stop()
            raise failure

    def stop(self) -> None:
        """Reset every connection and stop. Safe twice."""
        if self._thread is None:
            return
        loop, server = self._loop, self._server
        if loop is not None and server is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._request_exit, server)
        self._thread.join()
        self._thread = self._loop = self._server = None

    def _request_exit(self, server: _Server) -> None:
        self.on_stopping()
        server.exit_requested.set()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio sets TCP_NODELAY only where the protocol is named: without it each answer waits 40 ms
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(1024)
        except BaseException:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        return listener

    def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._run(listener, ready))
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that started us
            self._failure = failure
        finally:
            listener.close()
            ready.set()

    async def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        config = uvicorn.Config(
            self._application,
            http=DroppableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = _Server(config, ready.set)
        await self._server.serve(sockets=[listener])
