"""A container engine on a unix socket that knows of images what a test says, and pulls as the test says."""

from __future__ import annotations

import base64
import contextlib
import gc
import http.server
import json
import shutil
import socketserver
import tempfile
import threading
import urllib.parse
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyrunner.executors.docker.engine.connection import Endpoint, Engine


def image_id(number: int) -> str:
    """Return an id as engines make them."""
    return f"sha256:{number:064x}"


def inspection(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return what the engine tells of an image."""
    value: dict[str, Any] = {
        "Id": image_id(number),
        "RepoDigests": [f"ruby@{image_id(1000 + number)}"],
        "Config": {"Env": ["PATH=/bin"], "Entrypoint": None, "User": "", "ExposedPorts": None},
        "Os": "linux",
        "Architecture": "amd64",
    }
    value.update(changes)
    return value


@dataclass
class Pull:
    """How one pull goes."""

    #: Sent in this order; each a JSON object.
    events: Iterable[dict[str, Any]] = ()
    #: Answered instead of a stream, with ``message``.
    status: int = 200
    message: str = ""
    #: Waited for before the answer begins, and before its end.
    before: threading.Event | None = None
    behind: threading.Event | None = None
    #: The connection breaks off in the middle.
    cut: bool = False
    #: It breaks off behind the events.
    dies: bool = False
    #: Names that the engine has afterwards.
    brings: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextlib.contextmanager
def unclosed_sockets_of_the_sdk() -> Iterator[None]:
    """The SDK leaves the socket of a connection that fails to the garbage collector, which complains."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


class FakeEngine:
    """Serves from ``with`` to its end."""

    def __init__(self, api_version: str = "1.41") -> None:
        self.api_version = api_version
        self.info: dict[str, Any] = {"OSType": "linux", "Architecture": "x86_64"}
        #: What is there, by each of its names.
        self.images: dict[str, dict[str, Any]] = {}
        #: What the container ``it`` is doing.
        self.state: dict[str, Any] = {"Running": True, "StartedAt": "2026-01-31T10:00:00.5Z"}
        #: What it tells of; None: such an engine has no events. After them it is silent, or hangs up.
        self.events: Sequence[dict[str, Any] | bytes] | None = []
        self.silent = False
        #: Answers each inspection with an internal error.
        self.broken = False
        #: One for each pull to come.
        self.pulls: list[Pull] = []
        #: Method and target of each request that was about images.
        self.requests: list[str] = []
        #: Credentials of each pull; None: anonymous.
        self.credentials: list[dict[str, str] | None] = []
        #: Query of each pull.
        self.queries: list[dict[str, str]] = []
        #: Set when a pull has come in.
        self.asked = threading.Event()
        #: Set when a client is gone before its pull had ended.
        self.left = threading.Event()
        self._folder = Path(tempfile.mkdtemp(prefix="engine-"))

    @property
    def endpoint(self) -> Endpoint:
        """Where it is."""
        return Endpoint(f"unix://{self._folder}/docker.sock")

    def engine(self) -> Engine:
        """Return a connection."""
        return Engine(self.endpoint)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"engine": self})
        self._server = _Server(str(self._folder / "docker.sock"), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self._folder)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


class _Handler(http.server.BaseHTTPRequestHandler):
    engine: FakeEngine
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/version":
            self._json(200, {"ApiVersion": self.engine.api_version})
        elif path == "/_ping":
            self.send_response(200)
            self.send_header("Api-Version", self.engine.api_version)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path.endswith("/events"):
            self._events(query)
        elif path.endswith("/containers/it/json"):
            self._json(200, {"State": self.engine.state})
        elif path.endswith("/info"):
            self._json(200, self.engine.info)
        else:
            self.engine.requests.append(f"GET {self.path}")
            name = urllib.parse.unquote(path.partition("/images/")[2].removesuffix("/json"))
            asked = urllib.parse.parse_qs(query).get("platform")
            found = self.engine.images.get(f"{name} {asked[0]}" if asked else name)
            if self.engine.broken:
                self._json(500, {"message": "something is wrong"})
                return
            self._json(200, found) if found else self._json(404, {"message": f"No such image: {name}"})

    def _events(self, query: str) -> None:
        if self.engine.events is None:
            self._json(404, {"message": "page not found"})
            return
        self.engine.queries.append(dict(urllib.parse.parse_qsl(query)))
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        for event in self.engine.events:
            self.wfile.write((event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n")
        if self.engine.silent:
            self.engine.left.wait()

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.engine.left.set()

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        if path.endswith("/load") or "fromSrc" in query:
            self.close_connection = True
            self._json(400, {"message": "the archive is broken"})
            return
        self.engine.requests.append(f"POST {path}")
        self.engine.queries.append(dict(urllib.parse.parse_qsl(query)))
        packed = self.headers.get("X-Registry-Auth")
        self.engine.credentials.append(json.loads(base64.urlsafe_b64decode(packed)) if packed else None)
        plan = self.engine.pulls.pop(0)
        self.engine.asked.set()
        if plan.before is not None:
            self._wait(plan.before)
        if plan.status != 200:
            self._json(plan.status, {"message": plan.message})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for one in plan.events:
            data = json.dumps(one).encode() + b"\r\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        if plan.dies:
            self.close_connection = True
            return
        if plan.cut:
            self.wfile.write(b"ff\r\n{")
            self.close_connection = True
            return
        if plan.behind is not None:
            self._wait(plan.behind)
        self.engine.images.update(plan.brings)
        self.wfile.write(b"0\r\n\r\n")

    def _wait(self, event: threading.Event) -> None:
        """Wait for ``event`` or for the client to be gone."""
        self.connection.settimeout(0.02)
        while not event.is_set():
            try:
                gone = self.connection.recv(1) == b""
            except TimeoutError:
                continue
            if gone:
                self.engine.left.set()
                return
        self.connection.settimeout(None)

    def _json(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
