"""Read, change and replace config.toml so that no change is lost and no half file is seen.

The lock is on the file itself, so that it also holds where the file alone is mounted into several
containers. The new content comes by rename, with mode, owner and extended attributes of the old
file; where that cannot be (a bind mount, a second hard link, a folder without write access, an
owner that cannot be kept) it is written in place (config-and-commands.md 1.17).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pyrunner.errors import ConfigError
from pyrunner.system.files import make_private, sync_folder

#: Seconds to wait for another process that edits the file.
LOCK_TIMEOUT: Final = 30.0
_LOCK_POLL: Final = 0.05
#: How often a change is made again because a process that takes no lock wrote meanwhile.
_ATTEMPTS: Final = 5

#: Old content (None: no file) to new content (None: leave the file as it is).
Change = Callable[[bytes | None], bytes | None]


def rewrite(path: Path, change: Change, lock_timeout: float = LOCK_TIMEOUT) -> bool:
    """Give the content to ``change`` under the lock and store what it returns; tell whether it did.

    A missing file is made with mode 0600, its missing folders with 0700. ``change`` may be called
    more than once.

    :raises ConfigError: when the file cannot be locked, read or written.
    """
    try:
        target = path.resolve()
        for _ in range(_ATTEMPTS):
            make_private(target.parent)
            with _locked(target, lock_timeout) as (fd, created):
                before = _signature(os.fstat(fd))
                old = _read(fd)
                try:
                    new = change(None if created else old)
                except BaseException:
                    _forget(target, created)
                    raise
                if new is None or (new == old and not created):
                    _forget(target, created)
                    return False
                if _signature(os.fstat(fd)) != before or not _is_current(fd, target):
                    continue
                _store(target, fd, new)
                return True
    except OSError as error:
        raise ConfigError(f"cannot change the file: {error.strerror}", str(path)) from None
    raise ConfigError("another program keeps changing the file; nothing was written", str(path))


@contextlib.contextmanager
def _locked(target: Path, timeout: float) -> Iterator[tuple[int, bool]]:
    """Yield a descriptor of the locked file, and whether it was made here."""
    deadline = time.monotonic() + timeout
    while True:
        fd, created = _open(target)
        try:
            while not _try_lock(fd):
                if time.monotonic() >= deadline:
                    raise ConfigError("another process holds the lock on the file; try again", str(target))
                time.sleep(_LOCK_POLL)
            if _is_current(fd, target):
                # Somebody may have filled a new file before it was locked here.
                yield fd, created and os.fstat(fd).st_size == 0
                return
        finally:
            os.close(fd)


def _open(target: Path) -> tuple[int, bool]:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileExistsError):
        fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o600)
        os.fchmod(fd, 0o600)
        return fd, True
    try:
        return os.open(target, os.O_RDWR | flags), False
    except PermissionError:
        # The folder may still allow a rename.
        return os.open(target, os.O_RDONLY | flags), False


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # A file system without locks: one editor at a time is then up to the operator.
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF):
            raise
    return True


def _is_current(fd: int, target: Path) -> bool:
    """Tell whether the locked file is still the one with that name (another editor may have renamed)."""
    try:
        there = os.stat(target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def _forget(target: Path, created: bool) -> None:
    """Remove the empty file that was only made to be locked."""
    if created:
        with contextlib.suppress(OSError):
            target.unlink()


def _read(fd: int) -> bytes:
    chunks: list[bytes] = []
    offset = 0
    while chunk := os.pread(fd, 1 << 20, offset):
        chunks.append(chunk)
        offset += len(chunk)
    return b"".join(chunks)


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _store(target: Path, fd: int, data: bytes) -> None:
    status = os.fstat(fd)
    if status.st_nlink == 1 and _replace(target, fd, status, data):
        return
    _write_in_place(target, data)


def _replace(target: Path, source: int, status: os.stat_result, data: bytes) -> bool:
    """Put a new file in the old one's place; False when only writing in place will do."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return False
        raise
    try:
        try:
            if not _take_over(source, fd, status):
                return False
            _write(fd, data)
        finally:
            os.close(fd)
        os.rename(temporary, target)
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES):
            return False
        raise
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)
    return True


def _take_over(source: int, fd: int, status: os.stat_result) -> bool:
    """Give the new file the old one's owner, attributes and mode; False when the owner cannot be kept."""
    own = os.fstat(fd)
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        try:
            os.fchown(fd, status.st_uid, status.st_gid)
        except PermissionError:
            return False
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            # one that cannot be set (a label the policy forbids) is what a new file here has
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, os.getxattr(source, name))
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    return True


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    offset = 0
    while offset < len(data):
        offset += os.pwrite(fd, view[offset:], offset)
    os.ftruncate(fd, len(data))
    os.fsync(fd)


def _write_in_place(target: Path, data: bytes) -> None:
    fd = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _write(fd, data)
    finally:
        os.close(fd)
