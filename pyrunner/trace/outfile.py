"""A file that grows by what is rendered into it, and is left alone where that is there already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pyrunner.trace.storage import open_private, storage_error, sync_data, truncate, write_at

#: So many bytes are worth a system call.
_BUFFER: Final = 256 * 1024


class OutputFile:
    """Takes the same bytes again after a restart, compares, and appends what is new.

    A rebuilt file is the same byte for byte (design R6). Should it differ after all, because a power cut
    took records that had been rendered, it is cut at the first difference and written anew from there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = open_private(path)
        self._existing = os.fstat(self._fd).st_size
        self._written = 0
        self._pending = bytearray()

    @property
    def size(self) -> int:
        """Bytes taken so far, whether they are in the file yet or not."""
        return self._written + len(self._pending)

    @property
    def due(self) -> bool:
        """Tell whether enough was taken for a :meth:`flush`."""
        return len(self._pending) >= _BUFFER

    def write(self, data: bytes) -> None:
        """Take bytes into memory; :meth:`flush` brings them into the file."""
        self._pending += data

    def flush(self) -> None:
        """Bring all that was taken into the file.

        :raises DiskFull: when there is no room; what is not written is kept for the next call.
        """
        if self._pending and self._written < self._existing:
            self._compare()
        if self._pending:
            write_at(self._fd, bytes(self._pending), self._written, self.path)
            self._written += len(self._pending)
            self._pending.clear()

    def finish(self) -> None:
        """Bring all into the file, and end it there.

        :raises DiskFull: when there is no room.
        """
        self.flush()
        if self._existing > self._written:
            truncate(self._fd, self._written, self.path)
            self._existing = self._written

    def tail(self, start: int) -> bytes:
        """Return what follows ``start``; everything taken must have been flushed."""
        try:
            return os.pread(self._fd, self._written - start, start)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def sync(self) -> None:
        """Make the content survive a power cut.

        :raises DiskFull: when there is no room for what is not on disk yet.
        """
        sync_data(self._fd, self.path)

    def close(self) -> None:
        """Release the descriptor. Safe twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _compare(self) -> None:
        """Pass over what is in the file already."""
        size = min(len(self._pending), self._existing - self._written)
        try:
            there = os.pread(self._fd, size, self._written)
        except OSError as error:
            raise storage_error(error, self.path) from error
        if there != self._pending[:size]:
            alike = next(at for at in range(size) if there[at : at + 1] != self._pending[at : at + 1])
            there = there[:alike]
            truncate(self._fd, self._written + alike, self.path)
            self._existing = self._written + alike
        self._written += len(there)
        del self._pending[: len(there)]
