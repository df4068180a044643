"""A terminal as Workhorse opens it: with what the coordinator knows of the job's session."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import time
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.runner import PATIENCE, RunnerProcess


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def enable_sessions(runner: RunnerProcess, **session: Any) -> RunnerProcess:
    """Give a runner that is about to be started a session server.

    :param session: further keys of ``[session_server]``.
    """
    keys = {"listen_address": f"127.0.0.1:{free_port()}", **session}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    runner.config.write_text(runner.config.read_text() + "\n".join(["[session_server]", *lines, ""]))
    return runner


def trusting(certificate: str) -> ssl.SSLContext:
    """Return the client's half of TLS that trusts one certificate and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate)
    return context


class Terminal:
    """An open terminal.

    :param connection: speaks one of GitLab's subprotocols.
    """

    def __init__(self, connection: ClientConnection, closing: contextlib.ExitStack) -> None:
        self.connection = connection
        self._closing = closing
        self.seen = b""

    @classmethod
    def open(cls, channel: dict[str, Any], **changes: Any) -> Self:
        """Connect.

        :param channel: of :meth:`EmbeddedCoordinator.terminal`.
        :param changes: to it.
        """
        channel = {**channel, **changes}
        opening = connect(
            channel["url"],
            ssl=trusting(channel["ca_pem"]),
            subprotocols=[Subprotocol(one) for one in channel["subprotocols"]] or None,
            additional_headers=channel["headers"],
            compression=None,
            proxy=None,
            open_timeout=PATIENCE,
            max_size=None,
        )
        closing = contextlib.ExitStack()
        return cls(closing.enter_context(opening), closing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def type(self, text: str) -> None:
        """Send input."""
        data = text.encode()
        if str(self.connection.subprotocol).startswith("base64."):
            self.connection.send(base64.b64encode(data).decode())
        else:
            self.connection.send(data)

    def await_text(self, pattern: str, timeout: float = PATIENCE) -> str:
        """Return the first match of a pattern in what the terminal shows from the last match on."""
        ends = time.monotonic() + timeout
        while True:
            found = re.search(pattern.encode(), self.seen)
            if found is not None:
                self.seen = self.seen[found.end() :]
                return found[0].decode(errors="replace")
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{pattern} is not in what ends with {self.seen[-500:]!r}")
            self.seen += self._receive(left)

    def read_to(self, mark: bytes) -> bytes:
        """Return all that comes before a mark, which is not looked for in what came before."""
        start = 0
        while (place := self.seen.find(mark, start)) < 0:
            start = max(0, len(self.seen) - len(mark))
            self.seen += self._receive(PATIENCE)
        said, self.seen = self.seen[:place], self.seen[place + len(mark) :]
        return said

    def await_end(self, timeout: float = PATIENCE) -> bytes:
        """Return what comes until the server closes the connection."""
        ends, said = time.monotonic() + timeout, self.seen
        while True:
            try:
                said += self._receive(ends - time.monotonic())
            except ConnectionClosed:
                return said

    def _receive(self, timeout: float) -> bytes:
        data = self.connection.recv(timeout)
        if isinstance(data, str):
            return base64.b64decode(data)
        return data
