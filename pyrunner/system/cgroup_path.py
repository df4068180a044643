"""A control group that somebody else fills: an engine's containers of one job, below a group of ours.

A container's own group goes with the container, and its figures with it; the group above stays and has
counted all of them, one after the other (docker-executor.md 9.3, tristan-layout.md 5).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pyrunner.system.cgroup_accounting import memory_of_v1, memory_of_v2, usage_of_v1, usage_of_v2
from pyrunner.system.cgroup_mounts import Hierarchy, find_hierarchies
from pyrunner.system.cgroup_tree import members, remove_tree
from pyrunner.system.usage import ResourceUsage

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._:@-]*)+\Z")


class CgroupPath:
    """One group by its path from the root, the same in every hierarchy; it need not exist."""

    def __init__(self, path: str, hierarchies: list[Hierarchy] | None = None) -> None:
        self.path = path
        self._hierarchies = _hierarchies_at(path) if hierarchies is None else hierarchies

    def usage(self) -> ResourceUsage:
        """Return what all that were in it and below have used; all None while it does not exist."""
        total = ResourceUsage(source="cgroup")
        for one in self._hierarchies:
            part = usage_of_v2(one.own) if one.version == 2 else usage_of_v1(one.own, one.controllers)
            total = total.filled_from(part)
        return total

    def memory(self) -> int | None:
        """Return the bytes that its members hold now; None where no hierarchy counts them."""
        sizes = (
            memory_of_v2(one.own) if one.version == 2 else memory_of_v1(one.own, one.controllers)
            for one in self._hierarchies
        )
        return next((size for size in sizes if size is not None), None)

    def forget_peak(self) -> None:
        """Begin the peak of memory anew, where the kernel lets us."""
        for one in self._hierarchies:
            name = "memory.peak" if one.version == 2 else "memory.max_usage_in_bytes"
            try:
                (one.own / name).write_text("0")
            except OSError:
                continue

    def pids(self) -> set[int]:
        """Return the processes in it and below."""
        return {pid for one in self._hierarchies for pid in members(one.own)}

    def remove(self) -> None:
        """Remove what is empty of it."""
        for one in self._hierarchies:
            remove_tree(one.own)


def group_of(pid: int) -> str | None:
    """Return the path of the group that a process is in; None when it is gone or in none worth the name."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if (not controllers or "memory" in controllers.split(",")) and _PATH.match(path):
            return path
    return None


def _hierarchies_at(path: str) -> list[Hierarchy]:
    if not _PATH.match(path) or ".." in path:
        return []
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        membership = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    # As if this process were in that group: then its folders are "our own".
    moved = [":".join((*line.split(":", 2)[:2], path)) for line in membership.splitlines()]
    return find_hierarchies(mountinfo, "\n".join(moved))
