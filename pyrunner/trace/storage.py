"""Writing at offsets, with the errors of a full or failing disk as types of our own."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from pyrunner.errors import DiskFull, JobDirError

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def storage_error(error: OSError, path: Path) -> JobDirError:
    """Return the typed form of an error met while ``path`` was read or written."""
    if error.errno in _NO_ROOM:
        return DiskFull(f"{path}: no room for the job's output ({error.strerror}); free disk space")
    return JobDirError(f"{path}: {error.strerror}")


def open_private(path: Path) -> int:
    """Open ``path`` for reading and writing, made with mode 0600 when missing; follows no link.

    :raises JobDirError: when it cannot be opened.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise storage_error(error, path) from error


def write_at(fd: int, data: bytes | memoryview, offset: int, path: Path) -> None:
    """Write all of ``data`` at ``offset``; on an error any part of it may be there.

    :raises DiskFull: when there is no room for it.
    :raises JobDirError: when the disk fails otherwise.
    """
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(fd, view, offset)
            view = view[written:]
            offset += written
    except OSError as error:
        raise storage_error(error, path) from error


def truncate(fd: int, size: int, path: Path) -> None:
    """Cut a file.

    :raises JobDirError: when the disk fails.
    """
    try:
        os.ftruncate(fd, size)
    except OSError as error:
        raise storage_error(error, path) from error


def sync_data(fd: int, path: Path) -> None:
    """Make a file's content survive a power cut.

    :raises DiskFull: when there is no room for what is not on disk yet.
    :raises JobDirError: when the disk fails.
    """
    try:
        os.fdatasync(fd)
    except OSError as error:
        raise storage_error(error, path) from error
