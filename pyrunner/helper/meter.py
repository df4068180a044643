"""Progress of a transfer in the job's trace, for ``TRANSFER_METER_FREQUENCY`` (job-execution.md 8.3)."""

from __future__ import annotations

import sys
import threading
import time
from typing import Final, TextIO

from pyrunner.helper.arguments import Flags

_PREFIXES: Final = "kMGTPE"
#: Covers what a longer line before has left.
_PADDING: Final = " " * 16


class Meter:
    """Writes a line about a transfer every few seconds, each over the one before.

    :param label: e.g. ``Downloading artifacts``.
    :param frequency: seconds between lines, at least one; 0: nothing is ever written.
    :param total: bytes there are to transfer; 0 when nobody knows.
    """

    def __init__(self, label: str, frequency: float, total: int = 0, out: TextIO | None = None) -> None:
        self._label = label
        self._frequency = frequency
        self._total = total
        self._out = sys.stdout if out is None else out
        self._bytes = 0
        self._started = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Meter:
        if self._frequency:
            self._started = time.monotonic()
            self._thread = threading.Thread(target=self._work, name="meter", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def count(self, size: int) -> None:
        """Take note of ``size`` more bytes."""
        self._bytes += size

    def _work(self) -> None:
        while True:
            self._write("")
            if self._ended.wait(max(1.0, self._frequency)):
                self._write("\n")
                return

    def _write(self, end: str) -> None:
        done = self._bytes
        seconds = max(1e-9, time.monotonic() - self._started)
        known = f"/{format_bytes(self._total)}" if self._total > 0 else ""
        rate = _format(int(done / seconds), 1, "B/s")
        line = f"\r{self._label} {format_bytes(done)}{known} ({rate}){_PADDING}"
        try:
            self._out.write(line + end)
            self._out.flush()
        except (OSError, ValueError):
            return  # nobody reads the trace any more: the transfer goes on


def format_bytes(size: int) -> str:
    """Return a size as gitlab-runner shows it: ``999 B``, ``1.50 kB``."""
    return _format(size, 2, "B")


def add_meter_flag(flags: Flags) -> None:
    """Add the flag of all transfers."""
    flags.duration(
        "transfer-meter-frequency",
        default="0s",
        env="TRANSFER_METER_FREQUENCY",
        about="If set to more than 0s it enables an interactive transfer meter",
    )


def _format(value: int, digits: int, unit: str) -> str:
    if value < 1000:
        return f"{value} {unit}"
    power = 1
    while value // 1000**power >= 1000 and power < len(_PREFIXES):
        power += 1
    return f"{value / 1000**power:.{digits}f} {_PREFIXES[power - 1]}{unit}"
