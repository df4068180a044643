"""The HTTP server, on loopback: what it answers, whom it refuses, how it ends."""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from pyrunner.metrics.access import Certificate, TokenGuard
from pyrunner.metrics.listen import ListenAddress, open_listener
from pyrunner.metrics.server import LIFETIME, MOST_CONNECTIONS, MetricsServer, Page, Route
from tests.support.certificates import make_certificates

LONG = "a line of text\n" * 1000


def broken() -> Page:
    """Fail as a page with a bug."""
    raise RuntimeError("a bug")


ROUTES = {
    "/metrics": Route(lambda: Page(LONG, headers={"X-Extra": "1"})),
    "/health/live": Route(lambda: Page("alive\n"), open=True),
    "/broken": Route(broken),
}


@contextmanager
def serving(
    guard: TokenGuard | None = None, certificate: Certificate | None = None, lifetime: float = LIFETIME
) -> Iterator[int]:
    """Serve on a free port and yield it."""
    listener = open_listener(ListenAddress("127.0.0.1", "0"))
    port = int(listener.getsockname()[1])
    serves = MetricsServer(listener, ROUTES, guard or TokenGuard(""), certificate, lifetime)
    serves.start()
    try:
        yield port
    finally:
        serves.close()
        serves.close()


def ask(
    port: int, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_pages() -> None:
    """A page with its headers; queries do not matter; HEAD has no body; other paths are not there."""
    with serving() as port:
        status, headers, body = ask(port, "/metrics?x=1")
        assert (status, body, headers["X-Extra"]) == (200, LONG.encode(), "1")
        status, headers, body = ask(port, "/metrics", "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", str(len(LONG)))
        assert ask(port, "/")[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "BREW"])
def test_nothing_but_reading(method: str) -> None:
    """Any other method is refused, whatever it is called."""
    with serving() as port:
        status, headers, _ = ask(port, "/metrics", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_compression() -> None:
    """A reader that can unpack gets it packed."""
    with serving() as port:
        _, headers, body = ask(port, "/metrics", headers={"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == LONG.encode()


def test_the_token(tmp_path: Path) -> None:
    """Without it nothing but health is to be seen; the answer says how to ask."""
    file = tmp_path / "token"
    file.write_text("s3cret")
    with serving(TokenGuard(str(file))) as port:
        status, headers, body = ask(port, "/metrics")
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
        assert b"line" not in body
        assert ask(port, "/metrics", headers={"Authorization": "Bearer s3cret"})[0] == 200
        assert ask(port, "/health/live")[0] == 200


def test_a_page_with_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    """Is logged, and the reader learns nothing of it but that."""
    with serving() as port:
        status, _, body = ask(port, "/broken")
        assert status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert b"RuntimeError" not in body
        assert ask(port, "/health/live")[0] == 200
    assert "a bug" in caplog.text


def test_too_many_connections() -> None:
    """Readers that say nothing are bounded in number; when they go, there is room again."""
    with serving() as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_CONNECTIONS)]
        # Accepted in order: this one comes when no place is left.
        with socket.create_connection(("127.0.0.1", port), timeout=30) as refused:
            assert refused.recv(1) == b""
        for one in silent:
            one.shutdown(socket.SHUT_WR)
            assert one.recv(1) == b""
            one.close()
        assert ask(port, "/health/live")[0] == 200


def test_slow_readers_do_not_keep_others_out() -> None:
    """Whoever has had its time goes when another wants the place."""
    with serving(lifetime=0.0) as port:
        slow = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(MOST_CONNECTIONS)]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as refused:
            assert refused.recv(1) == b""
        assert slow[0].recv(1) == b""
        for one in slow:
            one.close()


def test_it_ends_while_connections_are_open() -> None:
    """An open connection does not keep the server from ending."""
    with serving() as port:
        hanging = socket.create_connection(("127.0.0.1", port))
    with hanging, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_it_may_end_before_it_began() -> None:
    """A manager that cannot start closes what it opened."""
    listener = open_listener(ListenAddress("127.0.0.1", "0"))
    MetricsServer(listener, ROUTES, TokenGuard("")).close()
    assert listener.fileno() == -1


def test_tls(tmp_path: Path) -> None:
    """As configured; a new certificate counts for the next connection, and nonsense changes nothing."""
    first, second = make_certificates(tmp_path / "1"), make_certificates(tmp_path / "2")
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_bytes(first.server.read_bytes())
    key.write_bytes(first.server_key.read_bytes())

    def answered(authority: Path) -> bytes:
        context = ssl.create_default_context(cafile=str(authority))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(4096), b""))

    with serving(certificate=Certificate(str(certificate), str(key))) as port:
        assert answered(first.ca).endswith(b"alive\n")
        certificate.write_text("nonsense")
        assert answered(first.ca).endswith(b"alive\n")
        key.write_bytes(second.server_key.read_bytes())
        certificate.write_bytes(second.server.read_bytes())
        assert answered(second.ca).endswith(b"alive\n")
        with pytest.raises(ssl.SSLError):
            answered(first.ca)
        # Whoever speaks no TLS is not answered, and does not disturb others.
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            ask(port, "/health/live")
        assert answered(second.ca).endswith(b"alive\n")
