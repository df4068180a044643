"""Moves an unpacked archive to its place: whole folders where nothing is there yet, else entry by entry.

Files and links take the place of files and links, never of folders, and folders never of either. That is
looked at before anything is moved, so that what stands in the way leaves everything as it was.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from pyrunner.errors import ArchiveError
from pyrunner.helper.folders import FolderChain

_OCCUPIED: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)


def publish(staging: int, root: int) -> None:
    """Move all that is in the folder ``staging`` into the folder ``root``.

    :param staging: descriptor; on the same file system, but there may be others mounted below ``root``.
    :raises ArchiveError: when it cannot be moved; names the entry.
    """
    with FolderChain(staging) as source, FolderChain(root) as target:
        _look(source, target)
        _move(source, target)


def _look(source: FolderChain, target: FolderChain) -> None:
    """Find what stands in the way."""
    stack = [""]
    while stack:
        folder = stack.pop()
        for name, is_folder in _children(source, folder):
            path = f"{folder}/{name}" if folder else name
            try:
                there = os.stat(name, dir_fd=target.open(folder), follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _failed(path, error) from error
            if is_folder and not stat.S_ISDIR(there.st_mode):
                raise ArchiveError(f"{path!r}: leads through a link or a file")
            if not is_folder and stat.S_ISDIR(there.st_mode):
                raise ArchiveError(f"{path!r}: there is a folder in its place")
            if is_folder:
                stack.append(path)


def _move(source: FolderChain, target: FolderChain) -> None:
    stack = [""]
    while stack:
        folder = stack.pop()
        for name, is_folder in _children(source, folder):
            path = f"{folder}/{name}" if folder else name
            try:
                if is_folder:
                    if not _move_folder(name, source.open(folder), target.open(folder)):
                        stack.append(path)
                else:
                    _move_file(name, source.open(folder), target.open(folder))
            except OSError as error:
                raise _failed(path, error) from error


def _move_folder(name: str, source: int | None, target: int | None) -> bool:
    """Move a folder as it is; False when its content has to be moved into one that is there."""
    try:
        os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        return False  # not even an empty one is replaced: it may have rights of its own
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            os.mkdir(name, 0o777, dir_fd=target)
        elif error.errno not in _OCCUPIED:
            raise
        return False
    return True


def _move_file(name: str, source: int | None, target: int | None) -> None:
    try:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        from pyrunner.helper.carry import carry

        carry(name, source, target)


def _children(chain: FolderChain, folder: str) -> list[tuple[str, bool]]:
    try:
        fd = chain.open(folder)
        assert fd is not None
        with os.scandir(fd) as found:
            return [(one.name, one.is_dir(follow_symlinks=False)) for one in found]
    except OSError as error:
        raise _failed(folder, error) from error


def _failed(path: str, error: OSError) -> ArchiveError:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return ArchiveError(f"{path!r}: leads through a link or a file")
    return ArchiveError(f"{path!r}: {(error.strerror or '').lower()}")
