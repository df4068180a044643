"""Start of the command line."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.figures import Figure, median


def startup_figures() -> list[Figure]:
    """Measure ``pyrunner --version`` as a whole process."""
    times = []
    for _ in range(11):
        started = time.monotonic()
        subprocess.run([sys.executable, "-m", "pyrunner", "--version"], check=True, capture_output=True)
        times.append((time.monotonic() - started) * 1000)
    return [Figure("pyrunner --version", median(times[1:]), "ms", 120)]
