"""Output of a container found in its engine's log when the connection has ended too early."""

from __future__ import annotations

import http.server
import json
import shutil
import socketserver
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.lost_output import LostOutput


def _frames(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack(">BxxxL", number, len(data)) + data for number, data in parts)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers each inspection with the next state, and each look at the log with the next log."""

    states: list[bool | int]
    logs: list[bytes]
    asked: list[str]
    info: dict[str, Any]

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/version":
            self._answer(200, json.dumps({"ApiVersion": "1.41"}).encode())
        elif path.endswith("/info"):
            self._answer(200, json.dumps(self.info).encode())
        elif path.endswith("/logs"):
            self.asked.append(self.path)
            self._answer(200, self.logs.pop(0))
        else:
            state = self.states.pop(0)
            if state is True or state is False:
                self._answer(200, json.dumps({"State": {"Running": state}}).encode())
            else:
                self._answer(state, b'{"message": "no"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _engine(
    states: list[bool | int], logs: list[bytes], info: dict[str, Any] | None = None
) -> Iterator[tuple[Endpoint, list[str]]]:
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    asked: list[str] = []
    members = {"states": states, "logs": logs, "asked": asked, "info": info or {}}
    server = socketserver.ThreadingUnixStreamServer(
        str(folder / "docker.sock"), type("Handler", (_Handler,), members)
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Endpoint(f"unix://{folder}/docker.sock"), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        shutil.rmtree(folder)


def _recovered(
    states: list[bool | int], logs: list[bytes], arrived: dict[int, int]
) -> tuple[bool, dict[int, bytes], list[str]]:
    found: dict[int, bytes] = {}
    with _engine(states, logs) as (endpoint, asked):
        complete = LostOutput(endpoint, "c", "12.5").recover(
            arrived, lambda number, piece: found.update({number: found.get(number, b"") + piece})
        )
    return complete, found, asked


def test_a_container_that_has_ended() -> None:
    """Its end is why the connection has ended: nobody reads its log."""
    assert _recovered([False], [], {1: 10}) == (True, {}, [])


def test_what_has_arrived_is_skipped() -> None:
    """By streams, also in the middle of a line; the log is followed from the run's beginning."""
    log = _frames((1, b"one\n"), (2, b"wrong\n"), (1, b"two\n"), (2, b"again\n"))
    complete, found, asked = _recovered([True, False], [log, log], {1: 5, 2: 6})
    assert (complete, found) == (True, {1: b"wo\n", 2: b"again\n"})
    assert "follow=1" in asked[0]
    assert "timestamps=0" in asked[0]
    assert "since=12.5" in asked[0]
    assert "follow=0" in asked[1]


def test_a_log_that_breaks_off_is_read_on() -> None:
    """An engine that goes away again is asked again, and nothing comes twice."""
    first, whole = _frames((1, b"one\n")), _frames((1, b"one\n"), (1, b"two\n"))
    cut = first + struct.pack(">BxxxL", 1, 100) + b"half"
    complete, found, _ = _recovered([True, True, False], [cut, whole, whole], {})
    assert (complete, found) == (True, {1: b"one\ntwo\n"})


def test_an_end_that_nobody_has_seen() -> None:
    """The engine was away when the container ended: its last lines may be in nobody's log."""
    log = _frames((1, b"one\n"))
    assert _recovered([500, False], [log], {})[:2] == (False, {1: b"one\n"})


def test_a_container_that_is_gone() -> None:
    """Then there is no log either."""
    assert _recovered([404], [], {})[:2] == (False, {})


@pytest.mark.parametrize(
    ("moment", "since"),
    [
        ("2026-01-02T03:04:05.123456789Z", "1767323045.123456789"),
        ("2026-01-02T03:04:05.5+01:00", "1767319445.500000000"),
        ("2026-01-02T03:04:05Z", "1767323045.000000000"),
        ("", ""),
    ],
)
def test_the_engines_clock(moment: str, since: str) -> None:
    """It tells this run's lines from former ones', to the nanosecond; without it all of them count."""
    info = {"OSType": "linux", "SystemTime": moment}
    with _engine([], [], info) as (endpoint, _):
        engine = Engine(endpoint)
        try:
            assert LostOutput.about_to_start(engine, "c").since == since
        finally:
            engine.close()
