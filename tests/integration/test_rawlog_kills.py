"""A writer of the raw log that is really killed, again and again, loses no byte of a job's output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import RawLog
from pyrunner.trace.render import TraceOptions, TraceRenderer

pytestmark = pytest.mark.integration

WRITER = """
import os, select, sys, time
from pathlib import Path
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import RawLog
raw = RawLog.open(ControlDir(Path(sys.argv[1])))
pipe = int(sys.argv[2])
print("ready", flush=True)
while True:
    select.select([pipe], [], [])
    raw.splice(pipe, 1, 1, time.time())
"""


def test_output_survives_kills(tmp_path: Path) -> None:
    """Killed many times while output streams through a FIFO: raw log and trace are exact to the byte."""
    control = ControlDir(tmp_path)
    os.mkfifo(tmp_path / "out")
    pipe = os.open(tmp_path / "out", os.O_RDWR | os.O_NONBLOCK)
    text = b"".join(b"line %07d\n" % number for number in range(400_000))

    def write() -> None:
        with open(tmp_path / "out", "wb", buffering=0) as job:
            for start in range(0, len(text), 10_007):
                job.write(text[start : start + 10_007])

    job = threading.Thread(target=write, daemon=True)
    job.start()
    for _ in range(25):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(pipe)], pass_fds=[pipe], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        with writer.stdout:
            assert writer.stdout.readline() == b"ready\n"
        grown = control.raw_log.stat().st_size + 100_000
        while job.is_alive() and control.raw_log.stat().st_size < grown:
            os.sched_yield()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    raw = RawLog.open(control)
    while raw.splice(pipe, 1, 1, 1.0) or job.is_alive():
        os.sched_yield()
    while raw.splice(pipe, 1, 1, 1.0):
        pass
    raw.finish(2.0)
    raw.close()
    os.close(pipe)
    assert control.raw_log.read_bytes() == text
    renderer = TraceRenderer(control, TraceOptions(timestamps=False, limit=len(text) + 1))
    renderer.finish()
    renderer.close()
    assert control.trace_log.read_bytes() == text
