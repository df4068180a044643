"""``pyrunner exec`` on a terminal: moving lines, colours, watching for changes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.exec_runs import ExecLab

pytestmark = pytest.mark.integration

TEXT = "{good: {script: [echo fine, sleep 1]}, bad: {script: [echo the reason, exit 5], allow_failure: true}}"
_PATIENCE = 100.0


class Terminal:
    """A process whose standard streams are a terminal."""

    def __init__(self, lab: ExecLab, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*lab.command, *arguments],
            cwd=lab.tree,
            env={**lab.environment, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.text = ""

    def read_until(self, wanted: str) -> None:
        """Read until ``wanted`` has come."""
        ends = time.monotonic() + _PATIENCE
        while wanted not in self.text:
            assert self._read(ends), f"ended without {wanted!r}: {self.text}"

    def finish(self) -> int:
        """Read to the end and return the exit status."""
        ends = time.monotonic() + _PATIENCE
        while self._read(ends):
            pass
        os.close(self._master)
        return self.process.wait(_PATIENCE)

    def hang_up(self) -> None:
        """Close the terminal, of which the process is told as the kernel tells a session's leader."""
        os.close(self._master)
        self.process.send_signal(signal.SIGHUP)

    def _read(self, ends: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, ends - time.monotonic()))
        assert ready, f"nothing more came: {self.text}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


@pytest.fixture
def lab(tmp_path: Path) -> ExecLab:
    """A working copy with a job that passes and one that may fail."""
    return ExecLab.make(tmp_path, TEXT)


def test_live(lab: ExecLab) -> None:
    """Running jobs have a moving line each, ended ones a line that stays; output is shown at the end only."""
    terminal = Terminal(lab)
    assert terminal.finish() == 0
    assert re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] good", terminal.text)
    assert "under way" in terminal.text
    assert "\x1b[32m✓\x1b[0m" in terminal.text
    assert "good |" not in terminal.text
    assert "the reason" in terminal.text.partition("failed (exit code 5)")[2]
    assert (
        terminal.text.rstrip().splitlines()[-1].startswith("\x1b[32mpipeline passed with warnings\x1b[0m in ")
    )


def test_no_color(lab: ExecLab) -> None:
    """``NO_COLOR`` takes the colours away, not the moving lines."""
    lab.variables["NO_COLOR"] = "1"
    terminal = Terminal(lab)
    assert terminal.finish() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.text)
    assert "under way" in terminal.text


def test_verbose(lab: ExecLab) -> None:
    """``--verbose`` shows all output, names in front, on a terminal too."""
    terminal = Terminal(lab, "--verbose")
    assert terminal.finish() == 0
    assert re.search(r"good \|\x1b\[0m fine", terminal.text)
    assert "Running with pyrunner" in terminal.text


def test_watch(lab: ExecLab) -> None:
    """A changed file starts another run, an ignored one does not; Ctrl-C ends it."""
    (lab.tree / ".gitignore").write_text("*.log\n")
    lab.configure("a: {script: [cat what.txt]}")
    (lab.tree / "what.txt").write_text("first\n")
    terminal = Terminal(lab, "--watch", "--verbose")
    terminal.read_until("watching for changes")
    assert "first" in terminal.text
    terminal.text = ""
    # In one step: a look between opening and writing would see an empty file, and run for that.
    (lab.tree / "x.log").write_text("second\n")
    (lab.tree / "x.log").rename(lab.tree / "what.txt")
    (lab.tree / "x.log").write_text("ignored")
    terminal.read_until("watching for changes")
    assert "second" in terminal.text
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == 130
    assert len(list((lab.folder / "runs").iterdir())) == 2
    assert lab.processes() == []


def test_a_terminal_that_is_closed(lab: ExecLab) -> None:
    """Who closes the window ends the run: nothing goes on unseen."""
    lab.configure("a: {script: [sleep 300]}\n")
    terminal = Terminal(lab)
    terminal.read_until("$ sleep 300")
    terminal.hang_up()
    assert terminal.process.wait(_PATIENCE) == 130
    assert [one.cmdline() for one in lab.processes()] == []
