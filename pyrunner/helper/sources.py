"""Opens the files that go into an archive: never through a link, never a device (design.md R8)."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from pyrunner.errors import ArchiveError


def open_source(path: str) -> tuple[BinaryIO, os.stat_result] | None:
    """Open a regular file; None when it has vanished or become something else since it was found.

    :raises ArchiveError: when it cannot be read.
    """
    try:
        # Not blocking: a pipe put in the file's place must not hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if os.path.islink(path):
            return None
        raise ArchiveError(f"open {path}: {(error.strerror or '').lower()}") from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        return None
    return os.fdopen(fd, "rb", buffering=0), status


def read_block(file: BinaryIO, size: int, path: str) -> bytes:
    """Read up to ``size`` bytes, fewer only at the end of the file.

    :raises ArchiveError: when it cannot be read.
    """
    parts, left = [], size
    try:
        while left and (part := file.read(left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise ArchiveError(f"read {path}: {(error.strerror or '').lower()}") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)
