"""The log in the machine's syslog."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.errors import ServiceError
from pyrunner.system.logs import configure_logging
from pyrunner.system.syslog import log_to_syslog


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for one in root.handlers:
        if one not in handlers:
            one.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_lines_go_to_syslog(tmp_path: Path) -> None:
    """As a daemon of the service's name, with the fields, and also after the settings were read again."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        log_to_syslog("ci", path)
        configure_logging("json", "info")
        logging.getLogger("x").warning("Job failed", extra={"fields": {"job": 7}})
        line = server.recv(1000)
    assert line.startswith(b"<28>ci: ")
    assert b'msg="Job failed"' in line
    assert b"job=7" in line
    assert not line.endswith(b"\0")


def test_a_daemon_that_has_gone_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines that syslog does not take are dropped; standard error has them."""
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        log_to_syslog("ci", path)
    path.unlink()
    logging.getLogger("x").error("nobody listens")
    assert "Traceback" not in capsys.readouterr().err


def test_no_syslog(tmp_path: Path) -> None:
    """Asked for and not there: said at the start."""
    with pytest.raises(ServiceError, match="leave --syslog out"):
        log_to_syslog("ci", tmp_path / "none")
