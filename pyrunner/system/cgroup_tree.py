"""A control group's folder and the groups that a job may have made below it.

Everything below the folder is the job's: it may come and go while we look.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from pyrunner.system.process import ProcessIdentity

#: How long a v1 freezer may take to stop what it freezes, seconds.
_FREEZE_TIME: Final = 1.0
_LOOK_EVERY: Final = 0.01
#: A job's own groups deeper than this are not looked at one by one (the kernel's kill reaches them).
_DEPTH: Final = 32


def members(folder: Path) -> set[int]:
    """Return the process ids in ``folder`` and below; those of other pid namespaces are not shown."""
    found: set[int] = set()
    for group in _groups(folder):
        try:
            text = (group / "cgroup.procs").read_text()
        except OSError:
            # Gone, or a threaded group, whose processes its parent lists.
            continue
        found.update(int(line) for line in text.split())
    return found - {0}


def is_populated(folder: Path) -> bool:
    """Tell whether a process lives in ``folder`` or below."""
    try:
        return "populated 1" in (folder / "cgroup.events").read_text().splitlines()
    except FileNotFoundError:
        pass
    for group in _groups(folder):
        try:
            if (group / "cgroup.procs").read_text():
                return True
        except OSError:
            continue
    return False


def kill_members(folder: Path, controllers: AbstractSet[str]) -> bool:
    """SIGKILL everything in ``folder`` and below at one instant; False when the kernel has no way to."""
    if _write(folder / "cgroup.kill", "1"):
        return True
    if "freezer" not in controllers:
        return False
    return _kill_frozen(folder)


def _kill_frozen(folder: Path) -> bool:
    """Stop all with the v1 freezer, so that none can fork, signal them, and let them run to their end."""
    state = folder / "freezer.state"
    if not _write(state, "FROZEN"):
        return False
    try:
        deadline = time.monotonic() + _FREEZE_TIME
        while _read(state) == "FREEZING" and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
        for pid in members(folder):
            identity = ProcessIdentity.of(pid)
            if identity is not None and pid in members(folder):
                identity.send(signal.SIGKILL)
    finally:
        _write(state, "THAWED")
        # A job may have frozen groups of its own: what is frozen does not die.
        for group in _groups(folder):
            _write(group / "freezer.state", "THAWED")
    return True


def remove_tree(folder: Path) -> bool:
    """Remove ``folder`` and the groups below it, deepest first; False when a process is in one."""
    for group in reversed(list(_groups(folder))):
        try:
            group.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return not folder.exists()


def _groups(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Yield ``folder`` and all groups below, parents first."""
    yield folder
    if depth >= _DEPTH:
        return
    try:
        with os.scandir(folder) as entries:
            below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for name in below:
        yield from _groups(folder / name, depth + 1)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _write(path: Path, text: str) -> bool:
    """Write to a file of the kernel's; never makes one."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
