"""Progress lines of long transfers: ``TRANSFER_METER_FREQUENCY`` (job-execution.md 5.8)."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Final, Self, TextIO

_PREFIXES: Final = "KMGTPE"
_MOST_OFTEN: Final = 1.0


class Meter:
    """Shows how much of a transfer is done, until it is left; counts from any thread.

    :param label: e.g. ``Uploading cache``.
    :param total: bytes; 0: unknown.
    :param frequency: seconds between two lines, at least one; 0: nothing is shown.
    """

    def __init__(self, label: str, total: int, frequency: float, out: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._frequency = max(frequency, _MOST_OFTEN) if frequency else 0.0
        self._out = out or sys.stdout
        self._count = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name="transfer meter", daemon=True)
        self._started = 0.0

    def add(self, count: int) -> None:
        """Count transferred bytes."""
        with self._lock:
            self._count += count

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        if self._frequency:
            self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._frequency:
            self._thread.join()

    def _show(self) -> None:
        while True:
            self._line("")
            if self._ended.wait(self._frequency):
                break
        self._line("\n")

    def _line(self, end: str) -> None:
        done = self._count
        total = f"/{format_bytes(self._total)}" if self._total > 0 else ""
        rate = format_rate(done, time.monotonic() - self._started)
        self._out.write(f"\r{self._label} {format_bytes(done)}{total} ({rate})                {end}")
        self._out.flush()


def format_bytes(count: int) -> str:
    """Return ``count`` as ``1.11 MB``; units are powers of 1000."""
    value, prefix = _scaled(count)
    return f"{value:.2f} {prefix}B" if prefix else f"{count} B"


def format_rate(count: int, seconds: float) -> str:
    """Return ``count`` by time as ``1.1 MB/s``."""
    rate = int(count / max(seconds, 1e-9))
    value, prefix = _scaled(rate)
    return f"{value:.1f} {prefix}B/s" if prefix else f"{rate} B/s"


def _scaled(count: int) -> tuple[float, str]:
    power = 0
    while count >= 1000 ** (power + 1) and power < len(_PREFIXES):
        power += 1
    return count / 1000**power, _PREFIXES[power - 1] if power else ""
