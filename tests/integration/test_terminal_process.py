"""The process of one terminal, as the session server starts it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest

from pyrunner.executors.shell import ShellExecutor
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.record import JobRecord
from pyrunner.jobdir.terminal import TerminalPlan
from pyrunner.manager.sessions.terminal_process import TerminalProcess, TerminalRefused
from pyrunner.system.lock import OpenFileLock, is_held
from tests.support.contexts import payload
from tests.support.runner import PATIENCE, RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    made = ControlDir(tmp_path / "job")
    made.create()
    return made


def start(control: ControlDir) -> TerminalProcess:
    environ = {"PATH": os.environ["PATH"], "HOME": str(control.path)}
    return TerminalProcess.start(control, "test-marker", environ)


def plan_of(control: ControlDir, user: str = "") -> TerminalPlan:
    executor = ShellExecutor(
        control=control,
        record=JobRecord(payload=payload(), user=user, working_directory="/"),
        raw_log=None,  # type: ignore[arg-type]
        report=None,  # type: ignore[arg-type]
        shell="bash",
        grace=1.0,
        reuse_login=False,
    )
    return executor.terminal("export COLOUR='it is blue'\ncd /usr\n")


def await_text(stream: socket.socket, text: bytes) -> bytes:
    """Return what comes until ``text`` has."""
    ends, said = time.monotonic() + PATIENCE, b""
    while text not in said:
        stream.settimeout(max(0.1, ends - time.monotonic()))
        piece = stream.recv(4096)
        assert piece, said
        said += piece
    return said


def _runs(*command: str) -> bool:
    return any(one.info["cmdline"] == list(command) for one in psutil.process_iter(["cmdline"]))


def test_another_users_terminal(control: ControlDir) -> None:
    """With ``--user`` it is that user's, with the job's variables and folder, and a real terminal."""
    if os.geteuid() != 0 or shutil.which("su") is None:
        pytest.skip("only root becomes another user, by su")
    plan_of(control, "nobody").store(control.terminal)
    terminal = start(control)
    terminal.stream.sendall(b'echo "$(id -un) <$COLOUR> $PWD."; sleep 98765\n')
    await_text(terminal.stream, b"nobody <it is blue> /usr.")
    RunnerProcess.until(lambda: _runs("sleep", "98765"), "it sleeps")
    terminal.stream.sendall(b"\x03echo interr''upted-$?\n")
    await_text(terminal.stream, b"interrupted-130")
    terminal.close()
    assert not is_held(control.terminal_lock)


def test_refusals(control: ControlDir) -> None:
    """Each has the status that gitlab-runner answers, and words for the log."""

    def refused() -> TerminalRefused:
        with pytest.raises(TerminalRefused) as refusal:
            start(control)
        return refusal.value

    missing = refused()
    assert missing.status is HTTPStatus.INTERNAL_SERVER_ERROR
    assert "offers no terminal" in str(missing)
    plan_of(control).store(control.terminal)
    lock = OpenFileLock.take(control.terminal_lock)
    assert lock is not None
    assert refused().status is HTTPStatus.LOCKED
    lock.close()
    control.terminal_closed.touch()
    assert refused().status is HTTPStatus.SERVICE_UNAVAILABLE


def test_a_shell_that_is_not_there(control: ControlDir) -> None:
    """The terminal says so, and ends."""
    replace(plan_of(control), argv=["no-such-shell"]).store(control.terminal)
    terminal = start(control)
    await_text(terminal.stream, b"no-such-shell")
    terminal.stream.settimeout(PATIENCE)
    while terminal.stream.recv(4096):
        continue
    terminal.close()


def test_the_supervisor_sees_it_come_and_go(control: ControlDir) -> None:
    """The lock is held while it is open, and it ends at the supervisor's word."""
    plan_of(control).store(control.terminal)
    terminal = start(control)
    assert is_held(control.terminal_lock)
    control.terminal_closed.touch()
    RunnerProcess.until(lambda: not is_held(control.terminal_lock), "the terminal has ended")
    terminal.close()
