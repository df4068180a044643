"""A registry on loopback, with a password or without, and a proxy before it that stalls when it is told."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import shutil
import socket
import socketserver
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

USER: Final = "tester"
PASSWORD: Final = "hunter2"
#: The registry reads bcrypt only.
_PASSWORD_HASH: Final = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm"
#: Bytes that come at once where answers trickle.
_DROP: Final = 1000
_CONFIG: Final = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {root}/data}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
_AUTH: Final = """
auth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}
"""


def why_no_registry() -> str:
    """Return why there can be no registry; empty when there can."""
    return "" if shutil.which("docker-registry") else "there is no docker-registry command"


@contextmanager
def registry(root: Path, *, password: bool = False) -> Iterator[str]:
    """Serve a registry; yields ``127.0.0.1:<port>``, which engines take for an insecure one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (root / "htpasswd").write_text(f"{USER}:{_PASSWORD_HASH}\n")
    config = root / "config.yml"
    config.write_text((_CONFIG + (_AUTH if password else "")).format(root=root, port=port))
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(port, process, root / "log")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(600):
        with contextlib.suppress(OSError):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()
            return
        if process.poll() is not None:
            break
        pause.wait(0.05)
    raise AssertionError(f"the registry does not answer: {log.read_text()}")


class StallingProxy:
    """Hands requests on to a registry; holds those that ``holds`` tells until they are released.

    :param trickles: answers come drop by drop instead.
    """

    def __init__(self, upstream: str, holds: Callable[[str, str], bool], trickles: bool = False) -> None:
        self.upstream = upstream
        self.holds = holds
        self.trickles = trickles
        #: Method and path of each request.
        self.requests: list[str] = []
        #: A request is held.
        self.held = threading.Event()
        self.released = threading.Event()
        #: A client has gone while its request was held.
        self.left = threading.Event()

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Yield the address."""
        handler = type("Handler", (_ProxyHandler,), {"proxy": self})
        server = _ProxyServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _ProxyServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _ProxyHandler(http.server.BaseHTTPRequestHandler):
    proxy: StallingProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_HEAD(self) -> None:
        self._forward()

    def do_GET(self) -> None:
        self._forward()

    def _forward(self) -> None:
        self.close_connection = True
        self.proxy.requests.append(f"{self.command} {self.path}")
        holds = self.proxy.holds(self.command, self.path)
        if holds and not self.proxy.trickles and not self._hold():
            return
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=30)
        try:
            upstream.request(self.command, self.path, headers=dict(self.headers))
            answer = upstream.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("connection", "transfer-encoding", "date", "server"):
                    self.send_header(key, value)
            self.send_header("Connection", "close")
            self.end_headers()
            if holds and self.proxy.trickles:
                self._trickle(body)
            else:
                self.wfile.write(body)
        finally:
            upstream.close()

    def _trickle(self, body: bytes) -> None:
        self.proxy.held.set()
        for at in range(0, len(body), _DROP):
            try:
                self.wfile.write(body[at : at + _DROP])
            except ConnectionError:
                self.proxy.left.set()
                return
            self.proxy.released.wait(0.02)

    def _hold(self) -> bool:
        """Wait for the release; False when the client has gone before."""
        self.proxy.held.set()
        self.connection.settimeout(0.02)
        while not self.proxy.released.is_set():
            try:
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    self.proxy.left.set()
                    return False
            except TimeoutError:
                continue
            except ConnectionError:
                self.proxy.left.set()
                return False
        self.connection.settimeout(None)
        return True
