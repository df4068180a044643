"""A job's processes without a cgroup, and their orderly end (design R11, tristan-layout.md 6).

Two marks tell a job's process: it descends from the job's wrapper, to which the kernel gives every
orphan (sub-reaper), or its environment holds ``PYRUNNER_JOB=<token>``. Never its name.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from pyrunner.system.process import ProcessIdentity, ProcessStat, await_exit, read_stat

#: Name of the variable whose value names the job.
MARKER: Final = "PYRUNNER_JOB"
_PR_SET_CHILD_SUBREAPER: Final = 36
#: Rounds of SIGSTOP before SIGKILL is sent whatever still multiplies.
_STOP_ROUNDS: Final = 20
#: Between two searches at least, seconds: a search reads all of /proc.
_SEARCH_EVERY: Final = 0.05

#: Returns the processes of a job now living; never ourselves.
Finder = Callable[[], list[ProcessIdentity]]


def set_child_subreaper() -> bool:
    """Make this process the parent of every orphan among its descendants; False when refused."""
    return bool(_libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


@functools.cache
def _libc() -> Any:
    # ctypes takes 10 ms to import; few processes need it.
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def find_job_processes(token: str, wrapper: ProcessIdentity | None = None) -> list[ProcessIdentity]:
    """Return the living processes of a job, oldest first; not the wrapper, not this process, not pid 1.

    A search is a moment's view: what is born while it runs may be missing, so that only a second
    empty answer means that nothing is left.

    :param token: value of the marker; hard to guess, as a process that holds it will be killed.
    :param wrapper: its descendants belong to the job, too; None, or a dead one, has none.
    :raises ValueError: when the token is empty.
    """
    if not token:
        raise ValueError("a job's marker must not be empty")
    everybody = _all_processes()
    found = {stat.pid: stat for stat in _descendants(everybody, wrapper)} if wrapper is not None else {}
    entry = f"{MARKER}={token}".encode()
    for stat in everybody.values():
        if stat.pid not in found and _is_marked(stat, entry):
            found[stat.pid] = stat
    spared = {1, os.getpid()} | ({wrapper.pid} if wrapper is not None else set())
    living = [stat for stat in found.values() if stat.pid not in spared and not stat.dead]
    living.sort(key=lambda stat: (stat.start_time, stat.pid))
    return [ProcessIdentity(stat.pid, stat.start_time) for stat in living]


def descendants(root: ProcessIdentity) -> list[ProcessIdentity]:
    """Return the living descendants of ``root``, without itself; none when it is gone."""
    found = (stat for stat in _descendants(_all_processes(), root) if not stat.dead)
    return [ProcessIdentity(stat.pid, stat.start_time) for stat in found]


def _all_processes() -> dict[int, ProcessStat]:
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    return {pid: stat for pid in pids if (stat := read_stat(pid)) is not None}


def _descendants(everybody: dict[int, ProcessStat], root: ProcessIdentity) -> list[ProcessStat]:
    top = everybody.get(root.pid)
    if top is None or top.start_time != root.start_time:
        return []
    children: dict[int, list[ProcessStat]] = {}
    for stat in everybody.values():
        children.setdefault(stat.parent, []).append(stat)
    found: list[ProcessStat] = []
    seen, open_ends = {top.pid}, [top]
    while open_ends:
        parent = open_ends.pop()
        for child in children.get(parent.pid, ()):
            # A child that is older than its parent is a stranger's whose parent's id was given again.
            if child.pid not in seen and child.start_time >= parent.start_time:
                seen.add(child.pid)
                found.append(child)
                open_ends.append(child)
    return found


def _is_marked(stat: ProcessStat, entry: bytes) -> bool:
    try:
        with open(f"/proc/{stat.pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:
        # Gone, or somebody else's, whom we could not stop anyway.
        return False
    if entry not in environment.split(b"\0"):
        return False
    # Read by id: only if the same process still has the id was it this one's environment.
    now = read_stat(stat.pid)
    return now is not None and now.start_time == stat.start_time


def stop_tree(
    find: Finder, grace: float, force: float = 10.0, kill_at_once: Callable[[], object] | None = None
) -> list[ProcessIdentity]:
    """Stop all processes of a job: SIGTERM, ``grace`` seconds, then SIGKILL; return those that are left.

    SIGTERM goes once, to what lives at the first look: what a script starts in its trap, to tidy up,
    is left to do so until the grace time is over.

    :param find: finds the job's processes, e.g. ``lambda: find_job_processes(token, wrapper)``.
    :param force: seconds that killing may take; what waits in the kernel for a device outlasts it.
    :param kill_at_once: kills what it knows at one instant: ``JobCgroup.kill``.
    """
    first = _of_others(find())
    for one in first:
        one.send(signal.SIGTERM)
    if _await_none(find, first, grace):
        return []
    if kill_at_once is not None:
        kill_at_once()
    return kill_tree(find, force)


def _await_none(find: Finder, known: list[ProcessIdentity], grace: float) -> bool:
    """Wait until two searches in a row find nothing; False after ``grace`` seconds."""
    deadline = time.monotonic() + grace
    empty = 0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        # Oldest first: a script that tidies up outlives the many short commands that it starts.
        await_exit(known[:1], left)
        searched = time.monotonic()
        known = _of_others(find())
        empty = 0 if known else empty + 1
        if empty == 2:
            return True
        if time.monotonic() - searched < _SEARCH_EVERY and deadline - searched > _SEARCH_EVERY:
            time.sleep(_SEARCH_EVERY)


def kill_tree(find: Finder, force: float = 10.0) -> list[ProcessIdentity]:
    """SIGKILL until two searches in a row find nothing; return what is left after ``force`` seconds.

    Everything is stopped before anything is killed, else each death makes room for a fork bomb's
    next birth.
    """
    deadline = time.monotonic() + force
    stopped: set[ProcessIdentity] = set()
    rounds = empty = 0
    while True:
        found = _of_others(find())
        empty = 0 if found else empty + 1
        if empty == 2 or time.monotonic() >= deadline:
            return found
        new = [one for one in found if one not in stopped]
        rounds += 1
        if new and rounds < _STOP_ROUNDS:
            for one in new:
                one.send(signal.SIGSTOP)
            stopped.update(new)
            continue
        for one in found:
            one.send(signal.SIGKILL)
        await_exit(found, min(1.0, max(0.0, deadline - time.monotonic())))


def _of_others(found: Iterable[ProcessIdentity]) -> list[ProcessIdentity]:
    """Leave out ourselves and the first process, whatever a finder says."""
    return [one for one in found if one.pid not in (1, os.getpid())]
