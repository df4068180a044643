"""Open-file-description locks: liveness that the kernel vouches for (design R3).

The lock belongs to the open file, not to the process: it is handed over with the descriptor and
ends when the last copy of it is closed. A probe only asks (F_OFD_GETLK); taking the lock to find
out would mislead a second prober.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

# struct flock of Linux: type, whence, start, length, pid
_FLOCK = struct.Struct("hhqqi4x")


class OpenFileLock:
    """A held lock on ``path``; :attr:`fd` may be passed to another process, which then holds it too."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def take(cls, path: Path) -> OpenFileLock | None:
        """Take the lock without waiting; None when somebody holds it."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if try_lock(fd):
                return cls(path, fd)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def close(self) -> None:
        """Give up this process's copy; the lock ends with the last copy. Safe twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def try_lock(fd: int) -> bool:
    """Take the lock on an open file without waiting; False when somebody else holds it."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_held(path: Path) -> bool:
    """Tell whether anybody holds the lock on ``path``; False when the file does not exist."""
    try:
        # Only for reading: to close a file that was open for writing wakes whoever watches its folder,
        # and whoever asks again then would never sleep.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(fd)
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)
