"""The control group of one stage or job: who belongs to it, what it used, and its certain end.

A cgroup holds every process that a job starts, whatever it does to its session, parent or
environment. It is made below the cgroup that we are in, in a child ``pyrunner.jobs``, in each
hierarchy that serves: v2 to kill and to count, v1 ``freezer`` to kill, v1 ``cpuacct``, ``memory`` and
``blkio`` to count. Where none can be had (no root, nothing delegated) there is no
:class:`JobCgroup`, and :mod:`pyrunner.system.proctree` has to do.

A job that is root can write itself into another cgroup; whoever stops a job also looks for its
marker (:func:`pyrunner.system.proctree.find_job_processes`).
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.system.cgroup_accounting import memory_of_v1, memory_of_v2, usage_of_v1, usage_of_v2
from pyrunner.system.cgroup_limits import GroupLimits
from pyrunner.system.cgroup_mounts import Hierarchy, own_hierarchies
from pyrunner.system.cgroup_tree import is_populated, kill_members, members, remove_tree
from pyrunner.system.process import ProcessIdentity, await_exit
from pyrunner.system.usage import ResourceUsage

JOBS: Final = "pyrunner.jobs"
#: A unit with ``DelegateSubgroup=pyrunner.manager`` (systemd 254) leaves its own cgroup free of
#: processes. Jobs then live beside the manager, where memory and io can be counted as well: a v2
#: cgroup that holds processes may not pass controllers on ("no internal processes").
MANAGER: Final = "pyrunner.manager"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
_V1_CONTROLLERS: Final = frozenset({"freezer", "cpuacct", "memory", "blkio"})
_V2_CONTROLLERS: Final = ("memory", "io", "cpu")


@dataclass(frozen=True, slots=True)
class _Part:
    """The group's folder in one hierarchy."""

    version: int
    controllers: frozenset[str]
    folder: Path


class JobCgroup:
    """One control group, the same name in each hierarchy; the first holds its members for certain."""

    def __init__(self, name: str, parts: list[_Part]) -> None:
        self.name = name
        self._parts = parts

    @classmethod
    def create(
        cls, name: str, hierarchies: list[Hierarchy] | None = None, limits: GroupLimits | None = None
    ) -> JobCgroup | None:
        """Make the group; None where none can be had, or there is one of this name.

        :param name: letters, digits, ``.``, ``_``, ``-``; no other stage of any job may have it, for
            whoever is in a group ends with it.
        :param hierarchies: those of this process unless given.
        :param limits: what its members may use; without a kernel that holds them to it there is no group.
        :raises ValueError: when the name is none.
        """
        wanted = _V1_CONTROLLERS | (limits.controllers if limits else frozenset())
        if not _NAME.match(name):
            raise ValueError(f"not a name for a cgroup: {name!r}")
        parts: list[_Part] = []
        for hierarchy in own_hierarchies() if hierarchies is None else hierarchies:
            if hierarchy.version == 1 and not hierarchy.controllers & wanted:
                continue
            try:
                folder = _make(hierarchy, name)
            except FileExistsError:
                # Empty or not, it is somebody's: he may be about to enter it.
                for part in parts:
                    remove_tree(part.folder)
                return None
            if folder is not None:
                parts.append(_Part(hierarchy.version, hierarchy.controllers & wanted, folder))
        parts.sort(key=_killing_order)
        group = cls(name, parts) if parts else None
        if group is not None and limits and not group._hold_to(limits):
            group.remove()
            return None
        return group

    def _hold_to(self, limits: GroupLimits) -> bool:
        held = {
            one for part in self._parts for one in limits.apply(part.folder, part.version, part.controllers)
        }
        return held == limits.controllers

    @classmethod
    def from_dict(cls, value: object) -> JobCgroup:
        """Take up a group by what :meth:`to_dict` returned; it need not exist any more.

        :raises JobDirError: when it is something else, or a folder that is not a job's.
        """
        try:
            name, listed = _fields(value, "name", "parts")
            parts = [
                _Part(int(version), frozenset(controllers), Path(folder))
                for version, controllers, folder in (
                    _fields(one, "version", "controllers", "folder") for one in listed
                )
            ]
        except (KeyError, TypeError, ValueError):
            raise JobDirError(f"not a job's cgroup: {value!r}") from None
        for part in parts:
            # What is read here will be killed and removed: nothing but a job's own group may be.
            folder = part.folder
            if not folder.is_absolute() or ".." in folder.parts or folder.parent.name != JOBS:
                raise JobDirError(f"not a job's cgroup: {folder}")
        if not parts:
            raise JobDirError(f"not a job's cgroup: {value!r}")
        return cls(name, parts)

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` needs, for a journal."""
        return {
            "name": self.name,
            "parts": [
                {"version": part.version, "controllers": sorted(part.controllers), "folder": str(part.folder)}
                for part in self._parts
            ],
        }

    def enter(self, pid: int = 0) -> None:
        """Move a process, 0: the calling one, into the group, before it starts others.

        Only opens and writes: may be called in a freshly forked child. A hierarchy that only counts
        may refuse; the one that holds the members may not.

        :raises OSError: when the group is gone or refuses.
        """
        for number, part in enumerate(self._parts):
            try:
                fd = os.open(f"{part.folder}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.write(fd, str(pid).encode())
                finally:
                    os.close(fd)
            except OSError:
                if number == 0:
                    raise

    def pids(self) -> list[int]:
        """Return the ids of all members in all hierarchies, groups that the job made below included."""
        found: set[int] = set()
        for part in self._parts:
            found.update(members(part.folder))
        return sorted(found)

    def processes(self) -> list[ProcessIdentity]:
        """Return all members, oldest first; each was a member when its start time was read."""
        identities = {pid: ProcessIdentity.of(pid) for pid in self.pids()}
        # An id may have been given to a stranger since; then it is no longer in the group.
        still = set(self.pids())
        found = [one for pid, one in identities.items() if one is not None and pid in still]
        return sorted(found, key=lambda one: one.start_time)

    def populated(self) -> bool:
        """Tell whether the group has a living member."""
        return any(is_populated(part.folder) for part in self._parts)

    def signal(self, number: int) -> int:
        """Send a signal to each member, oldest first, never to ourselves; return how many got it."""
        return sum(one.send(number) for one in self.processes() if one.pid not in (1, os.getpid()))

    def kill(self, timeout: float = 10.0) -> bool:
        """SIGKILL all members, those born meanwhile included; tell whether none is left.

        False after ``timeout`` seconds: what waits in the kernel for a device cannot be ended.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = self.processes()
            if not left and not self.populated():
                return True
            # One that a job has put here and that is not the job's must survive: then one by one.
            alone = any(one.pid in (1, os.getpid()) for one in left)
            for part in [] if alone else self._parts:
                if kill_members(part.folder, part.controllers):
                    break
            # Also reaches what has left the first hierarchy and is still in another.
            self.signal(signal.SIGKILL)
            others = [one for one in left if one.pid not in (1, os.getpid())]
            remaining = deadline - time.monotonic()
            await_exit(others, min(1.0, max(0.0, remaining)))
            if remaining <= 0:
                return not self.populated()
            if not others:
                # Members that /proc does not show us (another pid namespace), or only ourselves.
                if alone:
                    return False
                select.select([], [], [], min(0.05, remaining))

    def usage(self) -> ResourceUsage:
        """Return what all members, past ones included, have used so far; the clock is the caller's.

        All None once the group is removed.
        """
        total = ResourceUsage(source="cgroup")
        for part in self._parts:
            one = (
                usage_of_v2(part.folder) if part.version == 2 else usage_of_v1(part.folder, part.controllers)
            )
            total = total.filled_from(one)
        return total

    def memory(self) -> int | None:
        """Return the bytes that the members hold now; None where no hierarchy counts them."""
        sizes = (
            memory_of_v2(part.folder) if part.version == 2 else memory_of_v1(part.folder, part.controllers)
            for part in self._parts
        )
        return next((size for size in sizes if size is not None), None)

    def remove(self) -> bool:
        """Remove the group, and groups that the job made below it; False when a process is in it."""
        busy = [part for part in self._parts if not remove_tree(part.folder)]
        return not busy


def sweep(prefix: str, keep: Container[str] = (), hierarchies: list[Hierarchy] | None = None) -> int:
    """Remove empty groups whose names begin with ``prefix``; return how many folders went.

    :param keep: names that are about to be used: a group just made is empty, too.
    """
    removed = 0
    for hierarchy in own_hierarchies() if hierarchies is None else hierarchies:
        try:
            with os.scandir(_jobs_folder(hierarchy)) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        for name in names:
            if name.startswith(prefix) and name not in keep:
                removed += remove_tree(_jobs_folder(hierarchy) / name)
    return removed


def _fields(value: object, *names: str) -> list[Any]:
    if not isinstance(value, dict):
        raise TypeError(f"not an object: {value!r}")
    return [value[name] for name in names]


def _jobs_folder(hierarchy: Hierarchy) -> Path:
    own = hierarchy.own
    return (own.parent if own.name == MANAGER else own) / JOBS


def _make(hierarchy: Hierarchy, name: str) -> Path | None:
    """Make the folder in one hierarchy; None when it cannot be, or cannot be entered.

    :raises FileExistsError: when it is there.
    """
    jobs = _jobs_folder(hierarchy)
    folder = jobs / name
    # A v2 move needs the right to write where both groups meet, which a mere mkdir does not show.
    meeting = jobs.parent / "cgroup.procs"
    if hierarchy.version == 2 and not os.access(meeting, os.W_OK, effective_ids=True):
        return None
    try:
        jobs.mkdir(exist_ok=True)
        if hierarchy.version == 2:
            for giver in (jobs.parent, jobs):
                _pass_controllers_on(giver)
        folder.mkdir()
    except FileExistsError:
        raise
    except OSError:
        return None
    return folder


def _pass_controllers_on(folder: Path) -> None:
    """Let groups below ``folder`` count more; a refusal costs accounting only."""
    try:
        offered = (folder / "cgroup.controllers").read_text().split()
        enabled = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return
    for controller in _V2_CONTROLLERS:
        if controller in offered and controller not in enabled:
            try:
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:
                continue


def _killing_order(part: _Part) -> int:
    """Sort the hierarchy that kills best first."""
    if part.version == 2:
        return 0 if (part.folder / "cgroup.kill").exists() else 2
    return 1 if "freezer" in part.controllers else 3
