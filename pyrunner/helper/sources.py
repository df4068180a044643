"""Reads the tree that goes into an archive: never through a link, never a device (design.md R8)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final, Self

from pyrunner.errors import ArchiveError
from pyrunner.helper.folders import FolderChain

#: Not blocking: a pipe put in the file's place must not hold us up.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Vanished, or something else by now: a link, something below a link or file, a socket.
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


class Sources:
    """The tree below the working directory.

    :param doors: folders to which links lead on purpose (8.1 step 2).
    """

    def __init__(self, doors: Sequence[str] = ()) -> None:
        self._chain = FolderChain(doors=doors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chain.close()

    def open(self, path: str) -> tuple[int, os.stat_result] | None:
        """Open a regular file; None when it has vanished or become something else since it was found.

        :raises ArchiveError: when it cannot be read.
        """
        folder, _, name = path.rpartition("/")
        try:
            fd = os.open(name, _READ, dir_fd=self._chain.open(folder))
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise ArchiveError(f"open {path}: {(error.strerror or '').lower()}") from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            return None
        return fd, status

    def status(self, path: str) -> os.stat_result | None:
        """Return what ``lstat`` says of an entry; None when it has vanished."""
        folder, _, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self._chain.open(folder), follow_symlinks=False)
        except OSError:
            return None

    def target(self, path: str) -> str | None:
        """Return where a link leads; None when it has vanished or is none any more."""
        folder, _, name = path.rpartition("/")
        try:
            return os.readlink(name, dir_fd=self._chain.open(folder))
        except OSError:
            return None


def read_fully(fd: int, size: int, path: str) -> bytes:
    """Read up to ``size`` bytes from where ``fd`` stands, fewer only at the end of the file.

    :raises ArchiveError: when it cannot be read.
    """
    try:
        data = os.read(fd, size)
        if len(data) == size or not data:
            return data
        parts, left = [data], size - len(data)
        while left and (data := os.read(fd, left)):
            parts.append(data)
            left -= len(data)
    except OSError as error:
        raise ArchiveError(f"read {path}: {(error.strerror or '').lower()}") from error
    return b"".join(parts)


def read_blocks(fd: int, size: int, path: str) -> Iterator[bytes]:
    """Yield the rest of a file in blocks of ``size`` bytes.

    :raises ArchiveError: when it cannot be read.
    """
    while block := read_fully(fd, size, path):
        yield block
