"""Where the server listens (config-and-commands.md 4)."""

from __future__ import annotations

import socket

import pytest

from pyrunner.errors import ListenAddressError
from pyrunner.metrics.listen import ListenAddress, open_listener, parse_listen_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost", "localhost:9252"),
        (":1234", ":1234"),
        ("localhost:1234", "localhost:1234"),
        ("localhost:", "localhost:9252"),
        ("10.0.0.1", "10.0.0.1:9252"),
        ("[::1]", "[::1]:9252"),
        ("[::1]:80", "[::1]:80"),
        ("localhost:http", "localhost:http"),
        ("9252", "127.0.0.1:9252"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    """A host gets port 9252; no host means all interfaces; a bare number stays on this machine."""
    assert str(parse_listen_address(text)) == address


def test_no_address() -> None:
    """Nothing listens by default."""
    assert parse_listen_address("") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost::1234", "too many colons"),
        ("::1", "too many colons"),
        ("[::1", "missing ']'"),
        ("[::1]x", "missing port"),
        ("a]:1", "unexpected bracket"),
    ],
)
def test_malformed_addresses(text: str, reason: str) -> None:
    """In the words of Go's library."""
    with pytest.raises(ListenAddressError, match=reason):
        parse_listen_address(text)


def test_listening() -> None:
    """The socket listens when this returns, closes on exec, and names what is taken."""
    with open_listener(ListenAddress("localhost", "0")) as listener:
        assert listener.family == socket.AF_INET
        assert not listener.get_inheritable()
        port = str(listener.getsockname()[1])
        with socket.create_connection(("127.0.0.1", int(port))):
            pass
        with pytest.raises(ListenAddressError, match=f"listen tcp 127.0.0.1:{port}: .*in use"):
            open_listener(ListenAddress("127.0.0.1", port))


def test_all_interfaces() -> None:
    """Without a host, IPv4 is answered, with or without IPv6 on this machine."""
    with (
        open_listener(ListenAddress("", "0")) as listener,
        socket.create_connection(("127.0.0.1", listener.getsockname()[1])) as connection,
    ):
        assert connection.getpeername()[0] == "127.0.0.1"


def test_a_port_that_is_none() -> None:
    """A service that nobody knows, or a number that is too large."""
    for port in ("no-such-service", "70000"):
        with pytest.raises(ListenAddressError, match="listen tcp"):
            open_listener(ListenAddress("127.0.0.1", port))
