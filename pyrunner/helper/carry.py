"""Takes a file or link to another file system, where renaming cannot: a volume mounted in the work tree."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Final

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK: Final = 1 << 20


def carry(name: str, source: int | None, target: int | None) -> None:
    """Copy ``name`` from one folder to another and put it into its place there at once.

    :raises OSError: as the system reports it.
    """
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    temporary = f".pyrunner-{os.urandom(8).hex()}"
    try:
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), temporary, dir_fd=target)
        else:
            _copy(name, source, temporary, target)
        if os.geteuid() == 0:
            os.chown(temporary, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(temporary, ns=times, dir_fd=target, follow_symlinks=False)
        os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=target)
        raise


def _copy(name: str, source: int | None, temporary: str, target: int | None) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        mode = os.fstat(reading).st_mode & 0o777
        writing = os.open(temporary, _NEW, 0o600, dir_fd=target)
        try:
            while os.sendfile(writing, reading, None, _BLOCK):
                pass
            os.fchmod(writing, mode)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
