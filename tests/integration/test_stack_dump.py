"""SIGUSR1 never ends a process; at debug level it shows what all threads do (config-and-commands.md 3)."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

#: Where the program finds the package.
CHECKOUT = Path(__file__).resolve().parents[2]

PROGRAM = """
import subprocess, sys
from pyrunner.system.logs import configure_logging
configure_logging("runner", sys.argv[1])
def recognizable():
    print("ready", flush=True)
    return sys.stdin.readline()
recognizable()
print(subprocess.run(["sh", "-c", "kill -USR1 $$; echo survived"], capture_output=True, text=True).stdout)
print("done", flush=True)
"""


@contextmanager
def running(level: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program up to where it waits."""
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", PROGRAM, level]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_ignored_below_debug() -> None:
    """Below debug nothing happens, and a child can still be ended by the signal: it inherits nothing."""
    with running("info") as process:
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate("\n", timeout=60)
    assert (process.returncode, out.split(), err) == (0, ["done"], "")


def test_dump_at_debug() -> None:
    """At debug level all stacks go to standard error, and the log says why."""
    with running("debug") as process:
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate("\n", timeout=60)
    assert (process.returncode, out.split()) == (0, ["done"])
    assert "in recognizable" in err
    assert "=== received SIGUSR1 ===" in err
