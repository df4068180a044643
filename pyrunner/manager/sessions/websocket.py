"""One WebSocket connection to a terminal: frames on one side, the terminal's bytes on the other.

The frames are the library's affair; moving the bytes is ours, in one thread: a TLS connection may not be read
and written by two at the same time.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from email.message import Message
from typing import Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from pyrunner.protocol.session import BASE64, RAW

#: Bytes moved at a time: what TLS sends at once, so that nothing stays behind unseen in the library.
_CHUNK: Final = 16 * 1024
#: The longest message that is taken.
_LONGEST: Final = 256 * 1024
#: Seconds between two pings, which keep proxies on the way from closing a silent connection.
PING: Final = 30.0
#: Seconds of silence, pings unanswered, after which nobody is there any more.
_SILENCE: Final = 120.0
#: Seconds that the other side has for a goodbye.
_PATIENCE: Final = 2.0
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WebSocket:
    """The server's side of one connection, upgraded from a request that was read by others.

    :param connection: TLS; non-blocking from here on.
    """

    def __init__(self, connection: ssl.SSLSocket, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._protocol = ServerProtocol(
            subprotocols=[Subprotocol(RAW), Subprotocol(BASE64)],
            select_subprotocol=_chosen,
            max_size=_LONGEST,
        )
        self._out = b""
        self._partial = b""
        self._heard_at = self._pinged_at = clock()

    def accept(self, path: str, headers: Iterable[tuple[str, str]]) -> bool:
        """Answer the request; False when it was no proper one, and has been told so."""
        self._connection.setblocking(False)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._protocol.receive_data(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1", "replace"))
        requests = [one for one in self._protocol.events_received() if isinstance(one, Request)]
        if not requests:
            self._protocol.send_response(self._protocol.reject(400, "Bad Request\n"))
        else:
            self._protocol.send_response(self._protocol.accept(requests[0]))
        self._take_output()
        if self._protocol.state is State.OPEN:
            return True
        self._flush()
        return False

    def serve(self, terminal: socket.socket, over: int) -> None:
        """Move until one side is closed.

        :param over: a descriptor that is readable when the terminal has to end.
        """
        terminal.setblocking(False)
        to_terminal, reason = b"", ""
        try:
            while True:
                events = self._wait(terminal, over, bool(to_terminal))
                if over in events:
                    reason = "the job is over"
                    break
                to_terminal += self._receive() if len(to_terminal) < _CHUNK else b""
                if self._protocol.state is not State.OPEN or self._silent():
                    break
                self._ping()
                if to_terminal:
                    to_terminal = to_terminal[_send(terminal, to_terminal) :]
                if not self._out and not self._pass_on(terminal):
                    break
                self._send()
        except OSError:
            # Broken off: there is nobody to tell.
            return
        self._say_goodbye(reason)

    def _wait(self, terminal: socket.socket, over: int, full: bool) -> dict[int, int]:
        poller = select.poll()
        poller.register(over, select.POLLIN)
        poller.register(
            self._connection, (0 if full else select.POLLIN) | (select.POLLOUT if self._out else 0)
        )
        if full or not self._out:  # one that has hung up says so all the time
            poller.register(terminal, (0 if self._out else select.POLLIN) | (select.POLLOUT if full else 0))
        left = self._pinged_at + PING - self._clock()
        return dict(poller.poll(max(0.0, left) * 1000 if not self._connection.pending() or full else 0))

    def _receive(self) -> bytes:
        """Return the bytes for the terminal that have come.

        :raises OSError: when the connection is broken.
        """
        try:
            data = self._connection.recv(_CHUNK)
        except _NOT_NOW:
            return b""
        if not data:
            raise ConnectionResetError
        self._heard_at = self._clock()
        self._protocol.receive_data(data)
        typed = b"".join(self._typed(one) for one in self._protocol.events_received())
        self._take_output()
        return typed

    def _typed(self, frame: object) -> bytes:
        if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return b""
        if self._protocol.subprotocol != BASE64:
            return bytes(frame.data)
        # A message may be cut anywhere, base64 may not.
        self._partial += bytes(frame.data)
        if not frame.fin:
            return b""
        message, self._partial = self._partial, b""
        with contextlib.suppress(binascii.Error, ValueError):
            return base64.b64decode(message)
        return b""

    def _pass_on(self, terminal: socket.socket) -> bool:
        """Frame what the terminal has printed; False at its end."""
        try:
            data = terminal.recv(_CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        if self._protocol.subprotocol == BASE64:
            self._protocol.send_text(base64.b64encode(data))
        else:
            self._protocol.send_binary(data)
        self._take_output()
        return True

    def _ping(self) -> None:
        if self._clock() >= self._pinged_at + PING:
            self._pinged_at = self._clock()
            self._protocol.send_ping(b"")
            self._take_output()

    def _silent(self) -> bool:
        return self._clock() - self._heard_at > _SILENCE

    def _take_output(self) -> None:
        # An empty piece asks for the end of our half, which closing the connection is.
        self._out += b"".join(self._protocol.data_to_send())

    def _send(self) -> None:
        if self._out:
            with contextlib.suppress(*_NOT_NOW):
                self._out = self._out[self._connection.send(self._out[:_CHUNK]) :]

    def _say_goodbye(self, reason: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE, reason)
            self._take_output()
        self._flush()
        # Closed with something unread, the connection would take our goodbye with it.
        ends = self._clock() + _PATIENCE
        with contextlib.suppress(OSError):
            while self._clock() < ends and self._connection.recv(_CHUNK):
                continue

    def _flush(self) -> None:
        """Hand over what is left, if the other side takes it in time."""
        with contextlib.suppress(OSError):
            self._connection.settimeout(_PATIENCE)
            self._connection.sendall(self._out)
        self._out = b""


def _send(terminal: socket.socket, data: bytes) -> int:
    try:
        return terminal.send(data)
    except BlockingIOError:
        return 0


def _chosen(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first of ours that is offered; with none of them the bytes go as they are."""
    return next((Subprotocol(one) for one in (RAW, BASE64) if one in offered), None)


def is_upgrade(headers: Message) -> bool:
    """Tell whether a request asks for a WebSocket."""
    words = {one.strip().lower() for one in headers.get("Connection", "").split(",")}
    return "upgrade" in words and headers.get("Upgrade", "").strip().lower() == "websocket"
