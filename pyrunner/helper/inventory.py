"""What a walk has found, in a form that is small, quick to digest, and easily sent to another process."""

from __future__ import annotations

import marshal
import os
import stat
from _blake2 import blake2b  # what hashlib has it from, without OpenSSL and the time to load it
from collections.abc import Iterable, Iterator
from typing import Final

#: Sizes of what is no regular file.
FOLDER: Final = -1
LINK: Final = -2
#: A pipe, socket or device: no entry of an archive.
OTHER: Final = -3

#: Of marshal's forms: from the next one on, equal values may look different.
_FORM: Final = 2
_SECOND: Final = 10**9
_DIGEST_SIZE: Final = 32
#: Of a mode: kind and permissions.
KEPT: Final = 0o170777

#: Name, kind and mode, size, modification time in nanoseconds, target of a link. Of folders no time counts:
#: whatever makes a temporary file in them changes it.
Row = tuple[str, int, int, int, str]


class Inventory:
    """Entries by folder; one may be in it more than once."""

    def __init__(self) -> None:
        #: Each a folder with rows, packed.
        self.batches: list[bytes] = []
        #: Latest modification of any entry, and of any file; nanoseconds.
        self.newest = 0
        self.newest_file = 0
        #: Every file's time is a whole second, as after a restore.
        self.whole = True
        self._digest = Digest()
        self._digested = 0

    def add(self, folder: str, rows: list[Row], newest: int) -> None:
        """Take in entries of one folder.

        :param newest: latest modification of those that are no files.
        """
        self.batches.append(marshal.dumps((folder, rows), _FORM))
        times = [row[3] for row in rows]
        newest_file = max(times)
        self.newest = max(self.newest, newest, newest_file)
        self.newest_file = max(self.newest_file, newest_file)
        self.whole = self.whole and not any(time % _SECOND for time in times)

    def folders(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield what was added."""
        for batch in self.batches:
            folder, rows = marshal.loads(batch)  # noqa: S302 - packed by us
            yield folder, rows

    def sizes(self) -> dict[str, int]:
        """Return path → size, or what it is instead of a file, one of the constants above."""
        found: dict[str, int] = {}
        for folder, rows in self.folders():
            prefix = f"{folder}/" if folder else ""
            for name, mode, size, _, _ in rows:
                found[prefix + name] = size if stat.S_ISREG(mode) else _kind(mode)
        return found

    def digest(self) -> Digest:
        """Return a digest of all; what one asked before has been told is not gone through again."""
        self._digest.update(self.batches[self._digested :])
        self._digested = len(self.batches)
        return self._digest

    def pack(self) -> bytes:
        """Return all for another process."""
        return marshal.dumps((self.batches, self.newest, self.newest_file, self.whole), _FORM)

    def unpack(self, data: bytes) -> None:
        """Take in what another process has packed."""
        batches, newest, newest_file, whole = marshal.loads(data)  # noqa: S302 - from a process of our own
        self.batches += batches
        self.newest = max(self.newest, newest)
        self.newest_file = max(self.newest_file, newest_file)
        self.whole = self.whole and whole


class Digest:
    """A digest of packed entries, as they come."""

    def __init__(self) -> None:
        self._state = blake2b(digest_size=_DIGEST_SIZE)

    def update(self, batches: Iterable[bytes]) -> None:
        """Go on."""
        for batch in batches:
            self._state.update(b"%d:" % len(batch))
            self._state.update(batch)

    def with_tail(self, tail: bytes) -> str:
        """Return what it would be with ``tail`` behind all."""
        state = self._state.copy()
        state.update(tail)
        return state.hexdigest()


def row(name: str, status: os.stat_result, folder: int | None) -> Row:
    """Return what counts of an entry.

    :param folder: descriptor of where it is; None: the working directory.
    """
    mode = status.st_mode & KEPT
    if stat.S_ISREG(mode):
        return name, mode, status.st_size, status.st_mtime_ns, ""
    if stat.S_ISLNK(mode):
        try:
            return name, mode, 0, 0, os.readlink(name, dir_fd=folder)
        except OSError:
            pass  # gone since it was found
    return name, mode, 0, 0, ""


def packed_with_whole_seconds(batch: bytes) -> bytes:
    """Return a batch as it is found after times were cut to the second."""
    folder, rows = marshal.loads(batch)  # noqa: S302 - packed by us
    cut = [(name, mode, size, time - time % _SECOND, target) for name, mode, size, time, target in rows]
    return marshal.dumps((folder, cut), _FORM)


def _kind(mode: int) -> int:
    return FOLDER if stat.S_ISDIR(mode) else LINK if stat.S_ISLNK(mode) else OTHER
