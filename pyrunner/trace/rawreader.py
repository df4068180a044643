"""Reads raw.log as raw.idx cuts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.trace.rawindex import HEADER, RECORD, Record, check_header, read_records
from pyrunner.trace.storage import storage_error, sync_data

#: Most bytes of the raw log in memory. A longer record, such as a very long message, is read, and counts,
#: as several writes.
_WINDOW: Final = 1024 * 1024


class RawReader:
    """Reads through a window, so that many small records cost few system calls.

    :raises JobDirError: when the files cannot be read or are of another version.
    """

    def __init__(self, log_path: Path, index_path: Path) -> None:
        self._log_path = log_path
        self._index_path = index_path
        self._log = _open(log_path)
        try:
            self._index = _open(index_path)
        except JobDirError:
            os.close(self._log)
            raise
        self._start = 0
        self._window = b""
        try:
            check_header(os.pread(self._index, HEADER.size, 0), index_path)
        except JobDirError:
            self.close()
            raise

    def record_count(self) -> int:
        """Return how many records there are by now."""
        return (os.fstat(self._index).st_size - HEADER.size) // RECORD.size

    def records(self, first: int) -> Iterator[list[Record]]:
        """Yield the records from number ``first`` on, some thousand at a time."""
        return read_records(self._index, first)

    def read(self, start: int, end: int, until: int) -> bytes:
        """Return the bytes from ``start`` up to ``end``, or a full window of them.

        :param until: how far the raw log is recorded: what is behind may still change.
        :raises JobDirError: when the raw log is shorter, or the disk fails.
        """
        window_end = self._start + len(self._window)
        if not self._start <= start < end <= window_end:
            try:
                self._window = os.pread(self._log, min(_WINDOW, until - start), start)
            except OSError as error:
                raise storage_error(error, self._log_path) from error
            self._start = start
            if not self._window:
                raise JobDirError(f"{self._log_path}: shorter than its index says")
        return self._window[start - self._start : end - self._start]

    def sync(self) -> None:
        """Make both files survive a power cut.

        :raises DiskFull: when there is no room for what is not on disk yet.
        """
        sync_data(self._log, self._log_path)
        sync_data(self._index, self._index_path)

    def close(self) -> None:
        """Release the descriptors. Safe twice."""
        for fd in (self._log, self._index):
            if fd >= 0:
                os.close(fd)
        self._log = self._index = -1


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise storage_error(error, path) from error
