"""Where archives are unpacked: nothing is ever written outside one folder (design.md R8).

Every step goes through descriptors, folder by folder, and follows no link: there is nothing between a check
and its use that could be exchanged. Links and the attributes of folders come last, so no entry of the archive
is written through a link of the same archive.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyrunner.errors import ArchiveError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: No file of an archive gives its user another identity.
_MODES: Final = 0o777
_LONGEST_TARGET: Final = 4095


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may become.

    :param entries: how many.
    :param size: bytes; 0: what the file system has free.
    :param ratio: bytes written for each byte of the archive, looked at once ``ratio_from`` are written.
    """

    entries: int = 2_000_000
    size: int = 0
    ratio: int = 500
    ratio_from: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an entry says about itself; owner -1: nothing."""

    mode: int
    mtime_ns: int
    uid: int = -1
    gid: int = -1


class Wall:
    """One folder to unpack into.

    :param archive_size: bytes of the archive, for the ratio.
    """

    def __init__(self, folder: str, archive_size: int, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._archive_size = max(1, archive_size)
        self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.statvfs(self._root)
        self._most = self._limits.size or status.f_bavail * status.f_frsize
        self._entries = 0
        self._bytes = 0
        self._parent: tuple[tuple[str, ...], int] | None = None
        self._folders: dict[tuple[str, ...], Attributes] = {}
        self._links: list[tuple[tuple[str, ...], str, Attributes]] = []
        self._owns = os.geteuid() == 0

    def __enter__(self) -> Wall:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_parent()
        os.close(self._root)

    def folder(self, name: str, attributes: Attributes) -> None:
        """Make a folder; its attributes are set at the end."""
        if parts := self._parts(name):
            with _named(name):
                self._open_folder(parts)
            self._folders[parts] = attributes

    def link(self, name: str, target: str, attributes: Attributes) -> None:
        """Remember a symbolic link, made at the end."""
        parts = self._parts(name)
        if not parts or not target or "\0" in target or len(os.fsencode(target)) > _LONGEST_TARGET:
            raise ArchiveError(f"{name!r}: not a link that can be made")
        self._links.append((parts, target, attributes))

    def file(
        self, name: str, attributes: Attributes, write: Callable[[Callable[[bytes], None]], None]
    ) -> None:
        """Write a file, replacing what is there, never writing into it.

        :param write: is given what takes the next bytes.
        """
        parts = self._parts(name)
        if not parts:
            raise ArchiveError(f"{name!r}: a file needs a name")
        with _named(name):
            parent = self._open_folder(parts[:-1])
            _remove(parts[-1], parent)
            fd = os.open(parts[-1], _NEW_FILE, 0o600, dir_fd=parent)
        try:
            write(lambda data: self._write(fd, data, name))
            with _named(name):
                self._set(fd, attributes)
        finally:
            os.close(fd)

    def finish(self) -> None:
        """Make the links and give folders their attributes, the deepest first."""
        for parts, target, attributes in self._links:
            name = "/".join(parts)
            with _named(name):
                parent = self._open_folder(parts[:-1])
                _remove(parts[-1], parent)
                os.symlink(target, parts[-1], dir_fd=parent)
                if self._owns and attributes.uid >= 0:
                    os.chown(parts[-1], attributes.uid, attributes.gid, dir_fd=parent, follow_symlinks=False)
                times = (attributes.mtime_ns, attributes.mtime_ns)
                os.utime(parts[-1], ns=times, dir_fd=parent, follow_symlinks=False)
        self._forget_parent()
        for parts in sorted(self._folders, key=len, reverse=True):
            with _named("/".join(parts)):
                fd = self._descend(parts)
                try:
                    self._set(fd, self._folders[parts])
                finally:
                    os.close(fd)

    def count(self, name: str) -> None:
        """Count one more entry.

        :raises ArchiveError: when there are too many.
        """
        self._entries += 1
        if self._entries > self._limits.entries:
            raise ArchiveError(f"{name!r}: more than {self._limits.entries} entries in one archive")

    def _parts(self, name: str) -> tuple[str, ...]:
        """Return the steps to an entry; none for the folder itself.

        :raises ArchiveError: for a name that leads elsewhere.
        """
        self.count(name)
        if name.startswith("/") or "\0" in name or len(name) > _LONGEST_TARGET:
            raise ArchiveError(f"{name!r}: not a path inside the archive's folder")
        parts = tuple(one for one in name.split("/") if one not in ("", "."))
        if ".." in parts:
            raise ArchiveError(f"{name!r}: cannot be extracted outside of the project folder")
        return parts

    def _open_folder(self, parts: tuple[str, ...]) -> int:
        """Return a descriptor of a folder below ours, made where it is missing; it stays ours."""
        if self._parent is not None and self._parent[0] == parts:
            return self._parent[1]
        fd = self._descend(parts)
        self._forget_parent()
        self._parent = (parts, fd)
        return fd

    def _descend(self, parts: tuple[str, ...]) -> int:
        fd = os.dup(self._root)
        try:
            for part in parts:
                try:
                    below = os.open(part, _FOLDER, dir_fd=fd)
                except FileNotFoundError:
                    os.mkdir(part, 0o777, dir_fd=fd)
                    below = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _forget_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _write(self, fd: int, data: bytes, name: str) -> None:
        self._bytes += len(data)
        if self._bytes > self._most:
            raise ArchiveError(
                f"{name!r}: the archive holds more than the {self._most} bytes there is room for"
            )
        if self._bytes > self._limits.ratio_from and self._bytes > self._limits.ratio * self._archive_size:
            raise ArchiveError(
                f"{name!r}: the archive unpacks to more than {self._limits.ratio} times its size"
            )
        with _named(name):
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]

    def _set(self, fd: int, attributes: Attributes) -> None:
        if self._owns and attributes.uid >= 0:
            os.fchown(fd, attributes.uid, attributes.gid)
        os.fchmod(fd, attributes.mode & _MODES)
        os.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))


class _named:  # noqa: N801 - reads as a clause
    """Turns errors of the system into ones that name the entry."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, OSError):
            through_link = error.errno in (errno.ELOOP, errno.ENOTDIR)
            why = "leads through a link or a file" if through_link else (error.strerror or "").lower()
            raise ArchiveError(f"{self._name!r}: {why}") from error


def _remove(name: str, parent: int) -> None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=parent)
