"""Service containers against an engine that does what the test says (docker-executor.md 1.2, 5.3)."""

from __future__ import annotations

import http.server
import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import BuildError, EngineError, PyrunnerError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL
from pyrunner.executors.docker.services.containers import ServiceContainer, ServiceContainers
from pyrunner.executors.docker.services.state import StartedService
from pyrunner.protocol.states import FailureReason
from tests.support.job_reports import JobLife

LABELS = {JOB_LABEL: "job-1", BUSINESS_LABEL: "business-1"}


class ContainerEngine:
    """Containers by name; an id is ``id-<name>``."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        #: Method and path of what changed something, in order.
        self.done: list[str] = []
        #: Status that a started container has.
        self.started_status = "running"
        #: Answers by the end of a path, instead of the usual ones: status and message.
        self.refusals: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, status: str, labels: dict[str, str]) -> None:
        """Have a container."""
        self.containers[name] = {
            "Id": f"id-{name}",
            "State": {"Status": status},
            "Config": {"Labels": labels, "ExposedPorts": {"80/tcp": {}}},
            "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
        }

    def handle(self, method: str, path: str, query: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Answer a request."""
        with self._lock:
            for end, (status, message) in self.refusals.items():
                if path.endswith(end):
                    return status, {"message": message}
            if method != "GET":
                self.done.append(f"{method} {path}")
            if path == "/containers/create":
                name = query.partition("name=")[2].partition("&")[0]
                self.add(name, "created", body["Labels"])
                return 201, {"Id": f"id-{name}"}
            name = path.split("/")[2].removeprefix("id-")
            if name not in self.containers:
                return 404, {"message": f"No such container: {name}"}
            if method == "DELETE":
                del self.containers[name]
            elif path.endswith("/start"):
                self.containers[name]["State"]["Status"] = self.started_status
            return (200, self.containers[name]) if method == "GET" else (204, None)


@contextmanager
def serving(served: ContainerEngine) -> Iterator[Engine]:
    """Serve on a unix socket."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self) -> str:
            return "unix"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _answer(self) -> None:
            path, _, query = self.path.partition("?")
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if path == "/version":
                status, value = 200, {"ApiVersion": "1.41"}
            else:
                path = "/" + path.split("/", 2)[2]
                status, value = served.handle(self.command, path, query, json.loads(data or b"{}"))
            body = json.dumps(value).encode() if value is not None else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the library

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        block_on_close = False

    with tempfile.TemporaryDirectory() as folder:
        server = Server(f"{folder}/docker.sock", Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        engine = Engine(Endpoint(f"unix://{folder}/docker.sock"))
        try:
            yield engine
        finally:
            engine.close()
            server.shutdown()
            server.server_close()
            thread.join()


def wanted(index: int) -> ServiceContainer:
    """Return a container that is to be."""
    return ServiceContainer(index, f"svc{index}", f"image:{index}", (f"alias{index}",), {"Labels": LABELS})


def bring_up(folder: Path, served: ContainerEngine, count: int = 1) -> list[StartedService]:
    """Bring up so many containers."""
    with serving(served) as engine, JobLife(folder).supervisor() as (report, _):
        containers = ServiceContainers(engine, report, start_timeout=0.1, keep_volumes=False)
        return containers.bring_up([wanted(index) for index in range(count)])
    raise AssertionError("unreachable")


def test_all_are_created_in_order_and_then_started(tmp_path: Path) -> None:
    """No container is started before the last is created; what came of it is in order."""
    served = ContainerEngine()
    started = bring_up(tmp_path, served, 3)
    assert served.done[:3] == ["POST /containers/create"] * 3
    assert sorted(served.done[3:]) == [f"POST /containers/id-svc{index}/start" for index in range(3)]
    assert [(one.index, one.id, one.name, one.image, one.aliases) for one in started] == [
        (index, f"id-svc{index}", f"svc{index}", f"image:{index}", [f"alias{index}"]) for index in range(3)
    ]
    assert started[0].ips == ["172.17.0.2"]
    assert started[0].ports == [80]


@pytest.mark.parametrize(
    ("status", "calls"),
    [("created", ["POST /containers/id-svc0/start"]), ("running", []), ("exited", [])],
)
def test_what_a_former_supervisor_made_is_taken_over(tmp_path: Path, status: str, calls: list[str]) -> None:
    """It is started when it was not; a service that has ended is not started a second time."""
    served = ContainerEngine()
    served.add("svc0", status, LABELS)
    assert bring_up(tmp_path, served)[0].id == "id-svc0"
    assert served.done == calls


def test_a_leftover_of_the_business_is_removed_first(tmp_path: Path) -> None:
    """Another job's, of our own folder."""
    served = ContainerEngine()
    served.add("svc0", "running", {**LABELS, JOB_LABEL: "job-0"})
    bring_up(tmp_path, served)
    assert served.done[:2] == ["DELETE /containers/svc0", "POST /containers/create"]


@pytest.mark.parametrize("labels", [{}, {BUSINESS_LABEL: "another", JOB_LABEL: "job-0"}])
def test_what_is_not_ours_is_left_alone(tmp_path: Path, labels: dict[str, str]) -> None:
    """The job fails, with what to do."""
    served = ContainerEngine()
    served.add("svc0", "exited", labels)
    with pytest.raises(PyrunnerError, match="svc0 is not this runner's"):
        bring_up(tmp_path, served)
    assert served.done == []


def test_a_request_that_the_engine_does_not_understand(tmp_path: Path) -> None:
    """Status 400 is the configuration's fault, every other one may be tried again."""
    served = ContainerEngine()
    served.refusals["/create"] = (400, "invalid environment variable: =x")
    with pytest.raises(BuildError) as error:
        bring_up(tmp_path, served)
    assert error.value.failure_reason == FailureReason.CONFIGURATION_ERROR
    assert str(error.value) == "Error response from daemon: invalid environment variable: =x"
    served.refusals["/create"] = (500, "no room")
    with pytest.raises(EngineError, match="no room"):
        bring_up(tmp_path / "second", served)


def test_the_first_error_of_the_starts_counts(tmp_path: Path) -> None:
    """All are tried."""
    served = ContainerEngine()
    served.refusals["id-svc1/start"] = (500, "first")
    served.refusals["id-svc2/start"] = (500, "second")
    with pytest.raises(EngineError, match="first"):
        bring_up(tmp_path, served, 4)
    statuses = [served.containers[f"svc{index}"]["State"]["Status"] for index in range(4)]
    assert statuses == ["running", "created", "created", "running"]


def test_a_container_that_does_not_begin_to_run(tmp_path: Path) -> None:
    """It is waited for no longer than it was given."""
    served = ContainerEngine()
    served.started_status = "created"
    with pytest.raises(PyrunnerError, match=r"service failed to start after \d+\.\d+ms"):
        bring_up(tmp_path, served)
