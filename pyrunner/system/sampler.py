"""What a process tree uses, by looking at it now and then: for host jobs without a cgroup."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from pyrunner.system.process import ProcessIdentity
from pyrunner.system.usage import ResourceUsage


@dataclass(frozen=True, slots=True)
class _Reading:
    """The counters of the whole tree at one moment."""

    cpu_user: float = 0.0
    cpu_system: float = 0.0
    memory: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


class ProcessSampler:
    """Adds up the counters of a tree at each :meth:`sample`; :meth:`usage` tells the sum so far.

    The kernel adds the processor time and bytes of a child to its parent's when the parent waits for
    it. So the figures of the living, waited-for children included, are nearly those of all that ever
    lived, provided that ``processes`` includes the wrapper, to which orphans go; what the wrapper
    itself had used before is taken off.

    :param processes: returns the processes to count: the wrapper and the job's.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self, processes: Callable[[], Iterable[ProcessIdentity]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._processes = processes
        self._clock = clock
        self._started = clock()
        self._base = _read(processes())
        self._peak = self._base.memory
        self._highest = self._base

    def sample(self) -> None:
        """Look once; a few times a minute are enough for time and bytes, peaks in between are missed."""
        now = _read(self._processes())
        self._peak = max(self._peak, now.memory)
        high = self._highest
        # What ended without being waited for takes its figures along: they are not lowered for it.
        self._highest = _Reading(
            max(high.cpu_user, now.cpu_user),
            max(high.cpu_system, now.cpu_system),
            now.memory,
            max(high.read_bytes, now.read_bytes),
            max(high.write_bytes, now.write_bytes),
        )

    def usage(self) -> ResourceUsage:
        """Return the use between the start and the last sample, the clock's until now."""
        return ResourceUsage(
            wall=self._clock() - self._started,
            cpu_user=self._highest.cpu_user - self._base.cpu_user,
            cpu_system=self._highest.cpu_system - self._base.cpu_system,
            peak_memory=self._peak,
            read_bytes=self._highest.read_bytes - self._base.read_bytes,
            write_bytes=self._highest.write_bytes - self._base.write_bytes,
            source="sampled",
        )


def _read(processes: Iterable[ProcessIdentity]) -> _Reading:
    user = system = 0.0
    private = shared = read = written = 0
    for one in processes:
        try:
            process = psutil.Process(one.pid)
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
            if not one.alive():
                continue
        except psutil.Error:
            continue
        user += times.user + times.children_user
        system += times.system + times.children_system
        # Pages of programs and libraries are counted once: a hundred workers share them.
        private += memory.rss - memory.shared
        shared = max(shared, memory.shared)
        try:
            io = process.io_counters()
        except psutil.Error:
            # Another user's process hides its bytes, not its time.
            continue
        read += io.read_bytes
        written += io.write_bytes
    return _Reading(user, system, private + shared, read, written)
