"""Whether a folder may be mounted: nobody but the manager's user can have put something in its place (R8)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pyrunner.errors import JobDirError


def check_mount_source(path: Path, owner: int | None = None) -> None:
    """Make sure that ``path`` is a folder, reached through folders that only ``owner`` and root can change.

    bubblewrap and the container engine follow a link that stands in a source's path; a folder that a job can
    write to must not hold one.

    :param owner: user id; None: ours.
    :raises JobDirError: naming the component that is at fault.
    """
    trusted = {0, os.geteuid() if owner is None else owner}
    if not path.is_absolute() or ".." in path.parts:
        raise JobDirError(f"{path}: not an absolute path without ..")
    for parent in reversed(path.parents):
        _check(parent, trusted, parent=True)
    _check(path, trusted, parent=False)


def _check(folder: Path, trusted: set[int], parent: bool) -> None:
    try:
        status = folder.lstat()
    except OSError as error:
        raise JobDirError(f"cannot mount {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a folder"
        raise JobDirError(f"{folder} is {kind}: jobs must not be led elsewhere; name the folder itself")
    if not parent:
        return
    if status.st_uid not in trusted:
        raise JobDirError(
            f"{folder} belongs to user {status.st_uid}, who could put something else in its place"
        )
    # In a sticky folder like /tmp nobody can rename or remove what is another's.
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        raise JobDirError(
            f"{folder} can be written by others (mode {stat.S_IMODE(status.st_mode):04o}), who could put "
            "something else in the place of what is below: chmod go-w it, or choose another root"
        )


def is_private(path: Path) -> bool:
    """Tell whether some folder above ``path`` keeps every other user of the host out (mode 0700).

    A container's root can leave setuid files in what it may write; they must be out of the users' reach.
    """
    for parent in path.parents:
        try:
            status = parent.lstat()
        except OSError:
            return False
        if status.st_uid == os.geteuid() and not status.st_mode & 0o077:
            return True
    return False
