"""Pulls through an engine that is reached by TCP, with TLS and without (docker-executor.md 9.1)."""

from __future__ import annotations

import http.server
import json
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint
from pyrunner.executors.docker.engine.stream import EngineStream
from tests.support.certificates import make_certificates

pytestmark = pytest.mark.integration


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers a pull with one event; hangs where the path says so."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        if "/hang" in self.path:
            # until the client is gone
            self.connection.recv(1)
            return
        body = json.dumps({"status": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(context: ssl.SSLContext | None) -> Iterator[str]:
    """Serve an engine on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(endpoint: Endpoint, path: str = "/images/create") -> list[Any]:
    """Return the answer."""
    return list(EngineStream(endpoint).events("1.41", path, {"tag": "1"}, {}))


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A folder as ``tls_cert_path`` names it, and the context of an engine that wants its certificate."""
    made = make_certificates(tmp_path)
    folder = tmp_path / "docker"
    folder.mkdir()
    for source, name in ((made.ca, "ca.pem"), (made.client, "cert.pem"), (made.client_key, "key.pem")):
        shutil.copy(source, folder / name)
    return folder, made.server_context(client_needed=True)


def test_without_tls() -> None:
    """As ``tcp://``."""
    with served(None) as host:
        assert ask(Endpoint(host)) == [{"status": "/v1.41/images/create?tag=1"}]


@pytest.mark.parametrize("verify", [True, False])
def test_with_certificates(certificates: tuple[Path, ssl.SSLContext], verify: bool) -> None:
    """The client's own is shown; the engine's is checked against that CA only, where that is wanted."""
    folder, context = certificates
    with served(context) as host:
        assert ask(Endpoint(host, str(folder), verify)) == [{"status": "/v1.41/images/create?tag=1"}]


def test_an_engine_of_another_ca_is_refused(
    certificates: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    """Nothing is sent to it."""
    folder, context = certificates
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(make_certificates(other).ca, folder / "ca.pem")
    with served(context) as host, pytest.raises(EngineError, match="certificate verify failed"):
        ask(Endpoint(host, str(folder), True))


def test_given_up_within_tls(certificates: tuple[Path, ssl.SSLContext]) -> None:
    """The thread that reads ends."""
    folder, context = certificates
    with served(context) as host:
        stream = EngineStream(Endpoint(host, str(folder), True))
        failures: list[BaseException] = []

        def work() -> None:
            try:
                list(stream.events("1.41", "/hang", {}, {}))
            except EngineError as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while stream._socket is None:
            thread.join(0.01)
        stream.give_up()
        thread.join(30)
        assert not thread.is_alive()
    assert len(failures) == 1
