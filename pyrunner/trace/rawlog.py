"""``raw.log`` and ``raw.idx``: a job's output as it came, and when from which stream (design R3).

One process writes (the supervisor, which holds the job's lock). It may be killed between any two system
calls: bytes are written first, their record after them. What lies behind the last record on reopening is

* a message of our own that was not finished: cut off, its author writes it again;
* output of the job, which exists nowhere else: it gets its record then, for the stream that the hint in
  the header names (the hint is written before the first byte of another stream).

There is one record a call of :meth:`RawLog.splice`, 20 bytes each. They are not merged: a record that may
have been rendered must never change, or a rebuilt trace would differ (R6). A pipe merges by itself what
is written between two splices.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawindex import (
    HEADER,
    HINT,
    HINT_OFFSET,
    RECORD,
    Kind,
    Record,
    check_header,
    pack_header,
    read_records,
)
from pyrunner.trace.storage import open_private, storage_error, sync_data, truncate, write_at

#: Streams: our own messages, a script's output, the logs of services (job-execution.md 6.3).
MESSAGES: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
SERVICES: Final = 15
#: Messages of ours that stand on the error stream.
ERRORS: Final = 14

#: Most bytes that one splice moves; a default pipe holds a quarter of it.
SPLICE_SIZE: Final = 256 * 1024
#: splice(2) cannot do it for this descriptor or file system: bytes are copied through memory.
_REFUSED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


@dataclass
class _Debt:
    """Output that has left the pipe and has no record yet; ``data`` is what is not even in raw.log."""

    data: bytes
    time: int
    stage: int
    stream: int


class RawLog:
    """The writer of raw.log and raw.idx."""

    def __init__(self, log_path: Path, index_path: Path) -> None:
        self.log_path = log_path
        self.index_path = index_path
        self._log = open_private(log_path)
        try:
            self._index = open_private(index_path)
        except JobDirError:
            os.close(self._log)
            raise
        self._end = 0
        self._records = 0
        self._hint = (MESSAGES, 0)
        self._messages = 0
        self._closed_stages: set[int] = set()
        self._finished = False
        self._debt: _Debt | None = None

    @classmethod
    def open(cls, control: ControlDir) -> Self:
        """Open or make both files, and mend what a killed writer left.

        :raises DiskFull: when the record of recovered output finds no room.
        :raises JobDirError: when the files cannot be opened or are of another version.
        """
        log = cls(control.raw_log, control.raw_index)
        try:
            log._recover()
        except OSError as error:
            log.close()
            raise storage_error(error, control.raw_log) from error
        except JobDirError:
            log.close()
            raise
        return log

    @property
    def message_count(self) -> int:
        """How many messages and :meth:`close_messages` are in; on a replay that many are skipped."""
        return self._messages

    @property
    def finished(self) -> bool:
        """Tell whether :meth:`finish` has been called, in this process or a former one."""
        return self._finished

    @property
    def size(self) -> int:
        """Bytes of output so far."""
        return self._end

    def append_message(self, data: bytes, now: float, stream: int = MESSAGES) -> None:
        """Add one message of our own, whole or not at all.

        :param now: seconds since the epoch.
        :param stream: :data:`MESSAGES` or :data:`ERRORS`.
        :raises DiskFull: when there is no room; nothing has been added then.
        """
        self._begin()
        self._set_hint(MESSAGES, 0)
        try:
            write_at(self._log, data, self._end, self.log_path)
            self._write_record(self._end + len(data), _microseconds(now), 0, stream, Kind.DATA)
        except JobDirError:
            truncate(self._log, self._end, self.log_path)
            raise
        self._end += len(data)
        self._messages += 1

    def close_messages(self, now: float) -> None:
        """End the writer of messages; counts as a message.

        :raises DiskFull: when there is no room.
        """
        self._begin()
        self._write_record(self._end, _microseconds(now), 0, MESSAGES, Kind.CLOSE_MESSAGES)
        self._messages += 1

    def splice(self, fd: int, stream: int, stage: int, now: float) -> int:
        """Move what a pipe holds, at most :data:`SPLICE_SIZE` bytes, to the raw log.

        :param fd: a non-blocking pipe or FIFO.
        :param stream: :data:`STDOUT`, :data:`STDERR` or :data:`SERVICES`.
        :param stage: the stage's number.
        :returns: bytes moved; 0 when the pipe is empty.
        :raises DiskFull: when there is no room. What was moved is kept and gets its record with the next
            call that finds room; the rest is still in the pipe.
        """
        self._begin()
        self._set_hint(stream, stage)
        data = b""
        try:
            moved = os.splice(
                fd,
                self._log,
                SPLICE_SIZE,
                offset_dst=self._end,
                flags=os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE,
            )
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in _REFUSED:
                raise storage_error(error, self.log_path) from error
            data = _read(fd, self.log_path)
            moved = len(data)
        if not moved:
            return 0
        if not data:
            self._end += moved
        self._closed_stages.discard(stage)
        self._debt = _Debt(data, _microseconds(now), stage, stream)
        self._settle()
        return moved

    def close_stage(self, stage: int, now: float) -> None:
        """End the writers of a stage; what they hold back comes out. Safe twice, also after a restart.

        :raises DiskFull: when there is no room.
        """
        if stage in self._closed_stages:
            return
        self._begin()
        self._write_record(self._end, _microseconds(now), stage, STDOUT, Kind.CLOSE_STAGE)
        self._closed_stages.add(stage)

    def finish(self, now: float) -> None:
        """Mark the output as complete. Safe twice.

        :raises DiskFull: when there is no room.
        """
        if self._finished:
            return
        self._begin()
        self._write_record(self._end, _microseconds(now), 0, MESSAGES, Kind.FINAL)
        self._finished = True

    def sync(self) -> None:
        """Make both files survive a power cut.

        :raises DiskFull: when there is no room for what is not on disk yet.
        """
        sync_data(self._log, self.log_path)
        sync_data(self._index, self.index_path)

    def close(self) -> None:
        """Release the descriptors. Safe twice."""
        for fd in (self._log, self._index):
            if fd >= 0:
                os.close(fd)
        self._log = self._index = -1

    def _begin(self) -> None:
        if self._finished:
            raise JobDirError(f"{self.log_path}: the output of this job is complete, nothing can be added")
        self._settle()

    def _settle(self) -> None:
        """Give moved output its record."""
        debt = self._debt
        if debt is None:
            return
        if debt.data:
            write_at(self._log, debt.data, self._end, self.log_path)
            self._end += len(debt.data)
            debt.data = b""
        self._write_record(self._end, debt.time, debt.stage, debt.stream, Kind.DATA)
        self._debt = None

    def _write_record(self, end: int, time: int, stage: int, stream: int, kind: Kind) -> None:
        offset = HEADER.size + self._records * RECORD.size
        write_at(self._index, RECORD.pack(end, time, stage, stream, kind), offset, self.index_path)
        self._records += 1

    def _set_hint(self, stream: int, stage: int) -> None:
        if self._hint != (stream, stage):
            write_at(self._index, HINT.pack(stream, stage), HINT_OFFSET, self.index_path)
            self._hint = (stream, stage)

    def _recover(self) -> None:
        index_size = os.fstat(self._index).st_size
        if index_size < HEADER.size:
            # Nothing can have been written to the raw log before the header was complete.
            truncate(self._log, 0, self.log_path)
            write_at(self._index, pack_header(), 0, self.index_path)
            return
        self._hint = check_header(os.pread(self._index, HEADER.size, 0), self.index_path)
        status = os.fstat(self._log)
        self._count_records(status.st_size)
        whole = HEADER.size + self._records * RECORD.size
        if index_size > whole:
            truncate(self._index, whole, self.index_path)
        if status.st_size == self._end:
            return
        stream, stage = self._hint
        if stream == MESSAGES:
            truncate(self._log, self._end, self.log_path)
            return
        self._end = status.st_size
        self._debt = _Debt(b"", status.st_mtime_ns // 1000, stage, stream)
        self._settle()

    def _count_records(self, log_size: int) -> None:
        """Take in the records, up to the first whose bytes a power cut has taken away."""
        for records in read_records(self._index):
            for record in records:
                if not self._end <= record.end <= log_size:
                    return
                self._take(record)

    def _take(self, record: Record) -> None:
        self._end = record.end
        self._records += 1
        if record.kind == Kind.CLOSE_STAGE:
            self._closed_stages.add(record.stage)
        elif record.kind == Kind.FINAL:
            self._finished = True
        elif record.stream in (MESSAGES, ERRORS):
            self._messages += 1
        else:
            self._closed_stages.discard(record.stage)


def _read(fd: int, path: Path) -> bytes:
    try:
        return os.read(fd, SPLICE_SIZE)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise storage_error(error, path) from error


def _microseconds(now: float) -> int:
    return round(now * 1_000_000)
