"""Takes turns between tests that boot a systemd and those that need the engine to tell of a want of memory.

A systemd in a container mounts the control group hierarchies that the host has not, perf_event and others. As
long as they exist, containerd finds no place for them, and misses that the kernel has killed a process.
"""

from __future__ import annotations

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def systemd_boots() -> Iterator[None]:
    """Any number of machines at a time."""
    with _locked(fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def engine_sees_memory() -> Iterator[None]:
    """No machine of these tests is up."""
    with _locked(fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _locked(kind: int) -> Iterator[None]:
    with Path(tempfile.gettempdir(), "pyrunner-test-hierarchies.lock").open("a") as lock:
        fcntl.flock(lock, kind)
        yield
