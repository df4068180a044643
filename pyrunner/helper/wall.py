"""Where archives are unpacked: nothing is ever written outside one folder (design.md R8).

Every step goes through descriptors, folder by folder, and follows no link: there is nothing between a check
and its use that could be exchanged. All is unpacked into a folder of its own first, which none but its owner
may enter; only a whole archive is moved from there to its place (:mod:`.publish`).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple, Self

from pyrunner.errors import ArchiveError
from pyrunner.helper.folders import FOLDER, FolderChain
from pyrunner.helper.limits import Ledger, Limits

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: No file of an archive gives its user another identity.
_MODES: Final = 0o777
_LONGEST_PATH: Final = 4095
_STAGING: Final = ".pyrunner-unpacking-"
#: Seconds.
_ABANDONED: Final = 24 * 3600


class Attributes(NamedTuple):
    """What an entry says about itself; owner -1: nothing."""

    mode: int
    mtime_ns: int
    uid: int = -1
    gid: int = -1


class Wall:
    """One folder to unpack into.

    :param archive_size: bytes of the archive, for the ratio.
    :raises ArchiveError: when nothing can be written there.
    """

    def __init__(self, folder: str, archive_size: int, limits: Limits | None = None) -> None:
        try:
            self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            status = os.statvfs(self._root)
            self._remove_leftovers()
            self._staging_name = _STAGING + os.urandom(8).hex()
            os.mkdir(self._staging_name, 0o700, dir_fd=self._root)
            self._staging = os.open(self._staging_name, FOLDER, dir_fd=self._root)
        except OSError as error:
            raise ArchiveError(f"{error.filename}: {(error.strerror or '').lower()}") from error
        self._ledger = Ledger(limits or Limits(), archive_size, status.f_bavail * status.f_frsize)
        self._chain = FolderChain(self._staging, create=True)
        self._folders: dict[str, Attributes] = {}
        self._published = False
        self._own = (os.geteuid(), os.getegid())
        self._gives = os.geteuid() == 0
        self._umask = _umask()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chain.close()
        with suppress(OSError):  # what cannot be removed does no harm, and must not hide the error
            self._remove_staging()
        os.close(self._staging)
        os.close(self._root)

    def expect(self, entries: int) -> None:
        """Take the announced number of entries.

        :raises ArchiveError: when it is more than may be.
        """
        self._ledger.expect(entries)

    def admit(self, name: str, size: int = 0) -> None:
        """Take an entry that will come.

        :raises ArchiveError: when its name leads elsewhere, or it is too much.
        """
        self._ledger.admit(name, size)
        _path(name)

    def folder(self, name: str, attributes: Attributes) -> None:
        """Make a folder; its attributes are set at the end."""
        if path := _path(name):
            with _named(name):
                self._chain.open(path)
            self._folders[path] = attributes

    def link(self, name: str, target: str, attributes: Attributes) -> None:
        """Make a symbolic link; nothing of this archive will be written through it."""
        path = _path(name)
        if not path or not target or "\0" in target or len(os.fsencode(target)) > _LONGEST_PATH:
            raise ArchiveError(f"{name!r}: not a link that can be made")
        folder, _, last = path.rpartition("/")
        with _named(name):
            parent = self._chain.open(folder)
            _remove(last, parent)
            os.symlink(target, last, dir_fd=parent)
            self._give_away(attributes, last, parent)
            times = (attributes.mtime_ns, attributes.mtime_ns)
            os.utime(last, ns=times, dir_fd=parent, follow_symlinks=False)

    def file(self, name: str, attributes: Attributes, pieces: Iterable[bytes]) -> None:
        """Write a file; of two with one name the later one stays."""
        path = _path(name)
        if not path:
            raise ArchiveError(f"{name!r}: a file needs a name")
        folder, _, last = path.rpartition("/")
        mode = attributes.mode & _MODES
        with _named(name):
            parent = self._chain.open(folder)
            try:
                fd = os.open(last, _NEW_FILE, mode, dir_fd=parent)
            except FileExistsError:
                _remove(last, parent)
                fd = os.open(last, _NEW_FILE, mode, dir_fd=parent)
            try:
                for piece in pieces:
                    view = memoryview(piece)
                    while view:
                        view = view[os.write(fd, view) :]
                self._give_away(attributes, fd)
                if mode & self._umask:
                    os.fchmod(fd, mode)
                os.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))
            finally:
                os.close(fd)

    def finish(self) -> None:
        """Move all to its place, and give folders their attributes, the deepest first.

        :raises ArchiveError: when something stands in the way; what can be known before anything is moved.
        """
        from pyrunner.helper.publish import publish

        self._chain.close()
        publish(self._staging, self._root)
        with FolderChain(self._root) as chain:
            for path in sorted(self._folders, key=lambda one: one.count("/"), reverse=True):
                attributes = self._folders[path]
                with _named(path):
                    fd = chain.open(path)
                    assert fd is not None
                    self._give_away(attributes, fd)
                    os.fchmod(fd, attributes.mode & _MODES)
                    os.utime(fd, ns=(attributes.mtime_ns, attributes.mtime_ns))

    def _remove_leftovers(self) -> None:
        """Remove what was being unpacked here when somebody was killed: nobody takes a day for it."""
        with os.scandir(self._root) as found:
            leftovers = [
                one.name
                for one in found
                if one.name.startswith(_STAGING)
                and time.time() - one.stat(follow_symlinks=False).st_mtime > _ABANDONED
            ]
        if leftovers:
            import shutil

            for name in leftovers:
                shutil.rmtree(name, ignore_errors=True, dir_fd=self._root)

    def _give_away(self, attributes: Attributes, entry: int | str, parent: int | None = None) -> None:
        """Set the owner where that may be: root in the workspace sandbox, for one, may not."""
        if not self._gives or attributes.uid < 0 or (attributes.uid, attributes.gid) == self._own:
            return
        try:
            if isinstance(entry, int):
                os.fchown(entry, attributes.uid, attributes.gid)
            else:
                os.chown(entry, attributes.uid, attributes.gid, dir_fd=parent, follow_symlinks=False)
        except PermissionError:
            self._gives = False

    def _remove_staging(self) -> None:
        try:
            os.rmdir(self._staging_name, dir_fd=self._root)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            import shutil  # only where folders were merged, or after a failure

            shutil.rmtree(self._staging_name, ignore_errors=True, dir_fd=self._root)


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


def _path(name: str) -> str:
    """Return the normal form of an entry's path; empty for the folder itself.

    :raises ArchiveError: for a name that leads elsewhere.
    """
    if name.startswith("/") or "\0" in name or len(name) > _LONGEST_PATH:
        raise ArchiveError(f"{name!r}: not a path inside the archive's folder")
    if "//" not in name and "./" not in name and not name.endswith((".", "/")):
        return name
    parts = [one for one in name.split("/") if one not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(f"{name!r}: cannot be extracted outside of the project folder")
    return "/".join(parts)


def _remove(name: str, parent: int | None) -> None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=parent)


def _umask() -> int:
    """Return the process's umask, without setting it for a moment: there may be threads."""
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass  # no /proc: every file's mode is set once more
    return 0o777
