"""Who keeps whom from the session server (runner-api.md 9.1)."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.config.tables import SessionServer as Settings
from pyrunner.manager.sessions.address import SessionAddress
from pyrunner.manager.sessions.certificate import load_certificate
from pyrunner.manager.sessions.server import LIFETIME, MOST_CONNECTIONS, SessionServer


@contextlib.contextmanager
def serving(folder: Path, lifetime: float = LIFETIME) -> Iterator[tuple[str, int]]:
    """Serve no session on loopback; yields host and port."""
    listener = socket.create_server(("127.0.0.1", 0))
    place: tuple[str, int] = listener.getsockname()
    address = SessionAddress.of(Settings(listen_address=f"127.0.0.1:{place[1]}"))
    server = SessionServer(address, load_certificate(folder, "127.0.0.1"), {}, listener, lifetime)
    server.start()
    try:
        yield place
    finally:
        server.close()


def asked(place: tuple[str, int], path: str) -> int:
    """Return the status of an answer."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(*place, timeout=60, context=trusting)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def filled(stack: contextlib.ExitStack, place: tuple[str, int]) -> list[socket.socket]:
    """Take all places, and say nothing."""
    return [stack.enter_context(socket.create_connection(place, timeout=60)) for _ in range(MOST_CONNECTIONS)]


def test_nobody_is_known(tmp_path: Path) -> None:
    """A path that is no session's is not found, whatever it is."""
    with serving(tmp_path) as place:
        for path in ("/", "/session/", f"/session/{'0' * 64}/exec", f"/session/{'0' * 64}"):
            assert asked(place, path) == 404


def test_strangers_do_not_keep_others_out(tmp_path: Path) -> None:
    """Without a free place the oldest that has shown no token goes, once it has had its time."""
    with serving(tmp_path, lifetime=0.0) as place, contextlib.ExitStack() as stack:
        silent = filled(stack, place)
        with pytest.raises(OSError):  # noqa: PT011 - closed in the middle of its handshake, one way or another
            asked(place, "/")
        assert silent[0].recv(1) == b""


def test_strangers_have_their_time(tmp_path: Path) -> None:
    """A full house sends newcomers away before that."""
    with serving(tmp_path) as place, contextlib.ExitStack() as stack:
        silent = filled(stack, place)
        with pytest.raises(OSError):  # noqa: PT011 - as above
            asked(place, "/")
        silent[0].setblocking(False)
        with pytest.raises(BlockingIOError):
            silent[0].recv(1)
