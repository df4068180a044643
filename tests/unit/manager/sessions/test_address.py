"""``listen_address`` and ``advertise_address`` of ``[session_server]`` (config-and-commands.md 1.4)."""

from __future__ import annotations

import pytest

from pyrunner.config.tables import SessionServer
from pyrunner.errors import ConfigError, ListenAddressError
from pyrunner.manager.sessions.address import SessionAddress


def address(listen: str, advertise: str = "") -> SessionAddress:
    return SessionAddress.of(SessionServer(listen_address=listen, advertise_address=advertise))


@pytest.mark.parametrize(
    ("listen", "advertise", "url", "host"),
    [
        ("127.0.0.1:8093", "", "https://127.0.0.1:8093", "127.0.0.1"),
        (":8093", "runner.example.com:443", "https://runner.example.com:443", "runner.example.com"),
        ("0.0.0.0:8093", "runner.example.com", "https://runner.example.com", "runner.example.com"),
        ("[::1]:8093", "", "https://[::1]:8093", "::1"),
        ("[::]:8093", "[2001:db8::1]:8094", "https://[2001:db8::1]:8094", "2001:db8::1"),
    ],
)
def test_what_the_coordinator_is_told(listen: str, advertise: str, url: str, host: str) -> None:
    """``https://`` before the advertised address, which is the other unless it is set."""
    found = address(listen, advertise)
    assert (found.url, found.host) == (url, host)


@pytest.mark.parametrize(
    ("listen", "advertise", "words"),
    [
        ("https://a:1", "", "listen_address: 'https://a:1': url not valid, scheme defined"),
        ("a:1", "http://a:1", "advertise_address: 'http://a:1': url not valid, scheme defined"),
        (":8093", "", "names no host; set advertise_address"),
        ("0.0.0.0", "a:1", "listen_address: '0.0.0.0' is no address"),
        ("a:1", "a:1/path", "advertise_address: 'a:1/path' is no address"),
        ("a:1", "user@a:1", "is no address"),
        ("::1:8093", "", "is no address"),
    ],
)
def test_what_is_none(listen: str, advertise: str, words: str) -> None:
    """The words name the key and say what to write."""
    with pytest.raises(ConfigError, match=words):
        address(listen, advertise)


def test_a_taken_port() -> None:
    """The words are Go's, and name the address."""
    with address("127.0.0.1:0").listen() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenAddressError, match=f"listen tcp 127.0.0.1:{port}: "):
            address(f"127.0.0.1:{port}").listen()
