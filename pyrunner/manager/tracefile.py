"""The bytes of a job's trace as the coordinator gets them, and their checksum (runner-api.md 5.2)."""

from __future__ import annotations

import os
import zlib
from typing import Final, Protocol

from pyrunner.jobdir.control import ControlDir

_BLOCK: Final = 1024 * 1024


class TraceBytes(Protocol):
    """Where the bytes of a trace are."""

    def size(self) -> int:
        """Return how many bytes may be shipped now."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""


class TraceFile:
    """trace.log up to its durable size (design R6), then what a verdict adds.

    :param limit: the verdict's: how much of the file counts; None while there is no verdict.
    """

    def __init__(self, control: ControlDir, limit: int | None = None, text: bytes = b"") -> None:
        self._control = control
        self._limit = limit
        self._text = text

    def size(self) -> int:
        """Return how many bytes may be shipped now."""
        if self._limit is None:
            return self._control.durable_trace_size()
        return self._limit + len(self._text)

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``.

        :raises OSError: when the file cannot be read.
        """
        length = min(length, self.size() - offset)
        if length <= 0:
            return b""
        in_file = length if self._limit is None else max(0, min(length, self._limit - offset))
        data = self._from_file(offset, in_file) if in_file else b""
        if len(data) < length and self._limit is not None and len(data) == in_file:
            start = max(0, offset - self._limit)
            data += self._text[start : start + length - in_file]
        return data

    def _from_file(self, offset: int, length: int) -> bytes:
        fd = os.open(self._control.trace_log, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            parts: list[bytes] = []
            while length > 0:
                part = os.pread(fd, length, offset)
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                length -= len(part)
            return b"".join(parts)
        finally:
            os.close(fd)


class MemoryTrace:
    """The trace of a job for which not even a folder can be made."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def size(self) -> int:
        """Return how many bytes there are."""
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""
        return self._content[offset : offset + length]


class Checksum:
    """CRC-32 of a trace's first bytes, carried on as the trace grows; begun anew after a restart."""

    def __init__(self, trace: TraceBytes) -> None:
        self._trace = trace
        self._crc = 0
        self._size = 0

    def of(self, size: int) -> str:
        """Return ``crc32:xxxxxxxx`` of the first ``size`` bytes.

        :raises OSError: when they cannot be read.
        """
        if size < self._size:
            self._crc, self._size = 0, 0
        while self._size < size:
            block = self._trace.read(self._size, min(_BLOCK, size - self._size))
            if not block:
                raise OSError(f"the trace ends at byte {self._size}, before {size}")
            self._crc = zlib.crc32(block, self._crc)
            self._size += len(block)
        return f"crc32:{self._crc:08x}"
