"""Runs a command and takes its time and the memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class Run:
    """What one run took."""

    seconds: float
    #: MiB; what processes share counts once.
    memory: float


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end.

    What was written before goes to disk first: it is not the command's to wait for.

    :raises RuntimeError: when it fails; with the end of what it said.
    """
    os.sync()
    started = time.monotonic()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    memory = _Memory(process.pid)
    memory.start()
    output = process.stdout.read() if process.stdout is not None else b""
    code = process.wait()
    seconds = time.monotonic() - started
    memory.ended.set()
    memory.join()
    if process.stdout is not None:
        process.stdout.close()
    if code:
        raise RuntimeError(f"{words[0]}: exit code {code}: {output[-500:].decode()}")
    return Run(seconds, memory.peak)


class _Memory(threading.Thread):
    """Looks again and again at how much a process and its children have.

    What the system itself remembers as most begins with ours: a process is a copy of this one at first.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.peak = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        """Look until the process has ended."""
        while not self.ended.wait(_BETWEEN_LOOKS):
            with suppress(OSError, ValueError):
                children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
                self.peak = max(self.peak, sum(map(_share, (str(self._pid), *children))) / 1024)


def _share(pid: str) -> int:
    """Return a process's share of memory, KiB."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
