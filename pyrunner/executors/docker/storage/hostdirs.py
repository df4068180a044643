"""Folders of this host that containers write to: 0777 inside, closed to everybody else outside (design R8).

A container runs as root or as users that this host does not know, so the folder that it gets is open to
all; and root in a container can leave a setuid program in it. So the business folder above it is the
manager's own, 0700, and nobody else can change what stands on the way to that. Every step below is taken
from a descriptor of the one before and follows no link: nothing that a job planted leads elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from pyrunner.config.dependency_tools import chosen_tools
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import JobDirError
from pyrunner.jobdir.dependency_folders import make_in_slot_cache, open_to_readers
from pyrunner.jobdir.layout import slot_caches
from pyrunner.jobdir.record import JobRecord

_STEP: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE: Final = 0o700
_OPEN: Final = 0o777


def slot_cache(record: JobRecord) -> Path:
    """Return the folder that containers of this slot see as ``/cache`` (tristan-layout.md 2).

    Beside the folder of the archives, not in it: workspace stages have that one mounted, and what a job has
    them run could put a link in the place of a mount's source, which every start of a container follows.
    """
    return slot_caches(Path(record.cache)) / f"slot{record.executor_id}"


def make_host_folders(record: JobRecord) -> None:
    """Make the job's build folder and its slot's cache, and close what is above them.

    :raises JobDirError: when that cannot be done, or another user of this host could change what is above.
    """
    business = Path(record.business)
    try:
        business.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        _close(business)
        _check_parents(business)
    except OSError as error:
        raise JobDirError(f"cannot close {error.filename}: {error.strerror}") from error
    make_open_folder(Path(record.source), business)
    make_open_folder(slot_cache(record), business)
    tristan = RunnerConfig.from_dict(record.runner).tristan
    if chosen_tools(tristan.dependency_lib):
        make_in_slot_cache(slot_cache(record))
        if record.dependency_lib_shared:
            open_to_readers(Path(record.dependency_lib_shared))


def make_open_folder(folder: Path, base: Path) -> None:
    """Make ``folder`` for containers to write to, and what is missing between ``base`` and it, 0700.

    :raises JobDirError: when it cannot be made, is not below ``base``, or a link stands on the way.
    """
    try:
        segments = folder.relative_to(base).parts
    except ValueError:
        raise JobDirError(f"{folder} is not in {base}") from None
    current, path = -1, base
    try:
        current = os.open(base, _STEP)
        for segment in segments:
            path = path / segment
            below = _step(current, segment)
            os.close(current)
            current = below
        os.fchmod(current, _OPEN)
    except OSError as error:
        raise JobDirError(f"cannot make {path}: {error.strerror}") from error
    finally:
        if current >= 0:
            os.close(current)


def _step(parent: int, name: str) -> int:
    if name in (".", ".."):
        raise OSError(0, "a path that leads out of it", name)
    try:
        return os.open(name, _STEP, dir_fd=parent)
    except FileNotFoundError:
        # Another job of this project may have been faster.
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, _PRIVATE, dir_fd=parent)
        return os.open(name, _STEP, dir_fd=parent)


def _close(folder: Path) -> None:
    """Make a folder that may have been a shell runner's, and passable, the manager's alone."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise JobDirError(
            f"{folder} is not a folder of the user that pyrunner runs as: containers could not be kept in it"
        )
    if status.st_mode & 0o777 != _PRIVATE:
        folder.chmod(_PRIVATE)


def _check_parents(folder: Path) -> None:
    """Refuse a place where another user could put something else in the folder's stead."""
    trusted = {0, os.geteuid()}
    groups = {0, os.getegid()}
    # A link on the way is laid by whoever can write to the folder that it is in.
    for parent in {*folder.absolute().parents, *folder.resolve().parents}:
        status = parent.stat()
        writable = status.st_mode & stat.S_IWOTH or (
            status.st_mode & stat.S_IWGRP and status.st_gid not in groups
        )
        # In a sticky folder nobody can rename or remove what is not his own.
        if status.st_uid not in trusted or (writable and not status.st_mode & stat.S_ISVTX):
            raise JobDirError(
                f"{parent} can be changed by other users of this host, who could reach what containers write "
                f"below it: take the right to write from them, or choose another `root` in [runners.tristan]"
            )
