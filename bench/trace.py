"""Throughput of the trace: 100 MB through the masking of 20 secrets, stamps and limit."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, median
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.masking import mask_phrases
from pyrunner.trace.rawlog import STDOUT, RawLog
from pyrunner.trace.render import TraceOptions, TraceRenderer
from pyrunner.trace.tokens import default_token_prefixes

_SIZE = 100_000_000
_BLOCK = 64 * 1024


def trace_figures() -> list[Figure]:
    """Measure splice and rendering, three runs each."""
    secrets = [f"s3cr3t-{number:02d}-{'x' * number}" for number in range(20)]
    options = TraceOptions(
        mask_phrases(secrets), default_token_prefixes(True), timestamps=True, limit=2 * _SIZE
    )
    runs = [_run(options, secrets) for _ in range(3)]
    return [
        Figure("pipe to raw log", median([one[0] for one in runs]), "MB/s", smaller=False),
        Figure("trace: 20 secrets, stamps", median([one[1] for one in runs]), "MB/s", 50, smaller=False),
    ]


def _run(options: TraceOptions, secrets: list[str]) -> tuple[float, float]:
    line = b"2026-01-02 03:04:05 INFO  compiling module number 12345 of the orchard, all is well\n"
    text = line * 700 + f"password is {secrets[7]}\n".encode()
    with tempfile.TemporaryDirectory(prefix="pyrunner-bench-") as name:
        control = ControlDir(Path(name))
        raw_log = RawLog.open(control)
        spliced = _fill(raw_log, (text * (_BLOCK // len(text) + 1))[:_BLOCK])
        raw_log.finish(time.time())
        started = time.monotonic()
        renderer = TraceRenderer(control, options)
        renderer.advance()
        rendered = time.monotonic() - started
        renderer.close()
        raw_log.close()
        if secrets[7].encode() in control.trace_log.read_bytes():
            raise RuntimeError("a secret came through")
    return _SIZE / spliced / 1e6, _SIZE / rendered / 1e6


def _fill(raw_log: RawLog, block: bytes) -> float:
    """Move a hundred megabytes through a pipe; return the seconds it took."""
    reader, writer = os.pipe2(os.O_NONBLOCK)
    started = time.monotonic()
    moved = 0
    while moved < _SIZE:
        os.write(writer, block)
        while got := raw_log.splice(reader, STDOUT, 1, time.time()):
            moved += got
    os.close(reader)
    os.close(writer)
    return time.monotonic() - started
